/* /audio/encode: a sound in another format, or the sound of a film. */
#include "media/av/track.h"

#include <string.h>

struct audio_encode_opts {
    struct sound_opts sound;
};
#define T struct audio_encode_opts
static const struct option options[] = {OPT_GROUP(T, sound, struct sound_opts, sound_options),
                                        OPT_END};

const struct robot robot_audio_encode;

#define STANDARD "mp3" /* where neither preset nor ffmpeg is given */

static int audio_encode_check(const void *opts, bool partial, struct err *err)
{
    return sound_check(&((const T *)opts)->sound, STANDARD, SOUND_GRAPH | SOUND_COPY, partial,
                       err) < 0
               ? robot_refusal(err, &robot_audio_encode)
               : 0;
}

/* What the client has laid out himself, or the first sound of the file. */
static void audio_encode_streams(struct av_run *r, const struct av_profile *p,
                                 const struct track *t)
{
    struct arena *a = robot_arena(r->job);
    const char *encoder = av_profile_get(p, "c:a"), *chain;

    if (p->graph || p->map_count) {
        r->graph = p->graph;
        memcpy(r->maps, p->maps, sizeof r->maps);
        return;
    }
    chain = encoder && !strcmp(encoder, "copy") ? NULL : track_shape_alone(a, t, p);
    r->graph = chain ? arena_printf(a, "[0:a:0]%s[a]", chain) : NULL;
    r->maps[0] = chain ? "[a]" : "0:a:0";
}

static int audio_encode_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct arena *a = robot_arena(job);
    struct av_profile p;
    struct track t;

    if (track_look(&t, job, 0, err) < 0)
        return -1;
    if (!t.has_sound)
        return 0;
    if (sound_profile(&p, a, &o->sound, STANDARD, robot_input(job, 0)->ext, err) < 0)
        return -1;
    struct av_run r = {.job = job,
                       .profile = &p,
                       .sources = {{.path = t.path}},
                       .source_count = 1,
                       .seconds = t.seconds};
    audio_encode_streams(&r, &p, &t);
    r.output = robot_out_path(job, p.ext);
    return track_run(&r, &t, 0, !av_opt(&o->sound.av, a, "vn"), err) < 0
               ? -1
               : track_emit(&r, 0, NULL, err);
}

const struct robot robot_audio_encode = {
    .name = "/audio/encode",
    .summary = "Encode sounds, and the sound of films",
    .accepts = "audio/|video/",
    .nothing = "the file has no sound",
    .role = ROLE_MEDIA,
    .flags = ROBOT_ENCODES,
    .price_factor = 4,
    .slots = 20,
    .opts_size = sizeof(T),
    .options = options,
    .check = audio_encode_check,
    .run = IN_WORKER(audio_encode_run),
};
