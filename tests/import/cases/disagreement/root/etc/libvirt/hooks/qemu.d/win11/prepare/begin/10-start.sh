#!/bin/bash
systemctl stop lightdm.service
systemctl stop fancontrol.service
systemctl start sshd
echo 0 > /sys/class/vtconsole/vtcon1/bind
virsh nodedev-detach pci_0000_01_00_0
virsh nodedev-detach pci_0000_01_00_1
virsh nodedev-detach pci_0000_01_00_2
modprobe -r nvidia_drm
modprobe -r nvidia
modprobe i915
systemctl set-property --runtime -- user.slice AllowedCPUs=0-3
systemctl set-property --runtime -- system.slice AllowedCPUs=0-1
echo 2048 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
cpupower frequency-set -g performance
