/* The parameters of Robots that join and cut films, and what they must be together. In the daemon
 * as well. */
#include "robot/video/join.h"

#include <stdlib.h>
#include <string.h>

#define T struct join_opts
const struct option join_options[] = {
    OPT_INT(
        T, width, .min = 1, .max = 16384, .nullable = true, .unit = "px",
        .help =
            "Width, rounded down to an even one. Left out: the preset's, or the first picture's."),
    OPT_INT(
        T, height, .min = 1, .max = 16384, .nullable = true, .unit = "px",
        .help =
            "Height, rounded down to an even one. Left out: the preset's, or the first picture's."),
    OPT_ENUM(T, preset, av_presets, .dashes = true, .def = AV_NO_PRESET,
             .example = "\"web/mp4/240p\"",
             .help = "How the result is encoded; ffmpeg is laid over it."),
    OPT_GROUP(T, av, struct av_opts, av_options),
    OPT_END,
};
#undef T
const struct opt_choice join_transitions[] = {
    {"none", AV_CUT}, {"crossfade", AV_CROSSFADE}, {"fade_to_black", AV_FADE_TO_BLACK}, {0}};

/* ---- options ---- */

static bool is_rate(const char *text)
{
    double v = strtod(text, NULL);
    const char *slash = strpbrk(text, "/:");

    if (slash)
        v /= strtod(slash + 1, NULL);
    return v >= 0.01 && v <= 240 && !strpbrk(text, "kKMG");
}

int join_check(const struct join_opts *o, struct err *err)
{
    static const char *const ours[] = {"map", "filter_complex"};
    AUTO(arena_free) struct arena *a = arena_new();
    struct av_profile *p = arena_alloc(a, sizeof *p);

    if (av_opts_check(&o->av, AV_VIDEO | AV_AUDIO, err) < 0 ||
        av_profile(p, a, av_preset(o->preset), NULL, &o->av, AV_VIDEO | AV_AUDIO, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (av_opt(&o->av, a, ours[i]))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "ffmpeg option '%s' can't be used: this Robot lays the streams together "
                           "itself (vf and af can)",
                           ours[i]);
    for (const char *const *c = (const char *const[]){"c:v", "c:a", NULL}; *c; c++)
        if (av_profile_get(p, *c) && !strcmp(av_profile_get(p, *c), "copy"))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "ffmpeg option '%s' can't be 'copy': what this Robot makes is encoded",
                           *c);
    if (av_profile_get(p, "r") && !is_rate(av_profile_get(p, "r")))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "ffmpeg option 'r' is frames a second, 0.01 to 240");
    return 0;
}
