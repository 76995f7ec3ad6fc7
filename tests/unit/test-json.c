/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "json.h"
#include "strv.h"
#include "tap.h"

static void writes(void (*write)(Json *j), const char *expected) {
        _cleanup_free_ char *text = NULL;
        size_t n = 0;
        Json j = { .f = open_memstream(&text, &n) };

        write(&j);
        (void) fclose(j.f);
        is(text, expected);
}

static void everything(Json *j) {
        json_begin(j, NULL, '{');
        json_string(j, "vm", "My VM");
        json_string(j, "override", NULL);
        json_number(j, "pid", 812);
        json_bool(j, "ready", true);
        json_begin(j, "functions", '[');
        json_begin(j, NULL, '{');
        json_bool(j, "display", false);
        json_end(j, '}');
        json_begin(j, NULL, '{');
        json_end(j, '}');
        json_end(j, ']');
        json_strv(j, "units", STRV_MAKE("a.service", "b.service"));
        json_strv(j, "others", NULL);
        json_end(j, '}');
}

static void odd_strings(Json *j) {
        json_strv(j, NULL, STRV_MAKE("", "\"\\/", "\x1b[1m\n\x7f", "Süß €𝄞", "\xff\xc3", "\xed\xa0\x80"));
}

int main(void) {
        writes(everything, "{\"vm\":\"My VM\",\"override\":null,\"pid\":812,\"ready\":true,\"functions\":[{\"display\":false},{}],"
                           "\"units\":[\"a.service\",\"b.service\"],\"others\":[]}");
        writes(odd_strings, "[\"\",\"\\\"\\\\/\",\"\\u001b[1m\\u000a\\u007f\",\"Süß €𝄞\",\"\\ufffd\\ufffd\","
                            "\"\\ufffd\\ufffd\\ufffd\"]");
        return tap_done();
}
