/* /digitalocean/store: put files into a Space of DigitalOcean. */
#include "transfer/s3_robot.h"

S3_TABLE(digitalocean, store, S3_STORE_ROWS(s3_space_rows), S3_GROUP(s3_acl_rows),
         S3_GROUP(s3_space_url_rows))
const struct robot robot_store_digitalocean = {
    .role = ROLE_TRANSFER,
    S3_STORE(digitalocean, "DigitalOcean Spaces", S3_SPACE),
    .codes = "ACCESS_DENIED",
    S3_STORE_PRICE};
