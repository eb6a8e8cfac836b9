#include "conductor/audience.h"
#include "base/clock.h"

void audience_init(struct audience *a)
{
    *a = (struct audience){0};
    pthread_mutex_init(&a->lock, NULL);
}

void audience_done(struct audience *a) { pthread_mutex_destroy(&a->lock); }

static void audience_append(struct audience *a, struct listened *l)
{
    *l = (struct listened){.prev = a->last, .alive_us = clock_mono_us(), .is_in = true};
    *(a->last ? &a->last->next : &a->first) = l;
    a->last = l;
}

static void audience_remove(struct audience *a, struct listened *l)
{
    *(l->prev ? &l->prev->next : &a->first) = l->next;
    *(l->next ? &l->next->prev : &a->last) = l->prev;
    l->is_in = false;
}

void audience_enter(struct audience *a, struct listened *l)
{
    pthread_mutex_lock(&a->lock);
    if (!l->is_in)
        audience_append(a, l);
    pthread_mutex_unlock(&a->lock);
}

void audience_leave(struct audience *a, struct listened *l)
{
    pthread_mutex_lock(&a->lock);
    if (l->is_in)
        audience_remove(a, l);
    pthread_mutex_unlock(&a->lock);
}

struct listened *audience_take(struct audience *a, int64_t before_us, bool (*hold)(struct listened *l))
{
    struct listened *l;
    bool held = false;

    pthread_mutex_lock(&a->lock);
    while (!held && (l = a->first) && l->alive_us <= before_us) {
        audience_remove(a, l);
        held = hold(l);
        if (held) /* else it is being freed */
            audience_append(a, l);
    }
    pthread_mutex_unlock(&a->lock);
    return held ? l : NULL;
}
