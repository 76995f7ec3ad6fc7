/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Message ids: what units/vfio-gpu.catalog explains to "journalctl -x". They never change their meaning. */
#define MESSAGE_REFUSED "MESSAGE_ID=b1f40a8b5fd0412c9ad2a5d3cf1c7e01"
#define MESSAGE_SWAP_FAILED "MESSAGE_ID=b1f40a8b5fd0412c9ad2a5d3cf1c7e02"
#define MESSAGE_SWAP_DONE "MESSAGE_ID=b1f40a8b5fd0412c9ad2a5d3cf1c7e03"
#define MESSAGE_GIVEN_BACK "MESSAGE_ID=b1f40a8b5fd0412c9ad2a5d3cf1c7e04"
#define MESSAGE_GPU_HELD "MESSAGE_ID=b1f40a8b5fd0412c9ad2a5d3cf1c7e05"
#define MESSAGE_MODULE_BUSY "MESSAGE_ID=b1f40a8b5fd0412c9ad2a5d3cf1c7e06"
#define MESSAGE_DRIVER_WRONG "MESSAGE_ID=b1f40a8b5fd0412c9ad2a5d3cf1c7e07"
#define MESSAGE_GROUP_NOT_VIABLE "MESSAGE_ID=b1f40a8b5fd0412c9ad2a5d3cf1c7e08"
#define MESSAGE_VM_RUNNING "MESSAGE_ID=b1f40a8b5fd0412c9ad2a5d3cf1c7e09"
#define MESSAGE_UNIT_NOT_STARTED "MESSAGE_ID=b1f40a8b5fd0412c9ad2a5d3cf1c7e0a"
#define MESSAGE_HALF_DONE "MESSAGE_ID=b1f40a8b5fd0412c9ad2a5d3cf1c7e10"
#define MESSAGE_CHECK_WARNING "MESSAGE_ID=b1f40a8b5fd0412c9ad2a5d3cf1c7e20"
