#!/bin/bash
DM=sddm
virsh nodedev-reattach pci_0000_01_00_0
cat /run/modules | while read -r module; do modprobe "$module"; done
cpupower frequency-set -g "$(cat /run/governor)"
systemctl set-property --runtime user.slice AllowedCPUs=0-$(($(nproc) - 1))
echo $(cat /run/pages) > /proc/sys/vm/nr_hugepages
while read -r unit; do
    systemctl start "$unit"
done < /run/units
systemctl restart $DM
systemctl stop "$LATE"
