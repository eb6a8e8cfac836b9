/* compose.h - one picture over another, as the eye sees it: 8 bit sRGB, whatever space and depth
 * either came in. */
#pragma once
#include "media/vips.h"

/* A canvas of w x h pixels of one colour, with alpha. Errors: ERR_COMMAND: more pixels than limits
 * allow. */
MUST_CHECK int compose_canvas(struct image **out, int64_t w, int64_t h, struct color fill,
                              const struct media_limits *limits, struct err *err);
/* Lay `over` (its first frame, which becomes sRGB) on the canvas with its corner at x, y; what
 * sticks out is cut off. opacity: 0 to 1, multiplies its alpha. The canvas must be one of
 * compose_canvas(), or rendered and sRGB with alpha (compose_ready()). */
MUST_CHECK int compose_place(struct image *canvas, struct image *over, int64_t x, int64_t y,
                             double opacity, struct err *err);
/* Any picture becomes a canvas: sRGB with alpha, in memory of its own. */
MUST_CHECK int compose_ready(struct image *img, struct err *err);
