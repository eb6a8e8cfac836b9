/* picture_pdf.h - a picture as a PDF of one page. */
#pragma once
#include "media/vips.h"

/* A page as large as img at 96 dots per inch, which holds it whole, to path. jpeg: the file that it
 * came from, when that is one whose pixels stand as they are shown, so that it goes in as it is;
 * NULL: it does not. Errors: ERR_COMMAND. */
MUST_CHECK int picture_pdf(const char *path, struct image *img, const char *jpeg, struct err *err);
