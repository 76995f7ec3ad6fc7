#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The "release" hook to classic-start.sh.
set -x

# Load the GPU's drivers
modprobe bochs
modprobe snd_hda_intel

# Give the GPU back to the host
echo 1 > /sys/bus/pci/devices/0000:01:00.0/remove
echo 1 > /sys/bus/pci/devices/0000:01:00.1/remove
echo 1 > /sys/bus/pci/rescan

# Avoid race conditions
sleep 1

# Bind the virtual consoles
echo 1 > /sys/class/vtconsole/vtcon0/bind
echo 1 > /sys/class/vtconsole/vtcon1/bind

# Start the display manager
systemctl start display-manager.service
