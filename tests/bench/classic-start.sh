#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What most guides have people write as the "prepare" hook of a VM with the only GPU: the measure for tests/bench.
set -x

# Stop the display manager
systemctl stop display-manager.service

# Load the VFIO modules
modprobe vfio
modprobe vfio_iommu_type1
modprobe vfio_pci

# Unbind the virtual consoles
echo 0 > /sys/class/vtconsole/vtcon0/bind
echo 0 > /sys/class/vtconsole/vtcon1/bind

# Unbind the EFI framebuffer
echo efi-framebuffer.0 > /sys/bus/platform/drivers/efi-framebuffer/unbind

# Bind the GPU and its audio function
for address in 0000:01:00.0 0000:01:00.1; do
        device=/sys/bus/pci/devices/$address
        echo vfio-pci > "$device/driver_override"
        if [ -e "$device/driver" ]; then
                echo "$address" > "$device/driver/unbind"
        fi
        echo "$address" > /sys/bus/pci/drivers_probe
done

# Unload the GPU's drivers
modprobe -r bochs
modprobe -r snd_hda_intel

# Avoid race conditions
sleep 1
