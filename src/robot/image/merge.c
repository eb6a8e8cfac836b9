/* /image/merge: several images become one. */
#include "base/filetype.h"
#include "media/collage.h"
#include "media/compose.h"
#include "media/image_emit.h"
#include "media/image_over.h"
#include "robot/order.h"

#include <math.h>
#include <string.h>

#define COLOR                                                                                      \
    "^(transparent|none|black|white|red|green|blue|yellow|cyan|magenta|gray|grey|opaque|#?[0-9a-"  \
    "fA-F]{3}([0-9a-fA-F]{3})?)$"
#define SIDE_MAX 25000 /* px */
#define WIDTH 1920     /* of a collage for which no size was asked */
#define HEIGHT 1080
#define COVERAGE 1.5
#define SHARE_OF_PIXELS 0.7 /* of the progress; the rest is for writing the file */

struct merge_opts {
    int format; /* enum image_type */
    int direction, effect, sort_by;
    int64_t border; /* px */
    const char *background;
    int64_t columns, rows, cell_width, cell_height;
    int64_t width, height; /* px, 0: not given */
    int64_t seed;
    bool shuffle, adaptive_filtering;
    double coverage; /* 0: not given */
    int64_t quality;
    json_t *output_meta; /* shared by all Robots, but here we make the meta ourselves */
};

enum { HORIZONTAL, VERTICAL, GRID };
enum { NO_EFFECT, MOSAIC, POLAROID_STACK };
static const struct opt_choice formats[] = {
    {"jpg", IMAGE_JPG}, {"png", IMAGE_PNG}, {"webp", IMAGE_WEBP}, {0}};
static const struct opt_choice directions[] = {
    {"horizontal", HORIZONTAL}, {"vertical", VERTICAL}, {"grid", GRID}, {0}};
static const struct opt_choice effects[] = {
    {"mosaic", MOSAIC}, {"polaroid-stack", POLAROID_STACK}, {0}};

static const struct option options[] = {
    OPT_ENUM(struct merge_opts, format, formats, .def = IMAGE_PNG, .help = "Format of the result."),
    OPT_ENUM(struct merge_opts, direction, directions, .def = HORIZONTAL,
             .help = "A row, a column, or rows of cells."),
    OPT_ENUM(struct merge_opts, effect, effects,
             .help = "A collage on a canvas of a given size, instead of a plain row."),
    OPT_ENUM(struct merge_opts, sort_by, choices_order, .def = ORDER_AUTO, .example = "\"import_order\"",
             .help = "Of images without a number in `as` (`image_1`...): by name, 2 before 10, or "
                     "as they came."),
    OPT_INT(struct merge_opts, border, .min = 0, .max = SIDE_MAX, .unit = "px",
            .help = "Between neighbouring images; around collages as well."),
    OPT_STR(struct merge_opts, background, .def_str = "#fff", .pattern = COLOR,
            .example = "\"none\"",
            .help = "Colour of what no image covers; none keeps it transparent, but in jpg, which "
                    "is white there."),
    OPT_INT(struct merge_opts, columns, .min = 1, .max = 1000,
            .help = "Cells of a row of the grid. Left out: as many as make it square."),
    OPT_INT(struct merge_opts, rows, .min = 1, .max = 1000,
            .help = "Rows of the grid. Left out: as many as it takes."),
    OPT_INT(struct merge_opts, cell_width, .min = 1, .max = SIDE_MAX, .unit = "px",
            .help = "Images are scaled to fit into their cell. Left out: as wide as the widest."),
    OPT_INT(struct merge_opts, cell_height, .min = 1, .max = SIDE_MAX, .unit = "px",
            .help = "The same for the height."),
    OPT_INT(struct merge_opts, width, .min = 1, .max = SIDE_MAX, .unit = "px",
            .help = "Width of a collage. Left out: 1920."),
    OPT_INT(struct merge_opts, height, .min = 1, .max = SIDE_MAX, .unit = "px",
            .help = "Height of a collage. Left out: 1080."),
    OPT_INT(
        struct merge_opts, seed,
        .help =
            "Another number lays a collage out in another way, the same one always in the same."),
    OPT_BOOL(struct merge_opts, shuffle,
             .help = "Lay a collage out in any order, which seed decides."),
    OPT_NUM(struct merge_opts, coverage, .min = 0.5, .max = 3,
            .help = "How often polaroids cover the canvas, all together. Left out: 1.5."),
    OPT_BOOL(struct merge_opts, adaptive_filtering,
             .help = "PNG: try a filter for each row; smaller, slower."),
    OPT_INT(struct merge_opts, quality, .min = 1, .max = 100, .def = 100,
            .help = "Of jpg and webp."),
    OPT_JSON(struct merge_opts, output_meta, .nullable = true, .example = "false",
             .help = "Further keys of meta, or false for none."),
    OPT_END,
};

/* What is known of the job while it goes on. */
struct merge {
    struct robot_job *job;
    const struct merge_opts *o;
    struct media_limits limits;
    size_t n;
    size_t *order;              /* which input is the first... */
    struct collage_size *sizes; /* in that order, upright */
    struct collage_spot *spots;
    struct collage_dice dice;
};

static int merge_failed(const struct merge *m, struct err *err, const struct robot_input *in,
                        const struct err *why)
{
    if (why->code == ERR_TIMEOUT) {
        *err = *why;
        return -1;
    }
    return robot_fail(m->job, err, ERR_COMMAND, "FAILURE", "'%s': %s", in->name, why->msg);
}

/* ---- order ---- */

static void put_in_order(struct merge *m)
{
    order_inputs(m->order, m->job, "image_", m->o->sort_by != ORDER_IMPORT);
    if (m->o->effect && m->o->shuffle)
        collage_shuffle(m->order, m->n, &m->dice);
}

/* ---- layout ---- */

static int merge_open(struct image **out, const struct merge *m, size_t i, struct err *err)
{
    const struct robot_input *in = robot_input(m->job, (int)m->order[i]);
    const struct image_load how = {.limits = m->limits, .strict = true, .frame = 1};
    struct err why = {0};

    if (in->size == 0)
        return robot_fail(m->job, err, ERR_INPUT, "FAILURE", "the file '%s' is empty", in->name);
    return image_open(out, in->path, &how, &why) < 0 ? merge_failed(m, err, in, &why) : 0;
}

static int measure(struct merge *m, struct err *err)
{
    for (size_t i = 0; i < m->n; i++) {
        AUTO(image_free) struct image *img = NULL;

        if (merge_open(&img, m, i, err) < 0)
            return -1;
        m->sizes[i] = image_orientation(img) >= 5
                          ? (struct collage_size){image_height(img), image_width(img)}
                          : (struct collage_size){image_width(img), image_height(img)};
    }
    return 0;
}

static int lay_out(struct collage_size *canvas, struct merge *m, struct err *err)
{
    const struct merge_opts *o = m->o;
    const struct collage_grid grid = {o->columns, o->rows, o->cell_width, o->cell_height};

    *canvas = (struct collage_size){o->width ? o->width : WIDTH, o->height ? o->height : HEIGHT};
    if (o->effect && canvas->w > m->limits.max_pixels / canvas->h)
        return robot_fail(m->job, err, ERR_COMMAND, "FAILURE",
                          "the result would have more than %lld pixels (setting max_pixels)",
                          (long long)m->limits.max_pixels);
    if (o->effect == MOSAIC
            ? !collage_mosaic(m->spots, m->sizes, m->n, *canvas, o->border, &m->dice)
            : o->effect == POLAROID_STACK &&
                  !collage_stack(m->spots, m->sizes, m->n, *canvas, o->border,
                                 o->coverage > 0 ? o->coverage : COVERAGE, &m->dice))
        return robot_fail(m->job, err, ERR_INPUT, "FAILURE",
                          "%zu images with borders of %lld px have no room in %lldx%lld", m->n,
                          (long long)o->border, (long long)canvas->w, (long long)canvas->h);
    if (o->effect)
        return 0;
    if (o->direction != GRID) {
        *canvas = collage_strip(m->spots, m->sizes, m->n, o->direction == VERTICAL, o->border);
        return 0;
    }
    return collage_grid(canvas, m->spots, m->sizes, m->n, &grid, o->border)
               ? 0
               : robot_fail(m->job, err, ERR_INPUT, "FAILURE",
                            "%zu images are too many for a grid of %lld columns and %lld rows",
                            m->n, (long long)o->columns, (long long)o->rows);
}

/* ---- drawing ---- */

/* Upright, w x h. */
static int merge_scale(struct image *img, struct collage_size was, int64_t w, int64_t h, bool cover,
                       struct err *err)
{
    const struct fit f =
        fit_plan(cover ? FIT_FILLCROP : FIT_STRETCH, was.w, was.h, w, h, true, GRAVITY_CENTER);
    bool turned = image_orientation(img) >= 5;

    if (image_shrink_on_load(img, turned ? f.scaled_h : f.scaled_w,
                             turned ? f.scaled_w : f.scaled_h, err) < 0 ||
        image_scale(img, turned ? f.scaled_h : f.scaled_w, turned ? f.scaled_w : f.scaled_h, false,
                    err) < 0 ||
        image_autorotate(img, err) < 0 || image_to_srgb(img, err) < 0)
        return -1;
    return image_crop(img, &f.cut, err);
}

static int lay_at(struct image *canvas, struct image *over, int64_t x, int64_t y, double opacity,
                  struct err *err)
{
    return image_overlay(canvas, over, &(struct overlay){.x = x, .y = y, .opacity = opacity}, err);
}

/* The picture in a white frame, with its shadow, turned. */
static int polaroid(struct image **card, struct image *img, const struct merge *m, size_t i,
                    struct err *err)
{
    static const struct color clear = {0, 0, 0, 0}, black = {0, 0, 0, 255},
                              white = {252, 252, 250, 255};
    const struct collage_size s = m->spots[i].size;
    const struct rect in = collage_inside(s, m->sizes[i]);
    int64_t edge = 2 + (s.w < s.h ? s.w : s.h) / 20;
    AUTO(image_free) struct image *shade = NULL, *paper = NULL;

    if (compose_canvas(card, s.w + 2 * edge, s.h + 2 * edge, clear, &m->limits, err) < 0 ||
        compose_canvas(&shade, s.w, s.h, black, &m->limits, err) < 0 ||
        compose_canvas(&paper, s.w, s.h, white, &m->limits, err) < 0 ||
        lay_at(*card, shade, edge + edge / 4, edge + edge / 3, 0.5, err) < 0 ||
        image_blur(*card, (double)edge / 3, err) < 0 || lay_at(*card, paper, edge, edge, 1, err) < 0 ||
        merge_scale(img, m->sizes[i], in.w, in.h, false, err) < 0 ||
        lay_at(*card, img, edge + in.x, edge + in.y, 1, err) < 0)
        return -1;
    return image_rotate(*card, m->spots[i].degrees, clear, err);
}

static int64_t corner(double middle, int64_t side)
{
    return (int64_t)floor(middle - (double)side / 2 + 0.5);
}

static int draw(struct image *canvas, const struct merge *m, size_t i, struct err *err)
{
    const struct collage_spot *s = &m->spots[i];
    AUTO(image_free) struct image *img = NULL, *card = NULL;
    struct err why = {0};
    struct image *what;

    if (merge_open(&img, m, i, err) < 0)
        return -1;
    bool framed = m->o->effect == POLAROID_STACK;
    if ((framed ? polaroid(&card, img, m, i, &why)
                : merge_scale(img, m->sizes[i], s->size.w, s->size.h, s->cover, &why)) < 0)
        return merge_failed(m, err, robot_input(m->job, (int)m->order[i]), &why);
    what = framed ? card : img;
    if (lay_at(canvas, what, corner(s->x, image_width(what)), corner(s->y, image_height(what)), 1,
               &why) < 0)
        return merge_failed(m, err, robot_input(m->job, (int)m->order[i]), &why);
    robot_progress(m->job, SHARE_OF_PIXELS * (double)(i + 1) / (double)m->n);
    return 0;
}

static int merge_run(struct robot_job *job, const void *opts, struct err *err)
{
    static const struct color white = {255, 255, 255, 255};
    const struct merge_opts *o = opts;
    struct merge m = {.job = job,
                      .o = o,
                      .limits = media_limits(robot_settings(job)),
                      .n = (size_t)robot_input_count(job)};
    AUTO(image_free) struct image *canvas = NULL;
    struct collage_size size;
    struct err why = {0};
    struct color bg;

    if (!color_parse(&bg, o->background))
        return err_set(err, ERR_ROBOT_VALIDATION, "'background' is not a colour");
    m.order = arena_alloc(robot_arena(job), m.n * sizeof *m.order);
    m.sizes = arena_alloc(robot_arena(job), m.n * sizeof *m.sizes);
    m.spots = arena_alloc(robot_arena(job), m.n * sizeof *m.spots);
    memset(m.spots, 0, m.n * sizeof *m.spots);
    m.dice.state = (uint64_t)o->seed;
    put_in_order(&m);
    if (measure(&m, err) < 0 || lay_out(&size, &m, err) < 0)
        return -1;
    if (compose_canvas(&canvas, size.w, size.h, bg, &m.limits, &why) < 0)
        return robot_fail(job, err, ERR_COMMAND, "FAILURE", "%s", why.msg);
    for (size_t i = 0; i < m.n; i++)
        if (draw(canvas, &m, i, err) < 0)
            return -1;
    const char *format = image_type_name((enum image_type)o->format);
    if ((bg.a || !image_keeps_alpha(format)) && image_flatten(canvas, bg.a ? bg : white, err) < 0)
        return -1;
    return image_emit(job, canvas,
                      &(struct image_emit){.asked = (enum image_type)o->format,
                                           .output_meta = o->output_meta,
                                           .told = SHARE_OF_PIXELS,
                                           .save = {.format = format,
                                                    .quality = (int)o->quality,
                                                    .all_filters = o->adaptive_filtering}},
                      err);
}

const struct robot robot_image_merge = {
    .name = "/image/merge",
    .summary = "Combine images into one",
    .accepts = filetype_pictures,
    .takes = {"image", "image_*"},
    .codes = "FAILURE",
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .opts_size = sizeof(struct merge_opts),
    .slots = 10,
    .options = options,
    .run = IN_WORKER(merge_run),
};
