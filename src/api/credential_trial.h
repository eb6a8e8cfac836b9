/* credential_trial.h - stored credentials tried on the other side, by a Robot of theirs in a worker of its own. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "base/secret.h"

struct credential_bench {
    const char *program_dir, *without; /* see worker/trial.h */
    const json_t *settings, *keys;     /* that jobs are told */
    const char *renewed;               /* see store/renewed.h; */
    const struct seal_key *seal;       /* what is there is sealed with it */
    const _Atomic(bool) *stop;         /* see worker/trial.h; may be NULL */
};
#define CREDENTIAL_TRIAL_S 60 /* it takes at most so long */

/* Blocks. What has to be renewed first is, as for a job. *out: {works, robot, code, message, duration_ms}; message
 * says in words what was done, or what failed, in which case code is its code. The caller unrefs. Errors:
 * ERR_CREDENTIALS (of this type none can be tried), what keeps a worker from starting. */
MUST_CHECK int credential_try(json_t **out, const struct credential_bench *b, const char *workspace, const char *name,
                              const char *type, const json_t *content, struct err *err);

/* For the API: each on a thread of its own, one of a workspace and few of all at a time. */
struct credential_trials;
struct credential_trials *credential_trials_new(const struct credential_bench *b); /* what is in b is lent */
/* No new ones; those that run are ended, and have answered when it returns. */
void credential_trials_stop(struct credential_trials *t);
void credential_trials_free(struct credential_trials *t); /* NULL is fine; after the stop */
/* done(ctx) with what credential_try() found, on another thread; result is lent, and NULL with err. Errors:
 * ERR_RATE_429, ERR_IO; done is not called then. */
MUST_CHECK int credential_trials_post(struct credential_trials *t, const char *workspace, const char *name,
                                      const char *type, json_t *content,
                                      void (*done)(void *ctx, json_t *result, const struct err *err), void *ctx,
                                      struct err *err);
