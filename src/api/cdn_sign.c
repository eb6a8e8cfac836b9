#include "api/cdn_sign.h"
#include "api/scopes.h"
#include "base/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MOST 15 /* of milliseconds: until the year 33658 */

/* exp is in milliseconds, as JavaScript has it. */
static int cdn_expires_us(int64_t *out, const char *exp, struct err *err)
{
    size_t n = strspn(exp, "0123456789");

    if (!n || exp[n] || n > DIGITS_MOST)
        return err_set(err, ERR_INVALID_EXPIRES, "exp is not a number of milliseconds since 1970");
    *out = strtoll(exp, NULL, 10) * 1000;
    return 0;
}

static bool cdn_signature_is(const struct cdn_address *a, const char *workspace, const char *secret, bool as_it_came)
{
    AUTO(mem_free) char *text = cdn_address_signed(a, workspace, as_it_came);

    return signature_ok(a->sig, secret, text, strlen(text));
}

/* A Host has no capitals, so what was signed may have them where the address has none. */
static bool is_right(const struct cdn_address *a, const char *name, const char *secret)
{
    bool other = strcmp(a->workspace, name) != 0;

    if (!str_starts(a->sig, "sha256:")) /* others are not the contract's */
        return false;
    return cdn_signature_is(a, a->workspace, secret, true) || cdn_signature_is(a, a->workspace, secret, false) ||
           (other && (cdn_signature_is(a, name, secret, true) || cdn_signature_is(a, name, secret, false)));
}

int cdn_sign_check(const struct cdn_address *a, struct keys *keys, const char *workspace_id, const char *workspace_name,
                   bool needed, int64_t now_us, struct err *err)
{
    int64_t until_us = 0;

    if (!a->sig) /* half of a signature: somebody took the rest away */
        return needed || a->auth_key || a->exp ? err_set(err, ERR_NO_SIGNATURE, "The address is not signed") : 0;
    if (!a->auth_key)
        return err_set(err, ERR_NO_AUTH_KEY, "The address is signed, but has no auth_key");
    if (!a->exp)
        return err_set(err, ERR_NO_EXPIRES, "The address is signed, but has no exp");
    if (cdn_expires_us(&until_us, a->exp, err) < 0)
        return -1;
    AUTO(auth_key_unref) struct auth_key *key = keys_find(keys, a->auth_key);
    if (!key || strcmp(key->workspace, workspace_id) != 0)
        return err_set(err, ERR_UNKNOWN_KEY, "There is no such Auth Key");
    if (!is_right(a, workspace_name, key->secret))
        return err_set(err, ERR_INVALID_SIGNATURE, "The signature does not match the address");
    if (until_us < now_us)
        return err_set(err, ERR_CDN_EXPIRED, "The address has expired");
    if (!scopes_have(key->scopes, "assemblies:write"))
        return err_set(err, ERR_SCOPE, "The Auth Key lacks the scope assemblies:write");
    return 0;
}
