/* call.h - endpoints that take params and answer with a JSON object: one row of the route table and one function
 * each. The row says who may call (auth_need, scope) and the `ok` code; the framework reads the request, checks it
 * in the order of api.md 2.4, runs the function, adds ok and http_code, and answers. */
#pragma once
#include "api/app.h"
#include "api/auth.h"
#include "api/fields.h"
#include "assembly/assembly.h"

struct call {
    struct http_request *req;
    struct app *app;
    const struct route *route;
    struct fields fields;
    struct auth auth;
    json_t *params;  /* parsed, an object; never NULL in a route's function */
    json_t *body;    /* the answer, an object; the function fills it */
    json_t *extra;   /* members added to an error answer; NULL: none */
    json_t *work;    /* the functions' own, from read to write to after; NULL at first */
    struct auth_key *made; /* by a write, for its after; NULL at first */
    struct err err;
    bool failed;
    bool deferred;   /* set by a write: call_answer() comes later, in place of the commit's answer */
};

/* Answer a deferred call, or one of route.later; err NULL: with its body. On any thread, once: c may be gone when it
 * returns. */
void call_answer(struct call *c, const struct err *err);

/* A member of params as text: strings as they are, numbers and booleans as their JSON. NULL: absent or null.
 * Valid until the call is over. */
const char *call_text(struct call *c, const char *name);
/* Whole number, also written as a string. Errors: code, with the member's name and the range. */
MUST_CHECK int call_int(int64_t *out, struct call *c, const char *name, int64_t fallback, int64_t min,
                        int64_t max, enum err_code code, struct err *err);
/* 0/1, true/false, also as strings; anything else is the fallback. */
bool call_flag(struct call *c, const char *name, bool fallback);

/* A moment, or a day ("2031-05-06": its begin, or its end with day_end). Errors: code. */
MUST_CHECK int call_date(int64_t *out, struct call *c, const char *name, int64_t fallback, bool day_end,
                         enum err_code code, struct err *err);
void call_say(struct call *c, const char *message); /* the answer's `message` */
/* A moment as lists have it; 0: null. */
void call_set_date(json_t *o, const char *name, int64_t at_us);

/* ---- history.c ---- */
/* After each event, with the Assembly as it is then. */
typedef void (*history_seen)(void *ctx, const struct assembly *a, const struct event *ev);
/* The caller's workspace's Assembly, made of its events again; seen may be NULL. The caller frees it. Errors:
 * ERR_ASSEMBLY_NOT_FOUND, ERR_ACCOUNT_MISMATCH, ERR_NOT_REPLAYABLE (only its document is left). */
MUST_CHECK int history_load(struct assembly **out, struct call *c, const char *id, history_seen seen, void *ctx,
                            struct err *err);

extern const struct http_handler call_handler; /* for rows with read or write */
