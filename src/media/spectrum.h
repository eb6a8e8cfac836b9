/* spectrum.h - how loud each frequency of a sound is, over its time, and the picture of that. Knows
 * no files. Memory is bounded by the size of the picture, however long the sound is. */
#pragma once
#include "media/vips.h"

#include <stdbool.h>
#include <stdint.h>

#define SPECTRUM_LEGEND_W 120 /* px: a legend has room in that */
#define SPECTRUM_LEGEND_H 60

enum spectrum_map {
    MAP_VIRIDIS,
    MAP_PLASMA,
    MAP_MAGMA,
    MAP_CIVIDIS,
    MAP_COOL,
    MAP_RAINBOW,
    MAP_MORELAND,
    MAP_NEBULAE,
    MAP_FIRE,
    MAP_FIERY,
    MAP_FRUIT,
    MAP_GREEN,
    MAP_TERRAIN,
    MAP_GRAY
};

struct spectrum_look {
    int64_t w, h;          /* px of the picture, all of it */
    double min_hz, max_hz; /* max 0: the highest that there is */
    bool logarithmic;      /* the axis of frequencies; its lower end is 20 Hz or min_hz then */
    bool downwards;        /* time goes from above to below; else from left to right */
    double gain;           /* 1: full scale is the last colour, 120 dB below it the first */
    enum spectrum_map map;
    bool legend;
    struct color ink, paper; /* of the legend */
    double seconds; /* what the sound is said to last: nothing depends on its being right */
};

struct spectrum;
/* The look is copied. Errors: ERR_COMMAND: no frequency is between min_hz and max_hz. */
MUST_CHECK int spectrum_new(struct spectrum **out, const struct spectrum_look *look, int rate,
                            int channels, struct err *err);
void spectrum_free(struct spectrum *s); /* NULL is fine */
DEFINE_AUTO(struct spectrum *, spectrum_free)
/* n samples more of each channel; the picture shows the mean of their powers. */
void spectrum_add(struct spectrum *s, const float *const *channels, int n);
/* After the last sample. A sound without any is silence. */
MUST_CHECK int spectrum_draw(struct image **out, struct spectrum *s, struct err *err);
