/* main.c - the commands of the program. */
#include "base/fault.h"
#include "base/json.h"
#include "base/log.h"
#include "commands.h"
#include "secrecy.h"
#include "server.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static int usage(FILE *to, int rc)
{
    fputs("usage: workcell COMMAND [options]\n\n"
          "  serve [settings]                        run the server\n"
          "  run INSTRUCTIONS.json FILE... -o DIR    one Assembly over local files, without a daemon\n"
          "  credential add NAME TYPE KEY=VALUE...   keep credentials for export and import Robots\n"
          "  credential list | remove NAME | rotate  rotate: seal everything with a new key file\n"
          "  template create|update NAME FILE        Assembly Instructions under a name (FILE -: standard input)\n"
          "  template list | get NAME | delete NAME\n"
          "  workspace add NAME | list               workspaces see nothing of each other\n"
          "  key add [SCOPE...] | list | delete ID   Auth Keys\n"
          "  fsck [--repair] [--json] [--data DIR]   compare the database with the files\n"
          "  doctor [--s3 NAME] [--json]             what this machine has, and what it lacks\n"
          "  robots                                  the Robots and their parameters\n"
          "  openapi                                 the API as an OpenAPI document\n"
          "  version\n\n"
          "`workcell serve --help` lists the settings. credential, template, workspace and key work on --data DIR while\n"
          "no server runs on it, and take --workspace NAME.\n",
          to);
    return rc;
}

static int fail(const struct err *err)
{
    fprintf(stderr, "workcell: %s\n", err->msg);
    return 1;
}

static int load(struct config *c, struct arena *a, int argc, char **argv)
{
    struct err err;

    if (config_load(c, a, argc, argv, environ, &err) < 0)
        return fail(&err);
    log_setup((enum log_level)c->log_level, c->log_format == LOG_FORMAT_JSON);
    return 0;
}

static int serve(int argc, char **argv)
{
    AUTO(arena_free) struct arena *a = arena_new();
    struct config c;
    struct server *s;
    struct err err;
    sigset_t wanted;
    int sig;

    if (load(&c, a, argc, argv))
        return 2;
    if (c.help || c.print_config) {
        if (c.help)
            config_help(stdout);
        else
            config_print(&c, stdout);
        return 0;
    }
    secrecy_settle(c.core_dumps);
    /* threads inherit the mask: only sigwait() below sees these */
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    if (server_start(&s, &c, c.log_level, &err) < 0) {
        fail(&err);
        fflush(NULL);
        _exit(1); /* what had begun may be running in threads */
    }
    if (server_new_key(s))
        printf("a new Auth Key was made:\n  TRANSLOADIT_KEY=%s\n  TRANSLOADIT_SECRET=%s\n",
               server_new_key(s)->key, server_new_key(s)->secret);
    printf(strchr(server_host(s), ':') ? "workcell listening on http://[%s]:%d\n"
                                       : "workcell listening on http://%s:%d\n",
           server_host(s), server_port(s));
    fflush(stdout);
    sigwait(&wanted, &sig);
    log_info(NULL, "signal %d: draining", sig);
    server_drain(s);
    log_info(NULL, "bye");
    /* All that must survive is on the disk, and connections that still hang are taken up again elsewhere: taking
     * the rest down piece by piece while threads use it would only add ways to fail. */
    fflush(NULL);
    fault_report();
    _exit(0);
}

int main(int argc, char **argv)
{
    const char *cmd = argc > 1 ? argv[1] : "";

    secrecy_begin();
    fault_setup();
    /* Large buffers are given back to the system when they are freed, whatever lies behind them: malloc's own growing limit
     * left 111 MB where 37 were needed. */
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    json_setup();

    if (!strcmp(cmd, "serve"))
        return serve(argc - 1, argv + 1);
    if (!strcmp(cmd, "run"))
        return command_run(argc - 1, argv + 1);
    if (!strcmp(cmd, "credential"))
        return command_credential(argc - 1, argv + 1);
    if (!strcmp(cmd, "template"))
        return command_template(argc - 1, argv + 1);
    if (!strcmp(cmd, "workspace"))
        return command_workspace(argc - 1, argv + 1);
    if (!strcmp(cmd, "key"))
        return command_key(argc - 1, argv + 1);
    if (!strcmp(cmd, "fsck"))
        return command_fsck(argc - 1, argv + 1);
    if (!strcmp(cmd, "doctor"))
        return command_doctor(argc - 1, argv + 1);
    if (!strcmp(cmd, "robots"))
        return command_robots();
    if (!strcmp(cmd, "openapi"))
        return command_openapi();
    if (!strcmp(cmd, "version") || !strcmp(cmd, "--version")) {
        puts("workcell 0.1.0");
        return 0;
    }
    return !strcmp(cmd, "help") || !strcmp(cmd, "--help") ? usage(stdout, 0) : usage(stderr, 2);
}
