/* /wasabi/store: put files into a bucket of Wasabi. */
#include "transfer/s3_robot.h"

S3_TABLE(wasabi, store, S3_STORE_ROWS(s3_regional_rows), S3_GROUP(s3_private_acl_rows))
const struct robot robot_store_wasabi = {
    .role = ROLE_TRANSFER, S3_STORE(wasabi, "Wasabi", S3_AWS), S3_STORE_PRICE};
