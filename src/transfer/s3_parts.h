/* s3_parts.h - the parts of an upload, several under way at once. In workcell-transfer only. */
#pragma once
#include "transfer/remote.h"
#include "transfer/s3.h"

struct s3_parts {
    struct s3_bucket *bucket; /* that has been talked to: its region and its clock are known */
    const struct remote_file *file;
    const char *upload_id;
    bool wants_md5; /* each part goes with its MD5 */
};
/* All of them, each at most so large that they are not too many. list: how CompleteMultipartUpload
 * names them; count: how many they are. -1: one failed, none is under way any more; *code as
 * s3_call() says it. */
MUST_CHECK int s3_send_parts(struct str *list, int *count, const struct s3_parts *p,
                             char code[static 64], struct err *err);

/* Of a piece of a file; "": not wanted. */
struct s3_piece_sums {
    char sha256[65];
    char md5[25]; /* base64 */
};
/* What is going to be sent with it: what is signed over an open line, and the MD5 where it is
 * wanted. */
MUST_CHECK int s3_sum_piece(struct s3_piece_sums *out, const struct s3_bucket *b,
                            const struct remote_file *f, int64_t offset, int64_t length,
                            bool wants_md5, struct err *err);
