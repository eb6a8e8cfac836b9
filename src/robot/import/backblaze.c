/* /backblaze/import: fetch files out of a bucket of Backblaze B2. */
#include "transfer/s3_robot.h"

S3_TABLE(backblaze, import, S3_IMPORT_PLACE(s3_app_key_rows), S3_GROUP(s3_import_rows),
         S3_GROUP(s3_start_rows))
const struct robot robot_import_backblaze = {
    .role = ROLE_TRANSFER, S3_IMPORT(backblaze, "Backblaze B2", S3_APP_KEY), IMPORT_PRICE};
