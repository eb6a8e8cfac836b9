/* /audio/concat: sounds one behind the other, faded at their joints or laid over each other there.
 */
#include "base/str.h"
#include "media/av/track.h"
#include "robot/order.h"

#include <math.h>

#define STANDARD "mp3" /* where neither preset nor ffmpeg is given */
#define FADE_MAX 60    /* s: what is faded is held in memory */

struct audio_concat_opts {
    double audio_fade_seconds;
    bool crossfade;
    int sort_by; /* enum order */
    struct sound_opts sound;
};
#define T struct audio_concat_opts
static const struct option options[] = {
    OPT_NUM(T, audio_fade_seconds, .max = FADE_MAX, .def_num = 1, .unit = "s",
            .help =
                "How long a sound fades out, and the next one in, at each joint; 0 for none. With "
                "crossfade: how long they sound together."),
    OPT_BOOL(
        T, crossfade,
        .help =
            "Begin each sound while the one before it fades out, which makes all of it shorter."),
    OPT_ENUM(T, sort_by, choices_order, .def = ORDER_AUTO, .example = "\"basename\"",
             .help =
                 "Of sounds without a number in `as` (`audio_1`...): as they came, or by name, 2 "
                 "before 10."),
    OPT_GROUP(T, sound, struct sound_opts, sound_options),
    OPT_END,
};

const struct robot robot_audio_concat;

static int audio_concat_check(const void *opts, bool partial, struct err *err)
{
    return sound_check(&((const T *)opts)->sound, STANDARD, 0, partial, err) < 0
               ? robot_refusal(err, &robot_audio_concat)
               : 0;
}

struct audio_concat {
    struct robot_job *job;
    const T *o;
    struct track *parts; /* in order, those with sound */
    size_t n;
    struct track_form form;
};

/* ---- what is joined ---- */

static int audio_concat_find(struct audio_concat *c, struct err *err)
{
    size_t all = (size_t)robot_input_count(c->job), *order;
    struct err why;

    if (all > AV_INPUTS_MAX)
        return robot_fail(c->job, err, ERR_INPUT, "INVALID_INPUT",
                          "%zu files are too many, the most is %d", all, AV_INPUTS_MAX);
    order = arena_alloc(robot_arena(c->job), all * sizeof *order);
    c->parts = arena_alloc(robot_arena(c->job), all * sizeof *c->parts);
    order_inputs(order, c->job, "audio_", c->o->sort_by == ORDER_BASENAME);
    for (size_t i = 0; i < all; i++) {
        struct track *t = &c->parts[c->n];

        if (track_look(t, c->job, (int)order[i], &why) < 0) {
            if (why.code != ERR_COMMAND) {
                *err = why;
                return -1;
            }
            return robot_fail(c->job, err, ERR_INPUT, "INVALID_INPUT", "'%s': %s",
                              robot_input(c->job, (int)order[i])->name, why.msg);
        }
        c->n += t->has_sound;
    }
    if (!c->n)
        return robot_fail(c->job, err, ERR_INPUT, "INVALID_INPUT", "none of the files has a sound");
    if (c->o->crossfade && c->n < 2)
        return robot_fail(c->job, err, ERR_INPUT, "INVALID_INPUT",
                          "only one of the files has a sound: crossfade needs two");
    return 0;
}

/* ---- joints ---- */

/* Samples that are faded between a part and the next one: at most half of the shorter one, so that
 * what fades in is whole before it fades out. */
static int64_t audio_concat_fade(const struct audio_concat *c, size_t i)
{
    double s = c->o->audio_fade_seconds;

    if (c->o->crossfade && !(s > 0))
        s = 1;
    s = fmin(s, fmin(c->parts[i].seconds, c->parts[i + 1].seconds) / 2);
    return (int64_t)(s * c->form.rate);
}

/* The filter that fades waits for as many samples as it fades; a sound that has fewer than its
 * packets say would be lost to it, so silence makes up for them. */
static const char *audio_concat_part(const struct audio_concat *c, size_t i)
{
    struct arena *a = robot_arena(c->job);
    int64_t before = i > 0 ? audio_concat_fade(c, i - 1) : 0,
            after = i + 1 < c->n ? audio_concat_fade(c, i) : 0, least = before + after;
    const char *shape = track_shape(a, &c->parts[i], &c->form);

    return arena_printf(a, "[%zu:a:0]%s%s[p%zu];", i, shape,
                        least ? arena_printf(a, ",apad=whole_len=%lld", (long long)least) : "", i);
}

static const char *audio_concat_joint(const struct audio_concat *c, size_t i, const char *end)
{
    struct arena *a = robot_arena(c->job);
    const char *so_far = i == 0 ? "p0" : arena_printf(a, "j%zu", i);
    int64_t fade = audio_concat_fade(c, i);

    if (!fade)
        return arena_printf(a, "[%s][p%zu]concat=n=2:v=0:a=1%s", so_far, i + 1, end);
    return arena_printf(a, "[%s][p%zu]acrossfade=ns=%lld:o=%d%s", so_far, i + 1, (long long)fade,
                        c->o->crossfade, end);
}

static const char *audio_concat_graph(const struct audio_concat *c, const struct av_profile *p)
{
    struct arena *a = robot_arena(c->job);
    const char *last = track_last(a, p);
    AUTO(str_done) struct str s = {0};

    for (size_t i = 0; i < c->n; i++)
        str_puts(&s, audio_concat_part(c, i));
    for (size_t i = 0; i + 1 < c->n; i++)
        str_puts(&s, audio_concat_joint(c, i,
                                        i + 2 < c->n ? arena_printf(a, "[j%zu];", i + 1) : "[j];"));
    str_addf(&s, "[%s]%s[a]", c->n > 1 ? "j" : "p0", last ? last : "anull");
    return arena_strdup(a, s.s);
}

static double audio_concat_length(const struct audio_concat *c)
{
    double all = 0;

    for (size_t i = 0; i < c->n; i++)
        all += c->parts[i].seconds;
    for (size_t i = 0; c->o->crossfade && i + 1 < c->n; i++)
        all -= (double)audio_concat_fade(c, i) / c->form.rate;
    return all;
}

static int audio_concat_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct audio_concat c = {.job = job, .o = o};
    struct av_run *r = arena_alloc(robot_arena(job), sizeof *r);
    struct av_profile p;

    if (audio_concat_find(&c, err) < 0 ||
        sound_profile(&p, robot_arena(job), &o->sound, STANDARD,
                      robot_input(job, c.parts[0].input)->ext, err) < 0)
        return -1;
    c.form = track_form(c.parts, c.n, &p);
    *r = (struct av_run){.job = job,
                         .profile = &p,
                         .source_count = (int)c.n,
                         .graph = audio_concat_graph(&c, &p),
                         .maps = {"[a]"},
                         .seconds = audio_concat_length(&c),
                         .output = robot_out_path(job, p.ext)};
    for (size_t i = 0; i < c.n; i++)
        r->sources[i].path = c.parts[i].path;
    return track_run(r, NULL, -1, false, err) < 0 ? -1 : track_emit(r, c.parts[0].input, NULL, err);
}

const struct robot robot_audio_concat = {
    .name = "/audio/concat",
    .summary = "Join sounds one behind the other",
    .accepts = "audio/|video/",
    .takes = {"audio", "audio_*"},
    .codes = "INVALID_INPUT",
    .role = ROLE_MEDIA,
    .flags = ROBOT_ENCODES,
    .price_factor = 4,
    .slots = 20,
    .opts_size = sizeof(T),
    .options = options,
    .check = audio_concat_check,
    .run = IN_WORKER(audio_concat_run),
};
