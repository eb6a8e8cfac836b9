#include "media/image_over.h"
#include "media/image.h"

#include <string.h>

/* sRGB in memory, so that pixels can be read and changed where they lie. */
static int over_begin(struct image *img, struct err *err)
{
    return image_to_srgb(img, err) < 0 ? -1 : image_render(img, err);
}

static int own_pixels(struct image *img, struct err *err)
{
    return image_to_srgb(img, err) < 0 ? -1 : image_own(img, err);
}

static int highest(bool deep) { return deep ? 65535 : 255; }

/* ---- laid over ---- */

/* Colours are weighed by what of them shows, so what is hidden never shines through. */
static inline void over_blend(VipsPel *to, int bands, const VipsPel *from, int from_bands, int64_t opacity, bool deep)
{
    const int64_t max = highest(deep);
    int64_t alpha = from_bands == 4 ? px_get(from, 3, deep) : max, under = bands == 4 ? px_get(to, 3, deep) : max;
    /* as shares of max * max */
    int64_t top = alpha * opacity, rest = (max * max - top) * under / max, all = top + rest;

    if (!top)
        return;
    if (top == max * max) {
        memcpy(to, from, deep ? 6 : 3);
        if (bands == 4)
            px_set(to, 3, (int)max, deep);
        return;
    }
    for (int i = 0; i < 3; i++)
        px_set(to, i, (int)((px_get(from, i, deep) * top + px_get(to, i, deep) * rest + all / 2) / all), deep);
    if (bands == 4)
        px_set(to, 3, (int)((all + max / 2) / max), deep);
}

/* The part of a line of len px that n px from `at` on cover. */
static void covered(int64_t *from, int64_t *to, int64_t at, int64_t n, int64_t len, bool repeat)
{
    *from = repeat || at < 0 ? 0 : at;
    *to = repeat || at + n > len ? len : at + n;
}

static int64_t wrapped(int64_t v, int64_t n) { return (v % n + n) % n; }

static inline void lay(VipsImage *on, const VipsImage *over, const struct overlay *how, bool deep)
{
    int64_t x1, x2, y1, y2, w = over->Xsize, h = over->Ysize;
    size_t px = VIPS_IMAGE_SIZEOF_PEL(on), over_px = VIPS_IMAGE_SIZEOF_PEL(over);
    int opacity = (int)(how->opacity * highest(deep) + 0.5);

    covered(&x1, &x2, how->x, w, on->Xsize, how->repeat_x);
    covered(&y1, &y2, how->y, h, on->Ysize, how->repeat_y);
    for (int64_t y = y1; y < y2 && x1 < x2; y++) {
        VipsPel *to = VIPS_IMAGE_ADDR(on, (int)x1, (int)y);
        const VipsPel *row = VIPS_IMAGE_ADDR(over, 0, (int)wrapped(y - how->y, h));
        int64_t at = wrapped(x1 - how->x, w);

        for (int64_t x = x1; x < x2; x++, to += px) {
            over_blend(to, on->Bands, row + (size_t)at * over_px, over->Bands, opacity, deep);
            at = at + 1 == w ? 0 : at + 1;
        }
    }
}

int image_overlay(struct image *img, struct image *over, const struct overlay *how, struct err *err)
{
    image_set_deep(over, img->deep);
    if (over_begin(over, err) < 0 || own_pixels(img, err) < 0)
        return -1;
    for (int f = 0; f < img->count; f++) { /* said as constants, or each pixel would ask */
        if (img->deep)
            lay(img->frame[f], over->frame[0], how, true);
        else
            lay(img->frame[f], over->frame[0], how, false);
    }
    return 0;
}

/* ---- recoloured ---- */

/* The gradient, in 8 bit steps, at `share` of its diagonal, between its pixels. */
static void gradient_at(double rgb[3], const VipsImage *v, double share, bool deep)
{
    double x = share * (v->Xsize - 1), y = share * (v->Ysize - 1);
    int x0 = (int)x, y0 = (int)y, x1 = MIN(x0 + 1, v->Xsize - 1), y1 = MIN(y0 + 1, v->Ysize - 1);
    double fx = x - x0, fy = y - y0;

    for (int b = 0; b < 3; b++) {
        double top = px_get(VIPS_IMAGE_ADDR(v, x0, y0), b, deep) * (1 - fx) +
                     px_get(VIPS_IMAGE_ADDR(v, x1, y0), b, deep) * fx;
        double bottom = px_get(VIPS_IMAGE_ADDR(v, x0, y1), b, deep) * (1 - fx) +
                        px_get(VIPS_IMAGE_ADDR(v, x1, y1), b, deep) * fx;

        rgb[b] = (top * (1 - fy) + bottom * fy) / (deep ? PX_STEP : 1);
    }
}

struct gradient_table {
    double (*at)[3]; /* for each value that a sample can have */
    double step;     /* of these values in one of 8 bits */
};

static void pick(double rgb[3], const void *arg)
{
    const struct gradient_table *t = arg;

    for (int b = 0; b < 3; b++)
        rgb[b] = t->at[(int)(rgb[b] * t->step + 0.5)][b];
}

int image_recolor(struct image *img, struct image *gradient, struct err *err)
{
    int most = highest(img->deep);
    double(*at)[3];

    image_set_deep(gradient, img->deep);
    if (over_begin(gradient, err) < 0)
        return -1;
    at = mem_zalloc((size_t)(most + 1) * sizeof *at);
    for (int i = 0; i <= most; i++)
        gradient_at(at[i], gradient->frame[0], (double)i / most, img->deep);
    int rc = image_each_pixel(img, pick, &(struct gradient_table){at, img->deep ? PX_STEP : 1}, err);
    free(at);
    return rc;
}

/* ---- masked ---- */

static void mix(VipsImage *v, const VipsImage *before, const VipsImage *mask, bool deep)
{
    size_t px = VIPS_IMAGE_SIZEOF_PEL(v), mask_px = VIPS_IMAGE_SIZEOF_PEL(mask);
    int64_t max = highest(deep);

    for (int y = 0; y < v->Ysize; y++) {
        VipsPel *p = VIPS_IMAGE_ADDR(v, 0, y);
        const VipsPel *q = VIPS_IMAGE_ADDR(before, 0, y), *m = VIPS_IMAGE_ADDR(mask, 0, y);

        for (int x = 0; x < v->Xsize; x++, p += px, q += px, m += mask_px) {
            int64_t show = px_get(m, 0, deep), now = show * px_get(p, 3, deep),
                    then = (max - show) * px_get(q, 3, deep), all = now + then;

            for (int b = 0; b < 3 && all; b++)
                px_set(p, b, (int)((px_get(p, b, deep) * now + px_get(q, b, deep) * then + all / 2) / all), deep);
            px_set(p, 3, (int)((all + max / 2) / max), deep);
        }
    }
}

int image_mask(struct image *img, struct image *before, struct image *mask, struct err *err)
{
    image_set_deep(before, img->deep);
    image_set_deep(mask, img->deep);
    if (image_to_srgb(img, err) < 0 || image_to_srgb(before, err) < 0 ||
        image_add_alpha(img, err) < 0 || image_add_alpha(before, err) < 0 ||
        own_pixels(img, err) < 0 || over_begin(before, err) < 0 || over_begin(mask, err) < 0)
        return -1;
    for (int f = 0; f < img->count; f++) {
        const VipsImage *v = img->frame[f], *b = before->frame[MIN(f, before->count - 1)],
                        *m = mask->frame[0];

        if (v->Xsize != m->Xsize || v->Ysize != m->Ysize || v->Xsize != b->Xsize ||
            v->Ysize != b->Ysize)
            return err_set(err, ERR_COMMAND, "the mask has %dx%d pixels, the image %dx%d", m->Xsize,
                           m->Ysize, v->Xsize, v->Ysize);
        mix(img->frame[f], b, m, img->deep);
    }
    return 0;
}

/* ---- alpha ---- */

static int gray_of(const int p[3])
{
    return (int)(0.212656 * p[0] + 0.715158 * p[1] + 0.072186 * p[2] + 0.5);
}

static void alpha_pixel(int p[4], enum image_alpha mode, const int bg[3], int max)
{
    bool paint = false;

    switch (mode) {
    case ALPHA_OPAQUE:
        p[3] = max;
        break;
    case ALPHA_TRANSPARENT:
        p[3] = 0;
        break;
    case ALPHA_EXTRACT:
        p[0] = p[1] = p[2] = p[3];
        p[3] = max;
        break;
    case ALPHA_COPY:
    case ALPHA_SHAPE:
        p[3] = gray_of(p);
        paint = mode == ALPHA_SHAPE;
        break;
    default:
        paint = !p[3];
        break;
    }
    if (paint)
        memcpy(p, bg, 3 * sizeof *p);
}

/* The image is one's own, with alpha. */
static void alpha_pixels(struct image *img, enum image_alpha mode, struct color c)
{
    const int step = img->deep ? PX_STEP : 1, bg[3] = {c.r * step, c.g * step, c.b * step};

    for (int f = 0; f < img->count; f++) {
        VipsImage *v = img->frame[f];
        size_t px = VIPS_IMAGE_SIZEOF_PEL(v);

        for (int y = 0; y < v->Ysize; y++) {
            VipsPel *p = VIPS_IMAGE_ADDR(v, 0, y);

            for (int x = 0; x < v->Xsize; x++, p += px) {
                int s[4];

                for (int i = 0; i < 4; i++)
                    s[i] = px_get(p, i, img->deep);
                alpha_pixel(s, mode, bg, highest(img->deep));
                for (int i = 0; i < 4; i++)
                    px_set(p, i, s[i], img->deep);
            }
        }
    }
}

int image_alpha(struct image *img, enum image_alpha mode, struct color background, struct err *err)
{
    static const struct color white = {255, 255, 255, 255};

    if (mode == ALPHA_AS_IS)
        return 0;
    if (mode == ALPHA_REMOVE)
        return image_flatten(img, background.a ? background : white, err);
    if (image_to_srgb(img, err) < 0)
        return -1;
    if (mode == ALPHA_OFF)
        return image_drop_alpha(img, err);
    if (mode == ALPHA_BACKGROUND && !image_has_alpha(img))
        return 0;
    if (image_add_alpha(img, err) < 0)
        return -1;
    if (mode == ALPHA_ON)
        return 0;
    if (own_pixels(img, err) < 0)
        return -1;
    alpha_pixels(img, mode, background);
    return mode == ALPHA_EXTRACT ? image_drop_alpha(img, err) : 0;
}
