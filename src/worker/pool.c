#include "worker/pool.h"
#include "base/id.h"
#include "base/log.h"
#include "worker/wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ROLES 2

enum worker_state {
    WORKER_STARTING, /* forked, warming up */
    WORKER_IDLE,
    WORKER_BUSY,     /* has a run, or its directory is being emptied */
    WORKER_DYING,    /* SIGKILL is on its way */
    WORKER_GONE,     /* every process reaped; its directory may still be there */
};

struct worker {
    struct worker *next;
    struct pool *pool;
    int64_t id;
    enum robot_role role;
    enum worker_state state;
    pid_t pid;
    int sock, status, killed;
    uv_poll_t *poll;
    char *dir;
    char *workspace; /* NULL: any */
    int jobs;
    bool courier;
    bool cleaning, clean_again; /* of a dead one: a thread is at its directory; and once more after that */
    struct pool_run *run;
};

struct pending { /* what a worker said and we have not dealt with: in order */
    struct pending *next;
    enum message type;
    json_t *body;
};

struct pool_run {
    struct pool *pool;
    struct worker *worker;
    void *owner;
    char assembly_id[ID_LEN + 1];
    json_t *message;
    int timeout_s;
    uv_timer_t *timer;
    struct pending *first, **last;
    bool working;  /* a thread is at it */
    bool sent;     /* the worker has the job */
    bool stopping; /* pool_stop() */
    bool ended;    /* done or failed was reported */
    int64_t freed;
    struct err failure; /* why it was killed; code 0: by pool_stop or by itself */
};

struct zygote {
    struct pool *pool;
    enum robot_role role;
    uv_process_t *process;
    uv_poll_t *poll;
    int sock;
    bool ready;
    int deaths;
};

struct pool {
    struct pool_conf conf;
    struct pool_events events;
    struct zygote zygotes[ROLES];
    struct worker *workers, *courier;
    int64_t next_worker;
    bool closing;
};

static const struct log log_ctx = {"room", "worker", NULL};
static const char *const programs[ROLES] = {"workcell-media", "workcell-transfer"};

static void fill_spares(struct pool *p);
static void pump(struct pool_run *run);
static void worker_gone(struct worker *w);
static int zygote_start(struct zygote *z, struct err *err);

/* ---- work for libuv's threads ---- */

struct work {
    uv_work_t req;
    void (*fn)(struct work *);
    void (*after)(struct work *);
    struct worker *worker;
    struct pool_run *run;
    struct blob_store *blobs;
    char *dir, *path;
    json_t *json;
    char id[ID_LEN + 1], source[ID_LEN + 1];
    bool remove_dir;
    int rc;
    int64_t bytes;
    struct err err;
};

static void work_run(uv_work_t *req) { ((struct work *)req)->fn((struct work *)req); }

static void work_after(uv_work_t *req, int status)
{
    struct work *w = (struct work *)req;

    (void)status;
    w->after(w);
    free(w->dir);
    free(w->path);
    json_decref(w->json);
    free(w);
}

static void queue_work(struct pool *p, struct work *w)
{
    w->blobs = p->conf.blobs;
    uv_queue_work(p->conf.loop, &w->req, work_run, work_after);
}

/* Remove everything in dir (one level of it at a time), and dir itself if asked. Returns bytes. */
static int64_t empty_dir(const char *path, bool and_itself)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int64_t bytes = 0;

    if (!d)
        return 0;
    while ((e = readdir(d))) {
        struct stat st;

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            AUTO(mem_free) char *below = mem_printf("%s/%s", path, e->d_name);

            bytes += empty_dir(below, true);
        } else if (unlinkat(dirfd(d), e->d_name, 0) == 0 && st.st_nlink == 1) {
            bytes += st.st_size; /* a link to a blob frees nothing */
        }
    }
    closedir(d);
    if (and_itself)
        rmdir(path);
    return bytes;
}

/* ---- zygotes ---- */

static void close_handle(uv_handle_t *h)
{
    free(h);
}

static void close_poll(uv_poll_t **poll, int *sock)
{
    if (*poll) {
        uv_poll_stop(*poll);
        uv_close((uv_handle_t *)*poll, close_handle);
        *poll = NULL;
    }
    if (*sock >= 0)
        close(*sock);
    *sock = -1;
}

static struct worker *find_worker(struct pool *p, int64_t id)
{
    struct worker *w = p->workers;

    while (w && w->id != id)
        w = w->next;
    return w;
}

static void on_zygote(uv_poll_t *poll, int status, int events)
{
    struct zygote *z = poll->data;

    (void)events;
    for (;;) {
        enum message type;
        AUTO(json_unref) json_t *body = NULL;
        int fd = -1;
        struct err err;
        int rc = status < 0 ? 0 : wire_recv(z->sock, &type, &body, &fd, &err);

        if (rc < 0 && err.code == ERR_BUSY)
            return;
        if (rc <= 0) {
            uv_poll_stop(poll); /* on_zygote_exit deals with it */
            if (rc < 0 && z->process) { /* alive, but nobody hears it any more */
                log_warn(&log_ctx, "%s can't be understood and is started again: %s", programs[z->role], err.msg);
                uv_process_kill(z->process, SIGKILL);
            }
            return;
        }
        fd_close(fd);
        struct worker *w = find_worker(z->pool, jint(body, "worker", -1));
        if (type == MSG_READY) {
            AUTO(mem_free) char *notes = json_text(json_object_get(body, "notes"));

            z->ready = true;
            z->deaths = 0;
            z->pool->events.room(z->pool->events.ctx);
            log_debug(&log_ctx, "%s is ready: %s", programs[z->role], notes);
            if (!jbool(body, "complete", true))
                log_warn(&log_ctx, "the jail of %s is not complete: %s", programs[z->role], notes);
            fill_spares(z->pool);
        } else if (type == MSG_SPAWNED && w) {
            w->pid = (pid_t)jint(body, "pid", 0);
            if (!w->pid) {
                log_error(&log_ctx, "fork of a %s worker failed: %s", programs[z->role],
                          jstr_or(body, "error", ""));
                worker_gone(w);
            }
        } else if (type == MSG_GONE && w) {
            w->status = (int)jint(body, "status", 0);
            w->killed = (int)jint(body, "killed", 0);
            worker_gone(w);
        }
    }
}

static void on_zygote_exit(uv_process_t *process, int64_t status, int signal)
{
    struct zygote *z = process->data;
    struct pool *p = z->pool;
    struct err err;

    uv_close((uv_handle_t *)process, close_handle);
    z->process = NULL;
    z->ready = false;
    close_poll(&z->poll, &z->sock);
    if (p->closing)
        return;
    log_error(&log_ctx, "%s ended (status %d, signal %d)%s", programs[z->role], (int)status, signal,
              z->deaths < 5 ? "; starting it again" : "; giving up");
    /* its workers die with it (PDEATHSIG) */
    for (struct worker *w = p->workers, *next; w; w = next) {
        next = w->next;
        if (w->role == z->role && w->state != WORKER_GONE) {
            if (w->pid > 0)
                kill(-w->pid, SIGKILL);
            w->status = SIGKILL;
            worker_gone(w);
        }
    }
    if (z->deaths++ < 5 && zygote_start(z, &err) < 0)
        log_error(&log_ctx, "%s", err.msg);
}

static int zygote_start(struct zygote *z, struct err *err)
{
    struct pool *p = z->pool;
    int pair[2];
    char memory[32], file[32], level[8];
    AUTO(mem_free) char *path = mem_printf("%s/%s", p->conf.program_dir, programs[z->role]);

    if (access(path, X_OK) < 0)
        return err_errno(err, "the worker program '%s'", path);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, "socketpair");
    snprintf(memory, sizeof memory, "%lld", (long long)p->conf.memory_bytes);
    snprintf(file, sizeof file, "%lld", (long long)p->conf.file_bytes);
    snprintf(level, sizeof level, "%d", p->conf.log_level);
    /* nothing of the server's environment: it may hold secrets */
    /* large buffers in pages of 2 MB: they are filled in a third of the time, and a killed worker gives them back in a
     * twentieth (docs/decisions.md) */
    char *env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8",         "VIPS_WARNING=0",
                   "MALLOC_ARENA_MAX=2", "HOME=/nonexistent",    "TMPDIR=out",
                   "ASAN_OPTIONS=detect_leaks=0", "GLIBC_TUNABLES=glibc.malloc.hugetlb=1", NULL};
    char *argv[] = {path, "--zygote", memory, file, p->conf.require_jail ? "1" : "0", level, NULL};
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
        {.flags = UV_INHERIT_FD, .data.fd = pair[1]},
    };
    uv_process_options_t options = {.exit_cb = on_zygote_exit, .file = path, .args = argv,
                                    .env = env, .stdio = stdio, .stdio_count = 4};
    z->process = mem_zalloc(sizeof *z->process);
    z->process->data = z;
    int rc = uv_spawn(p->conf.loop, z->process, &options);
    close(pair[1]);
    if (rc < 0) {
        close(pair[0]);
        uv_close((uv_handle_t *)z->process, close_handle);
        z->process = NULL;
        return err_set(err, ERR_IO, "start '%s': %s", path, uv_strerror(rc));
    }
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    z->sock = pair[0];
    z->poll = mem_zalloc(sizeof *z->poll);
    z->poll->data = z;
    uv_poll_init(p->conf.loop, z->poll, z->sock);
    uv_poll_start(z->poll, UV_READABLE, on_zygote);
    return 0;
}

/* ---- workers ---- */

static void worker_kill(struct worker *w)
{
    struct err err;

    if (w->state == WORKER_DYING || w->state == WORKER_GONE)
        return;
    w->state = WORKER_DYING;
    if (wire_send(w->pool->zygotes[w->role].sock, MSG_KILL,
                  json_pack("{s:I}", "worker", (json_int_t)w->id), -1, &err) < 0 &&
        w->pid > 0)
        kill(-w->pid, SIGKILL);
}

static void run_free(struct pool_run *run)
{
    for (struct pending *m = run->first, *next; m; m = next) {
        next = m->next;
        json_decref(m->body);
        free(m);
    }
    if (run->timer) {
        uv_timer_stop(run->timer);
        uv_close((uv_handle_t *)run->timer, close_handle);
    }
    json_decref(run->message);
    free(run);
}

static void worker_free(struct worker *w)
{
    for (struct worker **p = &w->pool->workers; *p; p = &(*p)->next)
        if (*p == w) {
            *p = w->next;
            break;
        }
    free(w->dir);
    free(w->workspace);
    free(w);
}

static void why_it_died(struct err *err, const struct worker *w)
{
    int sig = WIFSIGNALED(w->status) ? WTERMSIG(w->status) : 0;

    if (sig == SIGXFSZ)
        err_set(err, ERR_COMMAND, "the job wrote a file larger than the limit (job_file_size)");
    else if (sig == SIGXCPU)
        err_set(err, ERR_TIMEOUT, "the job used more processor time than allowed");
    else if (sig)
        err_set(err, ERR_WORKER, "the worker process was ended by signal %d (%s)", sig, strsignal(sig));
    else
        err_set(err, ERR_WORKER, "the worker process ended with status %d", WEXITSTATUS(w->status));
}

static bool take_flag(bool *flag)
{
    bool was = *flag;

    *flag = false;
    return was;
}

static void finish_dead(struct work *k)
{
    struct worker *w = k->worker;
    struct pool_run *run = w->run;
    struct pool *p = w->pool;

    w->cleaning = false;
    if (run)
        run->freed += k->bytes;
    if (take_flag(&w->clean_again)) {
        worker_gone(w);
        return;
    }
    if (run) {
        if (run->working) { /* a thread still adopts an output: it calls worker_gone again */
            w->run = run;
            return;
        }
        w->run = NULL;
        if (run->stopping) {
            p->events.stopped(run->owner, run, w->killed, run->freed);
        } else if (!run->ended) {
            struct err why = run->failure;

            if (!why.code)
                why_it_died(&why, w);
            p->events.failed(run->owner, run, &why);
        }
        run_free(run);
    }
    worker_free(w);
    fill_spares(p);
    p->events.room(p->events.ctx);
}

static void scrubbed(struct work *k)
{
    if (k->bytes)
        log_info(&log_ctx, "scrub: removed '%s', %lld bytes", k->dir, (long long)k->bytes);
}

static void clean_dead(struct work *k) { k->bytes = empty_dir(k->dir, true); }

/* All its processes are reaped. */
static void worker_gone(struct worker *w)
{
    struct work *k;

    w->state = WORKER_GONE;
    close_poll(&w->poll, &w->sock);
    if (w == w->pool->courier) {
        w->pool->courier = NULL;
        w->pool->events.courier_lost(w->pool->events.ctx);
    }
    /* asked again while a thread cleans: what another thread put there meanwhile must go, too; and only one may free w */
    if (w->cleaning) {
        w->clean_again = true;
        return;
    }
    w->cleaning = true;
    k = mem_zalloc(sizeof *k);
    k->fn = clean_dead;
    k->after = finish_dead;
    k->worker = w;
    k->dir = mem_strdup(w->dir);
    queue_work(w->pool, k);
}

static void remember(struct pool_run *run, enum message type, json_t *body)
{
    struct pending *m = mem_zalloc(sizeof *m);

    m->type = type;
    m->body = json_incref(body);
    *run->last = m;
    run->last = &m->next;
}

static void worker_send_job(struct worker *w);

static void on_worker(uv_poll_t *poll, int status, int events)
{
    struct worker *w = poll->data;

    (void)events;
    while (w->sock >= 0) {
        enum message type;
        AUTO(json_unref) json_t *body = NULL;
        int fd = -1;
        struct err err;
        int rc = status < 0 ? 0 : wire_recv(w->sock, &type, &body, &fd, &err);

        if (rc < 0 && err.code == ERR_BUSY)
            return;
        if (rc <= 0) {
            if (rc < 0)
                log_warn(&log_ctx, "worker %d talks nonsense and is killed: %s", (int)w->pid, err.msg);
            uv_poll_stop(poll);
            worker_kill(w); /* the zygote reports the rest */
            return;
        }
        fd_close(fd);
        if (type == MSG_UP && w->state == WORKER_STARTING) {
            w->state = w->run ? WORKER_BUSY : WORKER_IDLE;
            if (w->run)
                worker_send_job(w);
        } else if (type == MSG_POSTED && w->courier) {
            w->pool->events.posted(w->pool->events.ctx, body);
        } else if (w->state == WORKER_STARTING && type == MSG_FAILED) {
            log_error(&log_ctx, "a %s worker could not enter its jail: %s", programs[w->role],
                      jstr_or(body, "msg", ""));
            if (w->run)
                err_set(&w->run->failure, ERR_WORKER, "%s", jstr_or(body, "msg", ""));
            w->pool->zygotes[w->role].deaths++;
        } else if (w->state == WORKER_BUSY && w->run && !w->run->stopping &&
                   (type == MSG_OUTPUT || type == MSG_DONE || type == MSG_FAILED ||
                    type == MSG_PROGRESS || type == MSG_UNDO)) {
            remember(w->run, type, body);
            pump(w->run);
        }
    }
}

static struct worker *worker_spawn(struct pool *p, enum robot_role role, bool courier)
{
    struct worker *w = mem_zalloc(sizeof *w);
    struct zygote *z = &p->zygotes[role];
    struct err err;
    int pair[2];

    w->pool = p;
    w->role = role;
    w->courier = courier;
    w->id = p->next_worker++;
    w->sock = -1;
    w->dir = mem_printf("%s/%s-%d", p->conf.scratch, role == ROLE_MEDIA ? "media" : "transfer", (int)w->id);
    AUTO(mem_free) char *in = mem_printf("%s/in", w->dir);
    AUTO(mem_free) char *out = mem_printf("%s/out", w->dir);
    w->next = p->workers;
    p->workers = w;
    if (mkdir(w->dir, 0755) < 0 || mkdir(in, 0755) < 0 || mkdir(out, 0755) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        log_error(&log_ctx, "no directory or socket for a worker: %s", strerror(errno));
        w->state = WORKER_DYING;
        return w;
    }
    int rc = wire_send(z->sock, MSG_SPAWN,
                       json_pack("{s:I,s:s,s:b}", "worker", (json_int_t)w->id, "dir", w->dir, "courier", courier), pair[1],
                       &err);
    bool dead = rc < 0 && (errno == EPIPE || errno == ECONNRESET);
    close(pair[1]);
    if (rc < 0) {
        /* the zygote has just died, and its end is about to be told: until then nothing more is asked of it */
        z->ready = z->ready && !dead;
        log_write(dead ? LOG_INFO : LOG_ERROR, &log_ctx, "no worker: %s", err.msg);
        close(pair[0]);
        w->state = WORKER_DYING;
        return w;
    }
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    w->sock = pair[0];
    w->poll = mem_zalloc(sizeof *w->poll);
    w->poll->data = w;
    uv_poll_init(p->conf.loop, w->poll, w->sock);
    uv_poll_start(w->poll, UV_READABLE, on_worker);
    return w;
}

static int count(const struct pool *p, enum robot_role role, bool busy_only)
{
    int n = 0;

    for (const struct worker *w = p->workers; w; w = w->next)
        n += w->role == role && !w->courier && (busy_only ? w->run != NULL : w->state < WORKER_DYING);
    return n;
}

bool pool_has_room(const struct pool *p, enum robot_role role)
{
    return !p->closing && p->zygotes[role].ready && count(p, role, true) < p->conf.workers[role];
}

/* One worker that belongs to nobody is kept warm, beside those that work. */
static void fill_spares(struct pool *p)
{
    for (int role = 0; role < ROLES && !p->closing; role++) {
        bool spare = false;

        for (struct worker *w = p->workers; w; w = w->next)
            spare |= w->role == (enum robot_role)role && !w->courier && !w->workspace && !w->run &&
                     (w->state == WORKER_STARTING || w->state == WORKER_IDLE);
        if (spare || !p->zygotes[role].ready || p->zygotes[role].deaths >= 5 ||
            count(p, role, false) > p->conf.workers[role])
            continue;
        struct worker *w = worker_spawn(p, role, false);
        if (w->state == WORKER_DYING)
            worker_free(w);
    }
}

static struct worker *choose(struct pool *p, enum robot_role role, const char *workspace)
{
    struct worker *best = NULL, *foreign = NULL;
    int rank = 0;

    for (struct worker *w = p->workers; w; w = w->next) {
        if (w->role != role || w->courier || w->run || w->state > WORKER_IDLE)
            continue;
        bool mine = w->workspace && !strcmp(w->workspace, workspace);
        int r = w->workspace && !mine        ? 0
                : mine                       ? 4
                : w->state == WORKER_IDLE    ? 3
                                             : 2;
        if (r == 0)
            foreign = w;
        if (r > rank) {
            rank = r;
            best = w;
        }
    }
    if (best)
        return best;
    if (foreign && count(p, role, false) > p->conf.workers[role])
        worker_kill(foreign); /* make room: it may not serve this workspace */
    return worker_spawn(p, role, false);
}

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

static void worker_send_job(struct worker *w)
{
    struct work *k = mem_zalloc(sizeof *k);

    w->run->working = true;
    k->fn = link_inputs;
    k->after = inputs_linked;
    k->run = w->run;
    k->dir = mem_strdup(w->dir);
    k->json = json_incref(w->run->message);
    queue_work(w->pool, k);
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
    struct worker *w = choose(p, task->role, task->workspace);

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
    fill_spares(p);
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
    run_free(run);
    if (w->state == WORKER_BUSY)
        w->state = WORKER_IDLE;
    fill_spares(p);
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
    queue_work(p, k);
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
        queue_work(run->pool, drop);
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
    pump(run);
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
    queue_work(run->pool, k);
    return true;
}

/* Deal with what the worker said, in order, one thing at a time. */
static void pump(struct pool_run *run)
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
        k->fn = clean_dead;
        k->after = scrubbed;
        k->dir = take(path);
        queue_work(p, k);
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
    if (mkdir(conf->scratch, 0755) < 0 && errno != EEXIST) {
        free(p);
        return err_errno(err, "make '%s'", conf->scratch);
    }
    empty_dir(conf->scratch, false); /* what an earlier process left */
    for (int role = 0; role < ROLES; role++)
        p->zygotes[role] = (struct zygote){.pool = p, .role = role, .sock = -1};
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
        close_poll(&p->zygotes[role].poll, &p->zygotes[role].sock); /* it exits, PDEATHSIG does the rest */
        if (p->zygotes[role].process)
            uv_process_kill(p->zygotes[role].process, SIGKILL);
    }
    for (struct worker *w = p->workers; w; w = w->next)
        close_poll(&w->poll, &w->sock);
}

void pool_list(const struct pool *p, void (*cb)(void *ctx, const struct pool_worker *w), void *ctx)
{
    static const char *const states[] = {"starting", "idle", "busy", "ending"};

    for (const struct worker *w = p->workers; w; w = w->next)
        if (w->state != WORKER_GONE && !w->courier)
            cb(ctx, &(struct pool_worker){w->role, w->id, states[w->state], w->workspace, w->jobs,
                                          w->run && !w->run->ended ? w->run->owner : NULL});
}
