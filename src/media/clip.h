/* clip.h - a piece of a film as a moving picture, made by ffmpeg. */
#pragma once
#include "media/fit.h"
#include "media/tool.h"
#include "media/vips.h"

enum clip_format { CLIP_WEBP, CLIP_GIF, CLIP_APNG, CLIP_AVIF };

struct clip {
    enum clip_format format;
    double at, duration; /* s; at least one frame is taken */
    int64_t framerate;   /* a second */
    bool loop;           /* for ever, or once. AVIF does not say */
    struct fit fit;      /* of the film's pictures as they are shown: upright, with square pixels */
    struct color background; /* of what is padded; AVIF makes it opaque */
};

const char *clip_ext(enum clip_format format);
/* path, which must end in that extension, may be there in parts after an error. Errors: those of
 * tool_run(). */
MUST_CHECK int clip_make(struct robot_job *job, const char *film, const char *path,
                         const struct clip *clip, struct err *err);
