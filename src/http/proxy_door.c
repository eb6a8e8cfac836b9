/* proxy_door.c - requests as they come in, on HTTP threads, until the proxy's own has them. */
#include "http/proxy_priv.h"
#include "http/websocket.h"

#include <string.h>

struct door {
    struct proxy *proxy;
    struct str body;
    size_t counted;
};

static struct http_response *door_refusal(struct proxy *p, struct http_request *req,
                                     const struct err *err)
{
    return p->conf.refuse(err, http_method(req), http_header(req, "Origin"));
}

static enum http_next door_refuse(struct proxy *p, struct http_request *req, const struct err *err)
{
    http_answer(req, door_refusal(p, req, err));
    return HTTP_ANSWERED;
}

static int too_large(const struct proxy *p, struct err *err)
{
    return err_set(err, ERR_MAX_SIZE, "The body of a request may have at most %zu bytes here",
                   p->conf.max_body);
}

static enum http_next door_begin(struct http_request *req)
{
    struct door *d = mem_zalloc(sizeof *d);
    struct err err = {0};

    d->proxy = http_data(req);
    http_set_data(req, d);
    if (!proxy_method(http_method(req)))
        err_set(&err, ERR_SERVER_405, "There is no method %.40s here", http_method(req));
    else if (websocket_is_asked(req) && http_content_length(req) != 0)
        err_set(&err, ERR_FORM, "The opening of a WebSocket has no body");
    else if (http_content_length(req) > (int64_t)d->proxy->conf.max_body)
        too_large(d->proxy, &err);
    return err.code == ERR_OK ? HTTP_GO : door_refuse(d->proxy, req, &err);
}

static int door_body(struct http_request *req, const char *data, size_t len)
{
    struct door *d = http_data(req);
    struct err err = {0};

    if (d->body.len + len > d->proxy->conf.max_body)
        too_large(d->proxy, &err);
    else if (atomic_load(&d->proxy->bodies) + len > MAX_BODIES)
        err_set(&err, ERR_BUSY, "Too many requests are coming in");
    if (err.code != ERR_OK) {
        http_cut(req, door_refusal(d->proxy, req, &err));
        return 0;
    }
    str_add(&d->body, data, len);
    d->counted += len;
    atomic_fetch_add(&d->proxy->bodies, len);
    return 0;
}

static struct errand *errand_new(struct door *d, struct http_request *req, struct err *err)
{
    struct errand *e = mem_zalloc(sizeof *e);
    const char *origin = http_header(req, "Origin");

    e->proxy = d->proxy;
    e->req = http_request_ref(req);
    e->method = proxy_method(http_method(req));
    e->origin = origin ? mem_strdup(origin) : NULL;
    e->body = d->body;
    e->counted = d->counted;
    d->body = (struct str){0};
    d->counted = 0;
    if (!(e->target = proxy_target(req, d->proxy->conf.prefix, err)) ||
        proxy_request_headers(&e->headers, req, &d->proxy->conf, err) < 0) {
        errand_free(e);
        return NULL;
    }
    if (websocket_is_asked(req) && !strcmp(e->method, "GET"))
        e->tunnel = tunnel_new(e);
    return e;
}

static enum http_next door_end(struct http_request *req)
{
    struct door *d = http_data(req);
    struct err err;
    struct errand *e = errand_new(d, req, &err);

    if (!e)
        return door_refuse(d->proxy, req, &err);
    if (!proxy_leave(d->proxy, e)) {
        errand_free(e);
        err_set(&err, ERR_BUSY, "The server is shutting down");
        return door_refuse(d->proxy, req, &err);
    }
    return HTTP_WAIT;
}

static void door_done(struct http_request *req, enum http_outcome outcome)
{
    struct door *d = http_data(req);

    atomic_fetch_sub(&d->proxy->bodies, d->counted);
    str_done(d->body);
    free(d);
}

const struct http_handler proxy_handler = {door_begin, door_body, door_end, door_done};
