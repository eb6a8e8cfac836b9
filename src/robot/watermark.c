#include "robot/watermark.h"
#include "robot/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FARTHEST                                                                                   \
    25000 /* px that a watermark may be moved: the longest side that a picture may be given */

static const struct opt_choice strategies[] = {{"fit", WATERMARK_FIT},
                                               {"min_fit", WATERMARK_MIN_FIT},
                                               {"stretch", WATERMARK_STRETCH},
                                               {"area", WATERMARK_AREA},
                                               {0}};

static const struct opt_choice film_strategies[] = {
    {"fit", WATERMARK_FIT}, {"stretch", WATERMARK_STRETCH}, {"area", WATERMARK_AREA}, {0}};

#define T struct watermark_opts
#define OFFSET(name, ...)                                                                          \
    OPT_INT(T, name, .min = -FARTHEST, .max = FARTHEST, .unit = "px",                              \
            .code = "INVALID_WATERMARK_OFFSET", __VA_ARGS__)
#define URL                                                                                        \
    OPT_STR(T, watermark_url, .fetched = "watermark", .example = "\"http://a.example/logo.png\"",  \
            .help = "Address of a picture to lay over. It may come as an input with `as: "         \
                    "\"watermark\"` instead.")
#define POSITION                                                                                   \
    OPT_JSON(T, watermark_position, .def_str = "\"center\"", .example = "\"bottom-right\"",        \
             .help = "Anchor of the watermark: a side, a corner or center; of a list one is "      \
                     "picked for each file.")
#define X_OFFSET                                                                                   \
    OFFSET(watermark_x_offset,                                                                     \
           .help =                                                                                 \
               "Shift: from the anchored edge towards the centre; from the centre to the right.")
#define Y_OFFSET                                                                                   \
    OFFSET(watermark_y_offset,                                                                     \
           .help = "Shift: from the anchored edge towards the centre; from the centre down.")
#define SIZE                                                                                       \
    OPT_STR(T, watermark_size, .pattern = "^[0-9]{1,6}%$", .example = "\"25%\"",                   \
            .help = "Size in percent of the picture. Left out: as large as it is.")
#define OPACITY                                                                                    \
    OPT_NUM(T, watermark_opacity, .min = 0, .max = 1, .def_num = 1,                                \
            .help = "0: not to be seen; 1: as it is.")
const struct option watermark_options[] = {
    URL,
    POSITION,
    X_OFFSET,
    Y_OFFSET,
    OFFSET(watermark_position_x, .help = "Old name of watermark_x_offset."),
    OFFSET(watermark_position_y, .help = "Old name of watermark_y_offset."),
    SIZE,
    OPT_ENUM(T, watermark_resize_strategy, strategies, .def = WATERMARK_FIT,
             .help = "What the percentage is of: fit: its longer side; min_fit: its shorter side; "
                     "stretch: both sides; "
                     "area: its area."),
    OPACITY,
    OPT_BOOL(T, watermark_repeat_x, .help = "Repeat it from edge to edge."),
    OPT_BOOL(T, watermark_repeat_y, .help = "Repeat it from top to bottom."),
    OPT_END,
};
const struct option watermark_film_options[] = {
    URL,
    POSITION,
    X_OFFSET,
    Y_OFFSET,
    SIZE,
    OPT_ENUM(T, watermark_resize_strategy, film_strategies, .def = WATERMARK_FIT,
             .help = "What the percentage is of: fit: its longer side; stretch: both sides; area: "
                     "its area."),
    OPACITY,
    OPT_END,
};
#undef URL
#undef POSITION
#undef X_OFFSET
#undef Y_OFFSET
#undef SIZE
#undef OPACITY
#undef OFFSET
#undef T

/* Row * 3 + column; -1: there is no such anchor. */
static int read_anchor(const json_t *v)
{
    static const char *const names[] = {"top-left",    "top",    "top-right",
                                        "left",        "center", "right",
                                        "bottom-left", "bottom", "bottom-right"};
    const char *s = json_string_value(v);

    for (int i = 0; s && i < (int)ARRAY_LEN(names); i++)
        if (!strcmp(names[i], s))
            return i;
    return -1;
}

#define MANY_ANCHORS 100

int watermark_check(const struct watermark_opts *o, struct err *err)
{
    const json_t *v = o->watermark_position;
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    bool good = n > 0 && n <= MANY_ANCHORS;

    for (size_t i = 0; good && i < n; i++)
        good = !v || read_anchor(json_is_array(v) ? json_array_get(v, i) : v) >= 0;
    return good ? 0
                : value_refuse(err, "INVALID_WATERMARK_POSITION",
                               "'watermark_position' must be a side, a corner or center, or a "
                               "list of up to %d of them",
                               MANY_ANCHORS);
}

void watermark_size(int64_t *w, int64_t *h, const struct watermark_opts *o, int64_t on_w,
                    int64_t on_h)
{
    double ww = (double)*w, wh = (double)*h, pw, ph, scale = 1;

    if (!o->watermark_size)
        return;
    double p = strtod(o->watermark_size, NULL) / 100;
    pw = p * (double)on_w;
    ph = p * (double)on_h;
    switch (o->watermark_resize_strategy) {
    case WATERMARK_STRETCH:
        *w = fit_round(pw);
        *h = fit_round(ph);
        return;
    case WATERMARK_FIT: /* the side of the same name: a wide one is measured by the width */
        scale = ww >= wh ? pw / ww : ph / wh;
        break;
    case WATERMARK_MIN_FIT:
        scale = ww <= wh ? pw / ww : ph / wh;
        break;
    default:
        scale = sqrt(p * (double)on_w * (double)on_h / (ww * wh));
        break;
    }
    *w = fit_round(ww * scale);
    *h = fit_round(wh * scale);
}

int64_t watermark_anchor(int third, int64_t len, int64_t n, int64_t off)
{
    int64_t room = len - n;

    if (third == 1)
        return (room - (room < 0 && room % 2)) / 2 +
               off; /* rounded down, also where it is larger than the picture */
    return third == 0 ? off : room - off;
}

/* FNV-1a. */
static uint32_t watermark_hash(const char *s)
{
    uint32_t h = 2166136261u;

    while (*s)
        h = (h ^ (unsigned char)*s++) * 16777619u;
    return h;
}

void watermark_place(int64_t *x, int64_t *y, const struct watermark_opts *o, const char *seed,
                     const struct rect *on, int64_t w, int64_t h)
{
    const json_t *v = o->watermark_position;
    int anchor = GRAVITY_CENTER;

    if (json_is_array(v))
        v = json_array_get(v, watermark_hash(seed) % json_array_size(v));
    if (v)
        anchor = read_anchor(v);
    *x = on->x +
         watermark_anchor(anchor % 3, on->w, w,
                          o->watermark_x_offset ? o->watermark_x_offset : o->watermark_position_x);
    *y = on->y +
         watermark_anchor(anchor / 3, on->h, h,
                          o->watermark_y_offset ? o->watermark_y_offset : o->watermark_position_y);
}
