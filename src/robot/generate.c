#include "robot/generate.h"
#include "base/str.h"

#include <math.h>
#include <stdlib.h>

#define PROMPT_MAX 32000 /* bytes */
#define RATIO_MAX 16     /* a side is at most so many times as long as the other */
#define RATIO_FITS 0.02  /* of it, that a width and a height may be off */

#define T struct generate_opts
const struct option generate_options[] = {
    OPT_STR(T, prompt, .required = true, .example = "\"A lighthouse at dusk\"",
            .help = "What is to be seen."),
    OPT_STR(T, model, .def_str = "auto", .example = "\"vendor/a-model\"",
            .help = "Name that the service knows it by. auto: the operator's, or the first that "
                    "the service lists."),
    OPT_STR(T, style, .example = "\"watercolour\"",
            .help = "Style, which is said behind the prompt."),
    OPT_STR(T, provider, .def_str = "auto", .example = "\"replicate\"",
            .idle = "the operator's service does the work",
            .help = "Accepted and ignored: the operator's service does the work."),
    OPT_STR(T, aspect_ratio, .pattern = "^[0-9]{1,4}:[0-9]{1,4}$", .example = "\"16:9\"",
            .help = "Width by height, as 16:9."),
    OPT_INT(
        T, width, .min = 1, .max = 16384, .unit = "px",
        .help =
            "Width. Left out: follows the height and aspect_ratio, or the service's usual one."),
    OPT_INT(T, height, .min = 1, .max = 16384, .unit = "px", .help = "Height, the same way."),
    OPT_INT(T, num_outputs, .min = 1, .max = 10, .def = 1, .help = "How many are made."),
    OPT_JSON(T, seed, .example = "7",
             .help = "Seed of chance, a whole number. Left out: another one each time."),
    OPT_END,
};

static double generate_ratio(const T *o)
{
    char *end;
    double w = str_given(o->aspect_ratio) ? strtod(o->aspect_ratio, &end) : 0;

    return w > 0 ? w / strtod(end + 1, NULL) : 0;
}

int generate_check(const struct generate_opts *o, bool partial, struct err *err)
{
    if (!partial && (!str_given(o->prompt) || strlen(o->prompt) > PROMPT_MAX))
        return err_set(err, ERR_ROBOT_VALIDATION, "'prompt' must have 1 to %d bytes", PROMPT_MAX);
    if (o->seed && !json_is_integer(o->seed) && !(partial && json_is_string(o->seed)))
        return err_set(err, ERR_ROBOT_VALIDATION, "'seed' must be a whole number");
    if (!str_given(o->aspect_ratio))
        return 0;
    double ratio = generate_ratio(o);
    if (!(ratio >= 1.0 / RATIO_MAX && ratio <= RATIO_MAX))
        return err_set(err, ERR_ROBOT_VALIDATION, "'aspect_ratio' must be between 1:%d and %d:1",
                       RATIO_MAX, RATIO_MAX);
    if (o->width && o->height &&
        fabs((double)o->width / (double)o->height / ratio - 1) > RATIO_FITS)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'aspect_ratio' is not that of 'width' and 'height'");
    return 0;
}

static int64_t to_step(double px, int step)
{
    int64_t n = llround(px / step) * step;

    return n < step ? step : n;
}

const char *generate_size(struct arena *a, const struct generate_opts *o, int64_t pixels, int step)
{
    double ratio = generate_ratio(o), w = (double)o->width, h = (double)o->height;

    if (!w && !h && ratio <= 0)
        return NULL;
    if (ratio <= 0)
        ratio = 1;
    if (!w && !h) {
        w = (double)to_step(sqrt((double)pixels * ratio), step);
        h = (double)to_step(sqrt((double)pixels / ratio), step);
    }
    return arena_printf(a, "%lldx%lld", (long long)fmax(1, w > 0 ? w : round(h * ratio)),
                        (long long)fmax(1, h > 0 ? h : round(w / ratio)));
}

const char *generate_prompt(struct arena *a, const struct generate_opts *o, const char *camera)
{
    bool style = str_given(o->style), moves = str_given(camera);

    return arena_printf(a, "%s%s%s%s%s", o->prompt, style ? "\nStyle: " : "", style ? o->style : "",
                        moves ? "\nCamera: " : "", moves ? camera : "");
}

const char *generate_name(struct arena *a, const char *what, int64_t nth, int64_t of)
{
    return of > 1 ? arena_printf(a, "%s-%lld", what, (long long)nth) : what;
}
