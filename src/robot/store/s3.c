/* /s3/store: put files into a bucket of Amazon S3 or of a server that speaks like it. */
#include "transfer/s3_robot.h"

S3_TABLE(s3, store, S3_STORE_ROWS(s3_aws_rows), S3_GROUP(s3_aws_store_rows))
const struct robot robot_store_s3 = {.role = ROLE_TRANSFER,
                                     S3_STORE(s3, "Amazon S3 or a compatible service", S3_AWS),
                                     .codes = "ACCESS_DENIED FAILURE",
                                     .price_factor = 10,
                                     .slots = 2};
