/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "group.h"
#include "holders.h"
#include "log.h"
#include "pci.h"
#include "rom-card.h"
#include "root.h"
#include "signals.h"
#include "strv.h"

/* Where the firmware of a PC without UEFI puts a copy of the boot GPU's ROM, and what the kernel takes for
 * that ROM then. */
#define SHADOW_BEGIN 0xc0000
#define SHADOW_END 0xe0000

/* The line of "resource" that is about the ROM. */
#define RESOURCE_ROM 6

#define ANOTHER_WAY "use a dump by nvflash or GPU-Z, or of another machine with the same card, and " \
        "'vfio-gpuctl rom patch'"

typedef struct Card {
        const char *address;
        char *driver;  /* NULL for none */
        char *control; /* what "power/control" goes back to, NULL where it stays */
        bool enabled;  /* by us */
        int rom;       /* the attribute, open as long as it shows the ROM */
} Card;

static void card_done(Card *card) {
        safe_close(card->rom);
        free(card->driver);
        free(card->control);
}

/* Returns whether what the kernel has for the ROM is a place in memory, which the firmware has written to. */
static bool is_shadowed(const char *address) {
        _cleanup_strv_free_ char **lines = NULL;
        _cleanup_free_ char *text = NULL;
        unsigned long long begin;

        if (pci_read(address, "resource", &text) < 0 || strv_split(text, "\n", &lines) < 0 ||
            strv_length(lines) <= RESOURCE_ROM)
                return false;
        begin = strtoull(lines[RESOURCE_ROM], NULL, 16);
        return begin >= SHADOW_BEGIN && begin < SHADOW_END;
}

/* A card may have one address decoder for its ROM and its memory: while one of them is shown, the other is
 * not. */
static int check_unused(const char *address) {
        _cleanup_free_ char *who = NULL;

        if (group_is_open(address) <= 0)
                return 0;
        (void) vfio_holders_describe(STRV_MAKE(address), &who);
        return log_error_errno(EBUSY,
                               "a VM has %s (%s), and reading its ROM could take its memory away from that: "
                               "end the VM first.", address, who ?: "no process is seen to");
}

static int check(const char *address) {
        _cleanup_free_ char *rom = pci_path(address, "rom");
        int class;

        if (!rom)
                return log_oom();
        if (!pci_exists(address))
                return log_error_errno(ENODEV, "%s is not on the PCI bus.", address);
        class = pci_class(address);
        if (class >= 0 && !pci_class_is_display(class))
                return log_error_errno(EINVAL, "%s is no graphics card.", address);
        if (!path_exists(rom))
                return log_error_errno(ENOENT,
                                       "%s has no ROM of its own: that of a GPU in a laptop or processor is "
                                       "part of the machine's firmware.", address);
        if (is_shadowed(address))
                return log_error_errno(EBUSY,
                                       "%s is the GPU that this machine was booted with: in the place of "
                                       "its ROM the kernel shows what the firmware has left of that in "
                                       "memory. Boot with another GPU as the first one, or " ANOTHER_WAY ".",
                                       address);
        return check_unused(address);
}

static int log_write(const Card *card, const char *attribute, int r) {
        if (r == -EACCES || r == -EPERM)
                return log_error_errno(r, "cannot write %s of %s: %m; this takes root.", attribute, card->address);
        return r < 0 ? log_error_errno(r, "cannot write %s of %s: %m.", attribute, card->address) : 0;
}

static int write_or_log(const Card *card, const char *attribute, const char *value) {
        return log_write(card, attribute, pci_write(card->address, attribute, value));
}

/* A card that sleeps answers with ones. */
static int wake(Card *card) {
        _cleanup_free_ char *control = NULL, *state = NULL;
        int r;

        r = pci_read(card->address, "power/control", &control);
        if (r >= 0 && !streq(control, "on")) {
                card->control = TAKE_PTR(control);
                r = write_or_log(card, "power/control", "on");
                if (r < 0)
                        return r;
        }
        if (pci_read(card->address, "power_state", &state) >= 0 && startswith(state, "D3"))
                return log_error_errno(EAGAIN, "%s sleeps (%s) and does not wake up.", card->address, state);
        return 0;
}

/* A driver has enabled it, and without one nobody has. */
static int enable(Card *card) {
        int r;

        r = pci_read_link(card->address, "driver", &card->driver);
        if (r < 0)
                return log_error_errno(r, "cannot find out the driver of %s: %m.", card->address);
        if (card->driver)
                return 0;
        r = write_or_log(card, "enable", "1");
        card->enabled = r >= 0;
        return r;
}

/* To the kernel, "0" and a newline at the very beginning mean to show it no longer; anything else anywhere,
 * to show it. */
static int show_rom(Card *card, bool show) {
        ssize_t n;

        do
                n = pwrite(card->rom, show ? "1\n" : "0\n", 2, 0);
        while (n < 0 && errno == EINTR);
        return log_write(card, "rom", n < 0 ? -errno : n < 2 ? -EIO : 0);
}

static int open_rom(Card *card) {
        _cleanup_free_ char *path = pci_path(card->address, "rom");
        int r;

        if (!path)
                return log_oom();
        card->rom = open(path, O_RDWR | O_CLOEXEC);
        if (card->rom < 0)
                return log_write(card, "rom", -errno);
        r = show_rom(card, true);
        if (r < 0)
                card->rom = safe_close(card->rom);
        return r;
}

/* Returns how much was read, or a negative errno. */
static ssize_t read_rom(const Card *card, uint8_t *data) {
        size_t n = 0;

        while (n < ROM_SIZE_MAX) {
                ssize_t k;

                if (signals_are_waiting())
                        return -EINTR;
                k = read(card->rom, data + n, ROM_SIZE_MAX - n);
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t) k;
        }
        return (ssize_t) n;
}

static int read_or_log(const Card *card, uint8_t *data, size_t *ret_size) {
        ssize_t n = read_rom(card, data);

        if (n == -EIO)
                return log_error_errno(EIO,
                                       "the kernel finds no ROM at %s, which is on driver %s. A driver can "
                                       "be in the way: try again while a swap has the card on vfio-pci. In "
                                       "a laptop the ROM may be in the machine's firmware alone. Otherwise "
                                       ANOTHER_WAY ".",
                                       card->address, card->driver ?: "none");
        if (n < 0)
                return log_error_errno((int) n, "cannot read the ROM of %s: %m.", card->address);
        *ret_size = (size_t) n;
        return 0;
}

static int put_back(Card *card) {
        int r = 0, k;

        if (card->rom >= 0)
                r = show_rom(card, false);
        if (card->enabled) {
                k = write_or_log(card, "enable", "0");
                r = k < 0 ? k : r;
        }
        if (card->control) {
                k = write_or_log(card, "power/control", card->control);
                r = k < 0 ? k : r;
        }
        return r;
}

int rom_card_read(const char *address, uint8_t *data, size_t *ret_size) {
        _cleanup_(card_done) Card card = { .address = address, .rom = -1 };
        sigset_t before;
        int r, k;

        r = check(address);
        if (r < 0)
                return r;

        signals_hold(&before);
        r = wake(&card);
        if (r >= 0)
                r = enable(&card);
        if (r >= 0)
                r = open_rom(&card);
        if (r >= 0)
                r = read_or_log(&card, data, ret_size);
        k = put_back(&card);
        signals_release(&before);
        return r < 0 ? r : k;
}
