/* surface.h - what is drawn with cairo becomes an image. Private to the files that draw. */
#pragma once
#include "media/vips.h"

#include <pango/pangocairo.h>

#define SURFACE_SIDE_MAX 32767 /* px; cairo's own */

static inline void surface_free(cairo_surface_t *s)
{
    if (s)
        cairo_surface_destroy(s);
}
DEFINE_AUTO(cairo_surface_t *, surface_free)
static inline void surface_pen_free(cairo_t *cr)
{
    if (cr)
        cairo_destroy(cr);
}
DEFINE_AUTO(cairo_t *, surface_pen_free)

/* All of it one colour. Errors: ERR_COMMAND: larger than a side may be, or than memory. */
MUST_CHECK int surface_new(cairo_surface_t **out, int64_t w, int64_t h, struct color fill,
                           struct err *err);
void surface_color(cairo_t *cr, struct color c);
/* The caller keeps s. */
MUST_CHECK int surface_image(struct image **out, cairo_surface_t *s, struct err *err);
