#include "media/image_over.h"
#include "media/image.h"

#include <string.h>

/* 8 bit sRGB in memory, so that pixels can be read and changed where they lie. */
static int over_begin(struct image *img, struct err *err)
{
    return image_to_srgb(img, err) < 0 ? -1 : image_render(img, err);
}

static int own_pixels(struct image *img, struct err *err)
{
    return image_to_srgb(img, err) < 0 ? -1 : image_own(img, err);
}

/* ---- laid over ---- */

/* Colours are weighed by what of them shows, so what is hidden never shines through. */
static void over_blend(VipsPel *to, int bands, const VipsPel *from, int from_bands, int opacity)
{
    int alpha = from_bands == 4 ? from[3] : 255, under = bands == 4 ? to[3] : 255;
    /* as shares of 255 * 255 */
    int top = alpha * opacity, rest = (255 * 255 - top) * under / 255, all = top + rest;

    if (!top)
        return;
    if (top == 255 * 255) {
        memcpy(to, from, 3);
        if (bands == 4)
            to[3] = 255;
        return;
    }
    for (int i = 0; i < 3; i++)
        to[i] = (VipsPel)(((int64_t)from[i] * top + (int64_t)to[i] * rest + all / 2) / all);
    if (bands == 4)
        to[3] = (VipsPel)((all + 127) / 255);
}

/* The part of a line of len px that n px from `at` on cover. */
static void covered(int64_t *from, int64_t *to, int64_t at, int64_t n, int64_t len, bool repeat)
{
    *from = repeat || at < 0 ? 0 : at;
    *to = repeat || at + n > len ? len : at + n;
}

static int64_t wrapped(int64_t v, int64_t n) { return (v % n + n) % n; }

static void lay(VipsImage *on, const VipsImage *over, const struct overlay *how)
{
    int64_t x1, x2, y1, y2, w = over->Xsize, h = over->Ysize;
    int opacity = (int)(how->opacity * 255 + 0.5);

    covered(&x1, &x2, how->x, w, on->Xsize, how->repeat_x);
    covered(&y1, &y2, how->y, h, on->Ysize, how->repeat_y);
    for (int64_t y = y1; y < y2 && x1 < x2; y++) {
        VipsPel *to = VIPS_IMAGE_ADDR(on, (int)x1, (int)y);
        const VipsPel *row = VIPS_IMAGE_ADDR(over, 0, (int)wrapped(y - how->y, h));
        int64_t at = wrapped(x1 - how->x, w);

        for (int64_t x = x1; x < x2; x++, to += on->Bands) {
            over_blend(to, on->Bands, row + at * over->Bands, over->Bands, opacity);
            at = at + 1 == w ? 0 : at + 1;
        }
    }
}

int image_overlay(struct image *img, struct image *over, const struct overlay *how, struct err *err)
{
    if (over_begin(over, err) < 0 || own_pixels(img, err) < 0)
        return -1;
    for (int f = 0; f < img->count; f++)
        lay(img->frame[f], over->frame[0], how);
    return 0;
}

/* ---- recoloured ---- */

/* The gradient at i of 0 to 255 of its diagonal, between its pixels. */
static void gradient_at(uint8_t rgb[3], const VipsImage *v, int i)
{
    double x = i / 255.0 * (v->Xsize - 1), y = i / 255.0 * (v->Ysize - 1);
    int x0 = (int)x, y0 = (int)y, x1 = MIN(x0 + 1, v->Xsize - 1), y1 = MIN(y0 + 1, v->Ysize - 1);
    double fx = x - x0, fy = y - y0;

    for (int b = 0; b < 3; b++) {
        double top = VIPS_IMAGE_ADDR(v, x0, y0)[b] * (1 - fx) + VIPS_IMAGE_ADDR(v, x1, y0)[b] * fx;
        double bottom =
            VIPS_IMAGE_ADDR(v, x0, y1)[b] * (1 - fx) + VIPS_IMAGE_ADDR(v, x1, y1)[b] * fx;

        rgb[b] = (uint8_t)(top * (1 - fy) + bottom * fy + 0.5);
    }
}

static void pick(uint8_t rgb[3], const void *table)
{
    const uint8_t(*t)[3] = table;

    for (int b = 0; b < 3; b++)
        rgb[b] = t[rgb[b]][b];
}

int image_recolor(struct image *img, struct image *gradient, struct err *err)
{
    uint8_t table[256][3];

    if (over_begin(gradient, err) < 0)
        return -1;
    for (int i = 0; i < 256; i++)
        gradient_at(table[i], gradient->frame[0], i);
    return image_each_pixel(img, pick, table, err);
}

/* ---- masked ---- */

static void mix(VipsImage *v, const VipsImage *before, const VipsImage *mask)
{
    for (int y = 0; y < v->Ysize; y++) {
        VipsPel *p = VIPS_IMAGE_ADDR(v, 0, y);
        const VipsPel *q = VIPS_IMAGE_ADDR(before, 0, y), *m = VIPS_IMAGE_ADDR(mask, 0, y);

        for (int x = 0; x < v->Xsize; x++, p += 4, q += 4, m += mask->Bands) {
            int now = m[0] * p[3], then = (255 - m[0]) * q[3], all = now + then;

            for (int b = 0; b < 3 && all; b++)
                p[b] = (VipsPel)((p[b] * now + q[b] * then + all / 2) / all);
            p[3] = (VipsPel)((all + 127) / 255);
        }
    }
}

int image_mask(struct image *img, struct image *before, struct image *mask, struct err *err)
{
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
        mix(img->frame[f], b, m);
    }
    return 0;
}

/* ---- alpha ---- */

static uint8_t gray_of(const VipsPel *p)
{
    return (uint8_t)(0.212656 * p[0] + 0.715158 * p[1] + 0.072186 * p[2] + 0.5);
}

static void alpha_pixel(VipsPel p[4], enum image_alpha mode, struct color bg)
{
    bool paint = false;

    switch (mode) {
    case ALPHA_OPAQUE:
        p[3] = 255;
        break;
    case ALPHA_TRANSPARENT:
        p[3] = 0;
        break;
    case ALPHA_EXTRACT:
        p[0] = p[1] = p[2] = p[3];
        p[3] = 255;
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
    if (paint) {
        p[0] = bg.r;
        p[1] = bg.g;
        p[2] = bg.b;
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
    for (int f = 0; f < img->count; f++) {
        VipsImage *v = img->frame[f];

        for (int y = 0; y < v->Ysize; y++) {
            VipsPel *p = VIPS_IMAGE_ADDR(v, 0, y);

            for (int x = 0; x < v->Xsize; x++, p += 4)
                alpha_pixel(p, mode, background);
        }
    }
    return mode == ALPHA_EXTRACT ? image_drop_alpha(img, err) : 0;
}
