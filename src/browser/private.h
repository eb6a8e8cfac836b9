/* private.h - what the files of this room share. Lowest first: answer.c (what is fetched for the browser), events.c
 * (what it tells), browser.c (its process), capture.c (picture or PDF), draw.c (a page from beginning to end). */
#pragma once
#include "base/clock.h"
#include "base/json.h"
#include "browser/browser.h"
#include "browser/cdp.h"
#include "browser/errands.h"

#define INPUT_URL "http://input.invalid/"
#define SESSIONS_MAX 200 /* frames and workers of a page, ever */
#define NAME_MAX_ 64     /* ids of Chromium's */

/* A page that is being drawn. */
struct drawing {
    struct browser *b;
    const struct page_wish *wish;
    struct errands *errands;
    const char *origin;                /* of the page; lent */
    char target[NAME_MAX_], session[NAME_MAX_], loader[NAME_MAX_];
    unsigned seen;                     /* 1 << enum page_moment, of the document that is there now */
    int sessions, requests, in_flight;
    int64_t bytes;                     /* of all answers */
    int64_t quiet_us;                  /* since when nothing is in flight */
    struct err page_err;               /* what became of the main request; code 0: nothing bad */
    char page_url[300];                /* where it has led to */
    int waits_for;                     /* the id of a command; 0: none */
    json_t *result;                    /* of it */
    char refusal[200];                 /* or why there is none; "" */
    bool answered;
};

struct browser {
    struct cdp cdp;
    int pid;
    int err_fd; /* what it says on stderr, -1: no more */
    char tail[400];
    char agent[300]; /* as what it asks, where a request does not say so itself */
    int64_t deadline_us;
};

/* answer.c: a Fetch.requestPaused. And what has been fetched goes to the browser. */
MUST_CHECK int answer_request(struct drawing *d, const char *session, const json_t *event, struct err *err);
MUST_CHECK int answer_done(struct drawing *d, struct err *err);

/* events.c */
MUST_CHECK int event_hear(void *ctx, const json_t *message, struct err *err);

/* One turn of the loop, of at most until_us. Errors: ERR_TIMEOUT at the deadline, those of the pipe. */
MUST_CHECK int drawing_turn(struct drawing *d, int64_t until_us, struct err *err);
/* A command and its answer, which belongs to the caller. Errors: ERR_COMMAND where the browser refuses. */
MUST_CHECK int drawing_call(json_t **result, struct drawing *d, const char *session, const char *method,
                            json_t *params, struct err *err);
MUST_CHECK int drawing_do(struct drawing *d, const char *method, json_t *params, struct err *err);

/* capture.c: writes path. */
MUST_CHECK int capture_page(struct drawing *d, const char *path, struct err *err);
