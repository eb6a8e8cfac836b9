#include "browser/cdp.h"

#include <errno.h>
#include <poll.h>

#define PIECE ((size_t)64 * 1024)

/* ---- what comes ---- */

static int cdp_odd(struct err *err, const char *what)
{
    return err_set(err, ERR_COMMAND, "the browser sends %s", what);
}

static int cdp_message(struct cdp_reader *r, const char *text, size_t len, cdp_hear *hear, void *ctx, struct err *err)
{
    const struct json_bounds most = {.depth = CDP_DEPTH_MAX, .values = CDP_VALUES_MAX};
    struct err why = {0};

    if (++r->messages > CDP_MESSAGES_MAX)
        return cdp_odd(err, "more messages than a page is worth");
    AUTO(json_unref) json_t *message = json_parse_within(text, len, &most, &why);
    if (!message)
        return err_set(err, ERR_COMMAND, "the browser sends a message that can't be read: %.150s", why.msg);
    if (!json_is_object(message) ||
        (!json_is_integer(json_object_get(message, "id")) && !jstr(message, "method")))
        return cdp_odd(err, "what is neither an answer nor an event");
    return hear(ctx, message, err);
}

int cdp_feed(struct cdp_reader *r, const char *data, size_t len, cdp_hear *hear, void *ctx, struct err *err)
{
    while (len) {
        const char *end = memchr(data, 0, len);
        size_t n = end ? (size_t)(end - data) : len;

        if (r->part.len + n > CDP_MESSAGE_MAX)
            return cdp_odd(err, "a message that is too long");
        if ((r->bytes += (int64_t)n + 1) > CDP_BYTES_MAX)
            return cdp_odd(err, "more bytes than a page is worth");
        str_add(&r->part, data, n);
        data += n + (end != NULL);
        len -= n + (end != NULL);
        if (!end)
            break;
        int rc = cdp_message(r, r->part.s ? r->part.s : "", r->part.len, hear, ctx, err);
        if (r->part.cap > 16 * PIECE) { /* of a picture: not kept for the small ones that follow */
            str_done(r->part);
            r->part = (struct str){0};
        }
        str_reset(&r->part);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* ---- what is said ---- */

static void cdp_add_base64(struct str *out, const unsigned char *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], i + 1 < n ? digits[v >> 6 & 63] : '=',
                        i + 2 < n ? digits[v & 63] : '='};

        str_add(out, four, sizeof four);
    }
}

static int cdp_begin(struct cdp *c, const char *session, const char *method)
{
    str_addf(&c->out, "{\"id\":%d,\"method\":", ++c->last_id);
    str_add_json(&c->out, method);
    if (str_given(session)) {
        str_puts(&c->out, ",\"sessionId\":");
        str_add_json(&c->out, session);
    }
    str_puts(&c->out, ",\"params\":");
    return c->last_id;
}

int cdp_send(struct cdp *c, const char *session, const char *method, json_t *params)
{
    AUTO(json_unref) json_t *own = params ? params : json_object();
    int id = cdp_begin(c, session, method);

    str_add_json_value(&c->out, own);
    str_add(&c->out, "}", 2); /* and its zero byte */
    return id;
}

int cdp_send_bytes(struct cdp *c, const char *session, const char *method, json_t *params, const char *name,
                   const void *data, size_t len)
{
    AUTO(json_unref) json_t *own = params;
    int id = cdp_begin(c, session, method);

    str_add_json_value(&c->out, own);
    c->out.len--; /* its closing bracket */
    str_addf(&c->out, ",\"%s\":\"", name);
    cdp_add_base64(&c->out, data, len);
    str_add(&c->out, "\"}}", 4);
    return id;
}

/* ---- both ways ---- */

static int cdp_gone(struct err *err)
{
    return err_set(err, ERR_COMMAND, "the browser has ended before the page was drawn");
}

static int cdp_write(struct cdp *c, struct err *err)
{
    while (c->sent < c->out.len) {
        ssize_t n = write(c->to, c->out.s + c->sent, c->out.len - c->sent);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : cdp_gone(err);
        c->sent += (size_t)n;
    }
    if (c->out.cap > 16 * PIECE) {
        str_done(c->out);
        c->out = (struct str){0};
    }
    str_reset(&c->out);
    c->sent = 0;
    return 0;
}

/* One piece, so that who never stops talking keeps nobody from looking at the clock. */
static int cdp_read(struct cdp *c, cdp_hear *hear, void *ctx, struct err *err)
{
    char piece[PIECE];
    ssize_t n = read(c->from, piece, sizeof piece);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n <= 0 ? cdp_gone(err) : cdp_feed(&c->in, piece, (size_t)n, hear, ctx, err);
}

int cdp_turn(struct cdp *c, int wake, int wait_ms, cdp_hear *hear, void *ctx, struct err *err)
{
    if (c->out.len - c->sent > CDP_QUEUE_MAX)
        return err_set(err, ERR_COMMAND, "the browser does not read what it has asked for");
    struct pollfd p[3] = {{.fd = c->from, .events = POLLIN},
                          {.fd = c->sent < c->out.len ? c->to : -1, .events = POLLOUT},
                          {.fd = wake, .events = POLLIN}};
    int ready = poll(p, 3, wait_ms);

    if (ready < 0)
        return errno == EINTR ? 0 : err_errno(err, "wait for the browser");
    if (p[1].revents && cdp_write(c, err) < 0)
        return -1;
    return p[0].revents ? cdp_read(c, hear, ctx, err) : 0;
}

void cdp_close(struct cdp *c)
{
    fd_close(take_fd(c->to));
    fd_close(take_fd(c->from));
    str_done(c->in.part);
    str_done(c->out);
    c->in = (struct cdp_reader){0};
    c->out = (struct str){0};
}
