/* /video/artwork: the cover picture of a film is taken out, or put in. */
#include "media/cover.h"
#include "robot/artwork.h"

#define T struct video_artwork_opts
T { struct artwork_opts artwork; };
#define T struct video_artwork_opts
static const struct option options[] = {
    OPT_GROUP(T, artwork, struct artwork_opts, artwork_options),
    OPT_END,
};

static int video_artwork_check(const void *opts, bool partial, struct err *err)
{
    (void)partial; /* what is not known yet holds its default, which is right */
    return artwork_check(&((const T *)opts)->artwork, false, err);
}

static int video_artwork_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;

    return cover_job(job, &o->artwork, false, false, err);
}

const struct robot robot_video_artwork = {
    .name = "/video/artwork",
    .summary = "Take the cover picture out of a film, or put one in",
    .accepts = "video/|image/",
    .takes = {"video", "image"},
    .nothing = "the file has no cover picture",
    .role = ROLE_MEDIA,
    .flags = ROBOT_ENCODES,
    .price_factor = 1,
    .slots = 20,
    .opts_size = sizeof(T),
    .options = options,
    .check = video_artwork_check,
    .run = IN_WORKER(video_artwork_run),
};
