/* /audio/loop: a sound again and again, until it has lasted so long. */
#include "media/av/track.h"

#include <math.h>
#include <unistd.h>

#define STANDARD "mp3"        /* where neither preset nor ffmpeg is given */
#define DURATION_MAX 86400    /* s */
#define SHARE_OF_DECODING 0.2 /* of the progress */

struct audio_loop_opts {
    double duration;
    struct sound_opts sound;
};
#define T struct audio_loop_opts
static const struct option options[] = {
    OPT_NUM(T, duration, .min = 0.001, .max = DURATION_MAX, .def_num = 60, .unit = "s",
            .help = "How long the result lasts: it is cut there, wherever in the sound that is."),
    OPT_GROUP(T, sound, struct sound_opts, sound_options),
    OPT_END,
};

const struct robot robot_audio_loop;

static int audio_loop_check(const void *opts, bool partial, struct err *err)
{
    return sound_check(&((const T *)opts)->sound, STANDARD, 0, partial, err) < 0
               ? robot_refusal(err, &robot_audio_loop)
               : 0;
}

/* Of the second source come the titles: what is repeated is bare samples. */
static int audio_loop_encode(struct robot_job *job, const T *o, const struct track *t,
                             const struct av_profile *p, const struct track_form *form,
                             const char *plain, struct err *err)
{
    static const char *const again[] = {"-stream_loop", "-1", NULL}, *const bare[] = {
                                                                         "-map_chapters", "-1",
                                                                         NULL};
    struct arena *a = robot_arena(job);
    const char *end = arena_printf(a, "atrim=end_sample=%lld",
                                   (long long)llround(o->duration * form->rate)),
               *chain = track_chain(a, end, track_last(a, p));
    struct av_run *r = arena_alloc(a, sizeof *r);

    *r = (struct av_run){.job = job,
                         .profile = p,
                         .sources = {{.path = plain, .options = again}, {.path = t->path}},
                         .source_count = 2,
                         .graph = arena_printf(a, "[0:a:0]%s[a]", chain),
                         .maps = {"[a]"},
                         .more = bare,
                         .seconds = o->duration,
                         .from = SHARE_OF_DECODING,
                         .to = 1,
                         .output = robot_out_path(job, p->ext)};
    return track_run(r, t, 1, !av_opt(&o->sound.av, a, "vn"), err) < 0
               ? -1
               : track_emit(r, 0, NULL, err);
}

static int audio_loop_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    const char *plain;
    struct av_profile p;
    struct track t;
    int64_t samples;

    if (track_look(&t, job, 0, err) < 0)
        return -1;
    if (!t.has_sound)
        return 0;
    if (sound_profile(&p, robot_arena(job), &o->sound, STANDARD, robot_input(job, 0)->ext, err) < 0)
        return -1;
    struct track_form form = track_form(&t, 1, &p);
    if (track_unroll(&plain, &samples, job, &t, &form, o->duration, 0, SHARE_OF_DECODING, err) < 0)
        return -1;
    int rc = samples > 0 ? audio_loop_encode(job, o, &t, &p, &form, plain, err)
                         : err_set(err, ERR_COMMAND, "there is nothing to be heard in it");
    (void)unlink(plain);
    return rc;
}

const struct robot robot_audio_loop = {
    .name = "/audio/loop",
    .summary = "Repeat a sound until it has lasted so long",
    .accepts = "audio/|video/",
    .nothing = "the file has no sound",
    .role = ROLE_MEDIA,
    .flags = ROBOT_ENCODES,
    .price_factor = 4,
    .slots = 20,
    .opts_size = sizeof(T),
    .options = options,
    .check = audio_loop_check,
    .run = IN_WORKER(audio_loop_run),
};
