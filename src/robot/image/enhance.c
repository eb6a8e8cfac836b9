/* /image/enhance: photographs made better by arithmetic. */
#include "base/filetype.h"
#include "media/image_emit.h"
#include "media/image_enhance.h"

struct enhance_opts {
    const char *imagemagick_stack;
    int enhance, preset; /* enum image_auto, image_grade */
    int ai_preset;
    double sharpen, denoise;
    int64_t quality;
    json_t *output_meta; /* shared by all Robots, but here we make the meta ourselves */
};
#define T struct enhance_opts
static const struct opt_choice enhancements[] = {{"auto", AUTO_USUAL},
                                                 {"auto_gentle", AUTO_GENTLE},
                                                 {"auto_aggressive", AUTO_AGGRESSIVE},
                                                 {"none", AUTO_NONE},
                                                 {0}};
static const struct opt_choice enhance_grades[] = {{"none", GRADE_NONE},
                                                   {"warm", GRADE_WARM},
                                                   {"cool", GRADE_COOL},
                                                   {"vintage", GRADE_VINTAGE},
                                                   {"vivid", GRADE_VIVID},
                                                   {"matte", GRADE_MATTE},
                                                   {"cinematic", GRADE_CINEMATIC},
                                                   {"golden_hour", GRADE_GOLDEN_HOUR},
                                                   {"bw_dramatic", GRADE_BW_DRAMATIC},
                                                   {"bw_classic", GRADE_BW_CLASSIC},
                                                   {"noir", GRADE_NOIR},
                                                   {"fade", GRADE_FADE},
                                                   {"pastel", GRADE_PASTEL},
                                                   {"teal_orange", GRADE_TEAL_ORANGE},
                                                   {0}};
static const struct opt_choice ai_presets[] = {{"restore", 0}, {"face_restore", 1}, {0}};

static const struct option options[] = {
    OPT_STR(T, imagemagick_stack, .def_str = "v3", .pattern = "^v?[23](\\.[0-9]+)?(\\.[0-9]+)?$",
            .example = "\"v2.0.10\"", .help = "Accepted and ignored."),
    OPT_ENUM(T, enhance, enhancements, .def = AUTO_USUAL,
             .help =
                 "How much the range of light is stretched, its middle moved and edges sharpened."),
    OPT_ENUM(T, preset, enhance_grades, .def = GRADE_NONE,
             .help = "Colour grade that is applied after that."),
    OPT_UNSUPPORTED("engine", .def_str = "\"classic\"",
                    .instead =
                        "it has no service that restores pictures, and 'classic' is all there is"),
    OPT_ENUM(T, ai_preset, ai_presets, .idle = "it belongs to the engine ai",
             .help = "Accepted and ignored, as it belongs to the engine ai."),
    OPT_NUM(T, sharpen, .min = 0, .max = 10, .help = "Sharpen so much more, 0 to 10."),
    OPT_NUM(T, denoise, .min = 0, .max = 10, .help = "Take noise out, 0 to 10. Edges stay."),
    OPT_INT(T, quality, .min = 1, .max = 100, .def = 92,
            .help = "Of the encoder, where the format has one."),
    OPT_JSON(T, output_meta, .nullable = true, .example = "false",
             .help = "Further keys of meta, or false for none."),
    OPT_END,
};

static int enhance_all(struct image *img, const T *o, struct err *err)
{
    bool gray = image_is_gray(img) && image_grade_is_gray((enum image_grade)o->preset);

    if (image_to_srgb(img, err) < 0 || image_render(img, err) < 0)
        return -1;
    if (image_auto_enhance(img, (enum image_auto)o->enhance, err) < 0 ||
        image_apply_grade(img, (enum image_grade)o->preset, err) < 0 ||
        image_denoise(img, o->denoise, err) < 0 || image_sharpen(img, o->sharpen, err) < 0)
        return -1;
    return gray ? image_to_space(img, SPACE_LUMA, err) : 0;
}

static int enhance_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    const struct image_load how = {.limits = media_limits(robot_settings(job)),
                                   .all_frames = true,
                                   .strict = true,
                                   .deep = true};
    AUTO(image_free) struct image *img = NULL;

    if (!in || in->size == 0)
        return robot_fail(job, err, ERR_INPUT, "NO_INPUT_FILE",
                          "there is no picture to work on%s%.100s%s", in ? ": '" : "",
                          in ? in->name : "", in ? "' is empty" : "");
    if (image_open(&img, in->path, &how, err) < 0)
        return -1;
    /* it keeps its format: what can't be written stays what it is */
    if (!image_can_write(image_format(img)) || image_is_raw(img))
        return robot_emit_same(job, 0, NULL, err);
    image_watch(img, image_tell_job, job, 0, 0.3);
    if (enhance_all(img, o, err) < 0)
        return -1;
    return image_emit(job, img,
                      &(struct image_emit){.output_meta = o->output_meta,
                                           .told = 0.3,
                                           .save = {.format = image_canonical(image_format(img)),
                                                    .quality = (int)o->quality}},
                      err);
}

const struct robot robot_image_enhance = {
    .name = "/image/enhance",
    .summary = "Improve photographs: light, colours, sharpness, noise",
    .accepts = filetype_pictures,
    .role = ROLE_MEDIA,
    .passes_input = true,
    .price_factor = 1,
    .opts_size = sizeof(T),
    .slots = 15,
    .options = options,
    .run = IN_WORKER(enhance_run),
};
