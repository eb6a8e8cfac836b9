/* icon.h - a picture for a file of which nothing can be shown: drawn here, as an SVG that librsvg
 * makes into pixels of exactly the size that is needed. */
#pragma once
#include "media/vips.h"

struct icon {
    const char
        *kind; /* "audio", "video", "image", "document", "archive", "webpage"; else: any file */
    const char *text; /* on it: an extension; NULL or "": none. Long ones are drawn smaller */
    bool square;      /* a tile, with the text inside; else a sheet with a box for the text below */
    struct color color; /* of the text */
    const char *font;   /* family; where it is missing, a sans-serif */
    int64_t w, h;       /* px */
};
#define ICON_FONT_FORM "^[^]<>&'\"\\;,{}[]{1,100}$" /* what a family's name may look like */

/* Its own proportions and size, when nobody asks for another. */
void icon_natural_size(int64_t *w, int64_t *h, bool square);
/* path: of a file that is made and removed again. */
MUST_CHECK int icon_draw(struct image **out, const struct icon *icon, const char *path,
                         struct err *err);
