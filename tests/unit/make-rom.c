/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "rom-shapes.h"

/* Writes a ROM of the shape that is named to standard output, for tests of programs. */
int main(int argc, char *argv[]) {
        for (size_t i = 0; argc == 2 && i < n_rom_shapes; i++)
                if (streq(argv[1], rom_shapes[i].name)) {
                        size_t size;
                        const uint8_t *data = rom_build(&rom_shapes[i], &size);

                        return fwrite(data, 1, size, stdout) == size && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
                }
        (void) fprintf(stderr, "%s: no such shape\n", argv[0]);
        return EXIT_FAILURE;
}
