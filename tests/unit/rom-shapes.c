/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "rom-shapes.h"
#include "strv.h"

#define CARD 0x10de, 0x2206
#define VGA 0x030000
#define CONTROLLER_3D 0x030200
#define NETWORK 0x020000

#define X64 0x8664
#define ARM64 0xaa64

static uint8_t bytes[ROM_SIZE_MAX + 512];
static size_t n_bytes;

typedef struct Image {
        uint8_t type;
        uint16_t blocks; /* of 512 bytes that are there */
        uint16_t vendor, device;
        uint32_t class;
        bool last;
        uint16_t length;  /* what it claims; as many blocks unless told */
        uint8_t init;     /* likewise */
        uint16_t pointer; /* to the PCI data structure; 0x40 unless told */
        uint16_t machine, subsystem, compression;
        const char *signature, *structure;
        bool bad_sum;
} Image;

/* No byte of it looks like a signature's. */
static void fill(size_t n) {
        for (; n > 0; n--, n_bytes++)
                bytes[n_bytes] = (uint8_t) (n_bytes * 7 % 83 + 1);
}

static void pad(size_t n, uint8_t value) {
        memset(bytes + n_bytes, value, n);
        n_bytes += n;
}

static void put16(uint8_t *p, unsigned value) {
        p[0] = (uint8_t) value;
        p[1] = (uint8_t) (value >> 8);
}

static void write_efi(uint8_t *header, const Image *image) {
        put16(header + 0x02, image->init ?: image->blocks);
        memcpy(header + 0x04, "\xf1\x0e\0\0", 4);
        put16(header + 0x08, image->subsystem ?: 0x0b);
        put16(header + 0x0a, image->machine ?: X64);
        put16(header + 0x0c, image->compression);
        put16(header + 0x16, 0x80);
}

/* Makes the sum of a legacy image what it has to be, or not quite. */
static void seal(uint8_t *header, uint8_t remainder) {
        uint8_t sum = 0;

        header[0x06] = 0;
        for (size_t i = 0; i < header[2] * 512U && header + i < bytes + n_bytes; i++)
                sum = (uint8_t) (sum + header[i]);
        header[0x06] = (uint8_t) (remainder - sum);
}

/* Returns its first byte, for what else is to be wrong with it. */
static uint8_t *add(Image image) {
        uint8_t *header = bytes + n_bytes, *pcir = header + (image.pointer ?: 0x40);

        fill(image.blocks * 512U);
        memcpy(header, image.signature ?: "\x55\xaa", 2);
        header[2] = image.init ?: (uint8_t) image.blocks;
        put16(header + 0x18, image.pointer ?: 0x40);
        if (image.type == ROM_TYPE_EFI)
                write_efi(header, &image);

        memset(pcir, 0, 0x18);
        memcpy(pcir, image.structure ?: "PCIR", 4);
        put16(pcir + 0x04, image.vendor);
        put16(pcir + 0x06, image.device);
        put16(pcir + 0x0a, 0x18);
        pcir[0x0d] = (uint8_t) image.class;
        put16(pcir + 0x0e, image.class >> 8);
        put16(pcir + 0x10, image.length ?: image.blocks);
        pcir[0x14] = image.type;
        pcir[0x15] = image.last ? 0x80 : 0;

        if (image.type == ROM_TYPE_LEGACY)
                seal(header, image.bad_sum);
        return header;
}

#define LEGACY(...) add((Image) { ROM_TYPE_LEGACY, 4, CARD, VGA, ##__VA_ARGS__ })
#define EFI(...) add((Image) { ROM_TYPE_EFI, 3, CARD, VGA, ##__VA_ARGS__ })
#define PRIVATE(...) add((Image) { 0xe0, 2, CARD, VGA, .signature = "VN", .structure = "NPDS", ##__VA_ARGS__ })

/* What the structures of a flash chip begin with. */
static void nvidia_prefix(size_t n) {
        size_t at = n_bytes;

        fill(n);
        memcpy(bytes + at, "NVGI", 4);
}

/* --- as cards have them
 * -------------------------------------------------------------------------------------------------- */

static void trimmed(void) {
        LEGACY();
        EFI(.last = true);
}

static void kepler(void) {
        nvidia_prefix(0x400);
        trimmed();
        PRIVATE(.pointer = 0x40);
        add((Image) { 0x70, 1, CARD, VGA, .structure = "NPDS", .last = true });
}

/* The legacy image claims the private ones behind it. */
static void mobile(void) {
        nvidia_prefix(0x400);
        add((Image) { ROM_TYPE_LEGACY, 2, CARD, CONTROLLER_3D, .length = 6, .init = 2 });
        PRIVATE(.pointer = 0x60);
        PRIVATE(.pointer = 0x60, .last = true);
        EFI(.last = true);
}

static void mobile_two_efi(void) {
        nvidia_prefix(0x400);
        add((Image) { ROM_TYPE_LEGACY, 2, CARD, CONTROLLER_3D, .length = 4, .init = 2 });
        PRIVATE(.pointer = 0xf0);
        EFI();
        EFI(.last = true, .compression = 1);
}

static void pascal(void) {
        nvidia_prefix(0xa00);
        trimmed();
        PRIVATE(.pointer = 0xb0);
        PRIVATE(.pointer = 0x40, .last = true);
        pad(0x2000, 0xff);
}

/* The UEFI image names no card, and everything is there twice. */
static void ampere_once(void) {
        LEGACY(.pointer = 0x1cc);
        add((Image) { ROM_TYPE_EFI, 3, 0, 0, 0, true });
        PRIVATE(.pointer = 0x140);
        PRIVATE(.pointer = 0x120);
}

static void ampere(void) {
        nvidia_prefix(0x9400);
        ampere_once();
        pad(0x1000, 0xff);
        ampere_once();
        fill(0x800);
}

/* A signature that leads nowhere, private images that look like public ones, an odd size. */
static void blackwell(void) {
        fill(0x1000);
        memcpy(bytes + 0x200, "\x55\xaa", 2);
        put16(bytes + 0x218, 0);
        add((Image) { 0xe0, 7, CARD, VGA });
        add((Image) { 0xe0, 7, CARD, VGA, .last = true });
        add((Image) { ROM_TYPE_LEGACY, 8, CARD, VGA, .pointer = 0xca0 });
        EFI(.last = true);
        add((Image) { 0xe0, 2, CARD, VGA, .last = true });
        fill(0x123);
}

static void laptop(void) {
        add((Image) { ROM_TYPE_LEGACY, 4, CARD, CONTROLLER_3D, true });
}

static void private_in_between(void) {
        uint8_t *image = LEGACY();

        memcpy(image + 0x100, "\x55\xaa", 2);
        put16(image + 0x118, 0x40);
        memcpy(image + 0x140, "NPDS", 4);
        seal(image, 0);
        add((Image) { 0xe0, 2, CARD, VGA });
        EFI(.last = true);
}

static void amd(void) {
        uint8_t *image = add((Image) { ROM_TYPE_LEGACY, 4, 0x1002, 0x73bf, VGA, .pointer = 0x1b4 });

        image[3] = 0xe9;
        seal(image, 0);
        add((Image) { ROM_TYPE_EFI, 3, 0x1002, 0x73bf, VGA, true, .compression = 1 });
        pad(0x2000, 0xff);
}

static void amd_unterminated(void) {
        amd();
        bytes[4 * 512 + 0x40 + 0x15] = 0;
}

static void unterminated_at_end(void) {
        LEGACY();
        EFI();
}

/* Behind an image that is not the last one is something, but no image. */
static void unterminated_before_private(void) {
        LEGACY();
        EFI();
        PRIVATE();
}

static void efi_only(void) {
        EFI(.last = true);
}

static void efi_any_class(void) {
        add((Image) { ROM_TYPE_EFI, 3, 0, 0, 0, true });
}

static void two_processors(void) {
        LEGACY();
        EFI(.machine = ARM64);
        EFI(.last = true);
}

static void two_processors_otherwise(void) {
        LEGACY();
        EFI();
        EFI(.last = true, .machine = ARM64);
}

/* The BIOS image decides, wherever it is. */
static void efi_first(void) {
        add((Image) { ROM_TYPE_EFI, 3, 0x10de, 0x1111, VGA });
        LEGACY(.last = true);
}

static void reserved_bits(void) {
        uint8_t *image = LEGACY();

        image[0x40 + 0x15] = 0x7f;
        seal(image, 0);
        EFI(.last = true);
}

/* --- with something to say about
 * ------------------------------------------------------------------------------------------- */

static void bad_checksum(void) {
        LEGACY(.bad_sum = true);
        EFI(.last = true);
}

static void checksum_of_nothing(void) {
        LEGACY()[2] = 0;
        EFI(.last = true);
}

/* What the header claims is more than there is. */
static void checksum_of_more(void) {
        LEGACY(.init = 200);
        EFI(.last = true);
}

static void efi_signature(void) {
        LEGACY();
        EFI(.last = true)[4] = 0;
}

static void efi_signature_upper_half(void) {
        LEGACY();
        EFI(.last = true)[6] = 1;
}

static void efi_application(void) {
        LEGACY();
        EFI(.last = true, .subsystem = 0x0a);
}

static void efi_packed_otherwise(void) {
        LEGACY();
        EFI(.last = true, .compression = 2);
}

static void efi_too_long(void) {
        LEGACY();
        EFI(.last = true, .init = 4);
}

static void efi_program_outside(void) {
        LEGACY();
        put16(EFI(.last = true) + 0x16, 3 * 512);
}

static void efi_arm(void) {
        LEGACY();
        EFI(.last = true, .machine = ARM64);
}

static void unaligned_structure(void) {
        LEGACY(.pointer = 0x42);
        EFI(.last = true);
}

static void unaligned_prefix(void) {
        fill(0x123);
        trimmed();
        fill(0x200);
}

static void other_card_behind(void) {
        trimmed();
        fill(0x400);
        add((Image) { ROM_TYPE_LEGACY, 4, 0x10de, 0x1b80, VGA, true });
}

static void other_vendor_behind(void) {
        trimmed();
        add((Image) { ROM_TYPE_LEGACY, 4, 0x1002, 0x2206, VGA, true });
}

/* Written by programs that look for "VIDEO". */
static void decoy(void) {
        nvidia_prefix(0x600);
        memcpy(bytes + 0x200, "\x55\xaa\x08\xeb", 4);
        memcpy(bytes + 0x20e, "VIDEO", 5);
        trimmed();
        PRIVATE();
}

/* --- none
 * ------------------------------------------------------------------------------------------------------------------
 */

static void nothing(void) {
}

static void too_large(void) {
        trimmed();
        pad(ROM_SIZE_MAX + 1 - n_bytes, 0xff);
}

static void largest(void) {
        trimmed();
        pad(ROM_SIZE_MAX - n_bytes, 0xff);
}

static void blank_ones(void) {
        pad(0x10000, 0xff);
}

static void blank_zeros(void) {
        pad(0x10000, 0);
}

static void text(void) {
        fill(0x2000);
}

static void text_with_signature(void) {
        text();
        memcpy(bytes + 0x123, "\x55\xaa", 2);
        put16(bytes + 0x123 + 0x18, 0x40);
}

static void cut_legacy(void) {
        LEGACY();
        n_bytes--;
}

static void cut_efi(void) {
        trimmed();
        n_bytes -= 512;
}

static void cut_unaligned(void) {
        unaligned_prefix();
        n_bytes -= 0x400;
}

static void cut_efi_header(void) {
        trimmed();
        n_bytes -= 3 * 512 - 0x20;
}

static void no_length(void) {
        put16(LEGACY() + 0x40 + 0x10, 0);
        EFI(.last = true);
}

static void no_second_length(void) {
        LEGACY();
        put16(EFI(.last = true) + 0x40 + 0x10, 0);
}

/* As long as it claims to be, it does not even have its own structure. */
static void structure_outside(void) {
        LEGACY(.pointer = 0x300, .length = 1);
        EFI(.last = true);
}

static void no_structure(void) {
        LEGACY(.structure = "RICP");
}

static void short_structure(void) {
        put16(LEGACY() + 0x40 + 0x0a, 0x17);
}

/* The structure is good; only that it is where the pointer is cannot be. */
static void pointer_into_header(void) {
        uint8_t *header = LEGACY(.pointer = 3);

        memcpy(header + 3, "PCIR", 4);
        put16(header + 0x18, 3);
}

static void pointer_outside(void) {
        put16(LEGACY() + 0x18, 4 * 512 - 0x17);
}

static void private_only(void) {
        nvidia_prefix(0x400);
        PRIVATE();
        PRIVATE(.last = true);
}

static void private_with_signature(void) {
        add((Image) { 0xe0, 2, CARD, VGA });
        add((Image) { 0x70, 2, CARD, VGA, .last = true });
}

static void private_image_only(void) {
        add((Image) { 0xe0, 2, CARD, VGA, .signature = "VN" });
}

static void private_structure_only(void) {
        add((Image) { 0x70, 2, CARD, VGA, .structure = "NPDS" });
}

static void private_otherwise(void) {
        add((Image) { 0xe0, 2, CARD, VGA, .signature = "\x77\xbb", .structure = "RGIS" });
}

static void open_firmware(void) {
        add((Image) { 1, 2, CARD, VGA, .last = true });
}

static void network_card(void) {
        add((Image) { ROM_TYPE_LEGACY, 4, 0x8086, 0x10d3, NETWORK });
        add((Image) { ROM_TYPE_EFI, 3, 0x8086, 0x10d3, NETWORK, true });
}

static void network_card_unaligned(void) {
        fill(0x123);
        network_card();
}

static void network_card_in_private(void) {
        private_only();
        network_card();
}

const Shape rom_shapes[] = {
        { "trimmed", trimmed, "0-e00 0,3*" },
        { "kepler", kepler, "400-1200 0,3*" },
        { "mobile", mobile, "400-1600 0,3*" },
        { "mobile-two-efi", mobile_two_efi, "400-1800 0,3,3*" },
        { "pascal", pascal, "a00-1800 0,3*" },
        { "ampere", ampere, "9400-a200 0,3*" },
        { "blackwell", blackwell, "2c00-4200 0,3*" },
        { "laptop", laptop, "0-800 0* no-uefi-x64" },
        { "private-in-between", private_in_between, "0-1200 0,224,3*" },
        { "amd", amd, "0-e00 0,3*" },
        { "amd-unterminated", amd_unterminated, "0-e00 0,3 unterminated" },
        { "unterminated-at-end", unterminated_at_end, "0-e00 0,3 unterminated" },
        { "unterminated-before-private", unterminated_before_private, "0-e00 0,3 unterminated" },
        { "efi-only", efi_only, "0-600 3*" },
        { "efi-any-class", efi_any_class, "0-600 3*" },
        { "two-processors", two_processors, "0-1400 0,3,3* efi-not-x64" },
        { "two-processors-otherwise", two_processors_otherwise, "0-1400 0,3,3* efi-not-x64" },
        { "efi-first", efi_first, "0-e00 3,0*" },
        { "reserved-bits", reserved_bits, "0-e00 0,3*" },
        { "decoy", decoy, "600-1400 0,3*" },
        { "largest", largest, "0-e00 0,3*" },

        { "bad-checksum", bad_checksum, "0-e00 0,3* legacy-checksum" },
        { "checksum-of-nothing", checksum_of_nothing, "0-e00 0,3* legacy-checksum" },
        { "checksum-of-more", checksum_of_more, "0-e00 0,3* legacy-checksum" },
        { "efi-signature", efi_signature, "0-e00 0,3* efi-header no-uefi-x64" },
        { "efi-signature-upper-half", efi_signature_upper_half, "0-e00 0,3* efi-header no-uefi-x64" },
        { "efi-application", efi_application, "0-e00 0,3* efi-header no-uefi-x64" },
        { "efi-packed-otherwise", efi_packed_otherwise, "0-e00 0,3* efi-header no-uefi-x64" },
        { "efi-too-long", efi_too_long, "0-e00 0,3* efi-header no-uefi-x64" },
        { "efi-program-outside", efi_program_outside, "0-e00 0,3* efi-header no-uefi-x64" },
        { "efi-arm", efi_arm, "0-e00 0,3* efi-not-x64 no-uefi-x64" },
        { "unaligned-structure", unaligned_structure, "0-e00 0,3* pcir-unaligned" },
        { "unaligned-prefix", unaligned_prefix, "123-f23 0,3* unaligned-prefix" },
        { "other-card-behind", other_card_behind, "0-e00 0,3* second-rom-other-device" },
        { "other-vendor-behind", other_vendor_behind, "0-e00 0,3* second-rom-other-device" },

        { "nothing", nothing, "empty" },
        { "too-large", too_large, "too-large" },
        { "blank-ones", blank_ones, "blank" },
        { "blank-zeros", blank_zeros, "blank" },
        { "text", text, "no-signature" },
        { "text-with-signature", text_with_signature, "no-signature" },
        { "cut-legacy", cut_legacy, "truncated" },
        { "cut-efi", cut_efi, "truncated" },
        { "cut-unaligned", cut_unaligned, "truncated" },
        { "cut-efi-header", cut_efi_header, "truncated" },
        { "no-length", no_length, "bad-length" },
        { "no-second-length", no_second_length, "bad-length" },
        { "structure-outside", structure_outside, "bad-length" },
        { "no-structure", no_structure, "no-pcir" },
        { "short-structure", short_structure, "no-pcir" },
        { "pointer-into-header", pointer_into_header, "no-pcir" },
        { "pointer-outside", pointer_outside, "no-pcir" },
        { "private-only", private_only, "private-only" },
        { "private-with-signature", private_with_signature, "private-only" },
        { "private-image-only", private_image_only, "private-only" },
        { "private-structure-only", private_structure_only, "private-only" },
        { "private-otherwise", private_otherwise, "private-only" },
        { "open-firmware", open_firmware, "private-only" },
        { "network-card", network_card, "not-display" },
        { "network-card-unaligned", network_card_unaligned, "not-display" },
        { "network-card-in-private", network_card_in_private, "not-display" },
};
const size_t n_rom_shapes = ELEMENTSOF(rom_shapes);

const uint8_t *rom_build(const Shape *shape, size_t *ret_size) {
        n_bytes = 0;
        shape->build();
        *ret_size = n_bytes;
        return bytes;
}

char *rom_describe(const Rom *rom) {
        _cleanup_strv_free_ char **words = NULL, **types = NULL;
        _cleanup_free_ char *joined = NULL;
        RomImage image = { 0 };

        if (rom->reason != ROM_ACCEPTED)
                return strdup(rom_reason_names[rom->reason]);
        while (rom_next_image(rom, &image))
                (void) strv_extendf(&types, "%u%s", image.type, image.last ? "*" : "");
        joined = strv_join(types, ",");
        (void) strv_extendf(&words, "%zx-%zx", rom->start, rom->end);
        (void) strv_extend(&words, joined ?: "");
        for (unsigned i = 0; i < ROM_WARNING_MAX; i++)
                if (rom->warnings & 1U << i)
                        (void) strv_extend(&words, rom_warning_names[i]);
        return strv_join(words, " ");
}
