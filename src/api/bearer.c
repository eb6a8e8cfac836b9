/* Bearer tokens: made, and read again. */
#include "api/bearer.h"
#include "api/app.h"
#include "api/auth.h"
#include "api/keys.h"
#include "base/clock.h"
#include "base/id.h"

#include <string.h>
#include <strings.h>

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

char *token_make(const struct auth_key *k, const char *scope, const char *aud)
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

    if (!dot || strlen(token) > TOKEN_MOST)
        return err_set(err, ERR_BEARER_INVALID, "The bearer token is not one of this server's");
    AUTO(json_unref) json_t *body = payload_of(token, (size_t)(dot - token));
    AUTO(auth_key_unref) struct auth_key *k = jstr(body, "sub") ? keys_find_id(app->keys, jstr(body, "sub")) : NULL;
    AUTO(mem_free) char *signature = mem_printf("sha256:%s", dot + 1);
    AUTO(mem_free) char *text = to_sign(token, (size_t)(dot - token));
    if (!k || !jstr(body, "scope") || !signature_ok(signature, k->secret, text, strlen(text)))
        return err_set(err, ERR_BEARER_INVALID,
                       "The bearer token is not one of this server's, or its Auth Key is gone");
    if (jint(body, "exp", 0) * SECOND_US <= clock_now_us())
        return err_set(err, ERR_BEARER_EXPIRED, "The bearer token has expired");
    out->key = take(k);
    out->scopes = mem_strdup(jstr(body, "scope"));
    return 0;
}
