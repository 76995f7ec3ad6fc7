for d in "${GPU[@]}"; do virsh nodedev-reattach "$d"; done
