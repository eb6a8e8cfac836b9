/* A run: what of it is the same whoever gives it to a worker. */
#include "conductor/private.h"
#include "conductor/timer.h"

void run_taken(struct run *r, struct fair_lane *lane, int64_t charged_us)
{
    struct tenant *t = r->entry->tenant;

    r->lane = lane;
    r->charged_us = charged_us;
    r->taken_us = clock_mono_us();
    r->prev_taken = NULL;
    r->next_taken = t->taken;
    if (t->taken)
        t->taken->prev_taken = r;
    t->taken = r;
}

void run_left(struct run *r)
{
    struct tenant *t = r->entry->tenant;

    if (!r->lane)
        return;
    fair_done(r->lane, r->charged_us, (clock_mono_us() - r->taken_us) / (r->together ? r->together : 1));
    r->lane = NULL;
    *(r->prev_taken ? &r->prev_taken->next_taken : &t->taken) = r->next_taken;
    if (r->next_taken)
        r->next_taken->prev_taken = r->prev_taken;
}

void run_free(struct conductor *c, struct run *r)
{
    fair_remove(&r->waiting);
    run_left(r);
    *r->before = r->sibling;
    if (r->sibling)
        r->sibling->before = r->before;
    acks_drop(c, r);
    asks_drop(c, r);
    found_drop(c, r);
    tokens_forget(r);
    timer_drop(&r->delay);
    json_decref(r->counts);
    free(r);
}

int run_started(struct conductor *c, struct run *r, struct err *err)
{
    AUTO(json_unref) json_t *data = json_pack("{s:i,s:I}", "job", r->job, "boot", (json_int_t)c->boot);

    return turn_apply(c, r->entry, EV_JOB_STARTED, data, err);
}

int jobs_waiting(const struct conductor *c, enum robot_role role)
{
    return fair_waiting(&c->queues[role][0]) + fair_waiting(&c->queues[role][1]);
}
