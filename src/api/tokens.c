/* POST /token and what it gives out (api.md 2.5). A token is signed with the secret of the Auth Key that it was made
 * with: it needs no row, survives a restart, and dies with its key. */
#include "api/app.h"
#include "api/fields.h"
#include "base/clock.h"
#include "base/id.h"

#include <string.h>
#include <strings.h>

#define TOKEN_LIFE_S 21600
#define TOKENS_PER_MINUTE 120
#define MAX_TOKEN 4096

static char *base64url(const char *s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct str b = {0};
    unsigned bits = 0, have = 0;

    for (; *s; s++) {
        bits = bits << 8 | (unsigned char)*s;
        for (have += 8; have >= 6; have -= 6)
            str_putc(&b, digits[bits >> (have - 6) & 63]);
    }
    if (have)
        str_putc(&b, digits[bits << (6 - have) & 63]);
    return str_take(&b);
}

/* Begins with words that no params begin with: a signature of params can't pass for a token's. */
static char *to_sign(const char *payload, size_t len) { return mem_printf("bearer token %.*s", (int)len, payload); }

static char *token_make(const struct auth_key *k, const char *scope, const char *aud)
{
    char id[ID_LEN + 1];
    int64_t now_s = clock_now_us() / SECOND_US;

    id_new(id);
    AUTO(json_unref) json_t *body =
        json_pack("{s:s,s:s,s:o,s:I,s:I,s:s}", "sub", k->id, "scope", scope, "aud", jstring(aud), "iat",
                  (json_int_t)now_s, "exp", (json_int_t)(now_s + TOKEN_LIFE_S), "jti", id);
    AUTO(mem_free) char *text = json_text(body);
    AUTO(mem_free) char *payload = base64url(text);
    AUTO(mem_free) char *signed_text = to_sign(payload, strlen(payload));
    char mac[129];

    hmac_hex(mac, HMAC_ALG_SHA256, k->secret, signed_text, strlen(signed_text));
    return mem_printf("%s.%s", payload, mac);
}

const char *bearer_of(const char *authorization)
{
    if (!authorization || strncasecmp(authorization, "Bearer", 6) || (authorization[6] && authorization[6] != ' '))
        return NULL;
    for (authorization += 6; *authorization == ' ';)
        authorization++;
    return authorization;
}

static json_t *payload_of(const char *token, size_t len)
{
    AUTO(mem_free) char *text = mem_strndup(token, len);
    AUTO(mem_free) char *raw = mem_alloc(len + 4);
    struct err err;

    for (char *c = text; *c; c++)
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    ptrdiff_t n = base64_decode((unsigned char *)raw, text, len);
    return n < 0 ? NULL : json_parse(raw, (size_t)n, 4, &err);
}

int token_check(struct auth *out, struct app *app, const char *token, struct err *err)
{
    const char *dot = strchr(token, '.');

    if (!dot || strlen(token) > MAX_TOKEN)
        return err_set(err, ERR_BEARER_INVALID, "The bearer token is not one of this server's");
    AUTO(json_unref) json_t *body = payload_of(token, (size_t)(dot - token));
    AUTO(auth_key_unref) struct auth_key *k = jstr(body, "sub") ? keys_find_id(app->keys, jstr(body, "sub")) : NULL;
    AUTO(mem_free) char *signature = mem_printf("sha256:%s", dot + 1);
    AUTO(mem_free) char *text = to_sign(token, (size_t)(dot - token));
    if (!k || !jstr(body, "scope") || !signature_ok(signature, k->secret, text, strlen(text)))
        return err_set(err, ERR_BEARER_INVALID, "The bearer token is not one of this server's, or its Auth Key is gone");
    if (jint(body, "exp", 0) * SECOND_US <= clock_now_us())
        return err_set(err, ERR_BEARER_EXPIRED, "The bearer token has expired");
    out->key = take(k);
    out->scopes = mem_strdup(jstr(body, "scope"));
    return 0;
}

/* ---- POST /token ---- */

/* Authorization: Basic base64(key ":" secret). NULL: none that can be read. */
static char *basic_of(const char *authorization)
{
    if (!authorization || strncasecmp(authorization, "Basic ", 6) || strlen(authorization) > MAX_TOKEN)
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
        return err_set(err, ERR_TOKEN_CREDENTIALS, "The request has no Authorization: Basic with an Auth Key and its secret");
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
        AUTO(json_unref) json_t *extra = err.code == ERR_TOKEN_RATE ? json_pack("{s:{s:i}}", "info", "retryIn", 60) : NULL;

        str_done(body);
        reply_error(req, &err, extra);
    } else {
        reply_json(req, 200, str_take(&body));
    }
    return HTTP_ANSWERED;
}

const struct http_handler token_create = {fields_request_begin, fields_request_body, token_end, fields_request_done};
