/* /video/concat: films one after the other become one. */
#include "base/file.h"
#include "base/str.h"
#include "robot/order.h"
#include "robot/video/join.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct concat_opts {
    int sort_by, transition;
    double video_fade_seconds, audio_fade_seconds, transition_duration;
    bool chapter_markers;
    struct join_opts join;
};
#define T struct concat_opts
#define LONGEST 600 /* s, of a fade */
static const struct option options[] = {
    OPT_ENUM(T, sort_by, choices_order, .example = "\"basename\"",
             .help = "Of films without a number in `as` (`video_1`...): by name, 2 before 10, or "
                     "as they came, which auto is as well."),
    OPT_NUM(T, video_fade_seconds, .max = LONGEST, .def_num = 1, .unit = "s",
            .help = "Pictures fade to black that long before each joint, and from black behind it. "
                    "0: a cut. At most half of a film."),
    OPT_NUM(T, audio_fade_seconds, .max = LONGEST, .def_num = 1, .unit = "s",
            .help = "The same for the sound."),
    OPT_ENUM(T, transition, join_transitions,
             .help = "What happens at each joint, in the place of the fades above."),
    OPT_NUM(T, transition_duration, .min = 0.001, .max = LONGEST, .def_num = 1, .unit = "s",
            .help = "How long that takes: at most half of the shorter one of two neighbours."),
    OPT_BOOL(T, chapter_markers,
             .help = "Each film becomes a chapter, which is called by its name."),
    OPT_GROUP(T, join, struct join_opts, join_options),
    OPT_END,
};

static int concat_check(const void *opts, bool partial, struct err *err)
{
    (void)partial;
    return join_check(&((const T *)opts)->join, err);
}

struct concat {
    struct robot_job *job;
    const T *o;
    int n;
    size_t *order;
    struct av_film *films; /* in that order */
    struct av_part *parts;
    struct av_profile profile;
    struct av_join join;
};

static int concat_look(struct concat *c, struct err *err)
{
    const struct av_film **all = arena_alloc(robot_arena(c->job), (size_t)c->n * sizeof *all);
    bool sound = false;

    for (int i = 0; i < c->n; i++) {
        if (join_look(&c->films[i], c->job, (int)c->order[i], "INVALID_INPUT", err) < 0)
            return -1;
        all[i] = &c->films[i];
        sound |= c->films[i].info.has_audio;
    }
    if (join_fits(c->job, all, c->n, "INVALID_INPUT", err) < 0)
        return -1;
    if (join_profile(&c->profile, c->job, &c->o->join, sound, err) < 0)
        return -1;
    join_grid(&c->join, &c->profile, all[0]);
    join_size(&c->join, &c->o->join, &c->profile, FIT_PAD, NULL, all[0]->info.width,
              all[0]->info.height);
    join_sound(&c->join, &c->profile, all, c->n);
    return c->join.pictures || c->join.sample_rate
               ? 0
               : robot_fail(
                     c->job, err, ERR_INPUT, "NO_OUTPUT",
                     "the result would have sound alone, and there is none in any of the films");
}

/* ---- chapters ---- */

/* What ffmpeg's own format for that reads as a name, whatever is in it. */
static void add_title(struct str *s, const char *title)
{
    for (; *title; title++) {
        if (strchr("=;#\\\n", *title))
            str_putc(s, '\\');
        str_putc(s, *title == '\r' ? ' ' : *title);
    }
}

/* Path of a file that tells where each film begins; NULL: err. */
static const char *write_chapters(struct concat *c, const int64_t *begins, int64_t frames,
                                  struct err *err)
{
    const char *path = robot_out_path(c->job, "txt");
    AUTO(str_done) struct str s = {0};

    str_puts(&s, ";FFMETADATA1\n");
    for (int i = 0; i < c->n; i++) {
        str_addf(&s, "[CHAPTER]\nTIMEBASE=%lld/%lld\nSTART=%lld\nEND=%lld\ntitle=",
                 (long long)c->join.rate_den, (long long)c->join.rate_num, (long long)begins[i],
                 (long long)(i + 1 < c->n ? begins[i + 1] : frames));
        add_title(&s, robot_input(c->job, (int)c->order[i])->basename);
        str_putc(&s, '\n');
    }
    return file_make(path, s.s, s.len, err) < 0 ? NULL : path;
}

/* ---- all of it ---- */

static int concat_encode(struct concat *c, struct av_run *r, struct err *err)
{
    static const char *const none[] = {"-map_chapters", "-1", NULL};
    int64_t *begins = arena_alloc(robot_arena(c->job), (size_t)c->n * sizeof *begins), frames;
    const char *graph = av_join_graph(&c->join, &frames, begins), *chapters = NULL;

    r->more = none; /* those of the first film are not the result's */
    if (c->o->chapter_markers) {
        const char **words = arena_alloc(robot_arena(c->job), sizeof none);

        if (!(chapters = write_chapters(c, begins, frames, err)))
            return -1;
        memcpy(words, none, sizeof none);
        words[1] = arena_printf(robot_arena(c->job), "%d", r->source_count);
        r->more = words;
        r->sources[r->source_count++] =
            (struct av_source){.path = chapters, .kind = AV_KIND_CHAPTERS};
    }
    int rc = join_run(r, graph, av_join_seconds(&c->join, frames), (int)c->order[0], NULL, err);
    if (chapters)
        (void)unlink(chapters);
    return rc;
}

static int concat_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct arena *a = robot_arena(job);
    int n = robot_input_count(job);
    struct concat *c = arena_alloc(a, sizeof *c);
    struct av_run *r = arena_alloc(a, sizeof *r);

    if (n > AV_INPUTS_MAX - 1) /* one more for the chapters */
        return robot_fail(job, err, ERR_INPUT, "INVALID_INPUT",
                          "%d films are too many, the most is %d", n, AV_INPUTS_MAX - 1);
    *c = (struct concat){.job = job,
                         .o = o,
                         .n = n,
                         .order = arena_alloc(a, (size_t)n * sizeof *c->order),
                         .films = arena_alloc(a, (size_t)n * sizeof *c->films),
                         .parts = arena_alloc(a, (size_t)n * sizeof *c->parts)};
    c->join = (struct av_join){.a = a,
                               .parts = c->parts,
                               .count = n,
                               .transition = (enum av_transition)o->transition,
                               .transition_s = o->transition_duration,
                               .video_fade_s = o->video_fade_seconds,
                               .audio_fade_s = o->audio_fade_seconds};
    order_inputs(c->order, job, "video_", o->sort_by == ORDER_BASENAME);
    if (concat_look(c, err) < 0)
        return -1;
    *r = (struct av_run){.job = job, .profile = &c->profile, .source_count = n};
    for (int i = 0; i < n; i++) {
        const struct av_film *f = &c->films[i];

        c->parts[i] = (struct av_part){i, f, 0, av_join_length(&c->join, f)};
        r->sources[i] = av_join_source(&c->join, robot_input(job, (int)c->order[i])->path, f, 0);
    }
    return concat_encode(c, r, err);
}

const struct robot robot_video_concat = {
    .name = "/video/concat",
    .summary = "Join films one after the other",
    .flags = ROBOT_ENCODES,
    .accepts = "video/",
    .takes = {"video", "video_*"},
    .codes = "INVALID_INPUT NO_OUTPUT",
    .role = ROLE_MEDIA,
    .price_factor = 4,
    .slots = 60,
    .opts_size = sizeof(T),
    .options = options,
    .check = concat_check,
    .run = IN_WORKER(concat_run),
};
