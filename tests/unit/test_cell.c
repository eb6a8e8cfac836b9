/* A worker that somebody has taken over, tried from inside: every system call that is not in its list, and every file,
 * socket and process that must be out of reach. In each role, as root and as an ordinary user, with all walls and with
 * each of them missing. */
#include "base/err.h"
#include "script/confine.h"
#include "worker/calls.h"
#include "worker/init.h"
#include "worker/users.h"
#include "worker/walls.h"

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define USER 1899998000
#define MB (INT64_C(1) << 20)

/* ---- one cell ---- */

struct trial {
    const char *without; /* walls that are done without */
    const char *allow;   /* networks that may be reached */
    const char *local;   /* and the local socket */
    int64_t memory, scratch;
    bool keep_running;   /* the report is not awaited */
    int control;         /* then: what ends it, */
    pid_t init;          /* who it is, */
    char dir[64];        /* and where */
};

struct inside {
    void (*fn)(int say);
    int say;
};

static void run_inside(void *ctx, const struct err *why)
{
    const struct inside *i = ctx;

    if (why)
        dprintf(i->say, "no jail: %s\n", why->msg);
    else
        i->fn(i->say);
    _exit(0);
}

static void remove_dir(const char *dir)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

static int own_role; /* of the cell, which inherits it */

/* Run fn in a cell of this role; what it said (NUL-terminated, the caller's) and the report. */
static char *in_cell(int role, struct trial *t, struct cell_report *report, void (*fn)(int say))
{
    struct jail_limits limits = {.memory_bytes = t->memory ? t->memory : 4096 * MB,
                                 .file_bytes = 1024 * MB,
                                 .scratch_bytes = t->scratch ? t->scratch : 4096 * MB,
                                 .user = geteuid() == 0 && users_are_mapped(USER, 100) ? USER : 0,
                                 .users = 100,
                                 .connect_allow = t->allow ? t->allow : "",
                                 .connect_socket = t->local};
    char *text = calloc(1, 65536), in[96], out[96];
    json_t *notes = json_array();
    size_t len = 0;
    ssize_t n;
    int p[2];
    bool complete;
    struct err err;

    own_role = role;
    snprintf(t->dir, sizeof t->dir, "/tmp/cell-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    snprintf(in, sizeof in, "%s/in", t->dir);
    snprintf(out, sizeof out, "%s/out", t->dir);
    assert_int_equal(mkdir(in, 0700), 0);
    assert_int_equal(mkdir(out, 0700), 0);
    strcat(in, "/0.png");
    int fd = open(in, O_WRONLY | O_CREAT, 0444);
    assert_int_equal(write(fd, "input", 5), 5);
    close(fd);
    const struct walls_wish wish = {t->dir, t->without ? t->without : "", limits.user != 0};
    limits.walls = walls_probe(&complete, &roles[role], &wish, notes);
    if (!t->without && !complete)
        fail_msg("this machine lacks a wall: %s", json_dumps(notes, 0));
    json_decref(notes);
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    struct inside inside = {fn, p[1]};
    struct cell cell = {&roles[role], &limits, t->dir, 7, run_inside, &inside, p[1]};
    fflush(stdout);
    /* cmocka's handlers would go on with the tests in the child */
    static const int caught[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS};
    for (size_t i = 0; i < ARRAY_LEN(caught); i++)
        signal(caught[i], SIG_DFL);
    t->init = cell_start(&t->control, &cell, &err);
    if (t->init < 0)
        fail_msg("%s", err.msg);
    close(p[1]);
    while (len < 65535 && (n = read(p[0], text + len, t->keep_running ? 1 : 65535 - len)) > 0) {
        len += (size_t)n;
        if (t->keep_running && text[len - 1] == '\n')
            break;
    }
    close(p[0]);
    if (t->keep_running)
        return text;
    int status;
    assert_int_equal(waitpid(t->init, &status, 0), t->init);
    memset(report, 0, sizeof *report);
    (void)!cell_report_read(report, t->control);
    close(t->control);
    remove_dir(t->dir);
    return text;
}

/* fn says a line for each thing that should not have worked. */
static void nothing_works(const char *without, const char *allow, void (*fn)(int say))
{
    for (int role = 0; role < ROLE_COUNT; role++) {
        struct trial t = {.without = without, .allow = allow};
        struct cell_report r;
        char *said = in_cell(role, &t, &r, fn);

        if (strcmp(said, "end\n"))
            fail_msg("in a %s worker%s%s: %s", roles[role].name, without ? " without " : "", without ? without : "", said);
        free(said);
    }
}

#define WORKS(say, what, expr)                                                                       \
    do {                                                                                             \
        errno = 0;                                                                                   \
        if ((long)(expr) >= 0)                                                                       \
            dprintf(say, "%s works\n", what);                                                        \
    } while (0)
#define NOT_REFUSED(say, what, expr)                                                                 \
    do {                                                                                             \
        errno = 0;                                                                                   \
        if ((long)(expr) >= 0 || (errno != EPERM && errno != ENOSYS))                                \
            dprintf(say, "%s is not refused: %s\n", what, strerror(errno));                          \
    } while (0)

/* ---- calls ---- */

static void walk_calls(int say)
{
    for (int nr = 0; nr < 1000; nr++) {
        /* 335 and 336 are for probes of the kernel's own; it lets no filter see them, and whoever else calls them is killed */
        if (calls_listed(&roles[own_role], nr) || nr == 335 || nr == 336)
            continue;
        errno = 0;
        long rc = syscall(nr, -1L, 0L, 0L, 0L, 0L, 0L);
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
        if (rc != -1 || (errno != EPERM && !(nr == SYS_clone3 && errno == ENOSYS)))
            dprintf(say, "call %d (%s) is not refused: %ld, %s\n", nr, name ? name : "?", rc, strerror(errno));
        free(name);
    }
    dprintf(say, "end\n");
}

static void every_call_that_is_not_listed_is_refused(void **state)
{
    (void)state;
    nothing_works(NULL, NULL, walk_calls);
}

static void try_arguments(int say)
{
    struct rlimit zero = {0, 0};
    int pair[2], out = open("out/x", O_RDWR | O_CREAT, 0600);
    pid_t parent = getppid();

    NOT_REFUSED(say, "TIOCSTI", ioctl(2, TIOCSTI, "x"));
    NOT_REFUSED(say, "TIOCLINUX", ioctl(2, 0x541C, "\2"));
    NOT_REFUSED(say, "FICLONE", ioctl(out, 0x40049409, out));
    NOT_REFUSED(say, "a lease", fcntl(out, F_SETLEASE, F_WRLCK));
    NOT_REFUSED(say, "a lease on the input", fcntl(open("in/0.png", O_RDONLY), F_SETLEASE, F_RDLCK));
    NOT_REFUSED(say, "signals for somebody", fcntl(out, F_SETOWN, parent));
    NOT_REFUSED(say, "losing the death signal", prctl(PR_SET_PDEATHSIG, 0));
    NOT_REFUSED(say, "a subreaper", prctl(PR_SET_CHILD_SUBREAPER, 1));
    NOT_REFUSED(say, "limits of others", prlimit(parent ? parent : 1, RLIMIT_CPU, &zero, NULL));
    NOT_REFUSED(say, "the priority of somebody", setpriority(PRIO_PROCESS, (id_t)(parent ? parent : 1), 19));
    NOT_REFUSED(say, "the priority of a user", setpriority(PRIO_USER, 0, 19));
    NOT_REFUSED(say, "the priority of a group", setpriority(PRIO_PGRP, 0, 19));
    WORKS(say, "a better priority", setpriority(PRIO_PROCESS, 0, -20));
    NOT_REFUSED(say, "a user namespace", unshare(CLONE_NEWUSER));
    NOT_REFUSED(say, "clone with namespaces", syscall(SYS_clone, (long)CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
    NOT_REFUSED(say, "a local socket", socket(AF_UNIX, SOCK_STREAM, 0));
    NOT_REFUSED(say, "a packet socket", socket(AF_PACKET, SOCK_RAW, 0));
    NOT_REFUSED(say, "vsock", socket(40, SOCK_STREAM, 0));
    NOT_REFUSED(say, "the mode of an open file", fchmod(out, 0666));
    NOT_REFUSED(say, "the owner of an open file", fchown(out, 0, 0));
    NOT_REFUSED(say, "an attribute of an open file", fsetxattr(out, "user.a", "b", 1, 0));
    if (roles[own_role].writes)
        NOT_REFUSED(say, "times of an open file", futimens(out, NULL));
    if (!roles[own_role].network) {
        NOT_REFUSED(say, "an internet socket", socket(AF_INET, SOCK_DGRAM, 0));
        NOT_REFUSED(say, "netlink", socket(AF_NETLINK, SOCK_RAW, 0));
        NOT_REFUSED(say, "a socket pair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    } else {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);

        NOT_REFUSED(say, "a datagram to loopback", sendto(udp, "x", 1, 0, (void *)&to, sizeof to));
        NOT_REFUSED(say, "a server's socket", bind(tcp, (void *)&to, sizeof to));
        NOT_REFUSED(say, "listening", listen(tcp, 1));
    }
    dprintf(say, "end\n");
}

static void calls_that_depend_on_arguments_are_refused_with_others(void **state)
{
    (void)state;
    nothing_works(NULL, NULL, try_arguments);
    nothing_works("landlock,user,userns,pid,ipc,net,mount,broker", NULL, try_arguments);
}

/* ---- files ---- */

static void try_files(int say)
{
    static const char *const closed[] = {"/etc/passwd", "/etc/shadow", "/etc/hostname", "/root", "/home", "/var/log", "/tmp",
                                         "/proc/1/environ", "/proc/1/mem", "/proc/1/root/etc/passwd", "/proc/sys/kernel/hostname",
                                         "/sys/kernel", "/dev/tty", "/dev/mem", "/dev/shm", "/run", "..", "../..", NULL};
    char buf[8];

    for (const char *const *p = closed; *p; p++) {
        /* a browser's children look at /proc; in its PID namespace that shows nobody else */
        if (own_role == ROLE_BROWSER && !strncmp(*p, "/proc/sys", 9))
            continue;
        int fd = open(*p, O_RDONLY);

        /* a directory of the small root is empty but for what the role reads; that it opens is no harm */
        if (fd >= 0 && read(fd, buf, 1) >= 0)
            dprintf(say, "%s can be read\n", *p);
    }
    WORKS(say, "writing into in/", open("in/new", O_WRONLY | O_CREAT, 0600));
    WORKS(say, "writing the input", open("in/0.png", O_WRONLY));
    WORKS(say, "removing the input", unlink("in/0.png"));
    WORKS(say, "moving the input out", rename("in/0.png", "out/0.png"));
    WORKS(say, "linking the input", link("in/0.png", "out/0.png"));
    WORKS(say, "a symbolic link", symlink("/etc/passwd", "out/l"));
    WORKS(say, "a FIFO", mkfifo("out/f", 0600));
    WORKS(say, "a device", mknod("out/d", S_IFCHR | 0600, 0x103));
    WORKS(say, "the mode of the input", chmod("in/0.png", 0));
    WORKS(say, "a file beside in/ and out/", open("beside", O_WRONLY | O_CREAT, 0600));
    WORKS(say, "a file in /usr", open("/usr/new", O_WRONLY | O_CREAT, 0600));
    WORKS(say, "a mount", mount("none", "out", "tmpfs", 0, NULL));
    bool reads = open("in/0.png", O_RDONLY) >= 0, writes = open("out/ok", O_WRONLY | O_CREAT, 0600) >= 0;
    if (!roles[own_role].writes && (reads || writes))
        dprintf(say, "it has files, and needs none\n");
    if (roles[own_role].writes && !(reads && writes))
        dprintf(say, "its own files can't be used: %s\n", strerror(errno));
    dprintf(say, "end\n");
}

static void files_of_others_are_out_of_reach(void **state)
{
    (void)state;
    nothing_works(NULL, NULL, try_files);
}

static void files_stay_out_of_reach_without_landlock(void **state)
{
    (void)state;
    nothing_works("landlock", NULL, try_files);
}

static void files_stay_out_of_reach_without_a_root_of_its_own(void **state)
{
    (void)state;
    nothing_works("mount", NULL, try_files);
    nothing_works("mount,pid,ipc,net,userns", NULL, try_files);
}

/* ---- programs of clients ---- */

/* A script worker never opens anything: what it needs was loaded before it was one. */
static void try_to_open(int say)
{
    static const char *const paths[] = {"in", "in/0.png", "out", "out/x", ".", "/", "/dev/null", "/dev/urandom",
                                        "/proc/self/maps", "/proc/self/mem", "/proc/self/environ", "/usr/lib",
                                        "/lib64/ld-linux-x86-64.so.2", NULL};
    int pair[2];

    for (const char *const *p = paths; *p; p++) {
        NOT_REFUSED(say, *p, open(*p, O_RDONLY));
        NOT_REFUSED(say, *p, open(*p, O_WRONLY | O_CREAT, 0600));
        NOT_REFUSED(say, *p, syscall(SYS_open, *p, O_RDONLY));
        NOT_REFUSED(say, *p, mkdir(*p, 0700));
        NOT_REFUSED(say, *p, unlink(*p));
        NOT_REFUSED(say, *p, rename(*p, "out/y"));
        NOT_REFUSED(say, *p, execl(*p, *p, NULL));
    }
    NOT_REFUSED(say, "a program in memory", syscall(SYS_execveat, memfd_create("m", 0), "", NULL, NULL, 0x1000));
    NOT_REFUSED(say, "an internet socket", socket(AF_INET, SOCK_STREAM, 0));
    NOT_REFUSED(say, "a local socket", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    NOT_REFUSED(say, "a signal to its init", kill(getppid(), 0));
    dprintf(say, "end\n");
}

static void a_script_worker_opens_nothing(void **state)
{
    static const char *const without[] = {NULL, "landlock", "mount", "landlock,user,userns,pid,ipc,net,mount,broker"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(without); i++) {
        struct trial t = {.without = without[i]};
        struct cell_report r;
        char *said = in_cell(ROLE_SCRIPT, &t, &r, try_to_open);

        assert_string_equal(said, "end\n");
        free(said);
    }
}

/* What an engine that was taken over has left: its child calls each system call that there is. dprintf() asks for more
 * than it may. */
static int evaluation_says;

static int evaluate_from_here(int say)
{
    int request = dup(say);

    confine_keep(&request, &say);
    confine_enter(say, 1, 10, 64 * MB);
    return say;
}

static void still_works(const char *what, long rc)
{
    char text[128];

    if (rc == -1 && errno == EPERM)
        return;
    snprintf(text, sizeof text, "%s is not refused: %s\n", what, strerror(errno));
    (void)!write(evaluation_says, text, strlen(text));
}

static int do_nothing(void *arg) { return arg != NULL; }

static void walk_calls_of_an_evaluation(int say)
{
    static char stack[65536];
    struct rlimit minute = {60, 60};
    char name[32];

    evaluation_says = evaluate_from_here(say);
    for (int nr = 0; nr < 1000; nr++) {
        snprintf(name, sizeof name, "call %d", nr);
        if (!confine_allows(nr) && nr != 335 && nr != 336)
            still_works(name, syscall(nr, -1L, 0L, 0L, 0L, 0L, 0L));
    }
    for (int other = 0; other < 64; other++)
        if (other != evaluation_says)
            still_works("writing elsewhere", write(other, "x", 1));
    still_works("a thread", clone(do_nothing, stack + sizeof stack, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, NULL));
    still_works("a child", fork());
    still_works("losing the timer", signal(SIGALRM, SIG_IGN) == SIG_ERR ? -1 : 0);
    still_works("more processor time", setrlimit(RLIMIT_CPU, &minute));
    (void)!write(evaluation_says, "end\n", 4);
}

static void an_evaluation_can_call_next_to_nothing(void **state)
{
    struct trial t = {0};
    struct cell_report r;
    (void)state;

    confine_prepare();
    char *said = in_cell(ROLE_SCRIPT, &t, &r, walk_calls_of_an_evaluation);
    if (strcmp(said, "end\n"))
        fail_msg("status %x: %s", r.status, said);
    free(said);
}

static void loop_for_ever(int say)
{
    evaluate_from_here(say);
    for (;;)
        ;
}

static void fill_memory(int say)
{
    evaluate_from_here(say);
    for (;;)
        memset(malloc(MB), 1, MB);
}

/* Without the engine's help: it may be what is hostile. */
static void an_evaluation_is_ended_whatever_its_engine_does(void **state)
{
    static const struct {
        void (*fn)(int say);
        int signal, status;
    } rows[] = {{loop_for_ever, SIGXCPU, 0}, {fill_memory, 0, CONFINE_MEMORY}};
    (void)state;

    confine_prepare();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct trial t = {0};
        struct cell_report r;

        free(in_cell(ROLE_SCRIPT, &t, &r, rows[i].fn));
        assert_int_equal(WIFSIGNALED(r.status) ? WTERMSIG(r.status) : 0, rows[i].signal);
        assert_int_equal(WIFEXITED(r.status) ? WEXITSTATUS(r.status) : 0, rows[i].status);
    }
}

/* ---- descriptors ---- */

static int opened_before;

static void look_at_descriptors(int say)
{
    for (int fd = 0; fd < 1024; fd++)
        if (fd != say && fd > 2 && fcntl(fd, F_GETFD) >= 0)
            dprintf(say, "descriptor %d is open\n", fd);
    dprintf(say, "end\n");
}

static void no_descriptor_is_inherited_but_the_one(void **state)
{
    (void)state;
    opened_before = open("/etc/passwd", O_RDONLY); /* without O_CLOEXEC */
    dup2(opened_before, 251);
    nothing_works(NULL, NULL, look_at_descriptors);
    close(opened_before);
    close(251);
}

/* ---- processes ---- */

static pid_t test_pid;

static void try_processes(int say)
{
    struct sched_param p = {0};
    char path[64];

    for (pid_t pid = 1; pid < 400; pid++)
        if (pid != getpid() && kill(pid, 0) == 0)
            dprintf(say, "process %d can be signalled\n", (int)pid);
    WORKS(say, "a signal to the tester", kill(test_pid, 0));
    WORKS(say, "its priority", setpriority(PRIO_PROCESS, (id_t)test_pid, 19));
    WORKS(say, "its scheduler", sched_setscheduler(test_pid, SCHED_BATCH, &p));
    WORKS(say, "tracing it", syscall(SYS_ptrace, 16, test_pid, 0, 0));
    WORKS(say, "a descriptor of it", syscall(SYS_pidfd_open, test_pid, 0));
    snprintf(path, sizeof path, "/proc/%d/environ", (int)test_pid);
    WORKS(say, "its environment", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)test_pid);
    WORKS(say, "its command line", open(path, O_RDONLY));
    WORKS(say, "leaving the session", setsid());
    WORKS(say, "leaving the group", setpgid(0, 0));
    if (!roles[own_role].network)
        WORKS(say, "shared memory of System V", syscall(SYS_shmget, 0, 4096, 01600));
    dprintf(say, "end\n");
}

static void processes_of_others_are_out_of_reach(void **state)
{
    (void)state;
    test_pid = getpid();
    nothing_works(NULL, NULL, try_processes);
    nothing_works("landlock", NULL, try_processes);
}

/* Grandchildren whose parents are gone, busy, asleep, ignoring what can be ignored. */
static void leave_a_family(int say)
{
    for (int i = 0; i < 5; i++)
        if (fork() == 0) {
            if (fork() == 0) {
                signal(SIGTERM, SIG_IGN);
                signal(SIGHUP, SIG_IGN);
                for (;;)
                    if (i % 2)
                        pause();
            }
            _exit(0);
        }
    for (int i = 0; i < 5; i++)
        wait(NULL);
    dprintf(say, "ready\n");
    for (;;)
        pause();
}

/* Processes whose current directory is dir. */
static int living_in(const char *dir)
{
    char command[160];
    int n = -1;

    snprintf(command, sizeof command, "ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -c '%s$'", dir);
    FILE *f = popen(command, "r");
    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

static void end_of_a_family(const char *without, bool by_closing)
{
    for (int role = 0; role < ROLE_COUNT; role++) {
        struct trial t = {.without = without, .keep_running = true};
        struct cell_report r = {0};
        char *said = in_cell(role, &t, &r, leave_a_family);
        int status;

        assert_string_equal(said, "ready\n");
        assert_int_equal(living_in(t.dir), 6);
        if (!by_closing)
            assert_int_equal(send(t.control, "k", 1, MSG_NOSIGNAL), 1);
        else
            shutdown(t.control, SHUT_WR);
        assert_int_equal(waitpid(t.init, &status, 0), t.init);
        assert_int_equal(living_in(t.dir), 0);
        assert_true(cell_report_read(&r, t.control));
        assert_int_equal(r.killed, 6);
        assert_true(WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGKILL);
        close(t.control);
        remove_dir(t.dir);
        free(said);
    }
}

static void a_kill_ends_and_counts_every_process(void **state)
{
    (void)state;
    end_of_a_family(NULL, false);
}

static void a_kill_ends_and_counts_every_process_without_namespaces(void **state)
{
    (void)state;
    end_of_a_family("pid,mount,userns,ipc,net,user", false);
}

/* An order that comes when the init ends by itself must not cost its report. */
static void a_report_is_read_whatever_came_too_late(void **state)
{
    struct cell_report sent = {.killed = 7}, got = {0};
    int pair[2];
    (void)state;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(send(pair[0], "k", 1, 0), 1);
    assert_int_equal(send(pair[1], &sent, sizeof sent, 0), sizeof sent);
    close(pair[1]);
    assert_true(cell_report_read(&got, pair[0]));
    assert_int_equal(got.killed, 7);
    assert_false(cell_report_read(&got, pair[0]));
    close(pair[0]);
}

static void a_cell_ends_when_nobody_is_left_to_tell_it(void **state)
{
    (void)state;
    end_of_a_family(NULL, true);
}

static void an_init_that_is_killed_takes_its_cell_along(void **state)
{
    (void)state;
    struct trial t = {.keep_running = true};
    struct cell_report r;
    char *said = in_cell(ROLE_MEDIA, &t, &r, leave_a_family);
    int status;

    assert_string_equal(said, "ready\n");
    kill(t.init, SIGKILL);
    assert_int_equal(waitpid(t.init, &status, 0), t.init);
    assert_int_equal(living_in(t.dir), 0);
    close(t.control);
    remove_dir(t.dir);
    free(said);
}

/* ---- sums ---- */

static void fork_without_end(int say)
{
    int n = 0;

    for (pid_t pid; n < 5000 && (pid = fork()) >= 0; n++)
        if (pid == 0)
            for (;;)
                pause();
    dprintf(say, "%d\n", n);
    pause();
}

static void processes_of_a_job_are_bounded_together(void **state)
{
    (void)state;
    for (int role = 0; role < ROLE_COUNT; role++) {
        struct trial t = {.keep_running = true};
        struct cell_report r;
        char *said = in_cell(role, &t, &r, fork_without_end);
        int status;

        assert_true(atoi(said) >= 20 && atoi(said) <= roles[role].processes);
        assert_int_equal(send(t.control, "k", 1, MSG_NOSIGNAL), 1);
        assert_int_equal(waitpid(t.init, &status, 0), t.init);
        close(t.control);
        remove_dir(t.dir);
        free(said);
    }
}

static void four_times_memory(int say)
{
    (void)say;
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            char *m = malloc(100 * MB);

            for (int64_t k = 0; m && k < 100 * MB; k += 4096)
                m[k] = 1;
            pause();
        }
    pause();
}

static void memory_without_a_name(int say)
{
    static char block[1 << 20];

    memset(block, 1, sizeof block);
    for (int i = 0; i < 8; i++) {
        int fd = memfd_create("m", 0);

        for (int k = 0; k < 50; k++)
            if (write(fd, block, sizeof block) < 0)
                dprintf(say, "%s\n", strerror(errno));
    }
    pause();
}

static void many_files(int say)
{
    char path[32];

    for (int i = 0; i < 30000; i++) {
        snprintf(path, sizeof path, "out/%d", i);
        int fd = open(path, O_WRONLY | O_CREAT, 0600);
        if (fd < 0)
            dprintf(say, "%s\n", strerror(errno));
        close(fd);
    }
    pause();
}

static void deep_directories(int say)
{
    (void)say;
    if (chdir("out") < 0)
        return;
    for (int i = 0; i < 200; i++)
        if (mkdir("a-name-of-some-length-to-pass-every-limit-of-a-path", 0700) < 0 ||
            chdir("a-name-of-some-length-to-pass-every-limit-of-a-path") < 0)
            break;
    pause();
}

static void large_files(int say)
{
    static char block[1 << 20];

    for (int i = 0; i < 12; i++) {
        int fd = open("out/x", O_WRONLY | O_CREAT, 0600);

        unlink("out/x"); /* without a name it takes as much room */
        for (int k = 0; k < 20; k++)
            if (write(fd, block, sizeof block) < 0)
                dprintf(say, "%s\n", strerror(errno));
    }
    pause();
}

static void limits_hold_for_all_processes_and_files_together(void **state)
{
    (void)state;
    static const struct {
        void (*fn)(int say);
        enum cell_over over;
        int64_t memory, scratch;
    } rows[] = {
        {four_times_memory, CELL_OVER_MEMORY, 250 * MB, 0}, {memory_without_a_name, CELL_OVER_MEMORY, 250 * MB, 0},
        {many_files, CELL_OVER_FILES, 0, 0},                {deep_directories, CELL_OVER_FILES, 0, 0},
        {large_files, CELL_OVER_SCRATCH, 0, 100 * MB},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct trial t = {.memory = rows[i].memory, .scratch = rows[i].scratch};
        struct cell_report r;
        char *said = in_cell(ROLE_MEDIA, &t, &r, rows[i].fn);

        if (r.over != (int)rows[i].over)
            fail_msg("row %zu: over %d, said '%s'", i, r.over, said);
        assert_true(r.killed >= 1);
        free(said);
    }
}

/* ---- connections ---- */

static int port;

static int reach(const char *address, int to, bool nonblocking)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)to)};
    int s = socket(AF_INET, SOCK_STREAM | (nonblocking ? SOCK_NONBLOCK : 0), 0);
    struct pollfd p = {s, POLLOUT, 0};
    int error = 0;
    socklen_t len = sizeof error;

    inet_pton(AF_INET, address, &in.sin_addr);
    if (connect(s, (void *)&in, sizeof in) < 0 && errno != EINPROGRESS)
        error = errno;
    else if (poll(&p, 1, 3000) != 1 || getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = ETIMEDOUT;
    close(s);
    return error;
}

static void connect_everywhere(int say)
{
    char path[] = "/dev/log";
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    strcpy(un.sun_path, path);
    dprintf(say, "%d %d %d %d %d\n", reach("127.0.0.1", port, false), reach("127.0.0.1", port, true),
            reach("169.254.169.254", 80, false), reach("10.0.0.1", 80, true), reach("127.0.0.1", 1, false));
}

static int listen_here(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(s, (void *)&in, sizeof in), 0);
    assert_int_equal(listen(s, 16), 0);
    assert_int_equal(getsockname(s, (void *)&in, &len), 0);
    port = ntohs(in.sin_port);
    return s;
}

static void a_transfer_worker_reaches_what_the_guard_allows_and_nothing_else(void **state)
{
    (void)state;
    int s = listen_here();
    struct trial t = {.allow = "127.0.0.1"}, none = {.allow = ""};
    struct cell_report r;
    char *said = in_cell(ROLE_TRANSFER, &t, &r, connect_everywhere), expected[64];

    snprintf(expected, sizeof expected, "0 0 %d %d %d\n", EACCES, EACCES, ECONNREFUSED);
    assert_string_equal(said, expected);
    free(said);
    snprintf(expected, sizeof expected, "%d %d %d %d %d\n", EACCES, EACCES, EACCES, EACCES, EACCES);
    said = in_cell(ROLE_TRANSFER, &none, &r, connect_everywhere);
    assert_string_equal(said, expected);
    free(said);
    close(s);
}

static char local_dir[32], local_path[64], other_path[64];

static int reach_local(const char *path, int type)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, type, 0), failed;
    char word[8] = "";

    if (s < 0)
        return errno;
    memcpy(un.sun_path, path, *path ? strlen(path) + 1 : strlen(path + 1) + 1);
    failed = connect(s, (void *)&un, sizeof un) < 0 ? errno : 0;
    struct pollfd p = {s, POLLIN, 0};
    if (!failed && (poll(&p, 1, 3000) != 1 || recv(s, word, sizeof word - 1, 0) < 0 ||
                    strcmp(word, "hello") != 0))
        failed = EPROTO;
    close(s);
    return failed;
}

static void connect_locally(int say)
{
    AUTO(mem_free)
    char *longer = mem_printf("%s2", local_path),
         *around = mem_printf("%s/../%s", local_dir, local_path + 5);

    dprintf(say, "%d %d\n", reach_local(local_path, SOCK_STREAM),
            reach_local(local_path, SOCK_STREAM | SOCK_NONBLOCK));
    dprintf(say, "%d %d %d %d %d\n", reach_local(other_path, SOCK_STREAM),
            reach_local(longer, SOCK_STREAM), reach_local(around, SOCK_STREAM),
            reach_local("\0workcell-test", SOCK_STREAM), reach_local("", SOCK_STREAM));
    dprintf(say, "%d %d\n", reach_local(local_path, SOCK_DGRAM),
            reach_local(local_path, SOCK_SEQPACKET));
}

/* Says "hello" to everybody who connects. Returns who does. */
static pid_t greet_at(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(un.sun_path, path);
    unlink(path);
    assert_int_equal(bind(s, (void *)&un, sizeof un), 0);
    assert_int_equal(listen(s, 16), 0);
    chmod(path, 0666);
    pid_t pid = fork();
    if (pid == 0)
        for (;;) {
            int c = accept(s, NULL, NULL);

            (void)!send(c, "hello", 5, MSG_NOSIGNAL);
            close(c);
        }
    close(s);
    return pid;
}

static void a_transfer_worker_reaches_one_local_socket_if_it_is_said_and_no_other(void **state)
{
    (void)state;
    struct trial t = {.allow = ""}, none = {.allow = ""};
    struct cell_report r;
    char expected[128];
    int status;

    strcpy(local_dir, "/tmp/local-XXXXXX");
    assert_non_null(mkdtemp(local_dir));
    chmod(local_dir, 0755);
    snprintf(local_path, sizeof local_path, "%s/one", local_dir);
    snprintf(other_path, sizeof other_path, "%s/other", local_dir);
    pid_t one = greet_at(local_path), other = greet_at(other_path);
    t.local = local_path;
    char *said = in_cell(ROLE_TRANSFER, &t, &r, connect_locally),
         *nothing = in_cell(ROLE_TRANSFER, &none, &r, connect_locally);
    kill(one, SIGKILL);
    kill(other, SIGKILL);
    waitpid(one, &status, 0);
    waitpid(other, &status, 0);
    remove_dir(local_dir);
    snprintf(expected, sizeof expected, "0 %d\n%d %d %d %d %d\n%d %d\n", 0, EACCES, EACCES, EACCES,
             EACCES, EACCES, EPERM, EPERM);
    assert_string_equal(said, expected);
    snprintf(expected, sizeof expected, "%d %d\n%d %d %d %d %d\n%d %d\n", EPERM, EPERM, EPERM,
             EPERM, EPERM, EPERM, EPERM, EPERM, EPERM);
    assert_string_equal(nothing, expected);
    free(said);
    free(nothing);
}

/* ---- as somebody else ---- */

/* All of it again as an ordinary user: a namespace of users instead of users. */
static int as_nobody(int (*run)(void))
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (setgroups(0, NULL) < 0 || setgid(JAIL_NOBODY) < 0 || setuid(JAIL_NOBODY) < 0)
            _exit(99);
        prctl(PR_SET_DUMPABLE, 1); /* as after an exec(): /proc/self is its own again */
        exit(run() != 0);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_that_is_not_listed_is_refused),
        cmocka_unit_test(calls_that_depend_on_arguments_are_refused_with_others),
        cmocka_unit_test(files_of_others_are_out_of_reach),
        cmocka_unit_test(files_stay_out_of_reach_without_landlock),
        cmocka_unit_test(files_stay_out_of_reach_without_a_root_of_its_own),
        cmocka_unit_test(a_script_worker_opens_nothing),
        cmocka_unit_test(an_evaluation_can_call_next_to_nothing),
        cmocka_unit_test(an_evaluation_is_ended_whatever_its_engine_does),
        cmocka_unit_test(no_descriptor_is_inherited_but_the_one),
        cmocka_unit_test(processes_of_others_are_out_of_reach),
        cmocka_unit_test(a_kill_ends_and_counts_every_process),
        cmocka_unit_test(a_kill_ends_and_counts_every_process_without_namespaces),
        cmocka_unit_test(a_report_is_read_whatever_came_too_late),
        cmocka_unit_test(a_cell_ends_when_nobody_is_left_to_tell_it),
        cmocka_unit_test(an_init_that_is_killed_takes_its_cell_along),
        cmocka_unit_test(processes_of_a_job_are_bounded_together),
        cmocka_unit_test(limits_hold_for_all_processes_and_files_together),
        cmocka_unit_test(a_transfer_worker_reaches_what_the_guard_allows_and_nothing_else),
        cmocka_unit_test(a_transfer_worker_reaches_one_local_socket_if_it_is_said_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    int rc = run_all();

    return rc || geteuid() != 0 ? rc : as_nobody(run_all);
}
