/* variables.h - ${...} in step parameters (api-instructions.md 4). Plain lookups (a.b[0].c) are done here. What is
 * more than that is JavaScript: variables_ask() says which expressions these are, a script worker evaluates them, and
 * variables_apply() takes their values. No program of a client's runs in here. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "robot/option.h"

/* What a lookup may see; objects are lent. */
struct variables {
    const char *assembly_id, *region, *parent_id;
    const char *unique_prefix, *unique_original_prefix; /* NULL without a file */
    const char *previous_step;                          /* NULL without a file */
    const json_t *file; /* id, name, basename, ext, size, mime, meta ...; NULL without a file */
    const json_t *fields;
    const json_t
        *values; /* array: of what variables_ask() told for the same parameters and variables; NULL: there are none */
};

/* A deep copy of params with every ${...} replaced; keys, `robot`, `use`, `interpolate`, `result`, what `interpolate`
 * switches off and literal rows of the Robot's table (NULL: there is none) that it does not switch on stay. A
 * parameter that is exactly one ${...} takes the value's own type, and is left out when the value is undefined or
 * null. Errors: ERR_ROBOT_VALIDATION, without a Robot's name. */
MUST_CHECK int variables_apply(json_t **out, const json_t *params, const struct option *table,
                               const struct variables *v, struct err *err);
/* The expressions of the same walk that need the engine, in its order: array of {code, text}; text: it stands between
 * other text. NULL: none does. The caller unrefs. */
json_t *variables_ask(const json_t *params, const struct option *table, const struct variables *v);
/* All that an expression may see: {assembly, file, fields ...}. The caller unrefs. */
json_t *variables_json(const struct variables *v);

/* Slug of api-instructions.md 4.3: "a b.jpg" -> "a-b.jpg". The caller frees. */
char *variables_slug(const char *basename, const char *ext);
