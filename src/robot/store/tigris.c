/* /tigris/store: put files into a bucket of Tigris. */
#include "transfer/s3_robot.h"

S3_TABLE(tigris, store, S3_STORE_ROWS(s3_regional_rows), S3_GROUP(s3_acl_rows))
const struct robot robot_store_tigris = {
    .role = ROLE_TRANSFER, S3_STORE(tigris, "Tigris", S3_AWS), S3_STORE_PRICE};
