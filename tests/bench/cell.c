/* What a worker's walls cost: from the zygote's request to the worker's first byte, and from the kill to the proof that
 * nothing is left, with all walls and without the kernel's own (namespaces, root, users, Landlock). Prints medians and the
 * worst of COUNT each, taken in turn. */
#include "base/clock.h"
#include "base/err.h"
#include "worker/init.h"
#include "worker/users.h"
#include "worker/walls.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT 100
#define USER 1899997000

static void work(void *ctx, const struct err *why)
{
    (void)!write(*(int *)ctx, why ? why->msg : "r", 1);
    for (;;)
        pause();
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void once(double *up, double *gone, const char *dir, const struct jail_limits *limits)
{
    int p[2], control, status;
    char byte;
    struct err err;

    if (pipe(p) < 0)
        exit(1);
    struct cell cell = {&roles[ROLE_MEDIA], limits, dir, 1, work, &p[1], p[1]};
    int64_t start = clock_mono_us();
    pid_t pid = cell_start(&control, &cell, &err);
    close(p[1]);
    if (pid < 0 || read(p[0], &byte, 1) != 1 || byte != 'r') {
        fprintf(stderr, "no cell\n");
        exit(1);
    }
    *up = (double)(clock_mono_us() - start) / 1000;
    start = clock_mono_us();
    (void)!send(control, "k", 1, 0);
    waitpid(pid, &status, 0);
    *gone = (double)(clock_mono_us() - start) / 1000;
    close(p[0]);
    close(control);
}

int main(void)
{
    static double up[2][COUNT], gone[2][COUNT];
    char dir[] = "/tmp/cell-bench-XXXXXX", in[64], out[64];
    struct jail_limits limits[2];
    bool complete;

    if (!mkdtemp(dir))
        return 1;
    snprintf(in, sizeof in, "%s/in", dir);
    snprintf(out, sizeof out, "%s/out", dir);
    mkdir(in, 0700);
    mkdir(out, 0700);
    for (int i = 0; i < 2; i++) {
        limits[i] = (struct jail_limits){.memory_bytes = INT64_C(4) << 30, .file_bytes = 1 << 30, .users = 1,
                                         .user = i == 0 && geteuid() == 0 && users_are_mapped(USER, 1) ? USER : 0};
        const struct walls_wish wish = {dir, i ? "user,userns,pid,ipc,net,mount,landlock" : "", limits[i].user != 0};
        limits[i].walls = walls_probe(&complete, &roles[ROLE_MEDIA], &wish, json_array());
    }
    for (int k = 0; k < COUNT; k++)
        for (int i = 0; i < 2; i++)
            once(&up[i][k], &gone[i][k], dir, &limits[i]);
    for (int i = 0; i < 2; i++) {
        qsort(up[i], COUNT, sizeof(double), compare);
        qsort(gone[i], COUNT, sizeof(double), compare);
        printf("%-28s ready after %.2f ms (worst %.2f), gone after %.2f ms (worst %.2f)\n",
               i ? "limits and system calls only" : "all walls", up[i][COUNT / 2], up[i][COUNT - 1], gone[i][COUNT / 2],
               gone[i][COUNT - 1]);
    }
    rmdir(in);
    rmdir(out);
    rmdir(dir);
}
