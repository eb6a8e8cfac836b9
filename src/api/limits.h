/* limits.h - how often a workspace may create Assemblies, and anybody may read one's status (api.md
 * 3). Thread-safe. */
#pragma once
#include "base/err.h"

#include <stdint.h>

struct limits;
/* 0: no limit. too_many: the code of refused creations, whose HTTP status clients disagree about.
 */
struct limits *limits_new(int64_t creations_a_minute, int64_t reads_a_second,
                          enum err_code too_many);
void limits_free(struct limits *l);
/* Counts one. Errors: ERR_RATE or what too_many was; ERR_STATUS_RATE. err->retry_s says when again.
 */
MUST_CHECK int limits_create(struct limits *l, const char *workspace, struct err *err);
MUST_CHECK int limits_read(struct limits *l, const char *assembly_id, struct err *err);
