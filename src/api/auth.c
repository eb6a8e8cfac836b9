/* Who may do what (api.md section 2). */
#include "api/auth.h"
#include "api/app.h"
#include "api/bearer.h"
#include "api/keys.h"
#include "api/scopes.h"
#include "api/template_use.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pattern.h"
#include "config.h"
#include "http/server.h"

#include <string.h>

#define MAX_JSON_DEPTH 200
#define MAX_AUTH_BYTES (16 * 1024) /* of `auth`, before anybody knows whose it is */
#define MAX_AUTH_VALUES 1000

bool auth_allows(const struct auth *a, const char *scope)
{
    return scopes_have(a->key->scopes, scope) && (!a->scopes || scopes_have(a->scopes, scope));
}

void auth_done(struct auth *a)
{
    auth_key_unref(a->key);
    free(a->scopes);
    template_use_free(a->template);
    *a = (struct auth){0};
}

static int check_expires(const json_t *auth, bool needed, struct err *err)
{
    const json_t *v = json_object_get(auth, "expires");
    int64_t at;

    if (!v)
        return needed ? err_set(err, ERR_NO_EXPIRES, "The params hold no auth.expires") : 0;
    if (!json_is_string(v) || date_parse(&at, json_string_value(v)) < 0)
        return err_set(err, ERR_INVALID_EXPIRES, "auth.expires can't be read as a date");
    if (at < clock_now_us())
        return err_set(err, ERR_AUTH_EXPIRED, "auth.expires has passed");
    return 0;
}

static int check_limit(int64_t *out, const json_t *auth, const char *name, int64_t min,
                       enum err_code code, struct err *err)
{
    const json_t *v = json_object_get(auth, name);
    const char *s = json_string_value(v);
    char *end;

    *out = 0;
    if (!v || json_is_null(v))
        return 0;
    if (json_is_integer(v))
        *out = json_integer_value(v);
    else if (s && *s >= '0' && *s <= '9' && (*out = strtoll(s, &end, 10), !*end))
        ;
    else
        return err_set(err, code, "auth.%s must be a whole number", name);
    return *out < min ? err_set(err, code, "auth.%s must be at least %d", name, (int)min) : 0;
}

static int check_referer(const json_t *auth, const char *referer, struct err *err)
{
    const json_t *v = json_object_get(auth, "referer");

    if (!v || json_is_null(v))
        return 0;
    if (json_is_string(v))
        switch (pattern_search(json_string_value(v), json_string_length(v), referer, referer ? strlen(referer) : 0)) {
        case PATTERN_MATCHES: return 0;
        case PATTERN_DIFFERS: return err_set(err, ERR_REFERER, "The Referer header does not match auth.referer");
        case PATTERN_REFUSED: break;
        }
    return err_set(
        err, ERR_INVALID_REFERER,
        "auth.referer is no regular expression, or one with back references, looking around or too many repetitions");
}

/* The request's auth counts; a Template that may not be overridden keeps its own limits as well. */
static int check_limits(struct auth *out, const json_t *auth, const char *referer, struct err *err)
{
    const json_t *theirs = out->template ? json_object_get(out->template->content, "auth") : NULL;
    bool final = out->template && template_is_final(out->template);
    int64_t size = 0, files = 0;

    if (check_limit(&out->max_size, auth, "max_size", 0, ERR_INVALID_MAX_SIZE, err) < 0 ||
        check_limit(&out->max_files, auth, "max_number_of_files", 1, ERR_INVALID_MAX_FILES, err) < 0 ||
        check_limit(&size, theirs, "max_size", 0, ERR_INVALID_MAX_SIZE, err) < 0 ||
        check_limit(&files, theirs, "max_number_of_files", 1, ERR_INVALID_MAX_FILES, err) < 0 ||
        check_referer(auth, referer, err) < 0)
        return -1;
    if (size && (!out->max_size || (final && size < out->max_size)))
        out->max_size = size;
    if (files && (!out->max_files || (final && files < out->max_files)))
        out->max_files = files;
    const json_t *mine = json_object_get(auth, "referer");
    return mine && !json_is_null(mine) && !final ? 0 : check_referer(theirs, referer, err);
}

/* Nobody knows yet whose they are: only what says so is made into values, and little of that. */
static int look_at_params(json_t **params, const struct app *app, const struct auth_request *r, struct err *err)
{
    static const char *const names[] = {"auth", "template_id", NULL};
    const struct json_bounds most = {MAX_JSON_DEPTH, MAX_AUTH_VALUES, (size_t)app->config->max_params_values};

    if (!r->params)
        return err_set(err, ERR_NO_PARAMS, "The request has no params field");
    if (!(*params = json_look(r->params, r->params_len, names, MAX_AUTH_BYTES, &most, err)))
        return -1;
    return json_is_object(*params) ? 0 : err_set(err, ERR_NO_OBJECT_PARAMS, "The params are JSON, but not an object");
}

/* All of them, once it is known who sent them. */
static int parse_params(json_t **params, struct app *app, const struct auth_request *r, struct err *err)
{
    const struct json_bounds most = {.depth = MAX_JSON_DEPTH, .values = (size_t)app->config->max_params_values};
    json_t *all;

    if (!r->params)
        return 0;
    if (!(all = json_parse_within(r->params, r->params_len, &most, err)))
        return -1;
    json_decref(*params);
    *params = all;
    return 0;
}

static int find_key(struct auth *out, const json_t **auth, json_t **params, struct app *app,
                    const struct auth_request *r, struct err *err)
{
    const json_t *k;

    if (look_at_params(params, app, r, err) < 0)
        return -1;
    if (!(*auth = json_object_get(*params, "auth")))
        return err_set(err, ERR_NO_AUTH, "The params hold no auth");
    if (!json_is_object(*auth))
        return err_set(err, ERR_NO_OBJECT_AUTH, "The auth in the params is not an object");
    k = json_object_get(*auth, "key");
    if (!k || json_is_null(k) || (json_is_string(k) && !json_string_length(k)))
        return err_set(err, ERR_NO_AUTH_KEY, "The params hold no auth.key");
    if (!json_is_string(k))
        return err_set(err, ERR_INVALID_AUTH_KEY, "auth.key is not a text");
    if (!(out->key = keys_find(app->keys, json_string_value(k))))
        return err_set(err, ERR_UNKNOWN_KEY, "There is no such Auth Key");
    return 0;
}

/* A token says who it is; params may be absent, or lack auth, but must not say otherwise. */
static int find_by_token(struct auth *out, const json_t **auth, json_t **params, struct app *app,
                         const struct auth_request *r, struct err *err)
{
    const json_t *k;

    if (token_check(out, app, bearer_of(r->authorization), err) < 0)
        return -1;
    if (!r->params)
        *params = json_object();
    else if (look_at_params(params, app, r, err) < 0)
        return -1;
    *auth = json_object_get(*params, "auth");
    if (*auth && !json_is_null(*auth) && !json_is_object(*auth))
        return err_set(err, ERR_NO_OBJECT_AUTH, "The auth in the params is not an object");
    k = json_object_get(*auth, "key");
    if (k && !json_is_null(k) && (!json_is_string(k) || strcmp(json_string_value(k), out->key->key)))
        return err_set(err, ERR_BEARER_MISMATCH, "The bearer token was made with another Auth Key than auth.key");
    return 0;
}

static int check_signature(const struct auth *a, const json_t *auth, enum auth_need need, bool must_sign,
                           const struct auth_request *r, struct err *err)
{
    if (need == AUTH_SIGNED && !r->signature)
        return err_set(err, ERR_NO_SIGNATURE, "The request has no signature");
    if (check_expires(auth, must_sign, err) < 0)
        return -1;
    if (must_sign && !r->signature)
        return err_set(err, ERR_NO_SIGNATURE, "The request has no signature");
    if (r->signature && !signature_ok(r->signature, a->key->secret, r->params, r->params_len))
        return err_set(err, ERR_INVALID_SIGNATURE, "The signature does not match the params");
    return 0;
}

int auth_check(struct auth *out, json_t **params, struct app *app, enum auth_need need,
               const struct auth_request *r, const char *scope, struct err *err)
{
    const json_t *auth = NULL;
    bool token = bearer_of(r->authorization) != NULL;

    *out = (struct auth){0};
    *params = NULL;
    if ((token ? find_by_token : find_key)(out, &auth, params, app, r, err) < 0)
        return -1;
    const json_t *name = need == AUTH_CREATE ? json_object_get(*params, "template_id") : NULL;
    if (name && !json_is_null(name) && !(json_is_string(name) && !json_string_length(name)) &&
        template_load(&out->template, app, out->key->workspace, json_string_value(name), &out->template_err) < 0)
        out->template = NULL; /* said when its turn comes */
    bool must_sign = need == AUTH_SIGNED || app->config->require_signature || out->key->require_signature ||
                     (out->template && out->template->require_signature) || r->signature;
    if (token ? check_expires(auth, false, err) < 0 : check_signature(out, auth, need, must_sign, r, err) < 0)
        return -1;
    if (scope && !auth_allows(out, scope))
        return err_set(err, ERR_SCOPE, "The %s lacks the scope %s", token ? "bearer token" : "Auth Key", scope);
    return check_limits(out, auth, r->referer, err) < 0 ? -1 : parse_params(params, app, r, err);
}

void auth_name_key(struct http_request *req, const struct auth *a, const json_t *params)
{
    const char *key = a->key ? a->key->key : jstr(json_object_get(params, "auth"), "key");

    if (key)
        http_set_key(req, key);
}

int auth_cancel(char **workspace, struct app *app, const struct auth_request *r, struct err *err)
{
    AUTO(json_unref) json_t *params = NULL;
    struct auth a = {0};
    const json_t *auth = NULL;
    struct err why;
    int rc = 0;
    bool valid = bearer_of(r->authorization)
                     ? token_check(&a, app, bearer_of(r->authorization), &why) == 0
                     : r->params && r->signature && find_key(&a, &auth, &params, app, r, &why) == 0 &&
                           check_signature(&a, auth, AUTH_SIGNED, true, r, &why) == 0;

    if (valid && !auth_allows(&a, "assemblies:write"))
        rc = err_set(err, ERR_SCOPE, "The Auth Key lacks the scope assemblies:write");
    else if (!valid && app->config->cancel_requires_auth)
        rc = err_set(err, ERR_SERVER_401, "This server wants a signed request to cancel");
    *workspace = rc == 0 && app->config->cancel_requires_auth ? mem_strdup(a.key->workspace) : NULL;
    auth_done(&a);
    return rc;
}
