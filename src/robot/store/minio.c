/* /minio/store: put files into a bucket of a MinIO server. */
#include "transfer/s3_robot.h"

S3_TABLE(minio, store, S3_STORE_ROWS(s3_plain_rows), S3_GROUP(s3_acl_rows))
const struct robot robot_store_minio = {
    .role = ROLE_TRANSFER, S3_STORE(minio, "MinIO", S3_PLAIN), S3_STORE_PRICE};
