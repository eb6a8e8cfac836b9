/* image_tone.h - the colours of an image changed, each pixel by itself (robots.md /image/resize). */
#pragma once
#include "media/vips.h"

struct image_tone {
    double brightness, saturation; /* factors; 1: as it is */
    double hue;                    /* 100: as it is; 0 and 200: the opposite */
    double contrast;               /* 0 to 2; 1: as it is */
    int64_t sepia;                 /* percent; 0: off */
    bool negate, bilevel;
};

/* In this order, on sRGB of the image's depth. Errors: ERR_COMMAND. */
MUST_CHECK int image_tone(struct image *img, const struct image_tone *t, struct err *err);
