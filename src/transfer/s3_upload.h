/* s3_upload.h - a file into a bucket, in one request or, when it is large, in parts; taking back
 * parts that a killed run left; and where the file can be read then. In workcell-transfer only. */
#pragma once
#include "transfer/remote.h"
#include "transfer/s3.h"

/* How an object is to be. Checked: value_header_map(), value_text_map(). */
struct s3_object {
    json_t *headers, *tags; /* maps; NULL: none */
    const char *acl;        /* NULL: as the bucket says */
    bool check_integrity;   /* send Content-MD5 */
};
/* The headers of it, into an empty list; they live as long as the job. */
void s3_headers(struct sigv4_pair list[static S3_CALL_HEADERS_MAX], struct s3_bucket *b,
                const struct s3_object *o);

/* Tells progress, and announces what would have to be taken back. file->meta gets version_id in a
 * bucket with versions. */
MUST_CHECK int s3_upload(struct s3_bucket *b, struct remote_file *file,
                         const struct s3_object *object, struct err *err);
/* token: as s3_upload() announced it; b must be the bucket that it names. kept: the object was made to the end, and
 * stays. */
MUST_CHECK int s3_upload_undo(bool *kept, struct s3_bucket *b, const json_t *token, struct err *err);

/* prefix: what the addresses begin with, {bucket} and {region} replaced; S3_URL_PREFIX, or none: as
 * the service has them. */
void s3_urls(struct str *url, struct str *ssl_url, const struct s3_bucket *b, const char *prefix,
             const char *key);
/* An address by which anybody may read it for so many seconds. The caller frees. */
char *s3_signed_url(const struct s3_bucket *b, const char *scheme, const char *key, int64_t good_for_s);
/* {signed_url, signed_ssl_url}, good for so many seconds. The caller unrefs. */
json_t *s3_signed_urls(const struct s3_bucket *b, const char *key, int64_t good_for_s);

/* Put, get and delete a small object. */
MUST_CHECK int s3_trial(struct s3_bucket *b, struct err *err);
