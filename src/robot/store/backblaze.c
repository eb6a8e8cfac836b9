/* /backblaze/store: put files into a bucket of Backblaze B2. */
#include "transfer/s3_robot.h"

S3_TABLE(backblaze, store, S3_STORE_PLACE(s3_app_key_rows), S3_GROUP(s3_backblaze_rows))
const struct robot robot_store_backblaze = {.role = ROLE_TRANSFER,
                                            S3_STORE(backblaze, "Backblaze B2", S3_APP_KEY),
                                            .codes = "ACCESS_DENIED FAILURE",
                                            S3_STORE_PRICE};
