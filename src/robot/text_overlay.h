/* text_overlay.h - a `text` parameter: what is written over a picture, and how (robots.md
 * /image/resize, Text). Pure: nothing is drawn here. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "robot/color.h"

#define TEXTS_MAX 100
#define TEXT_BYTES_MAX (16 * 1024)
#define TEXT_SIZE_MAX 5000   /* px */
#define TEXT_STROKE_MAX 1000 /* px */

struct text_overlay {
    const char *text, *font; /* lent from the JSON */
    int size, stroke;        /* px */
    int rotate;              /* degrees clockwise */
    struct color color, background, stroke_color;
    int column, row; /* where it is anchored: 0 left or top, 1 center, 2 right or bottom */
    int64_t x, y;    /* px from there: x inwards, from the centre to the right; y always down */
};

/* One object, or a list of them, in the order in which they are drawn. Returns how many; out may be
 * NULL: only check. Errors: ERR_ROBOT_VALIDATION with INVALID_TEXT_VALUE (no object) or
 * INVALID_TEXT_OBJECT_VALUE behind the Robot's name. */
MUST_CHECK int text_overlays(struct text_overlay out[TEXTS_MAX], const json_t *v, struct err *err);
