#!/bin/bash
init 3
systemctl stop gdm3
systemctl isolate rescue.target
systemctl isolate some.target
systemctl --user --machine=1000@ stop 'plasma*'
runuser -u anna -- systemctl --user stop pipewire.socket
systemctl stop user@1000.service
pkill -u anna
pkill -9 -f startplasma-x11
killall -9 pipewire-pulse
killall steam
kill $(pgrep obs)
fuser -k /dev/nvidia0
chvt 3
rc-service xdm stop
udevadm settle
nvidia-smi -q
systemctl daemon-reload
systemctl disable ollama
