/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/mman.h>
#include <time.h>

#include "rom-rules.h"
#include "rom-shapes.h"
#include "tap.h"

#define MUTATIONS 1000000

#if defined(__SANITIZE_ADDRESS__)
#define IS_SLOW true
#elif defined(__has_feature)
#define IS_SLOW __has_feature(address_sanitizer)
#else
#define IS_SLOW false
#endif

/* Where bytes go that must not be read past: right before a page that cannot be read at all. */
static uint8_t *fence;
static size_t fence_size;

static void make_fence(void) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE), all;
        void *p;

        fence_size = (ROM_SIZE_MAX / 256 + page - 1) / page * page;
        all = fence_size + page;
        p = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || mprotect((uint8_t *) p + fence_size, page, PROT_NONE) < 0)
                abort();
        fence = (uint8_t *) p + fence_size;
}

static void test_shapes(void) {
        for (size_t i = 0; i < n_rom_shapes; i++) {
                _cleanup_free_ char *found = NULL;
                size_t size;
                const uint8_t *data = rom_build(&rom_shapes[i], &size);
                Rom rom;

                rom_parse(data, size, &rom);
                found = rom_describe(&rom);
                tap_is(found, rom_shapes[i].verdict, __FILE__, __LINE__, rom_shapes[i].name);
                if (rom.reason == ROM_ACCEPTED)
                        is(rom_find_fault(&rom), NULL);
                else
                        ok(rom.warnings == 0 && rom.start <= rom.end && rom.end <= rom.size);
        }
}

static const Shape *find_shape(const char *name) {
        for (size_t i = 0; i < n_rom_shapes; i++)
                if (streq(rom_shapes[i].name, name))
                        return &rom_shapes[i];
        abort();
}

static void test_card(const char *name, const char *expected) {
        size_t size;
        const uint8_t *data = rom_build(find_shape(name), &size);
        char card[sizeof("ffff:ffff")] = "any";
        uint16_t vendor, device;
        Rom rom;

        rom_parse(data, size, &rom);
        if (rom_card(&rom, &vendor, &device))
                (void) snprintf(card, sizeof(card), "%04x:%04x", vendor, device);
        is(card, expected);
}

static void test_cards(void) {
        test_card("amd", "1002:73bf");
        test_card("ampere", "10de:2206");
        test_card("efi-only", "10de:2206");
        test_card("efi-first", "10de:2206");
        test_card("efi-any-class", "any");
        test_card("cut-legacy", "any");
}

/* A file that ends anywhere before the ROM does is refused, from where its first structure can be read on as
 * one that was cut off; but at the end of its first image it might be a whole one. What is cut off behind
 * the ROM makes no difference. */
static void test_truncation(const char *name, size_t structure_end, size_t first_image_end) {
        size_t size, wrong = 0;
        const uint8_t *whole = rom_build(find_shape(name), &size);
        Rom rom, cut;

        rom_parse(whole, size, &rom);
        for (size_t n = 0; n <= size && n <= fence_size; n++) {
                memcpy(fence - n, whole, n);
                rom_parse(fence - n, n, &cut);
                if (n >= rom.end)
                        wrong += cut.reason != ROM_ACCEPTED || cut.start != rom.start || cut.end != rom.end;
                else if (n == first_image_end)
                        wrong += cut.reason != ROM_ACCEPTED || cut.warnings != (1U << ROM_UNTERMINATED | 1U << ROM_NO_UEFI_X64);
                else if (n >= structure_end)
                        wrong += cut.reason != ROM_TRUNCATED;
                else
                        wrong += cut.reason == ROM_ACCEPTED || cut.reason == ROM_TRUNCATED;
        }
        ok(wrong == 0);
}

static uint64_t next_random(void) {
        static uint64_t state = 0x9e3779b97f4a7c15;

        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
}

/* Where a change has an effect: most of it in the first bytes of a block, where the structures are. */
static size_t random_place(size_t size) {
        size_t block = next_random() % (size / ROM_BLOCK) * ROM_BLOCK;

        return block + next_random() % (next_random() % 4 == 0 ? ROM_BLOCK : 0x60);
}

static uint8_t random_byte(void) {
        static const uint8_t likely[] = { 0x00, 0x01, 0x02, 0x03, 0x18, 0x40, 0x55, 0x7f, 0x80, 0xaa, 0xe0, 0xff, 'P', 'V' };
        uint64_t n = next_random() % (2 * ELEMENTSOF(likely));

        return n < ELEMENTSOF(likely) ? likely[n] : (uint8_t) next_random();
}

/* Changes a few bytes, or moves a block, and may cut the end off. Returns the size. */
static size_t mutate(uint8_t *data, size_t size) {
        for (uint64_t n = next_random() % 4 + 1; n > 0; n--) {
                size_t place = random_place(size);

                if (next_random() % 8 == 0)
                        memmove(data + place / ROM_BLOCK * ROM_BLOCK, data + random_place(size) / ROM_BLOCK * ROM_BLOCK, ROM_BLOCK);
                else
                        data[place] = random_byte();
        }
        return next_random() % 8 == 0 ? next_random() % size : size;
}

static void test_mutations(void) {
        static const char *const names[] = { "trimmed", "kepler", "mobile", "mobile-two-efi", "private-in-between", "two-processors",
                                             "unterminated-before-private", "unaligned-prefix", "other-card-behind" };
        static uint8_t whole[ELEMENTSOF(names)][ROM_SIZE_MAX / 256], scratch[ROM_SIZE_MAX / 256];
        size_t sizes[ELEMENTSOF(names)], accepted = 0, wrong = 0;
        Rom rom;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const uint8_t *data = rom_build(find_shape(names[i]), &sizes[i]);

                memcpy(whole[i], data, sizes[i]);
        }

        for (size_t i = 0; i < MUTATIONS; i++) {
                size_t shape = next_random() % ELEMENTSOF(names), size;
                const char *fault;

                memcpy(scratch, whole[shape], sizes[shape]);
                size = mutate(scratch, sizes[shape]);
                memcpy(fence - size, scratch, size);
                rom_parse(fence - size, size, &rom);
                accepted += rom.reason == ROM_ACCEPTED;
                fault = rom.reason == ROM_ACCEPTED ? rom_find_fault(&rom) : NULL;
                if (fault && wrong++ == 0)
                        (void) printf("# mutation %zu of %s: %s\n", i, names[shape], fault);
        }
        (void) printf("# %zu of %i were accepted\n", accepted, MUTATIONS);
        ok(wrong == 0);
        ok(accepted > MUTATIONS / 10 && accepted < MUTATIONS);
}

/* A megabyte as NVIDIA's flash chips are, most of which is not looked into but searched. */
static void test_time(void) {
        size_t size, mib = 1024 * 1024;
        const uint8_t *built = rom_build(find_shape("ampere"), &size);
        uint8_t *data = malloc(mib);
        double best = 1;
        Rom rom;

        if (!data)
                abort();
        for (size_t i = 0; i < mib; i++)
                data[i] = (uint8_t) next_random();
        memcpy(data + mib - size, built, size);
        for (int i = 0; i < 10; i++) {
                clock_t begin = clock();
                double seconds;

                rom_parse(data, mib, &rom);
                seconds = (double) (clock() - begin) / CLOCKS_PER_SEC;
                if (seconds < best)
                        best = seconds;
        }
        free(data);
        ok(rom.reason == ROM_ACCEPTED);
        (void) printf("# %.2f ms for a megabyte\n", best * 1000);
        ok(IS_SLOW || best < 0.002);
}

/* Every place of it could be one where an image begins. */
static void test_largest(void) {
        uint8_t *data = malloc(ROM_SIZE_MAX);
        Rom rom;

        if (!data)
                abort();
        for (size_t i = 0; i < ROM_SIZE_MAX; i += 2)
                memcpy(data + i, "\x55\xaa", 2);
        rom_parse(data, ROM_SIZE_MAX, &rom);
        ok(rom.reason == ROM_NO_PCIR);
        rom_parse(data, ROM_SIZE_MAX + 1, &rom);
        ok(rom.reason == ROM_TOO_LARGE);
        free(data);
}

int main(void) {
        make_fence();
        test_shapes();
        test_cards();
        test_truncation("trimmed", 0x58, 0x800);
        test_truncation("kepler", 0x458, 0xc00);
        test_truncation("amd", 0x1cc, 0x800);
        test_truncation("ampere", 0x95e4, 0x9c00);
        test_truncation("blackwell", 0x38b8, 0x3c00);
        test_mutations();
        test_time();
        test_largest();
        return tap_done();
}
