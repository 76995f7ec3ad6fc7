// SPDX-License-Identifier: GPL-2.0
/*
 * Stands in for NVIDIA's driver where there is no such card: same names, same
 * dependencies, same device nodes, and the same trap.  Its remove() waits for
 * the users of the GPU, without limit and deaf to signals, as nv_pci_remove()
 * does; so does whoever writes to "unbind" or "remove".  It drives nothing.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "nvidia.h"

/* QEMU's ati-vga, which no other driver of the kernel's wants. */
#define GPU_VENDOR 0x1002
#define GPU_DEVICE 0x5046

static DEFINE_MUTEX(lock);
static struct pci_dev *gpu;
static unsigned int usage_count;
static unsigned long page;

struct pci_dev *nvidia_get_gpu(void)
{
	struct pci_dev *found;

	mutex_lock(&lock);
	found = gpu;
	if (found)
		usage_count++;
	mutex_unlock(&lock);
	return found;
}
EXPORT_SYMBOL_GPL(nvidia_get_gpu);

void nvidia_put_gpu(void)
{
	mutex_lock(&lock);
	usage_count--;
	mutex_unlock(&lock);
}
EXPORT_SYMBOL_GPL(nvidia_put_gpu);

static int gpu_open(struct inode *inode, struct file *file)
{
	return nvidia_get_gpu() ? 0 : -ENODEV;
}

static int gpu_release(struct inode *inode, struct file *file)
{
	nvidia_put_gpu();
	return 0;
}

static int gpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	return vm_insert_page(vma, vma->vm_start, virt_to_page((void *)page));
}

static const struct file_operations gpu_operations = {
	.owner = THIS_MODULE,
	.open = gpu_open,
	.release = gpu_release,
	.mmap = gpu_mmap,
};

static struct miscdevice gpu_node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nvidia0",
	.fops = &gpu_operations,
	.mode = 0666,
};

/* The other nodes keep the module, and no GPU. */
static const struct file_operations control_operations = {
	.owner = THIS_MODULE,
};

static struct miscdevice control_node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nvidiactl",
	.fops = &control_operations,
	.mode = 0666,
};

static struct miscdevice capability_node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nvidia-cap1",
	.nodename = "nvidia-caps/nvidia-cap1",
	.fops = &control_operations,
	.mode = 0400,
};

static int nvidia_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int err;

	err = misc_register(&gpu_node);
	if (err)
		return err;
	mutex_lock(&lock);
	gpu = pdev;
	mutex_unlock(&lock);
	return 0;
}

static unsigned int users(void)
{
	unsigned int n;

	mutex_lock(&lock);
	n = usage_count;
	if (n == 0)
		gpu = NULL;
	mutex_unlock(&lock);
	return n;
}

static void nvidia_remove(struct pci_dev *pdev)
{
	if (users() > 0)
		pr_warn("NVRM: Attempting to remove device %s with non-zero usage count!\n",
			pci_name(pdev));
	while (users() > 0)
		msleep(500);
	misc_deregister(&gpu_node);
}

static const struct pci_device_id nvidia_ids[] = {
	{ PCI_DEVICE(GPU_VENDOR, GPU_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, nvidia_ids);

static struct pci_driver nvidia_driver = {
	.name = "nvidia",
	.id_table = nvidia_ids,
	.probe = nvidia_probe,
	.remove = nvidia_remove,
};

static int __init nvidia_init(void)
{
	int err;

	page = get_zeroed_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	err = misc_register(&control_node);
	if (err)
		goto free;
	err = misc_register(&capability_node);
	if (err)
		goto control;
	err = pci_register_driver(&nvidia_driver);
	if (err)
		goto capability;
	pr_info("NVRM: loading the stand-in\n");
	return 0;

capability:
	misc_deregister(&capability_node);
control:
	misc_deregister(&control_node);
free:
	free_page(page);
	return err;
}

static void __exit nvidia_exit(void)
{
	pci_unregister_driver(&nvidia_driver);
	misc_deregister(&capability_node);
	misc_deregister(&control_node);
	free_page(page);
	pr_info("NVRM: unloading the stand-in\n");
}

module_init(nvidia_init);
module_exit(nvidia_exit);
MODULE_DESCRIPTION("Stand-in for NVIDIA's driver");
MODULE_LICENSE("GPL");
