#!/bin/bash
set -x

# the desktop
systemctl stop display-manager.service
#killall gdm-x-session

# text consoles
echo 0 > /sys/class/vtconsole/vtcon0/bind
echo 0 > /sys/class/vtconsole/vtcon1/bind

# the firmware's frame buffer
echo efi-framebuffer.0 > /sys/bus/platform/drivers/efi-framebuffer/unbind

sleep 2

modprobe -r nvidia_uvm nvidia_drm
modprobe -r nvidia-modeset nvidia

virsh nodedev-detach pci_0000_01_00_0
virsh nodedev-detach pci_0000_01_00_1

modprobe vfio-pci
