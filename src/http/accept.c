/* accept.c - takes connections from the listening socket and hands each to a libmicrohttpd daemon once it has said
 * something.
 *
 * There are several daemons, because libmicrohttpd gives every connection of one the same memory and all of that is
 * touched by the first answer: plenty for uploads, a waste for event streams, of which thousands stay open and say
 * nothing, and less than a body of hundreds of megabytes could do with.
 * The first bytes tell which a connection is. When there are many clients that are not known, the others of them get
 * little, too, so that what all of them take has a bound. Whatever comes on such a connection is served all the same,
 * only in smaller pieces. */
#include "base/clock.h"
#include "http/server_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64
#define FULL_PAUSE_MS 5
#define LOOK_MOST 4096 /* of a connection's first bytes: a head that does not end in them needs all the memory */
#define EVICT_US 20000 /* from one look at all connections to the next */
#define SWEEP_MS 1000

struct pending { /* accepted, not a byte yet */
    struct pending *prev, *next;
    int fd;
    int slot; /* of its address */
    int64_t since_us;
    struct sockaddr_storage addr;
    socklen_t addr_len;
};

struct acceptor {
    struct http_server *server;
    int epoll_fd, wake_fd;
    pthread_t thread;
    struct pending *first, *last; /* newest, oldest */
    int count;
    bool is_full; /* the listening socket is not watched */
    int64_t evicted_us;
    char said[LOOK_MOST + 1];
};

static void forget(struct acceptor *a, struct pending *p)
{
    if (p->prev)
        p->prev->next = p->next;
    else
        a->first = p->next;
    if (p->next)
        p->next->prev = p->prev;
    else
        a->last = p->prev;
    a->count--;
    free(p);
}

static void hang_up(struct acceptor *a, struct pending *p)
{
    close(p->fd);
    crowd_give(a->server, p->slot);
    forget(a, p);
}

/* By what it says first. Whoever pretends gets less, and nothing else. */
static bool is_stream(const struct http_config *conf, const char *said, size_t n)
{
    size_t want = conf->stream_prefix ? strlen(conf->stream_prefix) : 0;

    return want && n >= want && !memcmp(said, conf->stream_prefix, want);
}

/* A short head, and it asks for a file: clearing all the memory that a large one might need would take longer than sending
 * it. */
static bool is_short(const struct http_config *conf, const char *said, size_t n)
{
    const char *line = conf->short_prefix, *below = conf->short_host;

    if (n >= LOOK_MOST || n < 5 || memcmp(said, "GET ", 4) != 0 || !memmem(said, n, "\r\n\r\n", 4))
        return false;
    return (line && n > strlen(line) && !memcmp(said, line, strlen(line))) ||
           (below && *below && memmem(said, n, below, strlen(below)));
}

static bool is_small(const struct http_server *s, const char *said, size_t n)
{
    if (!s->entrances[ENTRANCE_SMALL].daemon)
        return false;
    if (is_stream(&s->conf, said, n) || is_short(&s->conf, said, n))
        return true;
    return s->conf.max_strangers && s->big_strangers >= BIG_STRANGERS &&
           (n < LOOK_MOST || memmem(said, n, "\r\n\r\n", 4));
}

/* said ends with NUL. */
static bool announces(const char *said, const char *name, int64_t least)
{
    const char *at = strcasestr(said, name);

    return at && strtoll(at + strlen(name), NULL, 10) >= least;
}

static bool is_large(const struct http_server *s, const char *said)
{
    const struct entrance *e = &s->entrances[ENTRANCE_LARGE];
    bool crowded = s->conf.max_strangers && s->big_strangers >= LARGE_STRANGERS;

    return e->daemon && !crowded && e->count < s->conf.large_most &&
           (announces(said, "\r\nContent-Length:", s->conf.large_body) ||
            announces(said, "\r\nUpload-Length:", s->conf.large_body));
}

static enum entrance_kind entrance_for(const struct http_server *s, const char *said, size_t n)
{
    return is_small(s, said, n) ? ENTRANCE_SMALL : is_large(s, said) ? ENTRANCE_LARGE : ENTRANCE_PLAIN;
}

/* Those with large heads share a quarter as many places: who comes too late tries again. */
static bool is_too_big(const struct http_server *s)
{
    return s->conf.max_strangers && s->big_strangers >= BIG_STRANGERS + BIG_STRANGERS / 4;
}

/* The descriptor is libmicrohttpd's, and counts until conn_closed(): here, not where a thread of it begins to serve it,
 * or as many more as it has not seen yet would find room. */
static void accept_give(struct http_server *s, struct pending *p, enum entrance_kind kind)
{
    int big = kind == ENTRANCE_SMALL ? 0 : 1;
    struct entrance *e = &s->entrances[kind];

    atomic_fetch_add(&s->connections, 1);
    atomic_fetch_add(&e->count, 1);
    atomic_fetch_add(&s->strangers, 1);
    atomic_fetch_add(&s->big_strangers, big);
    if (MHD_add_connection(e->daemon, p->fd, (struct sockaddr *)&p->addr, p->addr_len) == MHD_YES)
        return;
    /* it has closed the descriptor */
    atomic_fetch_sub(&s->connections, 1);
    atomic_fetch_sub(&e->count, 1);
    atomic_fetch_sub(&s->strangers, 1);
    atomic_fetch_sub(&s->big_strangers, big);
    crowd_give(s, p->slot);
}

/* False: it has said nothing yet. Otherwise p is gone. */
static bool hand_over(struct acceptor *a, struct pending *p, bool watched)
{
    struct http_server *s = a->server;
    ssize_t n = recv(p->fd, a->said, LOOK_MOST, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        hang_up(a, p);
        return true;
    }
    if (watched)
        epoll_ctl(a->epoll_fd, EPOLL_CTL_DEL, p->fd, NULL);
    a->said[n] = 0;
    enum entrance_kind kind = entrance_for(s, a->said, (size_t)n);
    if (kind != ENTRANCE_SMALL && is_too_big(s)) {
        hang_up(a, p);
        return true;
    }
    accept_give(s, p, kind);
    forget(a, p);
    return true;
}

static void watch_listener(struct acceptor *a, bool on)
{
    struct epoll_event ev = {.events = on ? EPOLLIN : 0, .data.ptr = a->server};

    epoll_ctl(a->epoll_fd, EPOLL_CTL_MOD, a->server->listen_fd, &ev);
    a->is_full = !on;
}

static bool has_room(const struct acceptor *a)
{
    return a->count + a->server->connections < a->server->conf.max_connections;
}

/* Of those that have not said a word, the oldest. */
static int drop_silent(struct acceptor *a, int most, int64_t before_us)
{
    int dropped = 0;

    for (; a->last && a->last->since_us <= before_us && dropped < most; dropped++)
        hang_up(a, a->last);
    return dropped;
}

/* Too many strangers, or hardly a place left for who comes next: those at which least moves make room. */
static void make_room(struct acceptor *a)
{
    struct http_server *s = a->server;
    int64_t now_us = clock_mono_us();
    int above = a->count + s->strangers - s->conf.max_strangers;
    int tight = a->count + s->connections - (s->conf.max_connections - s->conf.max_connections / 8);
    int count = above > tight ? above : tight;

    if (!s->conf.max_strangers || count <= 0 || now_us - a->evicted_us < EVICT_US)
        return;
    a->evicted_us = now_us;
    count += s->conf.max_strangers / 64;
    /* who has just come may be about to speak, as long as there are places */
    int64_t age_us = has_room(a) ? SECOND_US : SECOND_US / 10;
    count -= drop_silent(a, count, now_us - age_us);
    if (count > 0)
        crowd_evict(s, count, age_us);
}

static void take_connections(struct acceptor *a)
{
    make_room(a);
    for (int i = 0; i < EVENTS; i++) {
        struct pending *p;
        struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP};

        if (!has_room(a)) { /* the others wait in the kernel's queue */
            watch_listener(a, false);
            return;
        }
        p = mem_zalloc(sizeof *p);
        p->addr_len = sizeof p->addr;
        p->fd = accept4(a->server->listen_fd, (struct sockaddr *)&p->addr, &p->addr_len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (p->fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                watch_listener(a, false);
            free(p);
            return;
        }
        p->slot = crowd_slot(a->server, (struct sockaddr *)&p->addr);
        if (!crowd_take(a->server, p->slot)) {
            close(p->fd);
            free(p);
            continue;
        }
        p->since_us = clock_mono_us();
        p->next = a->first;
        if (p->next)
            p->next->prev = p;
        else
            a->last = p;
        a->first = p;
        a->count++;
        ev.data.ptr = p;
        if (!hand_over(a, p, false) && epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, p->fd, &ev) < 0)
            hang_up(a, p);
    }
}

static void close_silent(struct acceptor *a)
{
    int64_t limit_us = clock_mono_us() - a->server->conf.idle_timeout_s * SECOND_US;

    (void)drop_silent(a, INT_MAX, limit_us);
}

static void *accept_run(void *acceptor)
{
    struct acceptor *a = acceptor;
    int64_t swept_us = clock_mono_us();

    while (!a->server->quiesced) {
        struct epoll_event ev[EVENTS];
        int n = epoll_wait(a->epoll_fd, ev, EVENTS, a->is_full ? FULL_PAUSE_MS : a->count ? SWEEP_MS : -1);
        bool knocks = false;

        for (int i = 0; i < n; i++) {
            if (ev[i].data.ptr == a->server)
                knocks = true;
            else if (ev[i].data.ptr != a)
                hand_over(a, ev[i].data.ptr, true);
        }
        if (knocks) /* last: who comes may push out those that were still to be heard above */
            take_connections(a);
        if (a->is_full) {
            make_room(a);
            if (has_room(a))
                watch_listener(a, true);
        }
        if (clock_mono_us() - swept_us >= SWEEP_MS * 1000) {
            swept_us = clock_mono_us();
            close_silent(a);
        }
    }
    while (a->first)
        hang_up(a, a->first);
    return NULL;
}

int acceptor_start(struct http_server *s, struct err *err)
{
    struct acceptor *a = mem_zalloc(sizeof *a);
    struct epoll_event listener = {.events = EPOLLIN, .data.ptr = s}, wake = {.events = EPOLLIN, .data.ptr = a};

    a->server = s;
    a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    a->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->epoll_fd < 0 || a->wake_fd < 0 || epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, s->listen_fd, &listener) < 0 ||
        epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, a->wake_fd, &wake) < 0 ||
        (errno = pthread_create(&a->thread, NULL, accept_run, a)) != 0) {
        err_errno(err, "start taking connections");
        fd_close(a->epoll_fd);
        fd_close(a->wake_fd);
        free(a);
        return -1;
    }
    s->acceptor = a;
    return 0;
}

void acceptor_stop(struct http_server *s)
{
    struct acceptor *a = take(s->acceptor);
    uint64_t one = 1;

    if (!a)
        return;
    (void)!write(a->wake_fd, &one, sizeof one);
    pthread_join(a->thread, NULL);
    close(a->epoll_fd);
    close(a->wake_fd);
    free(a);
}
