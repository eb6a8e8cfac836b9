/* Runs: a job is given to a worker, what it says is dealt with in order, and it ends or is stopped. */
#include "worker/cgroup.h"
#include "worker/pool_priv.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct log log_ctx = {"room", "worker", NULL};

/* ---- runs ---- */

static void on_timeout(uv_timer_t *t)
{
    struct pool_run *run = t->data;

    if (!run->worker || run->ended || run->stopping)
        return;
    err_set(&run->failure, ERR_TIMEOUT, "the job took longer than %d s", run->timeout_s);
    worker_kill(run->worker);
}

static void link_inputs(struct work *k)
{
    json_t *in;
    size_t i;

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
    if (w->state != WORKER_BUSY || run->stopping)
        return; /* being killed: `gone` follows */
    if (k->rc == 0 && wire_send(w->sock, MSG_JOB, json_incref(run->message), -1, &err) == 0) {
        run->sent = true;
        run->timer = mem_zalloc(sizeof *run->timer);
        run->timer->data = run;
        uv_timer_init(w->pool->conf.loop, run->timer);
        uv_timer_start(run->timer, on_timeout, (uint64_t)run->timeout_s * 1000, 0);
        return;
    }
    if (k->rc < 0)
        run->failure = err; /* else the worker has just died, and how it died is the reason */
    worker_kill(w);
}

void worker_send_job(struct worker *w)
{
    struct work *k = mem_zalloc(sizeof *k);

    w->run->working = true;
    k->fn = link_inputs;
    k->after = inputs_linked;
    k->run = w->run;
    k->dir = mem_strdup(w->dir);
    k->json = json_incref(w->run->message);
    pool_work(w->pool, k);
}

/* File name of an input inside the jail: short, with a plain extension, nothing of the user's choosing. */
static void set_input_paths(json_t *inputs)
{
    json_t *in;
    size_t i;

    json_array_foreach (inputs, i, in) {
        const char *ext = jstr_or(in, "ext", "");
        char clean[17] = "";
        size_t n = 0;

        for (; ext[n] && n < 16; n++) {
            if (!((ext[n] >= 'a' && ext[n] <= 'z') || (ext[n] >= '0' && ext[n] <= '9')))
                break;
            clean[n] = ext[n];
        }
        clean[ext[n] ? 0 : n] = 0;
        AUTO(mem_free) char *path = mem_printf("in/%zu%s%s", i, *clean ? "." : "", clean);
        json_object_set_new(in, "path", json_string(path));
    }
}

struct pool_run *pool_start(struct pool *p, const struct pool_task *task, void *owner)
{
    struct pool_run *run = mem_zalloc(sizeof *run);
    struct worker *w = worker_choose(p, task->role, task->workspace);

    set_input_paths(task->inputs);
    run->pool = p;
    run->owner = owner;
    run->last = &run->first;
    run->timeout_s = task->timeout_s ? task->timeout_s : p->conf.timeout_s;
    snprintf(run->assembly_id, sizeof run->assembly_id, "%s", task->assembly_id);
    run->message = json_pack("{s:s,s:s,s:o,s:o,s:O?,s:o?}", "robot", task->robot, "assembly",
                             task->assembly_id, "params", task->params, "inputs", task->inputs,
                             "settings", p->conf.settings, "undo", task->undo);
    run->worker = w;
    w->run = run;
    w->jobs++;
    if (!w->workspace)
        w->workspace = mem_strdup(task->workspace);
    if (w->state == WORKER_DYING) { /* spawn failed: report it from the loop, not from in here */
        err_set(&run->failure, ERR_WORKER, "no worker process could be started");
        worker_gone(w);
    } else if (w->state == WORKER_IDLE) {
        w->state = WORKER_BUSY;
        worker_send_job(w);
    }
    p->events.started(owner, run);
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
    if (w->state == WORKER_GONE) { /* died meanwhile, and finish_dead waited for us */
        worker_gone(w);
        return;
    }
    w->run = NULL;
    pool_run_free(run);
    if (w->state == WORKER_BUSY)
        w->state = WORKER_IDLE;
    pool_fill_spares(p);
    p->events.room(p->events.ctx);
}

/* The run was answered. Its worker goes on to the next one, or is replaced. */
static void release(struct pool_run *run, bool keep_worker)
{
    struct worker *w = run->worker;
    struct pool *p = run->pool;

    run->ended = true;
    if (w->state != WORKER_BUSY)
        return; /* dying already: finish_dead frees the run */
    if (!keep_worker || p->conf.isolate_jobs || w->jobs >= p->conf.worker_jobs) {
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

static void adopt(struct work *k)
{
    if (k->path) {
        struct stat st;

        if (stat(k->path, &st) == 0)
            k->bytes = st.st_size;
        k->rc = blob_adopt(k->blobs, k->id, k->path, /* synced= */ true, &k->err);
    } else {
        k->rc = blob_clone(k->blobs, k->source, k->id, &k->err);
    }
}

static void drop_blob(struct work *k) { k->bytes = blob_delete(k->blobs, k->id, NULL); }
static void blob_dropped(struct work *k) { (void)k; }

static void adopted(struct work *k)
{
    struct pool_run *run = k->run;
    struct worker *w = run->worker;

    run->working = false;
    if (run->stopping || w->state == WORKER_GONE) {
        /* nobody will ever name this blob */
        struct work *drop = mem_zalloc(sizeof *drop);

        drop->fn = drop_blob;
        drop->after = blob_dropped;
        memcpy(drop->id, k->id, sizeof drop->id);
        run->freed += k->path ? k->bytes : 0;
        pool_work(run->pool, drop);
        if (w->state == WORKER_GONE)
            worker_gone(w);
        return;
    }
    if (k->rc < 0) {
        run->failure = k->err;
        worker_kill(w);
        return;
    }
    run->pool->events.output(run->owner, run, k->json);
    pool_pump(run);
}

/* An output with contents becomes a blob first. Returns false when the message is malformed. */
static bool adopt_output(struct pool_run *run, json_t *body)
{
    json_t *file = json_object_get(body, "file"), *clone = json_object_get(body, "clone");
    const json_t *inputs = json_object_get(run->message, "inputs");
    struct work *k = mem_zalloc(sizeof *k);

    k->fn = adopt;
    k->after = adopted;
    k->run = run;
    k->json = json_incref(body);
    id_new(k->id);
    if (file) {
        const char *path = jstr_or(file, "path", "");

        /* the worker names a file in its out/ and nothing else */
        if (!str_starts(path, "out/") || strchr(path + 4, '/') || !strcmp(path + 4, "..")) {
            json_decref(k->json);
            free(k);
            return false;
        }
        k->path = mem_printf("%s/%s", run->worker->dir, path);
        json_object_set_new(file, "id", json_string(k->id));
        json_object_del(file, "path");
    } else {
        const json_t *in = json_array_get(inputs, (size_t)jint(clone, "input", 0));

        snprintf(k->source, sizeof k->source, "%s", jstr_or(in, "id", ""));
        json_object_set_new(clone, "id", json_string(k->id));
        json_object_set(body, "file", clone);
        json_object_del(body, "clone");
    }
    run->working = true;
    pool_work(run->pool, k);
    return true;
}

/* Deal with what the worker said, in order, one thing at a time. */
void pool_pump(struct pool_run *run)
{
    const struct pool_events *ev = &run->pool->events;

    while (run->first && !run->working && !run->stopping && !run->ended) {
        struct pending *m = run->first;
        AUTO(json_unref) json_t *body = m->body;
        enum message type = m->type;

        run->first = m->next;
        if (!run->first)
            run->last = &run->first;
        free(m);
        switch (type) {
        case MSG_PROGRESS: ev->progress(run->owner, run, jnum(body, "fraction", 0)); break;
        case MSG_UNDO: ev->undo(run->owner, run, json_object_get(body, "token")); break;
        case MSG_OUTPUT:
            if (!json_object_get(body, "file") && !json_object_get(body, "clone")) {
                ev->output(run->owner, run, body);
            } else if (!adopt_output(run, body)) {
                err_set(&run->failure, ERR_WORKER, "the worker named a file outside its directory");
                worker_kill(run->worker);
            }
            break;
        case MSG_DONE:
            ev->done(run->owner, run, jint(body, "exec_us", 0));
            release(run, true);
            return;
        case MSG_FAILED: {
            struct err why = {.code = (int)jint(body, "code", ERR_WORKER)};

            if (why.code <= ERR_OK || why.code >= ERR_COUNT)
                why.code = ERR_WORKER;
            snprintf(why.name, sizeof why.name, "%s", jstr_or(body, "name", ""));
            snprintf(why.msg, sizeof why.msg, "%s", jstr_or(body, "msg", ""));
            snprintf(why.detail, sizeof why.detail, "%s", jstr_or(body, "detail", ""));
            why.is_private_address = jbool(body, "private", false);
            ev->failed(run->owner, run, &why);
            release(run, false);
            return;
        }
        default: break;
        }
    }
}

void pool_undo_ok(struct pool_run *run)
{
    struct err err;

    if (run->worker->state == WORKER_BUSY && wire_send(run->worker->sock, MSG_UNDO_OK, NULL, -1, &err) < 0)
        worker_kill(run->worker);
}

void pool_stop(struct pool_run *run)
{
    run->stopping = true;
    worker_kill(run->worker);
}

int pool_post(struct pool *p, json_t *what, struct err *err)
{
    if (!p->courier && !p->closing && p->zygotes[ROLE_TRANSFER].ready) {
        p->courier = worker_spawn(p, ROLE_TRANSFER, true);
        if (p->courier->state == WORKER_DYING) {
            worker_free(p->courier);
            p->courier = NULL;
        }
    }
    if (!p->courier || p->courier->state > WORKER_BUSY) {
        json_decref(what);
        return err_set(err, ERR_BUSY, "there is no courier");
    }
    return wire_send(p->courier->sock, MSG_POST, what, -1, err);
}

void pool_scrub(struct pool *p)
{
    DIR *d = opendir(p->conf.scratch);

    for (struct dirent *e; d && (e = readdir(d));) {
        AUTO(mem_free) char *path = mem_printf("%s/%s", p->conf.scratch, e->d_name);
        const struct worker *w = p->workers;

        if (*e->d_name == '.')
            continue;
        while (w && strcmp(w->dir, path))
            w = w->next;
        if (w)
            continue;
        struct work *k = mem_zalloc(sizeof *k);
        k->fn = worker_clean_dead;
        k->after = worker_scrubbed;
        k->dir = take(path);
        pool_work(p, k);
    }
    if (d)
        closedir(d);
}

int pool_processes(const struct pool *p)
{
    int n = 0;

    for (const struct worker *w = p->workers; w; w = w->next)
        n += w->state != WORKER_GONE;
    return n;
}

int pool_open(struct pool **out, const struct pool_conf *conf, const struct pool_events *events,
              struct err *err)
{
    struct pool *p = mem_zalloc(sizeof *p);

    p->conf = *conf;
    p->events = *events;
    p->next_worker = 1;
    char note[200];
    if (scratch_open(p, err) < 0 ||
        cgroup_open(&p->cgroup, note, sizeof note, conf->cgroup ? conf->cgroup : "", err) < 0) {
        free(p);
        return -1;
    }
    log_debug(&log_ctx, "%s", note);
    for (int role = 0; role < ROLES; role++)
        p->zygotes[role] = (struct zygote){.pool = p, .role = role, .sock = -1, .said = {.fd = -1}};
    for (int role = 0; role < ROLES; role++)
        if (zygote_start(&p->zygotes[role], err) < 0) {
            pool_close(p);
            return -1;
        }
    *out = p;
    return 0;
}

void pool_close(struct pool *p)
{
    p->closing = true;
    for (int role = 0; role < ROLES; role++) {
        pool_close_poll(&p->zygotes[role].poll, &p->zygotes[role].sock); /* it exits, and its cells with it */
        said_close(&p->zygotes[role].said);
        if (p->zygotes[role].process)
            uv_process_kill(p->zygotes[role].process, SIGKILL);
    }
    for (struct worker *w = p->workers; w; w = w->next)
        pool_close_poll(&w->poll, &w->sock);
}

void pool_list(const struct pool *p, void (*cb)(void *ctx, const struct pool_worker *w), void *ctx)
{
    static const char *const states[] = {"starting", "idle", "busy", "ending"};

    for (const struct worker *w = p->workers; w; w = w->next)
        if (w->state != WORKER_GONE && !w->courier)
            cb(ctx, &(struct pool_worker){w->role, w->id, states[w->state], w->workspace, w->jobs,
                                          w->run && !w->run->ended ? w->run->owner : NULL});
}
