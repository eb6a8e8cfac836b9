#include "media/child.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define STDERR_TAIL 1000 /* fits err.detail */

static int start(pid_t *pid, int out_fd, int err_fd, const char *const argv[], struct err *err)
{
    /* Nothing of our environment reaches a tool that parses hostile bytes. */
    static const char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=.", "TMPDIR=.",
                                      NULL};
    posix_spawn_file_actions_t fa;
    int rc;

    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&fa, out_fd, 1);
    posix_spawn_file_actions_adddup2(&fa, err_fd, 2);
    rc = posix_spawnp(pid, argv[0], &fa, NULL, (char *const *)argv, (char *const *)env);
    posix_spawn_file_actions_destroy(&fa);
    if (rc)
        return err_set(err, ERR_COMMAND, "cannot start %s: %s", argv[0], strerror(rc));
    return 0;
}

static int ms_left(int64_t deadline_us)
{
    int64_t left = (deadline_us - clock_mono_us()) / 1000;

    return left < 0 ? 0 : (int)left;
}

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

/* Read both pipes to their ends. */
static int drain(struct str *out, char tail[STDERR_TAIL + 1], int out_fd, int err_fd,
                 const struct child_limits *lim, int64_t deadline_us, const char *tool,
                 struct err *err)
{
    struct pollfd p[2] = {{.fd = out_fd, .events = POLLIN}, {.fd = err_fd, .events = POLLIN}};
    char buf[16 * 1024];

    while (p[0].fd >= 0 || p[1].fd >= 0) {
        int ready = poll(p, 2, ms_left(deadline_us));

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return err_set(err, ERR_TIMEOUT, "%s took longer than %d ms (setting timeout_s)", tool,
                           lim->timeout_ms);
        for (int i = 0; i < 2; i++) {
            if (p[i].fd < 0 || !p[i].revents)
                continue;
            ssize_t n = read(p[i].fd, buf, sizeof buf);

            if (n <= 0)
                p[i].fd = -1;
            else if (i == 1)
                add_tail(tail, buf, (size_t)n);
            else if (out->len + (size_t)n > lim->max_output)
                return err_set(err, ERR_COMMAND, "%s printed more than %zu bytes", tool,
                               lim->max_output);
            else
                str_add(out, buf, (size_t)n);
        }
    }
    return 0;
}

int child_run(struct str *out, const char *const argv[], const struct child_limits *lim,
              struct err *err)
{
    int64_t deadline_us = clock_mono_us() + (int64_t)lim->timeout_ms * 1000;
    char tail[STDERR_TAIL + 1] = "";
    int o[2], e[2], status, pause_us = 200;
    pid_t pid, got;

    if (pipe2(o, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    AUTO(fd_close) int out_r = o[0], out_w = o[1];
    if (pipe2(e, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    AUTO(fd_close) int err_r = e[0], err_w = e[1];
    if (start(&pid, out_w, err_w, argv, err) < 0)
        return -1;
    fd_close(take_fd(out_w));
    fd_close(take_fd(err_w));
    struct rlimit cpu = {(rlim_t)(lim->timeout_ms / 1000 + 1),
                         (rlim_t)(lim->timeout_ms / 1000 + 2)};
    (void)prlimit(pid, RLIMIT_CPU, &cpu,
                  NULL); /* a jail may deny it; then the host's limit holds */

    if (drain(out, tail, out_r, err_r, lim, deadline_us, argv[0], err) < 0) {
        fd_close(take_fd(out_r)); /* the next write ends it */
        fd_close(take_fd(err_r));
        (void)waitpid(pid, &status, WNOHANG);
        return -1;
    }
    while ((got = waitpid(pid, &status, WNOHANG)) == 0) {
        if (!ms_left(deadline_us))
            return err_set(err, ERR_TIMEOUT, "%s took longer than %d ms (setting timeout_s)",
                           argv[0], lim->timeout_ms);
        usleep((useconds_t)pause_us);
        if (pause_us < 5000)
            pause_us *= 2;
    }
    if (got < 0)
        return err_errno(err, "wait for %s", argv[0]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        err_set(err, ERR_COMMAND, "%s was ended by signal %d", argv[0], WTERMSIG(status));
    else
        err_set(err, ERR_COMMAND, "%s failed with status %d", argv[0], WEXITSTATUS(status));
    if (err)
        snprintf(err->detail, sizeof err->detail, "%s", tail);
    return -1;
}
