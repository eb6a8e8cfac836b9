/* pdf_images.h - the pictures that a PDF's pages draw, as files, by poppler's pdfimages as a child. Errors of all:
 * ERR_INPUT: too damaged, or more than it is allowed; ERR_TIMEOUT; ERR_COMMAND: the program failed. */
#pragma once
#include "media/vips.h"
#include "robot/robot.h"

enum { PDF_IMAGES_MAX = 8000 }; /* that all pages asked for may draw */

enum pdf_image_kind {
    PDF_IMAGE,
    PDF_STENCIL, /* its shape is painted in a colour */
    PDF_MASK,    /* of another one: what of it is seen */
    PDF_SMASK    /* ... and how much */
};

struct pdf_image {
    int64_t page;   /* from 1 */
    int64_t number; /* among all those of the pages that the program was asked for, from 0 */
    enum pdf_image_kind kind;
    int64_t width, height;
    int64_t object, generation; /* in the file; object -1: it lies in the page itself */
    double bytes;               /* as it is stored there, about */
};

struct pdf_images {
    struct pdf_image *row;
    size_t n, cap;
};
void pdf_images_done(struct pdf_images l);
DEFINE_AUTO(struct pdf_images, pdf_images_done)

/* Append those of the pages first to last, in the order in which they are drawn. One that is drawn twice is there
 * twice. Errors also: ERR_INPUT: more than PDF_IMAGES_MAX; one, or all of a page together, is too large to be taken
 * out. */
MUST_CHECK int pdf_images_list(struct pdf_images *out, struct robot_job *job, const char *path, int64_t first,
                               int64_t last, const struct media_limits *limits, struct err *err);

enum pdf_images_as {
    PDF_AS_STORED, /* JPEG and JPEG 2000 keep their bytes; CMYK becomes TIFF, all else PNG */
    PDF_AS_SHOWN,  /* the same, but CMYK becomes PNG as well */
    PDF_AS_JPEG,   /* only JPEG keeps its bytes, all else PNG */
    PDF_AS_PNG
};
/* All that one page draws, the i-th as the file *pdf_images_file(base, i). Who asks removes them. */
MUST_CHECK int pdf_images_take(const char **base, struct robot_job *job, const char *path, int64_t page,
                               enum pdf_images_as as, struct err *err);
/* Its path, and *ext; NULL: the program has written none. Lent for the job's life. */
const char *pdf_images_file(const char **ext, struct robot_job *job, const char *base, int64_t i);
