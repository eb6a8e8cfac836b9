/* What the rules ask for, done: jobs queued and given to workers, work stopped and counted, streams told. */
#include "assembly/credentials.h"
#include "conductor/private.h"

#include <string.h>

/* ---- the queue ---- */

static const struct robot *robot_of(const struct run *r)
{
    return job_robot(r->live->a, r->live->a->jobs[r->job]);
}

static struct fair_lane *lane_of(const struct run *r)
{
    bool batch = r->live->a->in->steps[r->live->a->jobs[r->job]->step].batch;

    return &r->live->tenant->lanes[robot_of(r)->role][batch];
}

static void enqueue(struct run *r) { fair_put(lane_of(r), &r->waiting); }

/* Its time at a worker is over: what it took counts for the share of its workspace. */
static void leave(struct run *r)
{
    struct tenant *t = r->live->tenant;

    if (!r->lane)
        return;
    fair_done(r->lane, r->charged_us, clock_mono_us() - r->taken_us);
    r->lane = NULL;
    *(r->prev_taken ? &r->prev_taken->next_taken : &t->taken) = r->next_taken;
    if (r->next_taken)
        r->next_taken->prev_taken = r->prev_taken;
}

static void close_timer(uv_handle_t *h) { free(h); }

/* None of r's confirmations stays, however many there are. */
static void undo_acks_drop(struct conductor *c, const struct run *r)
{
    int kept = 0;

    for (int i = 0; i < c->undo_ack_count; i++)
        if (c->undo_acks[i] != r)
            c->undo_acks[kept++] = c->undo_acks[i];
    c->undo_ack_count = kept;
}

static void run_free(struct conductor *c, struct run *r)
{
    fair_remove(&r->waiting);
    leave(r);
    *r->before = r->sibling;
    if (r->sibling)
        r->sibling->before = r->before;
    undo_acks_drop(c, r);
    if (r->delay) {
        uv_timer_stop(r->delay);
        uv_close((uv_handle_t *)r->delay, close_timer);
    }
    free(r);
}

static void delay_over(uv_timer_t *t)
{
    struct run *r = t->data;
    struct conductor *c = t->loop->data;

    uv_close((uv_handle_t *)t, close_timer);
    r->delay = NULL;
    enqueue(r);
    queues_pump(c);
}

struct run *queue_job(struct conductor *c, struct live *l, int job, int64_t delay_us, bool undo)
{
    struct run *r = mem_zalloc(sizeof *r);

    r->live = l;
    r->job = job;
    r->undo = undo;
    r->sibling = l->runs;
    r->before = &l->runs;
    if (r->sibling)
        r->sibling->before = &r->sibling;
    l->runs = r;
    if (!delay_us) {
        enqueue(r);
        return r;
    }
    r->delay = mem_zalloc(sizeof *r->delay);
    r->delay->data = r;
    c->loop.data = c;
    uv_timer_init(&c->loop, r->delay);
    uv_timer_start(r->delay, delay_over, (uint64_t)(delay_us / 1000), 0);
    return r;
}

/* ---- giving a job to a worker ---- */

static json_t *inputs_of(const struct job *j)
{
    json_t *list = json_array();

    for (int i = 0; i < j->input_count; i++) {
        const struct file *f = j->inputs[i];
        json_t *o = json_pack("{s:s,s:I,s:O}", "id", f->id, "size", (json_int_t)f->size, "meta", f->meta);

        jset(o, "name", f->name);
        jset(o, "basename", f->basename);
        jset(o, "ext", f->ext);
        jset(o, "mime", f->mime);
        jset(o, "type", f->type);
        jset(o, "md5", f->md5);
        jset(o, "as", j->labels[i]);
        json_array_append_new(list, o);
    }
    return list;
}

struct who {
    struct conductor *c;
    const struct assembly *a;
};

/* See struct credential_source. */
static int find_credentials(void *ctx, json_t **content, char type[static CREDENTIAL_TYPE_MAX], const char *name, struct err *err)
{
    const struct who *who = ctx;
    AUTO(mem_free) char *plain = NULL;
    struct store_credential *found = NULL;

    if (store_credential_get(&found, who->c->conf.store, who->a->workspace, name, err) < 0)
        return err->code == ERR_NOT_FOUND
                   ? err_set(err, ERR_CREDENTIALS, "There are no stored credentials named '%.100s'", name)
                   : -1;
    AUTO(mem_free) char *context = mem_printf("%s/%s", who->a->workspace, found->name);
    *content = unseal(&plain, who->c->conf.seal, context, found->sealed, err) < 0 ? NULL : json_reads(plain);
    snprintf(type, CREDENTIAL_TYPE_MAX, "%s", found->type);
    free(found);
    return *content ? 0 : -1;
}

void fail_job(struct conductor *c, struct live *l, int job, const struct err *why)
{
    static const char *const retry[] = {"never", "now", "later"};
    AUTO(json_unref) json_t *data =
        json_pack("{s:i,s:i,s:s,s:o,s:o,s:s,s:b}", "job", job, "code", why->code, "name", err_name(why), "msg",
                  jstring(why->msg), "detail", jstring(why->detail), "retry", retry[err_retry(why)],
                  "private", why->is_private_address);
    struct log job_log = {"step", l->a->in->steps[l->a->jobs[job]->step].name, &l->a->log};
    struct err err;

    log_info(&job_log, "job failed: %s: '%s'", err_name(why), why->msg);
    if (turn_apply(c, l, EV_JOB_FAILED, data, &err) < 0)
        log_debug(&job_log, "%s", err.msg);
}

/* Returns false when the job could not even begin; it is failed then. */
static bool start(struct conductor *c, struct run *r)
{
    struct live *l = r->live;
    const struct job *j = l->a->jobs[r->job];
    const struct robot *robot = robot_of(r);
    json_t *params = NULL;
    struct err err = {0};

    struct who who = {c, l->a};
    if (assembly_job_params(&params, l->a, j, c->conf.region, &(struct credential_source){find_credentials, &who}, &err) < 0) {
        int job = r->job;

        json_decref(params);
        run_free(c, r);
        fail_job(c, l, job, &err);
        return false;
    }
    struct pool_task task = {
        .role = robot->role,
        .workspace = l->a->workspace,
        .assembly_id = l->a->id,
        .robot = robot->name,
        .params = params,
        .inputs = inputs_of(j),
        .undo = r->undo ? json_incref(j->undo) : NULL,
        .timeout_s = robot->timeout_s,
        .probes = robot->flags & ROBOT_HANDLES_UPLOADS,
    };
    if (!r->undo) {
        AUTO(json_unref) json_t *data = json_pack("{s:i,s:I}", "job", r->job, "boot", (json_int_t)c->boot);

        if (turn_apply(c, l, EV_JOB_STARTED, data, &err) < 0) {
            json_decref(task.params);
            json_decref(task.inputs);
            run_free(c, r);
            return false;
        }
    }
    r->pool = pool_start(c->pool, &task, r);
    return true;
}

/* The job of the workspace that is behind; batch jobs when no live one may start. */
static struct run *take_next(struct conductor *c, int role)
{
    int64_t charged;
    struct fair_item *i = fair_take(&charged, &c->queues[role][0]);

    if (!i)
        i = fair_take(&charged, &c->queues[role][1]);
    if (!i)
        return NULL;
    struct run *r = (struct run *)((char *)i - offsetof(struct run, waiting));
    struct tenant *t = r->live->tenant;
    r->lane = lane_of(r);
    r->charged_us = charged;
    r->taken_us = clock_mono_us();
    r->prev_taken = NULL;
    r->next_taken = t->taken;
    if (t->taken)
        t->taken->prev_taken = r;
    t->taken = r;
    return r;
}

void queues_pump(struct conductor *c)
{
    if (c->draining || c->no_space)
        return;
    for (int role = 0; role < ROLE_COUNT; role++)
        for (struct run *r; pool_has_room(c->pool, (enum robot_role)role) && (r = take_next(c, role));)
            start(c, r);
}

/* ---- what workers say ---- */

static void on_room(void *ctx) { queues_pump(ctx); }
static void on_started(void *owner, struct pool_run *run) { ((struct run *)owner)->pool = run; }

static struct conductor *conductor_of;

/* data is stolen. */
static void say(struct run *r, enum event_type type, json_t *data)
{
    struct err err;

    turn_claim(conductor_of, data);
    json_object_set_new(data, "job", json_integer(r->job));
    if (turn_apply(conductor_of, r->live, type, data, &err) < 0)
        log_debug(&r->live->a->log, "%s: %s", event_name(type), err.msg);
    json_decref(data);
}

static void on_output(void *owner, struct pool_run *run, json_t *body)
{
    (void)run;
    if (!((struct run *)owner)->undo)
        say(owner, EV_JOB_OUTPUT, json_incref(body));
}

static void on_progress(void *owner, struct pool_run *run, double fraction)
{
    (void)run;
    if (!((struct run *)owner)->undo)
        say(owner, EV_JOB_PROGRESS, json_pack("{s:f}", "fraction", fraction));
}

static void on_undo(void *owner, struct pool_run *run, json_t *token)
{
    struct run *r = owner;
    struct conductor *c = conductor_of;

    if (r->undo) {
        pool_undo_ok(run);
        return;
    }
    say(r, EV_JOB_UNDO, json_pack("{s:O?}", "token", json_is_object(token) ? token : NULL));
    undo_acks_drop(c, r); /* one at a time */
    c->undo_acks = mem_realloc(c->undo_acks, (size_t)(c->undo_ack_count + 1) * sizeof *c->undo_acks);
    c->undo_acks[c->undo_ack_count++] = r;
}

static void stopped_one(struct conductor *c, struct live *l)
{
    l->stopping--;
    settle_check(c, l);
}

static void on_done(void *owner, struct pool_run *run, int64_t exec_us)
{
    struct run *r = owner;
    struct live *l = r->live;
    bool undo = r->undo;

    (void)run;
    if (!undo)
        say(r, EV_JOB_DONE, json_pack("{s:I}", "exec_us", (json_int_t)exec_us));
    run_free(conductor_of, r);
    if (undo)
        stopped_one(conductor_of, l);
}

#define FULL_MOST 20 /* a job that fills the disk by itself must end, too */
#define FULL_PAUSE_US SECOND_US

/* No fault of the job's, and no try of its: tools have a hundred ways to say that they could not write. */
static bool disk_was_full(const struct conductor *c, const struct err *why)
{
    return why->code == ERR_NOSPACE || space_above(c->conf.space.paths[1], c->conf.space.reserve) <= 0;
}

static void on_failed(void *owner, struct pool_run *run, const struct err *err)
{
    struct run *r = owner;
    struct live *l = r->live;
    bool undo = r->undo;
    int job = r->job, full = r->full;

    (void)run;
    run_free(conductor_of, r);
    if (undo) {
        log_warn(&l->a->log, "could not take back what a stopped job left behind: %s", err->msg);
        stopped_one(conductor_of, l);
        return;
    }
    /* what the dead run left at somebody else's is taken back before the next one, or by the end */
    if (l->a->jobs[job]->undo) {
        l->stopping++;
        queue_job(conductor_of, l, job, 0, true);
    }
    if (full < FULL_MOST && !assembly_is_over(l->a) && disk_was_full(conductor_of, err)) {
        log_warn(&l->a->log, "a job found the disk full and waits for room: %s", err->msg);
        queue_job(conductor_of, l, job, FULL_PAUSE_US, false)->full = full + 1;
        return;
    }
    fail_job(conductor_of, l, job, err);
}

static void on_stopped(void *owner, struct pool_run *run, int killed, int64_t freed)
{
    struct run *r = owner;
    struct live *l = r->live;
    int job = r->job;
    bool undo = r->undo;

    (void)run;
    l->processes_killed += killed;
    l->bytes_freed += freed;
    bool forsaken = r->forsaken;
    run_free(conductor_of, r);
    if (!undo && !forsaken && l->a->jobs[job]->undo) {
        l->stopping++;
        queue_job(conductor_of, l, job, 0, true);
        queues_pump(conductor_of);
    }
    stopped_one(conductor_of, l);
}

static void on_posted(void *ctx, const json_t *answer) { outbox_posted(ctx, answer); }
static void on_courier_lost(void *ctx) { outbox_courier_lost(ctx); }

void effects_open_pool_events(struct pool_events *ev, struct conductor *c)
{
    conductor_of = c; /* one conductor a process */
    *ev = (struct pool_events){
        .ctx = c,
        .room = on_room,
        .started = on_started,
        .output = on_output,
        .progress = on_progress,
        .undo = on_undo,
        .done = on_done,
        .failed = on_failed,
        .stopped = on_stopped,
        .posted = on_posted,
        .courier_lost = on_courier_lost,
    };
}

/* ---- stopping ---- */

void runs_interrupted(struct conductor *c)
{
    for (struct map_iter i = {0}; map_next(&c->live, &i);) {
        struct live *l = i.value;

        for (struct run *r = l->runs; r && !assembly_is_over(l->a) && !l->stale; r = r->sibling) {
            AUTO(json_unref) json_t *data = json_pack("{s:i}", "job", r->job);
            struct err err;

            if (r->pool && !r->undo && !r->forsaken && turn_apply(c, l, EV_JOB_INTERRUPTED, data, &err) < 0)
                log_debug(&l->a->log, "%s", err.msg);
        }
    }
}

struct upload_work {
    uv_work_t req;
    struct conductor *c;
    struct live *l;
    char id[ID_LEN + 1];
    char code[64];
    int stopped;
    int64_t freed;
};

static void stop_uploads(uv_work_t *req)
{
    struct upload_work *w = (struct upload_work *)req;

    w->c->uploads.stop(w->c->uploads.ctx, w->id, w->code, &w->stopped, &w->freed);
}

static void uploads_stopped(uv_work_t *req, int status)
{
    struct upload_work *w = (struct upload_work *)req;

    (void)status;
    w->l->uploads_stopped += w->stopped;
    w->l->bytes_freed += w->freed;
    stopped_one(w->c, w->l);
    free(w);
}

static void begin_upload_stop(struct conductor *c, struct live *l)
{
    struct upload_work *w;

    if (!c->uploads.stop)
        return;
    if (l->a->state == ASSEMBLY_COMPLETED && !l->a->tus_count)
        return; /* every body has ended, and none of its uploads is in the table */
    w = mem_zalloc(sizeof *w);
    w->c = c;
    w->l = l;
    memcpy(w->id, l->a->id, sizeof w->id);
    snprintf(w->code, sizeof w->code, "%s", assembly_code(l->a));
    l->stopping++;
    uv_queue_work(&c->loop, &w->req, stop_uploads, uploads_stopped);
}

static void sweep_work(uv_work_t *req)
{
    struct upload_work *w = (struct upload_work *)req;

    w->c->uploads.sweep(w->c->uploads.ctx);
}

static void swept(uv_work_t *req, int status)
{
    (void)status;
    free(req);
}

void sweep_uploads(struct conductor *c)
{
    struct upload_work *w = mem_zalloc(sizeof *w);

    w->c = c;
    uv_queue_work(&c->loop, &w->req, sweep_work, swept);
}

static void stop_jobs(struct conductor *c, struct live *l)
{
    for (struct run *r = l->runs, *next; r; r = next) {
        next = r->sibling;
        if (r->undo || r->forsaken)
            continue;
        if (r->pool) {
            l->stopping++;
            pool_stop(r->pool);
        } else {
            run_free(c, r);
        }
    }
}

void runs_forsake(struct conductor *c, struct live *l)
{
    for (struct run *r = l->runs, *next; r; r = next) {
        next = r->sibling;
        if (r->undo || r->forsaken)
            continue;
        if (r->pool) {
            r->forsaken = true;
            l->stopping++;
            pool_stop(r->pool);
        } else {
            run_free(c, r);
        }
    }
}

bool undo_is_queued(const struct live *l, int job)
{
    for (const struct run *r = l->runs; r; r = r->sibling)
        if (r->undo && r->job == job)
            return true;
    return false;
}

void waiters_refuse(struct conductor *c, struct live *l, const struct err *why)
{
    while (l->waiters) {
        struct waiter *w = l->waiters;

        l->waiters = w->next;
        w->reply(w->ctx, why, NULL);
        free(w);
    }
    if (l->settle_timer) {
        uv_timer_stop(l->settle_timer);
        uv_close((uv_handle_t *)l->settle_timer, close_timer);
        l->settle_timer = NULL;
    }
}

static void answer_waiters(struct conductor *c, struct live *l)
{
    while (l->waiters) {
        struct waiter *w = l->waiters;

        l->waiters = w->next;
        turn_answer(c, w->reply, w->ctx, NULL, l);
        free(w);
    }
}

static void settle(struct conductor *c, struct live *l)
{
    l->settled = true;
    if (l->settle_timer) {
        uv_timer_stop(l->settle_timer);
        uv_close((uv_handle_t *)l->settle_timer, close_timer);
        l->settle_timer = NULL;
    }
    if (l->a->cancel) {
        double duration = (double)(clock_now_us() - l->a->cancel_us) / 1e6;
        AUTO(json_unref) json_t *data = json_pack(
            "{s:{s:b,s:f,s:i,s:i,s:I}}", "receipt", "settled", 1, "duration",
            (double)(int64_t)(duration * 1000 + 0.5) / 1000, "processes_killed", l->processes_killed,
            "uploads_stopped", l->uploads_stopped, "bytes_freed", (json_int_t)l->bytes_freed);
        struct err err;

        if (turn_apply(c, l, EV_CANCEL_SETTLED, data, &err) < 0)
            log_warn(&l->a->log, "the receipt was not saved: %s", err.msg);
        live_touch_end(c, l);
        log_info(&l->a->log, "canceled: %d processes killed, %d uploads stopped, %lld bytes freed, %.0f ms",
                 l->processes_killed, l->uploads_stopped, (long long)l->bytes_freed, duration * 1000);
    }
    answer_waiters(c, l);
}

void settle_check(struct conductor *c, struct live *l)
{
    if (l->settle_due && !l->stopping && !l->settled && !l->stale)
        settle(c, l);
}

static void settle_timeout(uv_timer_t *t)
{
    struct live *l = t->data;
    struct conductor *c = conductor_of;

    uv_close((uv_handle_t *)t, close_timer);
    l->settle_timer = NULL;
    log_warn(&l->a->log, "cancel: not everything is gone after cancel_wait_ms; answering all the same");
    answer_waiters(c, l); /* settled:false; a later GET shows the final figures */
}

void settle_wait(struct conductor *c, struct live *l, conductor_reply reply, void *ctx)
{
    struct waiter *w;

    /* The cancel of this very turn has not stopped anything yet: settle_due comes with its effects. */
    if (!reply || l->settled || (!l->dirty && !l->settle_due)) {
        turn_answer(c, reply, ctx, NULL, l);
        return;
    }
    w = mem_zalloc(sizeof *w);
    *w = (struct waiter){.next = l->waiters, .reply = reply, .ctx = ctx};
    l->waiters = w;
    if (!l->settle_timer) {
        l->settle_timer = mem_zalloc(sizeof *l->settle_timer);
        l->settle_timer->data = l;
        uv_timer_init(&c->loop, l->settle_timer);
        uv_timer_start(l->settle_timer, settle_timeout, (uint64_t)(c->conf.cancel_wait_us / 1000), 0);
    }
}

/* ---- all of them ---- */

void effects_perform(struct conductor *c, struct effect_item *items, int count)
{
    for (int i = 0; i < count; i++) {
        struct live *l = items[i].live;
        struct effect *fx = &items[i].fx;

        switch (fx->type) {
        case FX_START_JOB:
            if (!assembly_is_over(l->a))
                queue_job(c, l, fx->job, fx->delay_us, false);
            break;
        case FX_STOP_JOBS: stop_jobs(c, l); break;
        case FX_STOP_UPLOADS: begin_upload_stop(c, l); break;
        case FX_TELL: published_tell(l->published, fx->name, fx->text); break;
        case FX_END:
            /* a canceled one is not over for the store until its receipt is settled: a crash in between
             * finds it open, and finishes the job */
            if (!l->a->cancel)
                live_touch_end(c, l);
            l->over_mono_us = clock_mono_us();
            l->settle_due = true;
            outbox_send(c, l);
            log_info(&l->a->log, "over: %s", assembly_code(l->a));
            settle_check(c, l);
            break;
        case FX_FRAGMENT: break; /* published already */
        }
    }
}
