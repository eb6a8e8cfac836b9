/* gradient.h - a picture in front of a gradient. */
#pragma once
#include "media/vips.h"

/* *img, scaled and cropped as f says (and not padded), stands where f pads it, on a canvas whose
 * colour goes from centre to edge. It is replaced. */
MUST_CHECK int image_on_gradient(struct image **img, const struct fit *f, struct color centre,
                                 struct color edge, struct err *err);
