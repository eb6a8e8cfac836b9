/* png_text.h - what a PNG says of itself in its text chunks, into the keys of a file's meta. A key
 * that meta already holds is left alone. */
#pragma once
#include "media/vips.h"

void meta_add_png_text(json_t *meta, const struct image *img);
