/* The pool as a whole: opened and closed, and what is asked of all workers. */
#include "worker/cgroup.h"
#include "worker/pool_priv.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct log log_ctx = {"room", "worker", NULL};

/* What clients must not see of the machine. */
static void hide(struct pool *p)
{
    const char *slash = strrchr(p->conf.scratch, '/');

    p->hidden[0] = slash ? mem_strndup(p->conf.scratch, (size_t)(slash - p->conf.scratch)) : mem_strdup("");
    p->hidden[1] = realpath(*p->hidden[0] ? p->hidden[0] : ".", NULL);
}

void pool_begin(struct pool *p, const struct pool_conf *conf, const struct pool_events *events)
{
    p->conf = *conf;
    p->events = *events;
    p->told = &pool_hears;
    p->next_worker = 1;
    hide(p);
    for (int role = 0; role < ROLE_COUNT; role++)
        p->zygotes[role] = (struct zygote){.pool = p, .role = role, .sock = -1, .said = {.fd = -1}};
}

static const bool starts_late[ROLE_COUNT] = {
#define X(id, name, network, writes, address, data, together, files, processes, nice, usual, least, late, ...)         \
    [ROLE_##id] = late,
#include "robot/roles.def"
#undef X
};

void pool_wanted(struct pool *p, enum robot_role role)
{
    struct zygote *z = &p->zygotes[role];
    struct err err;

    if (!z->late || z->process || p->closing || !p->conf.workers[role])
        return;
    z->late = false; /* from here on it is like the others */
    if (zygote_start(z, &err) < 0)
        log_error(&log_ctx, "%s", err.msg);
}

/* A server that must have its walls finds out at once. */
static int begin_zygote(struct zygote *z, struct err *err)
{
    z->late = starts_late[z->role] && !z->pool->conf.require_jail;
    return z->late ? zygote_check(z, err) : zygote_start(z, err);
}

int pool_open(struct pool **out, const struct pool_conf *conf, const struct pool_events *events,
              struct err *err)
{
    struct pool *p = mem_zalloc(sizeof *p);

    pool_begin(p, conf, events);
    char note[200];
    if (scratch_open(p, err) < 0 ||
        cgroup_open(&p->cgroup, note, sizeof note, conf->cgroup ? conf->cgroup : "", err) < 0) {
        free(p);
        return -1;
    }
    log_debug(&log_ctx, "%s", note);
    for (int role = 0; role < ROLE_COUNT; role++)
        if (conf->workers[role] && begin_zygote(&p->zygotes[role], err) < 0) {
            pool_close(p);
            return -1;
        }
    *out = p;
    return 0;
}

void pool_close(struct pool *p)
{
    p->closing = true;
    for (int role = 0; role < ROLE_COUNT; role++) {
        pool_close_poll(&p->zygotes[role].poll, &p->zygotes[role].sock); /* it exits, and its cells with it */
        said_close(&p->zygotes[role].said);
        if (p->zygotes[role].process)
            uv_process_kill(p->zygotes[role].process, SIGKILL);
    }
    for (struct worker *w = p->workers; w; w = w->next) {
        pool_close_poll(&w->poll, &w->sock);
        pool_close_poll(&w->dying, &w->init_fd);
    }
}

int pool_post(struct pool *p, json_t *what, struct err *err)
{
    if (!p->courier && !p->closing && p->zygotes[ROLE_TRANSFER].ready) {
        map_done(&p->posts); /* what the one before had is lost */
        p->posts = (struct map){0};
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
    AUTO(mem_free) char *id = mem_strdup(jstr_or(what, "id", ""));
    if (wire_send(p->courier->sock, MSG_POST, what, -1, err) < 0)
        return -1;
    map_put(&p->posts, id, p);
    return 0;
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

void pool_list(const struct pool *p, void (*cb)(void *ctx, const struct pool_worker *w), void *ctx)
{
    static const char *const states[] = {"starting", "idle", "busy", "ending"};

    for (const struct worker *w = p->workers; w; w = w->next) {
        const struct pool_run *run = worker_open_run(w);

        if (w->state != WORKER_GONE && !w->courier)
            cb(ctx, &(struct pool_worker){w->role, w->id, states[w->state], w->workspace, w->jobs,
                                          run ? run->owner : NULL});
    }
}
