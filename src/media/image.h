/* image.h - what the files over libvips share (vips.c, image_ops.c, image_save.c, image_meta.c). Private to them: nobody else
 * names a libvips type. */
#pragma once
#include "media/vips.h"

#include <vips/vips.h>

struct watch {
    void (*fn)(void *ctx, double done);
    void *ctx;
    double from, to;
};

struct image {
    struct watch watch;
    VipsImage **frame;
    int count;
    int64_t frames_in_file;
    char *path; /* NULL once the pixels are not simply the file's */
    VipsBlob *bytes; /* what to read instead of the file; NULL: the file */
    const struct format *how; /* of the file */
    char format[8];
    struct image_load load;
    int orientation;
    int shrunk;    /* the decoder gives so much less in each direction: 2, 4, 8; 0: all of it */
    bool animated; /* as a file format; not TIFF or PDF pages */
    bool deep;     /* worked on in 16 bit sRGB, not in 8 */
};

int vips_fail(struct err *err, const char *what); /* -1, ERR_COMMAND with libvips' words, which are forgotten */

/* Read a header, or (shrink > 1) begin a decode at a fraction of the size. */
bool image_decodes_small(const struct image *img); /* for less than all of it costs */
VipsImage *image_decode(const struct image *img, int page, int n, int shrink, bool sequential);
/* A picture of media/still.h. NULL: libvips' error says why. */
VipsImage *image_still(const char *path, const char *format, bool half);
bool image_is_foreign(const char *path, const char *format); /* of a variant that is not read; format NULL: no */

/* slow is what libvips' own reader is to make of img's file. Of a PNG: made by media/png_quick.h where it can. Takes
 * slow over. */
VipsImage *image_quick_png(VipsImage *slow, const struct image *img);
bool image_saves_quick_png(VipsImage *v, const struct image_save *o);
/* Then. 1: it failed, and libvips' error says why. */
MUST_CHECK int image_save_quick_png(VipsImage *v, const char *path, const struct image_save *o, struct err *err);

/* Its numbers are sRGB of 8 bits, with or without alpha, and to transform them would change nothing. */
bool image_is_srgb8(const VipsImage *v);

/* They have more than 8 bits. */
static inline bool image_samples_deep(const VipsImage *v)
{
    VipsInterpretation t = v->Type;

    return v->BandFmt == VIPS_FORMAT_USHORT ||
           (v->BandFmt == VIPS_FORMAT_SHORT && t == VIPS_INTERPRETATION_LABS) ||
           (v->BandFmt == VIPS_FORMAT_FLOAT &&
            (t == VIPS_INTERPRETATION_scRGB || t == VIPS_INTERPRETATION_LAB || t == VIPS_INTERPRETATION_XYZ));
}
/* Grey or RGB of 16 bits to the nearest of 8; anything else stays as it is. */
int image_narrow(VipsImage *in, VipsImage **out);
/* Back to the format from before arithmetic: to the nearest value, where a mere cast would cut off. */
int image_to_format(VipsImage *in, VipsImage **out, VipsBandFormat format, VipsInterpretation space);

#define PX_STEP 257 /* in 16 bits, what is a step in 8 */
/* Samples of a pixel in sRGB, of either depth. */
static inline int px_get(const VipsPel *p, int i, bool deep)
{
    return deep ? ((const uint16_t *)(const void *)p)[i] : p[i];
}
static inline void px_set(VipsPel *p, int i, int to, bool deep)
{
    if (deep)
        ((uint16_t *)(void *)p)[i] = (uint16_t)to;
    else
        p[i] = (VipsPel)to;
}

/* The new image replaces the frame; failed: the operation did. */
int image_put(struct image *img, int i, int failed, VipsImage *now, const char *what, struct err *err);

/* Render it into memory that no other image looks at: before pixels are changed where they lie. */
MUST_CHECK int image_own(struct image *img, struct err *err);

/* Run a libvips call on every frame: `in` is the frame, `&now` takes the result. */
#define IMAGE_EACH(img, what, call)                                                                      \
    for (int f_ = 0; f_ < (img)->count; f_++) {                                                    \
        VipsImage *in = (img)->frame[f_], *now = NULL;                                             \
        int failed_ = (call);                                                                      \
        if (image_put((img), f_, failed_, now, (what), err) < 0)                                         \
            return -1;                                                                             \
    }

/* libvips tells of v's evaluation, and of nothing made from it later. */
void image_watch_begin(VipsImage *v, struct watch *w);
void image_watch_end(VipsImage *v, struct watch *w);
