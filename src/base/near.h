/* near.h - "did you mean ...?": of the names that exist, the one that a mistyped name is closest to.
 *
 *     struct near near = near_to(typed);
 *     for (each name) near_try(&near, name);
 *     if (near.name) ...
 */
#pragma once
#include "base/err.h"

struct near {
    const char *typed;
    const char *name; /* the closest so far that is close enough; NULL: none. Lent */
    int distance;
};

/* typed: any text, also NULL or very long, which nothing is near to. Letters' case and - for _ count little. */
struct near near_to(const char *typed);
void near_try(struct near *n, const char *name);
/* Appends "; did you mean 'NAME'?" to err's message. before: in front of the name ("--"), or "". Returns -1. */
int near_say(struct err *err, const struct near *n, const char *before);
