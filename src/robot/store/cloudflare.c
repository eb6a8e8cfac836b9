/* /cloudflare/store: put files into a bucket of Cloudflare R2, which knows no ACLs. */
#include "transfer/s3_robot.h"

S3_TABLE(cloudflare, store, S3_STORE_ROWS(s3_plain_rows), S3_GROUP(s3_public_url_rows))
const struct robot robot_store_cloudflare = {
    .role = ROLE_TRANSFER, S3_STORE(cloudflare, "Cloudflare R2", S3_PLAIN), S3_STORE_PRICE};
