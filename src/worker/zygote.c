/* The main program of a worker binary: a process that starts cells (init.h), waits for them and does nothing else. It
 * is started by the pool with its socket as descriptor 3.
 *
 * A cell is known by its init. When that one is reaped, no process of the cell is left: so says the kernel, and `gone`
 * is sent. How many it killed is the init's own count. */
#include "base/clock.h"
#include "base/log.h"
#include "worker/cgroup.h"
#include "worker/init.h"
#include "worker/places.h"
#include "worker/role.h"
#include "worker/walls.h"
#include "worker/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define POOL_SOCKET 3
#define PATIENCE_US                                                                                                    \
    (SECOND_US) /* an init that is told to end and has not by then is killed, and all below it with it */

struct child {
    struct child *next;
    int64_t worker;
    pid_t init;
    int control;
    int64_t kill_at_us; /* 0: not told to end */
};

static struct child *children;
static struct jail_limits limits;

static void send_or_die(enum message type, json_t *body)
{
    struct err err;

    if (wire_send(POOL_SOCKET, type, body, -1, &err) < 0)
        _exit(1); /* the server is gone, and every init sees its control socket close */
}

/* ---- in the worker ---- */

struct start {
    int sock;
    bool courier;
};

static void work(void *ctx, const struct err *why)
{
    const struct start *s = ctx;
    struct err ignored;

    if (why) {
        (void)!wire_send(s->sock, MSG_FAILED,
                         json_pack("{s:i,s:s,s:o,s:s,s:b}", "code", ERR_CONFIG, "name", "", "msg", jstring(why->msg),
                                   "detail", "", "private", 0),
                         -1, &ignored);
        _exit(1);
    }
    if (s->courier && role_program.courier)
        role_program.courier(s->sock);
    worker_serve(s->sock);
}

/* ---- what the pool asks for ---- */

static void spawn(const json_t *body, int sock)
{
    struct child *c = mem_zalloc(sizeof *c);
    struct start start = {sock, jbool(body, "courier", false)};
    struct cell cell = {.role = &roles[role_program.role],
                        .limits = &limits,
                        .dir = jstr_or(body, "dir", ""),
                        .worker = jint(body, "worker", -1),
                        .work = work,
                        .ctx = &start,
                        .keep = sock};
    struct err err;

    c->worker = cell.worker;
    c->init = cell_start(&c->control, &cell, &err);
    close(sock);
    if (c->init < 0) {
        send_or_die(MSG_SPAWNED, json_pack("{s:I,s:o}", "worker", (json_int_t)c->worker, "error", jstring(err.msg)));
        free(c);
        return;
    }
    c->next = children;
    children = c;
    send_or_die(MSG_SPAWNED, json_pack("{s:I,s:i}", "worker", (json_int_t)c->worker, "pid", (int)c->init));
}

static void end_worker(int64_t worker)
{
    for (struct child *c = children; c; c = c->next)
        if (c->worker == worker && !c->kill_at_us) {
            c->kill_at_us = clock_mono_us() + PATIENCE_US;
            (void)!send(c->control, "k", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
}

static int kill_late(void)
{
    int64_t now = clock_mono_us(), soonest = INT64_MAX;

    for (struct child *c = children; c; c = c->next) {
        if (!c->kill_at_us)
            continue;
        if (c->kill_at_us <= now) {
            kill(c->init, SIGKILL);
            if (limits.cgroup)
                cgroup_kill(limits.cgroup, c->worker);
            c->kill_at_us = now + PATIENCE_US;
        }
        if (c->kill_at_us < soonest)
            soonest = c->kill_at_us;
    }
    return soonest == INT64_MAX ? -1 : (int)((soonest - now) / 1000) + 1;
}

/* ---- what has ended ---- */

static void ended(struct child *c, int status)
{
    struct cell_report r;

    /* an init that was killed has not counted: its worker was there, at least */
    if (!cell_report_read(&r, c->control))
        r = (struct cell_report){.killed = 1, .status = status};
    close(c->control);
    if (limits.cgroup && cgroup_remove(limits.cgroup, c->worker) && !r.over)
        r.over = CELL_OVER_MEMORY;
    send_or_die(MSG_GONE, json_pack("{s:I,s:i,s:i,s:i}", "worker", (json_int_t)c->worker, "status", r.status, "killed",
                                    r.killed, "over", r.over));
}

static void zygote_reap(void)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (struct child **p = &children, *c; (c = *p); p = &c->next)
            if (c->init == pid) {
                *p = c->next;
                ended(c, status);
                free(c);
                break;
            }
}

static void take_message(void)
{
    enum message type;
    AUTO(json_unref) json_t *body = NULL;
    int fd = -1;
    struct err err;
    int rc = wire_recv(POOL_SOCKET, &type, &body, &fd, &err);

    if (rc <= 0)
        _exit(rc < 0);
    if (type == MSG_SPAWN && fd >= 0) {
        spawn(body, fd);
        return;
    }
    fd_close(fd);
    if (type == MSG_KILL)
        end_worker(jint(body, "worker", -1));
}

/* ---- start ---- */

/* The one argument: {server, memory, file, scratch_bytes, user, users, log_level, trial,
 * connect_allow, connect_socket, places, without, cgroup}. */
static bool read_settings(const json_t *s)
{
    limits = (struct jail_limits){.memory_bytes = jint(s, "memory", 0),
                                  .file_bytes = jint(s, "file", 0),
                                  .scratch_bytes = jint(s, "scratch_bytes", 0),
                                  .user = (uid_t)jint(s, "user", 0),
                                  .users = (int)jint(s, "users", 1),
                                  .connect_allow = jstr_or(s, "connect_allow", ""),
                                  .cgroup = jstr(s, "cgroup"),
                                  .places = -1};
    if (role_program.role == ROLE_TRANSFER) { /* a browser has nobody to talk to on this machine */
        limits.connect_socket = jstr(s, "connect_socket");
        limits.places_most = (int)jint(s, "places", 0);
        limits.places = places_file(limits.places_most);
    }
    log_setup((enum log_level)jint(s, "log_level", LOG_INFO), false);
    return s != NULL;
}

static int watch_children(void)
{
    sigset_t watched;

    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole terminal; the server decides */
    signal(SIGTERM, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    return signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(int argc, char **argv)
{
    AUTO(json_unref) json_t *settings = NULL;
    bool complete;

    json_setup();
    int described = describe_main(argc, argv);
    if (described >= 0)
        return described;
    if (argc != 3 || strcmp(argv[1], "--zygote") || !read_settings(settings = json_loads(argv[2], 0, NULL))) {
        fprintf(stderr, "%s is a part of workcell and is started by it.\n", argv[0]);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != (pid_t)jint(settings, "server", 0))
        return 1; /* the server died before we could ask to follow it */
    setsid();     /* no terminal, and no part in the job control of who started the server */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int signals = watch_children();
    if (signals < 0)
        return 1;

    role_program.preload();
    json_t *notes = json_array();
    const struct walls_wish wish = {jstr_or(settings, "trial", "/"), jstr_or(settings, "without", ""),
                                    limits.user != 0};
    limits.walls = walls_probe(&complete, &roles[role_program.role], &wish, notes);
    send_or_die(MSG_READY, json_pack("{s:b,s:o}", "complete", complete, "notes", notes));

    for (;;) {
        struct pollfd p[] = {{POOL_SOCKET, POLLIN, 0}, {signals, POLLIN, 0}};
        struct signalfd_siginfo info;

        if (poll(p, 2, kill_late()) < 0 && errno != EINTR)
            return 1;
        if (p[1].revents) {
            while (read(signals, &info, sizeof info) > 0)
                ;
            zygote_reap();
        }
        if (p[0].revents)
            take_message();
    }
}
