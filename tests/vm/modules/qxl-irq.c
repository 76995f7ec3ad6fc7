// SPDX-License-Identifier: GPL-2.0
/*
 * Frees the interrupt that qxl_irq_init() requests and nothing in the driver
 * frees: a GPU that qxl is bound to for the second time would interrupt into
 * what is left of the first.
 */
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/pci.h>

/* The GPU that is being unbound, and what its interrupt was requested with. */
static struct device *gpu;
static void *ddev;
static int irq;

static bool is_qxl(const struct device *dev)
{
	return dev->driver && !strcmp(dev->driver->name, "qxl");
}

static int notify(struct notifier_block *block, unsigned long action, void *data)
{
	struct device *dev = data;

	if (action == BUS_NOTIFY_UNBIND_DRIVER && is_qxl(dev)) {
		gpu = dev;
		ddev = dev_get_drvdata(dev);
		irq = to_pci_dev(dev)->irq;
	} else if (action == BUS_NOTIFY_UNBOUND_DRIVER && dev == gpu) {
		free_irq(irq, ddev);
		gpu = NULL;
	}
	return NOTIFY_DONE;
}

static struct notifier_block block = { .notifier_call = notify };

static int __init qxl_irq_init(void)
{
	return bus_register_notifier(&pci_bus_type, &block);
}

static void __exit qxl_irq_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &block);
}

module_init(qxl_irq_init);
module_exit(qxl_irq_exit);
/* Loaded together with qxl. */
MODULE_ALIAS("pci:v00001B36d00000100sv*sd*bc*sc*i*");
MODULE_DESCRIPTION("Frees the interrupt of unbound qxl GPUs");
MODULE_LICENSE("GPL");
