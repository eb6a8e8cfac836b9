#include "robot/artwork.h"

#include <string.h>

static const struct opt_choice methods[] = {
    {"extract", ARTWORK_EXTRACT}, {"insert", ARTWORK_INSERT}, {0}};

const struct option artwork_options[] = {
    OPT_ENUM(struct artwork_opts, method, methods, .def = ARTWORK_EXTRACT,
             .help = "Take the cover out, as it is, or put one in."),
    OPT_ENUM(struct artwork_opts, preset, av_sound_presets, .dashes = true, .def = AV_NO_PRESET,
             .help = "With insert: encode the sound like that, instead of copying it."),
    OPT_GROUP(struct artwork_opts, av, struct av_opts, av_options),
    OPT_END,
};

bool artwork_fits(const char *muxer)
{
    static const char *const carriers[] = {"mp3", "flac", "ipod", "mp4", "mov", "aiff"};

    for (size_t i = 0; i < ARRAY_LEN(carriers); i++)
        if (!strcmp(carriers[i], muxer))
            return true;
    return false;
}

int artwork_check(const struct artwork_opts *o, bool sound, struct err *err)
{
    AUTO(arena_free) struct arena *a = arena_new();
    const struct av_preset *preset = av_preset(o->preset);
    struct av_profile *p = arena_alloc(a, sizeof *p);
    unsigned makes = artwork_makes(sound);

    if (av_profile_check(AV_NO_PRESET, &o->av, makes, err) < 0 ||
        av_profile(p, a, NULL, NULL, &o->av, makes, err) < 0)
        return -1;
    if (o->method != ARTWORK_INSERT)
        return 0;
    if (p->graph || p->map_count)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "ffmpeg options 'map' and 'filter_complex' would choose other streams than "
                       "this Robot does");
    if (sound && preset && *preset->muxer && !artwork_fits(preset->muxer))
        return err_set(err, ERR_ROBOT_VALIDATION, "'preset': files that %s makes carry no cover",
                       preset->name);
    if (*p->muxer && !artwork_fits(p->muxer))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "ffmpeg option 'f': files of the format %s carry no cover", p->muxer);
    return 0;
}
