/* live.c - the thread: notes from others, WebSockets that are ready, and a look at the clock once a second. */
#include "base/log.h"
#include "live/private.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ROUND 64               /* sockets at a time */
#define TICK_US SECOND_US
#define STOP_US (SECOND_US * 5 / 4)
#define GOING_AWAY 1001

/* ---- notes ---- */

void note_free(struct note *n)
{
    if (!n)
        return;
    http_request_unref(n->req);
    free(n->origin);
    str_done(n->body);
    http_response_free(n->handshake);
    shared_text_unref(n->text);
    ear_unref(n->ear);
    http_socket_close(n->socket);
    free(n);
}

static void ring(struct live *l)
{
    const uint64_t one = 1;

    (void)!write(l->bell, &one, sizeof one); /* full means that it rings already */
}

bool live_note(struct live *l, struct note *n)
{
    bool was_empty, has_ended;

    n->live = l;
    pthread_mutex_lock(&l->lock);
    has_ended = l->has_ended;
    was_empty = !l->first;
    if (!has_ended) {
        *l->last = n;
        l->last = &n->next;
    }
    pthread_mutex_unlock(&l->lock);
    if (has_ended)
        note_free(n);
    else if (was_empty)
        ring(l);
    return !has_ended;
}

static struct note *take_notes(struct live *l, bool ends)
{
    struct note *all;

    pthread_mutex_lock(&l->lock);
    all = take(l->first);
    l->last = &l->first;
    if (ends && !all)
        l->has_ended = true;
    pthread_mutex_unlock(&l->lock);
    return all;
}

static void read_notes(struct live *l, struct note *all)
{
    static void (*const act[])(struct live *, struct note *) = {[NOTE_POLL] = session_poll,
                                                                [NOTE_POST] = session_post,
                                                                [NOTE_ASK] = session_ask,
                                                                [NOTE_SOCKET] = session_socket};

    while (all) {
        struct note *n = all;

        all = n->next;
        if (n->kind == NOTE_EVENT)
            session_event(n);
        else if (n->kind == NOTE_END)
            session_ear_end(n);
        else
            act[n->kind](l, n);
        note_free(n);
    }
}

/* ---- WebSockets ---- */

static const struct websocket_calls calls = {line_text};

static void watch(struct line *line, int op, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = line};

    if (op == EPOLL_CTL_MOD && line->watched == events)
        return;
    line->watched = events;
    if (epoll_ctl(line->live->epoll, op, websocket_fd(line->ws), &e) < 0)
        log_error(NULL, "watch a WebSocket: %m");
}

struct line *line_new(struct live *l, struct http_socket *s)
{
    struct line *line = mem_zalloc(sizeof *line);

    line->live = l;
    line->ws = websocket_new(s, &l->room, &calls, line);
    line->next = l->lines;
    if (line->next)
        line->next->prev = line;
    l->lines = line;
    watch(line, EPOLL_CTL_ADD, EPOLLIN);
    line_pump_soon(line); /* bytes may have come with the request */
    return line;
}

static void line_free(struct line *line)
{
    if (line->prev)
        line->prev->next = line->next;
    else
        line->live->lines = line->next;
    if (line->next)
        line->next->prev = line->prev;
    epoll_ctl(line->live->epoll, EPOLL_CTL_DEL, websocket_fd(line->ws), NULL);
    websocket_free(line->ws);
    free(line);
}

void line_pump_soon(struct line *line)
{
    if (line->is_dirty)
        return;
    line->is_dirty = true;
    line->next_dirty = line->live->dirty;
    line->live->dirty = line;
}

void line_close(struct line *line, int code)
{
    line->session = NULL;
    websocket_close(line->ws, code);
    if (!line->closing_us)
        line->closing_us = line->live->now_us;
    line_pump_soon(line);
}

static void pump(struct line *line)
{
    enum websocket_state state = websocket_pump(line->ws);

    if (state != WEBSOCKET_OPEN) {
        session_line_lost(line);
        if (!line->closing_us)
            line->closing_us = line->live->now_us;
    } else if (line->session) {
        session_flush(line->session);
    }
    if (state == WEBSOCKET_GONE)
        line->is_dead = true;
    else
        watch(line, EPOLL_CTL_MOD, EPOLLIN | (websocket_wants_write(line->ws) ? EPOLLOUT : 0));
}

/* Only here are lines freed, so that no pointer to one is stale within a round. */
static void pump_dirty(struct live *l)
{
    while (l->dirty) {
        struct line *line = l->dirty;

        l->dirty = line->next_dirty;
        line->is_dirty = false;
        pump(line);
        /* what the pump said may have queued something: it is dirty again and sent in the next turn of this loop */
        if (line->is_dead && !line->is_dirty)
            line_free(line);
    }
}

/* ---- the loop ---- */

static void tick(struct live *l)
{
    struct session *next_session;
    struct line *next_line;

    for (struct session *s = l->session_list; s; s = next_session) {
        next_session = s->next;
        session_tick(s);
    }
    for (struct line *line = l->lines; line; line = next_line) {
        next_line = line->next;
        if (line->closing_us && l->now_us - line->closing_us > LINGER_US && !line->is_dirty)
            line_free(line);
    }
}

static void wait_for_work(struct live *l, int timeout_ms)
{
    struct epoll_event ready[ROUND];
    int n = epoll_wait(l->epoll, ready, ROUND, timeout_ms);
    uint64_t rings;

    l->now_us = clock_mono_us();
    for (int i = 0; i < n; i++) {
        if (ready[i].data.ptr)
            line_pump_soon(ready[i].data.ptr);
        else
            (void)!read(l->bell, &rings, sizeof rings);
    }
}

static void close_sessions(struct live *l)
{
    while (l->session_list)
        session_close(l->session_list, GOING_AWAY);
}

static void *run(void *live)
{
    struct live *l = live;
    int64_t next_tick_us = 0, end_us = 0;

    for (;;) {
        wait_for_work(l, end_us ? 20 : (int)(TICK_US / 1000));
        read_notes(l, take_notes(l, false));
        pump_dirty(l);
        if (l->now_us >= next_tick_us) {
            tick(l);
            pump_dirty(l);
            next_tick_us = l->now_us + TICK_US;
        }
        if (!l->stopping)
            continue;
        if (!end_us)
            end_us = l->now_us + STOP_US;
        close_sessions(l);
        pump_dirty(l);
        if (!l->lines || l->now_us >= end_us)
            break;
    }
    /* Once nothing is left nothing can come any more. */
    for (struct note *all; (all = take_notes(l, true)) || !l->has_ended;) {
        read_notes(l, all);
        close_sessions(l);
        pump_dirty(l);
    }
    while (l->lines)
        line_free(l->lines);
    return NULL;
}

int live_start(struct live **out, const struct live_conf *conf, struct err *err)
{
    struct live *l = mem_zalloc(sizeof *l);
    struct epoll_event e = {.events = EPOLLIN};

    l->conf = *conf;
    l->last = &l->first;
    l->room = (struct websocket_room){MAX_PAYLOAD, MAX_PAYLOADS, 0};
    l->now_us = clock_mono_us();
    pthread_mutex_init(&l->lock, NULL);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->epoll < 0 || l->bell < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->bell, &e) < 0 ||
        (errno = pthread_create(&l->thread, NULL, run, l)) != 0) {
        err_errno(err, "start the thread for WebSockets");
        l->stopping = true;
        l->has_ended = true;
        live_close(l);
        return -1;
    }
    *out = l;
    return 0;
}

void live_stop(struct live *l)
{
    if (!l || atomic_exchange(&l->stopping, true))
        return;
    ring(l);
    pthread_join(l->thread, NULL);
}

void live_close(struct live *l)
{
    if (!l)
        return;
    live_stop(l);
    fd_close(l->epoll);
    fd_close(l->bell);
    map_done(&l->sessions);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
