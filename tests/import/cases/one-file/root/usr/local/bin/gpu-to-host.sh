#!/usr/bin/env bash
modprobe -r vfio_pci
modprobe -r vfio_iommu_type1
modprobe -r vfio

if grep -q true /tmp/is-nvidia ; then
    modprobe drm
    modprobe drm_kms_helper
    modprobe i2c_nvidia_gpu
    modprobe nvidia
    modprobe nvidia_modeset
    modprobe nvidia_drm
    modprobe nvidia_uvm
fi
if grep -q true /tmp/is-amd ; then
    modprobe drm
    modprobe amdgpu
    modprobe radeon
    modprobe drm_kms_helper
fi

while read -r DM; do
    if command -v systemctl; then
        systemctl start "$DM.service"
    else
        if command -v sv; then
            sv start "$DM"
        fi
    fi
done < /tmp/stored-dm

while read -r number; do
    if test -x /sys/class/vtconsole/vtcon"${number}"; then
        if [ "$(grep -c "frame buffer" "/sys/class/vtconsole/vtcon${number}/name")" \
             = 1 ]; then
            echo 1 > /sys/class/vtconsole/vtcon"${number}"/bind
        fi
    fi
done < /tmp/bound-consoles
