/* mask.h - params without what must not be shown (api-status.md `params`): auth.key and secrets inside steps become
 * "****", auth.secret is removed. Pure. */
#pragma once
#include "base/json.h"

/* In place, on a copy that the caller made. */
void instructions_mask(json_t *params);
/* As text; the caller frees. */
char *instructions_masked(const json_t *params);
