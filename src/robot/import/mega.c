/* /mega/import: fetch files out of a bucket of MEGA S4. */
#include "transfer/s3_robot.h"

S3_TABLE(mega, import, S3_IMPORT_ROWS(s3_regional_rows))
const struct robot robot_import_mega = {
    .role = ROLE_TRANSFER, S3_IMPORT(mega, "MEGA S4", S3_AWS), IMPORT_PRICE};
