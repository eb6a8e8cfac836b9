/* Jobs: in the queue, with a worker, and what workers say of them. */
#include "conductor/private.h"
#include "conductor/timer.h"

#include <string.h>

/* ---- the queue ---- */

static const struct robot *robot_of(const struct run *r)
{
    return job_robot(r->entry->a, r->entry->a->jobs[r->job]);
}

static struct fair_lane *lane_of(const struct run *r)
{
    bool batch = r->entry->a->in->steps[r->entry->a->jobs[r->job]->step].batch;

    return &r->entry->tenant->lanes[r->evaluates ? ROLE_SCRIPT : r->role][batch];
}

/* By what is known of its input now: it stays in the lane into which that puts it. */
static struct run *run_new(struct entry *e, int job)
{
    struct run *r = mem_zalloc(sizeof *r);
    const struct job *j = e->a->jobs[job];

    r->entry = e;
    r->job = job;
    r->role = robot_role_for(robot_of(r), j->input_count ? j->inputs[0]->mime : NULL);
    r->sibling = e->runs;
    r->before = &e->runs;
    if (r->sibling)
        r->sibling->before = &r->sibling;
    e->runs = r;
    return r;
}

static void delay_over(uv_timer_t *t)
{
    struct run *r = t->data;
    struct conductor *c = t->loop->data;

    timer_drop(&r->delay);
    fair_put(lane_of(r), &r->waiting);
    jobs_pump(c);
}

struct run *jobs_queue(struct conductor *c, struct entry *e, int job, int64_t delay_us)
{
    struct run *r = run_new(e, job);
    const struct job *j = e->a->jobs[job];

    r->evaluates = j->note || (e->a->in->steps[j->step].needs_engine && !j->values && !j->probe && !j->fetch);
    if (delay_us)
        r->delay = timer_new(&c->loop, delay_us, delay_over, r);
    else
        fair_put(lane_of(r), &r->waiting);
    return r;
}

static void undo_queue(struct conductor *c, struct entry *e, int job, const struct undo_tries *tries, int64_t delay_us)
{
    struct run *r = run_new(e, job);

    r->undo = true;
    r->tries = *tries;
    if (delay_us)
        r->delay = timer_new(&c->loop, delay_us, delay_over, r);
    else
        fair_put(lane_of(r), &r->waiting);
}

void jobs_queue_undo(struct conductor *c, struct entry *e, int job)
{
    settle_begin(e);
    undo_queue(c, e, job, &(struct undo_tries){.since_us = clock_mono_us()}, 0);
}

bool jobs_undo_is_queued(const struct entry *e, int job)
{
    for (const struct run *r = e->runs; r; r = r->sibling)
        if (r->undo && r->job == job)
            return true;
    return false;
}

/* ---- giving a job to a worker ---- */

#define EVALUATION_S 30 /* a script worker ends an evaluation long before, when it can */

void jobs_fail(struct conductor *c, struct entry *e, int job, const struct err *why)
{
    static const char *const retry[] = {"never", "now", "later"};
    AUTO(json_unref) json_t *data =
        json_pack("{s:i,s:i,s:s,s:o,s:o,s:i,s:s,s:b}", "job", job, "code", why->code, "name",
                  err_name(why), "msg", jstring(why->msg), "detail", jstring(why->detail), "exited", why->exited, "retry",
                  retry[err_retry(why)], "private", why->is_private_address);
    if (why->virus[0])
        json_object_set_new(data, "virus", jstring(why->virus));
    if (why->url[0]) {
        json_object_set_new(data, "url", jstring(why->url));
        json_object_set_new(data, "url_host", jstring(why->url_host));
    }
    if (why->browser_code[0])
        json_object_set_new(data, "browser_code", jstring(why->browser_code));
    struct log job_log = {"step", e->a->in->steps[e->a->jobs[job]->step].name, &e->a->log};
    struct err err;

    log_info(&job_log, "job failed: %s: '%s'", err_name(why), why->msg);
    if (turn_apply(c, e, EV_JOB_FAILED, data, &err) < 0)
        log_debug(&job_log, "%s", err.msg);
}

#define UNDO_HELD_MOST 6 /* failures: about half a minute, and what each took */

/* Its next run has waited for the other server as long as makes sense: it would find it no better. */
static void fail_held(struct conductor *c, struct entry *e, int job, const struct err *why)
{
    for (struct run *r = e->runs; r; r = r->sibling)
        if (r->job == job && !r->undo && !r->pool) {
            run_free(c, r);
            jobs_fail(c, e, job, why);
            return;
        }
}

/* why: it failed. */
static void undo_ended(struct conductor *c, struct entry *e, int job, struct undo_tries tries, const struct err *why)
{
    int64_t pause = why ? settle_undo_pause(e, &tries, why) : 0;
    bool first = !tries.failed++;

    if (pause)
        undo_queue(c, e, job, &tries, pause);
    else
        settle_undone(c, e, job, why);
    if (pause && tries.failed >= UNDO_HELD_MOST)
        fail_held(c, e, job, why);
    if (first) /* nobody waits for the next try */
        settle_one(c, e);
}

/* What is asked for (stolen) goes to a script worker: a part of the job, which has begun with it. */
static void evaluation_start(struct conductor *c, struct run *r, json_t *asks)
{
    struct pool_task task = {
        .role = ROLE_SCRIPT,
        .workspace = r->entry->a->workspace,
        .assembly_id = r->entry->a->id,
        .evaluate = asks,
        .timeout_s = EVALUATION_S,
    };
    struct err err;

    if (run_started(c, r, &err) < 0) {
        json_decref(asks);
        run_free(c, r);
        return;
    }
    r->counts = json_incref(json_object_get(asks, "counts"));
    r->pool = pool_start(c->pool, &task, r);
}

/* Into the lane of the other kind of worker. */
static void change_lane(struct run *r, bool evaluates)
{
    run_left(r);
    r->evaluates = evaluates;
    fair_put(lane_of(r), &r->waiting);
}

/* Whether a lookup needs the engine is only known with the file at hand (a text has a length), so a run may find that
 * it is in the wrong lane. Returns whether r is dealt with. */
static bool evaluated_first(struct conductor *c, struct run *r)
{
    json_t *asks = r->undo ? NULL : assembly_job_asks(r->entry->a, r->entry->a->jobs[r->job], c->conf.region);

    if (r->evaluates && asks) {
        evaluation_start(c, r, asks);
        return true;
    }
    bool must = asks != NULL;
    json_decref(asks);
    if (r->evaluates == must)
        return false;
    change_lane(r, must);
    return true;
}

#define LATER_US (SECOND_US / 10)

/* Its place at a worker is for another. */
static void run_later(struct conductor *c, struct run *r)
{
    run_left(r);
    r->delay = timer_new(&c->loop, LATER_US, delay_over, r);
}

/* What a dead run of the same job left elsewhere is still being taken back: by its path and time the other side can't
 * tell it from what this one would make. Returns whether r is dealt with. */
static bool undone_first(struct conductor *c, struct run *r)
{
    if (r->undo || r->evaluates || !jobs_undo_is_queued(r->entry, r->job))
        return false;
    run_later(c, r);
    return true;
}

/* Those that are done together with r begin with it. */
static void add_mates(struct pool_task *task, struct conductor *c, struct run *r)
{
    struct run_mate mates[ROBOT_TOGETHER_MAX - 1];
    struct err err;
    int n = mates_take(mates, c, r, task->params, task->inputs);

    for (int i = 0; i < n; i++) {
        if (run_started(c, mates[i].run, &err) < 0) { /* the turn is lost, and all of them are read again */
            json_decref(mates[i].params);
            run_free(c, mates[i].run);
            continue;
        }
        task->mates[task->mate_count++] = (struct pool_mate){mates[i].params, mates[i].run};
    }
}

/* One that can't even begin is failed, when it does not only wait. */
static void run_refused(struct conductor *c, struct run *r, bool waits, const struct err *why)
{
    struct entry *e = r->entry;
    struct undo_tries tries = r->tries;
    bool undo = r->undo;
    int job = r->job;

    if (waits) {
        run_later(c, r);
        return;
    }
    run_free(c, r);
    if (undo) /* its credentials may be gone */
        undo_ended(c, e, job, tries, why);
    else
        jobs_fail(c, e, job, why);
}

static void run_start(struct conductor *c, struct run *r)
{
    if (undone_first(c, r) || evaluated_first(c, r))
        return;
    struct entry *e = r->entry;
    const struct job *j = e->a->jobs[r->job];
    const struct robot *robot = robot_of(r);
    json_t *params = NULL, *inputs = NULL;
    struct err err = {0};
    struct given_owner owner = {c, e->a, robot, &r->renewing_us};
    struct credential_source credentials = {given_credentials, &owner};

    if (assembly_job_params(&params, e->a, j, c->conf.region, &credentials, &err) < 0 ||
        !(inputs = given_inputs(c, e->a, j, &err))) {
        json_decref(params);
        run_refused(c, r, owner.waits, &err);
        return;
    }
    struct shared_text *status = given_status(e, robot);
    struct pool_task task = {
        .role = r->role,
        .workspace = e->a->workspace,
        .assembly_id = e->a->id,
        .robot = robot->name,
        .keys = robot->keys,
        .status = status ? status->s : NULL,
        .params = params,
        .inputs = inputs,
        .undo = r->undo ? json_incref(j->undo) : NULL,
        .variables =
            robot->flags & ROBOT_SEES_VARIABLES ? assembly_job_variables(e->a, j, c->conf.region) : NULL,
        .timeout_s = robot->timeout_s,
        .encodes = robot->flags & ROBOT_ENCODES,
        .knows_hosts = robot->flags & ROBOT_KNOWS_HOSTS,
        .renews = owner.renewed,
        .probes = robot->flags & ROBOT_HANDLES_UPLOADS,
        .asks = next_may_be_asked(r),
    };
    if (!r->undo && run_started(c, r, &err) < 0) {
        json_decref(task.params);
        json_decref(task.inputs);
        json_decref(task.variables);
        shared_text_unref(status);
        run_free(c, r);
        return;
    }
    add_mates(&task, c, r);
    task.waiting = task.encodes ? jobs_waiting(c, r->role) : 0;
    r->pool = pool_start(c->pool, &task, r);
    shared_text_unref(status);
}

/* The job of the workspace that is behind; batch jobs when no live one may start. */
static struct run *run_take(struct conductor *c, int role)
{
    int64_t charged;
    struct fair_item *i = fair_take(&charged, &c->queues[role][0]);

    if (!i)
        i = fair_take(&charged, &c->queues[role][1]);
    if (!i)
        return NULL;
    struct run *r = (struct run *)((char *)i - offsetof(struct run, waiting));
    run_taken(r, lane_of(r), charged);
    return r;
}

/* Returns whether a run has gone into another lane, for which there may be room. */
static bool lane_pump(struct conductor *c, enum robot_role role)
{
    bool moved = false;

    if (jobs_waiting(c, role))
        pool_wanted(c->pool, role);
    for (struct run *r; pool_has_room(c->pool, role) && (r = run_take(c, role));) {
        bool evaluates = r->evaluates;

        run_start(c, r);
        moved |= evaluates;
    }
    return moved;
}

void jobs_pump(struct conductor *c)
{
    bool moved = true;

    while (moved && !c->draining && !c->no_space) {
        moved = false;
        for (int role = 0; role < ROLE_COUNT; role++)
            moved |= lane_pump(c, (enum robot_role)role);
    }
}

/* ---- what workers say ---- */

static void on_room(void *ctx) { jobs_pump(ctx); }
static void on_started(void *ctx, void *owner, struct pool_run *run)
{
    ((struct run *)owner)->pool = run;
}

/* data is stolen. */
static void say(struct conductor *c, struct run *r, enum event_type type, json_t *data)
{
    struct err err;

    turn_claim(c, data);
    json_object_set_new(data, "job", json_integer(r->job));
    if (turn_apply(c, r->entry, type, data, &err) < 0)
        log_debug(&r->entry->a->log, "%s: %s", event_name(type), err.msg);
    json_decref(data);
}

static void on_output(void *ctx, void *owner, struct pool_run *run, json_t *body)
{
    struct run *r = owner;
    const json_t *same = json_object_get(body, "same");

    if (r->undo)
        return;
    if (json_is_object(same) && !jbool(same, "early", false))
        found_add(ctx, r, body);
    else
        say(ctx, r, EV_JOB_OUTPUT, json_incref(body));
}

static void on_progress(void *ctx, void *owner, struct pool_run *run, double fraction)
{
    if (!((struct run *)owner)->undo)
        say(ctx, owner, EV_JOB_PROGRESS, json_pack("{s:f}", "fraction", fraction));
}

static void on_undo(void *ctx, void *owner, struct pool_run *run, json_t *token)
{
    struct run *r = owner;
    struct conductor *c = ctx;

    if (r->undo) {
        pool_undo_ok(run);
        return;
    }
    say(c, r, EV_JOB_UNDO, json_pack("{s:O?}", "token", json_is_object(token) ? token : NULL));
    acks_add(c, r);
}

/* Only a receipt speaks of it: a job that will run again makes the same once more. */
static void on_kept(void *ctx, void *owner, struct pool_run *run, int input, const char *url)
{
    struct run *r = owner;

    if (r->entry->a->cancel)
        say(ctx, r, EV_JOB_KEPT, json_pack("{s:i,s:s}", "input", input, "url", url));
}

void jobs_committed(struct conductor *c, bool ok)
{
    for (int i = 0; i < c->turn.ack_count; i++) {
        struct run *r = c->turn.acks[i];

        if (r->pool && r->host_asked)
            hosts_committed(r, ok);
        else if (r->pool && ok)
            pool_undo_ok(r->pool);
    }
    c->turn.ack_count = 0;
}

static void on_values(void *ctx, void *owner, struct pool_run *run, json_t *values)
{
    struct run *r = owner;

    r->valued = true;
    say(ctx, r, EV_JOB_VALUES, json_pack("{s:o}", "values", assembly_job_values(r->counts, values)));
}

static void on_done(void *ctx, void *owner, struct pool_run *run, int64_t exec_us)
{
    struct run *r = owner;
    struct entry *e = r->entry;
    bool undo = r->undo;
    struct undo_tries tries = r->tries;
    int job = r->job;

    if (!undo && !r->evaluates) {
        json_t *data = json_pack("{s:I}", "exec_us", (json_int_t)exec_us);

        found_into(data, ctx, r);
        say(ctx, r, EV_JOB_DONE, data);
    }
    run_free(ctx, r);
    if (undo)
        undo_ended(ctx, e, job, tries, NULL);
}

#define FULL_MOST 20 /* a job that fills the disk by itself must end, too */
#define FULL_PAUSE_US SECOND_US

/* The job is not to blame, and it is not counted as a try: tools have a hundred ways to say that
 * they could not write. */
static bool disk_was_full(const struct conductor *c, const struct err *why)
{
    return why->code == ERR_NOSPACE ||
           space_above(c->conf.space.paths[1], c->conf.space.reserve) <= 0;
}

/* A script worker has no Robots: it does not know whose parameter is wrong. */
static struct err named_failure(const struct run *r, const struct err *err)
{
    struct err why = *err;

    if (r->evaluates && why.code == ERR_ROBOT_VALIDATION && !why.name[0])
        robot_code(why.name, robot_of(r), "VALIDATION");
    return why;
}

static void on_failed(void *ctx, void *owner, struct pool_run *run, const struct err *said)
{
    struct conductor *c = ctx;
    struct run *r = owner;
    struct entry *e = r->entry;
    const struct err why = named_failure(r, said), *err = &why;
    bool undo = r->undo, had_values = r->valued, together = r->together > 0 || r->shares;
    struct undo_tries tries = r->tries;
    int job = r->job, full = r->full;

    found_tell(c, r); /* those that are known are not to blame */
    run_free(c, r);
    if (had_values) /* the job goes on by itself */
        return;
    if (undo) {
        undo_ended(c, e, job, tries, err);
        return;
    }
    if (together && !assembly_is_over(e->a)) {
        log_info(&e->a->log, "a job that failed together with others is run again alone: %s", err->msg);
        jobs_queue(c, e, job, 0)->alone = true;
        return;
    }
    /* what the dead run left on another server is taken back before the next one, or by the end */
    if (job_leaves(e->a->jobs[job]))
        jobs_queue_undo(c, e, job);
    if (full < FULL_MOST && !assembly_is_over(e->a) && disk_was_full(c, err)) {
        log_warn(&e->a->log, "a job found the disk full and waits for room: %s", err->msg);
        jobs_queue(c, e, job, FULL_PAUSE_US)->full = full + 1;
        return;
    }
    jobs_fail(c, e, job, err);
}

static void on_stopped(void *ctx, void *owner, struct pool_run *run, int killed, int64_t freed)
{
    struct conductor *c = ctx;
    struct run *r = owner;
    struct entry *e = r->entry;
    int job = r->job;
    bool leaves_something = !r->undo && !r->forsaken && job_leaves(e->a->jobs[job]);

    e->processes_killed += killed;
    e->bytes_freed += freed;
    run_free(c, r);
    if (leaves_something) {
        jobs_queue_undo(c, e, job);
        jobs_pump(c);
    }
    settle_one(c, e);
}

struct pool_events jobs_pool_events(struct conductor *c)
{
    return (struct pool_events){
        .ctx = c,
        .room = on_room,
        .started = on_started,
        .output = on_output,
        .asks = next_on_asks,
        .progress = on_progress,
        .undo = on_undo,
        .kept = on_kept,
        .host = hosts_on_host,
        .token = tokens_on_token,
        .values = on_values,
        .done = on_done,
        .failed = on_failed,
        .stopped = on_stopped,
    };
}

/* ---- stopping ---- */

void jobs_stop(struct conductor *c, struct entry *e, enum jobs_stop how)
{
    for (struct run *r = e->runs, *next; r; r = next) {
        next = r->sibling;
        if (r->undo || r->forsaken)
            continue;
        if (!r->pool) {
            run_free(c, r);
            continue;
        }
        r->forsaken = how == JOBS_FORSAKE;
        settle_begin(e);
        pool_stop(r->pool);
    }
}

bool jobs_are_running(struct conductor *c)
{
    for (struct map_iter i = {0}; map_next(&c->entries.by_id, &i);)
        for (const struct run *r = ((struct entry *)i.value)->runs; r; r = r->sibling)
            if (r->pool)
                return true;
    return false;
}

static void interrupt_runs(struct conductor *c, struct entry *e)
{
    for (struct run *r = e->runs; r && !assembly_is_over(e->a) && !e->stale; r = r->sibling) {
        AUTO(json_unref) json_t *data = json_pack("{s:i}", "job", r->job);
        struct err err;

        if (r->pool && !r->undo && !r->forsaken &&
            turn_apply(c, e, EV_JOB_INTERRUPTED, data, &err) < 0)
            log_debug(&e->a->log, "%s", err.msg);
    }
}

void jobs_interrupted(struct conductor *c)
{
    for (struct map_iter i = {0}; map_next(&c->entries.by_id, &i);)
        interrupt_runs(c, i.value);
}
