/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "check-part.h"
#include "pci.h"
#include "rom.h"
#include "rom-place.h"
#include "root.h"
#include "strv.h"
#include "text.h"

/* A file that QEMU gives the guest in the place of a function's own ROM. */
typedef struct RomFile {
        const char *vm, *address;
        Firmware firmware;
        const char *name; /* as in the domain */
        char *printable;
        char *path; /* where it is now */
        int fd;
        uint8_t *data;
        size_t size;
} RomFile;

static void rom_file_done(RomFile *file) {
        free(file->printable);
        free(file->path);
        safe_close(file->fd);
        free(file->data);
}

/* QEMU refuses to start with it, and that only after the swap. */
static int add_missing(CheckContext *c, const RomFile *file, const char *why) {
        return findings_add(c->findings, FINDING_ROM_MISSING, file->printable,
                            "libvirt's domain '%s' gives %s the ROM file %s, which %s, so the VM cannot start: "
                            "correct its <rom> with 'virsh edit', or take it out", file->vm, file->address,
                            file->printable, why);
}

static int add_unreadable(CheckContext *c, const RomFile *file, const char *sentence) {
        return findings_add(c->findings, FINDING_ROM_UNREADABLE, file->printable,
                            "libvirt's domain '%s' gives %s the ROM file %s: %s", file->vm, file->address,
                            file->printable, sentence);
}

static int add_not_run(CheckContext *c, const RomFile *file, const char *why) {
        return findings_add(c->findings, FINDING_ROM_NOT_RUN, file->printable,
                            "libvirt's domain '%s' gives %s the ROM file %s, %s", file->vm, file->address,
                            file->printable, why);
}

/* Opens it, once for all: in somebody's home it can be another one the next moment, and a FIFO would be waited
 * for. Returns 1 if there is a file that QEMU accepts, 0 if not, or -ENOMEM. */
static int check_presence(CheckContext *c, RomFile *file) {
        const char *why = NULL;
        struct stat st;
        int r;

        file->fd = open(file->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        r = file->fd < 0 || fstat(file->fd, &st) < 0 ? -errno : 0;
        if (r == -ENOENT || r == -ENOTDIR)
                why = "does not exist";
        else if (r < 0 && r != -ENXIO) /* as of a socket */
                return add_unreadable(c, file, strerror(-r));
        else if (r < 0 || !S_ISREG(st.st_mode))
                why = "is not a file";
        else if (st.st_size == 0)
                why = "is empty";
        if (!why)
                return 1;
        r = add_missing(c, file, why);
        return r < 0 ? r : 0;
}

static int check_place(CheckContext *c, const RomFile *file) {
        _cleanup_free_ char *root = root_path("%s", "");
        _cleanup_strv_free_ char **sentences = NULL;
        int r;

        r = root ? rom_place_check(root, file->name, &sentences) : -ENOMEM;
        STRV_FOREACH(sentence, sentences)
                if (r >= 0)
                        r = add_unreadable(c, file, *sentence);
        return r;
}

/* Of what is larger than a ROM, no more than that it is. */
static int read_data(RomFile *file) {
        ssize_t n;

        file->data = malloc(ROM_SIZE_MAX + 1);
        if (!file->data)
                return -ENOMEM;
        while (file->size <= ROM_SIZE_MAX &&
               (n = read(file->fd, file->data + file->size, ROM_SIZE_MAX + 1 - file->size)) != 0) {
                if (n < 0)
                        return -errno;
                file->size += (size_t) n;
        }
        return 0;
}

static bool has_legacy_image(const Rom *rom) {
        RomImage image = { 0 };

        while (rom_next_image(rom, &image))
                if (image.type == ROM_TYPE_LEGACY)
                        return true;
        return false;
}

static int check_images(CheckContext *c, const RomFile *file, const Rom *rom) {
        if (rom->start > 0)
                return add_not_run(c, file, "which is a dump with something before the ROM, so the guest's firmware "
                                   "finds none: cut it out with 'vfio-gpuctl rom patch'");
        if (file->firmware == FIRMWARE_UEFI && (rom->warnings & 1U << ROM_NO_UEFI_X64))
                return add_not_run(c, file, "which has no image for UEFI, and the VM has UEFI: there is no picture "
                                   "before the guest's own driver makes one; 'vfio-gpuctl rom info' shows what is in "
                                   "a file");
        if (file->firmware == FIRMWARE_BIOS && !has_legacy_image(rom))
                return add_not_run(c, file, "which has no image for a BIOS, and the VM has no UEFI: there is no "
                                   "picture before the guest's own driver makes one; 'vfio-gpuctl rom info' shows "
                                   "what is in a file");
        return 0;
}

static int check_card(CheckContext *c, const RomFile *file, const Rom *rom) {
        _cleanup_free_ char *why = NULL;
        unsigned long vendor, device;
        uint16_t rom_vendor, rom_device;

        if (pci_read_number(file->address, "vendor", &vendor) < 0 ||
            pci_read_number(file->address, "device", &device) < 0 ||
            !rom_card(rom, &rom_vendor, &rom_device) || (rom_vendor == vendor && rom_device == device))
                return 0;
        if (asprintf(&why, "which is for another card (%04x:%04x, and this one is %04lx:%04lx): use one of this model",
                     rom_vendor, rom_device, vendor, device) < 0) {
                why = NULL;
                return -ENOMEM;
        }
        return add_not_run(c, file, why);
}

static int check_content(CheckContext *c, RomFile *file) {
        Rom rom;
        int r;

        r = read_data(file);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return add_unreadable(c, file, strerror(-r));
        rom_parse(file->data, file->size, &rom);
        if (rom.reason != ROM_ACCEPTED)
                return add_not_run(c, file, "which no guest's firmware runs on a graphics card: 'vfio-gpuctl rom "
                                   "info' tells what is wrong with it");
        r = check_images(c, file, &rom);
        return r < 0 ? r : check_card(c, file, &rom);
}

/* Says what keeps the guest's firmware from a picture. */
static int check_use(CheckContext *c, RomFile *file) {
        int class = pci_class(file->address);

        if (class == PCI_CLASS_HDA)
                return add_not_run(c, file, "and that has no use for one: it belongs to the <hostdev> of the "
                                   "graphics card");
        return class >= 0 && pci_class_is_display(class) ? check_content(c, file) : 0;
}

static int check_file(CheckContext *c, RomFile *file) {
        int r;

        if (*file->name != '/')
                return add_unreadable(c, file, "QEMU looks for a file without a directory among its own alone: give "
                                      "its whole path");
        r = check_presence(c, file);
        if (r <= 0)
                return r;
        r = check_place(c, file);
        return r < 0 ? r : check_use(c, file);
}

int check_rom(CheckContext *c, const Domain *domain, const Hostdev *hostdev) {
        _cleanup_(rom_file_done) RomFile file = {
                .vm = c->check->vm_name,
                .address = hostdev->address,
                .fd = -1,
                .name = hostdev->rom_file,
                .firmware = domain->firmware,
        };

        if (isempty(file.name) || (hostdev->rom_enabled && streq(hostdev->rom_enabled, "no")))
                return 0;
        file.printable = text_printable(file.name);
        file.path = root_path("%s", file.name);
        return file.printable && file.path ? check_file(c, &file) : -ENOMEM;
}
