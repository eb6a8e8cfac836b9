/* shrink.h - the same picture in fewer bytes. What comes out shows exactly what went in: every
 * attempt is decoded beside the file that it was made of and compared, before it is believed. */
#pragma once
#include "media/vips.h"
#include "robot/robot.h"

#include <stdio.h>

struct shrink {
    struct media_limits limits;
    bool progressive; /* interlaced, where that is not larger than the file was */
    bool keep_meta; /* EXIF, XMP, comments. What a picture needs to look right stays in any case */
    bool lossy;     /* a palette may compete for PNG */
    bool thorough;  /* many times the work for the last percent */
    bool mend;      /* what can't be read is no error: nothing comes out */
};

/* *out: a path of the job with the smaller file; NULL: nothing smaller was found, or nothing here
 * shrinks such a type. JPEG, PNG, GIF, WebP and SVG are. Errors: ERR_COMMAND (not with mend, but
 * for a tool that is not there), ERR_TIMEOUT. */
MUST_CHECK int shrink_file(const char **out, struct robot_job *job, const char *path,
                           const struct shrink *how, struct err *err);

/* ---- its parts, for one kind of file each: `to` is written; -1: it could not be made of this file
 * ---- */

/* The same coefficients, coded better: no pixel is computed. orientation: as in EXIF, kept also
 * without keep_meta. 1: the file must stay as it is. Errors: ERR_COMMAND: it is not whole, or of a
 * kind that nothing here codes. */
MUST_CHECK int shrink_jpeg(const char *from, const char *to, bool progressive, bool keep_meta,
                           int orientation, struct robot_job *job, struct err *err);
/* The file without its metadata, bytes of pictures untouched. Errors: ERR_COMMAND: it is broken. */
MUST_CHECK int shrink_strip_png(const char *from, const char *to, struct err *err);
MUST_CHECK int shrink_strip_webp(const char *from, const char *to, struct err *err);
/* What there is in the file. */
bool shrink_is_apng(const char *path);
bool shrink_is_lossless_webp(const char *path); /* and no animation */
/* An EXIF block (as TIFF) that says how to turn the picture, and nothing else. */
#define SHRINK_EXIF_LEN 26
void shrink_exif(uint8_t out[static SHRINK_EXIF_LEN], int orientation);

static inline void shrink_close(FILE *f)
{
    if (f)
        fclose(f);
}
DEFINE_AUTO(FILE *, shrink_close)
