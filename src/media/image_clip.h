/* image_clip.h - the clipping paths that Photoshop leaves in a JPEG or TIFF (8BIM resources 2000 to
 * 2997). */
#pragma once
#include "media/vips.h"

/* The path of that name (NULL: the first one there is) as a mask of w x h px, white inside, black
 * outside, turned as img is (image_orientation()). *mask NULL: there is none, or it is damaged: a
 * picture is shown without it then. Errors: ERR_COMMAND. */
MUST_CHECK int image_clip(struct image **mask, const struct image *img, const char *name, int64_t w,
                          int64_t h, struct err *err);
