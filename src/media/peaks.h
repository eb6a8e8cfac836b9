/* peaks.h - the lowest and the highest sample of each stretch of a sound: what a waveform is drawn
 * of. Knows no files and no pictures. Memory is bounded by `most`, however long the sound is. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct peak {
    float low, high; /* low <= high */
};

struct peaks {
    struct peak *points; /* stretches of `per` samples, the last one maybe shorter */
    int64_t count, most;
    int64_t per; /* samples */
    int64_t samples;
    bool fits;       /* points are joined in pairs when there are too many */
    int64_t in_last; /* samples of the last point */
};

/* per > 0: points of that many samples, and ERR_COMMAND by peaks_add() when there are more than
 * `most`. per 0: points of as many samples as it takes for `most` of them (an even number) to hold
 * all that comes. */
void peaks_init(struct peaks *p, int64_t per, int64_t most);
void peaks_done(struct peaks *p);
/* n samples more, of each of these channels: a point spans all of them. What is no number is passed
 * over. */
MUST_CHECK int peaks_add(struct peaks *p, const float *const *channels, int count, int n,
                         struct err *err);
/* Point i < p->count; what held no number at all is silence. */
struct peak peaks_at(const struct peaks *p, int64_t i);
/* All of it as w points of (nearly) equal length, into out. A sound with fewer samples than that
 * has some of them several times; one without any is silence. */
void peaks_spread(struct peak *out, int64_t w, const struct peaks *p);
