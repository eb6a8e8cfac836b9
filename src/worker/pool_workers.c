/* Zygotes and their workers: started, watched, killed, their directories emptied. */
#include "worker/pool_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct log log_ctx = {"room", "worker", NULL};

/* ---- zygotes ---- */

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
        size_t bytes;
        struct err err;
        int rc = status < 0 ? 0 : border_recv(z->sock, BORDER_ZYGOTE, &type, &body, &bytes, &err);

        if (rc < 0 && err.code == ERR_BUSY)
            return;
        if (rc <= 0) {
            uv_poll_stop(poll); /* on_zygote_exit deals with it */
            if (rc < 0 && z->process) { /* alive, but nobody hears it any more */
                log_warn(&log_ctx, "workcell-%s can't be understood and is started again: %s", role_name(z->role),
                         err.msg);
                uv_process_kill(z->process, SIGKILL);
            }
            return;
        }
        struct worker *w = find_worker(z->pool, jint(body, "worker", -1));
        if (type == MSG_READY) {
            AUTO(mem_free) char *notes = json_text(json_object_get(body, "notes"));

            z->ready = true;
            z->deaths = 0;
            z->pool->events.room(z->pool->events.ctx);
            log_debug(&log_ctx, "workcell-%s is ready: %s", role_name(z->role), notes);
            if (!jbool(body, "complete", false) && z->pool->conf.require_jail) {
                log_error(&log_ctx, "--require-jail, and this machine lacks a mechanism for workcell-%s: %s",
                          role_name(z->role), notes);
                _exit(1); /* before a byte of anybody's was looked at */
            }
            if (!jbool(body, "complete", false))
                log_warn(&log_ctx, "the jail of workcell-%s is not complete: %s", role_name(z->role), notes);
            pool_fill_spares(z->pool);
        } else if (type == MSG_SPAWNED && w) {
            w->pid = (pid_t)jint(body, "pid", 0);
            if (w->pid > 0 && w->init_fd < 0)
                w->init_fd = (int)syscall(SYS_pidfd_open, w->pid, 0);
            if (!w->pid) {
                log_error(&log_ctx, "fork of a workcell-%s worker failed: '%s'", role_name(z->role),
                          jstr_or(body, "error", ""));
                worker_gone(w);
            }
        } else if (type == MSG_GONE && w) {
            w->status = (int)jint(body, "status", 0);
            w->killed = (int)jint(body, "killed", 0);
            w->over = (int)jint(body, "over", 0);
            worker_gone(w);
        }
    }
}

static void on_init_exit(uv_poll_t *poll, int status, int events)
{
    struct worker *w = poll->data;

    (void)status;
    (void)events;
    pool_close_poll(&w->dying, &w->init_fd);
    worker_gone(w);
}

/* Nothing is called gone before the init is: the kernel ends it last. */
static void end_without_zygote(struct worker *w)
{
    w->status = SIGKILL;
    w->state = WORKER_DYING;
    if (w->init_fd < 0) {
        worker_gone(w);
        return;
    }
    (void)!syscall(SYS_pidfd_send_signal, w->init_fd, SIGKILL, NULL, 0);
    w->dying = mem_zalloc(sizeof *w->dying);
    w->dying->data = w;
    uv_poll_init(w->pool->conf.loop, w->dying, w->init_fd);
    uv_poll_start(w->dying, UV_READABLE, on_init_exit);
}

static void on_zygote_exit(uv_process_t *process, int64_t status, int signal)
{
    struct zygote *z = process->data;
    struct pool *p = z->pool;
    struct err err;

    uv_close((uv_handle_t *)process, pool_free_handle);
    z->process = NULL;
    z->ready = false;
    pool_close_poll(&z->poll, &z->sock);
    said_close(&z->said);
    if (p->closing)
        return;
    log_error(&log_ctx, "workcell-%s ended (status %d, signal %d)%s", role_name(z->role), (int)status, signal,
              z->deaths < 5 ? "; starting it again" : "; giving up");
    /* its cells die with it */
    for (struct worker *w = p->workers, *next; w; w = next) {
        next = w->next;
        if (w->role == z->role && w->state != WORKER_GONE)
            end_without_zygote(w);
    }
    if (z->deaths++ < 5 && zygote_start(z, &err) < 0)
        log_error(&log_ctx, "%s", err.msg);
}

static char *zygote_settings(const struct pool *p)
{
    AUTO(mem_free) char *trial = mem_printf("%s/.trial", p->conf.scratch);
    AUTO(json_unref)
    json_t *s = json_pack("{s:i,s:I,s:I,s:I,s:I,s:i,s:i,s:s,s:s,s:s,s:s*,s:s*}", "server",
                          (int)getpid(), "memory", (json_int_t)p->conf.memory_bytes, "file",
                          (json_int_t)p->conf.file_bytes, "scratch_bytes",
                          (json_int_t)p->conf.scratch_bytes, "user", (json_int_t)p->user, "users",
                          p->users, "log_level", p->conf.log_level, "trial", trial, "connect_allow",
                          p->conf.connect_allow ? p->conf.connect_allow : "", "without",
                          p->conf.jail_without ? p->conf.jail_without : "", "cgroup", p->cgroup,
                          "connect_socket", p->conf.connect_socket);
    json_object_set_new(s, "places", json_integer(p->conf.places));

    return json_text(s);
}

void zygote_listen(struct zygote *z, int sock)
{
    fcntl(sock, F_SETFL, O_NONBLOCK);
    z->sock = sock;
    z->poll = mem_zalloc(sizeof *z->poll);
    z->poll->data = z;
    uv_poll_init(z->pool->conf.loop, z->poll, z->sock);
    uv_poll_start(z->poll, UV_READABLE, on_zygote);
}

static char *zygote_path(const struct zygote *z)
{
    return mem_printf("%s/workcell-%s", z->pool->conf.program_dir, role_name(z->role));
}

int zygote_check(const struct zygote *z, struct err *err)
{
    AUTO(mem_free) char *path = zygote_path(z);

    return access(path, X_OK) < 0 ? err_errno(err, "the worker program '%s'", path) : 0;
}

int zygote_start(struct zygote *z, struct err *err)
{
    struct pool *p = z->pool;
    int pair[2], writer = -1;
    AUTO(mem_free) char *path = zygote_path(z);
    AUTO(mem_free) char *settings = zygote_settings(p);

    if (zygote_check(z, err) < 0)
        return -1;
    if (said_open(&writer, &z->said, p->conf.loop, z->role, err) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        close(writer);
        return err_errno(err, "socketpair");
    }
    /* nothing of the server's environment: it may hold secrets */
    /* large buffers in pages of 2 MB: they are filled in a third of the time, and a killed worker gives them back in a
     * twentieth (docs/decisions.md) */
    char *env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8",         "VIPS_WARNING=0",
                   "MALLOC_ARENA_MAX=2", "HOME=/nonexistent",    "TMPDIR=out",
                   "ASAN_OPTIONS=detect_leaks=0", "GLIBC_TUNABLES=glibc.malloc.hugetlb=1", NULL};
    char *argv[] = {path, "--zygote", settings, NULL};
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = writer},
        {.flags = UV_INHERIT_FD, .data.fd = pair[1]},
    };
    uv_process_options_t options = {.exit_cb = on_zygote_exit, .file = path, .args = argv,
                                    .env = env, .stdio = stdio, .stdio_count = 4};
    z->process = mem_zalloc(sizeof *z->process);
    z->process->data = z;
    int rc = uv_spawn(p->conf.loop, z->process, &options);
    close(pair[1]);
    close(writer);
    if (rc < 0) {
        close(pair[0]);
        uv_close((uv_handle_t *)z->process, pool_free_handle);
        z->process = NULL;
        return err_set(err, ERR_IO, "start '%s': %s", path, uv_strerror(rc));
    }
    zygote_listen(z, pair[0]);
    return 0;
}

/* ---- workers ---- */

void worker_kill(struct worker *w)
{
    struct err err;

    if (w->state == WORKER_DYING || w->state == WORKER_GONE)
        return;
    w->state = WORKER_DYING;
    if (wire_send(w->pool->zygotes[w->role].sock, MSG_KILL,
                  json_pack("{s:I}", "worker", (json_int_t)w->id), -1, &err) < 0 &&
        w->pid > 0)
        kill(w->pid, SIGKILL);
}

struct pool_run *worker_open_run(const struct worker *w)
{
    struct pool_run *r = w->run;

    while (r && r->ended)
        r = r->mate;
    return r;
}

void worker_free(struct worker *w)
{
    for (struct worker **p = &w->pool->workers; *p; p = &(*p)->next)
        if (*p == w) {
            *p = w->next;
            break;
        }
    fd_close(w->out_fd);
    pool_close_poll(&w->dying, &w->init_fd);
    free(w->dir);
    free(w->workspace);
    free(w);
}

void worker_scrubbed(struct work *k)
{
    if (k->bytes)
        log_info(&log_ctx, "scrub: removed '%s', %lld bytes", k->dir, (long long)k->bytes);
}

void worker_clean_dead(struct work *k) { k->bytes = empty_dir(k->dir, true); }

static bool take_flag(bool *flag)
{
    bool was = *flag;

    *flag = false;
    return was;
}

static void dead_cleaned(struct work *k)
{
    struct worker *w = k->worker;

    w->cleaning = false;
    if (w->run)
        w->run->freed += k->bytes;
    if (take_flag(&w->clean_again))
        worker_gone(w);
    else
        w->pool->told->gone(w);
}

void worker_gone(struct worker *w)
{
    struct work *k;

    w->state = WORKER_GONE;
    pool_close_poll(&w->poll, &w->sock);
    if (w == w->pool->courier) {
        w->pool->courier = NULL;
        w->pool->events.courier_lost(w->pool->events.ctx);
    }
    /* asked again while a thread cleans: what another thread put there meanwhile must go, too; and only one
     * may free w */
    if (w->cleaning) {
        w->clean_again = true;
        return;
    }
    w->cleaning = true;
    k = mem_zalloc(sizeof *k);
    k->fn = worker_clean_dead;
    k->after = dead_cleaned;
    k->worker = w;
    k->dir = mem_strdup(w->dir);
    pool_work(w->pool, k);
}

#define AT_ONCE 16 /* messages of one worker, then others have their turn */

static void on_worker(uv_poll_t *poll, int status, int events)
{
    struct worker *w = poll->data;

    (void)events;
    for (int n = 0; n < AT_ONCE && w->sock >= 0; n++) {
        enum message type;
        AUTO(json_unref) json_t *body = NULL;
        size_t bytes;
        struct err err;

        /* what it says meanwhile waits in its socket, and it waits when that is full */
        w->paused = w->run && w->run->working;
        if (w->paused || w->state >= WORKER_DYING) {
            uv_poll_stop(poll);
            return;
        }
        int rc = status < 0
                     ? 0
                     : border_recv(w->sock, w->courier ? BORDER_COURIER : BORDER_WORKER, &type, &body, &bytes, &err);
        if (rc < 0 && err.code == ERR_BUSY)
            return;
        if (rc > 0) {
            w->pool->told->said(w, type, body, bytes);
            continue;
        }
        uv_poll_stop(poll);
        if (rc < 0)
            w->pool->told->broke(w, &err);
        else
            worker_kill(w); /* the zygote reports the rest */
        return;
    }
}

void worker_listen(struct worker *w)
{
    if (!w->paused || !w->poll)
        return;
    w->paused = false;
    uv_poll_start(w->poll, UV_READABLE, on_worker);
    on_worker(w->poll, 0, UV_READABLE);
}

struct worker *worker_spawn(struct pool *p, enum robot_role role, bool courier)
{
    struct worker *w = mem_zalloc(sizeof *w);
    struct zygote *z = &p->zygotes[role];
    struct err err;
    int pair[2];

    w->pool = p;
    w->role = role;
    w->courier = courier;
    w->id = p->next_worker++;
    w->sock = w->out_fd = w->init_fd = -1;
    w->dir = mem_printf("%s/%s-%d", p->conf.scratch, role_name(role), (int)w->id);
    AUTO(mem_free) char *in = mem_printf("%s/in", w->dir);
    AUTO(mem_free) char *out = mem_printf("%s/out", w->dir);
    w->next = p->workers;
    p->workers = w;
    if (mkdir(w->dir, 0700) < 0 || mkdir(in, 0700) < 0 || mkdir(out, 0700) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        log_error(&log_ctx, "no directory or socket for a worker: %s", strerror(errno));
        w->state = WORKER_DYING;
        return w;
    }
    int rc = wire_send(z->sock, MSG_SPAWN,
                       json_pack("{s:I,s:s,s:b}", "worker", (json_int_t)w->id, "dir", w->dir, "courier", courier),
                       pair[1], &err);
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
void pool_fill_spares(struct pool *p)
{
    for (int role = 0; role < ROLE_COUNT && !p->closing; role++) {
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

struct worker *worker_choose(struct pool *p, enum robot_role role, const char *workspace)
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
