/* /tigris/import: fetch files out of a bucket of Tigris. */
#include "transfer/s3_robot.h"

S3_TABLE(tigris, import, S3_IMPORT_ROWS(s3_regional_rows))
const struct robot robot_import_tigris = {
    .role = ROLE_TRANSFER, S3_IMPORT(tigris, "Tigris", S3_AWS), IMPORT_PRICE};
