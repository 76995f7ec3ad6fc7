/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "sha256.h"
#include "tap.h"

static void digests(const char *text, const char *expected) {
        char digest[SHA256_TEXT_SIZE];

        is(sha256_text(text, strlen(text), digest), expected);
}

static void digests_many(char c, size_t n, const char *expected) {
        _cleanup_free_ char *text = malloc(n + 1);

        if (!text)
                abort();
        memset(text, c, n);
        text[n] = 0;
        digests(text, expected);
}

int main(void) {
        /* The examples of NIST. */
        digests("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        digests("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        digests("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
        digests("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                
                "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
        digests_many('a', 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");

        /* Where the length still fits into the last block, and where it does not any more. */
        digests_many('x', 55, "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
        digests_many('x', 56, "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
        digests_many('x', 63, "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
        digests_many('x', 64, "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
        return tap_done();
}
