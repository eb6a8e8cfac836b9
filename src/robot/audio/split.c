/* /audio/split: pieces of a sound. */
#include "media/av/track.h"
#include "robot/segments.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define SHARE_OF_DECODING 0.2 /* of the progress, where it is done once for all */
/* s before a piece from which on is decoded: what decoders keep of what came before has settled
 * then. */
#define RUN_UP 1

struct audio_split_opts {
    json_t *segments;
    struct sound_opts sound;
};
#define T struct audio_split_opts
static const struct option options[] = {
    SEGMENTS_OPTION(T),
    OPT_GROUP(T, sound, struct sound_opts, sound_options),
    OPT_END,
};

const struct robot robot_audio_split;

static int audio_split_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;

    return segments_check(o->segments, err) < 0 ||
                   sound_check(&o->sound, NULL, SOUND_COPY, partial, err) < 0
               ? robot_refusal(err, &robot_audio_split)
               : 0;
}

struct audio_split {
    struct robot_job *job;
    const T *o;
    struct track t;
    struct av_profile p;
    const char *path; /* what is cut: the input, or what was decoded of it */
    double told;      /* share of the progress that is done with */
    bool copies;      /* packets, as the client wants it: pieces begin and end between them */
};

/* Where ffmpeg begins to read for a piece: whole seconds are a sample's time at any rate. */
static double audio_split_seek(const struct segment *piece)
{
    return fmax(0, floor(piece->from) - RUN_UP);
}

static const char *audio_split_chain(const struct audio_split *s, const struct segment *piece)
{
    struct arena *a = robot_arena(s->job);
    double seek = audio_split_seek(piece);
    struct track t = s->t;

    t.ends_early = false; /* no piece is longer than the sound */
    return track_chain(a,
                       arena_printf(a, "atrim=start=%s:end=%s,asetpts=PTS-STARTPTS",
                                    av_number(a, piece->from - seek),
                                    av_number(a, piece->to - seek)),
                       track_shape_alone(a, &t, &s->p));
}

static int audio_split_cut(const struct audio_split *s, const struct segment *piece, double from,
                           double to, struct err *err)
{
    static const char *const bare[] = {"-map_chapters", "-1", NULL};
    struct arena *a = robot_arena(s->job);
    const char **where = arena_alloc(a, 5 * sizeof *where);
    struct av_run *r = arena_alloc(a, sizeof *r);

    where[0] = "-ss", where[1] = av_number(a, s->copies ? piece->from : audio_split_seek(piece));
    where[2] = "-t",
    where[3] = av_number(a, piece->to - (s->copies ? piece->from : audio_split_seek(piece)));
    where[4] = NULL;
    if (!s->copies)
        where[2] = NULL; /* the last packet counts whole, and the filter ends it */
    *r = (struct av_run){
        .job = s->job,
        .profile = &s->p,
        .sources = {{.path = s->path, .options = where}, {.path = s->t.path}},
        .source_count = 2,
        .graph = s->copies ? NULL : arena_printf(a, "[0:a:0]%s[a]", audio_split_chain(s, piece)),
        .maps = {s->copies ? "0:a:0" : "[a]"},
        .more = bare,
        .seconds = piece->to - piece->from,
        .from = from,
        .to = to,
        .output = robot_out_path(s->job, s->p.ext)};
    return track_run(r, &s->t, 1, !av_opt(&s->o->sound.av, a, "vn"), err) < 0
               ? -1
               : track_emit(r, 0, segment_meta(piece), err);
}

static int audio_split_all(struct audio_split *s, const struct segment *pieces, int n,
                           struct err *err)
{
    double last = 0;

    for (int i = 0; i < n; i++)
        last = fmax(last, pieces[i].to);
    s->path = s->t.path;
    if (!s->copies && !s->t.seeks) {
        const struct track_form as_it_is = {s->t.rate, s->t.channels, s->t.layout};
        int64_t samples;

        s->told = SHARE_OF_DECODING;
        if (track_unroll(&s->path, &samples, s->job, &s->t, &as_it_is, last, 0, s->told, err) < 0)
            return -1;
    }
    for (int i = 0; i < n; i++)
        if (audio_split_cut(s, &pieces[i], s->told + (1 - s->told) * i / n,
                            s->told + (1 - s->told) * (i + 1) / n, err) < 0)
            return -1;
    return 0;
}

/* Less than one sample is nothing. */
static int audio_split_pieces(struct segment *out, const struct audio_split *s)
{
    int n = segments_read(out, s->o->segments, s->t.seconds), left = 0;

    for (int i = 0; i < n; i++)
        if ((out[i].to - out[i].from) * s->t.rate >= 1)
            out[left++] = out[i];
    return left;
}

static int audio_split_run(struct robot_job *job, const void *opts, struct err *err)
{
    struct arena *a = robot_arena(job);
    struct audio_split *s = arena_alloc(a, sizeof *s);
    struct segment *pieces = arena_alloc(a, SEGMENTS_MAX * sizeof *pieces);
    const char *encoder;
    int n = 0, rc;

    *s = (struct audio_split){.job = job, .o = opts};
    if (track_look(&s->t, job, 0, err) < 0)
        return -1;
    if (s->t.has_sound)
        n = audio_split_pieces(pieces, s);
    if (!n)
        return robot_fail(job, err, ERR_INPUT, "NO_OUTPUT", "'%s' %s", robot_input(job, 0)->name,
                          s->t.has_sound ? "ends before each of the segments begins"
                                         : "has no sound");
    if (sound_profile_kept(&s->p, a, &s->o->sound, s->t.codec, s->t.bit_rate, s->t.channels,
                           robot_input(job, 0)->ext, err) < 0)
        return -1;
    encoder = av_profile_get(&s->p, "c:a");
    s->copies = encoder && !strcmp(encoder, "copy");
    rc = audio_split_all(s, pieces, n, err);
    if (s->path != s->t.path)
        (void)unlink(s->path);
    return rc;
}

const struct robot robot_audio_split = {
    .name = "/audio/split",
    .summary = "Cut pieces out of a sound",
    .accepts = "audio/|video/",
    .codes = "NO_OUTPUT",
    .role = ROLE_MEDIA,
    .flags = ROBOT_ENCODES,
    .price_factor = 4,
    .slots = 20,
    .opts_size = sizeof(T),
    .options = options,
    .example = "{\"segments\": [{\"from\": 0, \"to\": 1}]}",
    .check = audio_split_check,
    .run = IN_WORKER(audio_split_run),
};
