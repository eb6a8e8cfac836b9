/* fair.h - which workspace's work is next: a queue of lanes, one a workspace, each first in first
 * out. Pure.
 *
 * A lane's clock runs with the time that its work takes; the lane whose clock is behind goes first,
 * so lanes that always have something waiting get the same time, however long their items are and
 * however many wait. One that was idle begins at the others' present. Taking and removing cost the
 * logarithm of the number of waiting lanes, nothing by the items. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct fair_lane;

struct fair_item { /* a part of what waits; zeroed is ready */
    struct fair_item *next, *prev;
    struct fair_lane *lane; /* NULL: does not wait */
};

struct fair_queue {
    struct fair_lane **heap; /* those that may be taken from */
    int count, cap;
    int64_t now_us; /* the clock of the lane that was served last */
    struct fair_lane *served;
};

struct fair_lane { /* set queue and limit, zero the rest */
    struct fair_queue *queue;
    int limit; /* items taken and not done; 0: any number */
    int running;
    int waiting;
    struct fair_item *first, *last;
    int64_t clock_us, typical_us;
    int place; /* in the heap, counted from 1; 0: not there */
};

void fair_put(struct fair_lane *l, struct fair_item *i);
void fair_remove(struct fair_item *i); /* one that does not wait is fine */
/* NULL: none may be taken. *charged_us goes back to fair_done(). */
struct fair_item *fair_take(int64_t *charged_us, struct fair_queue *q);
/* This one, wherever it waits in its lane. False: nothing more may be taken from that. */
bool fair_take_this(int64_t *charged_us, struct fair_item *i);
/* What was taken from l is over and took so long. */
void fair_done(struct fair_lane *l, int64_t charged_us, int64_t took_us);
/* Items that could be taken now, if there were room for them. */
int fair_waiting(const struct fair_queue *q);
void fair_queue_done(struct fair_queue *q);
