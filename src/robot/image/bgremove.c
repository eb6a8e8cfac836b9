/* /image/bgremove: what stands in front, cut out by a service that speaks as rembg's server does.
 */
#include "transfer/made.h"

struct bgremove_opts {
    const char *provider, *model;
};
#define T struct bgremove_opts
static const struct option options[] = {
    OPT_UNSUPPORTED("select", .def_str = "\"foreground\"", .example = "\"background\"",
                    .instead = "its service cuts out what stands in front"),
    OPT_UNSUPPORTED(
        "format", .def_str = "\"png\"", .example = "\"webp\"",
        .instead =
            "its service answers in PNG, and a later Step with /image/resize makes webp or gif of "
            "it"),
    OPT_STR(T, provider, .pattern = "^(auto|transloadit|replicate|fal)$", .example = "\"fal\"",
            .idle = "the operator's service does the work",
            .help = "Accepted and ignored: the operator's service does the work."),
    OPT_STR(T, model, .example = "\"u2net\"",
            .help = "Name that the service knows it by. Left out: its usual one."),
    OPT_END,
};

static int bgremove_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    AUTO(ai_done) struct ai a = {0};
    AUTO(made_done) struct made m = {0};
    bool named = str_given(o->model) && strcmp(o->model, "auto") != 0;
    const struct ai_part parts[] = {{.name = "file", .file = in},
                                    {.name = "model", .text = o->model}};

    if (ai_open(&a, job, "bgremove", NULL, err) < 0)
        return -1;
    if (in->size == 0)
        return err_set(err, ERR_INPUT, "the file '%s' is empty", in->name);
    if (made_open(&m, job, err) < 0 ||
        ai_call_to_fd(
            &a,
            &(struct ai_call){.path = "/api/remove", .parts = parts, .part_count = named ? 2 : 1},
            m.fd, made_most(job), (char[AI_MIME_MAX]){0}, err) < 0)
        return -1;
    return made_emit(&m, &a, &(struct made_emit){.what = MADE_PICTURE, .ext = "png"}, err);
}

const struct robot robot_image_bgremove = {
    .name = "/image/bgremove",
    .summary = "Cut out what stands in front",
    .accepts = "image/",
    .role = ROLE_TRANSFER,
    .keys = AI_KEYS,
    .price_factor = 1,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .run = IN_WORKER(bgremove_run),
};
