/* ondemand.h - what the files of /video/ondemand share: ondemand.c finds the asset that an address
 * names and makes it, ondemand_form.c knows what a variant is asked to
 * be, ondemand_promise.c what it will be. */
#pragma once
#include "media/av/encode.h"
#include "robot/av_options.h"
#include "robot/av_profile.h"

struct ondemand_form_opts {
    int preset, resize_strategy;
    int64_t width, height;
    bool zoom;
    const char *background;
    struct av_opts av;
};
struct ondemand_form {
    const char *name;
    struct ondemand_form_opts o;
    struct av_profile profile;
};

/* A variant of that name from its parameters. Errors: ERR_ROBOT_VALIDATION. */
MUST_CHECK int ondemand_form_read(struct ondemand_form *f, struct arena *a, const char *name,
                                  const json_t *params, struct err *err);
/* The box that its pictures are put into. */
struct av_box ondemand_box(const struct av_info *film, const struct ondemand_form *f);

/* What the variant will be before anybody has encoded it, for the playlists; the encoder is told to
 * keep to it. */
struct ondemand_promise {
    int64_t width, height;
    double bandwidth;
    const char *profile, *level, *codecs; /* the first two for the encoder */
};

struct ondemand_promise ondemand_promise(struct arena *a, const struct av_info *film,
                                         const struct ondemand_form *f);
