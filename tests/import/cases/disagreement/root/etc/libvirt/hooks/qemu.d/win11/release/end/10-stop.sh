#!/bin/bash
virsh nodedev-reattach pci_0000_01_00_1
virsh nodedev-reattach pci_0000_01_00_0
virsh nodedev-reattach pci_0000_02_00_0
modprobe nvidia
systemctl start lightdm
systemctl start bluetooth.service
systemctl stop cups
