#include "worker/trial.h"
#include "base/clock.h"
#include "base/str.h"
#include "worker/trial_answer.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_US 200000 /* whether it is to stop */

/* ---- its directory ---- */

int trial_open(struct trial *t, struct err *err)
{
    snprintf(t->dir, sizeof t->dir, "/tmp/workcell-trial-XXXXXX");
    if (!mkdtemp(t->dir)) {
        *t->dir = 0;
        return err_errno(err, "make a directory in /tmp");
    }
    AUTO(mem_free) char *in = mem_printf("%s/in", t->dir), *out = mem_printf("%s/out", t->dir);
    if (chmod(t->dir, 0755) < 0 || mkdir(in, 0755) < 0 || mkdir(out, 0755) < 0)
        return err_errno(err, "make '%s'", in);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void trial_close(struct trial t)
{
    if (*t.dir)
        nftw(t.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- asking ---- */

/* All of it, or -1: not in time, or more than is sane. */
static int read_all(struct str *out, const struct trial *t, int fd, int timeout_s)
{
    int64_t end = clock_mono_us() + timeout_s * SECOND_US;
    char buf[4096];

    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        int64_t left = end - clock_mono_us();
        ssize_t n;

        if (left <= 0 || out->len > TRIAL_ANSWER_MAX || (t->stop && *t->stop) ||
            (poll(&p, 1, left < LOOK_US ? (int)(left / 1000) + 1 : LOOK_US / 1000) < 0 && errno != EINTR))
            return -1;
        if (!p.revents)
            continue;
        if ((n = read(fd, buf, sizeof buf)) <= 0)
            return 0;
        str_add(out, buf, (size_t)n);
    }
}

/* The input as a file in memory: whoever does not read it makes nobody wait, and no disk sees it. */
static int input_file(const json_t *input)
{
    AUTO(mem_free) char *text = input ? json_text(input) : mem_strdup("");
    size_t len = strlen(text);
    int fd = memfd_create("trial", MFD_CLOEXEC);

    if (fd >= 0 && (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)) {
        close(fd);
        fd = -1;
    }
    explicit_bzero(text, len);
    return fd;
}

/* Not fork(): of a daemon that holds much. */
static int start(pid_t *pid, char **argv, char **env, int in, int out)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, usual;

    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    posix_spawnattr_init(&how);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &usual);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    int rc = posix_spawn(pid, argv[0], &files, &how, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&how);
    errno = rc;
    return rc ? -1 : 0;
}

json_t *trial_ask(const struct trial *t, const char *program, const char *flag, const char *robot, const json_t *input,
                  int timeout_s, struct err *err)
{
    AUTO(mem_free) char *path = *program == '/' ? mem_strdup(program) : mem_printf("%s/%s", t->program_dir, program);
    AUTO(mem_free) char *without = mem_printf("WORKCELL_JAIL_WITHOUT=%s", t->without ? t->without : "");
    char *argv[] = {path, (char *)flag, (char *)t->dir, (char *)robot, NULL};
    /* as workers have it */
    char *env[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "VIPS_WARNING=0", "MALLOC_ARENA_MAX=2",
                   "HOME=/nonexistent",  "TMPDIR=out", "ASAN_OPTIONS=detect_leaks=0", without, NULL};
    AUTO(str_done) struct str said = {0};
    AUTO(fd_close) int in = input_file(input);
    int out[2], status = 0;
    pid_t pid;

    if (in < 0 || pipe2(out, O_CLOEXEC) < 0) {
        err_errno(err, "start %s", program);
        return NULL;
    }
    if (start(&pid, argv, env, in, out[1]) < 0) {
        err_errno(err, "start %s", program);
        close(out[0]);
        close(out[1]);
        return NULL;
    }
    close(out[1]);
    int rc = read_all(&said, t, out[0], timeout_s);
    close(out[0]);
    bool left = rc < 0 && t->leaves && t->stop && *t->stop; /* who takes it over reaps it */
    if (rc < 0 && !left)
        kill(pid, SIGKILL); /* its cell ends with it */
    while (!left && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    json_t *answer = rc == 0 && said.s ? trial_answer_parse(said.s, said.len) : NULL;
    if (!answer && t->stop && *t->stop)
        err_set(err, ERR_WORKER, "%s was ended: the server stops", program);
    else if (!answer && rc < 0)
        err_set(err, ERR_TIMEOUT, "%s did not answer within %d seconds", program, timeout_s);
    else if (!answer)
        err_set(err, ERR_WORKER, "%s ended with status %d", program,
                WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    return answer;
}
