/* /meta/read: another look into files whose meta is known already, for keys that nobody asked for
 * before. */
#include "media/probe.h"
#include "robot/robot.h"

struct read_opts {
    json_t *output_meta;
};
#define T struct read_opts
static const struct option options[] = {
    OPT_JSON(T, output_meta, .nullable = true, .example = "false",
             .help = "Further keys of meta, or false for none."),
    OPT_END,
};

static int read_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const struct probe_want want = {.limits = media_limits(robot_settings(job)),
                                    .output_meta = o->output_meta};

    for (int i = 0; i < robot_input_count(job); i++) {
        const struct robot_input *in = robot_input(job, i);
        char mime[MIME_LEN], ext[16];
        json_t *meta = NULL;

        if (probe_file(&meta, mime, ext, in->path, in->name, &want, err) < 0 ||
            robot_emit_same(job, i, meta, err) < 0)
            return -1;
        robot_progress(job, (i + 1.0) / robot_input_count(job));
    }
    return 0;
}

const struct robot robot_meta_read = {
    .name = "/meta/read",
    .summary = "Look into a file again for its meta",
    .role = ROLE_MEDIA,
    .passes_input = true,
    .slots = 15,
    .opts_size = sizeof(T),
    .options = options,
    .run = IN_WORKER(read_run),
};
