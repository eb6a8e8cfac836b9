/* Runs: a job is given to a worker, what it says is dealt with in order, and it ends or is stopped. */
#include "base/clock.h"
#include "worker/init.h"
#include "worker/pool_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const struct log log_ctx = {"room", "worker", NULL};

#define TAKE_MS 2000 /* a worker that reads takes its job in one */
#define MOVES_MOST 3

/* ---- failures ---- */

static void scrub(char *text, const struct pool *p, const struct worker *w)
{
    size_t data = p->hidden[0] ? strlen(p->hidden[0]) : 0;

    for (size_t i = 0; i < ARRAY_LEN(p->hidden); i++) {
        if (!p->hidden[i])
            continue;
        AUTO(mem_free) char *dir = w ? mem_printf("%s%s", p->hidden[i], w->dir + data) : NULL;

        border_scrub(text, dir, p->hidden[i]);
    }
}

/* A failure that a client may see: no path of the server's in it. */
static void fail_run(struct pool_run *run, const struct err *why)
{
    struct err told = *why;

    scrub(told.msg, run->pool, run->worker);
    scrub(told.detail, run->pool, run->worker);
    run->pool->events.failed(run->pool->events.ctx, run->owner, run, &told);
}

/* It broke a rule, or can't be heard: it is ended, and its job fails by that name. */
static void refuse_worker(struct worker *w, const struct err *why)
{
    struct pool_run *run = w->run;

    log_warn(&log_ctx, "worker %d broke the rules and is ended: %s", (int)w->pid, why->msg);
    if (worker_open_run(w) && !run->failure.code) {
        err_set(&run->failure, ERR_WORKER, "the worker broke the rules: %s", why->msg);
        run->failure.broke_rules = true;
    }
    worker_kill(w);
}

static void refuse_text(struct worker *w, enum message type, const char *why)
{
    struct err err;

    err_set(&err, ERR_WORKER, "%s %s", wire_name(type), why);
    refuse_worker(w, &err);
}

/* ---- runs ---- */

/* And all that came with it. */
static void free_run(struct pool_run *run)
{
    pool_follow_end(run);
    if (run->timer) {
        uv_timer_stop(run->timer);
        uv_close((uv_handle_t *)run->timer, pool_free_handle);
    }
    for (struct pool_run *next; run; run = next) {
        next = run->mate;
        json_decref(run->message);
        free(run);
    }
}

static void give(struct pool_run *run, struct worker *w, const char *workspace);

static void on_timeout(uv_timer_t *t)
{
    struct pool_run *run = t->data;

    if (!run->worker || !worker_open_run(run->worker) || pool_is_stopping(run))
        return;
    err_set(&run->failure, ERR_TIMEOUT, "the job took longer than %d s", run->timeout_s);
    worker_kill(run->worker);
}

/* Its worker does not read. It may be broken, or taken over by the job before and keep this one waiting: another gets
 * it, and no try is lost. */
static void move_on(struct pool_run *run)
{
    struct worker *w = run->worker;

    uv_timer_stop(run->timer);
    log_warn(&log_ctx, "worker %d did not take its job and is ended", (int)w->pid);
    if (run->moves++ >= MOVES_MOST) {
        err_set(&run->failure, ERR_WORKER, "no worker took the job");
        worker_kill(w);
        return;
    }
    w->run = NULL;
    worker_kill(w);
    give(run, worker_choose(run->pool, run->role, w->workspace), w->workspace);
    pool_fill_spares(run->pool);
}

static void on_untaken(uv_timer_t *t)
{
    struct pool_run *run = t->data;

    if (run->worker && run->worker->state == WORKER_BUSY && worker_open_run(run->worker) && !pool_is_stopping(run))
        move_on(run);
}

/* Where its outputs will lie, found before a worker has had a byte of anybody's: from then on by
 * this descriptor alone. */
static int open_out(struct worker *w, struct err *err)
{
    AUTO(fd_close) int dir = open(w->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (w->out_fd >= 0)
        return 0;
    if (dir < 0 || (w->out_fd = openat(dir, "out", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        return err_errno(err, "open the directory of a worker");
    return 0;
}

static void link_inputs(struct work *k)
{
    json_t *in;
    size_t i;

    if ((k->rc = open_out(k->worker, &k->err)) < 0)
        return;
    json_array_foreach (json_object_get(k->json, "inputs"), i, in) {
        AUTO(mem_free) char *path = mem_printf("%s/%s", k->dir, jstr_or(in, "path", ""));

        if ((k->rc = blob_link(k->blobs, jstr_or(in, "id", ""), path, &k->err)) < 0)
            return;
    }
}

static void inputs_linked(struct work *k)
{
    struct pool_run *run = k->run;
    struct worker *w = run->worker;
    struct err err = k->err;

    run->working = false;
    if (w->state == WORKER_GONE) {
        worker_gone(w);
        return;
    }
    if (w->state != WORKER_BUSY || pool_is_stopping(run))
        return; /* being killed: `gone` follows */
    if (!run->timer) {
        run->timer = mem_zalloc(sizeof *run->timer);
        run->timer->data = run;
        uv_timer_init(w->pool->conf.loop, run->timer);
    }
    if (k->rc == 0 && wire_send(w->sock, MSG_JOB, json_incref(run->message), -1, &err) == 0) {
        uint64_t ms = w->pool->conf.take_ms ? (uint64_t)w->pool->conf.take_ms : TAKE_MS;

        for (struct pool_run *r = run; r; r = r->mate)
            border_run_sent(&r->said, clock_mono_us());
        uv_timer_start(run->timer, on_untaken, ms << run->moves, 0); /* on a busy machine the next one gets more time */
        worker_listen(w);
        return;
    }
    if (k->rc == 0 && err.code == ERR_BUSY) {
        move_on(run);
        return;
    }
    if (k->rc < 0)
        run->failure = err; /* else the worker has just died, and how it died is the reason */
    worker_kill(w);
}

static void send_job(struct worker *w)
{
    struct work *k = mem_zalloc(sizeof *k);

    w->run->working = true;
    k->fn = link_inputs;
    k->after = inputs_linked;
    k->run = w->run;
    k->worker = w;
    k->dir = mem_strdup(w->dir);
    k->json = json_incref(w->run->message);
    pool_work(w->pool, k);
}

/* It starts with this worker, or starts again. */
static void give(struct pool_run *run, struct worker *w, const char *workspace)
{
    for (struct pool_run *r = run; r; r = r->mate) {
        border_run_begin(&r->said, (int)json_array_size(json_object_get(run->message, "inputs")),
                         run->probes, json_is_object(json_object_get(run->message, "undo")));
        r->worker = w;
    }
    run->said.expressions =
        (int)json_array_size(json_object_get(json_object_get(run->message, "evaluate"), "expressions"));
    run->said.knows_hosts = run->knows_hosts;
    run->said.renews = jbool(run->message, "renews", false);
    run->said.may_ask = run->asks;
    w->run = run;
    w->jobs++;
    wear_begin(w);
    if (!w->workspace)
        w->workspace = mem_strdup(workspace);
    if (w->state == WORKER_DYING) { /* spawn failed: report it from the loop, not from in here */
        err_set(&run->failure, ERR_WORKER, "no worker process could be started");
        worker_gone(w);
    } else if (w->state == WORKER_IDLE) {
        w->state = WORKER_BUSY;
        send_job(w);
    }
}

static struct pool_run *new_run(struct pool *p, struct pool_run *first, void *owner)
{
    struct pool_run *run = mem_zalloc(sizeof *run);

    run->pool = p;
    run->owner = owner;
    run->first = first ? first : run;
    return run;
}

/* What the others are to do is in the first one's message. */
static void add_mates(struct pool_run *first, const struct pool_task *task)
{
    json_t *all = json_array();
    struct pool_run **last = &first->mate;

    for (int i = 0; i < task->mate_count; i++) {
        *last = new_run(first->pool, first, task->mates[i].owner);
        last = &(*last)->mate;
        json_array_append_new(all, task->mates[i].params);
    }
    json_object_set_new(first->message, "mates", all);
}

struct pool_run *pool_start(struct pool *p, const struct pool_task *task, void *owner)
{
    struct pool_run *run = new_run(p, NULL, owner);

    run->role = task->role;
    run->probes = task->probes;
    run->asks = task->asks && !p->conf.isolate_jobs;
    run->knows_hosts = task->knows_hosts;
    run->timeout_s = pool_timeout(p, task);
    snprintf(run->assembly_id, sizeof run->assembly_id, "%s", task->assembly_id);
    run->message = pool_message(p, task);
    if (task->mate_count)
        add_mates(run, task);
    give(run, worker_choose(p, task->role, task->workspace), task->workspace);
    for (struct pool_run *r = run; r; r = r->mate)
        p->events.started(p->events.ctx, r->owner, r);
    pool_fill_spares(p);
    return run;
}

static void clean_used(struct work *k)
{
    AUTO(mem_free) char *in = mem_printf("%s/in", k->dir);
    AUTO(mem_free) char *out = mem_printf("%s/out", k->dir);

    empty_dir(in, false);
    empty_dir(out, false);
}

static void used_cleaned(struct work *k)
{
    struct worker *w = k->worker;
    struct pool *p = w->pool;
    struct pool_run *run = w->run;

    run->working = false;
    if (w->state == WORKER_GONE) { /* died meanwhile, and on_gone() waited for us */
        worker_gone(w);
        return;
    }
    w->run = NULL;
    free_run(run);
    if (w->state == WORKER_BUSY)
        w->state = WORKER_IDLE;
    worker_listen(w);
    pool_fill_spares(p);
    p->events.room(p->events.ctx);
}

/* The run was answered. When all that its worker has are, that goes on to the next, or is replaced. */
static void release(struct pool_run *run, bool keep_worker)
{
    struct worker *w = run->worker;
    struct pool *p = run->pool;

    run->ended = true;
    run = run->first;
    run->spoiled |= !keep_worker;
    if (!worker_open_run(w))
        pool_follow_end(run);
    if (w->state != WORKER_BUSY || worker_open_run(w))
        return; /* dying already: on_gone() frees the run */
    /* who has started a browser can't end it */
    if (wear_end(w, run) || run->spoiled || p->conf.isolate_jobs || w->role == ROLE_BROWSER) {
        worker_kill(w);
        return;
    }
    if (run->timer)
        uv_timer_stop(run->timer);
    struct work *k = mem_zalloc(sizeof *k);
    run->working = true;
    k->fn = clean_used;
    k->after = used_cleaned;
    k->worker = w;
    k->dir = mem_strdup(w->dir);
    pool_work(p, k);
}

static void hear_failed(struct pool_run *run, const json_t *body)
{
    struct err why = {.code = (int)jint(body, "code", ERR_WORKER)};

    snprintf(why.name, sizeof why.name, "%s", jstr_or(body, "name", ""));
    snprintf(why.msg, sizeof why.msg, "%s", jstr_or(body, "msg", ""));
    snprintf(why.detail, sizeof why.detail, "%s", jstr_or(body, "detail", ""));
    why.exited = (int)jint(body, "exited", 0);
    why.is_private_address = jbool(body, "private", false);
    snprintf(why.virus, sizeof why.virus, "%s", jstr_or(body, "virus", ""));
    snprintf(why.url, sizeof why.url, "%s", jstr_or(body, "url", ""));
    snprintf(why.url_host, sizeof why.url_host, "%s", jstr_or(body, "url_host", ""));
    snprintf(why.browser_code, sizeof why.browser_code, "%s", jstr_or(body, "browser_code", ""));
    fail_run(run, &why);
    release(run, false);
}

/* All of its jobs came in one message. */
static void hear_taken(struct pool_run *run)
{
    for (struct pool_run *r = run->mate; r; r = r->mate)
        r->said.taken = true;
    wear_taken(run);
    uv_timer_start(run->timer, on_timeout, (uint64_t)run->timeout_s * 1000, 0);
    pool_follow(run);
}

/* An output without contents. */
static void hear_told(struct pool_run *run, json_t *body)
{
    const struct pool_events *ev = &run->pool->events;

    json_object_del(json_object_get(body, "same"), "asks"); /* is between it and us */
    ev->output(ev->ctx, run->owner, run, body);
    if (run->said.next_open)
        ev->asks(ev->ctx, run->owner, run);
}

/* What may be said, and may be said now. */
static void hear_run(struct pool_run *run, enum message type, json_t *body)
{
    const struct pool_events *ev = &run->pool->events;

    switch (type) {
    case MSG_TAKEN: hear_taken(run); break;
    case MSG_PROGRESS: ev->progress(ev->ctx, run->owner, run, jnum(body, "fraction", 0)); break;
    case MSG_KEPT:
        ev->kept(ev->ctx, run->owner, run, (int)jint(body, "input", 0), jstr_or(body, "url", ""));
        break;
    case MSG_UNDO: ev->undo(ev->ctx, run->owner, run, json_object_get(body, "token")); break;
    case MSG_OUTPUT:
        wear_output(run, body);
        if (json_is_object(json_object_get(body, "file")) || json_is_object(json_object_get(body, "clone")))
            pool_adopt(run, body);
        else
            hear_told(run, body);
        break;
    case MSG_HOST:
        if (!pool_hear_host(run, body))
            refuse_text(run->worker, type, "is about a host that the job does not name");
        break;
    case MSG_TOKEN: ev->token(ev->ctx, run->owner, run, jstr_or(body, "refused", "")); break;
    case MSG_VALUES: ev->values(ev->ctx, run->owner, run, json_object_get(body, "values")); break;
    case MSG_DONE:
        ev->done(ev->ctx, run->owner, run, jint(body, "exec_us", 0));
        release(run, true);
        break;
    case MSG_FAILED: hear_failed(run, body); break;
    default: break;
    }
}

static void hear_courier(struct worker *w, enum message type, json_t *body)
{
    if (type == MSG_UP && w->state == WORKER_STARTING)
        w->state = WORKER_IDLE;
    else if (type == MSG_POSTED && map_del(&w->pool->posts, jstr_or(body, "id", "")))
        w->pool->events.posted(w->pool->events.ctx, body);
    else
        refuse_text(w, type, type == MSG_UP ? "comes twice" : "is about what it does not have");
}

static void hear_new(struct worker *w, enum message type, json_t *body)
{
    if (type == MSG_UP) {
        w->state = w->run ? WORKER_BUSY : WORKER_IDLE;
        if (w->run)
            send_job(w);
    } else if (type == MSG_FAILED) {
        struct err why = {.code = ERR_WORKER};

        snprintf(why.msg, sizeof why.msg, "a worker could not enter its jail: %s", jstr_or(body, "msg", ""));
        scrub(why.msg, w->pool, w);
        log_error(&log_ctx, "%s", why.msg);
        if (w->run)
            w->run->failure = why;
        w->pool->zygotes[w->role].deaths++;
    } else {
        refuse_text(w, type, "comes before it is up");
    }
}

/* The one that is meant. NULL: the worker does not have it. */
static struct pool_run *run_of(const struct worker *w, const json_t *body)
{
    struct pool_run *run = w->run;

    for (int64_t n = jint(body, "job", 0); run && n > 0; n--)
        run = run->mate;
    return run;
}

/* What this worker said, checked by border_recv(): dealt with at once. */
static void on_message(struct worker *w, enum message type, json_t *body, size_t bytes)
{
    struct pool_run *run = run_of(w, body);
    struct err err;

    if (w->courier)
        hear_courier(w, type, body);
    else if (w->state == WORKER_STARTING)
        hear_new(w, type, body);
    else if (!w->run)
        refuse_text(w, type, "comes without a job");
    else if (!run)
        refuse_text(w, type, "is about a job that it does not have");
    else if (border_check(&run->said, type, body, bytes, clock_mono_us(), &err) < 0)
        refuse_worker(w, &err);
    else
        hear_run(run, type, body);
}

static void why_it_died(struct err *err, const struct worker *w)
{
    int sig = WIFSIGNALED(w->status) ? WTERMSIG(w->status) : 0;

    if (w->over == CELL_OVER_MEMORY)
        err_set(err, ERR_COMMAND, "the job's processes held more memory than the limit (job_memory_mb)");
    else if (w->over == CELL_OVER_SCRATCH)
        err_set(err, ERR_COMMAND, "the job's files were larger than the limit for all of them (job_scratch_size)");
    else if (w->over == CELL_OVER_FILES)
        err_set(err, ERR_COMMAND, "the job made more files, or deeper directories, than a job may");
    else if (sig == SIGXFSZ)
        err_set(err, ERR_COMMAND, "the job wrote a file larger than the limit (job_file_size)");
    else if (sig == SIGXCPU)
        err_set(err, ERR_TIMEOUT, "the job used more processor time than allowed");
    else if (sig)
        err_set(err, ERR_WORKER, "the worker process was ended by signal %d (%s)", sig, strsignal(sig));
    else
        err_set(err, ERR_WORKER, "the worker process ended with status %d", WEXITSTATUS(w->status));
}

/* Of all that it had: those that were not over, each by its own end. What it has cost is told once. */
static void end_runs(struct pool_run *run, const struct worker *w)
{
    const struct pool_events *ev = &run->pool->events;
    struct err why = run->failure;
    bool told = false;

    if (!why.code)
        why_it_died(&why, w);
    for (struct pool_run *r = run; r; r = r->mate) {
        if (r->ended)
            continue;
        if (!r->stopping) {
            fail_run(r, &why);
            continue;
        }
        ev->stopped(ev->ctx, r->owner, r, told ? 0 : w->killed, told ? 0 : run->freed);
        told = true;
    }
}

static void on_gone(struct worker *w)
{
    struct pool_run *run = w->run;
    struct pool *p = w->pool;

    if (run) {
        if (run->working) /* a thread still adopts an output: it calls worker_gone() again */
            return;
        w->run = NULL;
        end_runs(run, w);
        free_run(run);
    }
    worker_free(w);
    pool_fill_spares(p);
    p->events.room(p->events.ctx);
}

const struct worker_events pool_hears = {on_message, refuse_worker, on_gone};

/* ---- what others may ask for ---- */

/* It is at work at once: its worker waits. */
static struct pool_run *begin_next(struct pool_run *run, const struct pool_task *task, void *owner)
{
    struct pool_run *next = new_run(run->pool, run, owner);
    json_t *input = json_array_get(task->inputs, 0);

    next->role = run->role;
    next->worker = run->worker;
    next->message = pool_message(run->pool, task);
    jset(input, "path", jstr(json_array_get(json_object_get(run->message, "inputs"), 0), "path"));
    border_run_begin(&next->said, (int)json_array_size(task->inputs), false, false);
    border_run_sent(&next->said, clock_mono_us());
    next->said.taken = true;
    run->mate = next;
    run->worker->jobs++;
    wear_begin(run->worker);
    run->timeout_s += pool_timeout(run->pool, task);
    uv_timer_start(run->timer, on_timeout, (uint64_t)run->timeout_s * 1000, 0);
    return next;
}

struct pool_run *pool_next(struct pool_run *run, const struct pool_task *task, void *owner)
{
    struct pool_run *next = task ? begin_next(run, task, owner) : NULL;
    struct worker *w = run->worker;
    struct err err;

    run->said.next_open = false;
    if (w->state == WORKER_BUSY &&
        wire_send(w->sock, MSG_NEXT, next ? json_incref(next->message) : NULL, -1, &err) < 0)
        worker_kill(w);
    return next;
}

void pool_undo_ok(struct pool_run *run)
{
    struct err err;
    run->said.undo_open = false;
    if (run->worker->state == WORKER_BUSY && wire_send(run->worker->sock, MSG_UNDO_OK, NULL, -1, &err) < 0)
        worker_kill(run->worker);
}

void pool_stop(struct pool_run *run)
{
    run->stopping = true;
    run->first->unwanted = true;
    worker_kill(run->worker);
}
