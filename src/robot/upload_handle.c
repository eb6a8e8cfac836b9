/* /upload/handle: the uploads themselves as a Step. The host has probed them before anything runs
 * here, so there is nothing left to do but to exist as a table. */
#include "robot/robot.h"

static const struct option options[] = {OPT_END};

static int upload_run(struct robot_job *job, const void *opts, struct err *err) { return 0; }

const struct robot robot_upload_handle = {
    .name = "/upload/handle",
    .summary = "Take in uploaded files",
    .validation_code = "UPLOAD_HANDLE_VALIDATION",
    .role = ROLE_MEDIA,
    .price_factor = 10,
    .options = options,
    .run = IN_WORKER(upload_run),
};
