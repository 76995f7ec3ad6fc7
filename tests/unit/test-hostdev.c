/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "hostdev.h"
#include "strv.h"
#include "tap.h"

#define ADDRESS(bus) "<address domain='0x0000' bus='" bus "' slot='0x00' function='0x1'/>"
#define DOMAIN(devices) "<domain type='kvm'>\n  <name>a</name>\n  <devices>\n" devices "\n  </devices>\n</domain>\n"
#define HOSTDEV(bus) "<hostdev mode='subsystem' type='pci'><source>" ADDRESS(bus) "</source></hostdev>"

/* Compares the addresses, a managed one with a '+' behind it; "bad" stands for text that is refused. */
static void finds(const char *xml, const char *expected) {
        _cleanup_hostdevs_free_ Hostdev *hostdevs = NULL;
        _cleanup_strv_free_ char **words = NULL;
        _cleanup_free_ char *joined = NULL;
        int r;

        r = hostdevs_parse(xml, &hostdevs);
        if (r < 0) {
                ok(r == -EBADMSG && !hostdevs);
                is("bad", expected);
                return;
        }
        for (const Hostdev *h = hostdevs; h->address; h++)
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
        finds(DOMAIN("<interface type='hostdev' managed='yes'><source><address type='pci' domain='0' bus='3' slot='0' "
                     "function='0'/></source></interface>"), "0000:03:00.0+");
}

static void test_others(void) {
        finds(DOMAIN("<hostdev mode='subsystem' type='usb'><source><vendor id='0x1'/>" ADDRESS("0x01") "</source></hostdev>"), "");
        finds(DOMAIN("<hostdev mode='subsystem' type='pci'>" ADDRESS("0x01") "</hostdev>"), "");
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
        finds("<domain", "bad");
        finds("<domain a='>", "bad");
        finds("<", "bad");
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
        finds(DOMAIN(HOSTDEV("0x0000000000000000000000000000000000000001")), "bad");
        finds(DOMAIN("<hostdev type='pci'><source><address/></source></hostdev>"), "bad");
        finds(DOMAIN("<hostdev type='pci'><source><address bus=1 slot='0' function='0'/></source></hostdev>"), "bad");
        finds(DOMAIN("<hostdev type='pci'><source><address bus='1' slot='0'/></source></hostdev><a function='0'/>"), "bad");
}

int main(void) {
        test_addresses();
        test_others();
        test_bad();
        return tap_done();
}
