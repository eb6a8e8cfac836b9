/* /wasabi/import: fetch files out of a bucket of Wasabi. */
#include "transfer/s3_robot.h"

S3_TABLE(wasabi, import, S3_IMPORT_ROWS(s3_regional_rows))
const struct robot robot_import_wasabi = {
    .role = ROLE_TRANSFER, S3_IMPORT(wasabi, "Wasabi", S3_AWS), IMPORT_PRICE};
