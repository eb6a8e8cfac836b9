/* /video/thumbs: still pictures from a film, evenly spread, at given moments, or the best of many.
 */
#include "media/appeal.h"
#include "media/av/av.h"
#include "media/image_emit.h"
#include "robot/av_options.h"
#include "robot/choices.h"
#include "robot/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THUMBS = 999, MOST_CANDIDATES = 100, QUALITY = 92 };
/* That many moments in a row without a picture, and none before: there is none at all. */
enum { MOST_BLANK = 3 };
#define SHARE_OF_CHOICE 0.7 /* of the progress, when pictures are chosen first */

static const struct opt_choice formats[] = {
    {"jpeg", IMAGE_JPG}, {"jpg", IMAGE_JPG}, {"png", IMAGE_PNG}, {0}};
static const struct opt_choice turns[] = {{"0", 0},     {"90", 90}, {"180", 180},
                                          {"270", 270}, {"360", 0}, {0}};

struct thumbs_opts {
    int64_t count, width, height, smart_max_candidates;
    int format, resize_strategy, rotate; /* enum image_type; enum fit_strategy; degrees */
    bool smart;
    json_t *offsets, *output_meta;
    const char *background, *input_codec;
    struct av_opts av;
};
#define T struct thumbs_opts
static const struct option options[] = {
    OPT_INT(T, count, .min = 1, .max = MAX_THUMBS, .def = 8, .code = "INVALID_COUNT_VALUE",
            .help = "How many, evenly spread: 3 are taken at 25, 50 and 75 percent of the film."),
    OPT_JSON(T, offsets, .def_str = "[]", .example = "[1.5, 20]",
             .help = "Moments instead of a count: seconds, or percent (\"25%\"). Those that the "
                     "film does not have are left out."),
    OPT_ENUM(T, format, formats, .def = IMAGE_JPG,
             .help = "Format of the pictures; both jpeg and jpg give files ending in .jpg."),
    OPT_INT(T, width, .min = 1, .max = 1920, .unit = "px",
            .help = "Width. Left out: the film's, with square pixels."),
    OPT_INT(T, height, .min = 1, .max = 1080, .unit = "px",
            .help = "Height. Left out: the film's."),
    OPT_ENUM(T, resize_strategy, choices_fit, .def = FIT_PAD,
             .help = "What to do when the shapes differ."),
    OPT_STR(
        T, background, .def_str = "#00000000", .pattern = VALUE_RGBA, .example = "\"#ff0000ff\"",
        .help = "Colour of what pad adds, rrggbbaa. Films without transparency make it opaque."),
    OPT_ENUM(T, rotate, turns, .def = 0,
             .help = "Turn clockwise, after the turn that the film's header asks for."),
    OPT_STR(T, input_codec, .pattern = "^[A-Za-z0-9_.-]{1,40}$", .example = "\"h264\"",
            .help = "Decoder to use, by ffmpeg's name of it."),
    OPT_BOOL(
        T, smart,
        .help = "Take the best of many candidates: sharp, well lit, with faces. Not with offsets."),
    OPT_INT(T, smart_max_candidates, .min = 2, .max = MOST_CANDIDATES, .def = 20,
            .help = "How many candidates smart looks at, evenly spread."),
    OPT_GROUP(T, av, struct av_opts, av_options),
    OPT_JSON(T, output_meta, .nullable = true, .example = "false",
             .help = "Further keys of meta, or false for none."),
    OPT_END,
};

static int thumbs_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    struct err why;

    (void)partial; /* what is not known yet holds its default, which is right */
    if (value_offsets(NULL, MAX_THUMBS, o->offsets, 0, &why) < 0)
        return err_set(err, ERR_ROBOT_VALIDATION, "'offsets': %s", why.msg);
    return av_opts_check(&o->av, AV_STILL, err);
}

struct work {
    struct robot_job *job;
    const T *o;
    struct av *av;
    double length; /* s */
    struct media_limits limits;
    const char *chain; /* the client's filters; NULL: none */
    int emitted;
};

/* What libav can't make out is the fault of the file. */
static int bad_input(const struct work *w, struct err *err)
{
    struct err why = *err;

    if (why.code != ERR_COMMAND && why.code != ERR_INPUT)
        return -1;
    robot_fail(w->job, err, ERR_INPUT, "INVALID_INPUT", "%s", why.msg);
    memcpy(err->detail, why.detail, sizeof err->detail);
    return -1;
}

/* ---- which moments ---- */

/* thumb_offset tells whole seconds: where the pictures are further apart than that, a key frame of
 * the same second will do. */
static struct av_moment moment(double at, double apart)
{
    return apart >= 2 ? (struct av_moment){at, floor(at), floor(at) + 1}
                      : (struct av_moment){at, at, at};
}

struct candidate {
    double at, appeal;
};

static int by_appeal(const void *x, const void *y)
{
    double a = ((const struct candidate *)x)->appeal, b = ((const struct candidate *)y)->appeal;

    return (a < b) - (a > b);
}

static int by_time(const void *x, const void *y)
{
    double a = ((const struct av_moment *)x)->at, b = ((const struct av_moment *)y)->at;

    return (a > b) - (a < b);
}

/* Evenly spread candidates, of each stretch the key frame if it has one; the best are taken. */
static int choose(struct av_moment *out, struct work *w, struct err *err)
{
    int n = (int)(w->o->smart_max_candidates > w->o->count ? w->o->smart_max_candidates
                                                           : w->o->count),
        found = 0;
    double at[MAX_THUMBS], half = w->length / (n + 1) / 2;
    struct candidate c[MAX_THUMBS];
    bool blank = false;

    value_moments(at, n, w->length);
    for (int i = 0; i < n; i++) {
        AUTO(image_free) struct image *img = NULL;
        double t;
        int rc = av_picture(&img, &t, w->av, &(struct av_moment){at[i], at[i] - half, at[i] + half},
                            err);

        blank |= rc < 0;
        if (rc < 0 && (err->code != ERR_COMMAND || (!found && i + 1 >= MOST_BLANK)))
            return -1;
        if (rc <= 0)
            continue;
        c[found].at = t;
        if (image_appeal(&c[found++].appeal, img, err) < 0)
            return -1;
        robot_progress(w->job, SHARE_OF_CHOICE * (i + 1) / n);
    }
    if (!found && blank)
        return -1;
    qsort(c, (size_t)found, sizeof *c, by_appeal);
    n = found < w->o->count ? found : (int)w->o->count;
    for (int i = 0; i < n; i++)
        out[i] = (struct av_moment){c[i].at, c[i].at, c[i].at};
    qsort(out, (size_t)n, sizeof *out, by_time);
    return n;
}

static int moments(struct av_moment *out, struct work *w, struct err *err)
{
    bool given = json_array_size(w->o->offsets) > 0;
    double at[MAX_THUMBS];
    int n;

    if (w->o->smart && !given)
        return choose(out, w, err);
    n = given ? value_offsets(at, MAX_THUMBS, w->o->offsets, w->length, err)
              : value_moments(at, (int)w->o->count, w->length);
    for (int i = 0; i < n; i++)
        out[i] = moment(at[i], given ? 0 : w->length / (double)(w->o->count + 1));
    return n;
}

/* ---- one picture ---- */

static int shape(struct image *img, const struct work *w, struct err *err)
{
    const T *o = w->o;
    struct color bg = value_rgba(o->background);

    if (o->format == IMAGE_JPG && image_has_alpha(img) && image_flatten(img, bg, err) < 0)
        return -1;
    if (!image_has_alpha(img))
        bg.a = 255;
    if (image_rotate(img, o->rotate, bg, err) < 0)
        return -1;
    struct fit f = fit_plan((enum fit_strategy)o->resize_strategy, image_width(img),
                            image_height(img), o->width, o->height, true, GRAVITY_CENTER);
    if ((double)f.scaled_w * (double)f.scaled_h > (double)w->limits.max_pixels)
        return err_set(err, ERR_COMMAND,
                       "the picture would have %lldx%lld pixels, the limit is %lld in all (setting "
                       "max_pixels)",
                       (long long)f.scaled_w, (long long)f.scaled_h,
                       (long long)w->limits.max_pixels);
    return image_scale(img, f.scaled_w, f.scaled_h, false, err) < 0 ||
                   image_crop(img, &f.cut, err) < 0 ||
                   image_pad(img, f.pad_x, f.pad_y, f.out_w, f.out_h, bg, err) < 0
               ? -1
               : 0;
}

/* ffmpeg's scale of 2 (good) to 31 as a quality of 1 to 100. */
static int quality(const struct work *w)
{
    const char *q = av_opt(&w->o->av, robot_arena(w->job), "q:v");

    if (!q)
        q = av_opt(&w->o->av, robot_arena(w->job), "qscale:v");
    return q ? (int)fmax(1, fmin(100, 103 - 3 * strtod(q, NULL))) : QUALITY;
}

static int emit(struct work *w, struct image **img, double at, double told, double upto,
                struct err *err)
{
    const T *o = w->o;
    struct image_emit how = {
        .asked = o->format,
        .save = {.format = image_type_name((enum image_type)o->format), .quality = quality(w)},
        .output_meta = o->output_meta,
        .told = told,
        .upto = upto};

    if (shape(*img, w, err) < 0 || (w->chain && av_filter(img, w->chain, at, &w->limits, err) < 0))
        return -1;
    how.meta = json_pack("{s:i,s:I}", "thumb_index", w->emitted++, "thumb_offset", (json_int_t)at);
    return image_emit(w->job, *img, &how, err);
}

/* The client's filters as one chain; NULL: none. */
static const char *filters(const struct work *w)
{
    static const char *const names[][2] = {
        {"vf", ""}, {"filter:v", ""}, {"s", "scale"}, {"s:v", "scale"}, {"pix_fmt", "format"}};
    struct arena *a = robot_arena(w->job);
    const char *chain = NULL;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *v = av_opt(&w->o->av, a, names[i][0]);

        if (v)
            chain = arena_printf(a, "%s%s%s%s%s", chain ? chain : "", chain ? "," : "", names[i][1],
                                 *names[i][1] ? "=" : "", v);
    }
    return chain;
}

static int each(struct work *w, const struct av_moment *m, int n, double told, struct err *err)
{
    bool blank = false;

    for (int i = 0; i < n; i++) {
        AUTO(image_free) struct image *img = NULL;
        double t, from = told + (1 - told) * i / n, upto = told + (1 - told) * (i + 1) / n;
        int rc = av_picture(&img, &t, w->av, &m[i], err);

        blank |= rc < 0;
        if (rc < 0 && (err->code != ERR_COMMAND || (!w->emitted && i + 1 >= MOST_BLANK)))
            return bad_input(w, err);
        if (rc > 0 && emit(w, &img, m[i].at, from, upto, err) < 0)
            return -1;
        robot_progress(w->job, upto);
    }
    return blank && !w->emitted ? bad_input(w, err) : 0;
}

static int thumbs_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const struct robot_input *in = robot_input(job, 0);
    AUTO(av_close) struct av *av = NULL;
    struct work w = {.job = job, .o = o, .limits = media_limits(robot_settings(job))};
    struct av_moment at[MAX_THUMBS];
    int n;

    if (av_open(&av, in->path, &(struct av_open){.limits = w.limits, .decoder = o->input_codec},
                err) < 0)
        return bad_input(&w, err);
    if (!av_info(av)->has_video)
        return robot_fail(job, err, ERR_INPUT, "INVALID_INPUT", "'%s' has no pictures", in->name);
    w.av = av;
    w.length = av_info(av)->duration_s;
    if (av_info(av)->video_s > 0 && av_info(av)->video_s < w.length)
        w.length = av_info(av)->video_s;
    w.length = fmax(w.length, 0.001); /* a single frame */
    w.chain = filters(&w);
    if ((n = moments(at, &w, err)) < 0)
        return bad_input(&w, err);
    return each(&w, at, n, o->smart && !json_array_size(o->offsets) ? SHARE_OF_CHOICE : 0, err);
}

const struct robot robot_video_thumbs = {
    .name = "/video/thumbs",
    .summary = "Take still pictures from a film",
    .accepts = "video/",
    .nothing = "the film has no picture at any of the moments asked for",
    .role = ROLE_MEDIA,
    .price_factor = 10,
    .slots = 15,
    .opts_size = sizeof(T),
    .options = options,
    .check = thumbs_check,
    .run = IN_WORKER(thumbs_run),
};
