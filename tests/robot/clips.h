/* clips.h - films for tests, made by the ffmpeg program. */
#pragma once
#include "host.h"

/* The file `name` in the job's directory, made by `ffmpeg ARGS name`; lent. Fails the test when ffmpeg does. */
const char *clip(struct robot_job *job, const char *name, const char *args);
/* Sixteen seconds, each of one colour of its own: clip_second() tells from a picture which. "-f lavfi -i" takes it. size: "160x90". */
const char *clip_colours(const char *size, int rate, double seconds);
int clip_second(const uint8_t rgb[3]);

struct seen {
    int64_t w, h;
    bool alpha;
    double mean[3];   /* of all pixels */
    uint8_t at[9][4]; /* pixels in the middle of each of 3 x 3 fields, RGBA; alpha 255 where there is none */
};
/* The image file at path. */
void clip_see(struct seen *out, const char *path);
/* Processor time of all programs that have ended, in seconds. */
double clip_children(void);
/* The ffmpeg program's processor time for `ffmpeg ARGS`, in seconds. */
double clip_cpu(const char *args);
