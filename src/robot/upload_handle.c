/* /upload/handle: an upload becomes a file: type and meta are found out. */
#include "media/probe.h"
#include "robot/robot.h"

#include <string.h>

struct upload_opts {
    char none; /* no parameters of its own */
};

static const struct option options[] = {OPT_END};

static int upload_run(struct robot_job *job, const void *opts, struct err *err)
{
    for (int i = 0; i < robot_input_count(job); i++) {
        const struct robot_input *in = robot_input(job, i);
        const struct probe_want want = {.limits = media_limits(robot_settings(job))};
        char mime[MIME_LEN], ext[16];
        json_t *meta = NULL;

        if (probe_file(&meta, mime, ext, in->path, in->name, &want, err) < 0)
            return -1;
        if (robot_emit_same(job, i, meta, err) < 0)
            return -1;
    }
    return 0;
}

const struct robot robot_upload_handle = {
    .name = "/upload/handle",
    .summary = "Receive uploads",
    .validation_code = "ROBOT_VALIDATION_BASE_ERROR",
    .role = ROLE_MEDIA,
    .price_factor = 10,
    .opts_size = sizeof(struct upload_opts),
    .options = options,
    .run = IN_WORKER(upload_run),
};
