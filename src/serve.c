/* `workcell serve`: starts the server, says what it is, waits for the end. */
#include "api/keys.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/str.h"
#include "commands.h"
#include "config.h"
#include "secrecy.h"
#include "server.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

extern char **environ;

static int serve_fail(const struct err *err)
{
    fprintf(stderr, "workcell: %s\n", err->msg);
    return 1;
}

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (!strcmp(host, "localhost"))
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static char *address_of(const struct server *s)
{
    return mem_printf(strchr(server_host(s), ':') ? "http://[%s]:%d" : "http://%s:%d", server_host(s), server_port(s));
}

static const char *key_words(const struct server *s)
{
    switch (server_key_origin(s)) {
    case KEY_GIVEN: return "from TRANSLOADIT_KEY and TRANSLOADIT_SECRET";
    case KEY_CHANGED: return "from TRANSLOADIT_KEY, with the new secret of TRANSLOADIT_SECRET";
    case KEY_MADE: return "made at this start; its secret is printed once, on standard output";
    case KEY_STORED: break;
    }
    return "of the data directory (`workcell key list`)";
}

/* What an operator must know before somebody else finds out. */
static void warn_about(const struct server *s, const struct config *c)
{
    const char *key = getenv("TRANSLOADIT_KEY"), *secret = getenv("TRANSLOADIT_SECRET");
    bool open = !is_loopback(server_host(s)), behind_tls = !strncasecmp(c->public_url, "https://", 8);

    config_warn_environment(environ, stderr);
    if (!str_given(key) != !str_given(secret))
        log_warn(NULL, "%s is set and %s is not: both are needed, so neither counts",
                 str_given(key) ? "TRANSLOADIT_KEY" : "TRANSLOADIT_SECRET",
                 str_given(key) ? "TRANSLOADIT_SECRET" : "TRANSLOADIT_KEY");
    if (server_key_origin(s) == KEY_CHANGED)
        log_warn(NULL,
                 "the secret of the Auth Key '%.60s' is now that of TRANSLOADIT_SECRET; the one before is not valid "
                 "any more",
                 key);
    if (open && !behind_tls)
        log_warn(
            NULL,
            "%s is reached from other machines by plain HTTP: put a proxy with TLS before it, and name its address "
            "with --public-url https://...",
            server_host(s));
    if ((open || behind_tls) && server_takes_unsigned(s))
        log_warn(NULL, "requests need no signature: whoever knows an Auth Key, which web pages show, may create work "
                       "(--require-signature)");
}

static void print_banner(const struct server *s, const struct config *c)
{
    AUTO(mem_free) char *here = address_of(s);
    const char *at = *c->public_url ? c->public_url : here;
    const char *slash = str_ends(at, "/") ? "" : "/";
    const char *signatures = server_takes_unsigned(s) ? "not needed" : "needed";

    if (c->log_level < LOG_INFO)
        return;
    if (c->log_format == LOG_FORMAT_JSON) {
        log_info(NULL, "workcell %s, console %s%sconsole/, data %s, Auth Key %s, signatures %s", WORKCELL_VERSION, at,
                 slash, server_data(s), key_words(s), signatures);
        return;
    }
    fprintf(stderr,
            "workcell %s\n"
            "  console     %s%sconsole/\n"
            "  data        %s\n"
            "  Auth Key    %s\n"
            "  signatures  %s\n",
            WORKCELL_VERSION, at, slash, server_data(s), key_words(s), signatures);
}

/* Apart, so that nothing of it is held when the process looks for leaks before it ends. */
static void say_it_listens(const struct server *s)
{
    AUTO(mem_free) char *here = address_of(s);

    printf("workcell listening on %s\n", here);
    if (server_new_key(s))
        printf("a new Auth Key was made:\n  TRANSLOADIT_KEY=%s\n  TRANSLOADIT_SECRET=%s\n", server_new_key(s)->key,
               server_new_key(s)->secret);
    fflush(stdout);
}

int command_serve(int argc, char **argv)
{
    AUTO(arena_free) struct arena *a = arena_new();
    struct config c;
    struct server *s;
    struct err err;
    sigset_t wanted;
    int sig;

    if (config_load(&c, a, argc, argv, environ, &err) < 0) {
        serve_fail(&err);
        return 2;
    }
    log_setup((enum log_level)c.log_level, c.log_format == LOG_FORMAT_JSON);
    if (c.print_config) {
        config_warn_environment(environ, stderr);
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
        serve_fail(&err);
        fflush(NULL);
        _exit(1); /* what had begun may be running in threads */
    }
    print_banner(s, &c);
    warn_about(s, &c);
    say_it_listens(s);
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
