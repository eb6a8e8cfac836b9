#include "conductor/due.h"
#include "base/auto.h"

static void due_place(struct dues *all, size_t at, struct due *d)
{
    all->v[at - 1] = d;
    d->place = at;
}

/* To where it belongs, up or down. */
static void due_sift(struct dues *all, struct due *d)
{
    size_t at = d->place;

    for (size_t up; at > 1 && all->v[(up = at / 2) - 1]->at_us > d->at_us; at = up)
        due_place(all, at, all->v[up - 1]);
    for (size_t down; (down = at * 2) <= all->count; at = down) {
        if (down < all->count && all->v[down]->at_us < all->v[down - 1]->at_us)
            down++;
        if (all->v[down - 1]->at_us >= d->at_us)
            break;
        due_place(all, at, all->v[down - 1]);
    }
    due_place(all, at, d);
}

void due_set(struct dues *all, struct due *d, int64_t at_us)
{
    if (!d->place) {
        if (all->count == all->cap) {
            all->cap = all->cap ? all->cap * 2 : 64;
            all->v = mem_realloc(all->v, all->cap * sizeof *all->v);
        }
        due_place(all, ++all->count, d);
    }
    d->at_us = at_us;
    due_sift(all, d);
}

void due_drop(struct dues *all, struct due *d)
{
    size_t at = d->place;

    if (!at)
        return;
    struct due *last = all->v[--all->count];
    d->place = 0;
    if (last == d)
        return;
    due_place(all, at, last);
    due_sift(all, last);
}

struct due *due_first(const struct dues *all, int64_t now_us)
{
    return all->count && all->v[0]->at_us <= now_us ? all->v[0] : NULL;
}

void dues_done(struct dues *all)
{
    free(all->v);
    *all = (struct dues){0};
}
