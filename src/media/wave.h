/* wave.h - a waveform is drawn. */
#pragma once
#include "media/peaks.h"
#include "media/vips.h"

struct wave {
    int64_t w, h;                           /* px of the picture */
    struct color background, outer, center; /* of the wave: a gradient from full scale to silence */
    bool smooth;                            /* edges */
    bool mirrored;         /* each column as far below the middle as above it: by its louder side */
    double scale;          /* 1: full scale is as high as the picture */
    int64_t bar, gap;      /* px of bars, and between them; bar 0: every column by itself */
    bool rounded;          /* ends of bars */
    bool framed, labelled; /* a frame; marks of time, and their numbers where there is room */
    struct color border, label;
    double from_s, upto_s; /* what the left and the right edge are */
};

/* columns: one for each pixel of the width, as far as there are any: `count`. */
MUST_CHECK int wave_draw(struct image **out, const struct wave *wave, const struct peak *columns,
                         int64_t count, struct err *err);
