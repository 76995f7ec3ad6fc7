// SPDX-License-Identifier: GPL-2.0
/* What CUDA programs open; each keeps the GPU in use. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "nvidia.h"

static int uvm_open(struct inode *inode, struct file *file)
{
	return nvidia_get_gpu() ? 0 : -ENODEV;
}

static int uvm_release(struct inode *inode, struct file *file)
{
	nvidia_put_gpu();
	return 0;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = uvm_open,
	.release = uvm_release,
};

static struct miscdevice node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nvidia-uvm",
	.fops = &operations,
	.mode = 0666,
};

module_misc_device(node);
/* Loaded together with nvidia: what vendors' rules do for the real one. */
MODULE_ALIAS("pci:v00001002d00005046sv*sd*bc03sc*i*");
MODULE_DESCRIPTION("Stand-in for NVIDIA's unified memory driver");
MODULE_LICENSE("GPL");
