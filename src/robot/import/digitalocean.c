/* /digitalocean/import: fetch files out of a Space of DigitalOcean. */
#include "transfer/s3_robot.h"

S3_TABLE(digitalocean, import, S3_IMPORT_ROWS(s3_space_rows))
const struct robot robot_import_digitalocean = {
    .role = ROLE_TRANSFER,
    S3_IMPORT(digitalocean, "DigitalOcean Spaces", S3_SPACE),
    IMPORT_PRICE};
