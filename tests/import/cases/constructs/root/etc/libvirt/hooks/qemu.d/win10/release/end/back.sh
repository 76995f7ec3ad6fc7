#!/bin/bash
driverctl unset-override 0000:01:00.0
echo 0000:01:00.1 > /sys/bus/pci/drivers/vfio-pci/unbind
echo 0000:01:00.1 > /sys/bus/pci/drivers/snd_hda_intel/bind
modprobe nouveau
modprobe nvidia
modprobe nvidia_uvm
sysctl vm.nr_hugepages=0
cpufreq-set -g schedutil
systemctl unmask sleep.target suspend.target
systemctl stop libvirt-nosleep@win10
systemctl --user -M anna@ start pipewire.socket
su anna -c Hyprland
init 5
