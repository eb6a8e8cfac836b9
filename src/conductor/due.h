/* due.h - when something is to be looked at next: a heap over moments that lie in what they are of. Pure.
 *
 * To set, move or drop one costs the logarithm of how many there are, and nothing is looked at before its time. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct due {
    int64_t at_us;
    size_t place; /* in the heap, counted from 1; 0: not there */
};

struct dues {
    struct due **v;
    size_t count, cap;
};

/* From wherever it is. */
void due_set(struct dues *all, struct due *d, int64_t at_us);
void due_drop(struct dues *all, struct due *d);
/* The first one, when its time has come; it stays there. NULL: none. */
struct due *due_first(const struct dues *all, int64_t now_us);
void dues_done(struct dues *all);
