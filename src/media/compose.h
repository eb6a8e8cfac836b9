/* compose.h - canvases that pictures are laid on (image_overlay() of image_over.h): 8 bit sRGB with
 * alpha. */
#pragma once
#include "media/vips.h"

/* A canvas of w x h pixels of one colour, with alpha. Errors: ERR_COMMAND: more pixels than limits
 * allow. */
MUST_CHECK int compose_canvas(struct image **out, int64_t w, int64_t h, struct color fill,
                              const struct media_limits *limits, struct err *err);
/* Any picture becomes a canvas: sRGB with alpha, in memory of its own. */
MUST_CHECK int compose_ready(struct image *img, struct err *err);
