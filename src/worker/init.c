#include "worker/init.h"
#include "base/clock.h"
#include "worker/broker.h"
#include "worker/cgroup.h"
#include "worker/walls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCRATCH_FILES 20000 /* most files of a job at a time */
#define SCRATCH_DEPTH 32    /* of directories in out/ */
#define WATCH_MS 100
#define WATCH_QUIET_MS 250
#define FILES_SEEN 512

struct watcher {
    const struct cell *cell;
    uid_t user;
    pid_t worker;
    struct broker *broker;
    int control, signals;
    struct cell_report report;
    bool worker_dead;
    int ms; /* until the next look */
};

/* ---- what all its processes hold together ---- */

/* Files that are counted once, however many descriptors lead to them. */
struct seen {
    dev_t dev[FILES_SEEN];
    ino_t ino[FILES_SEEN];
    int count;
};

static bool first_time(struct seen *seen, const struct stat *st)
{
    for (int i = 0; i < seen->count; i++)
        if (seen->dev[i] == st->st_dev && seen->ino[i] == st->st_ino)
            return false;
    if (seen->count < FILES_SEEN) {
        seen->dev[seen->count] = st->st_dev;
        seen->ino[seen->count++] = st->st_ino;
    }
    return true;
}

struct held {
    int64_t memory, scratch;
    int processes, files;
    dev_t out; /* device of out/ */
    struct seen seen;
};

/* Files without a name: in memory (memfd_create) or removed from out/ and still open. */
static void add_nameless(struct held *h, int proc, const char *pid)
{
    char path[64];
    struct stat st;
    DIR *d;

    snprintf(path, sizeof path, "%.20s/fd", pid);
    int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (!(d = fdopendir(fd))) {
        close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        if (*e->d_name == '.' || fstatat(fd, e->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 0 ||
            !first_time(&h->seen, &st))
            continue;
        if (st.st_dev == h->out)
            h->scratch += st.st_blocks * 512;
        else
            h->memory += st.st_blocks * 512;
    }
    closedir(d);
}

static void add_process(struct held *h, int proc, const char *pid)
{
    long long pages, resident, shared;
    char path[64], text[128];

    snprintf(path, sizeof path, "%.20s/statm", pid);
    AUTO(fd_close) int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return;
    text[n] = 0;
    h->processes++;
    /* what it shares is the zygote's, libraries, or a file that is counted below */
    if (sscanf(text, "%lld %lld %lld", &pages, &resident, &shared) == 3)
        h->memory += (resident - shared) * sysconf(_SC_PAGESIZE);
    add_nameless(h, proc, pid);
}

/* Everything below fd, which is closed. Deeper than is sane counts as too many. */
static void add_files(struct held *h, int fd, int depth)
{
    struct stat st;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        fd_close(fd);
        return;
    }
    for (struct dirent *e; h->files <= SCRATCH_FILES && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        h->files++;
        if (st.st_nlink == 1 || S_ISDIR(st.st_mode))
            h->scratch += st.st_blocks * 512;
        if (!S_ISDIR(st.st_mode))
            continue;
        if (depth >= SCRATCH_DEPTH)
            h->files = SCRATCH_FILES + 1;
        else
            add_files(h, openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), depth + 1);
    }
    closedir(d);
}

static enum cell_over look(struct watcher *w)
{
    const struct jail_limits *limits = w->cell->limits;
    int64_t memory = jail_memory(w->cell->role, limits);
    AUTO(mem_free) char *out_path = mem_printf("%s/out", w->cell->dir);
    struct held *h = mem_zalloc(sizeof *h);
    enum cell_over over = CELL_OVER_NOTHING;
    struct stat st;
    int out = open(out_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *proc = opendir("/proc");

    if (out >= 0 && fstat(out, &st) == 0)
        h->out = st.st_dev;
    /* without these walls /proc shows everybody */
    for (struct dirent *e; limits->walls & WALL_PID && limits->walls & WALL_MOUNT && proc && (e = readdir(proc));)
        if (*e->d_name > '0' && *e->d_name <= '9' && strcmp(e->d_name, "1"))
            add_process(h, dirfd(proc), e->d_name);
    add_files(h, out, 0);
    if (proc)
        closedir(proc);
    if (memory && h->memory > memory)
        over = CELL_OVER_MEMORY;
    else if (limits->scratch_bytes && h->scratch > limits->scratch_bytes)
        over = CELL_OVER_SCRATCH;
    else if (h->files > SCRATCH_FILES)
        over = CELL_OVER_FILES;
    w->ms = h->processes > 1 || h->memory > memory / 2 ? WATCH_MS : WATCH_QUIET_MS;
    free(h);
    return over;
}

/* ---- the end ---- */

static void reaped(struct watcher *w, pid_t pid, int status)
{
    w->report.killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (pid == w->worker) {
        w->worker_dead = true;
        w->report.status = status;
    }
}

/* Without a PID namespace: those that became ours when who had started them died. */
static void kill_children(void)
{
    char path[64], text[4096];

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return;
    text[n] = 0;
    for (char *s = text, *end; *s; s = end) {
        long pid = strtol(s, &end, 10);

        if (end == s)
            break;
        if (pid > 1)
            kill((pid_t)pid, SIGKILL);
    }
}

/* A killed process frees its memory by itself, in whichever of its threads ends last and at that one's priority: a
 * polite one with a large picture would take its time, and the cancel waits for it. This reaches all threads of the
 * worker's user. (Above the usual one only root may raise them.) */
static void hurry(const struct watcher *w)
{
    if (w->cell->limits->walls & WALL_USER)
        setpriority(PRIO_USER, w->user, PRIO_MIN);
    else
        setpriority(PRIO_PGRP, (id_t)w->worker, PRIO_MIN);
}

static void kill_all(const struct watcher *w)
{
    hurry(w);
    if (w->cell->limits->walls & WALL_PID) {
        kill(-1, SIGKILL); /* everything but ourselves */
        return;
    }
    kill(-w->worker, SIGKILL);
    kill_children();
}

static _Noreturn void end(struct watcher *w)
{
    int status;
    pid_t pid;

    kill_all(w);
    while ((pid = waitpid(-1, &status, 0)) > 0 || errno == EINTR) {
        if (pid <= 0)
            continue;
        reaped(w, pid, status);
        if (!(w->cell->limits->walls & WALL_PID))
            kill_all(w);
    }
    (void)!send(w->control, &w->report, sizeof w->report, MSG_NOSIGNAL | MSG_DONTWAIT);
    _exit(0);
}

/* ---- life ---- */

static void init_reap(struct watcher *w)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        reaped(w, pid, status);
    if (w->worker_dead)
        end(w);
}

static _Noreturn void watch(struct watcher *w)
{
    int64_t next_us = clock_mono_us() + WATCH_QUIET_MS * 1000;
    struct signalfd_siginfo info;

    for (;;) {
        struct pollfd p[2 + BROKER_POLLS] = {{w->control, POLLIN, 0}, {w->signals, POLLIN, 0}};
        int64_t left_ms = (next_us - clock_mono_us()) / 1000 + 1;
        nfds_t n = 2 + broker_polls(w->broker, p + 2);

        if (poll(p, n, left_ms < 0 ? 0 : (int)left_ms) < 0 && errno != EINTR)
            end(w);
        if (p[0].revents) { /* told to, or nobody is there to tell; what is not read would cost the report */
            (void)!recv(w->control, &info, sizeof info, MSG_DONTWAIT);
            end(w);
        }
        if (p[1].revents) {
            while (read(w->signals, &info, sizeof info) > 0)
                if (info.ssi_signo == SIGTERM)
                    end(w);
            init_reap(w);
        }
        broker_serve(w->broker, p + 2, n - 2);
        if (clock_mono_us() < next_us)
            continue;
        if ((w->report.over = (int)look(w)))
            end(w);
        next_us = clock_mono_us() + w->ms * 1000;
    }
}

/* Root without what it needs here: to end, to look at and to hurry processes of another user. */
static void keep_few_powers(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct few[2] = {0};

    few[0].permitted = few[0].effective = 1u << CAP_KILL | 1u << CAP_SYS_NICE | 1u << CAP_SYS_PTRACE |
                                          1u << CAP_DAC_READ_SEARCH;
    (void)!syscall(SYS_capset, &head, few);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0);
}

static void no_signals_blocked(void)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int compare_ints(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* All above 2 but these; -1: none. */
static void close_others(int a, int b, int c)
{
    int kept[] = {a, b, c};
    unsigned from = 3;

    qsort(kept, ARRAY_LEN(kept), sizeof *kept, compare_ints);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        if (kept[i] < (int)from)
            continue;
        if (kept[i] > (int)from)
            close_range(from, (unsigned)kept[i] - 1, 0);
        from = (unsigned)kept[i] + 1;
    }
    close_range(from, ~0u, 0);
}

/* The worker. Its listener goes to the init; all else but keep is closed. */
static _Noreturn void be_worker(const struct cell *cell, uid_t user, int to_init)
{
    struct err err = {0};
    int listener = -1, rc;

    no_signals_blocked();
    rc = jail_enter(cell->role, cell->limits, user, &listener, &err);
    if (rc == 0 && listener >= 0)
        rc = broker_hand_over(to_init, listener, &err);
    close_others(cell->keep, -1, -1);
    cell->work(cell->ctx, rc < 0 ? &err : NULL);
    _exit(1);
}

static int build(const struct cell *cell, uid_t outside, gid_t group, struct err *err)
{
    unsigned walls = cell->limits->walls;

    if (walls & WALL_USERNS && walls_map_user(outside, group, err) < 0)
        return -1;
    if (walls & WALL_MOUNT)
        return walls_build_root(cell->role, walls, cell->dir, err);
    return chdir(cell->dir) < 0 ? err_errno(err, "enter '%s'", cell->dir) : 0;
}

/* in/ and out/ belong to the worker's user, who is not the owner of what lies in in/. */
static int give_directories(const struct cell *cell, uid_t user, struct err *err)
{
    AUTO(mem_free) char *in = mem_printf("%s/in", cell->dir), *out = mem_printf("%s/out", cell->dir);

    if (geteuid() != 0)
        return 0;
    if (chown(cell->dir, 0, user) < 0 || chmod(cell->dir, 0710) < 0 || chown(in, 0, user) < 0 || chmod(in, 0750) < 0 ||
        chown(out, user, user) < 0 || chmod(out, 0700) < 0)
        return err_errno(err, "give a worker its directories");
    return 0;
}

static _Noreturn void be_init(const struct cell *cell, int control, uid_t outside, gid_t group)
{
    struct watcher w = {.cell = cell, .control = control, .ms = WATCH_QUIET_MS};
    struct err err = {0};
    sigset_t watched;
    int pair[2] = {-1, -1};

    close_others(control, cell->keep, cell->limits->places); /* above all the ends of other cells' sockets */
    prctl(PR_SET_PDEATHSIG, cell->limits->walls & WALL_PID ? SIGKILL : SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "workcell-init");
    setpgid(0, 0);
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    sigprocmask(SIG_SETMASK, &watched, NULL);
    w.user = jail_user(cell->limits, cell->worker);
    int rc = give_directories(cell, w.user, &err);
    if (rc == 0 && cell->limits->cgroup)
        rc = cgroup_enter(cell->limits->cgroup, cell->worker, jail_memory(cell->role, cell->limits),
                          cell->role->processes, &err);
    struct broker_local local =
        broker_local(cell->role->network ? cell->limits->connect_socket : NULL);
    if (rc == 0)
        rc = build(cell, outside, group, &err);
    if (rc == 0 && cell->role->network && cell->limits->walls & WALL_BROKER &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        rc = err_errno(&err, "socketpair");
    if (rc < 0) {
        cell->work(cell->ctx, &err); /* says so; nothing of a job has run */
        _exit(1);
    }
    w.worker = fork();
    if (w.worker == 0) {
        close(control);
        fd_close(pair[0]);
        fd_close(local.dir);
        be_worker(cell, w.user, pair[1]);
    }
    fd_close(pair[1]);
    w.signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    if (w.worker < 0 || w.signals < 0 || chdir("/") < 0)
        end(&w);
    w.broker = broker_new(pair[0], cell->limits->connect_allow, local,
                          places_of(cell->limits->places, cell->limits->places_most));
    fd_close(cell->keep); /* so that the other end sees the worker go */
    if (geteuid() == 0 && !(cell->limits->walls & WALL_USERNS))
        keep_few_powers();
    watch(&w);
}

bool cell_report_read(struct cell_report *out, int control)
{
    /* an order that came too late to be read shows as an error first, once */
    for (int tries = 0; tries < 2; tries++)
        if (recv(control, out, sizeof *out, MSG_DONTWAIT) == sizeof *out)
            return true;
    return false;
}

pid_t cell_start(int *control, const struct cell *cell, struct err *err)
{
    uid_t user = geteuid();
    gid_t group = getegid();
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, "socketpair");
    pid_t pid = walls_clone(walls_clone_flags(cell->role, cell->limits->walls));
    if (pid == 0) {
        close(pair[0]);
        be_init(cell, pair[1], user, group);
    }
    int failed = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        errno = failed;
        return err_errno(err, "start a worker");
    }
    *control = pair[0];
    return pid;
}
