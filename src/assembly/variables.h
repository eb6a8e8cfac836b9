/* variables.h - ${...} in step parameters (api-instructions.md 4), by plain lookup: a.b[0].c.
 * An expression that needs JavaScript is refused with a message that says so. */
#pragma once
#include "base/err.h"
#include "base/json.h"

/* What a lookup may see; objects are lent. */
struct variables {
    const char *assembly_id, *region, *parent_id;
    const char *unique_prefix, *unique_original_prefix; /* NULL without a file */
    const char *previous_step;                          /* NULL without a file */
    const json_t *file;   /* id, name, basename, ext, size, mime, meta ...; NULL without a file */
    const json_t *fields;
};

/* A deep copy of params with every ${...} replaced; keys, `robot`, `use`, `interpolate`, `result` and
 * what `interpolate` switches off stay. A parameter that is exactly one ${...} takes the value's own
 * type, and is left out when the value is undefined or null.
 * Errors: ERR_ROBOT_VALIDATION, without a Robot's name. */
MUST_CHECK int variables_apply(json_t **out, const json_t *params, const struct variables *v,
                               struct err *err);

/* Slug of api-instructions.md 4.3: "a b.jpg" -> "a-b.jpg". The caller frees. */
char *variables_slug(const char *basename, const char *ext);
