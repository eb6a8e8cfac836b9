/* A variant of /video/ondemand: what its parameters ask for, and what playlists promise of it. */
#include "robot/choices.h"
#include "robot/values.h"
#include "robot/video/ondemand.h"

#include <math.h>
#include <stdlib.h>
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

static const char *setting_of(const struct av_profile *p, const char *name)
{
    const char *text = av_profile_get(p, name);

    return text ? text : "";
}

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

/* ---- what a variant will be, before anybody has encoded it ---- */

struct av_box ondemand_box(const struct av_info *film, const struct ondemand_form *f)
{
    struct av_box box = {.width = f->o.width,
                         .height = f->o.height,
                         .strategy = (enum fit_strategy)f->o.resize_strategy,
                         .zoom = f->o.zoom,
                         .background = f->o.background,
                         .tone = film->is_hdr};

    if (!box.width && !box.height) {
        box.width = f->profile.width;
        box.height = f->profile.height;
    }
    return box;
}

/* "3500k", "2M", "64000". 0: it is none. */
static double rate_of(const char *text)
{
    char *end;
    double v = strtod(text, &end);

    return *end == 'k' || *end == 'K' ? v * 1e3 : *end == 'm' || *end == 'M' ? v * 1e6 : v;
}

/* bit/s, with what MPEG-TS adds. Without a limit of its own: what a film of this size rarely goes
 * beyond. */
static double bandwidth_of(const struct av_info *film, const struct ondemand_form *f, int64_t width,
                           int64_t height)
{
    double v =
        fmax(rate_of(setting_of(&f->profile, "maxrate")), rate_of(setting_of(&f->profile, "b:v")));
    double rate = film->frame_rate > 0 ? film->frame_rate : 30,
           a = rate_of(setting_of(&f->profile, "b:a"));

    if (!(v > 0))
        v = (double)(width * height) * rate * 0.12;
    return ceil((v + (film->has_audio ? a > 0 ? a : 128000 : 0)) * 1.1);
}

/* The lowest level of H.264 (annex A) that has room for it; the encoder is told to keep to it. */
static int level_of(const struct av_info *film, int64_t width, int64_t height, double bits)
{
    static const struct {
        int level, blocks, per_s, kbits; /* kbits: of the main profile */
    } levels[] = {{13, 396, 11880, 768},       {21, 792, 19800, 4000},
                  {30, 1620, 40500, 10000},    {31, 3600, 108000, 14000},
                  {40, 8192, 245760, 20000},   {42, 8704, 522240, 50000},
                  {51, 36864, 983040, 240000}, {60, 139264, 4177920, 240000}};
    double blocks = ceil((double)width / 16) * ceil((double)height / 16);
    double rate = film->frame_rate > 0 ? film->frame_rate : 30;

    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (blocks <= levels[i].blocks && blocks * rate <= levels[i].per_s &&
            bits <= levels[i].kbits * 1000.0)
            return levels[i].level;
    return 62;
}

struct ondemand_promise ondemand_promise(struct arena *a, const struct av_info *film,
                                         const struct ondemand_form *f)
{
    static const struct {
        const char *name, *code;
    } profiles[] = {{"high", "6400"}, {"main", "4d40"}, {"baseline", "42c0"}};
    struct av_box box = ondemand_box(film, f);
    struct ondemand_promise p = {.profile = profiles[0].name};
    const char *code = profiles[0].code, *asked = setting_of(&f->profile, "level");

    av_box_size(&p.width, &p.height, &box, film->width, film->height);
    p.bandwidth = bandwidth_of(film, f, p.width, p.height);
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
        if (!strcmp(setting_of(&f->profile, "profile:v"), profiles[i].name)) {
            p.profile = profiles[i].name;
            code = profiles[i].code;
        }
    int level = *asked ? (int)lround(strtod(asked, NULL) * (strchr(asked, '.') ? 10 : 1))
                       : level_of(film, p.width, p.height, p.bandwidth);
    p.level = arena_printf(a, "%d.%d", level / 10, level % 10);
    p.codecs = arena_printf(a, "avc1.%s%02x%s", code, level, film->has_audio ? ",mp4a.40.2" : "");
    return p;
}
