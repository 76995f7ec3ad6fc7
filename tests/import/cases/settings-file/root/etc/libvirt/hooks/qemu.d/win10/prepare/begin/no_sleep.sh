#!/bin/bash
systemctl mask systemd-suspend.service
