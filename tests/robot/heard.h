/* heard.h - what a file sounds like, for tests: decoded by the ffmpeg program, and measured. */
#pragma once
#include "clips.h"

struct heard {
    float *samples; /* interleaved; live as long as the job */
    int64_t n;      /* of each channel */
    int rate, channels;
    double seconds;
};
/* Fails the test when it can't be decoded. */
struct heard hear(struct robot_job *job, const char *path);
/* How loud the channel is from one moment to another (s): root of the mean square, dB of full
 * scale; -200: silent. */
double heard_db(const struct heard *h, int channel, double from, double to);
/* How loud the tone of so many Hz alone is there, in the same measure. */
double heard_tone(const struct heard *h, int channel, double hz, double from, double to);
