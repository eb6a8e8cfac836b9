/* pictures.h - images made by hand for the tests of the media Robots. */
#pragma once
#include "host.h"

#include <stddef.h>

/* A w x h picture in the job's directory: left half red, right half blue, over a soft ramp. The
 * name's extension is the format. alpha: the upper half is fully transparent. Lent path. */
const char *picture_make(struct robot_job *job, const char *name, int w, int h, bool alpha);
/* The same as a JPEG with an EXIF orientation. */
const char *picture_make_turned(struct robot_job *job, const char *name, int w, int h,
                                int orientation);
/* An animated GIF of n frames. */
const char *picture_make_animated(struct robot_job *job, const char *name, int w, int h, int n);
const char *picture_write(struct robot_job *job, const char *name, const void *data, size_t len);

/* A photograph of those that dev/get-pictures.sh fetches; without them the test program ends, as nothing it says would
 * count. Lent. */
const char *picture_photograph(struct robot_job *job, const char *name);

/* Where the astronaut's head goes in a picture of several people. The fields after scale are 0 for "as it is". */
struct head {
    int x, y;     /* px of the corner of her head, hair and collar included: 170 x 190 px, scaled */
    double scale; /* 1: her face is 90 px wide */
    bool mirrored, gray;
    int darker;   /* percent */
};
struct box {
    int x, y, width, height; /* px */
};
/* Heads before a plain wall; boxes gets each face as it was marked by hand in the photograph, moved along. */
const char *picture_group(struct box *boxes, struct robot_job *job, const char *name, int w, int h, const struct head *heads, int count);

struct picture_facts {
    int width, height, bands, frames, orientation;
    char loader[32];
};
/* Read a file with libvips directly; bands 0: unreadable. */
struct picture_facts picture_facts(const char *path);
/* One pixel, 8 bit; returns the number of bands. */
int picture_pixel(double out[4], const char *path, int x, int y);
/* Peak signal to noise ratio of two pictures of one size, dB; negative: sizes differ. */
double picture_psnr(const char *a, const char *b);
/* A full decode reduced by libvips' own lanczos3, written to name. */
const char *picture_reference(struct robot_job *job, const char *name, const char *path, int w,
                              int h);
