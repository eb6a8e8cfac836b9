/* /cloudflare/import: fetch files out of a bucket of Cloudflare R2. */
#include "transfer/s3_robot.h"

S3_TABLE(cloudflare, import, S3_IMPORT_ROWS(s3_plain_rows))
const struct robot robot_import_cloudflare = {
    .role = ROLE_TRANSFER, S3_IMPORT(cloudflare, "Cloudflare R2", S3_PLAIN), IMPORT_PRICE};
