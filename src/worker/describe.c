/* What doctor asks a worker program: does the jail hold, what is on this machine, does the other side answer. */
#include "robot/robot.h"
#include "worker/jail.h"
#include "worker/role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define TRIAL_MEMORY (INT64_C(4) << 30)
#define TRIAL_FILE (INT64_C(1) << 20)

static bool enter(const char *dir, json_t *out)
{
    const struct jail_limits limits = {.memory_bytes = TRIAL_MEMORY, .file_bytes = TRIAL_FILE};
    struct err err;

    if (jail_enter(&roles[role_program.role], dir, &limits, &err) == 0)
        return true;
    json_object_set_new(out, "error", jstring(err.msg));
    return false;
}

/* From inside: everything here must be as the comment in jail.h says, or the jail leaks. */
static json_t *look_around(const char *dir)
{
    json_t *out = json_object();

    if (!enter(dir, out))
        return out;
    int write = open("out/trial", O_WRONLY | O_CREAT, 0600), sock;
    json_object_set_new(out, "own_files", json_boolean(write >= 0));
    fd_close(write);
    unlink("out/trial");
    int foreign = open("/etc/passwd", O_RDONLY);
    json_object_set_new(out, "foreign_files_refused", json_boolean(foreign < 0));
    fd_close(foreign);
    sock = socket(AF_INET, SOCK_STREAM, 0);
    json_object_set_new(out, "network", json_boolean(sock >= 0));
    fd_close(sock);
    json_object_set_new(out, "signals_refused", json_boolean(kill(getppid(), 0) < 0 && errno == EPERM));
    json_object_set_new(out, "no_new_privs", json_boolean(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1));
    json_object_set_new(out, "seccomp", json_boolean(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2));
    json_object_set_new(out, "user", json_integer(geteuid()));
    return out;
}

/* In a child: a jail can't be left again. */
static json_t *try_jail(const char *dir)
{
    char text[4096];
    size_t len = 0;
    ssize_t n;
    int p[2], status;
    pid_t pid;

    if (pipe2(p, O_CLOEXEC) < 0 || (pid = fork()) < 0)
        return json_pack("{s:o}", "error", jstring(strerror(errno)));
    if (pid == 0) {
        AUTO(mem_free) char *said = json_text(look_around(dir));

        _exit(write(p[1], said, strlen(said)) < 0);
    }
    close(p[1]);
    while (len < sizeof text - 1 && (n = read(p[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = 0;
    close(p[0]);
    waitpid(pid, &status, 0);
    json_t *out = json_loads(text, 0, NULL);
    return out ? out : json_pack("{s:o}", "error", jstring("it died on the way in"));
}

static json_t *describe(const char *dir)
{
    bool complete;
    json_t *notes = jail_probe(&complete);
    json_t *out = json_pack("{s:s,s:b,s:o,s:o}", "program", roles[role_program.role].name, "jail_complete", complete,
                            "jail_notes", notes, "jail", try_jail(dir));

    if (role_program.describe)
        role_program.describe(out);
    return out;
}

/* {params, settings} comes on standard input; everything is done from inside the jail, as a job would be. */
static json_t *try_robot(const char *dir, const char *robot)
{
    AUTO(json_unref) json_t *body = json_loadf(stdin, 0, NULL);
    json_t *out = json_object();
    struct err err;

    role_program.preload();
    if (!enter(dir, out))
        return out;
    if (worker_trial(robot, body, &err) < 0)
        json_object_set_new(out, "error", jstring(err.msg));
    return out;
}

int describe_main(int argc, char **argv)
{
    AUTO(json_unref) json_t *out = NULL;

    if (argc == 3 && !strcmp(argv[1], "--describe"))
        out = describe(argv[2]);
    else if (argc == 4 && !strcmp(argv[1], "--trial"))
        out = try_robot(argv[2], argv[3]);
    else
        return -1;
    AUTO(mem_free) char *text = json_text(out);
    puts(text);
    return 0;
}
