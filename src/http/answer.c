/* answer.c - responses: built by handlers, handed to libmicrohttpd or written on the socket. */
#include "base/clock.h"
#include "http/server_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct http_response *http_response_new(int status)
{
    struct http_response *r = mem_zalloc(sizeof *r);

    r->status = status;
    r->fd = -1;
    return r;
}

void http_response_code(struct http_response *r, const char *code) { snprintf(r->code, sizeof r->code, "%s", code); }

/* A body replaces the one before. */
static void drop_body(struct http_response *r)
{
    if (r->body == BODY_TEXT)
        free(r->text);
    if (r->body == BODY_SHARED && r->release)
        r->release(r->release_arg);
    if (r->body == BODY_STREAM)
        stream_peer_gone(r->stream);
    if (r->body == BODY_UPGRADE)
        upgrade_fail(&r->upgrade);
    fd_close(take_fd(r->fd));
    free(take(r->content_type));
    r->body = BODY_NONE;
}

void http_response_free(struct http_response *r)
{
    if (!r)
        return;
    drop_body(r);
    str_done(r->headers);
    free(r);
}

void http_response_header(struct http_response *r, const char *name, const char *value)
{
    /* A line break would end the header and begin one of the sender's choice. The framing is ours.
     */
    if (!*name || strpbrk(name, "\r\n\t :") || strpbrk(value, "\r\n") ||
        !strcasecmp(name, "Content-Length") || !strcasecmp(name, "Transfer-Encoding"))
        return;
    if (!strcasecmp(name, "Connection") && !strcasecmp(value, "close")) {
        r->is_close = true;
        return;
    }
    str_add(&r->headers, name, strlen(name) + 1);
    str_add(&r->headers, value, strlen(value) + 1);
}

void http_response_headers(struct http_response *r, const char *block, size_t len) { str_add(&r->headers, block, len); }

static void response_set_body(struct http_response *r, int body, const char *content_type)
{
    drop_body(r);
    r->body = body;
    r->content_type = content_type ? mem_strdup(content_type) : NULL;
}

void http_response_text(struct http_response *r, const char *content_type, char *text, size_t len)
{
    response_set_body(r, BODY_TEXT, content_type);
    r->text = text;
    r->len = len;
}

void http_response_shared(struct http_response *r, const char *content_type, const char *data,
                          size_t len, void (*release)(void *), void *arg)
{
    response_set_body(r, BODY_SHARED, content_type);
    r->text = (char *)data; /* only read: libmicrohttpd's signature lacks the const */
    r->len = len;
    r->release = release;
    r->release_arg = arg;
}

void http_response_fd(struct http_response *r, const char *content_type, int fd, uint64_t offset,
                      uint64_t length)
{
    response_set_body(r, BODY_FD, content_type);
    r->fd = fd;
    r->offset = offset;
    r->length = length;
}

void http_response_close(struct http_response *r) { r->is_close = true; }

static void response_release_nothing(void *arg) {}

/* The body moves from r to libmicrohttpd's object. */
static struct MHD_Response *body_to_mhd(struct http_response *r, struct MHD_Connection *mhd)
{
    struct MHD_Response *m = NULL;

    switch (r->body) {
    case BODY_NONE:
        return MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    case BODY_TEXT:
        m = MHD_create_response_from_buffer(r->len, r->text, MHD_RESPMEM_MUST_FREE);
        break;
    case BODY_SHARED:
        m = MHD_create_response_from_buffer_with_free_callback_cls(
            r->len, r->text, r->release ? r->release : response_release_nothing, r->release_arg);
        break;
    case BODY_FD:
        /* A file of no bytes would have libmicrohttpd call sendfile() for nothing. */
        if (r->length == 0)
            return MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
        m = MHD_create_response_from_fd_at_offset64(r->length, r->fd, r->offset);
        if (m)
            r->fd = -1;
        break;
    case BODY_STREAM:
        m = stream_response(r->stream, mhd);
        break;
    case BODY_UPGRADE: /* the request has what is to be called */
        m = upgrade_response();
        break;
    }
    if (m)
        r->body = BODY_NONE;
    return m;
}

enum MHD_Result response_queue(struct http_response *r, struct MHD_Connection *mhd, bool is_head)
{
    struct MHD_Response *m;
    enum MHD_Result queued;

    AUTO(mem_free) char *content_type = take(r->content_type); /* outlives drop_body() */
    if (is_head)
        drop_body(r);
    m = body_to_mhd(r, mhd);
    if (!m) {
        http_response_free(r);
        return MHD_NO;
    }
    if (content_type)
        MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    for (size_t i = 0; i < r->headers.len;) {
        const char *name = r->headers.s + i, *value = name + strlen(name) + 1;

        MHD_add_response_header(m, name, value);
        i = (size_t)(value - r->headers.s) + strlen(value) + 1;
    }
    if (r->is_close)
        MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close");
    queued = MHD_queue_response(mhd, (unsigned)r->status, m);
    MHD_destroy_response(m);
    http_response_free(r);
    return queued;
}

bool response_is_plain(const struct http_response *r)
{
    return r->body == BODY_NONE || r->body == BODY_TEXT || r->body == BODY_SHARED;
}

bool response_send_raw(struct http_response *r, int fd, bool is_head)
{
    AUTO(str_done) struct str head = {0};
    size_t len = r->body == BODY_NONE ? 0 : r->len, all;
    char date[30];
    ssize_t sent;

    date_format_http(date, clock_now_us());
    str_addf(&head, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n", r->status,
             MHD_get_reason_phrase_for((unsigned)r->status), date);
    if (r->content_type)
        str_addf(&head, "Content-Type: %s\r\n", r->content_type);
    for (size_t i = 0; i < r->headers.len;) {
        const char *name = r->headers.s + i, *value = name + strlen(name) + 1;

        str_addf(&head, "%s: %s\r\n", name, value);
        i = (size_t)(value - r->headers.s) + strlen(value) + 1;
    }
    str_addf(&head, "Content-Length: %zu\r\n\r\n", is_head ? 0 : len);

    struct iovec iov[2] = {{head.s, head.len}, {r->text, is_head ? 0 : len}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = iov[1].iov_len ? 2 : 1};
    all = iov[0].iov_len + iov[1].iov_len;
    sent = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    /* We write no more. Closing fully now would answer the bytes still on their way with a reset,
     * and a reset makes the peer's kernel throw away the answer it has not read yet. */
    shutdown(fd, SHUT_WR);
    http_response_free(r);
    return sent >= 0 && (size_t)sent == all;
}
