/* template_use.h - what an Assembly makes of a Template (api-instructions.md 3). */
#pragma once
#include "base/err.h"
#include "base/json.h"

#include <stdint.h>

struct app;
struct seal_key;
struct store_template;

/* A Template as an Assembly uses it. */
struct template_use {
    char id[33]; /* or that of one which is built in */
    char *name;
    json_t *content; /* an object */
    bool require_signature;
    int64_t modified_us;
};
void template_use_free(struct template_use *t);

/* Sealed in the store: steps may hold keys and passwords. The caller frees what any of them gives; template_open()
 * gives NULL and err when key or row is not right, template_unseal() its text as it was sealed. */
char *template_seal(const struct seal_key *key, const char *id, const json_t *content);
json_t *template_open(const struct seal_key *key, const struct store_template *row, struct err *err);
MUST_CHECK int template_unseal(char **text, const struct seal_key *key, const struct store_template *row,
                               struct err *err);

/* Errors: ERR_TEMPLATE_VALIDATION. */
MUST_CHECK int template_check_name(const char *name, struct err *err);
/* By id or name, or one that is built in (builtin.h). Errors: ERR_TEMPLATE_NOT_FOUND, ERR_TEMPLATE_DB. */
MUST_CHECK int template_load(struct template_use **out, struct app *app, const char *workspace,
                             const char *id_or_name, struct err *err);
/* Do the Template's own words forbid that the request changes its steps? */
bool template_is_final(const struct template_use *t);
/* over laid over base: objects key by key, lists member by member, anything else replaced; a new reference. */
json_t *params_merge(json_t *base, json_t *over);
/* *merged: params over the Template. Errors: ERR_TEMPLATE_DENIES. */
MUST_CHECK int template_merge(json_t **merged, const struct template_use *t, const json_t *params, struct err *err);
