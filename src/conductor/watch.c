/* What the clock does to entries. Each is looked at when there may be something for it, and not before: how many there
 * are costs nothing. */
#include "conductor/private.h"

#include <stddef.h>

#define AT_ONCE 1000 /* in one round, so that a turn stays short; the rest comes with the next one */
#define AGAIN_US SECOND_US
#define REPORT_US (2 * SECOND_US)
#define KEEP_ALIVE_US (15 * SECOND_US)

static bool is_reported(const struct entry *e)
{
    return e->a->state == ASSEMBLY_EXECUTING && e->a->begun.tells_progress;
}

static int64_t deadline_of(const struct conductor *c, const struct entry *e)
{
    return assembly_deadline(e->a, c->conf.upload_expiry_us, c->conf.execution_expiry_us);
}

static bool is_nothing(const struct entry *e)
{
    return e->a->state == ASSEMBLY_NEW && !e->stale; /* its creation was lost */
}

/* INT64_MAX: the clock has nothing for it. */
static int64_t next_look(const struct conductor *c, const struct entry *e, int64_t mono_us)
{
    int64_t at = INT64_MAX, deadline = deadline_of(c, e);

    if (is_nothing(e))
        return mono_us;
    if (e->end != ENTRY_RUNNING)
        return e->over_mono_us + c->conf.keep_over_us;
    if (deadline)
        at = mono_us + deadline - clock_now_us() + 1;
    if (is_reported(e) && e->reported_us + REPORT_US < at)
        at = e->reported_us + REPORT_US;
    return at;
}

void watch_again(struct conductor *c, struct entry *e)
{
    int64_t at = next_look(c, e, clock_mono_us());

    if (at == INT64_MAX)
        due_drop(&c->entries.looks, &e->look);
    else
        due_set(&c->entries.looks, &e->look, at);
}

static void look_at(struct conductor *c, struct entry *e, int64_t mono_us)
{
    int64_t deadline = deadline_of(c, e);
    struct err err;

    if (deadline && clock_now_us() > deadline && !e->stale)
        (void)!turn_apply(c, e, EV_EXPIRE, NULL, &err);
    if (is_reported(e) && mono_us - e->reported_us >= REPORT_US) {
        report_tick(e);
        e->reported_us = mono_us;
    }
    if (is_nothing(e) || (e->end != ENTRY_RUNNING && mono_us - e->over_mono_us > c->conf.keep_over_us))
        entry_leave(&c->entries, e);
    else if (e->end == ENTRY_WRITTEN && !e->rests)
        entry_put(&c->entries, e, ENTRIES_RESTING);
}

/* What could not be done is tried again, but not in the same round: something still hangs on it, or the store refuses
 * its events. */
static void look_later(struct conductor *c, struct entry *e, int64_t mono_us)
{
    int64_t at = next_look(c, e, mono_us);

    if (e->stale || at < mono_us + AGAIN_US)
        at = mono_us + AGAIN_US;
    if (at == INT64_MAX)
        due_drop(&c->entries.looks, &e->look);
    else
        due_set(&c->entries.looks, &e->look, at);
}

void watch(struct conductor *c, int64_t mono_us)
{
    struct due *d;

    for (int n = 0; n < AT_ONCE && (d = due_first(&c->entries.looks, mono_us)); n++) {
        struct entry *e = (struct entry *)(void *)((char *)d - offsetof(struct entry, look));

        look_at(c, e, mono_us);
        look_later(c, e, mono_us);
    }
    published_keep_all_alive(&c->entries.audience, mono_us - KEEP_ALIVE_US, AT_ONCE);
}
