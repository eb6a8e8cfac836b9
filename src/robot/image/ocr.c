/* /image/ocr: what is written in a picture. */
#include "media/ocr.h"
#include "base/filetype.h"

struct image_ocr_opts {
    struct ocr_opts ocr;
};
#define T struct image_ocr_opts
static const struct option options[] = {
    OPT_GROUP(T, ocr, struct ocr_opts, ocr_options),
    OPT_END,
};

static int image_ocr_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const struct image_load how = {.limits = media_limits(robot_settings(job))};
    AUTO(image_free) struct image *img = NULL;
    AUTO(ocr_done) struct ocr found = {0};

    if (image_open(&img, robot_input(job, 0)->path, &how, err) < 0 ||
        image_autorotate(img, err) < 0)
        return -1;
    robot_progress(job, 0.1);
    if (ocr_read(&found, job, img, 0, 0, 1, err) < 0)
        return -1;
    return ocr_emit(job, &found, &o->ocr, err);
}

const struct robot robot_image_ocr = {
    .name = "/image/ocr",
    .summary = "Read what is written in a picture",
    .accepts = filetype_pictures,
    .role = ROLE_MEDIA,
    .passes_input = true,
    .price_factor = 1,
    .min_charge = 1048576,
    .slots = 10,
    .opts_size = sizeof(T),
    .options = options,
    .example = "{\"provider\": \"aws\"}",
    .run = IN_WORKER(image_ocr_run),
};
