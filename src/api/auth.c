/* Who may do what (api.md section 2). */
#include "api/app.h"
#include "base/clock.h"
#include "base/log.h"

#include <regex.h>
#include <string.h>

#define MAX_JSON_DEPTH 200

const char *const auth_scopes[] = {"assemblies:read", "assemblies:write", "auth_keys:read", "auth_keys:write",
                                   "bills:read", "queues:read", "template_credentials:read",
                                   "template_credentials:write", "templates:read", "templates:write", NULL};

bool auth_has_scope(const struct auth_key *k, const char *scope)
{
    size_t n = strlen(scope);

    if (!strcmp(k->scopes, "*"))
        return true;
    for (const char *s = k->scopes; (s = strstr(s, scope)); s += n)
        if ((s == k->scopes || s[-1] == ' ') && (!s[n] || s[n] == ' '))
            return true;
    return false;
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
    regex_t re;

    if (!v || json_is_null(v))
        return 0;
    if (!json_is_string(v) || strlen(json_string_value(v)) > 1000 ||
        regcomp(&re, json_string_value(v), REG_EXTENDED | REG_NOSUB))
        return err_set(err, ERR_INVALID_REFERER, "auth.referer is no regular expression");
    int miss = referer ? regexec(&re, referer, 0, NULL, 0) : 0;
    regfree(&re);
    return miss ? err_set(err, ERR_REFERER, "The Referer header does not match auth.referer") : 0;
}

static int find_key(const struct auth_key **key, const json_t **auth, json_t **params, struct app *app,
                    const char *text, size_t len, struct err *err)
{
    const json_t *k;

    if (!text)
        return err_set(err, ERR_NO_PARAMS, "The request has no params field");
    if (!(*params = json_parse(text, len, MAX_JSON_DEPTH, err)))
        return -1;
    if (!json_is_object(*params))
        return err_set(err, ERR_NO_OBJECT_PARAMS, "The params are JSON, but not an object");
    if (!(*auth = json_object_get(*params, "auth")))
        return err_set(err, ERR_NO_AUTH, "The params hold no auth");
    if (!json_is_object(*auth))
        return err_set(err, ERR_NO_OBJECT_AUTH, "The auth in the params is not an object");
    k = json_object_get(*auth, "key");
    if (!k || json_is_null(k) || (json_is_string(k) && !json_string_length(k)))
        return err_set(err, ERR_NO_AUTH_KEY, "The params hold no auth.key");
    if (!json_is_string(k))
        return err_set(err, ERR_INVALID_AUTH_KEY, "auth.key is not a text");
    if (!(*key = map_get(&app->keys, json_string_value(k))))
        return err_set(err, ERR_UNKNOWN_KEY, "There is no such Auth Key");
    return 0;
}

int auth_check(struct auth *out, json_t **params, struct app *app, enum auth_need need, const char *text,
               size_t len, const char *signature, const char *referer, const char *scope, struct err *err)
{
    const json_t *auth = NULL;
    bool must_sign = need == AUTH_SIGNED || app->config->require_signature || signature;

    *params = NULL;
    if (find_key(&out->key, &auth, params, app, text, len, err) < 0)
        return -1;
    if (need == AUTH_SIGNED && !signature)
        return err_set(err, ERR_NO_SIGNATURE, "The request has no signature");
    if (check_expires(auth, must_sign, err) < 0)
        return -1;
    if (must_sign && !signature)
        return err_set(err, ERR_NO_SIGNATURE, "The request has no signature");
    if (signature && !signature_ok(signature, out->key->secret, text, len))
        return err_set(err, ERR_INVALID_SIGNATURE, "The signature does not match the params");
    if (scope && !auth_has_scope(out->key, scope))
        return err_set(err, ERR_SCOPE, "The Auth Key lacks the scope %s", scope);
    if (check_limit(&out->max_size, auth, "max_size", 0, ERR_INVALID_MAX_SIZE, err) < 0 ||
        check_limit(&out->max_files, auth, "max_number_of_files", 1, ERR_INVALID_MAX_FILES, err) < 0 ||
        check_referer(auth, referer, err) < 0)
        return -1;
    return 0;
}

int auth_cancel(struct app *app, const char *text, size_t len, const char *signature, struct err *err)
{
    AUTO(json_unref) json_t *params = NULL;
    const struct auth_key *key = NULL;
    const json_t *auth = NULL;
    struct err why;
    bool valid = text && signature && find_key(&key, &auth, &params, app, text, len, &why) == 0 &&
                 check_expires(auth, true, &why) == 0 && signature_ok(signature, key->secret, text, len);

    if (valid && !auth_has_scope(key, "assemblies:write"))
        return err_set(err, ERR_SCOPE, "The Auth Key lacks the scope assemblies:write");
    if (!valid && app->config->cancel_requires_auth)
        return err_set(err, ERR_SERVER_401, "This server wants a signed request to cancel");
    return 0;
}
