/* piece.h - what the bytes of a piece of a file add up to before they are sent: each service wants sums of its own, and
 * all read alike. Any thread. In workcell-transfer only. */
#pragma once
#include "transfer/remote.h"

#include <openssl/evp.h>

/* Each block of the piece to fn, in their order. Errors: our own disk's; ERR_INPUT: the file is shorter. */
MUST_CHECK int piece_read(const struct remote_file *f, int64_t offset, int64_t length,
                          void (*fn)(void *ctx, const void *data, size_t len), void *ctx, struct err *err);

#define PIECE_SUMS_MAX 2
struct piece_sum {
    const char *digest; /* as OpenSSL names it: "MD5" */
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned len;
};
/* These n digests of the piece, by reading it once; none: nothing is read. whole: one that goes on over it; or NULL. */
MUST_CHECK int piece_sums(struct piece_sum *sums, int n, const struct remote_file *f, int64_t offset, int64_t length,
                          EVP_MD_CTX *whole, struct err *err);

static inline void md_free(EVP_MD_CTX *m) { EVP_MD_CTX_free(m); }
DEFINE_AUTO(EVP_MD_CTX *, md_free)
