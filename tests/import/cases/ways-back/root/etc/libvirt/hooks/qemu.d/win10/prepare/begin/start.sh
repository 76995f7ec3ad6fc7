#!/bin/bash
DM=sddm
give_up() {
    echo "giving up: $1"
    modprobe -a nvidia nvidia_drm
    for console in /sys/class/vtconsole/vtcon*/bind; do echo 1 > "$console"; done
    systemctl start "$DM" fancontrol
    xrandr --auto
    exit 1
}
while read -r unit; do
    systemctl stop "$unit"
done < /etc/units-on-gpu
echo performance | tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor
systemctl set-property --runtime user.slice AllowedCPUs=0-3
sysctl vm.nr_hugepages=1024
if ! modprobe -r nvidia_drm nvidia; then
    give_up "the driver is in use"
fi
modprobe -r i2c_dev || { systemctl start ollama; exit 2; }
virsh nodedev-detach pci_0000_01_00_0 || give_up "no function"
[ -e /etc/quiet ] || exit
systemctl start sshd
