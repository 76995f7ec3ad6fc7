/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "settings.h"

typedef struct KeyInfo KeyInfo;

/* Reads what is assigned to a key into 'value', adding to a list that is there. Returns 0, -EINVAL with a
 * sentence, to be freed, that names the offending text and what was expected, or -ENOMEM. */
typedef int (*KeyParser)(const KeyInfo *info, const char *text, Value *value, char **ret_problem);

struct KeyInfo {
        const char *name;
        const char *section; /* where its default is set; "VM" sections take every key but those of "Device" */
        KeyParser parse;
        bool is_list;
        const char *fallback;     /* the default when nothing sets it, in the words of the file; NULL for none */
        const char *choices[4];   /* of a choice, the words; of a list, those that stand for a whole one */
        const char *(*check)(const char *word); /* of a list of units */
        unsigned least;           /* of seconds */
};

/* All keys, indexed by Key. */
extern const KeyInfo key_table[KEY_MAX];

/* Returns whether the key belongs to one function, and not to a VM. */
bool key_is_for_device(int key);

/* Returns the number of the key of this name, or -1. */
int key_from_name(const char *name);
