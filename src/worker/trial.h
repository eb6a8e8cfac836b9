/* trial.h - a worker program asked for one thing, outside the pool: what it finds on this machine, or whether a Robot
 * gets on with the other side. It does that behind the same walls as a job. Blocks; on any thread. */
#pragma once
#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>

struct trial {
    const char *program_dir; /* where the programs workcell-ROLE lie */
    const char *without;     /* walls that are done without: walls.h */
    const _Atomic(bool) *stop; /* becomes true: it is ended; may be NULL */
    bool leaves;             /* at that stop it is left to itself, and ends what it has begun */
    char dir[64];            /* in/ and out/ for what it does; "" before trial_open() */
};
MUST_CHECK int trial_open(struct trial *t, struct err *err);
void trial_close(struct trial t);
DEFINE_AUTO(struct trial, trial_close)

/* What `PROGRAM FLAG DIR [robot]` says to input (role.h), an object. program: a name, or a path that begins with a
 * slash. robot and input may be NULL. NULL: err; nothing of
 * it runs any more. The caller unrefs. */
json_t *trial_ask(const struct trial *t, const char *program, const char *flag, const char *robot, const json_t *input,
                  int timeout_s, struct err *err);
