/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

typedef enum ConfigEventType {
        CONFIG_SECTION,     /* a section begins */
        CONFIG_ASSIGNMENT,  /* Key=Value */
        CONFIG_BAD_SECTION, /* what should be the head of a section is none; its lines are passed over */
        CONFIG_BAD_LINE,    /* what should be an assignment is none */
} ConfigEventType;

typedef struct ConfigEvent {
        ConfigEventType type;
        const char *file;
        unsigned line;
        const char *section; /* NULL before the first one; of a bad section what there is of its name */
        const char *key, *value;
        const char *problem; /* of bad ones: what is wrong and what was expected, as the end of a sentence
                              * about the text in 'value', or about the line if that is NULL */
} ConfigEvent;

/* Gets one event; the strings, 'file' apart, are valid during the call only. Returns 0, or a negative errno
 * that ends the reading. */
typedef int (*ConfigHandler)(const ConfigEvent *event, void *userdata);

/* Opens a configuration file, 'path' being without the root's prefix. Returns 1 with the stream; 0 with NULL
 * for one that masks (/dev/null); -EPERM with a sentence, to be freed, for one that others than root could
 * have written, and with a stream of what it has now, not to be believed; -EINVAL with a sentence for one
 * that cannot be read; or -ENOMEM. */
int config_file_open(const char *path, FILE **ret, char **ret_problem);

/* Reads an INI file, calling 'handler' for every section, assignment and bad line in the order of the file.
 * 'name' is what events call the file. Returns 0, what the handler returned, or a negative errno. */
int config_file_read(FILE *stream, const char *name, ConfigHandler handler, void *userdata);
