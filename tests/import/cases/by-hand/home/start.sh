#!/bin/zsh
source /home/gpu.conf
systemctl stop $DM
for m in $MODULES; do modprobe -r $m; done
virsh nodedev-detach $GPU
virsh nodedev-detach $SOUND
echo 4096 | sudo tee /proc/sys/vm/nr_hugepages
