/* credentials.h - what stored credentials hold, by type, and how a Robot gets them (api-resources.md 2). Pure. */
#pragma once
#include "base/json.h"
#include "robot/robot.h"

struct credential_type {
    const char *name;
    const char *required; /* keys, space-separated; '|' between sets of which one must be complete. NULL: not checked */
    const char *optional; /* keys that are known too */
    bool bound;           /* for Robots alone whose record names it (struct robot, credentials); else for any */
    const char *renamed;  /* "key=parameter ...": where a Robot calls it otherwise; NULL: nowhere */
    const char *renewer;  /* Robot that renews tokens by a `refresh_token` of theirs, which works once; NULL: none */
};
extern const struct credential_type credential_types[]; /* name NULL at the end */

bool credential_type_exists(const char *type);
/* The Robot that has to get a token before anybody can use content (store/renewed.h). NULL: it is used as it is. */
const struct robot *credential_renewer(const char *type, const json_t *content);
/* Is content complete for this type? Errors: code, with what is missing. */
MUST_CHECK int credential_check(const char *type, const json_t *content, enum err_code code, struct err *err);
/* Is every key of content one of the type's, or a parameter of a Robot that takes such credentials? Errors: code,
 * naming the first that is not. Types that are not checked know every key. */
MUST_CHECK int credential_check_keys(const char *type, const json_t *content, enum err_code code, struct err *err);
#define CREDENTIAL_TYPE_MAX 64
/* Where stored credentials are read: content (an object, the caller's) and type of those with this name. */
struct credential_source {
    int (*find)(void *ctx, json_t **content, char type[static CREDENTIAL_TYPE_MAX], const char *name, struct err *err);
    void *ctx;
};

/* Put content into a job's params, which win, in the place of `credentials`. A Robot gets the parameters that it has.
 * Errors: ERR_CREDENTIALS (of a type that the Robot can't use). */
MUST_CHECK int credential_inject(json_t *params, const struct robot *robot, const char *name, const char *type,
                                 const json_t *content, struct err *err);
