/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain.h"
#include "root.h"
#include "xml.h"

/* In the file that libvirt keeps while a domain runs, the domain is not the outermost element. */
#define IS_AT(element, place) (xml_is_at(element, "domain/" place) || xml_is_at(element, "domstatus/domain/" place))

/* Part of a device that can be a PCI function of the host's. */
#define IS_AT_DEVICE(element, place)                                                                            \
        (IS_AT(element, "devices/hostdev" place) || IS_AT(element, "devices/interface" place) ||                \
         IS_AT(element, "devices/disk" place))

#define FILE_MAX (1024 * 1024)

typedef struct Reader {
        Domain domain;
        bool is_pci;     /* the device that is being read is a PCI function of the host, as far as is known yet */
        Hostdev hostdev; /* what is known of it */
} Reader;

static void hostdev_done(Hostdev *hostdev) {
        free(hostdev->address);
        free(hostdev->rom_bar);
        free(hostdev->rom_file);
        free(hostdev->rom_enabled);
        free(hostdev->boot_order);
        *hostdev = (Hostdev) { 0 };
}

void domain_done(Domain *domain) {
        for (size_t i = 0; i < domain->n_hostdevs; i++)
                hostdev_done(&domain->hostdevs[i]);
        free(domain->hostdevs);
        free(domain->video);
        *domain = (Domain) { 0 };
}

const Hostdev *domain_find_hostdev(const Domain *domain, const char *address) {
        for (const Hostdev *h = domain->hostdevs; h->address; h++)
                if (streq(h->address, address))
                        return h;
        return NULL;
}

bool domain_has_any(const Domain *domain, char *const *addresses) {
        for (; addresses && *addresses; addresses++)
                if (domain_find_hostdev(domain, *addresses))
                        return true;
        return false;
}

/* Returns 1 if the attribute has that value, 0 if not, or a negative errno. */
static int attribute_is(const XmlElement *element, const char *name, const char *expected) {
        _cleanup_free_ char *value = NULL;
        int r = xml_attribute(element, name, &value);

        return r > 0 ? streq(value, expected) : r;
}

/* Reads an attribute as libvirt does: hexadecimal with 0x before it, else decimal. Returns 1, 0 if there is
 * none, or a negative errno. */
static int get_number(const XmlElement *element, const char *name, unsigned long max, unsigned long *ret) {
        _cleanup_free_ char *value = NULL;
        unsigned long number;
        char *end;
        int r;

        r = xml_attribute(element, name, &value);
        if (r <= 0)
                return r;
        if (strspn(value, "0123456789abcdefABCDEFx") != strlen(value))
                return -EBADMSG;
        errno = 0;
        number = strtoul(value, &end, 0);
        if (errno || end == value || *end || number > max)
                return -EBADMSG;
        *ret = number;
        return 1;
}

static int read_address(const XmlElement *element, char **ret) {
        static const struct {
                const char *name;
                unsigned long max;
        } parts[] = { { "domain", UINT32_MAX }, { "bus", 0xff }, { "slot", 0x1f }, { "function", 7 } };
        unsigned long values[ELEMENTSOF(parts)] = { 0 };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                r = get_number(element, parts[i].name, parts[i].max, &values[i]);
                if (r < 0 || (r == 0 && i > 0))
                        return r < 0 ? r : -EBADMSG;
        }
        r = asprintf(ret, "%04lx:%02lx:%02lx.%lx", values[0], values[1], values[2], values[3]);
        if (r < 0)
                *ret = NULL;
        return r < 0 ? -ENOMEM : 0;
}

static int begin_device(Reader *reader, const XmlElement *element, const char *type) {
        int r;

        r = attribute_is(element, "type", type);
        reader->is_pci = r > 0;
        if (r > 0)
                r = attribute_is(element, "managed", "yes");
        reader->hostdev.managed = r > 0;
        return r;
}

/* Of a disk that the guest has by its controller, the source says what another device says itself. */
static int begin_disk_source(Reader *reader, const XmlElement *element) {
        int r = attribute_is(element, "managed", "yes");

        reader->hostdev.managed = r > 0;
        return r;
}

static int end_device(Reader *reader) {
        Domain *domain = &reader->domain;
        Hostdev *grown;

        if (!reader->hostdev.address) {
                hostdev_done(&reader->hostdev);
                return 0;
        }
        grown = reallocarray(domain->hostdevs, domain->n_hostdevs + 2, sizeof(Hostdev));
        if (!grown)
                return -ENOMEM;
        domain->hostdevs = grown;
        grown[domain->n_hostdevs++] = reader->hostdev;
        grown[domain->n_hostdevs] = reader->hostdev = (Hostdev) { 0 };
        return 0;
}

static int read_source(Reader *reader, const XmlElement *element) {
        int r;

        /* A network function can also be one on another bus, and then says so. */
        r = attribute_is(element, "type", "usb");
        return r != 0 || reader->hostdev.address ? r : read_address(element, &reader->hostdev.address);
}

static int read_rom(Reader *reader, const XmlElement *element) {
        Hostdev *hostdev = &reader->hostdev;
        int r = 0;

        if (!hostdev->rom_bar)
                r = xml_attribute(element, "bar", &hostdev->rom_bar);
        if (r >= 0 && !hostdev->rom_file)
                r = xml_attribute(element, "file", &hostdev->rom_file);
        if (r >= 0 && !hostdev->rom_enabled)
                r = xml_attribute(element, "enabled", &hostdev->rom_enabled);
        return r;
}

static int read_boot(Reader *reader, const XmlElement *element) {
        Hostdev *hostdev = &reader->hostdev;

        return hostdev->boot_order ? 0 : xml_attribute(element, "order", &hostdev->boot_order);
}

static int read_video(Reader *reader, const XmlElement *element) {
        int r;

        if (reader->domain.video)
                return 0;
        r = xml_attribute(element, "type", &reader->domain.video);
        if (r > 0 && streq(reader->domain.video, "none")) {
                free(reader->domain.video);
                reader->domain.video = NULL;
        }
        return r;
}

static int read_controller(Reader *reader, const XmlElement *element) {
        unsigned long index = 0;
        int r;

        r = attribute_is(element, "type", "pci");
        if (r > 0)
                r = get_number(element, "index", 0xff, &index);
        if (r > 0 && index >= reader->domain.n_controllers)
                reader->domain.n_controllers = index + 1;
        return r;
}

static int read_machine(Reader *reader, const XmlElement *element) {
        _cleanup_free_ char *machine = NULL;
        int r;

        r = xml_attribute(element, "machine", &machine);
        reader->domain.pcie = machine && strstr(machine, "q35");
        return r;
}

static int read_firmware(Reader *reader, const XmlElement *element) {
        int r;

        r = attribute_is(element, "firmware", "efi");
        if (r > 0)
                reader->domain.firmware = FIRMWARE_UEFI;
        return r;
}

/* UEFI comes in flash chips; a file that replaces the BIOS can be anything. */
static int read_loader(Reader *reader, const XmlElement *element) {
        int r;

        r = attribute_is(element, "type", "pflash");
        if (reader->domain.firmware == FIRMWARE_BIOS)
                reader->domain.firmware = r > 0 ? FIRMWARE_UEFI : FIRMWARE_OTHER;
        return r;
}

static int read_element(Reader *reader, const XmlElement *element) {
        if (IS_AT(element, "os"))
                return read_firmware(reader, element);
        if (IS_AT(element, "os/type"))
                return read_machine(reader, element);
        if (IS_AT(element, "os/loader"))
                return read_loader(reader, element);
        if (IS_AT(element, "devices/controller"))
                return read_controller(reader, element);
        if (IS_AT(element, "devices/video/model"))
                return read_video(reader, element);
        if (IS_AT(element, "devices/hostdev"))
                return begin_device(reader, element, "pci");
        if (IS_AT(element, "devices/interface"))
                return begin_device(reader, element, "hostdev");
        if (IS_AT(element, "devices/disk"))
                return begin_device(reader, element, "nvme");
        if (!reader->is_pci)
                return 0;
        if (IS_AT(element, "devices/disk/source"))
                return begin_disk_source(reader, element);
        if (IS_AT_DEVICE(element, "/source/address"))
                return read_source(reader, element);
        if (IS_AT_DEVICE(element, "/rom"))
                return read_rom(reader, element);
        if (IS_AT_DEVICE(element, "/boot"))
                return read_boot(reader, element);
        return 0;
}

static int handle(const XmlElement *element, bool begins, void *userdata) {
        int r = 0;

        if (begins)
                r = read_element(userdata, element);
        else if (IS_AT_DEVICE(element, ""))
                r = end_device(userdata);
        return r < 0 ? r : 0;
}

int domain_parse(const char *xml, Domain *ret) {
        Reader reader = { .domain.hostdevs = calloc(1, sizeof(Hostdev)) };
        int r;

        r = reader.domain.hostdevs ? xml_read(xml, handle, &reader) : -ENOMEM;
        if (r < 0) {
                hostdev_done(&reader.hostdev);
                domain_done(&reader.domain);
                return r;
        }

        *ret = reader.domain;
        return 0;
}

int domain_read(const char *file, Domain *ret) {
        _cleanup_free_ char *xml = NULL;
        int r;

        r = read_text_file(file, FILE_MAX, &xml);
        return r < 0 ? r : domain_parse(xml, ret);
}

char *domain_file(const char *vm) {
        return root_path("/etc/libvirt/qemu/%s.xml", vm);
}
