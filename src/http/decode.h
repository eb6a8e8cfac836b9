/* decode.h - undoes the Content-Encoding of an answer (RFC 9110 8.4) as its bytes arrive. Object stores and old servers
 * send one unasked, and what a client keeps is the file, not the form in which it travelled.
 *
 * Pure: bytes in, bytes out. Bounded: a few MB of memory whatever comes, and no more than RATIO_MAX times the bytes
 * that came once more than RATIO_FREE have gone out. How many bytes a file may have is the sink's to say. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DECODE_RATIO_MAX 200
#define DECODE_RATIO_FREE ((int64_t)100 << 20) /* bytes */

struct decoder;

typedef int (*decoder_sink)(void *ctx, const char *data, size_t len, struct err *err);

/* codings: value of the header: gzip, x-gzip, deflate, br, identity, at most three of them, applied in this order. *out
 * is NULL when there is nothing to undo, else the caller frees it. Errors: ERR_INPUT (a coding that is
 * not known here). */
MUST_CHECK int decoder_new(struct decoder **out, const char *codings, struct err *err);
void decoder_free(struct decoder *d); /* NULL is fine */

/* Would this be a compressed file by its own name or type, which old servers give a Content-Encoding as well
 * ("a.tar.gz" as x-gzip)? type: a Content-Type; names: of the file, the path of its address. Each may be NULL. */
bool decoder_is_archive(const char *type, const char *const *names, size_t count);
/* Decide by the bytes: when what comes out is gzip again, the coding was real; else the bytes stay as they came. Before
 * the first decoder_feed(); for anything but one layer of gzip it changes nothing. */
void decoder_keep_archive(struct decoder *d);

/* sink gets pieces of at most 64 KB, and may refuse. Errors: ERR_INPUT (not of this coding, or unpacks to far more than
 * came), or what sink said. */
MUST_CHECK int decoder_feed(struct decoder *d, const char *data, size_t len, decoder_sink sink, void *ctx,
                            struct err *err);
/* Everything has come. Errors: ERR_IO (it breaks off in the middle; worth a retry). */
MUST_CHECK int decoder_end(struct decoder *d, decoder_sink sink, void *ctx, struct err *err);
