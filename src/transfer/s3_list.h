/* s3_list.h - what ListObjectsV2 answers, read as it comes. The other side is not trusted: bytes,
 * keys, depth and texts have limits, and a DTD ends it. In workcell-transfer only. */
#pragma once
#include "base/err.h"
#include "base/json.h"

#define S3_LIST_BYTES                                                                              \
    ((int64_t)8                                                                                    \
     << 20) /* 1000 keys of 1024 bytes, each byte written as three, and what is said of each */
#define S3_LIST_KEYS 1000 /* what S3 gives at most */
#define S3_LIST_TEXT 4096 /* bytes of a key or a token as it is written */
#define S3_LIST_DEPTH 8

struct s3_list;
struct s3_list *s3_list_new(void);
void s3_list_free(struct s3_list *l);
DEFINE_AUTO(struct s3_list *, s3_list_free)
void s3_list_restart(struct s3_list *l); /* of another answer, from its first byte */
/* Errors: ERR_INPUT, with what is wrong. */
MUST_CHECK int s3_list_add(struct s3_list *l, const char *data, size_t len, struct err *err);
/* keys: texts, in their order, decoded. next: the token of the page behind, NULL when there is
 * none; lent. */
MUST_CHECK int s3_list_end(struct s3_list *l, json_t **keys, const char **next, struct err *err);
