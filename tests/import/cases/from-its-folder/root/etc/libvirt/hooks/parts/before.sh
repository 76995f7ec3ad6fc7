#!/bin/bash
. ../common.sh
for ((i = 0; i < 2; i++)) {
    sleep 1
}
for d in ${GPU[@]}; { virsh nodedev-detach $d; }
lsof -t /dev/nvidia0 | xargs -r kill -9
lspci -D | cut -d' ' -f1 | xargs -n 1 virsh nodedev-detach
ls /dev/nvidia* | xargs fuser -k
