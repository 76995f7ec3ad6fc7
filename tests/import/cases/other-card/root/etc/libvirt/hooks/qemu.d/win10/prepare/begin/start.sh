#!/bin/bash
set -xu
source "/etc/libvirt/hooks/kvm.conf"

if [[ -e "/sys/bus/pci/drivers/vfio-pci/$VIRSH_GPU_VIDEO" ]] && [[ -e "/sys/bus/pci/drivers/radeon/$VIRSH_SECOND_VIDEO" ]]; then
    echo "nothing to do" >&2
    exit 0
fi

su -c "save-session --all" - $VIRSH_USER
systemctl stop gdm.service
killall gdm-wayland-session
systemctl kill user@$(id -u $VIRSH_USER).service

declare -a bound
for vtcon in /sys/class/vtconsole/vtcon*; do
    if [[ $(cat "$vtcon/bind") == 1 ]]; then
        echo 0 > "$vtcon/bind"
        bound+=("$vtcon")
    fi
done

modprobe radeon
driver-rebind "$VIRSH_SECOND_VIDEO" radeon
driver-rebind "$VIRSH_GPU_VIDEO" vfio-pci
modprobe -r amdgpu

for vtcon in "${bound[@]}"; do
    echo 1 > "$vtcon/bind"
done
systemctl restart gdm.service
