// SPDX-License-Identifier: GPL-2.0
/*
 * A DRM device without modes.  Like the real module it looks for a GPU once,
 * when it is loaded: one that nvidia binds later has no DRM device.  And it
 * keeps the GPU in use as long as it is loaded, without any process.
 */
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/version.h>

#include "nvidia.h"

static struct drm_device *card;

DEFINE_DRM_GEM_FOPS(operations);

static const struct drm_driver driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER,
	.fops = &operations,
	.name = "nvidia-drm",
	.desc = "Stand-in",
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
	.date = "20160202",
#endif
};

static int __init nvidia_drm_init(void)
{
	struct pci_dev *gpu = nvidia_modeset_get_gpu();
	int err;

	if (!gpu) {
		pr_info("nvidia-drm: No NVIDIA GPUs found\n");
		return 0;
	}

	card = drm_dev_alloc(&driver, &gpu->dev);
	if (IS_ERR(card)) {
		err = PTR_ERR(card);
		goto put_gpu;
	}
	err = drm_dev_register(card, 0);
	if (err)
		goto put_card;
	return 0;

put_card:
	drm_dev_put(card);
put_gpu:
	nvidia_modeset_put_gpu();
	return err;
}

static void __exit nvidia_drm_exit(void)
{
	if (!card)
		return;
	drm_dev_unregister(card);
	drm_dev_put(card);
	nvidia_modeset_put_gpu();
}

module_init(nvidia_drm_init);
module_exit(nvidia_drm_exit);
MODULE_ALIAS("pci:v00001002d00005046sv*sd*bc03sc*i*");
MODULE_DESCRIPTION("Stand-in for NVIDIA's DRM driver");
MODULE_LICENSE("GPL");
