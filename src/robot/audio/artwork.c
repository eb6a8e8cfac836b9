/* /audio/artwork: the cover picture of a sound is taken out, or put in. */
#include "media/cover.h"
#include "robot/artwork.h"

struct audio_artwork_opts {
    struct artwork_opts artwork;
    bool change_format_if_necessary;
};
#define T struct audio_artwork_opts
static const struct option options[] = {
    OPT_GROUP(T, artwork, struct artwork_opts, artwork_options),
    OPT_BOOL(
        T, change_format_if_necessary,
        .help =
            "With insert: a sound whose format carries no cover becomes MP3, or what preset says."),
    OPT_END,
};

static int audio_artwork_check(const void *opts, bool partial, struct err *err)
{
    (void)partial; /* what is not known yet holds its default, which is right */
    return artwork_check(&((const T *)opts)->artwork, true, err);
}

static int audio_artwork_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;

    return cover_job(job, &o->artwork, true, o->change_format_if_necessary, err);
}

const struct robot robot_audio_artwork = {
    .name = "/audio/artwork",
    .summary = "Take the cover picture out of a sound, or put one in",
    .accepts = "audio/|video/|image/",
    .takes = {"audio", "image"},
    .nothing = "the file has no cover picture",
    .role = ROLE_MEDIA,
    .flags = ROBOT_ENCODES,
    .price_factor = 1,
    .slots = 20,
    .opts_size = sizeof(T),
    .options = options,
    .check = audio_artwork_check,
    .run = IN_WORKER(audio_artwork_run),
};
