/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "json.h"
#include "log.h"
#include "sha256.h"
#include "vfio-gpuctl-rom.h"

static const char *const reasons[ROM_REASON_MAX] = {
        [ROM_EMPTY] = "is empty",
        [ROM_TOO_LARGE] = "is larger than 16 MiB, which no graphics card's ROM is",
        [ROM_BLANK] = "has the same byte everywhere: the chip was not read, or is erased; make the dump "
                      "again",
        [ROM_TRUNCATED] = "ends before the ROM in it does: make or fetch it again, in whole",
        [ROM_BAD_LENGTH] = "has an image with an impossible length: it is damaged; make or fetch it again",
        [ROM_NO_PCIR] = "has the first bytes of a ROM, but not the PCI data structure that belongs to "
                        "them: it is damaged, or no ROM of a PCI card",
        [ROM_NO_SIGNATURE] = "is no ROM of a PCI card, and has none in it",
        [ROM_PRIVATE_ONLY] = "has no image that the firmware of a PC runs, only others: it is a part of a "
                             "dump, or made for another kind of computer",
        [ROM_NOT_DISPLAY] = "is the ROM of another kind of device, not of a graphics card",
};

static const char *const warnings[ROM_WARNING_MAX] = {
        [ROM_LEGACY_CHECKSUM] = "the checksum of the legacy image is wrong: a VM with SeaBIOS does not run "
                                "it, one with UEFI does not mind",
        [ROM_EFI_HEADER] = "a UEFI image has a damaged header: a VM with UEFI does not run it",
        [ROM_EFI_NOT_X64] = "a UEFI image is for another processor than x64: a PC's VM does not run it",
        [ROM_NO_UEFI_X64] = "there is no UEFI image for x64: a VM with UEFI has no picture before the "
                            "guest's driver makes one",
        [ROM_PCIR_UNALIGNED] = "a PCI data structure is not at a multiple of four bytes: UEFI and newer "
                               "kernels do not see that image",
        [ROM_UNTERMINATED] = "no image is marked as the last one: usual with AMD's, and harmless; in that of "
                             "another maker's card an image may be missing, as in a dump that was cut off",
        [ROM_UNALIGNED_PREFIX] = "what is before the ROM is no multiple of 512 bytes: the file may have "
                                 "lost or gained bytes",
        [ROM_SECOND_ROM_OTHER_DEVICE] = "behind the ROM is one of another card, which is left out: make "
                                        "sure that the first is yours",
};

void rom_log_refusal(const Rom *rom, const char *name) {
        log_error("%s %s.", name, reasons[rom->reason]);
}

void rom_log_warnings(const Rom *rom, const char *name) {
        for (unsigned i = 0; i < ROM_WARNING_MAX; i++)
                if (rom->warnings & 1U << i)
                        log_warning("warning: %s: %s.", name, warnings[i]);
}

static const char *describe_machine(uint16_t machine) {
        switch (machine) {
        case ROM_MACHINE_X64:
                return "x64";
        case 0x014c:
                return "IA32";
        case 0xaa64:
                return "ARM64";
        case 0x0ebc:
                return "EFI byte code";
        default:
                return "another processor";
        }
}

static void print_image(const RomImage *image) {
        (void) printf("  at 0x%-6zx %8zu bytes, ", image->offset, image->length);
        if (image->is_efi)
                (void) printf("UEFI for %s%s", describe_machine(image->machine),
                              image->compression ? ", compressed" : "");
        else if (image->type == ROM_TYPE_LEGACY || image->type == ROM_TYPE_EFI)
                (void) printf("%s", image->type == ROM_TYPE_LEGACY ? "legacy" : "UEFI with a damaged header");
        else
                (void) printf("of another type (%02x)", image->type);
        if (image->vendor == 0)
                (void) printf(", for any card");
        else
                (void) printf(", for %04x:%04x, class %06x", image->vendor, image->device, image->class);
        (void) printf("%s\n", image->last ? ", the last one" : "");
}

static void print_around(const Rom *rom) {
        size_t before = rom->start, behind = rom->size - rom->end;

        if (before > 0)
                (void) printf("Before it: %zu bytes%s\n", before,
                              !rom_is_nvidia_flash(rom->data, before) ? "" :
                              " of NVIDIA's, as in a dump of the whole flash chip");
        if (behind > 0)
                (void) printf("Behind it: %zu bytes%s\n", behind,
                              rom_is_blank(rom->data + rom->end, behind) ? " of padding" : "");
}

void rom_print_text(const Rom *rom, const char *name) {
        char digest[SHA256_TEXT_SIZE];
        size_t size = rom->end - rom->start;
        RomImage image = { 0 };

        (void) printf("%s: the ROM of a graphics card, %zu bytes of %zu\n", name, size, rom->size);
        while (rom_next_image(rom, &image))
                print_image(&image);
        print_around(rom);
        (void) printf("SHA-256:   %s\n", sha256_text(rom->data + rom->start, size, digest));
        (void) printf(size == rom->size ? "A VM can have it as it is.\n" : "For a VM: vfio-gpuctl rom patch\n");
}

static void print_json_image(Json *j, const RomImage *image) {
        json_begin(j, NULL, '{');
        json_number(j, "off", image->offset);
        json_number(j, "len", image->length);
        json_number(j, "type", image->type);
        json_bool(j, "last", image->last);
        json_number(j, "vendor", image->vendor);
        json_number(j, "device", image->device);
        json_number(j, "class", image->class);
        if (image->is_efi) {
                json_number(j, "machine", image->machine);
                json_number(j, "compression", image->compression);
        }
        json_end(j, '}');
}

void rom_print_json(const Rom *rom) {
        bool accepted = rom->reason == ROM_ACCEPTED;
        char digest[SHA256_TEXT_SIZE];
        RomImage image = { 0 };
        Json j = { .f = stdout };

        json_begin(&j, NULL, '{');
        json_string(&j, "verdict", !accepted ? "reject" : rom->warnings ? "ok-warn" : "ok");
        json_string(&j, "reason", rom_reason_names[rom->reason]);
        json_number(&j, "size", rom->size);
        if (accepted) {
                json_number(&j, "start", rom->start);
                json_number(&j, "end", rom->end);
                (void) sha256_text(rom->data + rom->start, rom->end - rom->start, digest);
        } else {
                json_string(&j, "start", NULL);
                json_string(&j, "end", NULL);
        }
        json_string(&j, "out_sha256", accepted ? digest : NULL);
        json_begin(&j, "warnings", '[');
        for (unsigned i = 0; i < ROM_WARNING_MAX; i++)
                if (rom->warnings & 1U << i)
                        json_string(&j, NULL, rom_warning_names[i]);
        json_end(&j, ']');
        json_begin(&j, "images", '[');
        while (rom_next_image(rom, &image))
                print_json_image(&j, &image);
        json_end(&j, ']');
        json_end(&j, '}');
        (void) putchar('\n');
}
