/* errands.h - what a page asks for is fetched by us: a few threads, each with a client of its own (http/client.h) and
 * the address guard, so that a page of many pictures does not wait for one after the other. A redirect is an answer:
 * whether it is followed is the browser's affair, which then asks again. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#define ERRAND_HEADERS 100
#define ERRAND_THREADS 6

/* A request and what came of it; it belongs to the one who holds it. */
struct errand {
    char *url, *method;
    char *headers[ERRAND_HEADERS + 1]; /* "Name: value", ended by NULL */
    struct str body;
    char *session, *id; /* for who asked */
    bool is_page;       /* the main one */

    int status; /* 0: there was no answer, and err says why */
    char *answer_headers; /* "name: value\n" */
    struct str answer;
    struct err err;
    struct errand *next;
};
void errands_drop(struct errand *e);
DEFINE_AUTO(struct errand *, errands_drop)

struct errand_rules {
    const char *guard;  /* of http/client.h */
    int64_t most_bytes; /* of one answer */
    int timeout_s;      /* of one */
};
struct errands;
/* Starts nothing before there is something to do. Errors: ERR_IO. */
MUST_CHECK int errands_open(struct errands **out, const struct errand_rules *rules, struct err *err);
/* What still runs ends by itself soon, and is heard of no more. NULL is fine. */
void errands_close(struct errands *all);
DEFINE_AUTO(struct errands *, errands_close)
void errands_put(struct errands *all, struct errand *e); /* stolen */
/* One that is done; the caller's. NULL: none is. */
struct errand *errands_take(struct errands *all);
int errands_fd(const struct errands *all); /* can be read when one is done */
