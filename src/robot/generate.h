/* generate.h - what Robots that have pictures or films made of a text share: parameters, and what
 * is asked for. */
#pragma once
#include "robot/robot.h"

struct generate_opts {
    const char *prompt, *model, *style, *provider, *aspect_ratio;
    int64_t width, height; /* px; 0: not given */
    int64_t num_outputs;
    json_t *seed; /* a number; NULL: not given */
};
extern const struct option generate_options[];
/* ERR_ROBOT_VALIDATION without a Robot's name. */
MUST_CHECK int generate_check(const struct generate_opts *o, bool partial, struct err *err);

/* "1280x720" of width, height and aspect_ratio; where only the last is given, of about so many
 * pixels, each side a multiple of step. NULL: nothing is asked for. Lives in a. */
const char *generate_size(struct arena *a, const struct generate_opts *o, int64_t pixels, int step);
/* The prompt, and what no service has a field for behind it: "Style: ...". camera: NULL: nothing.
 * Lives in a. */
const char *generate_prompt(struct arena *a, const struct generate_opts *o, const char *camera);
/* "image", or "image-2" where there are several. Lives in a. */
const char *generate_name(struct arena *a, const char *what, int64_t nth, int64_t of);
