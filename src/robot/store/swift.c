/* /swift/store: put files into a container of OpenStack Swift through its S3 interface. */
#include "transfer/s3_robot.h"

S3_TABLE(swift, store, S3_STORE_ROWS(s3_regional_rows), S3_GROUP(s3_acl_rows))
const struct robot robot_store_swift = {
    .role = ROLE_TRANSFER, S3_STORE(swift, "OpenStack Swift", S3_PLAIN), S3_STORE_PRICE};
