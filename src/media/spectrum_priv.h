/* spectrum_priv.h - between who counts (spectrum.c) and who draws (spectrum_draw.c). */
#pragma once
#include "media/spectrum.h"

#include <libavutil/tx.h>

struct band {
    float from, upto; /* bins */
};

struct spectrum {
    struct spectrum_look look;
    int rate, channels;
    double low_hz, high_hz; /* ends of the axis */
    struct rect plot;       /* px: where the picture is, beside the legend */
    int64_t columns, rows;  /* of time, of frequency: the plot's sides */
    struct band *bands;     /* of each row, the lowest first */

    AVTXContext *tx;
    av_tx_fn transform;
    int window;   /* samples of one transform */
    float *shape; /* of the window */
    float *work, *bins;
    float *held; /* `window` samples of each channel */
    int filled;  /* of them */

    /* Powers of stretches of `stretch` samples, of which there are `rows` each; joined in pairs
     * when there are too many. A transform is made each `hop` samples. */
    float *slots, *sum;
    int64_t count, most, stretch, hop;
    int64_t in_sum;  /* transforms in sum, */
    int64_t covered; /* and samples that they stand for */
    int64_t samples;
};

/* The power of a row at a column, as a share of full scale. After the last sample. */
float spectrum_level(const struct spectrum *s, int64_t column, int64_t row);
void spectrum_finish(struct spectrum *s);
double spectrum_hertz(const struct spectrum *s, double row);
double spectrum_row(const struct spectrum *s, double hz);
