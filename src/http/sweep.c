/* The sweeper: once a second, a thread of its own closes what takes too long and what its client has left. */
#include "base/clock.h"
#include "http/conn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define SWEEP_US SECOND_US
#define SWEEP_HURRY_US (SECOND_US / 4)
#define STATE_CLOSE_WAIT 8  /* TCP_CLOSE_WAIT */
#define LINGER_US SECOND_US /* how long a peer may go on sending after a raw answer */

/* Between two requests: has this connection been sending headers for too long? libmicrohttpd keeps
 * what it has read to itself until they are complete, so the kernel's count has to tell. */
static bool is_dripping(struct conn *c, int64_t now_us)
{
    struct tcp_info info;

    if (!conn_kernel_view(&info, c))
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
    if (!incomplete || !conn_kernel_view(&info, c) || info.tcpi_state != STATE_CLOSE_WAIT ||
        ioctl(c->fd, SIOCINQ, &unread) < 0 || unread > 0) {
        c->was_deserted = false;
        return false;
    }
    if (c->was_deserted)
        return true;
    c->was_deserted = true;
    return false;
}

/* A stream with nothing to send is suspended, and libmicrohttpd does not watch it. */
static bool is_stream_deserted(const struct conn *c) { return c->is_streaming && conn_deserted(c); }

static bool is_any(const struct conn *c) { return true; }

static bool is_slow(const struct conn *c) { return c->is_slow; }

/* Call act for the requests of the connections that are so, without the shard's lock. */
static void for_requests(struct shard *shard, bool (*is_so)(const struct conn *c),
                         void (*act)(struct http_request *req))
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

int sweeper_start(struct http_server *s, struct err *err)
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

void sweeper_wake_all(struct http_server *s)
{
    for (int i = 0; i < SHARDS; i++)
        for_requests(&s->shards[i], is_any, request_wake_for_stop);
}

void sweeper_stop(struct http_server *s)
{
    if (!s->has_sweeper)
        return;
    pthread_mutex_lock(&s->sweep_lock);
    s->sweep_stop = true;
    pthread_cond_signal(&s->sweep_cond);
    pthread_mutex_unlock(&s->sweep_lock);
    pthread_join(s->sweeper, NULL);
    s->has_sweeper = false;
}
