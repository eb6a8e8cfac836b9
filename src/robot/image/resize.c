/* /image/resize: scale, crop, turn, recolour, write over and convert images. */
#include "robot/image/resize.h"
#include "base/filetype.h"
#include "media/image_clip.h"
#include "media/image_text.h"

#include <stdlib.h>
#include <string.h>

#define SHARE_OF_PIXELS 0.6 /* the rest of the progress is for writing the file */

/* What is the same for every picture of a job. */
struct resize_run {
    struct robot_job *job;
    const struct resize_opts *o;
    struct image_load how;
    struct color background;
    struct image *watermark, *clut; /* or NULL; as they came */
    const char *clip;               /* name of the path; NULL: the first */
    bool clips;
    double from, to; /* the share of the job's progress that this picture has */
};

static void run_done(struct resize_run r)
{
    image_free(r.watermark);
    image_free(r.clut);
}
DEFINE_AUTO(struct resize_run, run_done)

/* ---- what is laid over ---- */

static int add_watermark(struct image *img, const struct resize_run *r,
                         const struct robot_input *in, struct err *err)
{
    const struct watermark_opts *o = &r->o->watermark;
    const struct rect on = {0, 0, image_width(img), image_height(img)};
    AUTO(image_free) struct image *over = NULL;
    int64_t w, h;

    if (!r->watermark)
        return 0;
    if (image_copy(&over, r->watermark, err) < 0 || image_autorotate(over, err) < 0)
        return -1;
    image_set_deep(over, image_is_deep(img));
    if (image_to_srgb(over, err) < 0)
        return -1;
    w = image_width(over);
    h = image_height(over);
    watermark_size(&w, &h, o, on.w, on.h);
    if (w > r->how.limits.max_pixels / h)
        return err_set(
            err, ERR_COMMAND,
            "the watermark would have %lldx%lld pixels, the limit is %lld (setting max_pixels)",
            (long long)w, (long long)h, (long long)r->how.limits.max_pixels);
    struct overlay lay = {.repeat_x = o->watermark_repeat_x,
                          .repeat_y = o->watermark_repeat_y,
                          .opacity = o->watermark_opacity};
    watermark_place(&lay.x, &lay.y, o, in->id, &on, w, h);
    return image_scale(over, w, h, false, err) < 0 ? -1 : image_overlay(img, over, &lay, err);
}

/* A text may be larger than the picture, but what it costs must have to do with that. */
static int64_t text_most(const struct image *img, const struct media_limits *limits)
{
    const int64_t always = 4 * 1000 * 1000;
    int64_t four = 4 * image_width(img) * image_height(img);
    int64_t most = four > always ? four : always;

    return most < limits->max_pixels ? most : limits->max_pixels;
}

static int add_texts(struct image *img, const struct resize_run *r, struct err *err)
{
    struct text_overlay texts[TEXTS_MAX];
    int n = text_overlays(texts, r->o->text, err);

    for (int i = 0; i < n; i++) {
        const struct text_overlay *t = &texts[i];
        AUTO(image_free) struct image *over = NULL;

        if (image_text(&over, t, text_most(img, &r->how.limits), err) < 0)
            return -1;
        const struct overlay lay = {
            .x = watermark_anchor(t->column, image_width(img), image_width(over), t->x),
            .y = watermark_anchor(t->row, image_height(img), image_height(over), 0) + t->y,
            .opacity = 1};
        if (image_overlay(img, over, &lay, err) < 0)
            return -1;
    }
    return n < 0 ? -1 : 0;
}

/* ---- one picture ---- */

/* The mask of the clipping path, and the picture as it is outside of it. Neither: there is no path.
 */
static int begin_clip(struct image **mask, struct image *img, const struct resize_run *r,
                      struct err *err)
{
    if (!r->clips)
        return 0;
    return image_clip(mask, img, r->clip, image_width(img), image_height(img), err);
}

/* What a probe of this picture waits for. */
static int tell_probe(void *ctx, struct image *img, struct err *err)
{
    const struct resize_run *r = ctx;
    AUTO(json_unref) json_t *meta = json_object();

    return image_measure(meta, img, err) < 0 ? -1 : robot_measured(r->job, take(meta), err);
}

static int resize_one(struct resize_run *r, struct image *img, int input, struct err *err)
{
    const struct resize_opts *o = r->o;
    const struct robot_input *in = robot_input(r->job, input);
    AUTO(image_free) struct image *mask = NULL, *before = NULL;
    double told = r->from + (r->to - r->from) * SHARE_OF_PIXELS;
    const struct resize_look look = {tell_probe, r};
    bool asked = input == 0 && robot_asked(r->job) && image_measures(img);

    image_watch(img, image_tell_job, r->job, r->from, told);
    const char *format =
        image_emit_format(img, (enum image_type)o->format, image_has_alpha(img) ? "png" : "jpg");
    bool gray = image_is_gray(img) && !r->watermark && !r->clut && !json_array_size(o->text) &&
                !json_is_object(o->text);
    if (begin_clip(&mask, img, r, err) < 0 ||
        resize_shape(img, mask, o, r->background, &r->how.limits, asked ? &look : NULL, err) < 0 ||
        image_to_srgb(img, err) < 0 ||
        image_alpha(img, (enum image_alpha)o->preclip_alpha, r->background, err) < 0)
        return -1;
    if (mask && (image_render(img, err) < 0 || image_copy(&before, img, err) < 0))
        return -1;
    if (resize_tone(img, o, r->clut, err) < 0 || add_watermark(img, r, in, err) < 0 ||
        add_texts(img, r, err) < 0 ||
        resize_finish(img, o, format, r->background, gray, before, mask, err) < 0)
        return -1;
    return image_emit(
        r->job, img,
        &(struct image_emit){
            .asked = (enum image_type)o->format,
            .output_meta = o->output_meta,
            .input = input,
            .told = told,
            .upto = r->to,
            .save = {.format = format,
                     .quality = (int)o->quality,
                     .strip = o->strip,
                     .progressive = o->progressive,
                     .all_filters = o->adaptive_filtering,
                     .palette = o->type == TYPE_PALETTE || o->type == TYPE_PALETTE_ALPHA,
                     .bilevel = o->monochrome || o->type == TYPE_BILEVEL,
                     .compress = o->compress,
                     .channels = resize_by_magick(o->colorspace),
                     .density = r->how.density}},
        err);
}

/* Each page of a document is a picture. */
static int resize_input(struct resize_run *r, int input, struct err *err)
{
    const struct robot_input *in = robot_input(r->job, input);
    const double from = r->from, to = r->to;
    struct image_load how = r->how;
    int64_t pages = 1;

    if (in->size == 0)
        return err_set(err, ERR_INPUT, "the file '%s' is empty", in->name);
    for (int64_t page = 0; page < pages; page++) {
        AUTO(image_free) struct image *img = NULL;

        how.frame = page ? page + 1 : r->how.frame;
        if (image_open(&img, in->path, &how, err) < 0)
            return -1;
        if (!how.frame && image_has_pages(img))
            pages = image_frames_in_file(img);
        if (pages > how.limits.max_frames)
            return err_set(err, ERR_COMMAND,
                           "the document has %lld pages, the limit is %lld (setting max_frames)",
                           (long long)pages, (long long)how.limits.max_frames);
        r->from = from + (to - from) * (double)page / (double)pages;
        r->to = from + (to - from) * (double)(page + 1) / (double)pages;
        if (resize_one(r, img, input, err) < 0)
            return -1;
    }
    return 0;
}

extern const struct robot robot_image_resize;

/* ---- run ---- */

/* A picture that is used as it is: its first frame, as strictly read as the others. */
static int open_second(struct image **out, const struct resize_run *r, const char *as,
                       struct err *err)
{
    const struct robot_input *in = robot_input_as(r->job, as, 0);
    const struct image_load how = {.limits = r->how.limits, .strict = true};

    if (!in || (image_open(out, in->path, &how, err) == 0 && image_render(*out, err) == 0))
        return 0;
    AUTO(mem_free) char *why = mem_strdup(err->msg);
    return err_set(err, err->code, "the %s '%.100s': %.300s", as, in->name, why);
}

static bool is_base(const struct robot_input *in)
{
    return strcmp(in->as, "watermark") != 0 && strcmp(in->as, "clut") != 0;
}

static int resize_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct resize_opts *o = opts;
    AUTO(run_done) struct resize_run r = {
        .job = job,
        .o = o,
        .how = {.limits = media_limits(robot_settings(job)),
                .frame = o->frame,
                .strict = true,
                .deep = true,
                .density = o->density ? atof(o->density) : 0},
    };
    int n = robot_input_count(job), bases = 0, done = 0;

    if (!color_parse(&r.background, o->background))
        return err_set(err, ERR_ROBOT_VALIDATION, "'background' is not a colour");
    r.clips = resize_clips(&r.clip, o->clip);
    r.how.all_frames = !o->format || image_can_animate(image_type_name((enum image_type)o->format));
    for (int i = 0; i < n; i++)
        bases += is_base(robot_input(job, i));
    if (!bases)
        return robot_fail(job, err, ERR_INPUT, "NO_INPUT_FILE",
                          "there is no picture to work on, only what is to be used for one");
    if (o->clut && !robot_input_as(job, "clut", 0))
        return robot_fail(job, err, ERR_INPUT, "NO_CLUT_FILE",
                          "'clut' needs an input with `as: \"clut\"`");
    if (open_second(&r.watermark, &r, "watermark", err) < 0 ||
        (o->clut && open_second(&r.clut, &r, "clut", err) < 0))
        return -1;
    for (int i = 0; i < n; i++) {
        if (!is_base(robot_input(job, i)))
            continue;
        r.from = (double)done++ / bases;
        r.to = (double)done / bases;
        if (resize_input(&r, i, err) < 0)
            return -1;
    }
    return 0;
}

static int resize_refuse(const void *opts, bool partial, struct err *err)
{
    return resize_check(opts, partial, err) < 0 ? robot_refusal(err, &robot_image_resize) : 0;
}

/* It is the whole first frame that a probe measures. */
static bool resize_measures(const void *opts)
{
    const struct resize_opts *o = opts;
    const char *path;

    return o->frame <= 1 && !resize_clips(&path, o->clip) && !o->density;
}

const struct robot robot_image_resize = {
    .name = "/image/resize",
    .summary = "Resize, convert and recolour images",
    .accepts = filetype_pictures_and_pdf,
    .takes = {"base", "watermark", "clut"},
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .opts_size = sizeof(struct resize_opts),
    .slots = 5,
    .options = resize_options,
    .check = resize_refuse,
    .measures = resize_measures,
    .run = IN_WORKER(resize_run),
};
