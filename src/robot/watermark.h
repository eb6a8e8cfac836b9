/* watermark.h - the parameters by which a picture is laid over another (robots.md /image/resize,
 * Watermark), and where that puts it. Pure: nothing is drawn here. For every Robot with a
 * watermark. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "media/fit.h"
#include "robot/option.h"

enum watermark_strategy { WATERMARK_FIT, WATERMARK_MIN_FIT, WATERMARK_STRETCH, WATERMARK_AREA };

struct watermark_opts {
    const char *watermark_url;  /* what lies there comes as an input with `as: "watermark"` */
    json_t *watermark_position; /* an anchor, or a list of which one is picked */
    int64_t watermark_x_offset, watermark_y_offset;     /* px towards the centre */
    int64_t watermark_position_x, watermark_position_y; /* their old names */
    const char *watermark_size;                         /* "25%"; NULL: as large as it is */
    int watermark_resize_strategy;                      /* enum watermark_strategy */
    double watermark_opacity;
    bool watermark_repeat_x, watermark_repeat_y;
};
extern const struct option watermark_options[];
/* Without repetition, which films do not have. */
extern const struct option watermark_film_options[];

/* Errors: ERR_ROBOT_VALIDATION, with INVALID_WATERMARK_POSITION or ..._OFFSET behind the Robot's
 * name. */
MUST_CHECK int watermark_check(const struct watermark_opts *o, struct err *err);
/* How large a watermark of w x h px becomes on a picture of on_w x on_h: w and h are changed. */
void watermark_size(int64_t *w, int64_t *h, const struct watermark_opts *o, int64_t on_w,
                    int64_t on_h);
/* Its top left corner there, w and h being its size by then. Of several anchors the one that seed
 * stands for, so that a job that runs again does the same again. */
void watermark_place(int64_t *x, int64_t *y, const struct watermark_opts *o, const char *seed,
                     const struct rect *on, int64_t w, int64_t h);
/* Where n px anchored at the start (0), middle (1) or end (2) of a line of len px begin; off px
 * further inwards, or onwards from the middle. */
int64_t watermark_anchor(int third, int64_t len, int64_t n, int64_t off);
