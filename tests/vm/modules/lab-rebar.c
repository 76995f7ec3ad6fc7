// SPDX-License-Identifier: GPL-2.0
/*
 * Shows region 0 of the function on a bus as one whose size can be set (PCIe
 * 7.8.6, Resizable BAR): no device of the emulated PC has one. Where that is
 * in memory the device itself is not told, so nothing answers there.
 *
 * Shown with 64 bits, since the kernel looks for room in windows of the same
 * kind only (pci_reassign_bridge_resources()) and the port's has 64. Seen by
 * the kernel once the function is removed and found again.
 */
#include <linux/module.h>
#include <linux/pci.h>

#define SIZES		(BIT(4) | BIT(5))	/* 16M, 32M */
#define CAPABILITY	PCI_CFG_SPACE_SIZE
#define KIND		(PCI_BASE_ADDRESS_MEM_PREFETCH | PCI_BASE_ADDRESS_MEM_TYPE_64)

static int bus_number = 2;
module_param_named(bus, bus_number, int, 0444);

static struct pci_ops *ops;
static u32 size = 4, address = KIND, upper;

static u32 *register_at(unsigned int devfn, int where, int len)
{
	if (devfn != 0 || len != 4)
		return NULL;
	return where == PCI_BASE_ADDRESS_0 ? &address : where == PCI_BASE_ADDRESS_1 ? &upper : NULL;
}

static int read(struct pci_bus *bus, unsigned int devfn, int where, int len, u32 *val)
{
	u32 *shown = register_at(devfn, where, len);

	if (shown)
		*val = *shown;
	else if (devfn == 0 && where == CAPABILITY)
		*val = PCI_EXT_CAP_ID_REBAR | 1 << 16;
	else if (devfn == 0 && where == CAPABILITY + PCI_REBAR_CAP)
		*val = SIZES << 4;
	else if (devfn == 0 && where == CAPABILITY + PCI_REBAR_CTRL)
		*val = 1 << PCI_REBAR_CTRL_NBAR_SHIFT | size << PCI_REBAR_CTRL_BAR_SHIFT;
	else
		return ops->read(bus, devfn, where, len, val);
	return PCIBIOS_SUCCESSFUL;
}

static int write(struct pci_bus *bus, unsigned int devfn, int where, int len, u32 val)
{
	u32 *shown = register_at(devfn, where, len);

	if (shown == &address)
		address = (val & -(1U << (size + 20))) | KIND;
	else if (shown)
		*shown = val;
	else if (devfn == 0 && where == CAPABILITY + PCI_REBAR_CTRL)
		size = (val & PCI_REBAR_CTRL_BAR_SIZE) >> PCI_REBAR_CTRL_BAR_SHIFT;
	else
		return ops->write(bus, devfn, where, len, val);
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops shown_ops = { .read = read, .write = write };

static int __init lab_rebar_init(void)
{
	struct pci_bus *bus = pci_find_bus(0, bus_number);

	if (!bus)
		return -ENODEV;
	ops = pci_bus_set_ops(bus, &shown_ops);
	return 0;
}

/* Without an exit: the kernel goes on believing what it was shown. */
module_init(lab_rebar_init);
MODULE_DESCRIPTION("Region of a GPU whose size can be set");
MODULE_LICENSE("GPL");
