/* The colours of /image/resize's result. */
#include "media/image_channels.h"
#include "robot/image/resize.h"

#include <stdlib.h>
#include <string.h>

#define invalid(err, ...) err_set(err, ERR_ROBOT_VALIDATION, __VA_ARGS__)

static int blur(struct image *img, const struct resize_opts *o, struct err *err)
{
    double sigma = o->blur ? strtod(strchr(o->blur, 'x') + 1, NULL) : 8;
    struct rect boxes[REGIONS_MAX];
    int n = resize_regions(boxes, o->blur_regions, err);

    if (n < 0)
        return -1;
    if (sigma > 1000)
        return invalid(err, "'blur' has a sigma of %g, the limit is 1000", sigma);
    if (o->blur_regions)
        return n ? image_blur_ellipses(img, boxes, (size_t)n, sigma, err) : 0;
    return o->blur ? image_blur(img, sigma, err) : 0;
}

int resize_tone(struct image *img, const struct resize_opts *o, struct image *clut, struct err *err)
{
    struct image_tone tone = o->tone;

    tone.bilevel = o->monochrome || o->type == TYPE_BILEVEL;
    if (image_tone(img, &tone, err) < 0 || (clut && image_recolor(img, clut, err) < 0))
        return -1;
    return blur(img, o, err);
}

const char *resize_by_magick(int colorspace)
{
    const char *name = resize_channels(colorspace);

    return name && !image_channels_own(name) ? name : NULL;
}

/* Whether the result can have transparent parts. */
static bool has_room_for_alpha(const struct resize_opts *o, const char *format)
{
    if (o->type == TYPE_SEPARATION_ALPHA)
        return !strcmp(format, "tif");
    return image_keeps_alpha(format) && o->type != TYPE_COLOR && o->type != TYPE_GRAY &&
           o->type != TYPE_BILEVEL && o->colorspace != WANT_CMYK && o->colorspace != WANT_LAB &&
           o->type != TYPE_SEPARATION && !o->monochrome;
}

/* The modes that read transparency come before it is laid on the background, those that make some
 * after that. */
static bool reads_alpha(int mode)
{
    return mode == ALPHA_OFF || mode == ALPHA_EXTRACT || mode == ALPHA_REMOVE ||
           mode == ALPHA_BACKGROUND;
}

static int settle_alpha(struct image *img, const struct resize_opts *o, const char *format,
                        struct color bg, struct image *before, struct image *mask, struct err *err)
{
    static const struct color white = {255, 255, 255, 255};
    /* who says what is transparent before the path is used has said what is behind it */
    bool flat = bg.a && image_frames(img) == 1 && o->flatten && !o->preclip_alpha;

    if (reads_alpha(o->alpha) && image_alpha(img, (enum image_alpha)o->alpha, bg, err) < 0)
        return -1;
    if (flat && (image_flatten(img, bg, err) < 0 || (before && image_flatten(before, bg, err) < 0)))
        return -1;
    if (!reads_alpha(o->alpha) && image_alpha(img, (enum image_alpha)o->alpha, bg, err) < 0)
        return -1;
    if (mask && image_mask(img, before, mask, err) < 0)
        return -1;
    if (o->transparent) {
        struct color c;

        if (!color_parse(&c, o->transparent))
            return invalid(err, "'transparent' is not a colour");
        if (image_make_transparent(img, c, err) < 0)
            return -1;
    }
    bool alpha = has_room_for_alpha(o, format);
    if (!alpha && image_flatten(img, bg.a ? bg : white, err) < 0)
        return -1;
    bool wants = o->type == TYPE_COLOR_ALPHA || o->type == TYPE_GRAY_ALPHA ||
                 o->type == TYPE_SEPARATION_ALPHA;
    return alpha && wants ? image_add_alpha(img, err) : 0;
}

int resize_finish(struct image *img, const struct resize_opts *o, const char *format,
                  struct color bg, bool gray, struct image *before, struct image *mask,
                  struct err *err)
{
    if (settle_alpha(img, o, format, bg, before, mask, err) < 0)
        return -1;
    /* A grey picture stays one (a third of the size), unless something coloured came in. */
    bool still_gray = gray && !(o->tone.sepia > 0) && o->type != TYPE_COLOR &&
                      o->type != TYPE_COLOR_ALPHA && o->colorspace == WANT_AS_IS && bg.r == bg.g &&
                      bg.g == bg.b;
    bool tif = !strcmp(format, "tif");

    if (still_gray || o->colorspace == WANT_GRAY || o->type == TYPE_GRAY ||
        o->type == TYPE_GRAY_ALPHA || o->type == TYPE_BILEVEL || o->monochrome)
        return image_to_space(img, SPACE_LUMA, err);
    if (o->colorspace == WANT_LAB)
        return tif ? image_to_space(img, SPACE_LAB, err)
                   : invalid(err, "only format \"tiff\" can hold colorspace Lab");
    if (o->type == TYPE_SEPARATION_ALPHA && !tif)
        return invalid(err, "only format \"tiff\" can hold type ColorSeparationAlpha");
    if (o->colorspace == WANT_CMYK || o->type == TYPE_SEPARATION ||
        o->type == TYPE_SEPARATION_ALPHA) {
        if (!tif && strcmp(format, "jpg") != 0)
            return invalid(err, "only formats \"jpg\" and \"tiff\" can hold colorspace CMYK");
        return image_to_space(img, SPACE_CMYK, err);
    }
    const char *channels = resize_channels(o->colorspace);
    return channels && tif && image_channels_own(channels) ? image_channels(img, channels, err) : 0;
}
