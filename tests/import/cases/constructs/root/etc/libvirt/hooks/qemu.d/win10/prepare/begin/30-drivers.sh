#!/bin/bash
rmmod nvidia_uvm nvidia
modprobe -r -w 2000 snd_hda_intel
modprobe --remove nouveau
modprobe $DRIVER
