/* image_enhance.h - photographs made better by arithmetic (robots.md /image/enhance): all of the
 * range used, the light in the middle, named grades, sharper, less noise. On sRGB of the image's
 * depth, all frames alike, so that none of them flickers. Errors: ERR_COMMAND. */
#pragma once
#include "media/vips.h"

enum image_auto { AUTO_NONE, AUTO_GENTLE, AUTO_USUAL, AUTO_AGGRESSIVE };
/* Level stretch, gamma, mild sharpening. */
MUST_CHECK int image_auto_enhance(struct image *img, enum image_auto strength, struct err *err);

enum image_grade {
    GRADE_NONE,
    GRADE_WARM,
    GRADE_COOL,
    GRADE_VINTAGE,
    GRADE_VIVID,
    GRADE_MATTE,
    GRADE_CINEMATIC,
    GRADE_GOLDEN_HOUR,
    GRADE_BW_DRAMATIC,
    GRADE_BW_CLASSIC,
    GRADE_NOIR,
    GRADE_FADE,
    GRADE_PASTEL,
    GRADE_TEAL_ORANGE
};
MUST_CHECK int image_apply_grade(struct image *img, enum image_grade grade, struct err *err);
bool image_grade_is_gray(enum image_grade grade); /* of grey nothing but grey comes out */

/* 0 to 10; 0: as it is. Flat areas are left alone. */
MUST_CHECK int image_sharpen(struct image *img, double level, struct err *err);
/* 0 to 10; 0: as it is. Edges stay. */
MUST_CHECK int image_denoise(struct image *img, double level, struct err *err);
