/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "macros.h"

#define INPUT_MAX 65536

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((__weak__));
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stands in for libFuzzer: runs every file that is named once. */
int main(int argc, char *argv[]) {
        static uint8_t data[INPUT_MAX];

        if (LLVMFuzzerInitialize)
                (void) LLVMFuzzerInitialize(&argc, &argv);
        for (int i = 1; i < argc; i++) {
                _cleanup_fclose_ FILE *f = fopen(argv[i], "re");

                if (!f) {
                        (void) fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
                        return EXIT_FAILURE;
                }
                (void) LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof(data), f));
        }
        return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
