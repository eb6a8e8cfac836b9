/* bearer.h - bearer tokens (api.md 2.5). A token is signed with the secret of the Auth Key that it was made with: it
 * needs no row, survives a restart, and dies with its key. */
#pragma once
#include "api/auth.h"

#define TOKEN_LIFE_S 21600
#define TOKEN_MOST 4096 /* bytes of an Authorization header that is looked into */

/* The token of the header, NULL when it is of another kind. */
const char *bearer_of(const char *authorization);
/* Fills out->key and out->scopes. Errors: ERR_BEARER_INVALID, ERR_BEARER_EXPIRED. */
MUST_CHECK int token_check(struct auth *out, struct app *app, const char *token, struct err *err);
/* The caller frees. */
char *token_make(const struct auth_key *k, const char *scope, const char *aud);
