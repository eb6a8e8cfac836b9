/* client.h - outgoing HTTP over libcurl, blocking, for transfer workers. One transfer at a time. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct http_client;

/* Of a body that is put together while it is sent. */
struct http_client_piece {
    const char *text; /* of length bytes, or NULL: so much of the file fd, from its beginning */
    int fd;
    int64_t length;
};

struct http_client_request {
    const char *method; /* "GET", "PUT", "POST", "DELETE", "HEAD" */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    const char *body;   /* text body, or NULL */
    int body_fd;        /* file body when body_length >= 0 and body is NULL; read from body_offset */
    int64_t body_offset, body_length; /* body_length -1: no file body */
    const struct http_client_piece *pieces; /* in the place of both; or NULL */
    int piece_count;
    int connect_timeout_s, idle_timeout_s, total_timeout_s; /* 0: 10, 30, none */
    bool cookies;       /* keep what this request's answers set, for its redirects: a jar of its own */
    int max_redirects;  /* 0: a redirect is the answer; else one more than this is an error */
    const char *guard;  /* NULL: any address. Else private, loopback and link-local targets are refused
                         * unless listed: see guard.h. Checked on the connected address, each hop. */
    /* Body of a 2xx answer, piece by piece; NULL: kept in response.body (at most 1 MiB). */
    int (*on_body)(void *ctx, const char *data, size_t len, struct err *err);
    /* Headers of the final answer are in (status known); may refuse. NULL is fine. */
    int (*on_head)(void *ctx, int status, int64_t content_length, struct err *err);
    void (*on_progress)(void *ctx, double fraction); /* of the larger direction; may be NULL */
    /* Before the last bytes of the body are handed over, or before all where there is none, each time that the request
     * is sent: what it does may be done from here on. May refuse. NULL is fine. */
    int (*on_end)(void *ctx, struct err *err);
    void *ctx;
};

struct http_client_response {
    int status;
    struct str body;    /* error bodies, or all when on_body is NULL; cut at 1 MiB */
    struct str headers; /* of the final answer, "name: value\n" with lower-case names */
    char *url;          /* final address after redirects */
};

struct http_client *http_client_new(void);
void http_client_free(struct http_client *c);
DEFINE_AUTO(struct http_client *, http_client_free)

/* 0 when an HTTP answer came back, whatever its status. Only http and https; no proxy. The Content-Encoding of an
 * answer is undone (decode.h), except that of a part (206); its bytes then count decoded, and on_head gets the length
 * -1. Within one origin (scheme, host and port) a redirect keeps the caller's headers and the address's user and
 * password; to another only harmless headers (Accept, Range, User-Agent ...) are sent on, and nothing comes back on the
 * way home. Errors: ERR_IO (connect, reset, time out; worth a retry), ERR_INPUT (bad address, untrusted certificate,
 * too many redirects), ERR_SERVER_403 with is_private_address when the guard refused, or what a callback reported. out
 * is always initialised; free it with http_client_response_done(). */
MUST_CHECK int http_client_run(struct http_client_response *out, struct http_client *c,
                               const struct http_client_request *req, struct err *err);
void http_client_response_done(struct http_client_response r);
DEFINE_AUTO(struct http_client_response, http_client_response_done)
/* Value of a header of the answer, or NULL. Lent until the response is freed; trimmed copy in a. */
char *http_client_header(const struct http_client_response *r, const char *name); /* caller frees */
