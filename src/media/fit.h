/* fit.h - the arithmetic of resizing: which part of the source lands where. Pure; shared by every
 * Robot with a resize_strategy. Rounds half up, never below 1 px. */
#pragma once
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

enum fit_strategy { FIT_FIT, FIT_MIN_FIT, FIT_FILLCROP, FIT_PAD, FIT_STRETCH, FIT_CROP };
/* Row * 3 + column. */
enum gravity {
    GRAVITY_TOP_LEFT,
    GRAVITY_TOP,
    GRAVITY_TOP_RIGHT,
    GRAVITY_LEFT,
    GRAVITY_CENTER,
    GRAVITY_RIGHT,
    GRAVITY_BOTTOM_LEFT,
    GRAVITY_BOTTOM,
    GRAVITY_BOTTOM_RIGHT,
};

struct rect {
    int64_t x, y, w, h; /* px */
};

/* Scale the whole source to scaled_w x scaled_h; keep `cut` of that; place it at (pad_x, pad_y) on
 * a canvas of out_w x out_h. */
struct fit {
    int64_t scaled_w, scaled_h;
    struct rect cut;
    int64_t pad_x, pad_y, out_w, out_h;
};

/* src_w, src_h: the source. w, h: the wanted size, 0: not given. zoom: may be enlarged. */
struct fit fit_plan(enum fit_strategy s, int64_t src_w, int64_t src_h, int64_t w, int64_t h,
                    bool zoom, enum gravity g);
/* Half up, at least 1. */
static inline int64_t fit_round(double px)
{
    /* 400 * (133.5 / 400) must not become 133 because of the last bit. */
    int64_t n = (int64_t)floor(px + 0.5 + 1e-9);

    return n < 1 ? 1 : n;
}
