#!/bin/bash
. "/etc/libvirt/hooks/kvm.conf"
virsh nodedev-reattach $VIRSH_GPU_VIDEO
virsh nodedev-reattach $VIRSH_GPU_AUDIO
virsh nodedev-reattach $VIRSH_NVME_SSD
modprobe -r vfio_pci
modprobe -r vfio_iommu_type1
modprobe -r vfio
echo 0 > /proc/sys/vm/nr_hugepages
for file in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do echo "schedutil" > $file; done
systemctl unmask systemd-suspend.service
systemctl set-property --runtime -- user.slice AllowedCPUs=0-23
systemctl set-property --runtime -- system.slice AllowedCPUs=0-23
systemctl set-property --runtime -- init.scope AllowedCPUs=0-23
