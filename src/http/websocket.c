#include "http/websocket.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#define READ_AT_ONCE (64 * 1024) /* bytes of one pump: the others want their turn */
#define MAX_REPLIES 256          /* pongs that a peer leaves unread */
#define CODE_TRY_LATER 1013      /* registered after RFC 6455 */

struct websocket {
    struct http_socket *socket;
    int fd;
    size_t early_at; /* bytes that came with the request: read so far */
    wslay_event_context_ptr ctx;
    struct websocket_room *room;
    const struct websocket_calls *calls;
    void *arg;
    struct str message; /* what has come of one so far */
    size_t budget;
    bool in_control; /* the frame that is coming in */
    bool is_gone;    /* the peer has left */
    bool is_shut;    /* our direction is closed */
};

/* ---- the handshake ---- */

/* Is word one of the comma-separated words of list? */
static bool websocket_has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    while (list && *list) {
        list += strspn(list, " \t,");
        if (!strncasecmp(list, word, n) && strchr(", \t", list[n]))
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

bool websocket_is_asked(struct http_request *req)
{
    return websocket_has_word(http_header(req, "Upgrade"), "websocket");
}

struct http_response *websocket_accept(struct http_request *req, struct err *err)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    const char *key = http_header(req, "Sec-WebSocket-Key"), *version = http_header(req, "Sec-WebSocket-Version");
    unsigned char raw[32], digest[EVP_MAX_MD_SIZE];
    char text[24 + sizeof guid], accept[4 * (EVP_MAX_MD_SIZE / 3 + 1) + 1];
    unsigned digest_len;
    struct http_response *r;

    if (!websocket_has_word(http_header(req, "Connection"), "upgrade") || !websocket_is_asked(req) || !key ||
        strlen(key) != 24 || base64_decode(raw, key, 24) != 16 || !version || strcmp(version, "13") != 0) {
        err_set(err, ERR_FORM, "This is not the opening of a WebSocket of version 13");
        return NULL;
    }
    snprintf(text, sizeof text, "%s%s", key, guid);
    EVP_Digest(text, strlen(text), digest, &digest_len, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)accept, digest, (int)digest_len);
    r = http_response_new(101);
    http_response_header(r, "Upgrade", "websocket");
    http_response_header(r, "Sec-WebSocket-Accept", accept);
    return r;
}

/* ---- what wslay calls ---- */

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *arg)
{
    struct websocket *w = arg;
    const char *early;
    size_t left = http_socket_early(&early, w->socket) - w->early_at;
    ssize_t n;

    if (left) {
        n = (ssize_t)(left < len ? left : len);
        memcpy(buf, early + w->early_at, (size_t)n);
        w->early_at += (size_t)n;
        return n;
    }
    if (len > w->budget)
        len = w->budget;
    n = len ? recv(w->fd, buf, len, 0) : -1;
    if (n > 0) {
        w->budget -= (size_t)n;
        return n;
    }
    if (len == 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
    } else {
        w->is_gone = true;
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
    }
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *arg)
{
    struct websocket *w = arg;
    ssize_t n = send(w->fd, data, len, MSG_NOSIGNAL | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0));

    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EINTR) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
    } else {
        w->is_gone = true;
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
    }
    return -1;
}

static void on_frame(wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
    struct websocket *w = arg;

    w->in_control = wslay_is_ctrl_frame(frame->opcode);
    if (frame->opcode == WSLAY_BINARY_FRAME)
        websocket_close(w, WSLAY_CODE_UNSUPPORTED_DATA);
}

static void drop_message(struct websocket *w)
{
    w->room->all -= w->message.len;
    str_done(w->message); /* an idle one keeps no buffer: there may be thousands */
    w->message = (struct str){0};
}

static void on_chunk(wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
    struct websocket *w = arg;

    if (w->in_control || !wslay_event_get_read_enabled(ctx))
        return;
    if (w->message.len + chunk->data_length > w->room->max_message) {
        websocket_close(w, WSLAY_CODE_MESSAGE_TOO_BIG);
    } else if (w->room->all + chunk->data_length > w->room->max_all) {
        websocket_close(w, CODE_TRY_LATER);
    } else {
        str_add(&w->message, chunk->data, chunk->data_length);
        w->room->all += chunk->data_length;
    }
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *msg, void *arg)
{
    struct websocket *w = arg;

    if (wslay_is_ctrl_frame(msg->opcode) || !wslay_event_get_read_enabled(ctx))
        return;
    w->calls->text(w->arg, w->message.s ? w->message.s : "", w->message.len);
    drop_message(w);
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = on_recv,
    .send_callback = on_send,
    .on_frame_recv_start_callback = on_frame,
    .on_frame_recv_chunk_callback = on_chunk,
    .on_msg_recv_callback = on_message,
};

/* ---- one connection ---- */

static void websocket_begin(struct websocket *w)
{
    if (wslay_event_context_server_init(&w->ctx, &callbacks, w) != 0)
        abort(); /* out of memory (auto.h) */
    /* Messages are put together here: wslay would allocate what a frame's header announces. */
    wslay_event_config_set_no_buffering(w->ctx, 1);
    wslay_event_config_set_max_recv_msg_length(w->ctx, w->room->max_message);
}

/* Of a frame that is none wslay says good-bye without a code. Unless something is half sent, say it with the right one:
 * it takes a new context. */
static void close_broken(struct websocket *w)
{
    if (wslay_event_get_queued_msg_count(w->ctx) > 1)
        return;
    wslay_event_context_free(w->ctx);
    websocket_begin(w);
    websocket_close(w, WSLAY_CODE_PROTOCOL_ERROR);
}

struct websocket *websocket_new(struct http_socket *s, struct websocket_room *room,
                                const struct websocket_calls *calls, void *arg)
{
    struct websocket *w = mem_zalloc(sizeof *w);

    w->socket = s;
    w->fd = http_socket_fd(s);
    w->room = room;
    w->calls = calls;
    w->arg = arg;
    websocket_begin(w);
    return w;
}

void websocket_free(struct websocket *w)
{
    if (!w)
        return;
    drop_message(w);
    wslay_event_context_free(w->ctx);
    http_socket_close(w->socket);
    free(w);
}

int websocket_fd(const struct websocket *w) { return w->fd; }

/* What comes after our good-bye is not read, but taken off the socket: closing it with bytes unread would have the
 * kernel send a reset, and that makes the peer's kernel throw the good-bye away. */
static void discard(struct websocket *w)
{
    char buf[16 * 1024];
    ssize_t n = 1;

    for (size_t all = 0; n > 0 && all < READ_AT_ONCE; all += (size_t)n)
        n = recv(w->fd, buf, sizeof buf, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        w->is_gone = true;
}

static void send_queued(struct websocket *w)
{
    if (!w->is_gone && wslay_event_want_write(w->ctx) && wslay_event_send(w->ctx) != 0)
        w->is_gone = true;
}

enum websocket_state websocket_pump(struct websocket *w)
{
    w->budget = READ_AT_ONCE;
    send_queued(w); /* first: a good-bye with the right code has to be the only one that waits (close_broken()) */
    if (wslay_event_get_read_enabled(w->ctx) && !w->is_gone && wslay_event_recv(w->ctx) != 0 && !w->is_gone)
        close_broken(w);
    send_queued(w);
    if (wslay_event_get_queued_msg_count(w->ctx) > MAX_REPLIES)
        w->is_gone = true;
    if (!w->is_gone && !wslay_event_get_read_enabled(w->ctx)) {
        drop_message(w);
        if (!wslay_event_want_write(w->ctx) && !w->is_shut) {
            w->is_shut = true;
            shutdown(w->fd, SHUT_WR);
        }
        discard(w);
    }
    return w->is_gone                                 ? WEBSOCKET_GONE
           : wslay_event_get_read_enabled(w->ctx) ? WEBSOCKET_OPEN
                                                      : WEBSOCKET_CLOSING;
}

bool websocket_wants_write(const struct websocket *w) { return wslay_event_want_write(w->ctx); }

void websocket_send(struct websocket *w, const char *s, size_t len)
{
    const struct wslay_event_msg msg = {WSLAY_TEXT_FRAME, (const uint8_t *)s, len};

    (void)wslay_event_queue_msg(w->ctx, &msg); /* refused once a good-bye is queued */
}

size_t websocket_queued(const struct websocket *w) { return wslay_event_get_queued_msg_length(w->ctx); }

void websocket_close(struct websocket *w, int code)
{
    if (wslay_event_get_read_enabled(w->ctx)) {
        (void)wslay_event_queue_close(w->ctx, (uint16_t)code, NULL, 0);
        wslay_event_shutdown_read(w->ctx);
    }
}
