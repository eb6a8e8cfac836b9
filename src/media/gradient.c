#include "media/gradient.h"

#include <math.h>
#include <stdlib.h>

static void gradient_free(uint8_t *p) { free(p); }
DEFINE_AUTO(uint8_t *, gradient_free)

static void gradient_pixel(uint8_t p[4], struct color centre, struct color edge, double share)
{
    const uint8_t c[] = {centre.r, centre.g, centre.b, centre.a},
                  e[] = {edge.r, edge.g, edge.b, edge.a};

    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)lround(c[i] + (e[i] - c[i]) * share);
}

/* q, of 3 or 4 bytes, over p. */
static void lay_over(uint8_t p[4], const uint8_t *q, int bands)
{
    unsigned above = bands == 4 ? q[3] : 255, below = p[3] * (255 - above) / 255,
             all = above + below;

    for (int i = 0; i < 3 && all; i++)
        p[i] = (uint8_t)((q[i] * above + p[i] * below + all / 2) / all);
    p[3] = (uint8_t)all;
}

int image_on_gradient(struct image **img, const struct fit *f, struct color centre,
                      struct color edge, struct err *err)
{
    int64_t w = f->out_w, h = f->out_h;
    AUTO(gradient_free) uint8_t *canvas = mem_alloc((size_t)(w * h) * 4);
    AUTO(gradient_free) uint8_t *over = NULL;
    struct image *made = NULL;
    double cx = (double)w / 2, cy = (double)h / 2, most = hypot(cx, cy);
    int bands;

    if (image_pixels(&over, &bands, *img, err) < 0)
        return -1;
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            int64_t ox = x - f->pad_x, oy = y - f->pad_y;
            uint8_t *p = canvas + (y * w + x) * 4;

            gradient_pixel(p, centre, edge,
                           hypot((double)x + 0.5 - cx, (double)y + 0.5 - cy) / most);
            if (ox >= 0 && oy >= 0 && ox < f->cut.w && oy < f->cut.h)
                lay_over(p, over + (oy * f->cut.w + ox) * bands, bands);
        }
    if (image_from_pixels(&made, canvas, (int)w, (int)h, 4, 1, err) < 0)
        return -1;
    image_free(*img);
    *img = made;
    return 0;
}
