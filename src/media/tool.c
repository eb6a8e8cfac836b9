#include "media/tool.h"
#include "base/clock.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STDERR_TAIL 1000             /* bytes; fits err.detail */
#define BATCH_NICE 15 /* a worker has 10: 36 parts of the processor's time where it has 110 */
#define LAST_WISH_US (2 * SECOND_US) /* for a program whose output nobody reads any more */
#define ENV_MAX 32
#define HOME_DIR "out/tmp" /* the only place where a tool may leave something */

struct run {
    const struct tool *t;
    struct robot_job *job;
    pid_t pid;
    int out, err; /* what it prints; -1: nothing more will come */
    int timeout_ms;
    int64_t deadline_us;
    char tail[STDERR_TAIL + 1];
    struct str part; /* of a line that has not ended */
};

static bool stuck;

bool tool_is_stuck(void) { return stuck; }

/* ---- start ---- */

static const char *home(void)
{
    return mkdir(HOME_DIR, 0700) == 0 || errno == EEXIST ? HOME_DIR : ".";
}

/* Nothing of our environment reaches a tool that parses hostile bytes. */
static void environment(char *env[ENV_MAX], struct arena *a, const struct tool *t)
{
    int n = 0;

    env[n++] = "PATH=/usr/bin:/bin";
    env[n++] = "LC_ALL=C.UTF-8";
    env[n++] = arena_printf(a, "HOME=%s", home());
    env[n++] = arena_printf(a, "TMPDIR=%s", home());
    env[n++] = "OMP_THREAD_LIMIT=1";
    env[n++] = "OPENSSL_CONF=/dev/null";
    for (const char *const *e = t->env; e && *e && n < ENV_MAX - 1; e++)
        env[n++] = arena_strdup(a, *e);
    env[n] = NULL;
}

static void limit_cpu(const struct run *r)
{
    rlim_t s = (rlim_t)(r->timeout_ms / 1000 + 1) * (rlim_t)(r->t->threads > 1 ? r->t->threads : 1);

    if (r->t->cpu_s && (rlim_t)r->t->cpu_s < s)
        s = (rlim_t)r->t->cpu_s;
    const struct rlimit cpu = {s, s + 1};

    (void)setrlimit(RLIMIT_CPU, &cpu); /* refused where a lower one holds */
}

/* In the child, between fork and exec: nothing here may allocate. std: its descriptors 0 to 2.
 * Never returns. */
static void become(const struct run *r, const int std[3], char *const env[])
{
    const struct tool *t = r->t;
    int high[3 + TOOL_FDS_MAX], n = 3 + t->fd_count;
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < n; i++) /* out of the way first */
        if ((high[i] = fcntl(i < 3 ? std[i] : t->fds[i - 3], F_DUPFD_CLOEXEC, 64)) < 0)
            _exit(126);
    for (int i = 0; i < n; i++)
        if (dup2(high[i], i) < 0)
            _exit(126);
    (void)close_range((unsigned)n, ~0U, 0); /* also what somebody forgot to close on exec */
    limit_cpu(r);
    if (t->batch)
        (void)setpriority(PRIO_PROCESS, 0, BATCH_NICE); /* refused where it is worse already */
    execvpe(t->argv[0], (char *const *)t->argv, env);
    _exit(127);
}

/* A line of at most TOOL_SECRET_MAX bytes fits into a pipe. */
static int secret_open(const char *secret)
{
    AUTO(fd_close) int read_end = -1;
    size_t n = strlen(secret);
    int ends[2];

    if (n > TOOL_SECRET_MAX || pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    AUTO(fd_close) int to = ends[1];
    read_end = ends[0];
    if (write(to, secret, n) != (ssize_t)n || write(to, "\n", 1) != 1)
        return -1;
    return take_fd(read_end);
}

/* The other end of `status` closes with exec, or tells why there was none. */
static int start(struct run *r, struct arena *a, struct err *err)
{
    const struct tool *t = r->t;
    AUTO(fd_close)
    int in = t->secret ? secret_open(t->secret)
                       : open(t->input ? t->input : "/dev/null", O_RDONLY | O_CLOEXEC);
    AUTO(fd_close) int file = -1;
    int o[2], e[2];
    char *env[ENV_MAX];

    if (in < 0)
        return err_errno(err, "'%s'", t->secret ? "a secret" : t->input ? t->input : "/dev/null");
    file = t->output ? open(t->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                     : open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return err_errno(err, "'%s'", t->output ? t->output : "/dev/null");
    if (pipe2(o, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    AUTO(fd_close) int out_write = o[1];
    r->out = o[0];
    if (pipe2(e, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    AUTO(fd_close) int err_write = e[1];
    r->err = e[0];
    environment(env, a, t);
    const int std[3] = {in, t->text || t->line || t->progress_s > 0 ? out_write : file, err_write};
    if ((r->pid = fork()) < 0)
        return err_errno(err, "start %s", t->argv[0]);
    if (r->pid == 0)
        become(r, std, env);
    return 0;
}

/* ---- what it says ---- */

/* Keep the last STDERR_TAIL bytes. */
static void add_tail(char tail[STDERR_TAIL + 1], const char *data, size_t n)
{
    size_t have = strlen(tail);

    if (n > STDERR_TAIL) {
        data += n - STDERR_TAIL;
        n = STDERR_TAIL;
    }
    if (have + n > STDERR_TAIL) {
        size_t drop = have + n - STDERR_TAIL;

        memmove(tail, tail + drop, have - drop);
        have -= drop;
    }
    memcpy(tail + have, data, n);
    tail[have + n] = 0;
    for (size_t i = have; i < have + n; i++)
        if (!tail[i])
            tail[i] = '?';
}

static enum err_code whose(const struct tool *t)
{
    return t->clients_options ? ERR_USER_COMMAND : ERR_COMMAND;
}

static void hear_progress(const struct run *r, const char *line)
{
    static const char label[] = "out_time_us=";

    if (!r->job || !str_starts(line, label))
        return;
    double done = strtod(line + sizeof label - 1, NULL) / 1e6 / r->t->progress_s;
    double share = r->t->from + (r->t->to - r->t->from) * (done < 1 ? done : 1);
    if (!(done > 0)) /* "N/A" before the first frame */
        return;
    robot_progress(r->job, share);
    for (int i = 0; i < r->t->other_count; i++)
        robot_progress(r->t->others[i], share);
}

static int hear_line(struct run *r, char *line, size_t len, struct err *err)
{
    for (size_t i = 0; i < len; i++)
        if (!line[i])
            line[i] = '?';
    if (r->t->progress_s > 0)
        hear_progress(r, line);
    return r->t->line ? r->t->line(r->t->line_ctx, line, err) : 0;
}

static int hear_lines(struct run *r, const char *data, size_t n, bool last, struct err *err)
{
    while (n || (last && r->part.len)) {
        const char *end = n ? memchr(data, '\n', n) : NULL;
        size_t take_n = end ? (size_t)(end - data) : n;

        if (r->part.len + take_n > TOOL_LINE_MAX)
            return err_set(err, whose(r->t), "%s printed a line of more than %d bytes",
                           r->t->argv[0], TOOL_LINE_MAX);
        str_add(&r->part, data, take_n);
        data += take_n + (end != NULL);
        n -= take_n + (end != NULL);
        if (!end && !last)
            return 0;
        if (r->part.len && r->part.s[r->part.len - 1] == '\r')
            r->part.s[--r->part.len] = 0;
        char none[1] = "";
        if (hear_line(r, r->part.s ? r->part.s : none, r->part.len, err) < 0)
            return -1;
        str_reset(&r->part);
    }
    return 0;
}

static int hear(struct run *r, const char *data, size_t n, struct err *err)
{
    const struct tool *t = r->t;

    if (t->line || t->progress_s > 0)
        return hear_lines(r, data, n, false, err);
    if (!t->text)
        return 0;
    if (t->text->len + n > t->text_max)
        return err_set(err, whose(t), "%s printed more than %zu bytes", t->argv[0], t->text_max);
    str_add(t->text, data, n);
    return 0;
}

static int ms_left(const struct run *r)
{
    int64_t left = (r->deadline_us - clock_mono_us()) / 1000;

    return left < 0 ? 0 : left > 1000000 ? 1000000 : (int)left;
}

static int too_slow(const struct run *r, struct err *err)
{
    return err_set(err, ERR_TIMEOUT, "%s took longer than %d ms (setting timeout_s)", r->t->argv[0],
                   r->timeout_ms);
}

/* Read both pipes to their ends. */
static int listen_to(struct run *r, struct err *err)
{
    struct pollfd p[2] = {{.fd = r->out, .events = POLLIN}, {.fd = r->err, .events = POLLIN}};
    char buf[16 * 1024];

    while (p[0].fd >= 0 || p[1].fd >= 0) {
        int left = ms_left(r),
            ready = left ? poll(p, 2, left) : 0; /* also of one that never stops printing */

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return too_slow(r, err);
        for (int i = 0; i < 2; i++) {
            if (p[i].fd < 0 || !p[i].revents)
                continue;
            ssize_t n = read(p[i].fd, buf, sizeof buf);

            if (n <= 0)
                p[i].fd = -1;
            else if (i == 1)
                add_tail(r->tail, buf, (size_t)n);
            else if (hear(r, buf, (size_t)n, err) < 0)
                return -1;
        }
    }
    return r->t->line || r->t->progress_s > 0 ? hear_lines(r, "", 0, true, err) : 0;
}

/* ---- end ---- */

/* 1: it has ended. 0: not by until_us. -1: it is none of ours. */
static int wait_until(int *status, pid_t pid, int64_t until_us)
{
    int pause_us = 200;
    pid_t got;

    while ((got = waitpid(pid, status, WNOHANG)) == 0) {
        if (clock_mono_us() > until_us)
            return 0;
        usleep((useconds_t)pause_us);
        if (pause_us < 5000)
            pause_us *= 2;
    }
    return got < 0 ? -1 : 1;
}

static int judge(const struct run *r, int status, struct err *err)
{
    const char *name = r->t->argv[0];

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        err_set(err, ERR_TIMEOUT,
                "%s used more processor time than %d ms allow (setting timeout_s)", name,
                r->t->cpu_s ? r->t->cpu_s * 1000 : r->timeout_ms);
    else if (WIFSIGNALED(status))
        err_set(err, whose(r->t), "%s was ended by signal %d", name, WTERMSIG(status));
    else if (WEXITSTATUS(status) >= 126 && !*r->tail)
        err_set(err, ERR_COMMAND, "cannot start %s: it is not there, or may not be run", name);
    else
        err_set(err, whose(r->t), "%s failed with status %d", name, WEXITSTATUS(status));
    err->exited = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    return -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

/* A pipe's end that is closed ends whoever prints on. What goes on all the same is for the pool to
 * end. */
static void let_go(struct run *r)
{
    int status;

    fd_close(take_fd(r->out));
    fd_close(take_fd(r->err));
    if (r->pid > 0 && wait_until(&status, r->pid, clock_mono_us() + LAST_WISH_US) == 0)
        stuck = true;
    str_done(r->part);
    r->part = (struct str){0};
    if (!stuck)
        (void)nftw(HOME_DIR, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int run_to_the_end(struct run *r, struct err *err)
{
    int status, got;

    if (listen_to(r, err) < 0)
        return -1;
    got = wait_until(&status, r->pid, r->deadline_us);
    if (got == 0)
        return too_slow(r, err);
    pid_t pid = r->pid;
    r->pid = 0;
    if (got < 0)
        return err_errno(err, "wait for %s (%d)", r->t->argv[0], (int)pid);
    return judge(r, status, err);
}

int tool_text(struct str *out, const char *const argv[], int timeout_ms, size_t max,
              struct err *err)
{
    return tool_run(
        NULL, &(struct tool){.argv = argv, .text = out, .text_max = max, .timeout_ms = timeout_ms},
        err);
}

int tool_run(struct robot_job *job, const struct tool *t, struct err *err)
{
    AUTO(arena_free) struct arena *a = arena_new();
    struct run r = {.t = t, .job = job, .out = -1, .err = -1};
    struct err why = {0};
    int rc;

    if (t->fd_count > TOOL_FDS_MAX ||
        (t->text != NULL) + (t->line != NULL) + (t->output != NULL) > 1 || (!job && !t->timeout_ms))
        abort(); /* our own mistake */
    if (stuck)
        return err_set(err, ERR_TIMEOUT, "%s can't be started: the program before it has not ended",
                       t->argv[0]);
    r.timeout_ms =
        t->timeout_ms ? t->timeout_ms : (int)jint(robot_settings(job), "timeout_s", 60) * 1000;
    r.deadline_us = clock_mono_us() + (int64_t)r.timeout_ms * 1000;
    rc = start(&r, a, &why) < 0 || run_to_the_end(&r, &why) < 0 ? -1 : 0;
    let_go(&r);
    if (t->complained)
        *t->complained = r.tail[0] != 0;
    if (rc < 0 && err) {
        *err = why;
        if (!err->detail[0])
            snprintf(err->detail, sizeof err->detail, "%s", r.tail);
    }
    return rc;
}
