/* ai_options.h - the half of ai.h that the daemon has as well: which services there are, and the
 * settings that name one.
 */
#pragma once
#include "base/err.h"
#include "base/json.h"

struct ai_service {
    const char *name;  /* of --endpoint, ai_key and ai_model; NULL at the end */
    const char *words; /* in messages */
    bool chat;         /* its model is that of "ai", when it has none of its own */
    bool of_its_own;   /* its interface is another one: "ai" can't stand in for it */
};
extern const struct ai_service ai_services[];
const struct ai_service *ai_service_find(const char *name); /* NULL: there is none */

/* A setting "NAME=VALUE" separated by commas, as {NAME: VALUE}. NULL with err (ERR_CONFIG), which
 * never repeats a value. The caller unrefs. */
json_t *ai_named_read(const char *setting, const char *text, struct err *err);
