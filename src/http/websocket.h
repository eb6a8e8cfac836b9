/* websocket.h - a WebSocket on the server's side (RFC 6455): the handshake, and messages over a connection that has
 * left HTTP. Frames are wslay's. Never blocks; of one thread, which watches the descriptor. */
#pragma once
#include "http/server.h"

struct websocket;

/* How much may wait to be understood: of one message, and of all that share this. */
struct websocket_room {
    size_t max_message, max_all;
    size_t all; /* now */
};

struct websocket_calls {
    /* A whole message of text, valid UTF-8. May call anything but websocket_free(). */
    void (*text)(void *arg, const char *s, size_t len);
};

enum websocket_state {
    WEBSOCKET_OPEN,
    WEBSOCKET_CLOSING, /* no messages any more; pump until it is gone, or free it after a moment */
    WEBSOCKET_GONE,    /* free it */
};

/* Does this request want one? */
bool websocket_is_asked(struct http_request *req);
/* The answer to its handshake: 101 for http_answer_upgrade(), or NULL with err when the handshake is not right. */
struct http_response *websocket_accept(struct http_request *req, struct err *err);

/* Takes s. */
struct websocket *websocket_new(struct http_socket *s, struct websocket_room *room,
                                const struct websocket_calls *calls, void *arg);
void websocket_free(struct websocket *w);
int websocket_fd(const struct websocket *w);
/* Reads (a bounded amount) and writes what can be. Call it once after websocket_new(), and when the descriptor is
 * ready. */
enum websocket_state websocket_pump(struct websocket *w);
bool websocket_wants_write(const struct websocket *w); /* after a pump: watch for it */
/* Queue a message; goes out with the next pump. */
void websocket_send(struct websocket *w, const char *s, size_t len);
size_t websocket_queued(const struct websocket *w); /* bytes that wait to be sent */
/* Say good-bye with this code (1000...). The next pump returns WEBSOCKET_CLOSING. */
void websocket_close(struct websocket *w, int code);
