#include "media/surface.h"

#include <inttypes.h>

int surface_new(cairo_surface_t **out, int64_t w, int64_t h, struct color fill, struct err *err)
{
    AUTO(surface_free) cairo_surface_t *s = NULL;
    AUTO(surface_pen_free) cairo_t *cr = NULL;

    if (w > SURFACE_SIDE_MAX || h > SURFACE_SIDE_MAX)
        return err_set(err, ERR_COMMAND,
                       "a drawing would have %" PRId64 "x%" PRId64
                       " pixels, the limit is %d a side",
                       w, h, SURFACE_SIDE_MAX);
    s = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, (int)w, (int)h);
    if (cairo_surface_status(s))
        return err_set(err, ERR_COMMAND, "cannot draw: %s",
                       cairo_status_to_string(cairo_surface_status(s)));
    cr = cairo_create(s);
    if (fill.a) { /* a new one is clear */
        surface_color(cr, fill);
        cairo_paint(cr);
    }
    *out = take(s);
    return 0;
}

void surface_color(cairo_t *cr, struct color c)
{
    cairo_set_source_rgba(cr, c.r / 255.0, c.g / 255.0, c.b / 255.0, c.a / 255.0);
}

/* Cairo's pixels are native words whose colours are multiplied by alpha. */
int surface_image(struct image **out, cairo_surface_t *s, struct err *err)
{
    int w = cairo_image_surface_get_width(s), h = cairo_image_surface_get_height(s),
        stride = cairo_image_surface_get_stride(s);
    AUTO(mem_free) char *pixels = mem_alloc((size_t)w * (size_t)h * 4);
    uint8_t *to = (uint8_t *)pixels;

    cairo_surface_flush(s);
    for (int y = 0; y < h; y++) {
        const uint32_t *row = (const uint32_t *)(const void *)(cairo_image_surface_get_data(s) +
                                                               (size_t)y * (size_t)stride);

        for (int x = 0; x < w; x++, to += 4) {
            uint32_t a = row[x] >> 24;

            for (int i = 0; i < 3; i++)
                to[i] =
                    (uint8_t)(a ? MIN(((row[x] >> (16 - 8 * i) & 255) * 255 + a / 2) / a, 255) : 0);
            to[3] = (uint8_t)a;
        }
    }
    return image_from_pixels(out, (uint8_t *)pixels, w, h, 4, 1, err);
}
