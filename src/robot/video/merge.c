/* /video/merge: a film of still pictures, of a film and sounds, of several films. */
#include "robot/video/merge.h"
#include "base/str.h"
#include "robot/choices.h"
#include "robot/order.h"
#include "robot/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define T struct merge_opts
enum { MOST_STILLS = 1000, MOST_SECONDS = AV_LONGEST_DAYS * 86400 };
#define MOST_PARTS (AV_INPUTS_MAX - 20) /* that are inputs of their own; the rest is for sounds */
#define SMOOTH 25 /* frames a second that a film of still pictures has at least */

static const struct option options[] = {
    OPT_ENUM(T, sort_by, choices_order, .def = ORDER_AUTO, .example = "\"basename\"",
             .help = "Of files without a number in `as` (`video_1`, `image_1`...): by name, 2 "
                     "before 10, or as they came, which "
                     "auto is as well."),
    OPT_ENUM(T, resize_strategy, choices_fit, .def = FIT_PAD,
             .help = "What to do when the shapes differ."),
    OPT_STR(T, background, .def_str = "#00000000", .pattern = VALUE_RGBA,
            .example = "\"#ff0000ff\"",
            .help = "Colour of what pad adds, rrggbbaa; behind transparent pictures as well. Films "
                    "make it opaque."),
    OPT_STR(T, framerate, .def_str = "1/5", .pattern = "^[0-9]{1,9}(/[0-9]{1,9})?$",
            .example = "\"1/2\"",
            .help = "Still pictures a second: 1/5 shows each for five seconds."),
    OPT_JSON(T, image_durations, .def_str = "[]", .example = "[2, 3.5]",
             .help = "How many seconds each still picture is shown, instead of framerate, which "
                     "counts for those behind the list's end."),
    OPT_NUM(T, duration, .nullable = true, .min = 0.001, .max = MOST_SECONDS, .unit = "s",
            .example = "12",
            .other_default = "newer versions of the contract have null: as long as what is in it",
            .help = "How long the result is. Left out: of still pictures as long as "
                    "image_durations, or the sound, or all of them; of "
                    "films as long as the longest input."),
    OPT_NUM(T, audio_delay, .max = MOST_SECONDS, .unit = "s",
            .help = "Silence before the sound that is merged begins."),
    OPT_BOOL(T, loop,
             .help = "What is shorter than the result is repeated, instead of holding the last "
                     "picture or being silent."),
    OPT_BOOL(
        T, replace_audio,
        .help =
            "The sound that is merged replaces that of the films, instead of being mixed with it."),
    OPT_BOOL(T, vstack,
             .help =
                 "One above the other, all as wide as the first, instead of one after the other."),
    OPT_STR(T, image_url, .fetched = "image", .example = "\"http://a.example/cover.jpg\"",
            .help = "Address of a still picture, which is one more input."),
    OPT_ENUM(T, transition, join_transitions,
             .help = "What happens between pictures or films that follow each other."),
    OPT_NUM(T, transition_duration, .min = 0.001, .max = 600, .def_num = 1, .unit = "s",
            .help = "How long that takes: at most half of the shorter one of two neighbours."),
    OPT_BOOL(T, turbo, .idle = "the result is the same",
             .help = "Ignored: how fast it is does not depend on it."),
    OPT_GROUP(T, join, struct join_opts, join_options),
    OPT_END,
};

/* ---- options ---- */

/* Seconds, as a number or digits in a text; 0: neither, or too many. */
static double merge_seconds_of(const json_t *v)
{
    const char *text = json_string_value(v);
    char *end;
    double s = text ? strtod(text, &end) : json_number_value(v);

    if (text && (*end || strspn(text, "0123456789.") != strlen(text)))
        return 0;
    return s >= 0.001 && s <= MOST_SECONDS ? s : 0;
}

/* How long a still picture is shown. */
static double still_seconds(const char *framerate)
{
    const char *slash = strchr(framerate, '/');
    double v = strtod(framerate, NULL);

    return (slash ? strtod(slash + 1, NULL) : 1) / v; /* of 0: infinite */
}

static int merge_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    double each = still_seconds(o->framerate);
    json_t *v;
    size_t i;

    (void)partial;
    if (!(each <= MOST_SECONDS) || each < 1.0 / 240)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'framerate' is '%.40s': a picture is shown for at most %d days, and there "
                       "are at most 240 a second",
                       o->framerate, AV_LONGEST_DAYS);
    if (!json_is_array(o->image_durations) || json_array_size(o->image_durations) > MOST_STILLS)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'image_durations' must be a list of seconds, at most %d of them",
                       MOST_STILLS);
    json_array_foreach (o->image_durations, i, v)
        if (!(merge_seconds_of(v) > 0))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'image_durations': entry %zu is no number of seconds, 0.001 to %d",
                           i + 1, MOST_SECONDS);
    return join_check(&o->join, err);
}

/* ---- what comes in ---- */

enum kind { KIND_FILM, KIND_STILL, KIND_SOUND };

/* An animated picture is a film only if it is called one. */
static enum kind merge_kind(const struct robot_input *in)
{
    bool called_film = str_starts(in->as, "video") || str_ends(in->as, "_roll");

    if (str_starts(in->mime, "image/"))
        return called_film && !strcmp(in->mime, "image/gif") ? KIND_FILM : KIND_STILL;
    return str_starts(in->mime, "audio/") ? KIND_SOUND : KIND_FILM;
}

static int look_at_sound(struct merge *m, int input, struct err *err)
{
    struct merge_item *item = &m->sounds[m->sound_count++];
    const struct robot_input *in = robot_input(m->job, input);
    struct media_limits limits = media_limits(robot_settings(m->job));
    struct err why = {0};

    item->input = input;
    if (av_sound_look(&item->film, in->path, &limits, &why) == 0)
        return 0;
    *err = why;
    return why.code == ERR_INPUT || why.code == ERR_COMMAND
               ? err_set(err, ERR_COMMAND, "'%s': %s", in->name, why.msg)
               : -1;
}

static int look_at_picture(struct merge *m, int input, enum kind kind, struct err *err)
{
    struct merge_item *item = &m->pictures[m->picture_count++];

    item->input = input;
    if (kind == KIND_STILL) {
        const json_t *own = json_array_get(m->o->image_durations, (size_t)m->still_count++);

        item->still = true;
        item->shown = own ? merge_seconds_of(own) : still_seconds(m->o->framerate);
        return merge_still_look(m, item, err);
    }
    if (join_look(&item->film, m->job, input, NULL, err) < 0)
        return -1;
    item->w = item->film.info.width;
    item->h = item->film.info.height;
    return 0;
}

/* -1, 0, 1: before, among and behind the others. */
static int roll_of(const struct robot_input *in)
{
    return !strcmp(in->as, "post_roll") - !strcmp(in->as, "pre_roll");
}

static int merge_look_at_all(struct merge *m, struct err *err)
{
    size_t n = (size_t)robot_input_count(m->job),
           *order = arena_alloc(robot_arena(m->job), 3 * n * sizeof *order);
    static const char *const prefixes[] = {
        [KIND_FILM] = "video_", [KIND_STILL] = "image_", [KIND_SOUND] = "audio_"};

    for (size_t k = 0; k < ARRAY_LEN(prefixes); k++)
        order_inputs(order + k * n, m->job, prefixes[k], m->o->sort_by == ORDER_BASENAME);
    for (int roll = -1; roll <= 1; roll++)
        for (size_t k = 0; k < 3; k++)
            for (size_t i = 0; i < n; i++) {
                int input = (int)order[k * n + i];
                const struct robot_input *in = robot_input(m->job, input);
                enum kind kind = merge_kind(in);

                if (kind != (enum kind)k || roll_of(in) != roll)
                    continue;
                if (kind == KIND_SOUND ? look_at_sound(m, input, err) < 0
                                       : look_at_picture(m, input, kind, err) < 0)
                    return -1;
            }
    return 0;
}

/* ---- what the result is like ---- */

/* Frames a second of still pictures alone: smooth enough for fades, and each is shown equally long.
 */
static void still_grid(struct merge *m)
{
    const char *slash = strchr(m->o->framerate, '/');
    int64_t num = strtol(m->o->framerate, NULL, 10), den = slash ? strtol(slash + 1, NULL, 10) : 1,
            times;

    if (av_profile_get(&m->profile, "r"))
        return;
    times = (SMOOTH * den + num - 1) / num;
    if (json_array_size(m->o->image_durations) || times > 100000)
        return;
    m->join.rate_num = num * times;
    m->join.rate_den = den;
}

static bool own_sound(const struct merge *m)
{
    bool any = false;

    for (int i = 0; i < m->picture_count; i++)
        any |= !m->pictures[i].still && m->pictures[i].film.info.has_audio;
    return any && !(m->o->replace_audio && m->sound_count);
}

static int decide(struct merge *m, struct err *err)
{
    const struct av_film **films = arena_alloc(robot_arena(m->job),
                                               (size_t)(m->picture_count + m->sound_count) *
                                                   sizeof *films),
                         *first = NULL;
    bool own = own_sound(m);
    int n = 0;

    for (int i = 0; i < m->picture_count; i++)
        films[i] = m->pictures[i].still ? NULL : &m->pictures[i].film;
    if (join_fits(m->job, films, m->picture_count, NULL, err) < 0)
        return -1;

    for (int i = m->picture_count - 1; i >= 0; i--)
        if (!m->pictures[i].still)
            first = &m->pictures[i].film;
    for (int i = 0; own && i < m->picture_count; i++)
        if (!m->pictures[i].still)
            films[n++] = &m->pictures[i].film;
    for (int i = 0; i < m->sound_count; i++)
        films[n++] = &m->sounds[i].film;
    if (join_profile(&m->profile, m->job, &m->o->join, own || m->sound_count, err) < 0)
        return -1;
    join_grid(&m->join, &m->profile, first);
    if (!first)
        still_grid(m);
    join_size(&m->join, &m->o->join, &m->profile, (enum fit_strategy)m->o->resize_strategy,
              m->o->background, m->pictures[0].w, m->pictures[0].h);
    m->join.stack = m->o->vstack && m->picture_count > 1;
    if (m->join.stack && !m->o->join.width && !m->profile.width)
        m->join.box.width = m->pictures[0].w < 2 ? 2 : m->pictures[0].w & ~INT64_C(1);
    join_sound(&m->join, &m->profile, films, n);
    if (!m->join.pictures && !m->join.sample_rate)
        return err_set(err, ERR_COMMAND, "the result would have sound alone, and there is none");
    return av_box_check(m->job, &m->join.box, m->pictures[0].w, m->pictures[0].h, err);
}

/* ---- how long ---- */

static int64_t item_frames(const struct merge *m, const struct merge_item *item)
{
    int64_t n =
        item->still ? av_join_frames(&m->join, item->shown) : av_join_length(&m->join, &item->film);

    return n < 1 ? 1 : n;
}

/* Seconds of the longest sound that is merged, with the silence before it. */
static double sounds_last(const struct merge *m)
{
    double longest = 0;

    for (int i = 0; i < m->sound_count; i++)
        longest =
            fmax(longest, m->o->audio_delay + m->sounds[i].film.end - m->sounds[i].film.begin);
    return longest;
}

/* Of the result, in frames; pictures: how long they last by themselves. */
static int64_t result_frames(const struct merge *m, int64_t pictures)
{
    int64_t sounds = av_join_frames(&m->join, sounds_last(m)), n = pictures;

    if (m->o->duration > 0)
        n = av_join_frames(&m->join, m->o->duration);
    else if (m->still_count < m->picture_count) /* films */
        n = sounds > pictures ? sounds : pictures;
    else if (sounds && !json_array_size(m->o->image_durations))
        n = sounds;
    return n < 1 ? 1 : n;
}

/* ---- parts ---- */

/* Read as a row of files, by the pattern of their names. */
static struct av_source row_source(const struct merge *m)
{
    static const char *const once[] = {"-framerate", "1", "-start_number", "0", NULL},
                             *const again[] = {"-framerate", "1", "-start_number", "0", "-loop",
                                               "1",          NULL};

    return (struct av_source){
        .path = m->stills, .kind = AV_KIND_PICTURE, .options = m->o->loop ? again : once};
}

static struct av_source endless(struct merge *m, struct av_source s, bool yes)
{
    const char **words = arena_alloc(robot_arena(m->job), 20 * sizeof *words);
    int n = 0;

    if (!yes)
        return s;
    words[n++] = "-stream_loop";
    words[n++] = "-1";
    for (int i = 0; s.options && s.options[i]; i++)
        words[n++] = s.options[i];
    s.options = words;
    return s;
}

/* One film, or one of a stack: it comes to no end where it must be repeated. */
static void add_film(struct merge *m, struct av_part *p, const struct merge_item *item,
                     int64_t frames, bool repeats)
{
    struct av_source s =
        av_join_source(&m->join, robot_input(m->job, item->input)->path, &item->film, 0);

    *p = (struct av_part){m->run->source_count, &item->film, 0, frames, NULL};
    m->run->sources[m->run->source_count++] = endless(m, s, repeats);
}

static void add_still(struct merge *m, struct av_part *p, int which, int64_t frames)
{
    *p = (struct av_part){m->run->source_count, NULL, 0, frames, NULL};
    m->run->sources[m->run->source_count++] =
        (struct av_source){.path = merge_still_path(m, which), .kind = AV_KIND_PICTURE};
}

static bool is_row_of_stills(const struct merge *m)
{
    return m->still_count == m->picture_count && m->join.transition == AV_CUT && !m->join.stack;
}

static int64_t sequence_frames(const struct merge *m, const struct av_part *parts, int n)
{
    struct av_join j = m->join;
    int64_t frames = 0;

    j.parts = parts;
    j.count = n;
    (void)av_join_graph(&j, &frames, NULL);
    return frames;
}

/* Each an input of its own; repeated until all is full, if it loops. */
static int add_sequence(struct merge *m, int64_t *frames, struct err *err)
{
    struct av_part *parts = arena_alloc(robot_arena(m->job), MOST_PARTS * sizeof *parts);
    int n = 0, which = 0;
    int64_t all = 0;

    do {
        which = 0;
        for (int i = 0; i < m->picture_count && n < MOST_PARTS; i++, n++) {
            if (m->pictures[i].still)
                add_still(m, &parts[n], which++, item_frames(m, &m->pictures[i]));
            else
                add_film(m, &parts[n], &m->pictures[i], item_frames(m, &m->pictures[i]), false);
        }
        all = sequence_frames(m, parts, n);
        *frames = *frames ? *frames : result_frames(m, all);
    } while (m->o->loop && all < *frames && n < MOST_PARTS);
    if (m->o->loop && all < *frames)
        return err_set(err, ERR_COMMAND,
                       "to fill %.0f s what is there would have to be repeated more often than %d "
                       "files can be joined",
                       av_join_seconds(&m->join, *frames), MOST_PARTS);
    m->join.parts = parts;
    m->join.count = n;
    return 0;
}

/* One input for all of them. */
static void add_row_of_stills(struct merge *m, int64_t *frames)
{
    struct av_part *part = arena_alloc(robot_arena(m->job), sizeof *part);
    double shown = 0;

    for (int i = 0; i < m->picture_count; i++)
        shown += m->pictures[i].shown;
    *frames = result_frames(m, av_join_frames(&m->join, shown));
    *part = (struct av_part){0, NULL, 0, *frames, merge_still_times(m)};
    m->run->sources[m->run->source_count++] = row_source(m);
    m->join.parts = part;
    m->join.count = 1;
}

/* All at once, or one alone. */
static void add_stack(struct merge *m, int64_t *frames)
{
    struct av_part *parts =
        arena_alloc(robot_arena(m->job), (size_t)m->picture_count * sizeof *parts);
    int64_t longest = 0;
    int which = 0;

    for (int i = 0; i < m->picture_count; i++)
        longest =
            item_frames(m, &m->pictures[i]) > longest ? item_frames(m, &m->pictures[i]) : longest;
    *frames = result_frames(m, longest);
    for (int i = 0; i < m->picture_count; i++)
        if (m->pictures[i].still)
            add_still(m, &parts[i], which++, *frames);
        else
            add_film(m, &parts[i], &m->pictures[i], *frames,
                     m->o->loop && item_frames(m, &m->pictures[i]) < *frames);
    m->join.parts = parts;
    m->join.count = m->picture_count;
}

static int add_parts(struct merge *m, int64_t *frames, struct err *err)
{
    bool row = is_row_of_stills(m);

    if (m->sound_count > AV_INPUTS_MAX - MOST_PARTS ||
        m->picture_count > (row ? MOST_STILLS : MOST_PARTS))
        return err_set(err, ERR_COMMAND,
                       "%d pictures and films and %d sounds are too many, the most is %d and %d",
                       m->picture_count, m->sound_count, row ? MOST_STILLS : MOST_PARTS,
                       AV_INPUTS_MAX - MOST_PARTS);
    if (merge_stills_write(m, m->join.box.width, m->join.stack ? 0 : m->join.box.height, err) < 0)
        return -1;
    if (row)
        add_row_of_stills(m, frames);
    else if (m->join.stack || m->picture_count == 1)
        add_stack(m, frames);
    else
        return add_sequence(m, frames, err);
    return 0;
}

/* ---- the graph ---- */

/* What a stack as a whole is put into, where a height is asked for. */
static const char *stacked(struct merge *m)
{
    int64_t w = m->join.box.width, h = 0,
            ask = m->o->join.height ? m->o->join.height : m->profile.height;

    for (int i = 0; i < m->picture_count; i++) {
        int64_t own_w, own_h;

        av_box_size(&own_w, &own_h, &(struct av_box){.width = w, .strategy = FIT_FIT, .zoom = true},
                    m->pictures[i].w, m->pictures[i].h);
        h += own_h;
    }
    struct av_box box = m->join.box;
    box.height = ask;
    return m->join.stack && ask
               ? arena_printf(robot_arena(m->job), "%s,", av_box(robot_arena(m->job), &box, w, h))
               : "";
}

static const char *whole_graph(struct merge *m, int64_t frames)
{
    AUTO(str_done) struct str g = {0};
    struct av_join own = m->join;
    int64_t joined;
    int n = 0;

    if (!own_sound(m))
        own.sample_rate = 0;
    own.out = "_";
    str_puts(&g, av_join_graph(&own, &joined, NULL));
    if (own.pictures)
        str_addf(&g, "[joined_]%s%s[joined];", stacked(m), av_join_fit(&m->join, true, frames));
    if (own.sample_rate)
        str_addf(&g, "[heard_]%s[m%d];", av_join_fit(&m->join, false, frames), n++);
    for (int i = 0; i < m->sound_count && m->join.sample_rate; i++) {
        const struct av_film *s = &m->sounds[i].film;
        bool repeats =
            m->o->loop && m->o->audio_delay + s->end - s->begin < av_join_seconds(&m->join, frames);
        struct av_source source = {.path = robot_input(m->job, m->sounds[i].input)->path};

        str_addf(&g, "%s[m%d];",
                 av_join_sound(&m->join, m->run->source_count, s, m->o->audio_delay, frames), n++);
        m->run->sources[m->run->source_count++] = endless(m, source, repeats);
    }
    for (int i = 0; i < n; i++)
        str_addf(&g, "[m%d]", i);
    if (n)
        str_addf(&g, n > 1 ? "amix=inputs=%d:duration=longest[heard];" : "anull[heard];", n);
    return arena_strdup(robot_arena(m->job), g.s);
}

static int merge_all(struct merge *m, struct err *err)
{
    int64_t frames = 0;

    if (add_parts(m, &frames, err) < 0)
        return -1;
    return join_run(m->run, whole_graph(m, frames), av_join_seconds(&m->join, frames),
                    m->pictures[0].input, NULL, err);
}

static int merge_run(struct robot_job *job, const void *opts, struct err *err)
{
    static const char *const no_chapters[] = {"-map_chapters", "-1", NULL};
    const T *o = opts;
    struct arena *a = robot_arena(job);
    struct merge *m = arena_alloc(a, sizeof *m);
    size_t n = (size_t)robot_input_count(job);

    *m = (struct merge){.job = job,
                        .o = o,
                        .pictures = arena_alloc(a, n * sizeof *m->pictures),
                        .sounds = arena_alloc(a, n * sizeof *m->sounds),
                        .run = arena_alloc(a, sizeof *m->run)};
    *m->run = (struct av_run){.job = job, .profile = &m->profile, .more = no_chapters};
    m->join = (struct av_join){.a = a,
                               .transition = (enum av_transition)o->transition,
                               .transition_s = o->transition_duration};
    if (merge_look_at_all(m, err) < 0)
        return -1;
    if (!m->picture_count)
        return robot_fail(job, err, ERR_INPUT, "NO_IMAGE_FOUND",
                          "there is neither a picture nor a film among the inputs");
    if (decide(m, err) < 0)
        return -1;
    int rc = merge_all(m, err);
    merge_stills_remove(m);
    return rc;
}

const struct robot robot_video_merge = {
    .name = "/video/merge",
    .summary = "Make one film of pictures, films and sounds",
    .accepts = "video/|image/|audio/",
    .takes = {"video", "video_*", "audio", "audio_*", "image", "image_*", "pre_roll", "post_roll"},
    .codes = "NO_IMAGE_FOUND",
    .flags = ROBOT_ENCODES,
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .slots = 60,
    .opts_size = sizeof(T),
    .options = options,
    .check = merge_check,
    .run = IN_WORKER(merge_run),
};
