/* From the store back into memory: replay, and go on where the process ended. */
#include "base/fault.h"
#include "conductor/private.h"
#include "store/sealed.h"

#include <limits.h>
#include <string.h>

struct replay {
    struct conductor *c;
    struct entry *e;
};

static void replay(struct conductor *c, struct entry *e, enum event_type type, json_t *data,
                   int64_t at_us)
{
    struct event ev = {type, data, at_us};
    struct effects fx = {0};
    struct err err;

    if (assembly_apply(e->a, &ev, &fx, &err) < 0)
        log_error(&e->a->log, "event %lld (%s) is refused on replay: %s", (long long)e->seq,
                  event_name(type), err.msg);
    tenant_follow(c, e);
    if (type == EV_CREATED)
        published_set_fixed(e->published,
                            status_fixed(e->a, c->conf.instance, c->conf.region, c->conf.build_id));
    for (int i = 0; i < fx.count; i++)
        if (fx.v[i].type == FX_FRAGMENT)
            published_fragment(e->published, &fx.v[i], e->a);
        else if (fx.v[i].type == FX_TELL && e->seq > e->published_seq)
            published_tell(e->published, fx.v[i].name, fx.v[i].text);
    effects_done(&fx);
}

static int replay_event(void *ctx, int64_t seq, int64_t at_us, const char *json)
{
    struct replay *r = ctx;
    AUTO(json_unref) json_t *record = json_reads(json);
    int type = event_type_by_name(jstr_or(record, "e", ""));
    struct err err;

    if (FAULT(REPLAY))
        abort(); /* as a record does that this code can't bear */
    r->e->seq = seq;
    r->e->event_bytes += (int64_t)strlen(json);
    if (type < 0) {
        r->e->untold = true;
        log_error(&r->e->a->log, "event %lld is of a kind this version does not know",
                  (long long)seq);
        return 0;
    }
    json_t *data = json_object_get(record, "d");
    const char *member = event_sealed((enum event_type)type);
    if (sealed_data_open(r->c->conf.seal, r->e->a->id, member, data, &err) < 0) {
        log_error(&r->e->a->log, "its %s can't be opened: %s", member, err.msg);
        r->e->untold = true;
        if (type == EV_CREATED)
            json_object_set_new(
                data, "error",
                json_pack("{s:s,s:s}", "code", "SERVER_500", "msg", "The steps can't be opened"));
    }
    replay(r->c, r->e, (enum event_type)type, data, at_us);
    return 0;
}

/* What jobs left elsewhere is taken back, unless that is under way: of those that ran, those that waited for their
 * next run, and those that are over. */
static void undo_all(struct conductor *c, struct entry *e)
{
    for (int i = 0; i < e->a->job_count; i++)
        if (job_leaves(e->a->jobs[i]) && !jobs_undo_is_queued(e, i))
            jobs_queue_undo(c, e, i);
}

/* The process ended between the end and its settling, or before the final document was written. */
static void finish_end(struct conductor *c, struct entry *e)
{
    bool settled = e->a->cancel ? jbool(e->a->cancel, "settled", false) : !assembly_leaves(e->a);

    entry_set_end(e, ENTRY_STOPPING);
    if (settled) {
        entry_document_due(&c->entries, e);
        entry_settled(&c->entries, e);
    } else {
        undo_all(c, e);
    }
    settle_check(c, e);
}

/* One daemon after the other died while this job ran: it gets no other. */
static void fail_deadly(struct conductor *c, struct entry *e)
{
    for (int i = 0; i < e->a->job_count && !assembly_is_over(e->a); i++) {
        const struct job *j = e->a->jobs[i];
        struct err why;

        if ((j->state != JOB_RUNNING && j->state != JOB_QUEUED) || !job_is_deadly(e->a, j, c->boot))
            continue;
        err_set(&why, ERR_CRASHED, "the server ended %d times while this job ran",
                job_deaths(j, c->boot));
        log_warn(&e->a->log, "job %d is not tried again: %s", i, why.msg);
        jobs_fail(c, e, i, &why);
    }
}

/* restarted: the process is a new one, so are its connections. */
static void go_on(struct conductor *c, struct entry *e, bool restarted)
{
    struct effects fx = {0};
    struct err err;

    if (assembly_is_over(e->a)) {
        finish_end(c, e);
    } else if (!e->a->body_done && (restarted || e->body_gone)) {
        /* the create request's connection died with the process, or what it said last is lost */
        AUTO(json_unref) json_t *data = json_pack("{s:I}", "bytes", (json_int_t)e->a->body_bytes);

        (void)!turn_apply(c, e, EV_BODY_CUT, data, &err);
    } else if (restarted && e->a->begun.by_url) {
        /* whoever waited for its file went with the process */
        AUTO(json_unref) json_t *data = json_object();

        (void)!turn_apply(c, e, EV_CANCEL, data, &err);
    } else {
        undo_all(c, e);
        if (restarted)
            fail_deadly(c, e);
        assembly_recover(e->a, &fx);
        e->untold |= fx.count > 0; /* that they are queued again is no event */
        for (int i = 0; i < fx.count; i++)
            jobs_queue(c, e, fx.v[i].job, 0);
        effects_done(&fx);
    }
    entry_touch(&c->entries, e);
}

#define SEQ_ASIDE INT_MAX /* behind all events that one has which is set aside */

/* One daemon after the other died while it read this one: its events are left as they are, and
 * nothing but its id and its workspace is believed of it. It fails, so that whoever asks hears why,
 * and its files go when their time is over. */
static int set_aside(struct conductor *c, struct entry *e, struct err *err)
{
    AUTO(mem_free) char *workspace = NULL;
    AUTO(mem_free)
    char *why = mem_printf("The server ended %d times while it read this Assembly",
                           opening_deaths(c->recovery.opening, e->a->id));

    if (store_assembly_workspace(&workspace, c->conf.store, e->a->id, err) < 0)
        return -1;
    AUTO(json_unref)
    json_t *created = json_pack("{s:s,s:b,s:{s:s,s:s}}", "workspace", workspace, "body_done", 1,
                                "error", "code", "ASSEMBLY_CRASHED", "msg", why);
    log_error(&e->a->log, "it is set aside: %s", why);
    replay(c, e, EV_CREATED, created, clock_now_us());
    e->seq = SEQ_ASIDE;
    e->untold = true;
    return 0;
}

/* From what is stored to what it was. The process can die of that. */
static int read_entry(struct conductor *c, struct entry *e, struct err *err)
{
    struct replay r = {c, e};

    if (opening_deaths(c->recovery.opening, e->a->id) >= OPENING_DEATHS_MOST)
        return set_aside(c, e, err);
    opening_begin(c->recovery.opening, e->a->id);
    int rc = store_events(c->conf.store, e->a->id, replay_event, &r, err);
    opening_end(c->recovery.opening);
    return rc;
}

#define WAKE_SLICE_US 5000

/* Reads it and lets it go on; it stays among the sleeping until the turn is published. */
static struct entry *wake(struct conductor *c, const char *id)
{
    struct entry *e = entry_add(&c->entries, id);
    struct err err;
    int rc = read_entry(c, e, &err);

    e->waking = true;
    if (e->tenant)
        e->tenant->open--; /* it was counted asleep */
    if (rc < 0) {
        recover_later(c, e, &err);
        return e;
    }
    published_forget(e->published);
    if (e->seq != SEQ_ASIDE)
        e->listed = listing_type(e->a); /* the row was written with the event */
    go_on(c, e, true);
    return e;
}

struct entry *entry_awake(struct conductor *c, const char *id)
{
    struct entry *e = map_get(&c->entries.by_id, id);

    return e || !map_get(&c->entries.sleeping, id) ? e : wake(c, id);
}

void recover_published(struct conductor *c, struct entry *e)
{
    e->waking = false;
    pthread_rwlock_wrlock(&c->entries.lock);
    map_del(&c->entries.sleeping, e->a->id);
    pthread_rwlock_unlock(&c->entries.lock);
}

void recover_done(struct conductor *c)
{
    free(c->recovery.to_wake);
    opening_close(take(c->recovery.opening));
    pthread_rwlock_wrlock(&c->entries.lock); /* HTTP threads go on looking until the process ends */
    map_done(&c->entries.sleeping);
    pthread_rwlock_unlock(&c->entries.lock);
}

static void wake_for(struct conductor *c, int64_t us)
{
    int64_t until = clock_mono_us() + us;

    while (c->recovery.woken < c->recovery.to_wake_count && clock_mono_us() < until &&
           !c->turn.failure.code)
        entry_awake(c, c->recovery.to_wake[c->recovery.woken++]);
}

static void on_idle(uv_idle_t *h)
{
    struct conductor *c = h->data;

    wake_for(c, WAKE_SLICE_US);
    if (c->recovery.woken < c->recovery.to_wake_count)
        return;
    log_info(&c->log, "all %zu open Assemblies go on", c->recovery.to_wake_count);
    uv_idle_stop(h);
}

static int keep_open(void *ctx, const char *id, const char *workspace)
{
    struct conductor *c = ctx;

    if ((c->recovery.to_wake_count & (c->recovery.to_wake_count - 1)) == 0)
        c->recovery.to_wake = mem_realloc(
            c->recovery.to_wake, (c->recovery.to_wake_count ? c->recovery.to_wake_count * 2 : 1) *
                                     sizeof *c->recovery.to_wake);
    snprintf(c->recovery.to_wake[c->recovery.to_wake_count++], ID_LEN + 1, "%s", id);
    map_put(&c->entries.sleeping, id, c);
    tenant_of(c, workspace)->open++;
    return 0;
}

int recover_open(struct conductor *c, struct err *err)
{
    AUTO(mem_free) char *path = mem_printf("%s/opening", c->conf.space.paths[0]);

    if (opening_open(&c->recovery.opening, path, err) < 0)
        return -1;
    c->recovery.opened_us = clock_mono_us();
    uv_idle_init(&c->loop, &c->recovery.waker);
    c->recovery.waker.data = c;
    if (store_open_assemblies(c->conf.store, keep_open, c, err) < 0)
        return -1;
    wake_for(c, c->conf.start_wait_us);
    return 0;
}

void recover_opened(struct conductor *c)
{
    struct recovery *r = &c->recovery;

    if (r->to_wake_count)
        log_info(&c->log, "%zu open Assemblies, %zu of them read in %lld ms", r->to_wake_count,
                 r->woken, (long long)(clock_mono_us() - r->opened_us) / 1000);
    if (r->woken < r->to_wake_count)
        uv_idle_start(&r->waker, on_idle);
}

#define RETRY_FIRST_US (SECOND_US / 10)
#define RETRY_MOST_US (2 * SECOND_US)

void recover_later(struct conductor *c, struct entry *e, const struct err *why)
{
    struct recovery *r = &c->recovery;

    e->stale = true; /* so save_ends() leaves its document alone */
    *e->notification = 0;
    jobs_stop(c, e, JOBS_FORSAKE);
    if (e->end == ENTRY_RUNNING)
        settle_refuse(e, why);
    if (!r->retry_us) {
        r->retry_pause_us = r->retry_pause_us ? r->retry_pause_us * 2 : RETRY_FIRST_US;
        if (r->retry_pause_us > RETRY_MOST_US)
            r->retry_pause_us = RETRY_MOST_US;
        r->retry_us = clock_mono_us() + r->retry_pause_us;
    }
}

void recover_soon(struct conductor *c)
{
    if (!c->recovery.retry_us)
        c->recovery.retry_us = clock_mono_us();
}

void recover_failed(struct conductor *c, const struct err *why)
{
    c->recovery.retry_us = clock_mono_us() + RETRY_MOST_US;
    log_warn(&c->log, "the database can't be read: %s", why->msg);
}

/* What it did once it would do again. */
static void give_up(struct conductor *c, struct entry *e)
{
    AUTO(mem_free) char *why = take(e->refused);
    AUTO(json_unref) json_t *data =
        json_pack("{s:i,s:s,s:s}", "code", ERR_INTERNAL, "name", "SERVER_500", "msg", why);
    struct err err;

    log_error(&e->a->log, "it fails, as the database refuses what it did: %s", why);
    (void)!turn_apply(c, e, EV_FAIL, data, &err); /* or its turn is lost, and it is read again */
}

static int recover_one(struct conductor *c, struct entry *e, struct err *err)
{
    char id[ID_LEN + 1];

    memcpy(id, e->a->id, sizeof id);
    entry_wake(&c->entries, e);
    assembly_free(e->a);
    e->a = assembly_new(id);
    e->seq = e->event_bytes = 0;
    e->passing = e->untold = e->made = e->no_item = false;
    e->listed = LISTING_ALL;
    *e->notification = 0;
    if (read_entry(c, e, err) < 0)
        return -1;
    e->stale = e->oversized = false;
    entry_set_end(e, ENTRY_RUNNING); /* go_on() finds how far it is */
    tenant_follow(c, e);             /* one whose very creation was lost does not count */
    if (e->a->state == ASSEMBLY_NEW) {
        entry_leave(&c->entries, e); /* it was being created, and was not */
        return 0;
    }
    if (e->refused && !assembly_is_over(e->a))
        give_up(c, e);
    else
        go_on(c, e, e->waking);
    return 0;
}

bool recover_is_due(const struct conductor *c)
{
    return c->recovery.retry_us && clock_mono_us() >= c->recovery.retry_us;
}

void recover_stale(struct conductor *c)
{
    struct err err;

    c->recovery.retry_us = 0;
    for (struct map_iter i = {0}; map_next(&c->entries.by_id, &i);) {
        struct entry *e = i.value;

        if (e->stale && recover_one(c, e, &err) < 0) {
            recover_failed(c, &err);
            return;
        }
    }
}
