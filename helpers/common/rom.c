/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pci.h"
#include "rom.h"

/* The header at the beginning of an image. */
#define HEADER_LEGACY_SIZE 0x02
#define HEADER_EFI_SIZE 0x02
#define HEADER_EFI_SIGNATURE 0x04
#define HEADER_EFI_SUBSYSTEM 0x08
#define HEADER_EFI_MACHINE 0x0a
#define HEADER_EFI_COMPRESSION 0x0c
#define HEADER_EFI_PROGRAM 0x16
#define HEADER_POINTER 0x18
#define HEADER_LENGTH 0x1a

/* The PCI data structure, at which the header points. */
#define PCIR_VENDOR 0x04
#define PCIR_DEVICE 0x06
#define PCIR_LENGTH 0x0a
#define PCIR_CLASS 0x0d
#define PCIR_IMAGE_LENGTH 0x10
#define PCIR_TYPE 0x14
#define PCIR_INDICATOR 0x15
#define PCIR_LENGTH_MIN 0x18

#define INDICATOR_LAST 0x80

#define SIGNATURE 0xaa55
#define EFI_SIGNATURE 0x0ef1
#define EFI_BOOT_DRIVER 0x0b
#define EFI_RUNTIME_DRIVER 0x0c
#define EFI_COMPRESSION_MAX 1

const char *const rom_reason_names[ROM_REASON_MAX] = {
        [ROM_EMPTY] = "empty",
        [ROM_TOO_LARGE] = "too-large",
        [ROM_BLANK] = "blank",
        [ROM_TRUNCATED] = "truncated",
        [ROM_BAD_LENGTH] = "bad-length",
        [ROM_NO_PCIR] = "no-pcir",
        [ROM_NO_SIGNATURE] = "no-signature",
        [ROM_PRIVATE_ONLY] = "private-only",
        [ROM_NOT_DISPLAY] = "not-display",
};

const char *const rom_warning_names[ROM_WARNING_MAX] = {
        [ROM_LEGACY_CHECKSUM] = "legacy-checksum",
        [ROM_EFI_HEADER] = "efi-header",
        [ROM_EFI_NOT_X64] = "efi-not-x64",
        [ROM_NO_UEFI_X64] = "no-uefi-x64",
        [ROM_PCIR_UNALIGNED] = "pcir-unaligned",
        [ROM_UNTERMINATED] = "unterminated",
        [ROM_UNALIGNED_PREFIX] = "unaligned-prefix",
        [ROM_SECOND_ROM_OTHER_DEVICE] = "second-rom-other-device",
};

/* What is at some place, the nearer to a ROM that is looked for, the greater. */
typedef enum Find {
        FIND_NOTHING,
        FIND_SIGNATURE,
        FIND_PRIVATE,
        FIND_OTHER,
        FIND_DISPLAY,
} Find;

static const RomReason missing[] = {
        [FIND_NOTHING] = ROM_NO_SIGNATURE,
        [FIND_SIGNATURE] = ROM_NO_PCIR,
        [FIND_PRIVATE] = ROM_PRIVATE_ONLY,
        [FIND_OTHER] = ROM_NOT_DISPLAY,
};

static uint16_t read16(const uint8_t *p) {
        return (uint16_t) (p[0] | p[1] << 8);
}

static void warn(Rom *rom, RomWarning warning) {
        rom->warnings |= 1U << warning;
}

bool rom_is_blank(const uint8_t *data, size_t size) {
        return size > 0 && (data[0] == 0xff || data[0] == 0x00) && memcmp(data, data + 1, size - 1) == 0;
}

bool rom_is_nvidia_flash(const uint8_t *data, size_t size) {
        return size >= 4 && memcmp(data, "NVGI", 4) == 0;
}

/* Returns how far from the header at 'offset' its data structure is, 0 where that is not within the bytes. */
static size_t structure_at(const Rom *rom, size_t offset) {
        size_t left = rom->size - offset, pointer;

        if (left < HEADER_LENGTH)
                return 0;
        pointer = read16(rom->data + offset + HEADER_POINTER);
        return pointer < HEADER_LENGTH || pointer + PCIR_LENGTH_MIN > left ? 0 : pointer;
}

static bool has_signature(const Rom *rom, size_t offset) {
        return rom->size - offset >= 2 && read16(rom->data + offset) == SIGNATURE;
}

/* Returns the same as structure_at() where header and structure are those of an image, 0 otherwise. */
static size_t pcir_at(const Rom *rom, size_t offset) {
        size_t pointer = has_signature(rom, offset) ? structure_at(rom, offset) : 0;
        const uint8_t *pcir = rom->data + offset + pointer;

        if (pointer == 0 || memcmp(pcir, "PCIR", 4) != 0 || read16(pcir + PCIR_LENGTH) < PCIR_LENGTH_MIN)
                return 0;
        return pointer;
}

static void read_efi(const uint8_t *header, RomImage *image) {
        size_t size = (size_t) read16(header + HEADER_EFI_SIZE) * ROM_BLOCK;
        uint16_t subsystem = read16(header + HEADER_EFI_SUBSYSTEM);

        image->machine = read16(header + HEADER_EFI_MACHINE);
        image->compression = read16(header + HEADER_EFI_COMPRESSION);
        image->is_efi = read16(header + HEADER_EFI_SIGNATURE) == EFI_SIGNATURE &&
                read16(header + HEADER_EFI_SIGNATURE + 2) == 0 &&
                (subsystem == EFI_BOOT_DRIVER || subsystem == EFI_RUNTIME_DRIVER) &&
                image->compression <= EFI_COMPRESSION_MAX &&
                size <= image->length &&
                read16(header + HEADER_EFI_PROGRAM) < size;
}

/* Returns whether there is an image; whether it is whole is for the caller to see. */
static bool read_image(const Rom *rom, size_t offset, RomImage *ret) {
        size_t pointer = pcir_at(rom, offset);
        const uint8_t *header = rom->data + offset, *pcir = header + pointer;

        if (pointer == 0)
                return false;
        *ret = (RomImage) {
                .offset = offset,
                .length = (size_t) read16(pcir + PCIR_IMAGE_LENGTH) * ROM_BLOCK,
                .vendor = read16(pcir + PCIR_VENDOR),
                .device = read16(pcir + PCIR_DEVICE),
                .class = pcir[PCIR_CLASS] | (uint32_t) read16(pcir + PCIR_CLASS + 1) << 8,
                .type = pcir[PCIR_TYPE],
                .last = pcir[PCIR_INDICATOR] & INDICATOR_LAST,
        };
        if (ret->type == ROM_TYPE_EFI)
                read_efi(header, ret);
        return true;
}

/* NVIDIA gives what only its own programs read other signatures than PCI's, of the image, of the structure,
 * or of both. */
static bool is_private(const Rom *rom, size_t offset) {
        size_t pointer = structure_at(rom, offset);
        const uint8_t *header = rom->data + offset, *structure = header + pointer;
        bool own_image, own_structure;

        if (pointer == 0)
                return false;
        own_image = memcmp(header, "VN", 2) == 0 || memcmp(header, "\x77\xbb", 2) == 0;
        own_structure = memcmp(structure, "NPDS", 4) == 0 || memcmp(structure, "RGIS", 4) == 0;
        if (own_structure)
                return own_image || has_signature(rom, offset);
        return own_image && memcmp(structure, "PCIR", 4) == 0;
}

static Find look_at(const Rom *rom, size_t offset) {
        RomImage image;

        if (!read_image(rom, offset, &image))
                return is_private(rom, offset) ? FIND_PRIVATE :
                        has_signature(rom, offset) ? FIND_SIGNATURE : FIND_NOTHING;
        if (image.type != ROM_TYPE_LEGACY && image.type != ROM_TYPE_EFI)
                return FIND_PRIVATE;
        /* The UEFI images of newer cards are for any device. */
        if (pci_class_is_display((int) (image.class >> 8)) || (image.type == ROM_TYPE_EFI && image.class == 0))
                return FIND_DISPLAY;
        return FIND_OTHER;
}

static Find find_aligned(Rom *rom) {
        Find best = FIND_NOTHING;

        for (rom->start = 0; rom->start < rom->size; rom->start += ROM_BLOCK) {
                Find find = look_at(rom, rom->start);

                if (find > best)
                        best = find;
                if (best == FIND_DISPLAY)
                        break;
        }
        return best;
}

/* Two bytes alone are in any large file somewhere, so they count for nothing here. */
static Find find_anywhere(Rom *rom) {
        const uint8_t *p = rom->data, *end = rom->data + rom->size;
        Find best = FIND_NOTHING;

        for (; best != FIND_DISPLAY && (p = memchr(p, SIGNATURE & 0xff, (size_t) (end - p))); p++) {
                Find find;

                rom->start = (size_t) (p - rom->data);
                find = look_at(rom, rom->start);
                if (find > FIND_SIGNATURE && find > best)
                        best = find;
        }
        return best;
}

static RomReason find_start(Rom *rom) {
        Find aligned = find_aligned(rom), anywhere;

        if (aligned == FIND_DISPLAY)
                return ROM_ACCEPTED;
        anywhere = find_anywhere(rom);
        if (anywhere == FIND_DISPLAY) {
                warn(rom, ROM_UNALIGNED_PREFIX);
                return ROM_ACCEPTED;
        }
        rom->start = 0;
        return missing[anywhere > aligned ? anywhere : aligned];
}

/* Returns whether an image begins there of which the file does not even have the data structure. */
static bool is_cut_off(const Rom *rom, size_t offset) {
        size_t left = rom->size - offset;

        if (left < 2)
                return left == 1 && rom->data[offset] == (SIGNATURE & 0xff);
        if (!has_signature(rom, offset))
                return false;
        return left < HEADER_LENGTH || (size_t) read16(rom->data + offset + HEADER_POINTER) + PCIR_LENGTH_MIN > left;
}

/* As the kernel does it: from one image to the next by their lengths, until one is the last or nothing like
 * one follows. */
static RomReason walk(Rom *rom) {
        RomImage image;

        for (rom->end = rom->start; read_image(rom, rom->end, &image); rom->end += image.length) {
                if (image.length > rom->size - rom->end)
                        return ROM_TRUNCATED;
                if (image.length < pcir_at(rom, rom->end) + PCIR_LENGTH_MIN)
                        return ROM_BAD_LENGTH;
                if (image.last) {
                        rom->end += image.length;
                        return ROM_ACCEPTED;
                }
        }
        if (is_cut_off(rom, rom->end))
                return ROM_TRUNCATED;
        warn(rom, ROM_UNTERMINATED);
        return ROM_ACCEPTED;
}

bool rom_next_image(const Rom *rom, RomImage *image) {
        size_t offset = image->length > 0 ? image->offset + image->length : rom->start;

        return offset < rom->end && read_image(rom, offset, image);
}

/* SeaBIOS adds up what the header says, which need not be the whole image, and takes no header that says
 * nothing. */
static bool has_checksum(const Rom *rom, const RomImage *image) {
        const uint8_t *p = rom->data + image->offset;
        size_t size = (size_t) p[HEADER_LEGACY_SIZE] * ROM_BLOCK;
        uint8_t sum = 0;

        if (size == 0 || size > rom->end - image->offset)
                return false;
        for (size_t i = 0; i < size; i++)
                sum = (uint8_t) (sum + p[i]);
        return sum == 0;
}

static void judge_images(Rom *rom) {
        RomImage image = { 0 };
        bool x64 = false;

        while (rom_next_image(rom, &image)) {
                if (pcir_at(rom, image.offset) % 4 != 0)
                        warn(rom, ROM_PCIR_UNALIGNED);
                if (image.type == ROM_TYPE_LEGACY && !has_checksum(rom, &image))
                        warn(rom, ROM_LEGACY_CHECKSUM);
                if (image.type == ROM_TYPE_EFI && !image.is_efi)
                        warn(rom, ROM_EFI_HEADER);
                if (image.is_efi && image.machine != ROM_MACHINE_X64)
                        warn(rom, ROM_EFI_NOT_X64);
                x64 = x64 || (image.is_efi && image.machine == ROM_MACHINE_X64);
        }
        if (!x64)
                warn(rom, ROM_NO_UEFI_X64);
}

bool rom_card(const Rom *rom, uint16_t *ret_vendor, uint16_t *ret_device) {
        RomImage image = { 0 };
        bool found = false;

        while (rom_next_image(rom, &image)) {
                bool legacy = image.type == ROM_TYPE_LEGACY;

                if (!legacy && (found || image.type != ROM_TYPE_EFI || image.vendor == 0))
                        continue;
                *ret_vendor = image.vendor;
                *ret_device = image.device;
                found = true;
                if (legacy)
                        break;
        }
        return found;
}

/* A copy of the same ROM is on the flash chip of many cards. */
static void judge_rest(Rom *rom) {
        uint16_t vendor, device;
        RomImage other;

        if (!rom_card(rom, &vendor, &device))
                return;
        for (size_t offset = rom->end; offset < rom->size; offset += ROM_BLOCK)
                if (look_at(rom, offset) == FIND_DISPLAY && read_image(rom, offset, &other) && other.vendor != 0 &&
                    (other.vendor != vendor || other.device != device))
                        warn(rom, ROM_SECOND_ROM_OTHER_DEVICE);
}

void rom_parse(const uint8_t *data, size_t size, Rom *ret) {
        *ret = (Rom) { .data = data, .size = size };

        if (size == 0)
                ret->reason = ROM_EMPTY;
        else if (size > ROM_SIZE_MAX)
                ret->reason = ROM_TOO_LARGE;
        else if (rom_is_blank(data, size))
                ret->reason = ROM_BLANK;
        else
                ret->reason = find_start(ret);
        if (ret->reason == ROM_ACCEPTED)
                ret->reason = walk(ret);

        if (ret->reason == ROM_ACCEPTED) {
                judge_images(ret);
                judge_rest(ret);
        } else
                ret->warnings = 0;
}
