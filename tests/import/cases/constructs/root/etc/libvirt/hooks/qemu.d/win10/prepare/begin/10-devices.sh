#!/bin/bash
driverctl set-override 0000:01:00.0 vfio-pci
echo 0000:01:00.1 > /sys/bus/pci/drivers/snd_hda_intel/unbind
echo 0000:01:00.1 > /sys/bus/pci/drivers/vfio-pci/bind
echo 1 > /sys/bus/pci/devices/0000:09:00.0/remove
echo 1 > /sys/bus/pci/devices/0000:01:00.0/reset
echo 1 > /sys/bus/pci/devices/0000:01:00.0/enable
echo "flr bus" > /sys/bus/pci/devices/0000:01:00.0/reset_method
echo auto > /sys/bus/pci/devices/0000:01:00.1/power/control
echo 1 > /sys/bus/pci/devices/0000:01:00.0/d3cold_allowed
echo 1 > /sys/bus/pci/devices/0000:05:00.0/d3cold_allowed
echo 13 | tee /sys/bus/pci/devices/0000:01:00.0/resource0_resize
virsh nodedev-reset pci_0000_01_00_0
virsh attach-device win10 /root/usb.xml
chown anna /dev/vfio/12
