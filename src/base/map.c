#include "base/map.h"

#include <stdint.h>
#include <string.h>

struct map_entry {
    struct map_entry *next;
    uint64_t hash;
    void *value;
    char key[];
};

static uint64_t hash_of(const char *s)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a; keys are our own random ids or short names */

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h;
}

static struct map_entry **slot(const struct map *m, const char *key, uint64_t h)
{
    struct map_entry **p = &m->buckets[h & (m->bucket_count - 1)];

    while (*p && ((*p)->hash != h || strcmp((*p)->key, key)))
        p = &(*p)->next;
    return p;
}

static void grow(struct map *m)
{
    size_t n = m->bucket_count ? m->bucket_count * 2 : 16;
    struct map_entry **fresh = mem_zalloc(n * sizeof *fresh);

    for (size_t i = 0; i < m->bucket_count; i++)
        for (struct map_entry *e = m->buckets[i], *next; e; e = next) {
            next = e->next;
            e->next = fresh[e->hash & (n - 1)];
            fresh[e->hash & (n - 1)] = e;
        }
    free(m->buckets);
    m->buckets = fresh;
    m->bucket_count = n;
}

void *map_get(const struct map *m, const char *key)
{
    struct map_entry *e = m->count ? *slot(m, key, hash_of(key)) : NULL;

    return e ? e->value : NULL;
}

void *map_put(struct map *m, const char *key, void *value)
{
    uint64_t h = hash_of(key);
    void *old = NULL;

    if (m->count + 1 > m->bucket_count)
        grow(m);
    struct map_entry **p = slot(m, key, h);
    if (*p) {
        old = (*p)->value;
    } else {
        size_t n = strlen(key) + 1;

        *p = mem_zalloc(sizeof **p + n);
        memcpy((*p)->key, key, n);
        (*p)->hash = h;
        m->count++;
    }
    (*p)->value = value;
    return old;
}

void *map_del(struct map *m, const char *key)
{
    struct map_entry **p = m->count ? slot(m, key, hash_of(key)) : NULL;

    if (!p || !*p)
        return NULL;
    struct map_entry *e = *p;
    void *value = e->value;
    *p = e->next;
    free(e);
    m->count--;
    return value;
}

void map_done(struct map *m)
{
    for (size_t i = 0; i < m->bucket_count; i++)
        for (struct map_entry *e = m->buckets[i], *next; e; e = next) {
            next = e->next;
            free(e);
        }
    free(m->buckets);
    *m = (struct map){0};
}

int map_next(const struct map *m, struct map_iter *i)
{
    if (!i->started) {
        i->started = 1;
        i->bucket = 0;
        i->next = m->bucket_count ? m->buckets[0] : NULL;
    }
    while (!i->next) {
        if (++i->bucket >= m->bucket_count)
            return 0;
        i->next = m->buckets[i->bucket];
    }
    i->key = i->next->key;
    i->value = i->next->value;
    i->next = i->next->next;
    return 1;
}
