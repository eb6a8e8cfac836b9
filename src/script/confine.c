#include "script/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_FD  60
#define REQUEST_FD 61
#define LOOK_US    4000                 /* between two looks at the memory */
#define DATA_SPARE (INT64_C(256) << 20) /* of addresses, above the limit that the timer holds */

/* Memory, clocks and the end. What the engine's own code may ask for on the way is answered with EPERM. */
static const int allowed[] = {
    SCMP_SYS(brk),          SCMP_SYS(mmap),          SCMP_SYS(munmap),       SCMP_SYS(mprotect),
    SCMP_SYS(mremap),       SCMP_SYS(madvise),       SCMP_SYS(futex),        SCMP_SYS(sched_yield),
    SCMP_SYS(getrusage),    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(clock_getres), SCMP_SYS(getrandom),     SCMP_SYS(getpid),       SCMP_SYS(gettid),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(exit),          SCMP_SYS(exit_group),   SCMP_SYS(restart_syscall)};

bool confine_allows(int call)
{
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        if (allowed[i] == call)
            return true;
    return call == SCMP_SYS(write) || call == SCMP_SYS(close);
}

static struct sock_fprog filter;
static int64_t data_now; /* bytes of this process as the kernel counts them for RLIMIT_DATA; 0: nobody knows */

static void give_up(void)
{
    static const char text[] = "the list of an evaluation's system calls could not be made\n";

    (void)!write(2, text, sizeof text - 1);
    abort();
}

static void measure(void)
{
    char text[256];
    long long pages = 0;
    AUTO(fd_close) int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (n > 0) {
        text[n] = 0;
        if (sscanf(text, "%*d %*d %*d %*d %*d %lld", &pages) == 1)
            data_now = pages * sysconf(_SC_PAGESIZE);
    }
}

void confine_prepare(void)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int rc = f ? 0 : -1, file = memfd_create("filter", MFD_CLOEXEC);
    off_t size = 0;

    for (size_t i = 0; !rc && i < ARRAY_LEN(allowed); i++)
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[i], 0);
    if (!rc)
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, SCMP_CMP(0, SCMP_CMP_EQ, ANSWER_FD));
    if (!rc)
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(close), 1, SCMP_CMP(0, SCMP_CMP_EQ, ANSWER_FD));
    if (rc || file < 0 || seccomp_export_bpf(f, file) || (size = lseek(file, 0, SEEK_END)) <= 0)
        give_up();
    seccomp_release(f);
    filter.len = (unsigned short)((size_t)size / sizeof *filter.filter);
    filter.filter = mem_alloc((size_t)size);
    if (pread(file, filter.filter, (size_t)size, 0) != size)
        give_up();
    close(file);
    measure();
}

/* ---- the timer ---- */

static long most_kb;
static time_t end_s;

static void look(int sig)
{
    struct rusage used;
    struct timespec now;

    (void)sig;
    getrusage(RUSAGE_SELF, &used);
    if (used.ru_maxrss > most_kb)
        _exit(CONFINE_MEMORY);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec >= end_s)
        _exit(CONFINE_WALL);
}

static bool watch(int wall_s, int64_t memory_bytes)
{
    struct sigaction action = {.sa_handler = look, .sa_flags = SA_RESTART | SA_ONSTACK};
    struct itimerval often = {{0, LOOK_US}, {0, LOOK_US}};
    struct rusage used;
    struct timespec now;
    sigset_t none;

    getrusage(RUSAGE_SELF, &used);
    clock_gettime(CLOCK_MONOTONIC, &now);
    most_kb = used.ru_maxrss + (long)(memory_bytes >> 10);
    end_s = now.tv_sec + wall_s + 1;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGXCPU, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    return sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0;
}

/* ---- the whole ---- */

static void limit(int what, int64_t soft, int64_t hard)
{
    struct rlimit r = {(rlim_t)soft, (rlim_t)hard};

    setrlimit(what, &r);
}

void confine_keep(int *request, int *answer)
{
    /* the second is no number that the first may have by now */
    if (*answer == REQUEST_FD || dup3(*request, REQUEST_FD, O_CLOEXEC) < 0 ||
        dup3(*answer, ANSWER_FD, O_CLOEXEC) < 0 || close_range(3, ANSWER_FD - 1, 0) < 0 ||
        close_range(REQUEST_FD + 1, ~0u, 0) < 0)
        _exit(CONFINE_FAILED);
    *request = REQUEST_FD;
    *answer = ANSWER_FD;
}

void confine_enter(int answer, int cpu_s, int wall_s, int64_t memory_bytes)
{
    if (answer != ANSWER_FD || close_range(ANSWER_FD + 1, ~0u, 0) < 0)
        _exit(CONFINE_FAILED);
    limit(RLIMIT_CPU, cpu_s, cpu_s + 1);
    limit(RLIMIT_CORE, 0, 0);
    if (data_now)
        limit(RLIMIT_DATA, data_now + memory_bytes + DATA_SPARE, data_now + memory_bytes + DATA_SPARE);
    bool is_bound = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    if (!is_bound || !watch(wall_s, memory_bytes) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
        _exit(CONFINE_FAILED);
}
