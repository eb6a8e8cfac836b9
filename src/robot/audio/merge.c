/* /audio/merge: sounds at the same time. */
#include "base/str.h"
#include "media/av/track.h"
#include "robot/order.h"

#include <math.h>
#include <unistd.h>

#define STANDARD "mp3"        /* where neither preset nor ffmpeg is given */
#define SHARE_OF_DECODING 0.4 /* of the progress, with loop */
enum {
    MERGE_MAX = 64
}; /* more sounds than that at once are noise; each has a decoder of its own */

enum { LONGEST, SHORTEST, FIRST };
enum { AVERAGE, SUM };
static const struct opt_choice durations[] = {
    {"longest", LONGEST}, {"shortest", SHORTEST}, {"first", FIRST}, {0}};
static const struct opt_choice volumes[] = {{"average", AVERAGE}, {"sum", SUM}, {0}};

struct audio_merge_opts {
    int duration, volume;
    bool loop;
    struct sound_opts sound;
};
#define T struct audio_merge_opts
static const struct option options[] = {
    OPT_ENUM(T, duration, durations, .def = LONGEST,
             .help = "Which sound says how long the result lasts."),
    OPT_BOOL(T, loop, .help = "Repeat sounds that are shorter than that."),
    OPT_ENUM(
        T, volume, volumes, .def = AVERAGE,
        .help =
            "average: together as loud as one; sum: each as loud as it is, which may be too loud."),
    OPT_GROUP(T, sound, struct sound_opts, sound_options),
    OPT_END,
};

const struct robot robot_audio_merge;

static int audio_merge_check(const void *opts, bool partial, struct err *err)
{
    return sound_check(&((const T *)opts)->sound, STANDARD, 0, partial, err) < 0
               ? robot_refusal(err, &robot_audio_merge)
               : 0;
}

struct audio_merge {
    struct robot_job *job;
    const T *o;
    struct track parts[MERGE_MAX];
    int n;
    struct track_form form;
    int64_t samples; /* that the result has, where it was counted: with loop; else 0 */
};

static int audio_merge_find(struct audio_merge *m, struct err *err)
{
    size_t all = (size_t)robot_input_count(m->job), *order;

    if (all > MERGE_MAX)
        return err_set(err, ERR_INPUT, "%zu sounds are too many to be mixed, the most is %d", all,
                       MERGE_MAX);
    order = arena_alloc(robot_arena(m->job), all * sizeof *order);
    order_inputs(order, m->job, "audio_", false);
    for (size_t i = 0; i < all; i++) {
        struct track *t = &m->parts[m->n];

        if (track_look(t, m->job, (int)order[i], err) < 0) {
            struct err why = *err;

            err_set(err, why.code, "'%s': %s", robot_input(m->job, (int)order[i])->name, why.msg);
            return -1;
        }
        m->n += t->has_sound;
    }
    return 0;
}

/* To be repeated without a gap they are samples, which are counted as well. */
static int audio_merge_unroll(struct audio_merge *m, struct err *err)
{
    int64_t longest = 0, shortest = INT64_MAX, first = 0;

    for (int i = 0; i < m->n; i++) {
        struct track *t = &m->parts[i];
        int64_t samples;

        if (track_unroll(&t->path, &samples, m->job, t, &m->form, 0, SHARE_OF_DECODING * i / m->n,
                         SHARE_OF_DECODING * (i + 1) / m->n, err) < 0)
            return -1;
        if (!samples)
            return err_set(err, ERR_COMMAND, "'%s': there is nothing to be heard in it",
                           robot_input(m->job, t->input)->name);
        t->rate = m->form.rate;
        t->channels = m->form.channels;
        first = i ? first : samples;
        longest = samples > longest ? samples : longest;
        shortest = samples < shortest ? samples : shortest;
    }
    m->samples = m->o->duration == FIRST ? first : m->o->duration == SHORTEST ? shortest : longest;
    return 0;
}

/* Sounds that have ended leave their share to the others: amix does that in two seconds, so nothing
 * jumps. */
static const char *audio_merge_graph(const struct audio_merge *m, const struct av_profile *p)
{
    static const char *const durations_of_amix[] = {"longest", "shortest", "first"};
    struct arena *a = robot_arena(m->job);
    const char *last = track_last(a, p);
    AUTO(str_done) struct str s = {0};

    for (int i = 0; i < m->n; i++) {
        str_addf(&s, "[%d:a:0]%s", i, track_shape(a, &m->parts[i], &m->form));
        if (m->samples)
            str_addf(&s, ",atrim=end_sample=%lld", (long long)m->samples);
        str_addf(&s, "[p%d];", i);
    }
    for (int i = 0; i < m->n; i++)
        str_addf(&s, "[p%d]", i);
    str_addf(&s, "amix=inputs=%d:duration=%s:normalize=%d%s%s[a]", m->n,
             durations_of_amix[m->o->duration], m->o->volume == AVERAGE, last ? "," : "",
             last ? last : "");
    return arena_strdup(a, s.s);
}

static double audio_merge_length(const struct audio_merge *m)
{
    double longest = 0, shortest = 1e9;

    for (int i = 0; i < m->n; i++) {
        longest = fmax(longest, m->parts[i].seconds);
        shortest = fmin(shortest, m->parts[i].seconds);
    }
    return m->samples                   ? (double)m->samples / m->form.rate
           : m->o->duration == FIRST    ? m->parts[0].seconds
           : m->o->duration == SHORTEST ? shortest
                                        : longest;
}

static int audio_merge_mix(const struct audio_merge *m, const struct av_profile *p, struct err *err)
{
    static const char *const again[] = {"-stream_loop", "-1", NULL}, *const bare[] = {
                                                                         "-map_chapters", "-1",
                                                                         NULL};
    struct av_run *r = arena_alloc(robot_arena(m->job), sizeof *r);

    *r = (struct av_run){.job = m->job,
                         .profile = p,
                         .source_count = m->n,
                         .graph = audio_merge_graph(m, p),
                         .maps = {"[a]"},
                         .more = bare,
                         .seconds = audio_merge_length(m),
                         .from = m->samples ? SHARE_OF_DECODING : 0,
                         .to = 1,
                         .output = robot_out_path(m->job, p->ext)};
    for (int i = 0; i < m->n; i++)
        r->sources[i] =
            (struct av_source){.path = m->parts[i].path, .options = m->samples ? again : NULL};
    return track_run(r, NULL, -1, false, err) < 0 ? -1
                                                  : track_emit(r, m->parts[0].input, NULL, err);
}

static int audio_merge_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct audio_merge *m = arena_alloc(robot_arena(job), sizeof *m);
    struct av_profile p;
    int rc;

    *m = (struct audio_merge){.job = job, .o = o};
    if (audio_merge_find(m, err) < 0)
        return -1;
    if (!m->n)
        return 0;
    if (sound_profile(&p, robot_arena(job), &o->sound, STANDARD,
                      robot_input(job, m->parts[0].input)->ext, err) < 0)
        return -1;
    m->form = track_form(m->parts, (size_t)m->n, &p);
    rc = o->loop && audio_merge_unroll(m, err) < 0 ? -1 : audio_merge_mix(m, &p, err);
    for (int i = 0; i < m->n; i++)
        if (m->parts[i].path != robot_input(job, m->parts[i].input)->path)
            (void)unlink(m->parts[i].path);
    return rc;
}

const struct robot robot_audio_merge = {
    .name = "/audio/merge",
    .summary = "Mix sounds into one",
    .accepts = "audio/|video/",
    .takes = {"audio", "audio_*"},
    .nothing = "none of the files has a sound",
    .role = ROLE_MEDIA,
    .flags = ROBOT_ENCODES,
    .price_factor = 4,
    .slots = 20,
    .opts_size = sizeof(T),
    .options = options,
    .check = audio_merge_check,
    .run = IN_WORKER(audio_merge_run),
};
