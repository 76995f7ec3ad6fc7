/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "rom-rules.h"

/* Walks the images from the first byte on as Linux does to find out the size of a ROM that it can see 'size'
 * bytes of. Returns what that is, 0 if a structure is not within the bytes. */
static size_t kernel_size(const uint8_t *data, size_t size) {
        size_t at = 0;

        while (size - at >= 0x1a && data[at] == 0x55 && data[at + 1] == 0xaa) {
                size_t pcir = at + (size_t) (data[at + 0x18] | data[at + 0x19] << 8), length;

                if (pcir + 0x18 > size)
                        return 0;
                if (memcmp(data + pcir, "PCIR", 4) != 0)
                        break;
                length = (size_t) (data[pcir + 0x10] | data[pcir + 0x11] << 8) * 512;
                at += length;
                if (at >= size)
                        return size;
                if (length == 0 || data[pcir + 0x15] & 0x80)
                        break;
        }
        return at;
}

const char *rom_find_fault(const Rom *rom) {
        const uint8_t *out = rom->data + rom->start;
        size_t size = rom->end - rom->start;
        Rom again;

        if (rom->start >= rom->end || rom->end > rom->size || size % ROM_BLOCK != 0)
                return "it is not within the bytes";
        if (kernel_size(out, size) != size)
                return "the kernel sees another size of it";
        rom_parse(out, size, &again);
        if (again.reason != ROM_ACCEPTED || again.start != 0 || again.end != size)
                return "it is another one the second time";
        if (again.warnings & ~rom->warnings)
                return "there are more warnings the second time";
        return NULL;
}
