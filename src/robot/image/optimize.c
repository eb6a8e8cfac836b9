/* /image/optimize: the same picture in fewer bytes. */
#include "media/shrink.h"

struct optimize_opts {
    int priority; /* enum */
    bool progressive, preserve_meta_data, fix_breaking_images, lossy;
};

enum { FOR_SPEED, FOR_RATIO };
static const struct opt_choice priorities[] = {
    {"compression-ratio", FOR_RATIO}, {"conversion-speed", FOR_SPEED}, {0}};

static const struct option options[] = {
    OPT_ENUM(struct optimize_opts, priority, priorities, .def = FOR_SPEED,
             .help = "Whether the last percent is worth many times the work."),
    OPT_BOOL(struct optimize_opts, progressive,
             .help = "Interlace the result, where that is not larger than the file was."),
    OPT_BOOL(
        struct optimize_opts, preserve_meta_data, .def = true,
        .help =
            "Keep EXIF, XMP, IPTC and comments. Colour profile and orientation stay in any case."),
    OPT_BOOL(struct optimize_opts, fix_breaking_images, .def = true,
             .help = "Mend what is broken around a picture; what can't be mended passes unchanged, "
                     "instead of failing."),
    OPT_BOOL(struct optimize_opts, lossy,
             .help = "Let a palette of at most 256 colours compete for PNG."),
    OPT_END,
};

static int optimize_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct optimize_opts *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    const struct shrink how = {
        .limits = media_limits(robot_settings(job)),
        .progressive = o->progressive,
        .keep_meta = o->preserve_meta_data,
        .lossy = o->lossy,
        .thorough = o->priority == FOR_RATIO,
        .mend = o->fix_breaking_images,
    };
    const char *smaller;

    if (in->size == 0)
        return err_set(err, ERR_INPUT, "the file '%s' is empty", in->name);
    if (shrink_file(&smaller, job, in->path, &how, err) < 0)
        return -1;
    if (!smaller)
        return robot_emit_same(job, 0, NULL, err);
    return robot_emit(
        job, &(struct robot_output){.path = smaller, .mime = in->mime, .ext = in->ext}, err);
}

const struct robot robot_image_optimize = {
    .name = "/image/optimize",
    .summary = "Shrink images without changing what they show",
    .accepts = "image/",
    .role = ROLE_MEDIA,
    .passes_input = true,
    .price_factor = 1,
    .opts_size = sizeof(struct optimize_opts),
    .slots = 5,
    .options = options,
    .run = IN_WORKER(optimize_run),
};
