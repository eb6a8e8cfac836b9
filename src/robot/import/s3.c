/* /s3/import: fetch files out of a bucket of Amazon S3 or of a server that speaks like it. */
#include "transfer/s3_robot.h"

S3_TABLE(s3, import, S3_IMPORT_ROWS(s3_aws_beyond_rows), S3_GROUP(s3_range_rows))
const struct robot robot_import_s3 = {.role = ROLE_TRANSFER,
                                      S3_IMPORT(s3, "Amazon S3 or a compatible service", S3_AWS),
                                      .price_factor = 10,
                                      .slots = 10};
