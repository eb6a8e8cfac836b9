#include "media/compose.h"
#include "media/image.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

int compose_canvas(struct image **out, int64_t w, int64_t h, struct color fill,
                   const struct media_limits *limits, struct err *err)
{
    const uint8_t rgba[4] = {fill.r, fill.g, fill.b, fill.a};
    AUTO(image_free) struct image *img = NULL;

    if (w < 1 || h < 1 || h > limits->max_pixels || w > limits->max_pixels / h ||
        w > VIPS_MAX_COORD || h > VIPS_MAX_COORD)
        return err_set(err, ERR_COMMAND,
                       "the result would have %" PRId64 "x%" PRId64 " pixels, the limit is %" PRId64
                       " (setting max_pixels)",
                       w, h, limits->max_pixels);
    if (image_from_pixels(&img, rgba, 1, 1, 4, 1, err) < 0)
        return -1;
    IMAGE_EACH(img, "cannot make a canvas", vips_replicate(in, &now, (int)w, (int)h, NULL));
    if (image_render(img, err) < 0)
        return -1;
    *out = take(img);
    return 0;
}

int compose_ready(struct image *img, struct err *err)
{
    if (image_to_srgb(img, err) < 0 || image_add_alpha(img, err) < 0)
        return -1;
    /* "In memory" may be memory that others see: a copy is a new picture, never what is lent. */
    IMAGE_EACH(img, "cannot decode the image", !(now = vips_image_copy_memory(in)));
    return 0;
}

/* Source over destination, both with alpha of their own. */
static void compose_blend(uint8_t *to, const uint8_t *from, double alpha)
{
    double below = to[3] / 255.0 * (1 - alpha), all = alpha + below;

    for (int i = 0; i < 3 && all > 0; i++)
        to[i] = (uint8_t)lround((from[i] * alpha + to[i] * below) / all);
    to[3] = (uint8_t)lround(all * 255);
}

static void place_row(uint8_t *to, const uint8_t *from, int n, int bands, double opacity)
{
    for (; n--; to += 4, from += bands) {
        double alpha = (bands == 4 ? from[3] : 255) / 255.0 * opacity;

        if (alpha >= 1) {
            memcpy(to, from, 3);
            to[3] = 255;
        } else if (alpha > 0) {
            compose_blend(to, from, alpha);
        }
    }
}

static void place_on(VipsImage *on, VipsImage *v, int64_t x, int64_t y, double opacity)
{
    int64_t left = MAX(x, 0), right = MIN(x + v->Xsize, on->Xsize);
    int64_t top = MAX(y, 0), bottom = MIN(y + v->Ysize, on->Ysize);

    for (int64_t row = top; row < bottom && left < right; row++)
        place_row(VIPS_IMAGE_ADDR(on, (int)left, (int)row),
                  VIPS_IMAGE_ADDR(v, (int)(left - x), (int)(row - y)), (int)(right - left),
                  v->Bands, opacity);
}

int compose_place(struct image *canvas, struct image *over, int64_t x, int64_t y, double opacity,
                  struct err *err)
{
    if (image_to_srgb(over, err) < 0 || image_render(over, err) < 0)
        return -1;
    for (int i = 0; i < canvas->count; i++)
        place_on(canvas->frame[i], over->frame[0], x, y, opacity);
    return 0;
}
