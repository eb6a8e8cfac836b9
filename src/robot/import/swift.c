/* /swift/import: fetch files out of a container of OpenStack Swift through its S3 interface. */
#include "transfer/s3_robot.h"

S3_TABLE(swift, import, S3_IMPORT_ROWS(s3_regional_rows))
const struct robot robot_import_swift = {
    .role = ROLE_TRANSFER, S3_IMPORT(swift, "OpenStack Swift", S3_PLAIN), IMPORT_PRICE};
