#!/bin/bash
NOW=$(date +"%R:%S")
DM="none"
echo "$NOW begin"

function stop_dm {
    if [[ -d /run/systemd/system ]] && echo "$NOW systemd"; then
        DM="$(grep 'ExecStart=' /etc/systemd/system/display-manager.service | awk -F/ '{print $NF}')"
        if systemctl is-active --quiet "$DM.service"; then
            grep -qsF "$DM" /tmp/stored-dm || echo "$DM" > /tmp/stored-dm
            systemctl stop "$DM.service"
            systemctl isolate multi-user.target
        fi
        while systemctl is-active --quiet "$DM.service"; do
            sleep "1"
        done
        return
    fi
}

function plasma {
    if systemctl is-active --quiet display-manager.service; then
        systemctl stop "display-manager.service"
    fi
}

if pgrep -l plasma | grep plasmashell; then
    plasma
else
    stop_dm
fi

if test -e /tmp/bound-consoles; then
    rm -f /tmp/bound-consoles
fi
for (( i = 0; i < 16; i++ ))
do
    if test -x /sys/class/vtconsole/vtcon"${i}"; then
        if [ "$(grep -c "frame buffer" /sys/class/vtconsole/vtcon"${i}"/name)" = 1 ]; then
            echo 0 > /sys/class/vtconsole/vtcon"${i}"/bind
            echo "$i" >> /tmp/bound-consoles
        fi
    fi
done

sleep "1"

if lspci -nn | grep -e VGA | grep -s NVIDIA ; then
    grep -qsF true /tmp/is-nvidia || echo true > /tmp/is-nvidia
    echo efi-framebuffer.0 > /sys/bus/platform/drivers/efi-framebuffer/unbind
    modprobe -r nvidia_uvm
    modprobe -r nvidia_drm
    modprobe -r nvidia_modeset
    modprobe -r nvidia
    modprobe -r i2c_nvidia_gpu
    modprobe -r drm_kms_helper
    modprobe -r drm
fi

if lspci -nn | grep -e VGA | grep -s AMD ; then
    echo efi-framebuffer.0 > /sys/bus/platform/drivers/efi-framebuffer/unbind
    modprobe -r drm_kms_helper
    modprobe -r amdgpu
    modprobe -r radeon
    modprobe -r drm
fi

modprobe vfio
modprobe vfio_pci
modprobe vfio_iommu_type1
