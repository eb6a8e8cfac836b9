/* proxy.c - the thread that hands requests on. */
#include "base/log.h"
#include "http/proxy_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ROUND 64 /* descriptors at a time */
#define TICK_US SECOND_US
#define KEEP_S 4 /* an idle connection; Node closes its own after five seconds */

/* ---- notes to the thread ---- */

bool proxy_ring_locked(struct errand *e)
{
    struct proxy *p = e->proxy;
    bool was_empty = !p->rung;

    if (e->is_rung)
        return false;
    e->is_rung = true;
    e->next_rung = p->rung;
    p->rung = e;
    return was_empty;
}

void proxy_ring_bell(struct proxy *p)
{
    const uint64_t one = 1;

    (void)!write(p->bell, &one, sizeof one); /* full means that it rings already */
}

/* e may be gone as soon as the lock is. */
static void wake_errand(void *errand)
{
    struct errand *e = errand;
    struct proxy *p = e->proxy;
    bool is_first;

    pthread_mutex_lock(&p->lock);
    is_first = proxy_ring_locked(e);
    pthread_mutex_unlock(&p->lock);
    if (is_first)
        proxy_ring_bell(p);
}

static void unring(struct errand *e)
{
    struct proxy *p = e->proxy;

    pthread_mutex_lock(&p->lock);
    for (struct errand **at = &p->rung; e->is_rung && *at; at = &(*at)->next_rung)
        if (*at == e) {
            *at = e->next_rung;
            break;
        }
    e->is_rung = false;
    pthread_mutex_unlock(&p->lock);
}

bool proxy_leave(struct proxy *p, struct errand *e)
{
    bool was_empty, has_ended;

    pthread_mutex_lock(&p->lock);
    has_ended = p->has_ended;
    was_empty = !p->asked;
    if (!has_ended) {
        *p->asked_last = e;
        p->asked_last = &e->next_asked;
    }
    pthread_mutex_unlock(&p->lock);
    if (was_empty && !has_ended)
        proxy_ring_bell(p);
    return !has_ended;
}

/* ---- the end of an errand ---- */

void errand_free(struct errand *e)
{
    if (!e)
        return;
    atomic_fetch_sub(&e->proxy->bodies, e->counted);
    http_request_unref(e->req);
    curl_slist_free_all(e->headers);
    tunnel_free(e->tunnel);
    str_done(e->body);
    str_done(e->head);
    free(e->target);
    free(e->origin);
    free(e);
}

void errand_answer(struct errand *e, struct http_response *r)
{
    e->is_answered = true;
    http_answer(e->req, r);
}

void errand_end(struct errand *e, const struct err *why)
{
    struct proxy *p = e->proxy;
    bool is_orphan = false;

    if (e->is_dead)
        return;
    e->is_dead = true;
    if (!e->is_answered)
        errand_answer(e, p->conf.refuse(why, e->method, e->origin));
    if (e->stream)
        http_stream_abort(take(e->stream));
    if (e->tunnel) {
        proxy_watch(p, &e->tunnel->client, -1, 0);
        proxy_watch(p, &e->tunnel->server, -1, 0);
    }
    if (e->easy) {
        curl_multi_remove_handle(p->multi, e->easy);
        curl_easy_cleanup(take(e->easy));
    }
    if (e->prev)
        e->prev->next = e->next;
    else
        p->errands = e->next;
    if (e->next)
        e->next->prev = e->prev;
    if (e->tunnel && e->tunnel->phase == TUNNEL_WAITS) {
        pthread_mutex_lock(&p->lock);
        is_orphan = e->tunnel->is_orphan = !e->tunnel->is_taken;
        pthread_mutex_unlock(&p->lock);
    }
    if (is_orphan) /* it is not ours any more */
        return;
    unring(e);
    /* events of this round may name it */
    e->next = p->dead_errands;
    p->dead_errands = e;
}

void errand_fail(struct errand *e, enum err_code code, const char *what)
{
    struct proxy *p = e->proxy;
    struct err err;

    if (e->is_dead)
        return;
    /* without the query: it may hold a secret */
    log_warn(NULL, "%s at %s: %s %.*s: %s", p->conf.name, p->upstream,
             e->tunnel ? "WebSocket" : e->method, (int)strcspn(e->target, "?"), e->target, what);
    err_set(&err, code,
            code == ERR_UPSTREAM_DOWN ? "%s can't be reached now; the server's log says why"
                                      : "%s gave no proper answer; the server's log says why",
            p->conf.name);
    errand_end(e, &err);
}

static void bury(struct proxy *p)
{
    while (p->dead_errands) {
        struct errand *e = p->dead_errands;

        p->dead_errands = e->next;
        errand_free(e);
    }
    while (p->dead_watches) {
        struct watch *w = p->dead_watches;

        p->dead_watches = w->next_dead;
        free(w);
    }
}

/* ---- descriptors ---- */

void proxy_watch(struct proxy *p, struct watch *w, int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};

    if (w->fd == fd && w->events == events && fd >= 0)
        return;
    if (w->fd >= 0 && w->fd != fd)
        epoll_ctl(p->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    if (fd >= 0 && epoll_ctl(p->epoll, w->fd == fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) < 0 &&
        (errno != EEXIST || epoll_ctl(p->epoll, EPOLL_CTL_MOD, fd, &e) < 0))
        log_error(NULL, "watch a proxied connection: %m");
    w->fd = fd;
    w->events = events;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *proxy, void *watch)
{
    struct proxy *p = proxy;
    struct watch *w = watch;

    if (what == CURL_POLL_REMOVE) {
        if (!w)
            return 0;
        proxy_watch(p, w, -1, 0);
        curl_multi_assign(p->multi, fd, NULL);
        w->is_dead = true;
        w->next_dead = p->dead_watches;
        p->dead_watches = w;
        return 0;
    }
    if (!w) {
        w = mem_zalloc(sizeof *w);
        w->fd = -1;
        curl_multi_assign(p->multi, fd, w);
    }
    proxy_watch(p, w, fd,
                (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u));
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *proxy)
{
    struct proxy *p = proxy;

    p->curl_us = timeout_ms < 0 ? 0 : clock_mono_us() + timeout_ms * 1000;
    return 0;
}

/* ---- an answer comes in ---- */

static int begin_answer(struct errand *e)
{
    int64_t length;
    struct http_response *r = proxy_answer(&length, &e->head);
    int status = proxy_status(&e->head);

    if (!r || status < 200 || status > 999) {
        http_response_free(r);
        e->flaw = r ? "an answer that nobody asked for" : "an answer with malformed headers";
        return -1;
    }
    if (status == 204 || status == 205 || length == 0)
        return errand_answer(e, r), 0;
    e->is_answered = true;
    e->stream = http_answer_body(e->req, r, length, QUEUE_LOW, wake_errand, e);
    return 0;
}

/* A line of the answer's head. Returning another length than it has ends the transfer. */
static size_t proxy_on_header(char *data, size_t size, size_t count, void *errand)
{
    struct errand *e = errand;
    size_t len = size * count, n = len;

    if (e->is_head_done) /* trailers of a chunked body */
        return len;
    if (len >= 5 && !memcmp(data, "HTTP/", 5))
        str_reset(&e->head);
    while (n && (data[n - 1] == '\n' || data[n - 1] == '\r'))
        n--;
    if (e->head.len + n >= MAX_HEAD || memchr(data, 0, n)) {
        e->flaw = "an answer with too many headers";
        return 0;
    }
    if (n) {
        str_add(&e->head, data, n);
        str_putc(&e->head, '\n');
        return len;
    }
    if (proxy_status(&e->head) / 100 == 1 && proxy_status(&e->head) != 101)
        return len; /* news on the way; the answer follows */
    e->is_head_done = true;
    return begin_answer(e) < 0 ? 0 : len;
}

static size_t proxy_on_data(char *data, size_t size, size_t count, void *errand)
{
    struct errand *e = errand;
    size_t len = size * count;

    if (!e->stream)
        return len;
    if (http_stream_queued(e->stream) > QUEUE_HIGH) {
        e->is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    return http_stream_write(e->stream, data, len, 2 * QUEUE_HIGH + CURL_MAX_WRITE_SIZE) < 0 ? 0
                                                                                             : len;
}

static enum err_code code_of(struct errand *e, CURLcode rc)
{
    curl_off_t connected_us = 0;

    /* a time that the first try may have left: on a kept connection that turned out to be dead */
    curl_easy_getinfo(e->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    return rc == CURLE_COULDNT_CONNECT || connected_us == 0 ? ERR_UPSTREAM_DOWN
                                                            : ERR_UPSTREAM_ANSWER;
}

static void errand_over(struct errand *e, CURLcode rc)
{
    if (e->tunnel && rc == CURLE_OK) {
        tunnel_connected(e);
        return;
    }
    if (rc == CURLE_OK && e->is_head_done) {
        if (e->stream)
            http_stream_end(take(e->stream));
        errand_end(e, NULL);
    } else if (e->is_answered && (!e->stream || http_stream_gone(e->stream))) {
        errand_end(e, NULL);
    } else {
        errand_fail(e, code_of(e, rc),
                    e->flaw    ? e->flaw
                    : *e->text ? e->text
                               : curl_easy_strerror(rc));
    }
}

static void read_messages(struct proxy *p)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(p->multi, &left))) {
        struct errand *e = NULL;

        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&e);
        errand_over(e, m->data.result);
    }
}

/* ---- an errand begins ---- */

static void proxy_set_body(struct errand *e)
{
    if (!strcmp(e->method, "HEAD")) {
        curl_easy_setopt(e->easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (e->body.len || !strcmp(e->method, "POST") || !strcmp(e->method, "PUT") ||
        !strcmp(e->method, "PATCH")) {
        curl_easy_setopt(e->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)e->body.len);
        curl_easy_setopt(e->easy, CURLOPT_POSTFIELDS, e->body.s ? e->body.s : "");
    }
    curl_easy_setopt(e->easy, CURLOPT_CUSTOMREQUEST, e->method);
}

static void errand_begin(struct proxy *p, struct errand *e)
{
    CURL *c = e->easy = curl_easy_init();

    e->next = p->errands;
    if (e->next)
        e->next->prev = e;
    p->errands = e;
    if (!c)
        abort(); /* fails only without memory */
    curl_easy_setopt(c, CURLOPT_PRIVATE, e);
    curl_easy_setopt(c, CURLOPT_URL, p->upstream);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(c, CURLOPT_PROXY, ""); /* not even one from the environment */
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, e->text);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)p->conf.connect_timeout_s);
    if (e->tunnel) {
        curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
    } else {
        curl_easy_setopt(c, CURLOPT_REQUEST_TARGET, e->target);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, e->headers);
        curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, proxy_on_header);
        curl_easy_setopt(c, CURLOPT_HEADERDATA, e);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, proxy_on_data);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, e);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)p->conf.idle_timeout_s);
        curl_easy_setopt(c, CURLOPT_MAXAGE_CONN, (long)KEEP_S);
        proxy_set_body(e);
    }
    if (curl_multi_add_handle(p->multi, c) != CURLM_OK)
        abort();
}

/* Somebody has a note for it: there is room, the client has left, or its connection has left HTTP.
 */
static void look_at(struct errand *e)
{
    if (e->is_dead)
        return;
    if (e->tunnel) {
        tunnel_rung(e);
    } else if (e->stream && http_stream_gone(e->stream)) {
        errand_end(e, NULL);
    } else if (e->is_paused) {
        e->is_paused = false;
        curl_easy_pause(e->easy, CURLPAUSE_CONT);
    }
}

static void read_notes(struct proxy *p)
{
    struct errand *asked, *rung;

    pthread_mutex_lock(&p->lock);
    asked = take(p->asked);
    p->asked_last = &p->asked;
    pthread_mutex_unlock(&p->lock);
    while (asked) {
        struct errand *e = asked;

        asked = e->next_asked;
        errand_begin(p, e);
    }
    for (;;) {
        pthread_mutex_lock(&p->lock);
        rung = p->rung;
        if (rung) {
            p->rung = rung->next_rung;
            rung->is_rung = false;
        }
        pthread_mutex_unlock(&p->lock);
        if (!rung)
            break;
        look_at(rung);
    }
}

/* ---- the loop ---- */

/* Nobody but us notices that the client of a request that waits has left. */
static void tick(struct proxy *p)
{
    struct errand *next;

    for (struct errand *e = p->errands; e; e = next) {
        next = e->next;
        if (e->tunnel)
            tunnel_tick(e);
        if (!e->is_dead && !e->is_answered && http_is_deserted(e->req)) {
            struct err gone;

            err_set(&gone, ERR_BUSY, "The client has left");
            errand_end(e, &gone);
        }
    }
}

static void handle(struct proxy *p, const struct epoll_event *event)
{
    struct watch *w = event->data.ptr;
    uint32_t events = event->events;
    uint64_t rings;
    int running;

    if (!w)
        (void)!read(p->bell, &rings, sizeof rings);
    else if (w->is_dead || (w->errand && w->errand->is_dead))
        return;
    else if (w->errand)
        tunnel_ready(w->errand, w, events);
    else
        curl_multi_socket_action(p->multi, w->fd,
                                 (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                                     (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                                     (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0),
                                 &running);
}

static int wait_ms(const struct proxy *p, int64_t next_tick_us)
{
    int64_t until_us = p->curl_us && p->curl_us < next_tick_us ? p->curl_us : next_tick_us,
            now_us = clock_mono_us();

    return until_us <= now_us ? 0 : (int)((until_us - now_us + 999) / 1000);
}

static void end_all(struct proxy *p)
{
    struct err err;

    err_set(&err, ERR_BUSY, "The server is shutting down");
    while (p->errands)
        errand_end(p->errands, &err);
}

static void *run(void *proxy)
{
    struct proxy *p = proxy;
    struct epoll_event ready[ROUND];
    int64_t next_tick_us = 0;
    int running;

    for (bool has_ended = false; !has_ended;) {
        int n = epoll_wait(p->epoll, ready, ROUND, wait_ms(p, next_tick_us));

        p->now_us = clock_mono_us();
        for (int i = 0; i < n; i++)
            handle(p, &ready[i]);
        if (p->curl_us && p->now_us >= p->curl_us) {
            p->curl_us = 0;
            curl_multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        read_notes(p);
        read_messages(p);
        if (p->now_us >= next_tick_us) {
            tick(p);
            next_tick_us = p->now_us + TICK_US;
        }
        if (p->stopping) {
            pthread_mutex_lock(&p->lock);
            has_ended = p->has_ended = !p->asked;
            pthread_mutex_unlock(&p->lock);
            end_all(p);
        }
        bury(p);
    }
    return NULL;
}

/* ---- start and stop ---- */

static void proxy_global_init(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

int proxy_start(struct proxy **out, const struct proxy_conf *conf, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct proxy *p = mem_zalloc(sizeof *p);
    struct epoll_event e = {.events = EPOLLIN};

    pthread_once(&once, proxy_global_init);
    p->conf = *conf;
    p->asked_last = &p->asked;
    pthread_mutex_init(&p->lock, NULL);
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!(p->multi = curl_multi_init()))
        abort();
    curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
    curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
    if (proxy_take_apart(&p->upstream, &p->authority, conf->upstream, err) < 0) {
        proxy_close(p);
        return -1;
    }
    if (p->epoll < 0 || p->bell < 0 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->bell, &e) < 0 ||
        (errno = pthread_create(&p->thread, NULL, run, p)) != 0) {
        err_errno(err, "start the thread that hands requests on");
        proxy_close(p);
        return -1;
    }
    p->has_thread = true;
    *out = p;
    return 0;
}

void proxy_stop(struct proxy *p)
{
    if (!p || atomic_exchange(&p->stopping, true))
        return;
    if (p->has_thread) {
        proxy_ring_bell(p);
        pthread_join(p->thread, NULL);
    }
}

void proxy_close(struct proxy *p)
{
    if (!p)
        return;
    proxy_stop(p);
    curl_multi_cleanup(p->multi);
    bury(p);
    fd_close(p->epoll);
    fd_close(p->bell);
    pthread_mutex_destroy(&p->lock);
    free(p->upstream);
    free(p->authority);
    free(p);
}
