/* POST /token: a bearer token for a key and its secret (api.md 2.5). */
#include "api/app.h"
#include "api/bearer.h"
#include "api/fields.h"
#include "api/keys.h"
#include "api/routes.h"
#include "api/scopes.h"
#include "base/clock.h"
#include "base/id.h"
#include "http/reply.h"

#include <string.h>
#include <strings.h>

#define TOKENS_PER_MINUTE 120

/* Authorization: Basic base64(key ":" secret). NULL: none that can be read. */
static char *basic_of(const char *authorization)
{
    if (!authorization || strncasecmp(authorization, "Basic ", 6) || strlen(authorization) > TOKEN_MOST)
        return NULL;
    while (*authorization && *authorization != ' ')
        authorization++;
    while (*authorization == ' ')
        authorization++;
    size_t len = strlen(authorization);
    char *text = mem_zalloc(len + 4);
    ptrdiff_t n = base64_decode((unsigned char *)text, authorization, len);
    if (n < 0 || memchr(text, 0, (size_t)n)) {
        free(text);
        return NULL;
    }
    text[n] = 0;
    return text;
}

static int find_pair(struct auth_key **out, struct http_request *req, struct err *err)
{
    AUTO(mem_free) char *pair = basic_of(http_header(req, "Authorization"));
    struct app *app = app_of(req);
    char *colon = pair ? strchr(pair, ':') : NULL;
    char want[129], got[129];

    if (!colon)
        return err_set(err, ERR_TOKEN_CREDENTIALS,
                       "The request has no Authorization: Basic with an Auth Key and its secret");
    *colon = 0;
    http_set_key(req, pair);
    AUTO(auth_key_unref) struct auth_key *k = keys_find(app->keys, pair);
    if (k) {
        /* as MACs: how much of a secret is right must not show in the time this takes */
        hmac_hex(want, HMAC_ALG_SHA256, k->secret, k->secret, strlen(k->secret));
        hmac_hex(got, HMAC_ALG_SHA256, k->secret, colon + 1, strlen(colon + 1));
    }
    if (!k || !*k->secret || strcmp(want, got))
        return err_set(err, ERR_TOKEN_CREDENTIALS, "The Auth Key or its secret is wrong");
    *out = take(k);
    return 0;
}

/* The scopes asked for, each once, space-joined; without any, all of the key's. */
static int grant(struct str *out, const struct auth_key *k, const char *asked, struct err *err)
{
    AUTO(mem_free) char *copy = mem_strdup(asked ? asked : "");
    char *rest = copy, *one;

    while ((one = strsep(&rest, ", \t\r\n"))) {
        if (!*one || (out->len && scopes_have(out->s, one)))
            continue;
        if (!scope_exists(one) || !scopes_have(k->scopes, one))
            return err_set(err, ERR_SCOPE, "The Auth Key lacks the scope %.60s", one);
        str_addf(out, "%s%s", out->len ? " " : "", one);
    }
    bool all = !out->len;
    for (const char *const *s = auth_scopes; all && *s; s++)
        if (scopes_have(k->scopes, *s))
            str_addf(out, "%s%s", out->len ? " " : "", *s);
    if (!out->s)
        str_puts(out, "");
    return 0;
}

static int make(struct str *body, struct http_request *req, struct fields *f, struct err *err)
{
    struct app *app = app_of(req);
    AUTO(auth_key_unref) struct auth_key *k = NULL;
    AUTO(str_done) struct str scopes = {0};
    const char *type;

    if (find_pair(&k, req, err) < 0)
        return -1;
    type = fields_end(f, err) < 0 ? NULL : jstr(f->others, "grant_type");
    if (!type || strcmp(type, "client_credentials"))
        return err_set(err, ERR_TOKEN_REQUEST, "The body must be a form with grant_type=client_credentials");
    if (grant(&scopes, k, jstr(f->others, "scope"), err) < 0)
        return -1;
    if (!keys_may_mint(app->keys, k, clock_mono_us(), TOKENS_PER_MINUTE))
        return err_set(err, ERR_TOKEN_RATE, "More than %d tokens in a minute", TOKENS_PER_MINUTE);
    AUTO(mem_free) char *token = token_make(k, scopes.s, jstr_or(f->others, "aud", "api2"));
    str_addf(body, "{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":%d,\"scope\":\"%s\"}", token,
             TOKEN_LIFE_S, scopes.s);
    return 0;
}

static enum http_next token_end(struct http_request *req)
{
    struct str body = {0};
    struct err err;

    if (make(&body, req, http_data(req), &err) < 0) {
        AUTO(json_unref)
        json_t *extra = err.code == ERR_TOKEN_RATE ? json_pack("{s:{s:i}}", "info", "retryIn", 60) : NULL;

        str_done(body);
        reply_error(req, &err, extra);
    } else {
        reply_json(req, 200, str_take(&body));
    }
    return HTTP_ANSWERED;
}

const struct http_handler token_create = {fields_request_begin, fields_request_body, token_end, fields_request_done};
