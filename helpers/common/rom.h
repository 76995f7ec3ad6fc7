/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Expansion ROMs of graphics cards, with whatever a dump of the flash chip has before and behind them: bytes
 * in, structure out. Nothing is allocated, and no offset or length that the bytes claim counts before it was
 * compared with their size. */

/* The most that a PCI function can have. */
#define ROM_SIZE_MAX (16 * 1024 * 1024)

/* Images begin, and end, on multiples of this from the beginning of the ROM. */
#define ROM_BLOCK 512

/* Why there is no ROM for a VM in the bytes. */
typedef enum RomReason {
        ROM_ACCEPTED,
        ROM_EMPTY,
        ROM_TOO_LARGE,
        ROM_BLANK,        /* nothing but ff or 00 */
        ROM_TRUNCATED,    /* an image goes on behind the end of the file */
        ROM_BAD_LENGTH,   /* an image claims no length, or one that leaves out its own PCI data structure */
        ROM_NO_PCIR,      /* a signature, and no PCI data structure */
        ROM_NO_SIGNATURE, /* not even that */
        ROM_PRIVATE_ONLY, /* images, and none that the firmware of a PC runs */
        ROM_NOT_DISPLAY,  /* images for a PC, of another kind of device */
        ROM_REASON_MAX,
} RomReason;

/* What may be in the way of a ROM that is one. */
typedef enum RomWarning {
        ROM_LEGACY_CHECKSUM,         /* SeaBIOS does not run the image */
        ROM_EFI_HEADER,              /* UEFI does not run the image */
        ROM_EFI_NOT_X64,             /* an image is for another processor */
        ROM_NO_UEFI_X64,             /* there is no image that the UEFI firmware of a PC runs */
        ROM_PCIR_UNALIGNED,          /* newer kernels and UEFI do not see the image */
        ROM_UNTERMINATED,            /* no image is marked as the last one */
        ROM_UNALIGNED_PREFIX,        /* what is before the ROM is no multiple of ROM_BLOCK */
        ROM_SECOND_ROM_OTHER_DEVICE, /* behind it is one of another card */
        ROM_WARNING_MAX,
} RomWarning;

/* Their names, for programs; they never change their meaning. ROM_ACCEPTED has none. */
extern const char *const rom_reason_names[ROM_REASON_MAX];
extern const char *const rom_warning_names[ROM_WARNING_MAX];

#define ROM_TYPE_LEGACY 0
#define ROM_TYPE_EFI 3

#define ROM_MACHINE_X64 0x8664

typedef struct RomImage {
        size_t offset, length; /* bytes; from the beginning of the file */
        uint16_t vendor, device;
        uint32_t class; /* 24 bits */
        uint8_t type;   /* ROM_TYPE_…, or another one's */
        bool last;
        bool is_efi; /* of that type, and with a header that UEFI accepts; only then: */
        uint16_t machine, compression;
} RomImage;

typedef struct Rom {
        const uint8_t *data;
        size_t size;
        RomReason reason;
        size_t start, end; /* of the ROM in the bytes; where it breaks off, for ROM_TRUNCATED and ROM_BAD_LENGTH */
        unsigned warnings; /* 1 << RomWarning each */
} Rom;

/* Finds the ROM in the bytes, which have to stay as long as it is used, and walks its images as the kernel
 * does. Of more than ROM_SIZE_MAX bytes none is looked at. */
void rom_parse(const uint8_t *data, size_t size, Rom *ret);

/* Goes through the images from 'start' to 'end': begin with one that is all zero. Returns false behind the
 * last one. */
bool rom_next_image(const Rom *rom, RomImage *image);

/* Finds out what card the ROM is for: what the legacy image says, and without one the UEFI image. Returns
 * false where that is for any card. */
bool rom_card(const Rom *rom, uint16_t *ret_vendor, uint16_t *ret_device);

/* Returns whether all bytes are ff, or all of them 00; none at all are not. */
bool rom_is_blank(const uint8_t *data, size_t size);

/* Returns whether the bytes begin as a dump of NVIDIA's whole flash chip does. */
bool rom_is_nvidia_flash(const uint8_t *data, size_t size);
