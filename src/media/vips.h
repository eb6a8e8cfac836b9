/* vips.h - images, over libvips: open with limits, change, save. Every frame of an animation is a
 * frame of its own, and each operation works on all of them. Nothing here names a libvips type, so
 * that a Robot's file also compiles where libvips is absent.
 *
 * A failed operation leaves the image usable but unspecified: free it. All block; libvips runs on
 * one thread. Errors of all: ERR_COMMAND with libvips' words, unless said otherwise. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "media/fit.h"
#include "robot/color.h"

struct media_limits {
    int64_t max_pixels; /* width * height * frames */
    int64_t max_frames;
    int timeout_s; /* of one child process */
};
/* From robot_settings(); NULL or missing keys: 100e6 pixels, 1000 frames, 60 s. */
struct media_limits media_limits(const json_t *settings);

/* Start libvips in this process: one thread, no cache, untrusted loaders blocked. Called by
 * image_open(); call it yourself to pay for it early, but never before a fork. */
MUST_CHECK int media_init(struct err *err);

struct image;

struct image_load {
    struct media_limits limits;
    int64_t frame;   /* 1-based; 0: see all_frames */
    bool all_frames; /* else the first only */
    bool strict;     /* a file of which picture data is missing is an error (media/damage.h) */
    double density;  /* dpi for vector images; 0: 72, for documents 150 */
    bool deep;       /* keep what has more than 8 bits a sample: see image_is_deep() */
    bool bare;       /* documents: without the white paper below, which is transparent then */
};

/* Read the header of the image at path. Pixels are read later, when an operation needs them.
 * Errors: ERR_COMMAND: no image, or over a limit (the message names limit, value and setting). */
MUST_CHECK int image_open(struct image **out, const char *path, const struct image_load *how,
                          struct err *err);
/* False: of a type that is read, but of a variant that nothing here reads (PSD in Lab, a camera of tomorrow). */
bool image_is_known(const char *path);
void image_free(struct image *img);
DEFINE_AUTO(struct image *, image_free)

/* How far the work on pixels is: fn hears libvips' own count while it decodes, changes and writes, as a share of from..to
 * (0 to 1; several frames share it). Copies of the image are watched as well. fn NULL: nobody listens. Some writers (AVIF, HEIC) take
 * all pixels first and then say nothing until they are done. */
void image_watch(struct image *img, void (*fn)(void *ctx, double done), void *ctx, double from, double to);

/* From w * h pixels of 3 bytes (red, green, blue) or 4 (and alpha), which are copied. orientation: as in EXIF, 1 to 8. */
MUST_CHECK int image_from_pixels(struct image **out, const uint8_t *pixels, int w, int h, int bands, int orientation, struct err *err);
/* Its pixels, 8 bit sRGB: 3 or 4 bytes each. The caller frees *out. */
MUST_CHECK int image_pixels(uint8_t **out, int *bands, struct image *img, struct err *err);

int64_t image_width(const struct image *img); /* px, as stored; of one frame */
int64_t image_height(const struct image *img);
int image_frames(const struct image *img); /* loaded */
int64_t image_frames_in_file(const struct image *img);
bool image_has_pages(const struct image *img); /* a document: each of its frames is a picture of its own */
int image_orientation(const struct image *img); /* EXIF, 1..8 */
bool image_has_alpha(const struct image *img);
bool image_is_gray(const struct image *img);       /* shades of grey, with or without alpha */
bool image_is_raw(const struct image *img);        /* of the file opened: as a camera stores it */
const char *image_format(const struct image *img); /* "jpg", "png", ...: of the file opened */
const void *image_blob(const struct image *img, const char *field, size_t *len); /* lent or NULL */

/* If the file can be decoded at a half, quarter or eighth of its size (JPEG), do that, as long as
 * the result is no smaller than w x h. Only right after image_open(). */
MUST_CHECK int image_shrink_on_load(struct image *img, int64_t w, int64_t h, struct err *err);
/* Turn as EXIF says and forget the tag. */
MUST_CHECK int image_autorotate(struct image *img, struct err *err);
void image_forget_orientation(struct image *img);
/* sRGB, with or without alpha, through the embedded ICC profile if there is one: of 8 bits, of a deep image 16. */
MUST_CHECK int image_to_srgb(struct image *img, struct err *err);
/* ... of 8 bits in any case; it is deep no more. */
MUST_CHECK int image_to_srgb8(struct image *img, struct err *err);
/* Whether it was opened with `deep` and the file has more than 8 bits: then all below works on 16, and only
 * image_save() makes 8 of them, for a format that holds no more. set: what the next image_to_srgb() makes of it. */
bool image_is_deep(const struct image *img);
void image_set_deep(struct image *img, bool deep);
/* Decode now. Operations below do it when they must. */
MUST_CHECK int image_render(struct image *img, struct err *err);

MUST_CHECK int image_crop(struct image *img, const struct rect *r, struct err *err);
/* Lanczos3 to exactly w x h. linear: in linear light. */
MUST_CHECK int image_scale(struct image *img, int64_t w, int64_t h, bool linear, struct err *err);
MUST_CHECK int image_pad(struct image *img, int64_t x, int64_t y, int64_t w, int64_t h,
                         struct color fill, struct err *err);
/* Clockwise; the canvas grows and its corners are filled. */
MUST_CHECK int image_rotate(struct image *img, double degrees, struct color fill, struct err *err);
/* The rectangle left when edges of exactly the top left pixel's colour are removed. */
MUST_CHECK int image_find_trim(struct rect *out, struct image *img, struct err *err);
/* The window of cut->w x cut->h px of (the first frame of) the image that shows most: what draws the eye (skin, strong
 * colours), or the busiest part. cut->x and y are set. */
MUST_CHECK int image_find_interest(struct rect *cut, struct image *img, bool entropy, struct err *err);
MUST_CHECK int image_flatten(struct image *img, struct color on, struct err *err);
MUST_CHECK int image_add_alpha(struct image *img, struct err *err);
MUST_CHECK int image_drop_alpha(struct image *img, struct err *err);
MUST_CHECK int image_blur(struct image *img, double sigma, struct err *err);
/* Blur only inside the ellipses that touch the sides of these boxes. */
MUST_CHECK int image_blur_ellipses(struct image *img, const struct rect *boxes, size_t n,
                                   double sigma, struct err *err);
/* Call fn for every pixel, sRGB in rgb[0..2]: 0 to 255, of a deep image with fractions. What fn leaves there is cut to
 * that range and rounded to the image's depth. */
MUST_CHECK int image_each_pixel(struct image *img, void (*fn)(double rgb[3], const void *arg),
                                const void *arg, struct err *err);
MUST_CHECK int image_make_transparent(struct image *img, struct color c, struct err *err);
/* LUMA: grey as ImageMagick makes it, of the colours as they are stored; GRAY: of their light. */
enum image_space { SPACE_SRGB, SPACE_GRAY, SPACE_CMYK, SPACE_LAB, SPACE_LUMA };
MUST_CHECK int image_to_space(struct image *img, enum image_space space, struct err *err);
/* Grey pixels of the (first frame of the) image, 8 bit, w * h bytes. The caller frees *out. */
MUST_CHECK int image_gray(uint8_t **out, const struct image *img, int64_t w, int64_t h,
                          struct err *err);
/* The largest difference between samples of two pictures, of 65535, over all frames, which are decoded; hidden: also of
 * colours that nobody sees, as their alpha is 0. 65536: they differ in size, number of frames, their times, orientation
 * or colour profile. -1: one of them can't be decoded. */
MUST_CHECK int image_difference(struct image *a, struct image *b, bool hidden, struct err *err);
MUST_CHECK int image_copy(struct image **out, const struct image *img, struct err *err);
/* The (first frame of the) picture next, of the same size, becomes the last frame of img. */
MUST_CHECK int image_append(struct image *img, struct image *next, struct err *err);
/* Each frame is seen so long, and they are seen again and again. */
MUST_CHECK int image_set_delay(struct image *img, int64_t ms, struct err *err);

struct image_save {
    const char *format; /* "jpg", "png", "webp", "gif", "tif", "avif", "heic", "jp2" */
    int quality;        /* 1..100 */
    bool strip;         /* leave EXIF, IPTC, XMP and ICC out */
    bool progressive, all_filters, palette, bilevel;
    int deflate; /* PNG: 1 and zlib's level, which is 0 to 9; 0: libvips' own, which is 6 */
    const char *compress; /* TIFF: ImageMagick's name; NULL: LZW */
    const char *channels; /* TIFF: colour space by ImageMagick's name whose numbers are stored; NULL: the image's own */
    double density;       /* dpi to write; 0: keep */
};
bool image_can_write(const char *format);
bool image_can_animate(const char *format);
bool image_keeps_alpha(const char *format);
bool image_keeps_depth(const char *format); /* 16 bit samples */
const char *image_canonical(const char *format); /* "jpeg" -> "jpg"; NULL: unknown */
/* Decodes what is left to decode and writes the file. */
MUST_CHECK int image_save(struct image *img, const char *path, const struct image_save *how,
                          struct err *err);

/* Add to meta (an object) what the header tells: width, height, colour space, frames, shape. */
void image_meta_header(json_t *meta, const struct image *img);
/* The same, and what else file-meta.md section 3 lists, for which pixels are looked at: mean colour,
 * transparency... For
 * images from a file the pixels come from the cheapest decode that still gives the mean; for
 * rendered ones from memory. output_meta: the step's value, NULL: none. */
MUST_CHECK int image_meta(json_t *meta, struct image *img, const json_t *output_meta,
                          struct err *err);
/* Of a picture that is only opened: what image_meta() adds to its header can be found on the way, while it is decoded
 * for something else. */
bool image_measures(const struct image *img);
/* Then, of one that is just opened, or decoded small: adds that to meta, mean colour and transparency, within a step of
 * what image_meta() would say. The image is in memory afterwards. */
MUST_CHECK int image_measure(json_t *meta, struct image *img, struct err *err);
/* Is key asked for in an output_meta value (map or list)? */
bool meta_wants(const json_t *output_meta, const char *key);
/* date_file_modified, and for derived files date_file_created. */
MUST_CHECK int meta_add_dates(json_t *meta, const char *path, bool derived, struct err *err);
