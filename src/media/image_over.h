/* image_over.h - what a second picture does to one: laid over it, taken as its gradient, as its
 * mask. Both are brought into one space, one depth (that of the first) and a known number of bands
 * here and nowhere else (sRGB, as a colour is: see image_ops.c), whatever they come in. Each frame of an
 * animation is worked on; of the second picture only the first. Errors: ERR_COMMAND. */
#pragma once
#include "media/vips.h"

struct overlay {
    int64_t x, y;            /* px of its top left corner; what lies outside is not seen */
    bool repeat_x, repeat_y; /* from there in both directions */
    double opacity;          /* 0 to 1 */
};
/* Takes no longer than the part of img that it covers. Transparent parts of img are covered as well
 * and become visible there. */
MUST_CHECK int image_overlay(struct image *img, struct image *over, const struct overlay *how,
                             struct err *err);

/* Each channel of a pixel by itself picks that channel from the gradient, which runs from its top
 * left to its bottom right corner. */
MUST_CHECK int image_recolor(struct image *img, struct image *gradient, struct err *err);

/* What is white in mask (grey; of img's size) stays as it is in img, what is black becomes what
 * `before` has there (of the same size and as many frames), what is between is mixed. */
MUST_CHECK int image_mask(struct image *img, struct image *before, struct image *mask,
                          struct err *err);

/* ImageMagick's alpha modes by what they do. */
enum image_alpha {
    ALPHA_AS_IS,
    ALPHA_ON,          /* there is one; opaque where there was none */
    ALPHA_OFF,         /* there is none; what was hidden by it shows */
    ALPHA_OPAQUE,      /* all of it */
    ALPHA_TRANSPARENT, /* all of it */
    ALPHA_EXTRACT,     /* it becomes the picture, in grey */
    ALPHA_COPY,        /* the picture in grey becomes it */
    ALPHA_SHAPE,       /* ... and the picture is all of the background's colour */
    ALPHA_REMOVE,      /* laid on the background's colour (white if that is none), and gone */
    ALPHA_BACKGROUND,  /* what it hides gets the background's colour, and stays hidden */
};
MUST_CHECK int image_alpha(struct image *img, enum image_alpha mode, struct color background,
                           struct err *err);
