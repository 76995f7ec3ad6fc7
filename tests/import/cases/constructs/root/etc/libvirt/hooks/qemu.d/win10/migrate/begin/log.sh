#!/bin/sh
systemctl stop never-taken-over
