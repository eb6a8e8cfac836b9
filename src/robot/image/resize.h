/* resize.h - the parts of /image/resize: its parameters (resize_options.c), the shape of the result
 * (resize_shape.c), its colours (resize_colors.c), and the run that has them in their order
 * (resize.c). */
#pragma once
#include "media/image_emit.h"
#include "media/image_over.h"
#include "media/image_tone.h"
#include "robot/text_overlay.h"
#include "robot/watermark.h"

enum wanted_space { WANT_AS_IS, WANT_SRGB, WANT_GRAY, WANT_CMYK, WANT_LAB, WANT_CHANNELS };
enum wanted_type {
    TYPE_AS_IS,
    TYPE_BILEVEL,
    TYPE_GRAY,
    TYPE_GRAY_ALPHA,
    TYPE_PALETTE,
    TYPE_PALETTE_ALPHA,
    TYPE_COLOR,
    TYPE_COLOR_ALPHA,
    TYPE_SEPARATION,
    TYPE_SEPARATION_ALPHA,
};
/* Behind the sides and corners (enum gravity): where the picture itself says. */
enum { GRAVITY_ATTENTION = GRAVITY_BOTTOM_RIGHT + 1, GRAVITY_ENTROPY };

struct resize_opts {
    const char *imagemagick_stack, *stack; /* which generation of a tool that we do not use */
    int format;                            /* enum image_type */
    int64_t width, height;                 /* px, 0: not given */
    int resize_strategy;                   /* enum fit_strategy */
    bool zoom;
    json_t *crop;
    int gravity; /* enum gravity */
    bool strip, flatten, correct_gamma, adaptive_filtering, progressive, trim_whitespace;
    bool monochrome;
    int64_t quality;
    const char *background;
    int64_t frame;  /* 1-based, 0: all */
    int colorspace; /* enum wanted_space; from WANT_CHANNELS on see resize_channels() */
    int type;       /* enum wanted_type */
    struct image_tone tone;
    json_t *rotation;
    const char *compress;
    const char *blur; /* "RxS" */
    json_t *blur_regions;
    const char *transparent;
    const char *density;      /* dpi */
    const char *shave;        /* "W" or "WxH" px */
    int alpha, preclip_alpha; /* enum image_alpha */
    json_t *clip;             /* true: the first path; a text: the one of that name */
    bool clut;
    json_t *text;
    struct watermark_opts watermark;
    json_t *output_meta; /* shared by all Robots, but here we make the meta ourselves */
};

extern const struct option resize_options[];
/* Codes of its own are without the Robot's name. */
int resize_check(const void *opts, bool partial, struct err *err);

/* ---- values that are more than one row of the table ---- */

enum turn { TURN_EXIF, TURN_NONE, TURN_DEGREES };
MUST_CHECK int resize_turn(enum turn *how, double *degrees, const json_t *v, struct err *err);
#define REGIONS_MAX 1000
/* Returns how many, or -1. out may be NULL: only check. */
MUST_CHECK int resize_regions(struct rect *out, const json_t *list, struct err *err);
/* ImageMagick's name of a colour space that no picture format but TIFF has room for; NULL: another
 * one. */
const char *resize_channels(int colorspace);
/* The same, where that program has to write it. */
const char *resize_by_magick(int colorspace);
/* Whether a clipping path is to be looked for, and of which name; NULL: the first. */
bool resize_clips(const char **name, const json_t *clip);

/* ---- the work ---- */

/* Who wants to see the whole picture, as small as its decoder gives it, before it is changed. */
struct resize_look {
    int (*see)(void *ctx, struct image *img, struct err *err);
    void *ctx;
};

/* The picture as it will lie: turned, trimmed, shaved, cropped, scaled, padded. mask (or NULL) goes
 * the same way. look: NULL: nobody does. */
MUST_CHECK int resize_shape(struct image *img, struct image *mask, const struct resize_opts *o,
                            struct color bg, const struct media_limits *limits,
                            const struct resize_look *look, struct err *err);
/* The look of the result: colours changed, blurred. */
MUST_CHECK int resize_tone(struct image *img, const struct resize_opts *o, struct image *clut,
                           struct err *err);
/* Alpha, colour type and colour space as the result is to have them. mask and before: see
 * image_mask(); or NULL. */
MUST_CHECK int resize_finish(struct image *img, const struct resize_opts *o, const char *format,
                             struct color bg, bool gray, struct image *before, struct image *mask,
                             struct err *err);
