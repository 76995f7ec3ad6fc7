/* SPDX-License-Identifier: GPL-2.0 */
#ifndef NVIDIA_H
#define NVIDIA_H

struct pci_dev;

/*
 * Returns the GPU with its usage count raised, or NULL where the driver has
 * none.  nvidia_put_gpu() lowers the count again.
 */
struct pci_dev *nvidia_get_gpu(void);
void nvidia_put_gpu(void);

/* The same, through nvidia_modeset. */
struct pci_dev *nvidia_modeset_get_gpu(void);
void nvidia_modeset_put_gpu(void);

#endif
