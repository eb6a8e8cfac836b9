/* renewals.h - stored credentials whose refresh token works once (Box): what jobs get in its place, an access token.
 *
 * It is asked for by a process of its own, `workcell --renew` (src/renew.c), which takes the credentials' lock, has a
 * worker ask the other side and writes down what that gave, before anybody hears of it (store/renewed.h). It is not the
 * daemon's child in more than name: it ends what it has begun when the daemon is killed, and the next one finds what it
 * wrote. Any thread. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "base/secret.h"
#include "robot/robot.h"

#include <stdatomic.h>

struct renewal_bench {
    const char *dir;                   /* DATA/renewed */
    const char *program_dir, *without; /* see worker/trial.h */
    const struct seal_key *seal;
    const json_t *settings; /* that jobs are told */
};
struct renewal_wish {
    const char *workspace, *type;
    const json_t *content;     /* of the credentials, as they are stored */
    const struct robot *robot; /* that is to have them: failures get its codes */
    const char *refused;       /* an access token that the other side takes no more; NULL: none is known */
};

/* Blocks until there is an access token. *out: the content that the Robot gets, the caller's. stop: becomes true when
 * nobody waits any more; may be NULL. Errors: a code of the Robot's (refused, or not to be had now), ERR_BUSY. */
MUST_CHECK int renewal_wait(json_t **out, const struct renewal_bench *b, const struct renewal_wish *w,
                            const _Atomic(bool) *stop, struct err *err);

/* For the conductor, which waits for nothing. */
enum renewal_is { RENEWAL_READY, RENEWAL_RUNS, RENEWAL_FAILED };
struct renewals;
struct renewals *renewals_new(const struct renewal_bench *b); /* what is in b is lent */
/* READY: *out as above. RUNS: ask again in a moment. FAILED: err. *since_us: when the one that asks did so first,
 * monotonic; 0 before: what failed before that is tried again. */
enum renewal_is renewals_ask(json_t **out, struct renewals *r, const struct renewal_wish *w, int64_t *since_us,
                             struct err *err);
/* Those that run are left to themselves, and no thread is left when it returns. */
void renewals_free(struct renewals *r); /* NULL is fine */
