/* trial.h - a Robot's .trial for whatever it talks to: signs in, writes a probe, reads it back, lists, and removes it
 * again, and says which of these failed. For Robots in workcell-transfer only. */
#pragma once
#include "transfer/remote.h"

#define TRIAL_TEXT "workcell tried its credentials here\n"

/* Each gets ctx, and name, the probe's: a file of TRIAL_TEXT where the credentials lead to. NULL: the protocol has no
 * such. */
struct remote_trial {
    int (*write)(void *ctx, const char *name, struct err *err);
    int (*read)(void *ctx, struct str *text, const char *name, struct err *err);
    int (*list)(void *ctx, const char *name, struct err *err); /* or whatever shows that one may look around */
    int (*remove)(void *ctx, const char *name, struct err *err);
};
/* What was written is removed whatever else fails. */
MUST_CHECK int remote_try(struct robot_job *job, const struct remote_trial *t, void *ctx, struct err *err);
/* For write, of a store: the probe goes its usual way (it must not need more of the input than its bytes). */
MUST_CHECK int remote_put_probe(struct robot_job *job, const struct remote_protocol *p, void *ctx, const char *name,
                                struct err *err);
