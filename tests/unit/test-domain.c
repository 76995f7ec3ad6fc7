/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain.h"
#include "strv.h"
#include "tap.h"
#include "xml.h"

#define ADDRESS(bus) "<address domain='0x0000' bus='" bus "' slot='0x00' function='0x1'/>"
#define OF_KIND(start, devices) "<domain type='kvm'>\n  <name>a</name>\n" start "  <devices>\n" devices "\n  </devices>\n</domain>\n"
#define DOMAIN(devices) OF_KIND("", devices)
#define HOSTDEV(bus) "<hostdev mode='subsystem' type='pci'><source>" ADDRESS(bus) "</source></hostdev>"
#define WITH_ROM(rom) DOMAIN("<hostdev type='pci'><source>" ADDRESS("1") "</source>" rom "</hostdev>")

/* Compares the addresses, a managed one with a '+' behind it; "bad" stands for text that is refused. */
static void finds(const char *xml, const char *expected) {
        _cleanup_domain_ Domain domain = { 0 };
        _cleanup_strv_free_ char **words = NULL;
        _cleanup_free_ char *joined = NULL;
        int r;

        r = domain_parse(xml, &domain);
        if (r < 0) {
                ok(r == -EBADMSG && !domain.hostdevs);
                is("bad", expected);
                return;
        }
        for (const Hostdev *h = domain.hostdevs; h->address; h++)
                (void) strv_extendf(&words, "%s%s", h->address, h->managed ? "+" : "");
        joined = strv_join(words, " ");
        is(joined, expected);
}

static void test_addresses(void) {
        finds(DOMAIN(""), "");
        finds(DOMAIN(HOSTDEV("0x01")), "0000:01:00.1");
        finds(DOMAIN(HOSTDEV("0x01") HOSTDEV("0xff")), "0000:01:00.1 0000:ff:00.1");
        finds(DOMAIN("<hostdev mode='subsystem' type='pci' managed='yes'>\n<driver name='vfio'/>\n<source>\n" ADDRESS("0x01")
                     "\n</source>\n<rom file='/a>b.rom'/>\n<address type='pci' domain='0x0000' bus='0x05' slot='0x00' "
                     "function='0x0' multifunction='on'/>\n</hostdev>" HOSTDEV("0x02")), "0000:01:00.1+ 0000:02:00.1");
        finds(DOMAIN("<hostdev type=\"pci\" managed = \"yes\" ><source><address function=\"7\" slot=\"31\" bus=\"16\" />"
                     "</source></hostdev>"), "0000:10:1f.7+");
        finds(DOMAIN("<hostdev type='pci'><source><address domain='0x10000' bus='0xe1' slot='0x1f' function='0x7'/></source>"
                     "</hostdev>"), "10000:e1:1f.7");
        finds(DOMAIN("<hostdev type='pci'><rom/><source>" ADDRESS("&#x30;x01") "</source></hostdev>"), "0000:01:00.1");
        finds(DOMAIN("<interface type='hostdev' managed='yes'><source><address type='pci' domain='0' bus='3' slot='0' "
                     "function='0'/></source></interface>"), "0000:03:00.0+");
        finds(DOMAIN("<disk type='nvme' device='disk'><driver name='qemu' type='raw'/><source type='pci' managed='yes' "
                     "namespace='1'>" ADDRESS("4") "</source><target dev='vde' bus='virtio'/>" ADDRESS("9") "</disk>"),
              "0000:04:00.1+");
        finds(DOMAIN("<disk type='nvme'><source type='pci' managed='no' namespace='1'>" ADDRESS("4") "</source></disk>"
                     "<disk type='block'><source dev='/dev/sda'/>" ADDRESS("5") "</disk>"), "0000:04:00.1");
}

static void test_others(void) {
        finds(DOMAIN("<hostdev mode='subsystem' type='usb'><source><vendor id='0x1'/>" ADDRESS("0x01") "</source></hostdev>"), "");
        finds(DOMAIN("<hostdev mode='subsystem' type='pci'>" ADDRESS("0x01") "</hostdev>"), "");
        finds(DOMAIN("<hostdev mode='subsystem' type='pci' managed='yes'/>" HOSTDEV("0x01")), "0000:01:00.1");
        finds(DOMAIN("<interface type='network'><source network='default'/><address type='pci' bus='0x01' slot='0x00' "
                     "function='0x0'/></interface>"), "");
        finds(DOMAIN("<interface type='hostdev'><source><address type='usb' bus='1' device='2'/></source></interface>"), "");
        finds(DOMAIN("<!-- " HOSTDEV("0x01") " --><![CDATA[" HOSTDEV("0x01") "]]><?" HOSTDEV("0x01") "?>"), "");
        finds("<domain><metadata><x:y><devices>" HOSTDEV("0x01") "</devices></x:y></metadata></domain>", "");
        finds("<domain><metadata>" DOMAIN(HOSTDEV("0x01")) "</metadata></domain>", "");
        finds("<domstatus state='running' pid='1'>\n" DOMAIN(HOSTDEV("0x01")) "</domstatus>\n", "0000:01:00.1");
        finds("<network>" HOSTDEV("0x01") "</network>", "");
        finds("<!-- it's not <domain> -->\n<domain type='kvm' x='/'>don't</domain>", "");
        finds("", "");
        finds("no XML", "");
}

static void test_bad(void) {
        finds("<domain>", "bad");
        finds("</domain>", "bad");
        finds("<domain><os></domain></os>", "bad");
        finds("<domain></domains>", "bad");
        finds("<domain", "bad");
        finds("<domain <os/>", "bad");
        finds("<domain a='>", "bad");
        finds("<", "bad");
        finds("<>", "bad");
        finds("< domain/>", "bad");
        finds("<!-- ", "bad");
        finds("<!-->", "bad");
        finds("<![CDATA[ ]]", "bad");
        finds("<?xml", "bad");
        finds("<!DOCTYPE domain [<!ENTITY a 'b'>]><domain/>", "bad");
        finds(DOMAIN(HOSTDEV("0x100")), "bad");
        finds(DOMAIN(HOSTDEV("")), "bad");
        finds(DOMAIN(HOSTDEV("-1")), "bad");
        finds(DOMAIN(HOSTDEV("1 ")), "bad");
        finds(DOMAIN(HOSTDEV("0x")), "bad");
        finds(DOMAIN(HOSTDEV("0x10000000000000000000000000000000000000001")), "bad");
        finds(DOMAIN("<hostdev type='pci'><source><address/></source></hostdev>"), "bad");
        finds(DOMAIN("<hostdev type='pci'><source><address bus=1 slot='0' function='0'/></source></hostdev>"), "bad");
        finds(DOMAIN("<hostdev type='pci'><source><address bus='1' slot='0'/></source></hostdev><a function='0'/>"), "bad");
        finds(DOMAIN("<hostdev type=pci/>"), "bad");
        finds(DOMAIN("<hostdev type='pci'managed/>"), "bad");
}

/* Elements within elements, as many as are told. */
static char *nested(size_t n) {
        char *xml = malloc(n * strlen("<a></a>") + 1), *p = xml;

        for (size_t i = 0; xml && i < 2 * n; i++)
                p = stpcpy(p, i < n ? "<a>" : "</a>");
        return xml;
}

static void test_depth(void) {
        _cleanup_free_ char *deep = nested(XML_DEPTH_MAX), *deeper = nested(XML_DEPTH_MAX + 1), *abyss = nested(100000);

        finds(deep, "");
        finds(deeper, "bad");
        finds(abyss, "bad");
}

/* Compares the ROM file of the one device, "bad" for what is refused. */
static void has_rom(const char *xml, const char *expected) {
        _cleanup_domain_ Domain domain = { 0 };

        if (domain_parse(xml, &domain) < 0)
                is("bad", expected);
        else
                is(domain.hostdevs->rom_file, expected);
}

static void test_rom(void) {
        _cleanup_domain_ Domain domain = { 0 };

        has_rom(WITH_ROM(""), NULL);
        has_rom(WITH_ROM("<rom bar='off'/>"), NULL);
        has_rom(WITH_ROM("<rom bar='on' file='/a b.rom'/>"), "/a b.rom");
        has_rom(WITH_ROM("<rom file='/a'/><rom file='/b'/>"), "/a");
        has_rom(WITH_ROM("<rom file=\"/it's\"/>"), "/it's");
        has_rom(WITH_ROM("<rom file='/&lt;&gt;&amp;&quot;&apos;&#65;&#x42;'/>"), "/<>&\"'AB");
        has_rom(WITH_ROM("<rom file='/&#228;&#x20ac;&#x1F600;'/>"), "/ä€😀");
        has_rom(WITH_ROM("<source><rom file='/a'/></source>"), NULL);
        has_rom(DOMAIN("<rom file='/a'/>" HOSTDEV("1")), NULL);
        has_rom(WITH_ROM("<rom file='/&'/>"), "bad");
        has_rom(WITH_ROM("<rom file='/&;'/>"), "bad");
        has_rom(WITH_ROM("<rom file='/&rom;'/>"), "bad");
        has_rom(WITH_ROM("<rom file='/&am' x='p;'/>"), "bad");
        has_rom(WITH_ROM("<rom file='/&#;'/>"), "bad");
        has_rom(WITH_ROM("<rom file='/&#x;'/>"), "bad");
        has_rom(WITH_ROM("<rom file='/&#0;'/>"), "bad");
        has_rom(WITH_ROM("<rom file='/&#xd800;'/>"), "bad");
        has_rom(WITH_ROM("<rom file='/&#x110000;'/>"), "bad");
        has_rom(WITH_ROM("<rom file='/&#99999999999999999999;'/>"), "bad");
        has_rom(WITH_ROM("<rom file='/&#-65;'/>"), "bad");

        ok(domain_parse(WITH_ROM("<rom enabled='no' bar='off'/>"), &domain) == 0);
        is(domain.hostdevs->rom_enabled, "no");
        is(domain.hostdevs->rom_bar, "off");
}

static void test_boot(void) {
        _cleanup_domain_ Domain domain = { 0 };

        ok(domain_parse(DOMAIN(HOSTDEV("1") "<boot order='9'/><hostdev type='pci'><source>" ADDRESS("2") "</source>"
                               "<boot order='2'/><boot order='3'/></hostdev><interface type='hostdev'><source>"
                               ADDRESS("3") "</source><boot order='1'/></interface>"), &domain) == 0);
        if (!ok(domain.n_hostdevs == 3))
                return;
        is(domain.hostdevs[0].boot_order, NULL);
        is(domain.hostdevs[1].boot_order, "2");
        is(domain.hostdevs[2].boot_order, "1");
}

static void test_search(void) {
        _cleanup_domain_ Domain domain = { 0 };

        ok(domain_parse(DOMAIN(HOSTDEV("1") HOSTDEV("2")), &domain) == 0 && domain.n_hostdevs == 2);
        ok(domain_find_hostdev(&domain, "0000:02:00.1") == &domain.hostdevs[1]);
        ok(!domain_find_hostdev(&domain, "0000:02:00.0"));
        ok(domain_has_any(&domain, STRV_MAKE("0000:02:00.0", "0000:01:00.1")));
        ok(!domain_has_any(&domain, STRV_MAKE("0000:02:00.0")));
        ok(!domain_has_any(&domain, NULL));
}

/* Compares what the VM begins with, and what is on its buses. */
static void starts_with(const char *xml, Firmware firmware, const char *video, bool pcie, unsigned long n_controllers) {
        _cleanup_domain_ Domain domain = { 0 };

        if (!ok(domain_parse(xml, &domain) == 0))
                return;
        ok(domain.firmware == firmware);
        is(domain.video, video);
        ok(domain.pcie == pcie);
        ok(domain.n_controllers == n_controllers);
}

static void test_machine(void) {
        starts_with(DOMAIN(""), FIRMWARE_BIOS, NULL, false, 0);
        starts_with(OF_KIND("<os firmware='efi'><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>",
                            "<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='7'/>"
                            "<controller type='pci' index='3'/><controller type='usb' index='9'/>"),
                    FIRMWARE_UEFI, NULL, true, 8);
        starts_with(OF_KIND("<os firmware='efi'><loader readonly='yes' type='pflash'>/a</loader></os>",
                            "<video><model type='virtio' heads='1'/></video><video><model type='qxl'/></video>"),
                    FIRMWARE_UEFI, "virtio", false, 0);
        starts_with(OF_KIND("<os><type machine='pc'>hvm</type><loader type='pflash'>/a</loader></os>",
                            "<video><model type='none'/></video>"), FIRMWARE_UEFI, NULL, false, 0);
        starts_with(OF_KIND("<os firmware='efi'><loader>/a</loader></os>", ""), FIRMWARE_UEFI, NULL, false, 0);
        starts_with(OF_KIND("<os><loader type='rom'>/a</loader></os>", "<video/>"), FIRMWARE_OTHER, NULL, false, 0);
        starts_with(OF_KIND("<os firmware='bios'/>", "<graphics type='vnc'/>"), FIRMWARE_BIOS, NULL, false, 0);
        starts_with("<domain><os><boot firmware='efi'/><x><loader type='pflash'/></x></os></domain>",
                    FIRMWARE_BIOS, NULL, false, 0);
}

int main(void) {
        test_addresses();
        test_others();
        test_bad();
        test_depth();
        test_rom();
        test_boot();
        test_search();
        test_machine();
        return tap_done();
}
