/* request.c - the life of one request: what libmicrohttpd tells us becomes begin, body, end and
 * done, and answers from other threads find their way back.
 *
 * libmicrohttpd calls the access handler with the headers, for each piece of body, and once more at
 * the end. An answer queued in the first of these calls makes it close the connection afterwards,
 * so one given in begin() is held back until the last call unless it refuses a body. After a
 * suspended connection is resumed the same call comes again: `phase` tells it from the next one. */
#include "http/reply.h"
#include "http/server_priv.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define LARGE_ANSWER (16 * 1024)

/* ---- making a request ---- */

static const char *lookup(struct MHD_Connection *mhd, const char *name)
{
    return MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, name);
}

/* The path of a target in absolute form (RFC 9112 3.2.2) follows the authority. */
static const char *target_path(const char *url)
{
    const char *rest;

    if (*url == '/' || !(rest = strstr(url, "://")))
        return url;
    rest = strchr(rest + 3, '/');
    return rest ? rest : "/";
}

/* Decode text in place. Returns false, with text as it was, when an escape is bad or hides a NUL.
 */
static bool request_decode(char *text, bool plus_is_space)
{
    size_t len = strlen(text);
    AUTO(mem_free) char *copy = mem_strndup(text, len);
    ptrdiff_t n = url_decode(copy, len, plus_is_space);

    if (n < 0 || memchr(copy, 0, (size_t)n))
        return false;
    memcpy(text, copy, (size_t)n);
    text[n] = 0;
    return true;
}

struct query_build {
    struct str text; /* key NUL value NUL ... */
    int count;
};

static enum MHD_Result add_query_arg(void *build, enum MHD_ValueKind kind, const char *key,
                                     const char *value)
{
    struct query_build *b = build;

    if (!value)
        value = "";
    str_add(&b->text, key, strlen(key) + 1);
    str_add(&b->text, value, strlen(value) + 1);
    b->count++;
    return MHD_YES;
}

static void read_query(struct http_request *req)
{
    struct query_build b = {0};

    MHD_get_connection_values(req->mhd, MHD_GET_ARGUMENT_KIND, add_query_arg, &b);
    if (!b.count)
        return;
    req->query = mem_alloc((size_t)b.count * sizeof *req->query);
    req->query_text = b.text.s;
    for (char *p = b.text.s; req->query_count < b.count; req->query_count++) {
        struct query_arg *a = &req->query[req->query_count];

        a->name = p;
        a->value = p + strlen(p) + 1;
        p = a->value + strlen(a->value) + 1;
        if (!request_decode(a->name, true) || !request_decode(a->value, true))
            req->query_bad = true;
    }
}

static int64_t body_length(struct MHD_Connection *mhd)
{
    const char *text;

    if (lookup(mhd, MHD_HTTP_HEADER_TRANSFER_ENCODING))
        return -1;
    text = lookup(mhd, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return text ? strtoll(text, NULL, 10) : 0; /* libmicrohttpd has refused what is no number */
}

static struct http_request *request_new(struct http_server *s, struct MHD_Connection *mhd,
                                        const char *url, const char *method)
{
    const char *raw = target_path(url), *override = NULL;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_request *req;
    size_t path_size = strlen(raw) + 1, method_size;
    char *text;

    if (!strcmp(method, "POST") && (override = lookup(mhd, "X-HTTP-Method-Override")) && *override)
        method = override;
    else
        override = NULL;
    method_size = strlen(method) + 1;

    req = mem_zalloc(sizeof *req + 2 * path_size + method_size);
    req->refs = 1;
    req->slot = -1;
    req->server = s;
    req->mhd = mhd;
    req->conn = info->socket_context;
    pthread_mutex_init(&req->lock, NULL);
    memcpy(req->peer, req->conn->peer, sizeof req->peer);
    text = req->text;
    req->path_raw = memcpy(text, raw, path_size);
    req->path = memcpy(text + path_size, raw, path_size);
    req->method = memcpy(text + 2 * path_size, method, method_size);
    if (override) {
        for (char *m = text + 2 * path_size; *m; m++)
            *m = (char)toupper((unsigned char)*m);
        req->is_head = !strcmp(req->method, "HEAD");
    }
    if (strchr(raw, '%') && !request_decode(text + path_size, false))
        req->query_bad = true;
    read_query(req);
    req->query_raw = take(req->conn->query);
    req->body_length = body_length(mhd);
    request_identify(req, lookup(mhd, "X-Request-Id"), lookup(mhd, "X-Forwarded-For"));
    return req;
}

struct http_request *http_request_ref(struct http_request *req)
{
    atomic_fetch_add(&req->refs, 1);
    return req;
}

void http_request_unref(struct http_request *req)
{
    if (!req || atomic_fetch_sub(&req->refs, 1) > 1)
        return;
    for (size_t i = 0; i < ARRAY_LEN(req->path_arg); i++)
        free(req->path_arg[i]);
    free(req->query);
    free(req->query_text);
    free(req->query_raw);
    pthread_mutex_destroy(&req->lock);
    free(req);
}

/* ---- asking it ---- */

const char *http_method(const struct http_request *req) { return req->method; }
const char *http_path(const struct http_request *req) { return req->path; }
const char *http_path_raw(const struct http_request *req) { return req->path_raw; }
bool http_query_bad(const struct http_request *req) { return req->query_bad; }
int64_t http_content_length(struct http_request *req) { return req->body_length; }
const char *http_request_id(const struct http_request *req) { return req->id; }
const char *http_peer(const struct http_request *req) { return req->peer; }
void *http_ctx(const struct http_request *req) { return req->server->conf.ctx; }
void http_set_data(struct http_request *req, void *data) { req->data = data; }
void *http_data(const struct http_request *req) { return req->data; }

const char *http_header(struct http_request *req, const char *name)
{
    return req->mhd ? lookup(req->mhd, name) : NULL;
}

struct header_walk {
    void (*each)(void *arg, const char *name, const char *value);
    void *arg;
};

static enum MHD_Result walk_header(void *walk, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct header_walk *w = walk;

    w->each(w->arg, name, value ? value : "");
    return MHD_YES;
}

void http_headers(struct http_request *req, void (*each)(void *arg, const char *name, const char *value), void *arg)
{
    struct header_walk w = {each, arg};

    if (req->mhd)
        MHD_get_connection_values(req->mhd, MHD_HEADER_KIND, walk_header, &w);
}

const char *http_query_raw(const struct http_request *req) { return req->query_raw; }

const char *http_query(struct http_request *req, const char *name)
{
    for (int i = 0; i < req->query_count; i++)
        if (!strcmp(req->query[i].name, name))
            return req->query[i].value;
    return NULL;
}

void http_set_path_arg(struct http_request *req, int i, const char *value)
{
    free(req->path_arg[i]);
    req->path_arg[i] = value ? mem_strdup(value) : NULL;
}

const char *http_path_arg(const struct http_request *req, int i)
{
    return i >= 0 && i < (int)ARRAY_LEN(req->path_arg) ? req->path_arg[i] : NULL;
}

/* ---- answering, from any thread ---- */

static void request_wake(struct http_request *req) /* under the lock */
{
    if (!req->is_suspended)
        return;
    req->is_suspended = false;
    MHD_resume_connection(req->mhd);
}

/* The rest of the body is dropped and the sweeper closes the connection. Frees r. Under the lock,
 * which keeps the descriptor open. */
static void answer_raw(struct http_request *req, struct http_response *r)
{
    bool is_head = req->is_head || !strcmp(req->method, "HEAD");

    req->is_raw_sent = response_send_raw(r, req->conn->fd, is_head);
    conn_cut(req->conn);
}

/* What every answer has. */
static void sign_answer(struct http_request *req, struct http_response *r)
{
    http_response_header(r, "X-Request-Id", req->id);
    refusal_note(req, r);
}

/* Returns whether r was taken. */
static bool answer(struct http_request *req, struct http_response *r, bool is_cut)
{
    bool is_taken = false;

    pthread_mutex_lock(&req->lock);
    if (req->mhd && !req->is_answered) {
        is_taken = req->is_answered = true;
        sign_answer(req, r);
        req->is_cut = is_cut;
        if (is_cut)
            r->is_close = true;
        if (req->is_in_body && response_is_plain(r)) {
            answer_raw(req, r);
        } else {
            req->answer = r;
            request_wake(req);
        }
    }
    pthread_mutex_unlock(&req->lock);
    return is_taken;
}

void http_answer(struct http_request *req, struct http_response *r)
{
    if (!answer(req, r, false))
        http_response_free(r);
}

void http_cut(struct http_request *req, struct http_response *r)
{
    if (!answer(req, r, true))
        http_response_free(r);
}

bool http_is_deserted(struct http_request *req)
{
    bool is_deserted;

    pthread_mutex_lock(&req->lock);
    is_deserted = !req->mhd || conn_deserted(req->conn);
    pthread_mutex_unlock(&req->lock);
    return is_deserted;
}

void http_go_on(struct http_request *req)
{
    pthread_mutex_lock(&req->lock);
    if (req->mhd && !req->is_answered) {
        req->can_go_on = true;
        request_wake(req);
    }
    pthread_mutex_unlock(&req->lock);
}

struct http_stream *http_answer_body(struct http_request *req, struct http_response *r, int64_t length, size_t low,
                                     void (*wake)(void *arg), void *arg)
{
    struct http_stream *s = stream_new(req->server, length);

    if (wake)
        stream_set_wake(s, low, wake, arg);
    r->body = BODY_STREAM;
    r->stream = s;
    http_answer(req, r);
    return s;
}

struct http_stream *http_answer_stream(struct http_request *req, struct http_response *r)
{
    return http_answer_body(req, r, /* length */ -1, /* low */ 0, NULL, NULL);
}

void http_answer_upgrade(struct http_request *req, struct http_response *r,
                         void (*taken)(void *arg, struct http_socket *s), void *arg)
{
    r->body = BODY_UPGRADE;
    r->upgrade = (struct upgrade){taken, arg};
    http_answer(req, r);
}

void request_drop_stream(struct http_request *req)
{
    pthread_mutex_lock(&req->lock);
    if (req->stream)
        stream_drop(req->stream);
    pthread_mutex_unlock(&req->lock);
}

void request_cut_slow(struct http_request *req)
{
    struct err err;

    err_set(&err, ERR_SLOW, "Less than %d bytes a second for half a minute", req->server->conf.min_body_rate);
    http_cut(req, reply_error_response(&err, NULL));
    pthread_mutex_lock(&req->lock);
    if (req->conn && !req->is_in_body) /* it does not read its answer: the lock keeps the descriptor open */
        shutdown(req->conn->fd, SHUT_RDWR);
    pthread_mutex_unlock(&req->lock);
}

void http_known(struct http_request *req)
{
    pthread_mutex_lock(&req->lock);
    if (req->conn)
        crowd_conn_known(req->conn);
    pthread_mutex_unlock(&req->lock);
}

void request_wake_for_stop(struct http_request *req)
{
    pthread_mutex_lock(&req->lock);
    request_wake(req);
    pthread_mutex_unlock(&req->lock);
    request_drop_stream(req);
}

/* ---- what libmicrohttpd calls ---- */

/* The memory of a connection that goes on is used up whole: it is for clients that are known, when there are many. */
static bool may_go_on(const struct http_request *req)
{
    const struct http_server *s = req->server;

    return !s->conf.max_strangers || req->conn->is_known || req->conn->entrance->kind == ENTRANCE_SMALL ||
           s->big_strangers <= BIG_STRANGERS;
}

/* Where a chunked body ends is libmicrohttpd's to say, and it takes lines of chunks that end in a bare LF: a proxy before
 * us may see another end, and what comes then would be a request for one of us alone. So nothing comes after one. */
static bool is_last(const struct http_request *req) { return req->body_length < 0; }

/* A large answer stays in memory until its client has read it: a stranger's is taken from what they all may have. */
static struct http_response *afford(struct http_request *req, struct http_response *r)
{
    struct err err;

    if (r->body != BODY_TEXT || r->len < LARGE_ANSWER || req->conn->is_known)
        return r;
    req->answer_share.budget = req->server->conf.strangers;
    if (share_take(&req->answer_share, (int64_t)r->len, &err) == 0)
        return r;
    http_response_free(r);
    err_set(&err, ERR_BUSY, "Too many clients do not read what they asked for; try again");
    return reply_error_response(&err, NULL);
}

static enum MHD_Result queue_answer(struct http_request *req)
{
    struct http_response *r;

    pthread_mutex_lock(&req->lock);
    r = take(req->answer);
    if (r && r->body == BODY_STREAM && !req->is_head) {
        req->stream = r->stream;
        stream_ref(req->stream);
        req->conn->is_streaming = true;
    }
    if (r && r->body == BODY_UPGRADE && !req->is_head) {
        req->upgrade = r->upgrade;
        req->conn->is_upgraded = true;
        crowd_conn_known(req->conn); /* it never comes back, and who takes it has bounds of their own */
        r->upgrade.taken = NULL;
    }
    pthread_mutex_unlock(&req->lock);
    if (!r) /* end() returned without an answer: a bug above us, but the client gets to know */
        r = http_response_new(500);
    r = afford(req, r);
    if (r->body != BODY_UPGRADE && (is_last(req) || !may_go_on(req)))
        http_response_close(r);
    req->phase = PHASE_QUEUED;
    return response_queue(r, req->mhd, req->is_head);
}

/* An answer in begin() to a request whose body is still to come. */
static enum MHD_Result refuse_body(struct http_request *req)
{
    /* Who asked first has sent nothing: libmicrohttpd answers in place of "100 Continue". */
    if (lookup(req->mhd, MHD_HTTP_HEADER_EXPECT) || !response_is_plain(req->answer))
        return queue_answer(req);
    /* Everybody else is sending already. libmicrohttpd would close at once, and the reset that
     * follows would take the answer with it. */
    pthread_mutex_lock(&req->lock);
    answer_raw(req, take(req->answer));
    pthread_mutex_unlock(&req->lock);
    req->phase = PHASE_DISCARD;
    return MHD_YES;
}

/* begin() or end() has returned next, or its wait is over. */
static enum MHD_Result settle(struct http_request *req, enum http_next next)
{
    bool is_answered, is_waiting;

    pthread_mutex_lock(&req->lock);
    is_answered = req->answer != NULL;
    is_waiting = next == HTTP_WAIT && !is_answered && !req->can_go_on;
    if (is_waiting && !req->server->stopping) {
        req->is_suspended = true;
        MHD_suspend_connection(req->mhd);
        pthread_mutex_unlock(&req->lock);
        return MHD_YES;
    }
    if (!is_answered && req->phase == PHASE_BEGIN)
        req->is_in_body = true;
    req->can_go_on = false;
    pthread_mutex_unlock(&req->lock);

    if (is_waiting) /* the server stops */
        return MHD_NO;
    if (req->phase == PHASE_END)
        return queue_answer(req);
    if (is_answered && req->body_length != 0)
        return refuse_body(req);
    req->phase = is_answered ? PHASE_HELD : PHASE_BODY;
    return MHD_YES;
}

/* No handler hears of it. status 0: that of the code. */
static enum MHD_Result request_refuse(struct http_request *req, enum err_code code, int status, const char *why)
{
    struct err err;

    req->phase = PHASE_QUEUED;
    req->is_answered = true;
    err_set(&err, code, "%s", why);
    struct http_response *r = reply_error_response(&err, NULL);
    if (status)
        r->status = status;
    http_response_close(r);
    sign_answer(req, r);
    return response_queue(r, req->mhd, false);
}

static enum MHD_Result request_begin(struct http_server *s, struct MHD_Connection *mhd, const char *url,
                                             const char *method, const char *version, void **out)
{
    struct http_request *req = *out = request_new(s, mhd, url, method);
    const char *wrong = head_ambiguous(mhd, method, url, version, req->query_raw);

    conn_begin(req->conn, req);
    if (req->conn->has_long_query) /* before what is wrong with a target that is cut short */
        return request_refuse(req, ERR_FORM, 414, "The query of the address has too many parameters");
    if (wrong)
        return request_refuse(req, ERR_FORM, 0, wrong);
    req->slot = crowd_forwarded_slot(s, lookup(mhd, "X-Forwarded-For"));
    if (!crowd_take(s, req->slot)) {
        req->slot = -1;
        return request_refuse(req, ERR_BUSY, 0, "Too many requests of your address at a time");
    }
    req->handler = s->conf.route(req, s->conf.ctx);
    atomic_fetch_add(&s->busy, 1);
    return settle(req, req->handler->begin ? req->handler->begin(req) : HTTP_GO);
}

static enum MHD_Result body(struct http_request *req, const char *data, size_t size)
{
    bool is_answered;

    pthread_mutex_lock(&req->lock);
    is_answered = req->is_answered;
    pthread_mutex_unlock(&req->lock);
    if (is_answered || !req->handler->body)
        return MHD_YES;
    return req->handler->body(req, data, size) < 0 ? MHD_NO : MHD_YES;
}

static enum MHD_Result request_end(struct http_request *req)
{
    bool is_answered, is_raw;

    pthread_mutex_lock(&req->lock);
    req->is_in_body = false;
    is_answered = req->is_answered;
    is_raw = is_answered && !req->answer;
    pthread_mutex_unlock(&req->lock);
    if (is_raw)
        return MHD_NO; /* nothing more to say: close */
    req->phase = PHASE_END;
    return settle(req, is_answered         ? HTTP_ANSWERED
                       : req->handler->end ? req->handler->end(req)
                                           : HTTP_GO);
}

enum MHD_Result request_handle(void *server, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *size, void **out)
{
    struct http_request *req = *out;
    size_t got = *size;

    if (!req)
        return request_begin(server, mhd, url, method, version, out);
    *size = 0;
    switch (req->phase) {
    case PHASE_BEGIN:
        return settle(req, HTTP_WAIT);
    case PHASE_BODY:
        return got ? body(req, data, got) : request_end(req);
    case PHASE_HELD:
        return got ? MHD_YES : queue_answer(req);
    case PHASE_END:
        return settle(req, HTTP_WAIT);
    case PHASE_QUEUED:
        return MHD_YES;
    case PHASE_DISCARD:
        return got ? MHD_YES : MHD_NO;
    }
    return MHD_NO;
}

void request_completed(void *server, struct MHD_Connection *mhd, void **slot,
                       enum MHD_RequestTerminationCode how)
{
    struct http_request *req = take(*slot);
    struct http_response *unsent;
    struct http_stream *stream;
    struct conn *conn;
    bool is_ok;

    if (!req)
        return;
    pthread_mutex_lock(&req->lock);
    conn = take(req->conn);
    req->mhd = NULL;
    req->is_suspended = false;
    unsent = take(req->answer);
    stream = take(req->stream);
    is_ok = !req->is_cut && (req->phase == PHASE_QUEUED ? how == MHD_REQUEST_TERMINATED_COMPLETED_OK
                                                        : req->is_raw_sent);
    pthread_mutex_unlock(&req->lock);
    http_response_free(unsent);
    if (stream)
        stream_unref(stream);
    upgrade_fail(&req->upgrade);
    share_end(&req->answer_share);
    crowd_give(server, req->slot);
    conn_end(conn);
    if (req->handler) {
        if (req->handler->done)
            req->handler->done(req, is_ok ? HTTP_DONE_OK : HTTP_DONE_CLOSED);
        atomic_fetch_sub(&((struct http_server *)server)->busy, 1);
    }
    http_request_unref(req);
}
