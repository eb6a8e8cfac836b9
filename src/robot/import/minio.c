/* /minio/import: fetch files out of a bucket of a MinIO server. */
#include "transfer/s3_robot.h"

S3_TABLE(minio, import, S3_IMPORT_ROWS(s3_plain_rows))
const struct robot robot_import_minio = {
    .role = ROLE_TRANSFER, S3_IMPORT(minio, "MinIO", S3_PLAIN), IMPORT_PRICE};
