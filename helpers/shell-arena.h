/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Memory that is taken piece by piece, up to a limit, and given back as a whole: what a hostile file makes
 * of it stays small. */
typedef struct Arena {
        struct ArenaChunk *chunks;
        size_t used, limit; /* bytes */
} Arena;

/* Returns zeroed memory that lives as long as the arena, or NULL if there is none, or if the limit is
 * reached. */
void *arena_alloc(Arena *arena, size_t size);

/* Returns a copy of the first 'n' bytes of 's' as a string, or NULL as above. */
char *arena_strndup(Arena *arena, const char *s, size_t n);

/* Returns a string made as by printf(), or NULL as above. */
char *arena_printf(Arena *arena, const char *format, ...) _printf_(2, 3);

/* Moves what is in an arena to another one, whose limit does not count for it. */
void arena_adopt(Arena *arena, Arena *from);

/* Gives all of it back. */
void arena_done(Arena *arena);
#define _cleanup_arena_ _cleanup_(arena_done)

/* A list of strings in an arena. */
typedef struct Strings {
        char **list; /* ends with NULL, except for NULL itself, which is the empty list */
        size_t n, allocated;
} Strings;

/* Appends the string itself, not a copy; NULL stands for memory that ran out. Returns 0 or -ENOMEM. */
int strings_add(Arena *arena, Strings *strings, char *s);
