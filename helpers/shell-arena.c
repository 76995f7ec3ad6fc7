/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "shell-arena.h"

#define CHUNK_SIZE 16384
#define ALIGNMENT 16

typedef struct ArenaChunk {
        struct ArenaChunk *next;
        size_t used, size;
        char data[] __attribute__((__aligned__(ALIGNMENT)));
} ArenaChunk;

static int add_chunk(Arena *arena, size_t size) {
        ArenaChunk *chunk;

        if (size < CHUNK_SIZE)
                size = CHUNK_SIZE;
        chunk = calloc(1, sizeof(ArenaChunk) + size);
        if (!chunk)
                return -ENOMEM;

        chunk->next = arena->chunks;
        chunk->size = size;
        arena->chunks = chunk;
        return 0;
}

void *arena_alloc(Arena *arena, size_t size) {
        void *p;

        if (size > arena->limit - arena->used)
                return NULL;
        size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if ((!arena->chunks || arena->chunks->size - arena->chunks->used < size) && add_chunk(arena, size) < 0)
                return NULL;

        p = arena->chunks->data + arena->chunks->used;
        arena->chunks->used += size;
        arena->used = size < arena->limit - arena->used ? arena->used + size : arena->limit;
        return p;
}

char *arena_strndup(Arena *arena, const char *s, size_t n) {
        char *copy = arena_alloc(arena, n + 1);

        if (copy)
                memcpy(copy, s, n);
        return copy;
}

char *arena_printf(Arena *arena, const char *format, ...) {
        char *s = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (n >= 0)
                s = arena_alloc(arena, (size_t) n + 1);
        if (!s)
                return NULL;

        va_start(ap, format);
        (void) vsnprintf(s, (size_t) n + 1, format, ap);
        va_end(ap);
        return s;
}

void arena_adopt(Arena *arena, Arena *from) {
        ArenaChunk **end = &arena->chunks;

        /* Behind the others: it is the first one that is filled. */
        while (*end)
                end = &(*end)->next;
        *end = from->chunks;
        *from = (Arena) { 0 };
}

void arena_done(Arena *arena) {
        while (arena->chunks) {
                ArenaChunk *next = arena->chunks->next;

                free(arena->chunks);
                arena->chunks = next;
        }
        arena->used = 0;
}

int strings_add(Arena *arena, Strings *strings, char *s) {
        if (!s)
                return -ENOMEM;
        if (strings->n + 1 >= strings->allocated) {
                size_t allocated = 2 * strings->allocated + 8;
                char **grown = arena_alloc(arena, allocated * sizeof(char *));

                if (!grown)
                        return -ENOMEM;
                if (strings->n > 0)
                        memcpy(grown, strings->list, strings->n * sizeof(char *));
                strings->list = grown;
                strings->allocated = allocated;
        }

        strings->list[strings->n++] = s;
        strings->list[strings->n] = NULL;
        return 0;
}
