/* in_cell ROLE COMMAND [ARGUMENT...]: runs a command as a worker of that role would, in the current directory, which has in/
 * and out/. To find out what a new engine needs: strace -f build/tests/tools/in_cell media ffmpeg ... shows which of its
 * calls are refused (EPERM). Exits as the command does. */
#include "base/err.h"
#include "worker/init.h"
#include "worker/users.h"
#include "worker/walls.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define USER 1899996000

static void work(void *ctx, const struct err *why)
{
    char **argv = ctx;
    static char *const env[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=out", "TMPDIR=out", "OMP_THREAD_LIMIT=1",
                                "OPENSSL_CONF=/dev/null", NULL};

    if (why)
        fprintf(stderr, "no cell: %s\n", why->msg);
    else
        execvpe(argv[0], argv, env);
    _exit(127);
}

int main(int argc, char **argv)
{
    char dir[PATH_MAX];
    int control;
    bool complete;
    struct err err;
    struct cell_report report = {.status = 1 << 8};

    const struct role *role = NULL;

    for (int i = 0; argc > 2 && i < ROLE_COUNT; i++)
        if (!strcmp(argv[1], roles[i].name))
            role = &roles[i];
    if (!role || !realpath(".", dir)) {
        fprintf(stderr, "usage: in_cell ROLE COMMAND [ARGUMENT...]\n");
        return 2;
    }
    struct jail_limits limits = {.memory_bytes = INT64_C(4) << 30, .file_bytes = INT64_C(10) << 30, .users = 1,
                                 .user = geteuid() == 0 && users_are_mapped(USER, 1) ? USER : 0, .connect_allow = ""};
    const struct walls_wish wish = {dir, "", limits.user != 0};
    limits.walls = walls_probe(&complete, role, &wish, json_array());
    int out = open("/dev/null", O_RDWR);
    struct cell cell = {role, &limits, dir, 1, work, argv + 2, out};
    pid_t pid = cell_start(&control, &cell, &err);
    if (pid < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    waitpid(pid, NULL, 0);
    (void)!cell_report_read(&report, control);
    return WIFEXITED(report.status) ? WEXITSTATUS(report.status) : 128 + WTERMSIG(report.status);
}
