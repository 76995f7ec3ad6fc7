#!/bin/bash
source "/etc/libvirt/hooks/kvm.conf"
if [[ -f "/home/$VIRSH_USER/.no-return" ]]; then
    exit 0
fi
systemctl stop gdm.service
modprobe amdgpu
driver-rebind "$VIRSH_GPU_VIDEO" amdgpu
systemctl restart gdm.service
