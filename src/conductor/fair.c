#include "conductor/fair.h"
#include "base/auto.h"

#define FIRST_GUESS_US 100000 /* before a lane has shown how long its items take */
#define STAY_US                                                                                    \
    100000 /* a lane may be ahead by so much and be served again: workers belong to one workspace, \
            * and a change costs a new process */

static void place(struct fair_queue *q, int at, struct fair_lane *l)
{
    q->heap[at] = l;
    l->place = at + 1;
}

static void sift(struct fair_queue *q, struct fair_lane *l)
{
    int at = l->place - 1;

    while (at > 0 && q->heap[(at - 1) / 2]->clock_us > l->clock_us) {
        place(q, at, q->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (int below; (below = 2 * at + 1) < q->count; at = below) {
        if (below + 1 < q->count && q->heap[below + 1]->clock_us < q->heap[below]->clock_us)
            below++;
        if (q->heap[below]->clock_us >= l->clock_us)
            break;
        place(q, at, q->heap[below]);
    }
    place(q, at, l);
}

/* In the heap exactly while it may be taken from. */
static void settle(struct fair_lane *l)
{
    struct fair_queue *q = l->queue;
    bool ready = l->first && (!l->limit || l->running < l->limit);

    if (ready && !l->place) {
        if (q->count == q->cap) {
            q->cap = q->cap ? q->cap * 2 : 8;
            q->heap = mem_realloc(q->heap, (size_t)q->cap * sizeof *q->heap);
        }
        place(q, q->count++, l);
        sift(q, l);
    } else if (!ready && l->place) {
        struct fair_lane *last = q->heap[--q->count];

        if (last != l) {
            place(q, l->place - 1, last);
            sift(q, last);
        }
        l->place = 0;
    } else if (ready) {
        sift(q, l);
    }
}

void fair_put(struct fair_lane *l, struct fair_item *i)
{
    if (!l->first && !l->running && l->clock_us < l->queue->now_us)
        l->clock_us = l->queue->now_us; /* nobody saves up while idle */
    *i = (struct fair_item){.prev = l->last, .lane = l};
    if (l->last)
        l->last->next = i;
    else
        l->first = i;
    l->last = i;
    l->waiting++;
    settle(l);
}

void fair_remove(struct fair_item *i)
{
    struct fair_lane *l = i->lane;

    if (!l)
        return;
    *(i->prev ? &i->prev->next : &l->first) = i->next;
    *(i->next ? &i->next->prev : &l->last) = i->prev;
    *i = (struct fair_item){0};
    l->waiting--;
    settle(l);
}

static void charge(int64_t *charged_us, struct fair_item *i)
{
    struct fair_lane *l = i->lane;

    *charged_us = l->typical_us ? l->typical_us : FIRST_GUESS_US;
    l->clock_us += *charged_us;
    l->running++;
    fair_remove(i);
}

struct fair_item *fair_take(int64_t *charged_us, struct fair_queue *q)
{
    struct fair_lane *l = q->count ? q->heap[0] : NULL;

    if (!l)
        return NULL;
    q->now_us = l->clock_us;
    if (q->served && q->served->place && q->served->clock_us <= l->clock_us + STAY_US)
        l = q->served;
    q->served = l;
    struct fair_item *i = l->first;
    charge(charged_us, i);
    return i;
}

bool fair_take_this(int64_t *charged_us, struct fair_item *i)
{
    if (i->lane->limit && i->lane->running >= i->lane->limit)
        return false;
    charge(charged_us, i);
    return true;
}

void fair_done(struct fair_lane *l, int64_t charged_us, int64_t took_us)
{
    l->running--;
    l->typical_us = l->typical_us ? (l->typical_us * 7 + took_us) / 8 : took_us;
    if (l->typical_us < 1)
        l->typical_us = 1;
    l->clock_us += took_us - charged_us;
    settle(l);
}

int fair_waiting(const struct fair_queue *q)
{
    int n = 0;

    for (int i = 0; i < q->count; i++)
        n += q->heap[i]->waiting;
    return n;
}

void fair_queue_done(struct fair_queue *q)
{
    free(q->heap);
    *q = (struct fair_queue){0};
}
