/* origin.h - a web server of a test's own on 127.0.0.1: each request is answered by the test's
 * function. One connection at a time, one request each. */
#pragma once
#include "base/str.h"

struct origin_request {
    const char *method, *target; /* target as it was sent: path and query */
    const char *headers;         /* lines as they came, "\r\n" between and behind them */
    struct str body;
    int number; /* of the request, from 0 */
};
/* Value of a header, "" when it is not there. The caller frees. */
char *origin_header(const struct origin_request *q, const char *name);

struct origin;
/* answer() runs in a thread of its own and fills out with a whole answer: status line, headers,
 * body. Nothing in it: the connection breaks. origin_say() helps. */
struct origin *
origin_start(void (*answer)(void *ctx, const struct origin_request *q, struct str *out), void *ctx);
void origin_end(struct origin *o);
DEFINE_AUTO(struct origin *, origin_end)
const char *origin_host(const struct origin *o); /* "127.0.0.1:1234" */
int origin_requests(const struct origin *o);     /* so far */
/* headers: whole lines with "\r\n", or "". A Content-Length is added. */
void origin_say(struct str *out, int status, const char *headers, const char *body);
