/* The main program of a worker binary: a process that forks workers, reaps whatever they leave behind
 * and does nothing else. It is started by the pool with its socket as descriptor 3.
 *
 * It is the subreaper of everything below it. So when a worker's group was killed, each process of it,
 * however deep (an ffmpeg of a worker), is reaped here: `gone` is sent when waitpid() says that the
 * group has no member left, and the count in it is exact. */
#include "base/log.h"
#include "base/map.h"
#include "worker/jail.h"
#include "worker/role.h"
#include "worker/wire.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#define POOL_SOCKET 3

struct child {
    struct child *next;
    int64_t worker;
    pid_t pid; /* also the group */
    int killed, status;
    bool leader_dead;
};

static struct child *children;
static struct jail_limits limits;
static const struct log log_ctx = {"program", "zygote", NULL};

static void send_or_die(enum message type, json_t *body)
{
    struct err err;

    if (wire_send(POOL_SOCKET, type, body, -1, &err) < 0)
        _exit(1); /* the server is gone, and PDEATHSIG takes the workers along */
}

static _Noreturn void be_worker(int sock, const char *dir, bool courier, int signals)
{
    sigset_t none;
    struct err err;

    close(POOL_SOCKET);
    close(signals);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (jail_enter(&roles[role_program.role], dir, &limits, &err) < 0) {
        struct err ignored;

        (void)!wire_send(sock, MSG_FAILED,
                         json_pack("{s:i,s:s,s:s}", "code", ERR_CONFIG, "name", "", "msg", err.msg),
                         -1, &ignored);
        _exit(1);
    }
    if (courier && role_program.courier)
        role_program.courier(sock);
    worker_serve(sock);
}

static void spawn(const json_t *body, int sock, int signals)
{
    struct child *c = mem_zalloc(sizeof *c);
    char dir[4096];

    c->worker = jint(body, "worker", -1);
    snprintf(dir, sizeof dir, "%s", jstr_or(body, "dir", ""));
    c->pid = fork();
    if (c->pid == 0)
        be_worker(sock, dir, jbool(body, "courier", false), signals);
    close(sock);
    if (c->pid < 0) {
        send_or_die(MSG_SPAWNED, json_pack("{s:I,s:s}", "worker", (json_int_t)c->worker, "error",
                                           strerror(errno)));
        free(c);
        return;
    }
    setpgid(c->pid, c->pid); /* both sides do it, whoever comes first */
    c->next = children;
    children = c;
    send_or_die(MSG_SPAWNED,
                json_pack("{s:I,s:i}", "worker", (json_int_t)c->worker, "pid", (int)c->pid));
}

/* A killed process frees its memory by itself, in whichever of its threads ends last and at that one's priority: a polite
 * one with a large picture would take its time, and the cancel waits for it. Priorities belong to threads, and the
 * group's call reaches only the first of each process. (Above the usual one only root may raise them, up to it who has
 * RLIMIT_NICE; else it takes longer.) */
static void hurry(pid_t group)
{
    AUTO(mem_free) char *path = mem_printf("/proc/%d/task", (int)group);
    int best = PRIO_MIN;
    DIR *tasks;

    if (setpriority(PRIO_PGRP, (id_t)group, best) < 0 && setpriority(PRIO_PGRP, (id_t)group, best = 0) < 0)
        return;
    if (!(tasks = opendir(path)))
        return;
    for (struct dirent *e; (e = readdir(tasks));)
        if (atoi(e->d_name) > 0)
            setpriority(PRIO_PROCESS, (id_t)atoi(e->d_name), best);
    closedir(tasks);
}

static void kill_group(pid_t group)
{
    hurry(group);
    kill(-group, SIGKILL);
}

/* Reap what is dead of one worker's group; true when nothing of it is left. */
static bool reap(struct child *c)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-c->pid, &status, WNOHANG);

        if (pid == 0)
            break;
        if (pid < 0)
            return c->leader_dead;
        c->killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        if (pid == c->pid) {
            c->leader_dead = true;
            c->status = status;
        }
    }
    if (c->leader_dead)
        kill_group(c->pid); /* its helpers must not outlive it */
    return false;
}

static void reap_all(void)
{
    for (struct child **p = &children, *c; (c = *p);) {
        if (!reap(c)) {
            p = &c->next;
            continue;
        }
        send_or_die(MSG_GONE, json_pack("{s:I,s:i,s:i}", "worker", (json_int_t)c->worker, "status",
                                        c->status, "killed", c->killed));
        *p = c->next;
        free(c);
    }
    /* strays that belong to no group we know */
    while (!children && waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static void take_message(int signals)
{
    enum message type;
    AUTO(json_unref) json_t *body = NULL;
    int fd = -1;
    struct err err;
    int rc = wire_recv(POOL_SOCKET, &type, &body, &fd, &err);

    if (rc <= 0)
        _exit(rc < 0);
    if (type == MSG_SPAWN && fd >= 0) {
        spawn(body, fd, signals);
        return;
    }
    fd_close(fd);
    if (type != MSG_KILL)
        return;
    for (struct child *c = children; c; c = c->next)
        if (c->worker == jint(body, "worker", -1))
            kill_group(c->pid);
    reap_all();
}

int main(int argc, char **argv)
{
    sigset_t watched;
    bool complete;
    json_setup();
    int described = describe_main(argc, argv);

    if (described >= 0)
        return described;
    if (argc != 6 || strcmp(argv[1], "--zygote")) {
        fprintf(stderr, "%s is a part of workcell and is started by it.\n", argv[0]);
        return 2;
    }
    limits = (struct jail_limits){.memory_bytes = strtoll(argv[2], NULL, 10),
                                  .file_bytes = strtoll(argv[3], NULL, 10),
                                  .require = atoi(argv[4])};
    log_setup((enum log_level)atoi(argv[5]), false);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == 1)
        return 1; /* the server died before we could ask to follow it */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the whole terminal; the server decides */
    signal(SIGTERM, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    int signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return 1;

    role_program.preload();
    json_t *notes = jail_probe(&complete);
    if (limits.require && !complete) {
        log_error(&log_ctx, "--require-jail: this kernel lacks a mechanism");
        return 1;
    }
    send_or_die(MSG_READY, json_pack("{s:b,s:o}", "complete", complete, "notes", notes));

    for (;;) {
        struct pollfd p[] = {{POOL_SOCKET, POLLIN, 0}, {signals, POLLIN, 0}};
        struct signalfd_siginfo info;

        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return 1;
        if (p[1].revents) {
            while (read(signals, &info, sizeof info) > 0)
                ;
            reap_all();
        }
        if (p[0].revents)
            take_message(signals);
    }
}
