/* cdn_sign.h - who may ask by URL: the signature of a Smart CDN address (api-resources.md 6). Thread-safe. */
#pragma once
#include "api/cdn_address.h"
#include "api/keys.h"

#include <stdint.h>

/* workspace_id, workspace_name: whose Template it is. needed: an address that is not signed is refused. One that is
 * must be right whether it is needed or not. Errors: ERR_NO_SIGNATURE, ERR_NO_AUTH_KEY, ERR_NO_EXPIRES,
 * ERR_INVALID_EXPIRES, ERR_UNKNOWN_KEY (also one of another workspace), ERR_INVALID_SIGNATURE, ERR_SCOPE,
 * ERR_CDN_EXPIRED. */
MUST_CHECK int cdn_sign_check(const struct cdn_address *a, struct keys *keys, const char *workspace_id,
                              const char *workspace_name, bool needed, int64_t now_us, struct err *err);
