/* faces.h - frontal faces in a grey picture. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct face {
    int x, y, w, h; /* px of the picture given; may stick out a little */
    double score;   /* the detector's margin: 0 is its own threshold */
};

/* Find faces in a w x h picture of 8 bit grey. Returns how many of out[max] were filled, best
 * first, or -1 (out of memory). The first call loads the detector (about 40 ms). Blocks: about 1 s
 * for 1600x1200. */
int faces_find(struct face *out, int max, const uint8_t *gray, int w, int h);

/* Score to percent, see faces.cc for how it was calibrated. */
double faces_confidence(double score);

#ifdef __cplusplus
}
#endif
