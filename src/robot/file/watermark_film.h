/* watermark_film.h - what /file/watermark does with a film: the pictures are encoded again in the
 * form that they had, as nearly as this server can, and sounds are copied. */
#pragma once
#include "media/av/encode.h"

struct watermark_film {
    struct robot_job *job;
    int input;
    struct av_info info;
    int64_t w, h; /* px that the result will have */
};

bool watermark_is_film(const struct robot_input *in);
MUST_CHECK int watermark_film_open(struct watermark_film *out, struct robot_job *job, int input,
                                   struct err *err);
/* mark is changed to the size of spot, and the film with it there is handed over. */
MUST_CHECK int watermark_film_mark(struct watermark_film *f, struct image *mark,
                                   const struct rect *spot, struct err *err);
