#!/bin/bash
sysctl -w vm.nr_hugepages=4096
echo 8 > /sys/devices/system/node/node0/hugepages/hugepages-1048576kB/nr_hugepages
echo 3 > /proc/sys/vm/drop_caches
echo never > /sys/kernel/mm/transparent_hugepage/enabled
cpufreq-set -g performance
cset shield --cpu 2-7 --kthread on
vfio-isolate cpuset-modify --cpus C0-1 /system.slice
systemctl mask sleep.target suspend.target
systemctl mask cups
systemctl start libvirt-nosleep@win10
systemd-inhibit --what=idle:handle-lid-switch --mode=block sleep infinity &
systemctl set-property --runtime -- user.slice MemoryMax=4G
umount /mnt/games
ip link add br0 type bridge
xrandr --output DP-1 --off
ddcutil setvcp 60 0x0f
echo "options vfio-pci ids=10de:2206" > /etc/modprobe.d/vfio.conf
logger "the VM starts"
taskset -pc 0-1 2
echo 4 > /sys/kernel/mm/hugepages/hugepages-99999999999kB/nr_hugepages
echo 999999999 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
logger -t "${00}" started
