/* live.h - Socket.IO for browsers with older clients: Engine.IO 3 and 4, by WebSocket and by polling, beside the event
 * stream on the same URL (api-realtime.md 3). It makes no events of its own: each client is one more listener of a
 * published document (conductor/publish.h).
 *
 * One thread owns all sessions and all WebSockets, so none of them has a lock; everybody else leaves a note for it. */
#pragma once
#include "conductor/publish.h"
#include "http/server.h"

struct live;

struct live_conf {
    int max_sessions;
    /* Has make()'s listener hear this Assembly's events; as stream_listen() of the API. */
    int (*listen)(struct published **live, void *ctx, const char *id, struct listener *(*make)(void *ctx),
                  void *make_ctx, struct err *err);
    void *ctx;
};

MUST_CHECK int live_start(struct live **out, const struct live_conf *conf, struct err *err);
/* Say good-bye to all, send what waits, at most about a second long. Requests are refused from here on. Before
 * http_server_stop(). */
void live_stop(struct live *l);
void live_close(struct live *l); /* after http_server_stop(); NULL is fine */

/* Is this a request for Socket.IO, and not for the event stream? */
bool live_is_asked(struct http_request *req);
/* Handlers of GET, POST and OPTIONS; http_set_data() holds the struct live. */
extern const struct http_handler live_get, live_post, live_options;
