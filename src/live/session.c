/* session.c - what Engine.IO calls a session: a client, by polling or by WebSocket, first one and then the other; and
 * what Socket.IO says over it. */
#include "base/json.h"
#include "live/private.h"

#include <string.h>

#define LINE_AHEAD (64 * 1024)  /* bytes given to a WebSocket before the kernel has taken them */
#define ANSWER_BYTES 1000000    /* of packets in one polling answer, about */
#define MAX_CHATTER 1000        /* packets that a client made us queue and leaves unread */
#define MAX_EVENT (16 * 1024)   /* the only event that a client has to send is far smaller */
#define TEXT_TYPE "text/plain; charset=UTF-8"
#define CODE_NORMAL 1000
#define CODE_POLICY 1008
#define CODE_GOING_AWAY 1001

enum verdict { FINE, LEAVING, BROKEN }; /* of a packet: the session goes on, is to be closed, was no good */

/* ---- the queue ---- */

static struct shared_text *text_of(const char *s) { return shared_text_new(s, strlen(s)); }

static void enqueue(struct session *s, struct shared_text *text, struct ear *ear) /* takes both */
{
    if (s->queued == s->queue_cap) {
        s->queue_cap = s->queue_cap ? 2 * s->queue_cap : 4;
        s->queue = mem_realloc(s->queue, (size_t)s->queue_cap * sizeof *s->queue);
    }
    s->queue[s->queued++] = (struct parcel){text, ear};
    if (!ear)
        s->chatter++;
}

static void say(struct session *s, const char *packet) { enqueue(s, text_of(packet), NULL); }

static void drop_first(struct session *s, int count)
{
    if (!count) /* there may be no queue yet */
        return;
    for (int i = 0; i < count; i++) {
        struct parcel *p = &s->queue[i];

        if (p->ear)
            atomic_fetch_sub(&p->ear->waiting, p->text->len);
        else
            s->chatter--;
        shared_text_unref(p->text);
        ear_unref(p->ear);
    }
    s->queued -= count;
    if (s->queued) {
        memmove(s->queue, s->queue + count, (size_t)s->queued * sizeof *s->queue);
    } else { /* there may be no queue at all */
        free(take(s->queue));
        s->queue_cap = 0;
    }
}

static void answer_poll(struct session *s, const struct str *body)
{
    struct http_request *req = take(s->poll);
    AUTO(mem_free) char *origin = take(s->poll_origin);

    http_answer(req, door_answer(200, TEXT_TYPE, body->s, body->len, origin));
    http_request_unref(req);
}

static void answer_poll_with(struct session *s, const char *packet)
{
    AUTO(str_done) struct str body = {0};

    eio_add(&body, s->version, packet, strlen(packet));
    answer_poll(s, &body);
}

static void flush_poll(struct session *s)
{
    AUTO(str_done) struct str body = {0};
    int n = 0;

    while (n < s->queued && body.len < ANSWER_BYTES) {
        eio_add(&body, s->version, s->queue[n].text->s, s->queue[n].text->len);
        n++;
    }
    drop_first(s, n);
    answer_poll(s, &body);
}

static void flush_line(struct session *s)
{
    int n = 0;

    while (n < s->queued && websocket_queued(s->line->ws) < LINE_AHEAD) {
        websocket_send(s->line->ws, s->queue[n].text->s, s->queue[n].text->len);
        n++;
    }
    drop_first(s, n);
    if (n)
        line_pump_soon(s->line);
}

void session_flush(struct session *s)
{
    if (!s->queued)
        return;
    if (s->transport == TRANSPORT_WEBSOCKET)
        flush_line(s);
    else if (s->poll)
        flush_poll(s);
}

/* ---- begin and end ---- */

static struct session *session_new(struct live *l, int version, enum transport transport)
{
    struct session *s = mem_zalloc(sizeof *s);
    AUTO(mem_free) char *open = NULL;

    id_new(s->sid);
    s->live = l;
    s->version = version;
    s->transport = transport;
    s->born_us = s->heard_us = s->lonely_us = l->now_us;
    s->next_ping_us = l->now_us + PING_INTERVAL_US;
    s->next = l->session_list;
    if (s->next)
        s->next->prev = s;
    l->session_list = s;
    map_put(&l->sessions, s->sid, s);

    open = mem_printf("0{\"sid\":\"%s\",\"upgrades\":[%s],\"pingInterval\":%d,\"pingTimeout\":%d%s}", s->sid,
                      transport == TRANSPORT_POLLING ? "\"websocket\"" : "", (int)(PING_INTERVAL_US / 1000),
                      (int)((version == 3 ? PING_TIMEOUT_3_US : PING_TIMEOUT_4_US) / 1000),
                      version == 3 ? "" : ",\"maxPayload\":1000000");
    say(s, open);
    if (version == 3) {
        s->is_joined = true;
        say(s, "40");
    }
    return s;
}

static bool is_full(const struct live *l)
{
    return l->stopping || (int64_t)l->sessions.count >= l->conf.max_sessions;
}

void session_close(struct session *s, int code)
{
    struct live *l = s->live;

    map_del(&l->sessions, s->sid);
    if (s->prev)
        s->prev->next = s->next;
    else
        l->session_list = s->next;
    if (s->next)
        s->next->prev = s->prev;
    if (s->poll) {
        say(s, "1");
        flush_poll(s);
    }
    if (s->line)
        line_close(s->line, code);
    if (s->probe)
        line_close(s->probe, code);
    for (int i = 0; i < s->ear_count; i++)
        ear_forget(s->ears[i]);
    drop_first(s, s->queued);
    free(s);
}

void session_line_lost(struct line *line)
{
    struct session *s = take(line->session);

    if (!s)
        return;
    if (line == s->probe) {
        s->probe = NULL;
        s->is_probed = false;
        return;
    }
    s->line = NULL;
    session_close(s, CODE_NORMAL);
}

/* ---- Socket.IO ---- */

static void emit_not_found(struct session *s, const struct err *err)
{
    AUTO(str_done) struct str b = {0};
    AUTO(str_done) struct str json = {0};

    str_puts(&json, "{\"error\":\"ASSEMBLY_NOT_FOUND\",\"message\":");
    str_add_json(&json, err->msg);
    str_putc(&json, '}');
    sio_add_event(&b, "assembly_error", json.s);
    enqueue(s, shared_text_new(b.s, b.len), NULL);
}

static bool listens(const struct session *s, const char *id)
{
    for (int i = 0; i < s->ear_count; i++)
        if (!strcmp(s->ears[i]->id, id))
            return true;
    return false;
}

static void on_assembly_connect(struct session *s, const char *id)
{
    struct live *l = s->live;
    struct ear *e;
    struct err err;

    if (id && listens(s, id)) /* else it would hear everything twice */
        return;
    if (!id || !id_valid(id)) {
        err_set(&err, ERR_ASSEMBLY_NOT_FOUND, "assembly_connect names no Assembly");
        emit_not_found(s, &err);
        return;
    }
    if (s->ear_count == MAX_EARS) {
        err_set(&err, ERR_ASSEMBLY_NOT_FOUND, "A client may listen to %d Assemblies at a time", MAX_EARS);
        emit_not_found(s, &err);
        return;
    }
    e = mem_zalloc(sizeof *e);
    e->listener.kind = &ear_kind;
    e->refs = 1;
    e->live = l;
    memcpy(e->id, id, ID_LEN);
    if (l->conf.listen(&e->doc, l->conf.ctx, id, ear_lend, e, &err) < 0) {
        ear_unref(e);
        emit_not_found(s, &err);
        return;
    }
    e->session = s;
    s->ears[s->ear_count++] = e;
    s->lonely_us = 0;
}

static enum verdict on_event(struct session *s, const struct sio_packet *p)
{
    struct err err;

    if (!s->is_joined)
        return BROKEN;
    if (p->data_len > MAX_EVENT)
        return FINE;
    AUTO(json_unref) json_t *event = json_parse(p->data, p->data_len, /* max_depth */ 16, &err);
    const char *name = json_string_value(json_array_get(event, 0));

    if (!name)
        return BROKEN;
    if (!strcmp(name, "assembly_connect"))
        on_assembly_connect(s, jstr(json_array_get(event, 1), "id"));
    return FINE;
}

static void leave_namespace(struct session *s)
{
    s->is_joined = false;
    for (int i = 0; i < s->ear_count; i++)
        ear_forget(s->ears[i]);
    s->ear_count = 0;
    s->lonely_us = s->live->now_us;
}

static void on_join(struct session *s)
{
    char id[ID_LEN + 1];

    if (s->version == 3 || s->is_joined) /* version 3 was let in unasked */
        return;
    s->is_joined = true;
    id_new(id);
    AUTO(mem_free) char *packet = mem_printf("40{\"sid\":\"%s\"}", id);
    say(s, packet);
}

static void refuse_namespace(struct session *s, const struct sio_packet *p)
{
    AUTO(str_done) struct str b = {0};

    if (p->space_len > 100)
        return;
    str_puts(&b, "44");
    str_add(&b, p->space, p->space_len);
    str_puts(&b, s->version == 3 ? ",\"Invalid namespace\"" : ",{\"message\":\"Invalid namespace\"}");
    enqueue(s, shared_text_new(b.s, b.len), NULL);
}

static enum verdict on_message(struct session *s, const char *text, size_t len)
{
    struct sio_packet p;

    if (sio_parse(&p, text, len) < 0)
        return BROKEN;
    if (!sio_is_default(&p)) {
        if (p.type == SIO_CONNECT)
            refuse_namespace(s, &p);
        return FINE;
    }
    switch (p.type) {
    case SIO_CONNECT:
        on_join(s);
        break;
    case SIO_DISCONNECT:
        leave_namespace(s);
        break;
    case SIO_EVENT:
        return on_event(s, &p);
    }
    return FINE;
}

/* ---- Engine.IO ---- */

static void on_ping(struct session *s, const char *rest, size_t len)
{
    AUTO(str_done) struct str b = {0};

    str_putc(&b, EIO_PONG);
    str_add(&b, rest, len < 100 ? len : 100);
    enqueue(s, shared_text_new(b.s, b.len), NULL);
}

static enum verdict on_packet(struct session *s, const char *packet, size_t len)
{
    if (!len || s->chatter > MAX_CHATTER)
        return BROKEN;
    s->heard_us = s->live->now_us;
    switch (*packet) {
    case EIO_CLOSE:
        return LEAVING;
    case EIO_PING:
        if (s->version != 3)
            return BROKEN;
        on_ping(s, packet + 1, len - 1);
        return FINE;
    case EIO_PONG:
        s->pinged_us = 0;
        return s->version == 3 ? BROKEN : FINE;
    case EIO_MESSAGE:
        return on_message(s, packet + 1, len - 1);
    case EIO_NOOP:
        return FINE;
    default:
        return BROKEN;
    }
}

/* Returns whether the session goes on. */
static bool go_on(struct session *s, enum verdict v)
{
    if (v != FINE)
        session_close(s, v == LEAVING ? CODE_NORMAL : CODE_POLICY);
    else
        session_flush(s);
    return v == FINE;
}

/* The second transport: it is asked whether it works, and then takes over. */
static void on_probe(struct session *s, const char *packet, size_t len)
{
    struct line *line = s->probe;

    if (len == 6 && !memcmp(packet, "2probe", 6)) {
        s->heard_us = s->live->now_us;
        websocket_send(line->ws, "3probe", 6);
        line_pump_soon(line);
        s->is_probed = true;
        if (s->poll) /* the client waits for it before it changes over */
            answer_poll_with(s, "6");
    } else if (len == 1 && *packet == EIO_UPGRADE && s->is_probed) {
        if (s->poll)
            answer_poll_with(s, "6");
        s->heard_us = s->live->now_us;
        s->line = take(s->probe);
        s->transport = TRANSPORT_WEBSOCKET;
        session_flush(s);
    } else {
        s->probe = NULL;
        s->is_probed = false;
        line_close(line, CODE_POLICY);
    }
}

void line_text(void *arg, const char *text, size_t len)
{
    struct line *line = arg;
    struct session *s = line->session;

    if (!s)
        return;
    if (line == s->probe)
        on_probe(s, text, len);
    else
        go_on(s, on_packet(s, text, len));
}

/* ---- notes ---- */

static void session_refuse(struct note *n, enum eio_error code)
{
    http_answer(n->req, door_error(code, n->origin));
}

void session_poll(struct live *l, struct note *n)
{
    struct session *s = *n->sid ? map_get(&l->sessions, n->sid) : NULL;

    if (*n->sid ? !s : is_full(l)) {
        session_refuse(n, *n->sid ? EIO_BAD_SID : EIO_FULL);
        return;
    }
    if (!s)
        s = session_new(l, n->version, TRANSPORT_POLLING);
    if (s->transport != TRANSPORT_POLLING) {
        session_refuse(n, EIO_BAD_REQUEST);
        return;
    }
    if (s->poll) { /* two at a time: which one would get what comes next? */
        session_refuse(n, EIO_BAD_REQUEST);
        session_close(s, CODE_POLICY);
        return;
    }
    s->poll = take(n->req);
    if (s->ear_count) /* it listens to what exists */
        http_known(s->poll);
    s->poll_origin = take(n->origin);
    if (s->queued)
        session_flush(s);
    else if (s->is_probed)
        answer_poll_with(s, "6");
}

void session_post(struct live *l, struct note *n)
{
    struct session *s = map_get(&l->sessions, n->sid);
    const char *at = n->body.s ? n->body.s : "", *end = at + n->body.len, *packet;
    enum verdict v = FINE;
    size_t len;
    int more = 0;

    if (!s || s->transport != TRANSPORT_POLLING) {
        session_refuse(n, s ? EIO_BAD_REQUEST : EIO_BAD_SID);
        return;
    }
    while (v == FINE && (more = eio_next(&packet, &len, &at, end, s->version)) > 0)
        v = on_packet(s, packet, len);
    if (more < 0)
        v = BROKEN;
    if (v == BROKEN)
        session_refuse(n, EIO_BAD_REQUEST);
    else
        http_answer(n->req, door_answer(200, "text/html", "ok", 2, n->origin));
    go_on(s, v);
}

/* Back on an HTTP thread: the connection is ours, or lost. */
static void taken(void *note, struct http_socket *socket)
{
    struct note *n = note;

    n->socket = socket;
    if (socket)
        live_note(n->live, n);
    else
        note_free(n);
}

void session_ask(struct live *l, struct note *n)
{
    struct session *s = *n->sid ? map_get(&l->sessions, n->sid) : NULL;
    struct note *then;

    if (*n->sid && (!s || s->transport != TRANSPORT_POLLING || s->probe)) {
        session_refuse(n, s ? EIO_BAD_REQUEST : EIO_BAD_SID);
        return;
    }
    if (!s && is_full(l)) {
        session_refuse(n, EIO_FULL);
        return;
    }
    then = mem_zalloc(sizeof *then);
    then->kind = NOTE_SOCKET;
    then->live = l;
    memcpy(then->sid, n->sid, sizeof then->sid);
    then->version = n->version;
    http_answer_upgrade(n->req, take(n->handshake), taken, then);
}

void session_socket(struct live *l, struct note *n)
{
    struct session *s = *n->sid ? map_get(&l->sessions, n->sid) : NULL;
    struct line *line = line_new(l, take(n->socket));

    if (*n->sid ? !s || s->transport != TRANSPORT_POLLING || s->probe : is_full(l)) {
        line_close(line, l->stopping ? CODE_GOING_AWAY : CODE_POLICY);
        return;
    }
    if (s) {
        s->probe = line;
        s->probe_since_us = l->now_us;
        s->is_probed = false;
    } else {
        s = session_new(l, n->version, TRANSPORT_WEBSOCKET);
        s->line = line;
        session_flush(s);
    }
    line->session = s;
}

void session_event(struct note *n)
{
    struct session *s = n->ear->session;

    if (!s)
        return;
    enqueue(s, take(n->text), take(n->ear));
    session_flush(s);
}

void session_ear_end(struct note *n)
{
    struct ear *e = n->ear;
    struct session *s = e->session;

    e->has_ended = true;
    published_unref(take(e->doc));
    if (!s)
        return;
    if (e->is_slow) {
        session_close(s, CODE_POLICY);
        return;
    }
    for (int i = 0; i < s->ear_count; i++)
        if (s->ears[i] == e) {
            s->ears[i] = s->ears[--s->ear_count];
            ear_forget(e);
            break;
        }
    if (!s->ear_count)
        s->lonely_us = s->live->now_us;
}

/* ---- the clock ---- */

static bool is_overdue(const struct session *s, int64_t now_us)
{
    if (s->version == 3 && now_us - s->heard_us > PING_INTERVAL_US + PING_TIMEOUT_3_US)
        return true;
    if (s->version == 4 && s->pinged_us && now_us - s->pinged_us > PING_TIMEOUT_4_US)
        return true;
    if (!s->is_joined && now_us - s->born_us > CONNECT_US)
        return true;
    return s->lonely_us && now_us - s->lonely_us > LONELY_US;
}

void session_tick(struct session *s)
{
    int64_t now_us = s->live->now_us;

    if (is_overdue(s, now_us)) {
        session_close(s, CODE_NORMAL);
        return;
    }
    if (s->probe && now_us - s->probe_since_us > UPGRADE_US) {
        struct line *line = take(s->probe);

        s->is_probed = false;
        line_close(line, CODE_POLICY);
    }
    if (s->version == 4 && !s->pinged_us && now_us >= s->next_ping_us) {
        say(s, "2");
        s->pinged_us = now_us;
        s->next_ping_us = now_us + PING_INTERVAL_US;
        session_flush(s);
    }
}
