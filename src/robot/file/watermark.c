/* /file/watermark: one image over others, and over films. */
#include "base/filetype.h"
#include "media/collage.h"
#include "media/compose.h"
#include "media/image_emit.h"
#include "media/image_over.h"
#include "robot/file/watermark_film.h"

#include <math.h>
#include <string.h>

#define QUALITY 92
#define SMALLEST 0.15 /* of the image's sides, that a watermark of random size has */
#define LARGEST 0.4

struct watermark_opts {
    bool randomize;
    json_t *output_meta; /* shared by all Robots, but here we make the meta ourselves */
};

static const struct option options[] = {
    OPT_BOOL(
        struct watermark_opts, randomize,
        .help =
            "Anywhere, and as large as chance has it, instead of in the middle in its own size."),
    OPT_JSON(struct watermark_opts, output_meta, .nullable = true, .example = "false",
             .help = "Further keys of meta, or false for none."),
    OPT_END,
};

/* The one with that label; of unlabelled ones the last. -1: there is none. */
static int find_watermark(const struct robot_job *job)
{
    int n = robot_input_count(job);

    for (int i = 0; i < n; i++)
        if (!strcmp(robot_input(job, i)->as, "watermark"))
            return i;
    return n > 1 && !robot_input_as(job, "base", 0) ? n - 1 : -1;
}

/* Chance that a job which is run again meets again: it comes from what is marked. */
static struct collage_dice dice_of(const struct robot_job *job, const struct robot_input *in)
{
    struct collage_dice d = {.state = 14695981039346656037u};

    for (const char *c = robot_assembly_id(job); *c; c++)
        d.state = (d.state ^ (uint8_t)*c) * 1099511628211u;
    for (const char *c = in->id; *c; c++)
        d.state = (d.state ^ (uint8_t)*c) * 1099511628211u;
    return d;
}

/* How much the mark is scaled so that it is at most `share` of the sides of what is marked. */
static double scale_of(const struct rect *on, const struct image *mark, double share)
{
    return fmin(share * (double)on->w / (double)image_width(mark),
                share * (double)on->h / (double)image_height(mark));
}

/* Where it lies on that, and how large. */
static struct rect spot_on(const struct rect *on, const struct image *mark,
                           struct collage_dice *dice, bool randomize)
{
    double f = randomize ? scale_of(on, mark, SMALLEST + (LARGEST - SMALLEST) * collage_roll(dice))
                         : fmin(1, scale_of(on, mark, 1));
    int64_t w = fit_round((double)image_width(mark) * f),
            h = fit_round((double)image_height(mark) * f);
    double x = randomize ? collage_roll(dice) : 0.5, y = randomize ? collage_roll(dice) : 0.5;

    return (struct rect){(int64_t)floor(x * (double)(on->w - w)),
                         (int64_t)floor(y * (double)(on->h - h)), w, h};
}

static int place(struct image *img, struct image *mark, struct collage_dice *dice, bool randomize,
                 struct err *err)
{
    const struct rect spot =
        spot_on(&(struct rect){0, 0, image_width(img), image_height(img)}, mark, dice, randomize);

    if (image_scale(mark, spot.w, spot.h, false, err) < 0)
        return -1;
    return image_overlay(img, mark, &(struct overlay){.x = spot.x, .y = spot.y, .opacity = 1}, err);
}

static int open_upright(struct image **out, const struct robot_job *job, int input, bool all_frames,
                        struct err *err)
{
    const struct robot_input *in = robot_input(job, input);
    const struct image_load how = {
        .limits = media_limits(robot_settings(job)), .strict = true, .deep = true, .all_frames = all_frames};

    if (in->size == 0)
        return err_set(err, ERR_INPUT, "the file '%s' is empty", in->name);
    return image_open(out, in->path, &how, err) < 0 || image_autorotate(*out, err) < 0 ? -1 : 0;
}

static int mark_film(struct robot_job *job, int input, int mark, const struct watermark_opts *o,
                     struct err *err)
{
    AUTO(image_free) struct image *over = NULL;
    struct collage_dice dice = dice_of(job, robot_input(job, input));
    struct watermark_film film;

    if (watermark_film_open(&film, job, input, err) < 0 ||
        open_upright(&over, job, mark, false, err) < 0 || image_to_srgb(over, err) < 0)
        return -1;
    const struct rect spot =
        spot_on(&(struct rect){0, 0, film.w, film.h}, over, &dice, o->randomize);
    return watermark_film_mark(&film, over, &spot, err);
}

static int mark_one(struct robot_job *job, int input, int mark, const struct watermark_opts *o,
                    struct err *err)
{
    AUTO(image_free) struct image *img = NULL, *over = NULL;
    struct collage_dice dice = dice_of(job, robot_input(job, input));

    if (open_upright(&img, job, input, true, err) < 0 ||
        open_upright(&over, job, mark, false, err) < 0)
        return -1;
    bool alpha = image_has_alpha(img);
    const char *format = image_emit_format(img, IMAGE_AS_INPUT, alpha ? "png" : "jpg");
    if (compose_ready(img, err) < 0 || place(img, over, &dice, o->randomize, err) < 0 ||
        (!alpha && image_drop_alpha(img, err) < 0))
        return -1;
    return image_emit(job, img,
                      &(struct image_emit){.output_meta = o->output_meta,
                                           .told = 0.5,
                                           .input = input,
                                           .save = {.format = format, .quality = QUALITY}},
                      err);
}

static int watermark_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct watermark_opts *o = opts;
    int mark = find_watermark(job);

    if (mark < 0)
        return robot_fail(job, err, ERR_INPUT, "VALIDATION",
                          "no input is the watermark: say `as: \"watermark\"` of one in `use`, and "
                          "`as: \"base\"` of the others");
    for (int i = 0; i < robot_input_count(job); i++)
        if (i != mark &&
            (watermark_is_film(robot_input(job, i)) ? mark_film(job, i, mark, o, err)
                                                    : mark_one(job, i, mark, o, err)) < 0)
            return -1;
    return 0;
}

const struct robot robot_file_watermark = {
    .name = "/file/watermark",
    .summary = "Lay one image over others, and over films",
    .accepts = filetype_pictures_and_films,
    .beside = {"watermark", filetype_pictures},
    .takes = {"base", "watermark"},
    .role = ROLE_MEDIA,
    .flags = ROBOT_ENCODES,
    .price_factor = 4,
    .opts_size = sizeof(struct watermark_opts),
    .slots = 20,
    .options = options,
    .run = IN_WORKER(watermark_run),
};
