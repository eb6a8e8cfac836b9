/* GET /ws20001?assembly=ID - the event stream (api-realtime.md 2). Socket.IO shares this path (live/live.h). */
#include "api/stream.h"
#include "api/app.h"
#include "api/assemblies.h"
#include "api/routes.h"
#include "base/id.h"
#include "conductor/conductor.h"
#include "http/reply.h"
#include "http/server.h"
#include "live/live.h"

#include <string.h>

#define MAX_STREAM_QUEUE (4 << 20) /* bytes a slow reader may fall behind */

/* ---- a stream as a listener ---- */

struct stream_listener {
    struct listener listener;
    struct http_stream *stream;
};

static struct shared_text *sse_encode(const struct told *e)
{
    AUTO(str_done) struct str b = {0};

    if (e->id)
        str_addf(&b, "id: %d\n", e->id);
    if (e->json) /* clients look for the others in the data of the default event */
        str_addf(&b, "event: %s\n", e->name);
    str_puts(&b, "data: ");
    str_puts(&b, e->json ? e->json : e->name);
    str_puts(&b, "\n\n");
    return shared_text_new(b.s, b.len);
}

static int sse_write(struct listener *l, const char *s, size_t len)
{
    struct stream_listener *to = (struct stream_listener *)l;

    return http_stream_write(to->stream, s, len, MAX_STREAM_QUEUE);
}

static int sse_hear(struct listener *l, struct shared_text *text) { return sse_write(l, text->s, text->len); }

static int sse_keep_alive(struct listener *l)
{
    return http_stream_gone(((struct stream_listener *)l)->stream) ? -1 : sse_write(l, ":\n\n", 3);
}

static void sse_end(struct listener *l)
{
    http_stream_end(((struct stream_listener *)l)->stream);
    free(l);
}

static const struct listener_kind sse = {sse_encode, sse_hear, sse_keep_alive, sse_end};

static struct listener *sse_listener(struct http_stream *s)
{
    static const char hello[] = ":ok\n\nretry: 2000\n\n";
    struct stream_listener *l = mem_zalloc(sizeof *l);

    l->listener.kind = &sse;
    l->stream = s;
    http_stream_write(s, hello, sizeof hello - 1, MAX_STREAM_QUEUE);
    return &l->listener;
}

/* ---- finding the Assembly ---- */

int stream_listen(struct published **live, struct app *app, const char *id, int64_t last_id,
                  struct listener *(*make)(void *ctx), void *ctx, struct err *err)
{
    AUTO(published_unref) struct published *p = NULL;
    AUTO(str_done) struct str text = {0};

    if (conductor_find(&p, app->conductor, id, err) < 0)
        return -1;
    if (p) {
        published_listen(p, make(ctx), last_id);
        if (live)
            *live = take(p);
        return 0;
    }
    if (assembly_stored(&text, app, id, err) < 0)
        return -1;
    AUTO(json_unref) json_t *status = json_reads(text.s);
    listener_tell_end(make(ctx), status);
    if (live)
        *live = NULL;
    return 0;
}

/* ---- the request ---- */

static struct listener *answer_stream(void *req)
{
    struct http_response *r = http_response_new(200);

    http_response_header(r, "Content-Type", "text/event-stream; charset=utf-8");
    http_response_header(r, "Cache-Control", "no-cache");
    http_response_header(r, "X-Accel-Buffering", "no");
    http_known(req);
    http_response_header(r, "Access-Control-Allow-Origin", "*");
    return sse_listener(http_answer_stream(req, r));
}

static enum http_next stream_end(struct http_request *req)
{
    const char *id = http_query(req, "assembly"), *last = http_header(req, "Last-Event-ID");
    struct err err;

    if (!id || !id_valid(id))
        err_set_named(&err, ERR_FORM, "ASSEMBLY_NOT_FOUND", "The query names no Assembly");
    else if (stream_listen(NULL, app_of(req), id, last && *last ? atoll(last) : -1, answer_stream, req, &err) == 0)
        return HTTP_ANSWERED;
    reply_error(req, &err, NULL);
    return HTTP_ANSWERED;
}

static const struct http_handler stream_get = {.end = stream_end};

const struct http_handler *stream_route(struct http_request *req)
{
    const char *method = http_method(req), *path = http_path(req);
    size_t digits = str_starts(path, "/ws") ? strspn(path + 3, "0123456789") : 0;

    if (!digits || (path[3 + digits] && strcmp(path + 3 + digits, "/") != 0) ||
        (strcmp(method, "GET") != 0 && strcmp(method, "POST") != 0 && strcmp(method, "OPTIONS") != 0))
        return NULL;
    if (!strcmp(method, "GET") && !live_is_asked(req))
        return &stream_get;
    http_set_data(req, app_of(req)->live);
    return !strcmp(method, "GET") ? &live_get : !strcmp(method, "POST") ? &live_post : &live_options;
}
