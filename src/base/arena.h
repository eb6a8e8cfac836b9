/* arena.h - memory of one request or job, freed in one go. Not thread-safe. */
#pragma once
#include "base/auto.h"

#include <stddef.h>

struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *a); /* NULL is fine */
DEFINE_AUTO(struct arena *, arena_free)

void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned for any type */
char *arena_strdup(struct arena *a, const char *s);
/* Run fn(p) when the arena is freed, last registered first. */
void arena_defer(struct arena *a, void (*fn)(void *), void *p);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
