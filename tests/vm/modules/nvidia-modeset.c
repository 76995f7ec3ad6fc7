// SPDX-License-Identifier: GPL-2.0
/* Stands between nvidia and nvidia_drm, and has a node of its own. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "nvidia.h"

struct pci_dev *nvidia_modeset_get_gpu(void)
{
	return nvidia_get_gpu();
}
EXPORT_SYMBOL_GPL(nvidia_modeset_get_gpu);

void nvidia_modeset_put_gpu(void)
{
	nvidia_put_gpu();
}
EXPORT_SYMBOL_GPL(nvidia_modeset_put_gpu);

static const struct file_operations operations = {
	.owner = THIS_MODULE,
};

static struct miscdevice node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nvidia-modeset",
	.fops = &operations,
	.mode = 0666,
};

module_misc_device(node);
MODULE_DESCRIPTION("Stand-in for NVIDIA's mode setting driver");
MODULE_LICENSE("GPL");
