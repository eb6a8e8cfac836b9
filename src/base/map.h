/* map.h - hash map from a NUL-terminated key to a pointer. The map copies keys and lends values.
 * Not thread-safe. A zeroed struct is an empty map. */
#pragma once
#include "base/auto.h"

#include <stddef.h>

struct map_entry;
struct map {
    struct map_entry **buckets;
    size_t bucket_count, count;
};

void *map_get(const struct map *m, const char *key);           /* NULL when absent */
void *map_put(struct map *m, const char *key, void *value);    /* returns the value replaced */
void *map_del(struct map *m, const char *key);                 /* returns the value removed */
void map_done(struct map *m);                                  /* values are the caller's */
/* Walk all: for (struct map_iter i = {0}; map_next(m, &i);) use i.key, i.value. Deleting the entry
 * just returned is allowed; adding is not. */
struct map_iter {
    const char *key;
    void *value;
    size_t bucket;
    struct map_entry *next;
    int started;
};
int map_next(const struct map *m, struct map_iter *i);
