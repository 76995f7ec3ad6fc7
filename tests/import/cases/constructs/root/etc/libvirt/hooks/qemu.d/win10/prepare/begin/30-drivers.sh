#!/bin/bash
rmmod nvidia_uvm nvidia
modprobe -r -w 2000 snd_hda_intel
modprobe --remove nouveau
modprobe $DRIVER
modprobe -r ipmi_devintf
if lsmod | grep -q corsair; then modprobe -r corsair_psu; fi
if lsmod | grep -q xe; then modprobe -r xe; fi
nvidia-smi -pm 0
nvidia-smi --query-gpu=name
cp /home/anna/win10.bak /home/anna/win10.qcow2
cp /run/list /tmp/list
