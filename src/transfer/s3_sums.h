/* s3_sums.h - are the bytes those that the store has? By what its answer says of them: an ETag that
 * is an MD5, and x-amz-checksum-... In workcell-transfer only. */
#pragma once
#include "http/client.h"

struct s3_sums;
/* Of a whole object's answer. */
struct s3_sums *s3_sums_new(const struct http_client_response *answer);
void s3_sums_free(struct s3_sums *s);
DEFINE_AUTO(struct s3_sums *, s3_sums_free)
void s3_sums_add(struct s3_sums *s, const char *data,
                 size_t len); /* all of them, in their order; NULL is fine */
/* NULL: they are. Else the header that says otherwise. */
const char *s3_sums_wrong(struct s3_sums *s);
