#!/bin/bash
GPU=0000:01:00.0
for path in /sys/bus/pci/devices/${GPU%.*}.[01]; do
    function=$(basename "$path")
    echo vfio-pci > "$path/driver_override"
    echo "$function" > /sys/bus/pci/drivers_probe
done
for path in /sys/bus/pci/devices/*; do
    if grep -q 0x0106 "$path/class"; then echo vfio-pci > "$path/driver_override"; fi
done
for path in /sys/bus/pci/devices/0000:05:00.*; do echo vfio-pci > "$path/driver_override"; done
