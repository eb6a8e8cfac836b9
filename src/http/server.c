/* server.c - the daemon itself: listening, the list of connections, and the sweeper that closes
 * those which take too long. */
#include "base/clock.h"
#include "http/server_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define LISTEN_BACKLOG 4096
#define SWEEP_US SECOND_US
#define SWEEP_HURRY_US (SECOND_US / 4)
#define STATE_ESTABLISHED 1 /* TCP_ESTABLISHED of netinet/tcp.h, whose struct tcp_info is too old  \
                             */
#define STATE_CLOSE_WAIT 8
#define LINGER_US SECOND_US /* how long a peer may go on sending after a raw answer */

/* ---- connections ---- */

static struct shard *shard_of(const struct conn *c)
{
    return &c->server->shards[(unsigned)c->fd % SHARDS];
}

static void peer_name(char out[static INET6_ADDRSTRLEN], const struct sockaddr *addr)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

    out[0] = 0;
    if (addr->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)addr)->sin_addr, out, INET6_ADDRSTRLEN);
    } else if (addr->sa_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)addr)->sin6_addr;

        if (!memcmp(a, mapped, sizeof mapped))
            inet_ntop(AF_INET, (const char *)a + sizeof mapped, out, INET6_ADDRSTRLEN);
        else
            inet_ntop(AF_INET6, a, out, INET6_ADDRSTRLEN);
    }
}

static void conn_opened(const struct entrance *e, struct MHD_Connection *mhd, void **slot)
{
    struct http_server *s = e->server;
    struct conn *c = mem_zalloc(sizeof *c);
    struct shard *shard;

    c->server = s;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *addr = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    peer_name(c->peer, addr);
    c->slot = crowd_slot(s, addr);
    c->is_small = e->is_small;
    c->since_us = clock_mono_us();
    shard = shard_of(c);
    atomic_fetch_add(&s->connections, 1);
    pthread_mutex_lock(&shard->lock);
    c->next = shard->head;
    if (c->next)
        c->next->prev = c;
    shard->head = c;
    pthread_mutex_unlock(&shard->lock);
    *slot = c;
}

static void conn_closed(struct http_server *s, void **slot)
{
    struct conn *c = take(*slot);
    struct shard *shard;

    if (!c)
        return;
    shard = shard_of(c);
    pthread_mutex_lock(&shard->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        shard->head = c->next;
    if (c->next)
        c->next->prev = c->prev;
    pthread_mutex_unlock(&shard->lock);
    if (c->cut_at_us)
        atomic_fetch_sub(&s->cuts, 1);
    crowd_conn_known(c);
    crowd_give(s, c->slot);
    mem_freed(c->is_small ? s->conf.stream_memory : s->conf.connection_memory);
    atomic_fetch_sub(&s->connections, 1);
    free(c->query);
    free(c);
}

static void conn_notify(void *entrance, struct MHD_Connection *mhd, void **slot,
                        enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        conn_opened(entrance, mhd, slot);
    else
        conn_closed(((struct entrance *)entrance)->server, slot);
}

static void set_request(struct conn *c, struct http_request *req)
{
    struct shard *shard = shard_of(c);

    pthread_mutex_lock(&shard->lock);
    c->req = req;
    pthread_mutex_unlock(&shard->lock);
}

void server_conn_begin(struct conn *c, struct http_request *req)
{
    set_request(c, req);
    c->requests++;
    c->is_serving = true;
}

void server_conn_end(struct conn *c)
{
    c->is_serving = false;
    c->is_streaming = false;
    set_request(c, NULL);
}

void server_conn_cut(struct conn *c)
{
    struct http_server *s = c->server;

    c->cut_at_us = clock_mono_us();
    if (atomic_fetch_add(&s->cuts, 1) == 0) {
        pthread_mutex_lock(&s->sweep_lock);
        pthread_cond_signal(&s->sweep_cond);
        pthread_mutex_unlock(&s->sweep_lock);
    }
}

/* ---- the sweeper ---- */

static bool kernel_view(struct tcp_info *info, const struct conn *c)
{
    socklen_t size = sizeof *info;

    return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0 &&
           size >=
               offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info->tcpi_bytes_received;
}

/* Between two requests: has this connection been sending headers for too long? libmicrohttpd keeps
 * what it has read to itself until they are complete, so the kernel's count has to tell. */
static bool is_dripping(struct conn *c, int64_t now_us)
{
    struct tcp_info info;

    if (!kernel_view(&info, c))
        return false;
    if (c->seen_requests != c->requests) {
        c->seen_requests = c->requests;
        c->seen_bytes = info.tcpi_bytes_received;
        c->headers_since_us = 0;
    }
    if (info.tcpi_bytes_received == c->seen_bytes)
        return false;
    if (!c->headers_since_us)
        c->headers_since_us = now_us;
    return now_us - c->headers_since_us >= c->server->conf.header_timeout_s * SECOND_US;
}

/* Half a request, and its client has closed? When the end comes in the same moment as the last bytes, libmicrohttpd
 * (0.9.75, epoll) reads those and waits for the next edge, which never comes. Looked at twice, so that it has the
 * time to see it by itself. */
static bool is_deserted(struct conn *c)
{
    struct tcp_info info;
    bool incomplete = !c->is_serving;
    int unread = 0;

    if (c->req) {
        if (pthread_mutex_trylock(&c->req->lock) != 0) /* somebody is at it: it is not forgotten */
            return false;
        incomplete = c->req->is_in_body && !c->req->is_suspended;
        pthread_mutex_unlock(&c->req->lock);
    }
    if (!incomplete || !kernel_view(&info, c) || info.tcpi_state != STATE_CLOSE_WAIT ||
        ioctl(c->fd, SIOCINQ, &unread) < 0 || unread > 0) {
        c->was_deserted = false;
        return false;
    }
    if (c->was_deserted)
        return true;
    c->was_deserted = true;
    return false;
}

bool server_conn_deserted(const struct conn *c)
{
    struct tcp_info info;

    return kernel_view(&info, c) && info.tcpi_state != STATE_ESTABLISHED;
}

/* A stream with nothing to send is suspended, and libmicrohttpd does not watch it. */
static bool is_stream_deserted(const struct conn *c) { return c->is_streaming && server_conn_deserted(c); }
static bool is_any(const struct conn *c) { return true; }
static bool is_slow(const struct conn *c) { return c->is_slow; }

/* Call act for the requests of the connections that are so, without the shard's lock. */
static void for_requests(struct shard *shard, bool (*is_so)(const struct conn *c), void (*act)(struct http_request *req))
{
    struct http_request **found = NULL;
    size_t count = 0, room = 0;

    pthread_mutex_lock(&shard->lock);
    for (struct conn *c = shard->head; c; c = c->next) {
        if (!c->req || !is_so(c))
            continue;
        if (count == room)
            found = mem_realloc(found, (room = room ? 2 * room : 16) * sizeof(struct http_request *));
        found[count++] = http_request_ref(c->req);
    }
    pthread_mutex_unlock(&shard->lock);
    for (size_t i = 0; i < count; i++) {
        act(found[i]);
        http_request_unref(found[i]);
    }
    free(found);
}

static bool is_overdue(struct conn *c, int64_t now_us, bool all)
{
    int64_t cut_at_us = c->cut_at_us;

    if (cut_at_us)
        return now_us - cut_at_us >= LINGER_US;
    return all && ((!c->is_serving && is_dripping(c, now_us)) || is_deserted(c));
}

static void sweep(struct http_server *s, bool all)
{
    int64_t now_us = clock_mono_us();

    for (int i = 0; i < SHARDS; i++) {
        struct shard *shard = &s->shards[i];

        pthread_mutex_lock(&shard->lock);
        for (struct conn *c = shard->head; c; c = c->next) {
            /* libmicrohttpd sees the end of the stream and closes: the descriptor is its own. */
            if (is_overdue(c, now_us, all))
                shutdown(c->fd, SHUT_RDWR);
            c->is_slow = all && crowd_too_slow(c, now_us);
        }
        pthread_mutex_unlock(&shard->lock);
        if (all) {
            for_requests(shard, is_stream_deserted, request_drop_stream);
            for_requests(shard, is_slow, request_cut_slow);
        }
    }
}

static void *sweeper_run(void *server)
{
    struct http_server *s = server;
    int64_t last_full_us = 0;

    pthread_mutex_lock(&s->sweep_lock);
    while (!s->sweep_stop) {
        int64_t now_us = clock_mono_us(), wake_us = now_us + (s->cuts ? SWEEP_HURRY_US : SWEEP_US);
        struct timespec at = {wake_us / SECOND_US, wake_us % SECOND_US * 1000};
        bool all = now_us - last_full_us >= SWEEP_US - SWEEP_HURRY_US;

        pthread_mutex_unlock(&s->sweep_lock);
        if (all) {
            last_full_us = now_us;
            mem_give_back();
            crowd_relieve(s);
        }
        if (all || s->cuts)
            sweep(s, all);
        refusals_flush(&s->refusals, false);
        pthread_mutex_lock(&s->sweep_lock);
        if (!s->sweep_stop)
            pthread_cond_timedwait(&s->sweep_cond, &s->sweep_lock, &at);
    }
    pthread_mutex_unlock(&s->sweep_lock);
    return NULL;
}

/* ---- starting and stopping ---- */

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

/* libmicrohttpd takes the query apart where it lies, so who wants it whole needs a copy. */
static void *keep_query(void *server, const char *target, struct MHD_Connection *mhd)
{
    struct conn *c = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    const char *query = strchr(target, '?');

    free(c->query);
    c->query = query ? mem_strdup(query + 1) : NULL;
    return NULL;
}

static struct MHD_Daemon *start_one(struct http_server *s, struct entrance *e, int threads, size_t memory)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                     MHD_ALLOW_UPGRADE;
    int connections = s->conf.max_connections > threads ? s->conf.max_connections : threads;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_CONNECTION_LIMIT, connections, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, s->conf.idle_timeout_s, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)memory, NULL},
        /* A pool of one thread is refused. */
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };

    return MHD_start_daemon(
        flags, 0, NULL, NULL, request_handle, s, MHD_OPTION_NOTIFY_COMPLETED, request_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, conn_notify, e, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, s,
        MHD_OPTION_URI_LOG_CALLBACK, keep_query, s,
        MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static int start_daemons(struct http_server *s, struct err *err)
{
    int threads = s->conf.threads > 0 ? s->conf.threads : 1;

    s->daemon = start_one(s, &s->big, threads, s->conf.connection_memory);
    if (s->daemon && s->conf.stream_memory)
        s->streams = start_one(s, &s->small, (threads + 1) / 2, s->conf.stream_memory);
    if (!s->daemon || (s->conf.stream_memory && !s->streams))
        return err_errno(err, "start %d HTTP threads for %d connections", threads, s->conf.max_connections);
    return 0;
}

static int start_sweeper(struct http_server *s, struct err *err)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* as clock_mono_us() */
    pthread_cond_init(&s->sweep_cond, &attr);
    pthread_condattr_destroy(&attr);
    errno = pthread_create(&s->sweeper, NULL, sweeper_run, s);
    if (errno)
        return err_errno(err, "start the HTTP sweeper");
    s->has_sweeper = true;
    return 0;
}

int http_server_start(struct http_server **out, const struct http_config *conf, struct err *err)
{
    struct http_server *s = mem_zalloc(sizeof *s);

    s->conf = *conf;
    s->conf.host = NULL; /* lent for the call */
    s->port = conf->port;
    s->big = (struct entrance){s, false};
    s->small = (struct entrance){s, true};
    crowd_open(s);
    pthread_mutex_init(&s->sweep_lock, NULL);
    pthread_mutex_init(&s->refusals.lock, NULL);
    id_new(s->id_prefix);
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_init(&s->shards[i].lock, NULL);
    s->listen_fd = listen_on(&s->port, conf->host, err);
    if (s->listen_fd < 0 || start_sweeper(s, err) < 0 || start_daemons(s, err) < 0 ||
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

/* libmicrohttpd does not stop while a connection is suspended. Once `stopping` is set nobody
 * suspends again, so one walk is enough. */
static void wake_all(struct http_server *s)
{
    for (int i = 0; i < SHARDS; i++)
        for_requests(&s->shards[i], is_any, request_wake_for_stop);
}

void http_server_stop(struct http_server *s)
{
    if (!s)
        return;
    http_server_quiesce(s);
    s->stopping = true;
    wake_all(s);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    if (s->streams)
        MHD_stop_daemon(s->streams);
    if (s->has_sweeper) {
        pthread_mutex_lock(&s->sweep_lock);
        s->sweep_stop = true;
        pthread_cond_signal(&s->sweep_cond);
        pthread_mutex_unlock(&s->sweep_lock);
        pthread_join(s->sweeper, NULL);
    }
    crowd_close(s);
    fd_close(s->listen_fd);
    pthread_mutex_destroy(&s->sweep_lock);
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&s->shards[i].lock);
    free(s);
}
