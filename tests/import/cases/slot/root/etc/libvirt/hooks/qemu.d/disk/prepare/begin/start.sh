#!/bin/bash
systemctl stop lightdm
virsh nodedev-detach pci_0000_02_00_0
