/* What doctor asks a worker program: do the walls hold, what is on this machine, does the other side answer. */
#include "robot/robot.h"
#include "worker/init.h"
#include "worker/role.h"
#include "worker/users.h"
#include "worker/walls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIAL_MEMORY (INT64_C(4) << 30)
#define TRIAL_FILE (INT64_C(1) << 20)
#define TRIAL_USER 1899999000 /* below every range that a server takes (pool_scratch.c) */
#define SAID_MAX (64 * 1024)

/* From inside: everything here must be as docs/security.md says, or the jail leaks. */
static void look_around(json_t *out)
{
    int write = open("out/trial", O_WRONLY | O_CREAT, 0600), sock;

    json_object_set_new(out, "own_files", json_boolean(write >= 0));
    json_object_set_new(out, "writes", json_boolean(roles[role_program.role].writes));
    fd_close(write);
    unlink("out/trial");
    int foreign = open("/etc/passwd", O_RDONLY);
    json_object_set_new(out, "foreign_files_refused", json_boolean(foreign < 0));
    fd_close(foreign);
    sock = socket(AF_INET, SOCK_STREAM, 0);
    json_object_set_new(out, "network", json_boolean(sock >= 0));
    fd_close(sock);
    sock = socket(AF_UNIX, SOCK_STREAM, 0);
    json_object_set_new(out, "local_sockets_refused", json_boolean(sock < 0));
    fd_close(sock);
    json_object_set_new(out, "signals_refused", json_boolean(kill(getppid(), 0) < 0));
    json_object_set_new(out, "mounts_refused",
                        json_boolean(mount("none", "out", "tmpfs", 0, NULL) < 0 && errno == EPERM));
    json_object_set_new(out, "no_new_privs", json_boolean(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1));
    json_object_set_new(out, "seccomp", json_boolean(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2));
    json_object_set_new(out, "user", json_integer(geteuid()));
}

/* What a worker is to do behind the walls, and the pipe for what it finds. */
struct errand {
    json_t *(*fn)(const struct errand *e);
    const char *robot;
    json_t *body;
    int writer;
};

static void run_errand(void *ctx, const struct err *why)
{
    const struct errand *e = ctx;
    json_t *found = why ? json_pack("{s:o}", "error", jstring(why->msg)) : e->fn(e);
    AUTO(mem_free) char *text = json_text(found);

    (void)!write(e->writer, text, strlen(text));
    _exit(0);
}

static json_t *inside(struct errand *e, const char *dir, const struct jail_limits *limits)
{
    AUTO(mem_free) char *text = mem_zalloc(SAID_MAX), *absolute = realpath(dir, NULL);
    size_t len = 0;
    ssize_t n;
    int p[2], control;
    struct err err;

    if (!absolute || pipe2(p, O_CLOEXEC) < 0)
        return json_pack("{s:o}", "error", jstring(strerror(errno)));
    e->writer = p[1];
    struct cell cell = {.role = &roles[role_program.role],
                        .limits = limits,
                        .dir = absolute,
                        .work = run_errand,
                        .ctx = e,
                        .keep = p[1]};
    pid_t pid = cell_start(&control, &cell, &err);
    close(p[1]);
    if (pid < 0) {
        close(p[0]);
        return json_pack("{s:o}", "error", jstring(err.msg));
    }
    while (len < SAID_MAX - 1 && (n = read(p[0], text + len, SAID_MAX - 1 - len)) > 0)
        len += (size_t)n;
    close(p[0]);
    close(control);
    waitpid(pid, NULL, 0);
    json_t *out = json_loads(text, 0, NULL);
    return out ? out : json_pack("{s:o}", "error", jstring("it died on the way in"));
}

static struct jail_limits trial_limits(bool *complete, const char *dir, const char *allow, json_t *notes)
{
    const char *without = getenv("WORKCELL_JAIL_WITHOUT");
    AUTO(mem_free) char *absolute = realpath(dir, NULL);
    struct jail_limits limits = {.memory_bytes = TRIAL_MEMORY,
                                 .file_bytes = TRIAL_FILE,
                                 .user = geteuid() == 0 && users_are_mapped(TRIAL_USER, 1) ? TRIAL_USER : 0,
                                 .users = 1,
                                 .places = -1,
                                 .connect_allow = allow};
    const struct walls_wish wish = {absolute ? absolute : dir, without ? without : "", limits.user != 0};

    limits.walls = walls_probe(complete, &roles[role_program.role], &wish, notes);
    return limits;
}

static json_t *find_inside(const struct errand *e)
{
    json_t *out = json_object();

    (void)e;
    look_around(out);
    if (role_program.describe_inside)
        role_program.describe_inside(out);
    return out;
}

static json_t *describe_all(const char *dir)
{
    bool complete;
    json_t *notes = json_array();
    struct jail_limits limits = trial_limits(&complete, dir, "", notes);
    struct errand e = {.fn = find_inside};

    role_program.preload();
    json_t *out = json_pack("{s:s,s:b,s:o,s:o}", "program", roles[role_program.role].name, "jail_complete", complete,
                            "jail_notes", notes, "jail", inside(&e, dir, &limits));

    if (role_program.describe)
        role_program.describe(out);
    return out;
}

static json_t *try_inside(const struct errand *e)
{
    struct err err = {0};
    unsigned did = 0;

    if (worker_trial(&did, e->robot, e->body, &err) == 0)
        return json_pack("{s:i}", "did", (int)did);
    return json_pack("{s:o,s:s,s:b}", "error", jstring(err.msg), "code", err_name(&err), "none",
                     err.code == ERR_CONFIG);
}

static json_t *renew_inside(const struct errand *e)
{
    struct err err = {0};
    json_t *out = NULL;

    if (worker_renew(&out, e->robot, e->body, &err) == 0)
        return out;
    return json_pack("{s:o,s:s}", "error", jstring(err.msg), "code", err_name(&err));
}

/* {params, settings} comes on standard input; everything is done from inside the jail, as a job would be. */
static json_t *ask_robot(json_t *(*fn)(const struct errand *e), const char *dir, const char *robot)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would read what it finds */
    AUTO(json_unref) json_t *body = json_loadf(stdin, 0, NULL), *notes = json_array();
    const json_t *settings = json_object_get(body, "settings");
    struct errand e = {.fn = fn, .robot = robot, .body = body};
    bool complete;
    struct jail_limits limits = trial_limits(&complete, dir, jstr_or(settings, "import_allow", ""), notes);

    role_program.preload();
    return inside(&e, dir, &limits);
}

int describe_main(int argc, char **argv)
{
    AUTO(json_unref) json_t *out = NULL;

    if (argc == 3 && !strcmp(argv[1], "--describe"))
        out = describe_all(argv[2]);
    else if (argc == 4 && !strcmp(argv[1], "--trial"))
        out = ask_robot(try_inside, argv[2], argv[3]);
    else if (argc == 4 && !strcmp(argv[1], "--renew"))
        out = ask_robot(renew_inside, argv[2], argv[3]);
    else
        return -1;
    AUTO(mem_free) char *text = json_text(out);
    puts(text);
    return 0;
}
