/* appeal.h - how good a picture is as the preview of a film: sharp, neither dark nor blank, with
 * faces. */
#pragma once
#include "media/vips.h"

/* *out: the more, the better; comparable among pictures of one film. img stays as it is. Blocks:
 * some 50 ms. Errors: ERR_COMMAND. */
MUST_CHECK int image_appeal(double *out, const struct image *img, struct err *err);
