#include "conductor/entry.h"
#include "base/clock.h"
#include "conductor/document.h"

#include <assert.h>
#include <string.h>

#define RESTING_BYTES_MOST (64 << 20)

void entries_init(struct entries *all)
{
    *all = (struct entries){.resting_bytes_most = RESTING_BYTES_MOST};
    pthread_rwlock_init(&all->lock, NULL);
    audience_init(&all->audience);
}

struct entry *entry_add(struct entries *all, const char *id)
{
    struct entry *e = mem_zalloc(sizeof *e);

    e->a = assembly_new(id);
    e->published = published_new(id);
    published_in(e->published, &all->audience);
    due_set(&all->looks, &e->look, 0);
    pthread_rwlock_wrlock(&all->lock);
    map_put(&all->by_id, id, e);
    pthread_rwlock_unlock(&all->lock);
    return e;
}

static void resting_unlink(struct entries *all, struct entry *e)
{
    if (!e->rest_bytes)
        return;
    *(e->prev_resting ? &e->prev_resting->next_resting : &all->resting_first) = e->next_resting;
    *(e->next_resting ? &e->next_resting->prev_resting : &all->resting_last) = e->prev_resting;
    e->next_resting = e->prev_resting = NULL;
    all->resting_bytes -= e->rest_bytes;
    e->rest_bytes = 0;
}

void entry_wake(struct entries *all, struct entry *e)
{
    resting_unlink(all, e);
    e->rests = false;
}

static void entry_free(struct entries *all, struct entry *e)
{
    entry_wake(all, e);
    due_drop(&all->looks, &e->look);
    pthread_rwlock_wrlock(&all->lock);
    map_del(&all->by_id, e->a->id);
    pthread_rwlock_unlock(&all->lock);
    published_unref(e->published);
    assembly_free(e->a);
    free(e->refused);
    free(e);
}

void entry_drop(struct entries *all, struct entry *e)
{
    assert(!e->lists && !e->queued);
    entry_free(all, e);
}

void entries_done(struct entries *all)
{
    for (struct map_iter i = {0}; map_next(&all->by_id, &i);)
        entry_free(all, i.value);
    map_done(&all->by_id);
    map_done(&all->sleeping);
    dues_done(&all->looks);
    audience_done(&all->audience);
    pthread_rwlock_destroy(&all->lock);
}

/* ---- lists ---- */

bool entry_is_in(const struct entry *e, enum entry_list list) { return e->lists & 1u << list; }

void entry_put(struct entries *all, struct entry *e, enum entry_list list)
{
    if (entry_is_in(e, list))
        return;
    e->lists |= 1u << list;
    e->next[list] = all->first[list];
    all->first[list] = e;
}

struct entry *entry_pop(struct entries *all, enum entry_list list)
{
    struct entry *e = all->first[list];

    if (!e)
        return NULL;
    all->first[list] = e->next[list];
    e->lists &= ~(1u << list);
    return e;
}

void entry_touch(struct entries *all, struct entry *e) { entry_put(all, e, ENTRIES_TOUCHED); }

void entry_published(struct entries *all, struct entry *e)
{
    if (e->waking || e->end >= ENTRY_SETTLED)
        entry_put(all, e, ENTRIES_MAIL);
    if (e->end == ENTRY_WRITTEN)
        entry_put(all, e, ENTRIES_RESTING);
    e->published_seq = e->seq;
}

/* ---- its end ---- */

static const unsigned may_become[] = {
    [ENTRY_RUNNING] = 1u << ENTRY_STOPPING | 1u << ENTRY_RUNNING,
    [ENTRY_STOPPING] = 1u << ENTRY_SETTLED | 1u << ENTRY_RUNNING,
    [ENTRY_SETTLED] = 1u << ENTRY_WRITTEN | 1u << ENTRY_RUNNING,
    [ENTRY_WRITTEN] = 1u << ENTRY_SETTLED | 1u << ENTRY_RUNNING,
};

void entry_set_end(struct entry *e, enum entry_end to)
{
    assert(may_become[e->end] & 1u << to);
    e->end = to;
    if (to == ENTRY_STOPPING)
        e->over_mono_us = clock_mono_us();
}

void entry_settled(struct entries *all, struct entry *e)
{
    entry_set_end(e, ENTRY_SETTLED);
    entry_put(all, e, ENTRIES_MAIL);
    if (e->a->begun.notify_url)
        entry_touch(all, e); /* so that a turn comes that sends it */
    if (!entry_is_in(e, ENTRIES_DOCUMENT)) { /* it was written while work was being stopped */
        entry_set_end(e, ENTRY_WRITTEN);
        entry_put(all, e, ENTRIES_RESTING);
    }
}

/* What is not kept of one that is over does not count when the rest of it is: events say how long the body was, and
 * each upload that has ended. */
static bool has_passed(const struct assembly *a)
{
    bool passed = a->body_done;

    for (int i = 0; passed && i < a->tus_count; i++)
        passed = a->tus[i].finished || a->tus[i].removed;
    return passed;
}

bool entry_is_told_by_events(const struct entry *e)
{
    return !e->untold && e->seq <= DOCUMENT_EVENTS_MOST && e->event_bytes <= DOCUMENT_BYTES_MOST &&
           (!e->passing || has_passed(e->a));
}

void entry_document_due(struct entries *all, struct entry *e)
{
    entry_put(all, e, ENTRIES_DOCUMENT);
    entry_touch(all, e); /* so that a turn comes that writes it */
    if (e->end == ENTRY_WRITTEN)
        entry_set_end(e, ENTRY_SETTLED);
}

void entry_document_written(struct entry *e)
{
    if (e->end == ENTRY_SETTLED)
        entry_set_end(e, ENTRY_WRITTEN);
}

/* ---- leaving ---- */

/* What the turn has queued; work under way, timers and whoever waits: they come back to it in a
 * later turn. */
static bool is_needed(const struct entry *e)
{
    bool is_nothing =
        e->a->state == ASSEMBLY_NEW; /* its creation was lost: it has no end to come to */

    return e->lists || e->queued || e->runs || e->stopping || e->settle_timer || e->waiters ||
           e->awaiters || e->stale || e->waking || (e->end != ENTRY_WRITTEN && !is_nothing);
}

/* ---- resting ---- */

/* Its message is out, or given up: what an attempt says becomes a part of the document. */
static bool is_notified(const struct assembly *a)
{
    const char *status = jstr_or(a->notify, "notify_status", "");

    return !jstr(a->created, "notify_url") || !strcmp(status, "successful") || !strcmp(status, "failed");
}

bool entry_may_rest(const struct entry *e)
{
    return !e->rests && e->end == ENTRY_WRITTEN && !is_needed(e) && is_notified(e->a) && assembly_may_rest(e->a);
}

void entry_rest(struct entries *all, struct entry *e)
{
    int64_t bytes = published_rest(e->published);

    if (bytes < 0)
        return; /* the clock asks again */
    if (e->a->begun.tells_progress)
        published_set_report(e->published, progress_json(e->a));
    assembly_rest(e->a);
    e->rests = true;
    e->rest_bytes = bytes + (int64_t)(sizeof *e + sizeof *e->a);
    e->prev_resting = all->resting_last;
    *(all->resting_last ? &all->resting_last->next_resting : &all->resting_first) = e;
    all->resting_last = e;
    all->resting_bytes += e->rest_bytes;
    for (struct entry *first; all->resting_bytes > all->resting_bytes_most && (first = all->resting_first);) {
        entry_leave(all, first);
        resting_unlink(all, first); /* it leaves at the end of the turn, and counts no more */
    }
}

void entry_leave(struct entries *all, struct entry *e) { entry_put(all, e, ENTRIES_LEAVING); }

/* Answers and effects name entries from the moment they are queued until the commit has dealt with
 * them, and timers run in between. So entries are freed here alone, by their own count of what
 * still names them: a conductor that is busy all the time must forget, too. */
void entries_forget(struct entries *all)
{
    for (struct entry *e; (e = entry_pop(all, ENTRIES_LEAVING));)
        if (!is_needed(e))
            entry_free(all, e);
}
