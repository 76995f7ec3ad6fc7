/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "../unit/rom-rules.h"

#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        RomImage image = { 0 };
        uint16_t vendor, device;
        Rom rom;

        if (size > INPUT_MAX)
                return 0;

        rom_parse(data, size, &rom);
        while (rom_next_image(&rom, &image))
                if (image.length > size - image.offset)
                        abort();
        (void) rom_card(&rom, &vendor, &device);
        if (rom.reason == ROM_ACCEPTED && rom_find_fault(&rom))
                abort();
        return 0;
}
