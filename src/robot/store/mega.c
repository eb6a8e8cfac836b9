/* /mega/store: put files into a bucket of MEGA S4. */
#include "transfer/s3_robot.h"

S3_TABLE(mega, store, S3_STORE_ROWS(s3_regional_rows), S3_GROUP(s3_acl_rows))
const struct robot robot_store_mega = {
    .role = ROLE_TRANSFER, S3_STORE(mega, "MEGA S4", S3_AWS), S3_STORE_PRICE};
