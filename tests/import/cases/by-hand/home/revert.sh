#!/bin/zsh
source /home/gpu.conf
virsh nodedev-reattach $SOUND
virsh nodedev-reattach $GPU
for m in $MODULES; do modprobe $m; done
sysctl vm.nr_hugepages=0
systemctl start $DM
