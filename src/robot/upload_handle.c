/* /upload/handle: what every upload goes through. The host's probe does the work (worker/host.c), for uploads
 * and for the files of imports alike; this is the row that instructions are checked against. */
#include "robot/robot.h"

static const struct option options[] = {OPT_END};

const struct robot robot_upload_handle = {
    .name = "/upload/handle",
    .summary = "Receive uploads and read their metadata",
    .role = ROLE_MEDIA,
    .flags = ROBOT_HANDLES_UPLOADS,
    .price_factor = 10,
    .opts_size = 1,
    .options = options,
};
