/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "key.h"

/* The parsers, as of KeyParser, of what a VM wants of the host beside the GPU, and of its devices. */
int parse_cpus(const KeyInfo *info, const char *text, Value *value, char **ret_problem);
int parse_inhibit(const KeyInfo *info, const char *text, Value *value, char **ret_problem);
int parse_governor(const KeyInfo *info, const char *text, Value *value, char **ret_problem);
int parse_huge_pages(const KeyInfo *info, const char *text, Value *value, char **ret_problem);
int parse_reset_methods(const KeyInfo *info, const char *text, Value *value, char **ret_problem);
int parse_bars(const KeyInfo *info, const char *text, Value *value, char **ret_problem);
