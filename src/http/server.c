/* The daemons of libmicrohttpd: started over a socket of ours, stopped. */
#include "http/conn.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define LISTEN_BACKLOG 4096

/* A socket of our own making, so that a failure can be named. */
static int listen_on(int *port, const char *host, struct err *err)
{
    char service[16];
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    struct sockaddr_storage bound;
    socklen_t bound_size = sizeof bound;
    int one = 1, failed;

    snprintf(service, sizeof service, "%d", *port);
    failed = getaddrinfo(host, service, &hints, &found);
    if (failed)
        return err_set(err, ERR_CONFIG, "listen on '%s' port %d: %s", host, *port,
                       gai_strerror(failed));
    AUTO(fd_close)
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        /* Accepted sockets inherit it: the small last piece of an answer never waits for an ACK. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    failed = fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 ||
             listen(fd, LISTEN_BACKLOG) < 0 ||
             getsockname(fd, (struct sockaddr *)&bound, &bound_size) < 0;
    if (failed)
        err_errno(err, "listen on '%s' port %d", host, *port);
    freeaddrinfo(found);
    if (failed)
        return -1;
    *port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                              : ((struct sockaddr_in *)&bound)->sin_port);
    return take_fd(fd);
}

/* Escapes stay: http_path_raw() needs them, and bad ones must be noticed. */
static size_t keep_escapes(void *server, struct MHD_Connection *mhd, char *text)
{
    return strlen(text);
}

#define PART_COST 64 /* bytes of a connection's memory, at least as much as libmicrohttpd notes for a part of a query */

/* Half of a connection's memory is for what comes in, or more if the target is longer; some stays for headers. What has
 * little came with a short head. */
static bool is_affordable(const struct conn *c, const char *target, const char *query)
{
    size_t memory = c->entrance->memory, parts = 1, length = strlen(target);
    size_t taken = c->entrance->kind == ENTRANCE_SMALL || length > memory / 2 ? length : memory / 2;

    for (const char *s = query; (s = strchr(s, '&')); s++)
        parts++;
    return taken + memory / 8 + parts * PART_COST <= memory;
}

/* libmicrohttpd takes the query apart where it lies, so who wants it whole needs a copy. One of more parts than it has
 * memory to note is taken away here and refused later (request_begin()): it would never answer. */
static void *keep_query(void *server, const char *target, struct MHD_Connection *mhd)
{
    struct conn *c = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    char *query = strchr(target, '?');

    free(take(c->query));
    c->has_long_query = query && !is_affordable(c, target, query);
    if (c->has_long_query)
        query[1] = 0;
    else if (query)
        c->query = mem_strdup(query + 1);
    return NULL;
}

static int entrance_open(struct http_server *s, enum entrance_kind kind, int threads, size_t memory, struct err *err)
{
    struct entrance *e = &s->entrances[kind];
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                     MHD_ALLOW_UPGRADE;
    /* Out of its reach: accept.c keeps the bound. libmicrohttpd 0.9.75 gives each thread of a pool its share of the
     * limit, and one that gets a connection above it never gives back its lock. */
    int connections = (s->conf.max_connections + 1) * threads;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_CONNECTION_LIMIT, connections, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, s->conf.idle_timeout_s, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)memory, NULL},
        /* A pool of one thread is refused. */
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };

    e->server = s;
    e->kind = kind;
    e->memory = memory;
    if (!memory)
        return 0;
    e->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, request_handle, s, MHD_OPTION_NOTIFY_COMPLETED, request_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, conn_notify, e, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, s,
        MHD_OPTION_URI_LOG_CALLBACK, keep_query, s,
        MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    return e->daemon ? 0 : err_errno(err, "start %d HTTP threads for %d connections", threads, connections);
}

static int start_daemons(struct http_server *s, struct err *err)
{
    int threads = s->conf.threads > 0 ? s->conf.threads : 1;

    if (entrance_open(s, ENTRANCE_PLAIN, threads, s->conf.connection_memory, err) < 0 ||
        entrance_open(s, ENTRANCE_SMALL, (threads + 1) / 2, s->conf.stream_memory, err) < 0)
        return -1;
    return entrance_open(s, ENTRANCE_LARGE, (threads + 1) / 2, s->conf.large_memory, err);
}

int http_server_start(struct http_server **out, const struct http_config *conf, struct err *err)
{
    struct http_server *s = mem_zalloc(sizeof *s);

    s->conf = *conf;
    s->conf.host = NULL; /* lent for the call */
    s->port = conf->port;
    crowd_open(s);
    pthread_mutex_init(&s->sweep_lock, NULL);
    pthread_mutex_init(&s->refusals.lock, NULL);
    id_new(s->id_prefix);
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_init(&s->shards[i].lock, NULL);
    s->listen_fd = listen_on(&s->port, conf->host, err);
    if (s->listen_fd < 0 || sweeper_start(s, err) < 0 || start_daemons(s, err) < 0 ||
        acceptor_start(s, err) < 0) {
        http_server_stop(s);
        return -1;
    }
    *out = s;
    return 0;
}

int http_server_port(const struct http_server *s) { return s->port; }
int http_server_busy(const struct http_server *s) { return s->busy; }

void http_server_quiesce(struct http_server *s)
{
    refusals_flush(&s->refusals, true);
    if (s->quiesced)
        return;
    s->quiesced = true;
    acceptor_stop(s);
    /* Who connects now is refused instead of waiting in the backlog. */
    if (s->listen_fd >= 0)
        shutdown(s->listen_fd, SHUT_RDWR);
}

void http_server_stop(struct http_server *s)
{
    if (!s)
        return;
    http_server_quiesce(s);
    s->stopping = true;
    sweeper_wake_all(s);
    for (int i = 0; i < ENTRANCES; i++)
        if (s->entrances[i].daemon)
            MHD_stop_daemon(s->entrances[i].daemon);
    sweeper_stop(s);
    crowd_close(s);
    fd_close(s->listen_fd);
    pthread_mutex_destroy(&s->sweep_lock);
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&s->shards[i].lock);
    free(s);
}
