/* From the store back into memory: replay, and go on where the process ended. */
#include "conductor/private.h"
#include "store/sealed.h"

#include <string.h>

struct replay {
    struct conductor *c;
    struct live *l;
};

static int replay_event(void *ctx, int64_t seq, int64_t at_us, const char *json)
{
    struct replay *r = ctx;
    AUTO(json_unref) json_t *record = json_reads(json);
    int type = event_type_by_name(jstr_or(record, "e", ""));
    struct effects fx = {0};
    struct err err;

    r->l->seq = seq;
    if (type < 0) {
        log_error(&r->l->a->log, "event %lld is of a kind this version does not know", (long long)seq);
        return 0;
    }
    json_t *data = json_object_get(record, "d");
    struct event ev = {(enum event_type)type, data, at_us};
    if (type == EV_CREATED && sealed_created_open(r->c->conf.seal, r->l->a->id, data, &err) < 0) {
        log_error(&r->l->a->log, "its steps can't be opened: %s", err.msg);
        json_object_set_new(data, "error", json_pack("{s:s,s:s}", "code", "SERVER_500", "msg", "The steps can't be opened"));
    }
    if (assembly_apply(r->l->a, &ev, &fx, &err) < 0)
        log_error(&r->l->a->log, "event %lld (%s) is refused on replay: %s", (long long)seq,
                  event_name((enum event_type)type), err.msg);
    tenant_follow(r->c, r->l);
    if (type == EV_CREATED)
        published_set_fixed(r->l->published, status_fixed(r->l->a, r->c->conf.instance,
                                                          r->c->conf.region, r->c->conf.build_id));
    for (int i = 0; i < fx.count; i++)
        if (fx.v[i].type == FX_FRAGMENT)
            published_fragment(r->l->published, &fx.v[i], r->l->a);
        else if (fx.v[i].type == FX_TELL && seq > r->l->published_seq)
            published_tell(r->l->published, fx.v[i].name, fx.v[i].text);
    effects_done(&fx);
    return 0;
}

/* The process ended between a cancel and its settling, or before the final document was written. */
static void finish_end(struct conductor *c, struct live *l)
{
    l->over_mono_us = clock_mono_us();
    l->settled = false;
    l->settle_due = true;
    if (!l->a->cancel || jbool(l->a->cancel, "settled", false)) {
        l->settled = true;
        live_touch_end(c, l);
    }
    for (int i = 0; i < l->a->job_count; i++)
        if (l->a->jobs[i]->undo && l->a->jobs[i]->state == JOB_DROPPED && !undo_is_queued(l, i)) {
            l->stopping++;
            queue_job(c, l, i, 0, true);
        }
    settle_check(c, l);
}

/* One daemon after the other died while this job ran: it gets no other. */
static void fail_deadly(struct conductor *c, struct live *l)
{
    for (int i = 0; i < l->a->job_count && !assembly_is_over(l->a); i++) {
        const struct job *j = l->a->jobs[i];
        struct err why;

        if ((j->state != JOB_RUNNING && j->state != JOB_QUEUED) || !job_is_deadly(l->a, j, c->boot))
            continue;
        err_set(&why, ERR_CRASHED, "the server ended %d times while this job ran", job_deaths(j, c->boot));
        log_warn(&l->a->log, "job %d is not tried again: %s", i, why.msg);
        fail_job(c, l, i, &why);
    }
}

/* restarted: the process is a new one, so are its connections. */
static void go_on(struct conductor *c, struct live *l, bool restarted)
{
    struct effects fx = {0};
    struct err err;

    if (assembly_is_over(l->a)) {
        finish_end(c, l);
    } else if (!l->a->body_done && (restarted || l->body_gone)) {
        /* the create request's connection died with the process, or what it said last is lost */
        AUTO(json_unref) json_t *data = json_pack("{s:I}", "bytes", (json_int_t)l->a->body_bytes);

        (void)!turn_apply(c, l, EV_BODY_CUT, data, &err);
    } else {
        for (int i = 0; i < l->a->job_count; i++)
            if (l->a->jobs[i]->undo && l->a->jobs[i]->state == JOB_RUNNING && !undo_is_queued(l, i)) {
                l->stopping++;
                queue_job(c, l, i, 0, true);
            }
        if (restarted)
            fail_deadly(c, l);
        assembly_recover(l->a, &fx);
        for (int i = 0; i < fx.count; i++)
            queue_job(c, l, fx.v[i].job, 0, false);
        effects_done(&fx);
    }
    live_touch(c, l);
}

#define WAKE_SLICE_US 5000

/* Reads it and lets it go on; it stays among the sleeping until the turn is published. */
static struct live *wake(struct conductor *c, const char *id)
{
    struct live *l = live_add(c, id);
    struct replay r = {c, l};
    struct err err;
    int rc = store_events(c->conf.store, id, replay_event, &r, &err);

    l->waking = true;
    if (l->tenant)
        l->tenant->open--; /* it was counted asleep */
    if (rc < 0) {
        recover_later(c, l, &err);
        return l;
    }
    published_forget(l->published);
    l->listed = listing_type(l->a); /* the row was written with the event */
    go_on(c, l, true);
    return l;
}

struct live *live_awake(struct conductor *c, const char *id)
{
    struct live *l = map_get(&c->live, id);

    return l || !map_get(&c->sleeping, id) ? l : wake(c, id);
}

void recover_published(struct conductor *c, struct live *l)
{
    l->waking = false;
    pthread_rwlock_wrlock(&c->live_lock);
    map_del(&c->sleeping, l->a->id);
    pthread_rwlock_unlock(&c->live_lock);
}

void recover_done(struct conductor *c)
{
    free(c->to_wake);
    pthread_rwlock_wrlock(&c->live_lock); /* HTTP threads go on looking until the process ends */
    map_done(&c->sleeping);
    pthread_rwlock_unlock(&c->live_lock);
}

static void wake_for(struct conductor *c, int64_t us)
{
    int64_t until = clock_mono_us() + us;

    while (c->woken < c->to_wake_count && clock_mono_us() < until && !c->failure.code)
        live_awake(c, c->to_wake[c->woken++]);
}

static void on_idle(uv_idle_t *h)
{
    struct conductor *c = h->data;

    wake_for(c, WAKE_SLICE_US);
    if (c->woken < c->to_wake_count)
        return;
    log_info(&c->log, "all %zu open Assemblies go on", c->to_wake_count);
    uv_idle_stop(h);
}

static int keep_open(void *ctx, const char *id, const char *workspace)
{
    struct conductor *c = ctx;

    if ((c->to_wake_count & (c->to_wake_count - 1)) == 0)
        c->to_wake = mem_realloc(c->to_wake, (c->to_wake_count ? c->to_wake_count * 2 : 1) * sizeof *c->to_wake);
    snprintf(c->to_wake[c->to_wake_count++], ID_LEN + 1, "%s", id);
    map_put(&c->sleeping, id, c);
    tenant_of(c, workspace)->open++;
    return 0;
}

int recover_open(struct conductor *c, struct err *err)
{
    int64_t start = clock_mono_us();

    c->loop.data = c;
    uv_idle_init(&c->loop, &c->waker);
    c->waker.data = c;
    if (store_open_assemblies(c->conf.store, keep_open, c, err) < 0 || outbox_open(c, err) < 0)
        return -1;
    wake_for(c, c->conf.start_wait_us);
    turn_commit(c);
    if (c->to_wake_count)
        log_info(&c->log, "%zu open Assemblies, %zu of them read in %lld ms", c->to_wake_count, c->woken,
                 (long long)(clock_mono_us() - start) / 1000);
    if (c->woken < c->to_wake_count)
        uv_idle_start(&c->waker, on_idle);
    c->ready = true;
    return 0;
}

#define RETRY_FIRST_US (SECOND_US / 10)
#define RETRY_MOST_US (2 * SECOND_US)

void recover_later(struct conductor *c, struct live *l, const struct err *why)
{
    l->stale = true;
    l->touched_end = false;
    *l->notification = 0;
    runs_forsake(c, l);
    if (!l->settle_due)
        waiters_refuse(c, l, why);
    if (!c->retry_us) {
        c->retry_pause_us = c->retry_pause_us ? c->retry_pause_us * 2 : RETRY_FIRST_US;
        if (c->retry_pause_us > RETRY_MOST_US)
            c->retry_pause_us = RETRY_MOST_US;
        c->retry_us = clock_mono_us() + c->retry_pause_us;
    }
}

/* What it did once it would do again. */
static void give_up(struct conductor *c, struct live *l)
{
    AUTO(mem_free) char *why = take(l->refused);
    AUTO(json_unref) json_t *data = json_pack("{s:i,s:s,s:s}", "code", ERR_INTERNAL, "name", "SERVER_500", "msg", why);
    struct err err;

    log_error(&l->a->log, "it fails, as the database refuses what it did: %s", why);
    (void)!turn_apply(c, l, EV_FAIL, data, &err); /* or its turn is lost, and it is read again */
}

static int recover_one(struct conductor *c, struct live *l, struct err *err)
{
    struct replay r = {c, l};
    char id[ID_LEN + 1];

    memcpy(id, l->a->id, sizeof id);
    assembly_free(l->a);
    l->a = assembly_new(id);
    l->seq = 0;
    l->listed = LISTING_ALL;
    *l->notification = 0;
    if (store_events(c->conf.store, id, replay_event, &r, err) < 0)
        return -1;
    l->stale = l->oversized = false;
    tenant_follow(c, l); /* one whose very creation was lost does not count */
    if (l->a->state == ASSEMBLY_NEW) {
        live_leave(c, l); /* it was being created, and was not */
        return 0;
    }
    if (l->refused && !assembly_is_over(l->a))
        give_up(c, l);
    else
        go_on(c, l, l->waking);
    return 0;
}

void recover_stale(struct conductor *c)
{
    struct err err;

    if (!c->retry_us || clock_mono_us() < c->retry_us)
        return;
    c->retry_us = 0;
    if (outbox_reload(c, &err) < 0)
        c->retry_us = clock_mono_us() + RETRY_MOST_US;
    for (struct map_iter i = {0}; !c->retry_us && map_next(&c->live, &i);) {
        struct live *l = i.value;

        if (!l->stale || recover_one(c, l, &err) == 0)
            continue;
        c->retry_us = clock_mono_us() + RETRY_MOST_US;
    }
    if (c->retry_us)
        log_warn(&c->log, "the database can't be read: %s", err.msg);
    else
        c->retried_us = clock_mono_us();
}
