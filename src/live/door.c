/* door.c - requests as they come in on HTTP threads: looked at as far as that needs no session, then left to the
 * thread. */
#include "live/private.h"

#include <string.h>

/* ---- answers ---- */

struct http_response *door_answer(int status, const char *type, const char *text, size_t len, const char *origin)
{
    struct http_response *r = http_response_new(status);

    if (origin) {
        http_response_header(r, "Access-Control-Allow-Origin", origin);
        http_response_header(r, "Access-Control-Allow-Credentials", "true");
        http_response_header(r, "Vary", "Origin");
    } else {
        http_response_header(r, "Access-Control-Allow-Origin", "*");
    }
    http_response_header(r, "Cache-Control", "no-store");
    if (type)
        http_response_text(r, type, mem_strndup(text, len), len);
    return r;
}

struct http_response *door_error(enum eio_error code, const char *origin)
{
    static const char *const messages[] = {"Transport unknown", "Session ID unknown", "Bad handshake method",
                                           "Bad request",       "Too many sessions",  "Unsupported protocol version"};
    AUTO(mem_free) char *text = mem_printf("{\"code\":%d,\"message\":\"%s\"}", (int)code, messages[code]);

    return door_answer(code == EIO_FULL ? 503 : 400, "application/json", text, strlen(text), origin);
}

static enum http_next door_refuse(struct http_request *req, enum eio_error code)
{
    http_answer(req, door_error(code, http_header(req, "Origin")));
    return HTTP_ANSWERED;
}

/* ---- requests ---- */

bool live_is_asked(struct http_request *req)
{
    return http_query(req, "EIO") || http_query(req, "transport") || http_query(req, "sid") ||
           !strcmp(http_method(req), "POST") || websocket_is_asked(req);
}

static enum eio_error check(enum transport *transport, int *version, struct http_request *req)
{
    const char *t = http_query(req, "transport"), *v = http_query(req, "EIO"), *sid = http_query(req, "sid");

    if (t && !strcmp(t, "polling"))
        *transport = TRANSPORT_POLLING;
    else if (t && !strcmp(t, "websocket"))
        *transport = TRANSPORT_WEBSOCKET;
    else
        return EIO_BAD_TRANSPORT;
    if (sid && !id_valid(sid))
        return EIO_BAD_SID;
    if (!sid && strcmp(http_method(req), "GET") != 0)
        return EIO_BAD_METHOD;
    if (!v || (strcmp(v, "3") != 0 && strcmp(v, "4") != 0))
        return EIO_BAD_VERSION;
    *version = *v - '0';
    return EIO_ERROR_NONE;
}

static struct note *note_new(enum note_kind kind, struct http_request *req, int version)
{
    struct note *n = mem_zalloc(sizeof *n);
    const char *sid = http_query(req, "sid"), *origin = http_header(req, "Origin");

    n->kind = kind;
    n->req = http_request_ref(req);
    n->origin = origin ? mem_strdup(origin) : NULL;
    if (sid)
        memcpy(n->sid, sid, ID_LEN);
    n->version = version;
    return n;
}

/* The wait ends with an answer of the thread, or at once when there is none any more. */
static enum http_next leave(struct live *l, struct http_request *req, struct note *n)
{
    http_request_ref(req);
    if (!live_note(l, n))
        http_answer(req, door_error(EIO_FULL, NULL));
    http_request_unref(req);
    return HTTP_WAIT;
}

static enum http_next get_end(struct http_request *req)
{
    struct live *l = http_data(req);
    enum transport transport;
    int version;
    enum eio_error code = check(&transport, &version, req);
    struct err err;

    if (code != EIO_ERROR_NONE)
        return door_refuse(req, code);
    struct note *n = note_new(transport == TRANSPORT_POLLING ? NOTE_POLL : NOTE_ASK, req, version);

    if (transport == TRANSPORT_WEBSOCKET && !(n->handshake = websocket_accept(req, &err))) {
        note_free(n);
        return door_refuse(req, EIO_BAD_REQUEST);
    }
    return leave(l, req, n);
}

const struct http_handler live_get = {.end = get_end};

/* ---- POST: the body of a polling request ---- */

struct posting {
    struct live *live;
    struct str body;
    size_t counted; /* in live.posting */
};

static struct http_response *too_large(struct http_request *req)
{
    return door_answer(413, "text/plain", "too large", 9, http_header(req, "Origin"));
}

static enum http_next post_begin(struct http_request *req)
{
    struct posting *p = mem_zalloc(sizeof *p);

    p->live = http_data(req);
    http_set_data(req, p);
    if (http_content_length(req) > MAX_PAYLOAD) {
        http_answer(req, too_large(req));
        return HTTP_ANSWERED;
    }
    return HTTP_GO;
}

static int post_body(struct http_request *req, const char *data, size_t len)
{
    struct posting *p = http_data(req);

    if (p->body.len + len > MAX_PAYLOAD) {
        http_cut(req, too_large(req));
    } else if (atomic_load(&p->live->posting) + len > MAX_PAYLOADS) {
        http_cut(req, door_error(EIO_FULL, http_header(req, "Origin")));
    } else {
        str_add(&p->body, data, len);
        p->counted += len;
        atomic_fetch_add(&p->live->posting, len);
    }
    return 0;
}

static enum http_next post_end(struct http_request *req)
{
    struct posting *p = http_data(req);
    enum transport transport;
    int version;
    enum eio_error code = check(&transport, &version, req);

    if (code == EIO_ERROR_NONE &&
        (transport != TRANSPORT_POLLING || !utf8_valid(p->body.s ? p->body.s : "", p->body.len)))
        code = EIO_BAD_REQUEST;
    if (code != EIO_ERROR_NONE)
        return door_refuse(req, code);
    struct note *n = note_new(NOTE_POST, req, version);

    n->body = p->body;
    p->body = (struct str){0};
    return leave(p->live, req, n);
}

static void post_done(struct http_request *req, enum http_outcome outcome)
{
    struct posting *p = http_data(req);

    atomic_fetch_sub(&p->live->posting, p->counted);
    str_done(p->body);
    free(p);
}

const struct http_handler live_post = {post_begin, post_body, post_end, post_done};

static enum http_next options_end(struct http_request *req)
{
    struct http_response *r = door_answer(200, NULL, NULL, 0, http_header(req, "Origin"));

    http_response_header(r, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    http_response_header(r, "Access-Control-Allow-Headers", "Content-Type, Authorization");
    http_response_header(r, "Access-Control-Max-Age", "86400");
    http_answer(req, r);
    return HTTP_ANSWERED;
}

const struct http_handler live_options = {.end = options_end};
