/* builtin.h - Templates that the server brings along, for every workspace and read-only: "builtin/NAME@VERSION", or
 * "@latest" for the highest version there is. Pure. */
#pragma once
#include "base/json.h"

struct builtin {
    const char *id; /* "builtin/encode-hls-video@0.0.1" */
    const char *base, *version, *description;
    bool require_signature;
    const char *content; /* JSON */
};
/* The nth that this server can run, having all of its Robots; latest: of each base the highest version alone. NULL:
 * there is none. */
const struct builtin *builtin_at(int n, bool latest);
/* By id, also with @latest. NULL: there is none, or no Robot for it. */
const struct builtin *builtin_find(const char *id);
/* Its content, the caller's. */
json_t *builtin_content(const struct builtin *b);
