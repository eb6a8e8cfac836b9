/* auth.h - who sends a request, and what they may (api.md section 2). */
#pragma once
#include "api/keys.h"
#include "base/err.h"
#include "base/json.h"

struct app;
struct http_request;

enum auth_need {
    AUTH_NONE,   /* the address is the permission, or the handler asks by itself */
    AUTH_CREATE, /* key needed; signature if demanded or given. Expiry is looked at before the signature */
    AUTH_SIGNED, /* key and signature always; the signature is looked at first */
    AUTH_CANCEL, /* the address is the permission, unless the setting cancel_requires_auth
                  * says otherwise: auth_cancel() */
};

/* What a request shows of who sent it; all but params may be NULL, that one too with a bearer token. */
struct auth_request {
    const char *params; /* the exact bytes received */
    size_t params_len;
    const char *signature, *referer, *authorization;
};

struct auth {
    struct auth_key *key;
    char *scopes;               /* of the bearer token, which may have fewer than its key; NULL: none was used */
    int64_t max_size, max_files; /* 0: none */
    struct template_use *template; /* AUTH_CREATE: what params.template_id names; NULL: nothing... */
    struct err template_err;       /* ...and why not; code 0: it was not asked for */
};
void auth_done(struct auth *a);

/* Check in the order of api.md 2.4. *params: parsed, the caller's, also set when a later check failed; *out is to be
 * done with auth_done() whatever this returns. scope: "assemblies:write"... */
MUST_CHECK int auth_check(struct auth *out, json_t **params, struct app *app, enum auth_need need,
                          const struct auth_request *r, const char *scope, struct err *err);
/* After auth_check(), whatever it said: the log names the key that the request names. */
void auth_name_key(struct http_request *req, const struct auth *a, const json_t *params);
/* For DELETE /assemblies/{id}: -1 with ERR_SCOPE when a known key with a right signature, or a valid bearer token,
 * lacks the scope, or when cancel_requires_auth demands what is not there. Anything else is ignored
 * (api-assemblies.md 3). *workspace: the one whose Assemblies it may cancel, the caller's to free; NULL: any. */
MUST_CHECK int auth_cancel(char **workspace, struct app *app, const struct auth_request *r, struct err *err);
/* May who sent this do it? */
bool auth_allows(const struct auth *a, const char *scope);
