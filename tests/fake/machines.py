# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds the trees of the fake kernel: kernel.h says what is in them beside what a kernel shows."""

import os
import pathlib
import struct

GPU, AUDIO, USB, OTHER = "0000:01:00.0", "0000:01:00.1", "0000:01:00.2", "0000:02:00.0"
OTHER_USB = "0000:02:00.2"
GROUP = "424242"


class Machine:
    """A machine in its first state, as the desktop has it."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.loaded, self.needs = set(), {}
        for name in ("kernel/ids", "kernel/needs", "kernel/adds", "kernel/parked", "sys/bus/pci/devices",
                     "sys/bus/pci/drivers", "sys/bus/platform/devices", "sys/bus/platform/drivers", "sys/module",
                     "sys/class/vtconsole", "sys/class/graphics", "run", "proc", "dev/vfio", "etc/modprobe.d"):
            (self.root / name).mkdir(parents=True)
        for name in "drivers_probe", "rescan":
            self.write(f"sys/bus/pci/{name}", "")
        self.write("proc/cmdline", "quiet\n")
        self.write("proc/iomem", "00000000-00000fff : Reserved\n")
        self.write("proc/sys/kernel/osrelease", os.uname().release + "\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def link(self, name, target):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to("../" * name.count("/") + target)

    def adds(self, owner, *names):
        with (self.root / "kernel/adds" / owner).open("a") as f:
            f.writelines(f"{name}\n" for name in names)

    def park(self, owner):
        for name in (self.root / "kernel/adds" / owner).read_text().splitlines():
            (self.root / name).rename(self.root / "kernel/parked" / name.replace("/", "%"))

    def function(self, address, ids=(), override="(null)", device_class="0x030000", group=GROUP):
        directory = f"sys/devices/pci0000:00/{address}"
        for name, text in {"class": device_class, "driver_override": override, "remove": "",
                           "resource": "0x00000000e0000000 0x00000000efffffff 0x000000000014220c"}.items():
            self.write(f"{directory}/{name}", text + "\n")
        links = f"sys/bus/pci/devices/{address}", f"sys/kernel/iommu_groups/{group}/devices/{address}"
        for link in links:
            self.link(link, directory)
        self.link(f"{directory}/iommu_group", f"sys/kernel/iommu_groups/{group}")
        self.write(f"kernel/ids/{address}", "".join(f"{name}\n" for name in ids))
        self.adds(address, directory, *links)
        return directory

    def module(self, name, needs=(), driver=None, loaded=True):
        """A module, and the driver that it brings. What it needs comes before it."""
        directory = f"sys/module/{name}"
        self.write(f"{directory}/refcnt", "0\n")
        self.write(f"{directory}/initstate", "live\n")
        (self.root / directory / "holders").mkdir()
        owned = [directory]
        if driver:
            self.driver("pci", driver)
            self.link(f"sys/bus/pci/drivers/{driver}/module", directory)
            self.link(f"{directory}/drivers/pci:{driver}", f"sys/bus/pci/drivers/{driver}")
            owned.append(f"sys/bus/pci/drivers/{driver}")
        self.adds(name, *owned)
        self.write(f"kernel/needs/{name}", "".join(f"{other}\n" for other in needs))
        self.needs[name] = needs
        if not loaded:
            self.park(name)
            return
        self.loaded.add(name)
        for other in needs:
            self.link(f"sys/module/{other}/holders/{name}", directory)
            refcnt = self.root / "sys/module" / other / "refcnt"
            refcnt.write_text(f"{int(refcnt.read_text()) + 1}\n")

    def driver(self, bus, name):
        for attribute in "bind", "unbind":
            self.write(f"sys/bus/{bus}/drivers/{name}/{attribute}", "")

    def bind(self, bus, device, driver):
        directory = (self.root / f"sys/bus/{bus}/devices/{device}").resolve().relative_to(self.root)
        self.link(f"{directory}/driver", f"sys/bus/{bus}/drivers/{driver}")
        self.link(f"sys/bus/{bus}/drivers/{driver}/{device}", str(directory))

    def cpu_policies(self):
        for number, governor in enumerate(("schedutil", "performance", "schedutil")):
            directory = f"sys/devices/system/cpu/cpufreq/policy{number}"
            self.write(f"{directory}/scaling_governor", governor + "\n")
            self.write(f"{directory}/scaling_available_governors", "performance schedutil\n")

    def huge_pages(self, kb=2048, easy=100, compacted=100, dropped=100, **counts):
        """A pool, and how many pages can be had: at once, once memory is compacted, and once caches are dropped as well."""
        directory = f"sys/kernel/mm/hugepages/hugepages-{kb}kB"
        for name in "nr", "free", "resv", "surplus":
            self.write(f"{directory}/{name}_hugepages", f"{counts.get(name, 0)}\n")
        self.write(f"kernel/huge-{kb}", f"{easy} {compacted} {dropped}\n")
        self.write("proc/sys/vm/compact_memory", "0\n")
        self.write("proc/sys/vm/drop_caches", "0\n")
        self.write("proc/meminfo", "MemTotal:       16384000 kB\nMemAvailable:    8192000 kB\n")

    def device_settings(self, address):
        """What a function has that can be set: its region 0 can have 256M to 2G, and has 256M."""
        directory = f"sys/devices/pci0000:00/{address}"
        for name, text in {"reset_method": "flr bus", "d3cold_allowed": "1", "power/control": "on", "power_state": "D0",
                           "resource0_resize": "0000000000000f00",
                           "resource": "0x00000000e0000000 0x00000000efffffff 0x000000000014220c\n"
                                       "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
                                       "0x00000000f0000000 0x00000000f1ffffff 0x000000000014220c"}.items():
            self.write(f"{directory}/{name}", text + "\n")

    def console(self, number, name, bound, owner=None):
        directory = f"sys/devices/virtual/vtconsole/vtcon{number}"
        self.write(f"{directory}/name", name + "\n")
        self.write(f"{directory}/bind", f"{bound}\n")
        self.link(f"sys/class/vtconsole/vtcon{number}", directory)
        if owner:
            self.adds(owner, f"sys/class/vtconsole/vtcon{number}", directory)

    def framebuffer(self, device, owner):
        """A frame buffer, which the owner brings with it."""
        self.write(f"{device}/graphics/fb0/name", "fb\n")
        self.link(f"{device}/graphics/fb0/device", device)
        self.link("sys/class/graphics/fb0", f"{device}/graphics/fb0")
        self.adds(owner, f"{device}/graphics", "sys/class/graphics/fb0")

    def finish(self):
        """The files of the modules; after this, the kernel's own state is complete."""
        directory = self.root / "lib/modules" / os.uname().release
        directory.mkdir(parents=True)
        (self.root / "usr/lib").mkdir(parents=True)
        self.link("usr/lib/modules", "lib/modules")
        self.index_modules()

    def index_modules(self):
        directory = self.root / "lib/modules" / os.uname().release
        dependencies = {}
        for name in self.needs:
            (directory / f"{name}.ko").write_bytes(b"\x7fELF".ljust(64, b"\0"))
            dependencies[name] = f"{name}.ko: " + " ".join(f"{other}.ko" for other in self.all_needs(name))
        write_index(directory / "modules.dep.bin", dependencies)
        for name in "alias", "symbols", "builtin", "builtin.alias":
            write_index(directory / f"modules.{name}.bin", {})

    def all_needs(self, name):
        """What has to be loaded before the module, the nearest first as depmod has it."""
        found = []
        for other in self.needs[name]:
            found += [n for n in [other, *self.all_needs(other)] if n not in found]
        return found


def write_index(path, values):
    """Writes what depmod would: a tree of the keys' characters with the values at its leaves."""
    out = bytearray(struct.pack(">III", 0xb007f457, 0x00020001, 0))

    def node(entries):
        # A child's offset is known only once the child is written.
        letters = sorted({key[0] for key in entries if key})
        children = {letter: node({key[1:]: value for key, value in entries.items() if key[:1] == letter})
                    for letter in letters}
        offset = len(out)
        if letters:
            first, last = ord(letters[0]), ord(letters[-1])
            out.extend(bytes((first, last)))
            for letter in range(first, last + 1):
                out.extend(struct.pack(">I", children.get(chr(letter), 0)))
            offset |= 0x20000000
        if "" in entries:
            out.extend(struct.pack(">II", 1, 0) + entries[""].encode() + b"\0")
            offset |= 0x40000000
        return offset

    root = node(values)
    out[8:12] = struct.pack(">I", root)
    path.write_bytes(out)


def vfio(machine, loaded=True):
    machine.module("vfio", loaded=loaded)
    machine.module("vfio_pci_core", ["vfio"], loaded=loaded)
    machine.module("vfio_pci", ["vfio_pci_core"], "vfio-pci", loaded)
    machine.module("vfio_iommu_type1", ["vfio"], loaded=loaded)


def audio(machine):
    machine.module("snd_hda_intel", (), "snd_hda_intel")
    machine.function(AUDIO, ["snd_hda_intel"], device_class="0x040300")
    machine.bind("pci", AUDIO, "snd_hda_intel")


def node(machine, address, driver, name):
    """A device with a node, which is there as long as the driver has the function."""
    directory = f"sys/devices/pci0000:00/{address}/{os.path.dirname(name)}"
    machine.write(f"{directory}/{os.path.basename(name)}/dev", "1:2\n")
    machine.write(f"{directory}/{os.path.basename(name)}/uevent", f"DEVNAME={name}\n")
    machine.write(f"dev/{name}", "")
    machine.adds(f"{driver}@{address}", directory)


def sound(machine):
    node(machine, AUDIO, "snd_hda_intel", "snd/controlC1")


def firmware_node(machine):
    """The node of the firmware's frame buffer."""
    fb = "sys/devices/platform/simple-framebuffer.0/graphics/fb0"
    machine.write(f"{fb}/dev", "29:0\n")
    machine.write(f"{fb}/uevent", "DEVNAME=fb0\n")
    machine.write("dev/fb0", "")


def nouveau(root, vfio_loaded=True, governor=None):
    """A GPU with an open driver, whose frame buffer has the consoles."""
    machine = Machine(root)
    vfio(machine, vfio_loaded)
    if governor:
        machine.module(f"cpufreq_{governor}", loaded=False)
    audio(machine)
    machine.module("nouveau", (), "nouveau")
    gpu = machine.function(GPU, ["nouveau"])
    machine.bind("pci", GPU, "nouveau")
    machine.console(0, "(S) dummy device", 0)
    machine.console(1, "(M) frame buffer device", 1, f"nouveau@{GPU}")
    machine.framebuffer(gpu, f"nouveau@{GPU}")
    machine.finish()
    return machine


def nvidia(root, followers={"extra": None}):
    """A GPU with NVIDIA's driver, beside which the firmware's frame buffer stays. After the driver others are loaded, some of
    which drive a device."""
    machine = Machine(root)
    vfio(machine)
    audio(machine)
    machine.module("nvidia", (), "nvidia")
    machine.module("nvidia_modeset", ["nvidia"])
    machine.module("nvidia_uvm", ["nvidia"])
    machine.module("nvidia_drm", ["nvidia_modeset"])
    for name, device in followers.items():
        machine.module(name, (), device and name)
        if device:
            machine.write(f"sys/devices/pci0000:00/{device}/uevent", "")
            machine.link(f"sys/bus/pci/drivers/{name}/{os.path.basename(device)}", f"sys/devices/pci0000:00/{device}")
    machine.write("etc/modprobe.d/nvidia.conf", f"softdep nvidia post: {' '.join(followers)}\n")
    machine.function(GPU, ["nvidia"])
    machine.bind("pci", GPU, "nvidia")

    firmware = "sys/devices/platform/simple-framebuffer.0"
    machine.write(f"{firmware}/modalias", "platform:simple-framebuffer\n")
    machine.write("kernel/ids/simple-framebuffer.0", "simple-framebuffer\n")
    machine.link("sys/bus/platform/devices/simple-framebuffer.0", firmware)
    machine.driver("platform", "simple-framebuffer")
    machine.bind("platform", "simple-framebuffer.0", "simple-framebuffer")
    machine.framebuffer(firmware, "simple-framebuffer@simple-framebuffer.0")
    machine.write("proc/iomem", "e0000000-efffffff : PCI Bus 0000:01\n  e0000000-e07e8fff : BOOTFB\n")
    machine.console(0, "(S) dummy device", 0)
    machine.console(1, "(M) frame buffer device", 1, "simple-framebuffer@simple-framebuffer.0")
    machine.finish()
    return machine


def followed(root):
    """Modules with drivers that are loaded after NVIDIA's: one has a device of its own, one a device of the GPU's I2C bus."""
    machine = nvidia(root, {"extra": None, "other": OTHER, "typec": f"{GPU}/i2c-3/3-0008"})
    machine.function(OTHER, ["other"], group="7")
    machine.link(f"sys/devices/pci0000:00/{OTHER}/driver", "sys/bus/pci/drivers/other")


def two_nvidia(root):
    """Two of its cards with USB-C: the host's own GPU, which stays, is another driver's, but its USB-C function is not."""
    machine = nvidia(root)
    machine.module("i2c_nvidia_gpu", (), "nvidia-gpu")
    for address, group in (USB, GROUP), (OTHER_USB, "7"):
        machine.function(address, ["nvidia-gpu"], device_class="0x0c8000", group=group)
        machine.bind("pci", address, "nvidia-gpu")
    machine.index_modules()
    return machine


def virtio(root):
    """A GPU whose DRM device and frame buffer hang on a child of the function."""
    machine = Machine(root)
    vfio(machine)
    audio(machine)
    machine.module("virtio_pci", (), "virtio-pci")
    child = machine.function(GPU, ["virtio-pci"]) + "/virtio0"
    machine.bind("pci", GPU, "virtio-pci")
    machine.console(0, "(S) dummy device", 0)
    machine.console(1, "(M) frame buffer device", 1, f"virtio-pci@{GPU}")
    machine.framebuffer(child, f"virtio-pci@{GPU}")
    machine.write(f"{child}/drm/card0/dev", "226:0\n")
    machine.link("sys/class/drm/card0", f"{child}/drm/card0")
    machine.adds(f"virtio-pci@{GPU}", f"{child}/drm", "sys/class/drm/card0")
    machine.finish()
    return machine


def mixed(root):
    """A function with a driver and an override of its own, one without a driver, one that vfio-pci has already."""
    machine = Machine(root)
    vfio(machine)
    machine.module("nouveau", (), "nouveau")
    machine.module("other", (), "other")
    machine.function(GPU, ["nouveau"], override="other")
    machine.bind("pci", GPU, "other")
    machine.function(USB, device_class="0x0c0330")
    machine.function(OTHER, override="vfio-pci")
    machine.bind("pci", OTHER, "vfio-pci")
    machine.finish()
    return machine


def without_fb_device(root, boot=None, cards=(GPU,)):
    """A kernel that does not show frame buffers, though the consoles draw on one."""
    machine = Machine(root)
    vfio(machine)
    audio(machine)
    machine.module("nouveau", (), "nouveau")
    machine.function(OTHER, group="7")
    machine.function(GPU, ["nouveau"])
    machine.bind("pci", GPU, "nouveau")
    machine.console(0, "(S) dummy device", 0)
    machine.console(1, "(M) frame buffer device", 1)
    for number, address in enumerate(cards):
        card = f"sys/devices/pci0000:00/{address}/drm/card{number}"
        machine.write(f"{card}/dev", f"226:{number}\n")
        machine.link(f"sys/class/drm/card{number}", card)
        if address == GPU:
            machine.adds(f"nouveau@{GPU}", f"sys/class/drm/card{number}", os.path.dirname(card))
    if boot:
        machine.write(f"sys/devices/pci0000:00/{boot}/boot_vga", "1\n")
    machine.finish()
    return machine


def spaced(root):
    """A function whose driver's name has a blank in it."""
    machine = Machine(root)
    vfio(machine)
    machine.module("budget_ci", (), "budget_ci dvb")
    machine.function(OTHER, ["budget_ci dvb"], device_class="0x048000")
    machine.bind("pci", OTHER, "budget_ci dvb")
    machine.finish()
    return machine
