/* secret.h - HMAC for signatures, and sealing of stored credentials (AES-256-GCM, api-resources.md).
 * The key file holds 32 random bytes as hex, mode 0600, outside the database. */
#pragma once
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum hmac_alg { HMAC_ALG_SHA1, HMAC_ALG_SHA256, HMAC_ALG_SHA384, HMAC_ALG_SHA512 };

/* Lower-case hex of the HMAC; out holds 2 * 64 + 1 bytes. Returns the number of hex digits. */
size_t hmac_hex(char out[static 129], enum hmac_alg alg, const char *key, const void *data,
                size_t len);
/* Is signature ("sha384:...", "sha256:...", "sha1:...", "sha512:...", or 40 bare digits) right for data?
 * Constant time in the digits; prefix and digits in any case. */
bool signature_ok(const char *signature, const char *secret, const void *data, size_t len);

struct seal_key {
    unsigned char bytes[32];
};
/* Read the key file, or make it when it is missing. */
MUST_CHECK int seal_key_load(struct seal_key *out, const char *path, struct err *err);
/* 1: read. 0: there is no such file. */
MUST_CHECK int seal_key_read(struct seal_key *out, const char *path, struct err *err);
/* A new key in a new file (an old one under that name is replaced); durable when this returns. */
MUST_CHECK int seal_key_make(struct seal_key *out, const char *path, struct err *err);
/* from takes the place of path, durably. */
MUST_CHECK int seal_key_replace(const char *from, const char *path, struct err *err);
/* Tells keys apart and says nothing about their bytes: 32 hex digits. */
void seal_key_name(char out[static 33], const struct seal_key *k);
/* base64(version, nonce, ciphertext, tag). context (e.g. "workspace/name") is authenticated, not stored.
 * The caller frees. */
char *seal(const struct seal_key *k, const char *context, const char *plain);
/* Errors: ERR_CREDENTIALS when key or context is another or the text was changed. Caller frees *out. */
MUST_CHECK int unseal(char **out, const struct seal_key *k, const char *context, const char *sealed,
                      struct err *err);
