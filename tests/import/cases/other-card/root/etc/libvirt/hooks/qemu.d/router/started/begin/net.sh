#!/bin/sh
ip link set tap0 up
