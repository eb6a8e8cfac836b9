/* image_emit.h - an image becomes a result: written, looked at and handed over. For every Robot that makes pictures. */
#pragma once
#include "media/vips.h"
#include "robot/robot.h"

/* What a `format` parameter may say; TIF and TIFF differ in the extension alone. */
enum image_type { IMAGE_AS_INPUT, IMAGE_JPG, IMAGE_PNG, IMAGE_WEBP, IMAGE_GIF, IMAGE_TIF, IMAGE_TIFF, IMAGE_AVIF, IMAGE_HEIC, IMAGE_JP2 };
/* As image_save() knows it: "tif" for both. NULL: IMAGE_AS_INPUT. */
static inline const char *image_type_name(enum image_type t)
{
    static const char *const names[] = {
        [IMAGE_AS_INPUT] = NULL, [IMAGE_JPG] = "jpg",   [IMAGE_PNG] = "png",   [IMAGE_WEBP] = "webp", [IMAGE_GIF] = "gif",
        [IMAGE_TIF] = "tif",     [IMAGE_TIFF] = "tif",  [IMAGE_AVIF] = "avif", [IMAGE_HEIC] = "heic", [IMAGE_JP2] = "jp2",
    };
    return names[t];
}
/* The format that the result will have: what was asked for, or that of the file that img came from; where nothing writes that
 * one, otherwise. */
const char *image_emit_format(const struct image *img, enum image_type asked, const char *otherwise);

struct image_emit {
    enum image_type asked;
    struct image_save save;    /* save.format: image_emit_format() */
    const json_t *output_meta; /* the step's value, lent */
    int input;                 /* whose name and extension it gets: 0, unless several are made of several */
    json_t *meta;              /* further keys; stolen; may be NULL */
    double told;               /* how much of the job is done already, 0 to 1: the rest of its progress is told here */
    double upto;               /* ... or what is done with this image, where more follow; 0: all */
};
/* For image_watch() with the job as ctx: its progress. */
void image_tell_job(void *job, double done);
/* img is rendered. The file is named like that input, whose extension it keeps if that is one of its type and no other was asked
 * for. Errors: ERR_COMMAND and those of robot_emit(). */
MUST_CHECK int image_emit(struct robot_job *job, struct image *img, const struct image_emit *how, struct err *err);
