/* A variant of /video/ondemand: what its parameters ask for. The daemon checks it. */
#include "robot/choices.h"
#include "robot/values.h"
#include "robot/video/ondemand.h"

#include <string.h>

#define T struct ondemand_form_opts
#define LEFT_OUT(name, none) OPT_UNSUPPORTED(#name, .def_str = none)
static const struct option form_options[] = {
    OPT_ENUM(T, preset, av_presets, .dashes = true, .def = AV_NO_PRESET,
             .help = "Named set of settings."),
    OPT_INT(T, width, .min = 1, .max = 7680, .unit = "px", .nullable = true, .help = "Width."),
    OPT_INT(T, height, .min = 1, .max = 4320, .unit = "px", .nullable = true, .help = "Height."),
    OPT_ENUM(T, resize_strategy, choices_fit, .def = FIT_PAD,
             .help = "What to do when the shapes differ."),
    OPT_BOOL(T, zoom, .def = true, .help = "Small films are enlarged."),
    OPT_STR(T, background, .def_str = "#00000000", .pattern = VALUE_RGBA,
            .help = "Colour of what pad adds."),
    OPT_GROUP(T, av, struct av_opts, av_options),
    /* parameters of /video/encode that are not built here; schemas write out what asks for none */
    LEFT_OUT(hint, "false"),
    LEFT_OUT(turbo, "false"),
    LEFT_OUT(segment, "false"),
    LEFT_OUT(segment_duration, "10"),
    LEFT_OUT(segment_prefix, "\"\""),
    LEFT_OUT(segment_name, "\"\""),
    LEFT_OUT(watermark_url, "\"\""),
    LEFT_OUT(watermark_position, "\"center\""),
    LEFT_OUT(watermark_x_offset, "0"),
    LEFT_OUT(watermark_y_offset, "0"),
    LEFT_OUT(watermark_size, NULL),
    LEFT_OUT(watermark_resize_strategy, "\"fit\""),
    LEFT_OUT(watermark_start_time, "0"),
    LEFT_OUT(watermark_duration, "-1"),
    LEFT_OUT(watermark_opacity, "1"),
    LEFT_OUT(rotate, NULL),
    LEFT_OUT(crop, NULL),
    LEFT_OUT(chunk_duration, NULL),
    OPT_END,
};
#undef T

int ondemand_form_read(struct ondemand_form *f, struct arena *a, const char *name,
                       const json_t *params, struct err *err)
{
    struct err why;
    const char *said = "";

    *f = (struct ondemand_form){.name = name};
    if (!*name || strlen(name) > 64 ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] ||
        *name == '.')
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'variants': the name '%.64s' has something else than letters, digits, '_', "
                       "'-' and '.'",
                       name);
    if (!json_is_object(params))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'variants': '%s' must be an object of parameters", name);
    if (options_fill(&f->o, a, form_options, params, false, &why) < 0 ||
        av_opts_check(&f->o.av, AV_VIDEO | AV_AUDIO, &why) < 0 ||
        av_profile(&f->profile, a, av_preset(f->o.preset), NULL, &f->o.av, AV_VIDEO | AV_AUDIO,
                   &why) < 0)
        return err_set(err, ERR_ROBOT_VALIDATION, "'variants': '%s': %s", name, why.msg);
    const struct av_profile *p = &f->profile;
    if (!(p->makes & AV_VIDEO))
        said = "it has no pictures";
    else if (av_profile_get(p, "c:v") && strcmp(av_profile_get(p, "c:v"), "libx264") != 0)
        said = "pictures must be H.264 (libx264)";
    else if (av_profile_get(p, "c:a") && strcmp(av_profile_get(p, "c:a"), "aac") != 0)
        said = "sound must be AAC";
    else if (p->graph || p->map_count || av_profile_get(p, "ss") || av_profile_get(p, "t") ||
             av_profile_get(p, "to"))
        said = "'filter_complex', 'map', 'ss', 't' and 'to' are not for a film in segments";
    return *said ? err_set(err, ERR_ROBOT_VALIDATION, "'variants': '%s': %s", name, said) : 0;
}
