/* lint.h - all that this server would say of Assembly Instructions, and what it does otherwise than the hosted service.
 * Pure: no I/O, no clock. */
#pragma once
#include "base/err.h"
#include "base/json.h"

enum finding_kind {
    FINDING_REFUSED, /* an Assembly with it fails at its creation */
    FINDING_DIFFERS, /* it runs, and does not do what the hosted service does */
};

struct finding {
    enum finding_kind kind;
    const char *step;  /* NULL: the instructions as a whole */
    const char *param; /* of the step; NULL: the step as a whole. A name that the step has, or that it lacks */
    bool at_name;      /* it is the name of the parameter that is wrong, not its value */
    const char *code;  /* the contract's, "" for FINDING_DIFFERS */
    const char *text;  /* for people */
};

#define LINT_MOST 100 /* who has so many mistakes mends some of them first */

/* found() is called for each of them; all is lent for the call. steps: as of instructions_parse(). Returns how many
 * would be refused; no more are looked for once there are LINT_MOST. */
int instructions_lint(json_t *steps, void (*found)(void *ctx, const struct finding *f), void *ctx);
