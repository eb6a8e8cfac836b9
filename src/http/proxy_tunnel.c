/* proxy_tunnel.c - a WebSocket through the proxy: the client's handshake goes on as it is, and once
 * the other server has agreed, bytes pass both ways unread. */
#include "http/proxy_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* ---- making one ---- */

struct tunnel *tunnel_new(struct errand *e)
{
    struct tunnel *t = mem_zalloc(sizeof *t);

    t->fd = -1;
    t->client = t->server = (struct watch){.fd = -1, .errand = e};
    t->moved_us = clock_mono_us();
    str_addf(&t->ask,
             "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
             e->target, e->proxy->authority);
    for (struct curl_slist *l = e->headers; l; l = l->next) {
        size_t len = strlen(l->data);

        /* "Name;" is libcurl's for no value, "Name:" its way to leave a header out */
        if (l->data[len - 1] == ';' && !strchr(l->data, ':'))
            str_addf(&t->ask, "%.*s:\r\n", (int)len - 1, l->data);
        else if (l->data[len - 1] != ':')
            str_addf(&t->ask, "%s\r\n", l->data);
    }
    str_puts(&t->ask, "\r\n");
    return t;
}

void tunnel_free(struct tunnel *t)
{
    if (!t)
        return;
    http_socket_close(t->socket);
    fd_close(t->fd);
    str_done(t->ask);
    free(t->up.data);
    free(t->down.data);
    free(t);
}

static void fail(struct errand *e, const char *what) { errand_fail(e, ERR_UPSTREAM_ANSWER, what); }

/* ---- the relay ---- */

/* Bytes sent or received; 0: none now; -1: closed or broken. */
static ssize_t tunnel_give(int fd, const char *data, size_t len)
{
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

    return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static ssize_t receive(int fd, char *data, size_t len)
{
    ssize_t n = recv(fd, data, len, 0);

    return n > 0 ? n : n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* Returns -1 when nothing can go this way any more. One buffer is read at a time: the others want
 * their turn. */
static int move_bytes(struct errand *e, struct flow *f, int from, int to)
{
    ssize_t n;

    if (!f->len && !f->has_ended) {
        f->at = 0;
        n = receive(from, f->data, FLOW_SIZE);
        if (n < 0)
            f->has_ended = true;
        else
            f->len = (size_t)n;
    }
    if (f->len) {
        n = tunnel_give(to, f->data + f->at, f->len);
        if (n < 0)
            return -1;
        f->at += (size_t)n;
        f->len -= (size_t)n;
        if (n)
            e->tunnel->moved_us = e->proxy->now_us;
    }
    return f->has_ended && !f->len ? -1 : 0;
}

static void relay(struct errand *e)
{
    struct tunnel *t = e->tunnel;
    int client = http_socket_fd(t->socket);

    /* What one side said last still reaches the other; then both are closed. */
    if (move_bytes(e, &t->down, t->fd, client) < 0 || move_bytes(e, &t->up, client, t->fd) < 0) {
        errand_end(e, NULL);
        return;
    }
    proxy_watch(e->proxy, &t->client, client,
                (t->up.len || t->up.has_ended ? 0u : EPOLLIN) | (t->down.len ? EPOLLOUT : 0u));
    proxy_watch(e->proxy, &t->server, t->fd,
                (t->down.len || t->down.has_ended ? 0u : EPOLLIN) | (t->up.len ? EPOLLOUT : 0u));
}

/* A peer that vanished without a word is noticed within minutes. */
static void keep_alive(int fd)
{
    int one = 1, idle_s = 60, most_ms = 120 * 1000;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &most_ms, sizeof most_ms);
}

/* ---- the handshake ---- */

/* On an HTTP thread: the client's connection is ours. */
static void taken(void *errand, struct http_socket *s)
{
    struct errand *e = errand;
    struct proxy *p = e->proxy;
    bool is_orphan, is_first = false;

    pthread_mutex_lock(&p->lock);
    e->tunnel->socket = s;
    e->tunnel->is_taken = true;
    is_orphan = e->tunnel->is_orphan;
    if (!is_orphan)
        is_first = proxy_ring_locked(e);
    pthread_mutex_unlock(&p->lock);
    if (is_orphan)
        errand_free(e);
    else if (is_first)
        proxy_ring_bell(p);
}

static void open_tunnel(struct errand *e)
{
    struct tunnel *t = e->tunnel;
    const char *early;
    size_t len = http_socket_early(&early, t->socket);

    t->phase = TUNNEL_OPEN;
    t->up.data = mem_alloc(len > FLOW_SIZE ? len : FLOW_SIZE);
    memcpy(t->up.data, early, len);
    t->up.len = len;
    keep_alive(http_socket_fd(t->socket));
    relay(e);
}

void tunnel_rung(struct errand *e)
{
    bool is_taken;
    struct http_socket *s;

    pthread_mutex_lock(&e->proxy->lock);
    is_taken = e->tunnel->is_taken;
    s = e->tunnel->socket;
    pthread_mutex_unlock(&e->proxy->lock);
    if (e->tunnel->phase != TUNNEL_WAITS || !is_taken)
        return;
    if (s)
        open_tunnel(e);
    else
        errand_end(e, NULL);
}

/* The head of the answer is in: what follows it is the tunnel's. */
static void hear_answer(struct errand *e, const char *rest, size_t len)
{
    struct tunnel *t = e->tunnel;
    int64_t length;
    bool is_websocket = proxy_is_websocket(&e->head);
    struct http_response *r = proxy_answer(&length, &e->head);

    if (!r || (!is_websocket && (proxy_status(&e->head) < 200 || proxy_status(&e->head) > 999))) {
        http_response_free(r);
        fail(e, "it gave an answer to a WebSocket's opening that is none");
        return;
    }
    if (!is_websocket) { /* its no; the body is of no interest */
        errand_answer(e, r);
        errand_end(e, NULL);
        return;
    }
    t->phase = TUNNEL_WAITS;
    t->moved_us = e->proxy->now_us;
    memmove(t->down.data, rest, len);
    t->down.len = len;
    proxy_watch(e->proxy, &t->server, t->fd, 0);
    e->is_answered = true;
    http_answer_upgrade(e->req, r, taken, e);
}

/* One line of the head, from s. Returns its length with the line's end; 0: it is not complete. */
static size_t take_line(struct errand *e, const char *s, size_t len)
{
    const char *end = memchr(s, '\n', len);
    size_t n = end ? (size_t)(end - s) : 0;

    if (!end)
        return 0;
    while (n && s[n - 1] == '\r')
        n--;
    str_add(&e->head, s, n);
    str_putc(&e->head, '\n');
    return (size_t)(end - s) + 1;
}

static void read_answer(struct errand *e)
{
    struct flow *f = &e->tunnel->down;
    size_t at = 0, n;
    ssize_t got = receive(e->tunnel->fd, f->data + f->len, FLOW_SIZE - f->len);

    if (got < 0) {
        fail(e, "it closed the connection without an answer");
        return;
    }
    f->len += (size_t)got;
    str_reset(&e->head);
    while ((n = take_line(e, f->data + at, f->len - at))) {
        at += n;
        if (e->head.len >= 2 && e->head.s[e->head.len - 2] == '\n') { /* the empty line */
            e->head.s[--e->head.len] = 0;
            hear_answer(e, f->data + at, f->len - at);
            return;
        }
    }
    if (f->len == FLOW_SIZE)
        fail(e, "its answer has too many headers");
}

void tunnel_connected(struct errand *e)
{
    struct tunnel *t = e->tunnel;
    curl_socket_t fd = CURL_SOCKET_BAD;
    int one = 1;

    if (curl_easy_getinfo(e->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
        fd == CURL_SOCKET_BAD) {
        fail(e, "it closed the connection");
        return;
    }
    /* The connection goes on as our own: libcurl looks after the idle ones among its own. */
    t->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    curl_multi_remove_handle(e->proxy->multi, e->easy);
    curl_easy_cleanup(take(e->easy));
    if (t->fd < 0) {
        fail(e, "there are too many connections");
        return;
    }
    setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    keep_alive(t->fd);
    t->phase = TUNNEL_ASKS;
    t->moved_us = e->proxy->now_us;
    t->down.data = mem_alloc(FLOW_SIZE);
    proxy_watch(e->proxy, &t->server, t->fd, EPOLLIN | EPOLLOUT);
}

static void send_ask(struct errand *e)
{
    struct tunnel *t = e->tunnel;
    ssize_t n = tunnel_give(t->fd, t->ask.s + t->asked, t->ask.len - t->asked);

    if (n < 0) {
        fail(e, "it closed the connection");
        return;
    }
    t->asked += (size_t)n;
    if (t->asked == t->ask.len)
        proxy_watch(e->proxy, &t->server, t->fd, EPOLLIN);
}

void tunnel_ready(struct errand *e, struct watch *w, uint32_t events)
{
    struct tunnel *t = e->tunnel;

    if (t->phase == TUNNEL_OPEN) {
        relay(e);
        /* closed both ways: what waits for it has nowhere to go, and epoll would not stop telling
         */
        if (!e->is_dead && events & (EPOLLERR | EPOLLHUP))
            errand_end(e, NULL);
        return;
    }
    if (t->phase == TUNNEL_ASKS && t->asked < t->ask.len)
        send_ask(e);
    else if (t->phase == TUNNEL_ASKS)
        read_answer(e);
    else if (events & (EPOLLERR | EPOLLHUP))
        proxy_watch(e->proxy, w, -1, 0); /* found out again when the client's side is there */
}

void tunnel_tick(struct errand *e)
{
    struct tunnel *t = e->tunnel;
    int64_t rest_us = e->proxy->now_us - t->moved_us;

    if (t->phase == TUNNEL_ASKS && rest_us > ASK_US)
        fail(e, "it does not answer");
    else if (t->phase == TUNNEL_OPEN && rest_us > SILENT_US)
        errand_end(e, NULL);
}
