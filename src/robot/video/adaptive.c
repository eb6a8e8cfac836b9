/* /video/adaptive: films and sounds of several sizes, cut into segments of the same moments, with
 * the playlists that let a player choose among them while it plays. What players can read is packed
 * as it is; the rest is encoded first. */
#include "robot/video/adaptive.h"
#include "robot/values.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct opt_choice techniques[] = {
    {"dash", TECHNIQUE_DASH}, {"hls", TECHNIQUE_HLS}, {"cmaf", TECHNIQUE_CMAF}, {0}};

#define T struct adaptive_opts
#define FILE_NAME "^[^/\\\\[:cntrl:]]{1,200}$"
static const struct option options[] = {
    OPT_ENUM(T, technique, techniques, .def = TECHNIQUE_DASH,
             .help = "hls: MPEG-TS with M3U8 playlists. dash: fragmented MP4 with an MPD. cmaf: "
                     "fragmented MP4 with both."),
    OPT_STR(T, playlist_name, .pattern = FILE_NAME, .example = "\"film.mpd\"",
            .help = "Name of the top playlist. Left out: playlist.mpd, with hls playlist.m3u8."),
    OPT_STR(T, hls_playlist_name, .pattern = FILE_NAME, .example = "\"film.m3u8\"",
            .help = "With cmaf, the name of the top HLS playlist. Left out: playlist.m3u8."),
    OPT_INT(T, segment_duration, .min = 1, .max = 3600, .def = 10, .unit = "s",
            .help = "How long a segment is, as near as key frames allow where nothing is encoded."),
    OPT_BOOL(
        T, closed_captions, .def = true,
        .help = "Name the captions that are in the pictures; false: HLS says that there are none."),
    OPT_BOOL(T, audio_group,
             .help = "HLS: inputs that are sound alone become sounds to choose from, heard with "
                     "every variant."),
    OPT_ENUM(T, preset, av_presets, .dashes = true, .def = AV_NO_PRESET,
             .help = "What a stream is encoded with that players could not read as it is. Its size "
                     "is not looked at: "
                     "each variant keeps its own. Left out: H.264 and AAC."),
    OPT_INT(T, width, .min = 1, .max = 7680, .unit = "px", .nullable = true,
            .help = "Width of all variants; one of another size is encoded anew."),
    OPT_INT(T, height, .min = 1, .max = 4320, .unit = "px", .nullable = true,
            .help = "Height of all variants."),
    OPT_GROUP(T, av, struct av_opts, av_options),
    OPT_END,
};

static int adaptive_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    AUTO(arena_free) struct arena *a = arena_new();
    struct av_profile *p = arena_alloc(a, sizeof *p);
    const char *names[] = {o->playlist_name, o->hls_playlist_name};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i] && (names[i][0] == '.' || !*names[i]))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'%s' must be the name of a file that does not begin with a dot",
                           i ? "hls_playlist_name" : "playlist_name");
    if (o->technique == TECHNIQUE_CMAF && names[0] &&
        !strcmp(names[0], names[1] ? names[1] : ADAPTIVE_LIST))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'playlist_name' and 'hls_playlist_name' are the same");
    if (av_profile_check(o->preset, &o->av, AV_VIDEO | AV_AUDIO, err) < 0)
        return -1;
    return partial ? 0 : adaptive_profile(p, a, o, AV_VIDEO | AV_AUDIO, err);
}

/* ---- what the inputs are ---- */

static bool has_size(const T *o, const struct segment_look *l)
{
    return (!o->width || o->width == l->shown_width) &&
           (!o->height || o->height == l->shown_height);
}

/* Options that the client wrote out are for the encoder: then everything is encoded. */
static void find_fits(const struct adapting *w, struct variant *v)
{
    const struct segment_look *l = &v->look;
    bool may = l->has_times && !json_object_size(w->o->av.ffmpeg);

    v->video_fits = may && adaptive_plays(w->o, true, &l->video) && l->orientation == 1 &&
                    !l->has_hidden && has_size(w->o, l) && l->key_count &&
                    l->keys[0] - l->video.from < SEGMENT_EPS;
    v->audio_fits = may && adaptive_plays(w->o, false, &l->audio);
}

/* Steps may have any name; a folder has one that is the same in an address and on any disk. */
static const char *folder_of(struct adapting *w, int n, const char *step)
{
    char *name = arena_strdup(robot_arena(w->job), *step == ':' ? step + 1 : step);
    const char *unique = name;

    for (char *p = name; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *p))
            *p = '_';
    if (strlen(name) > 100)
        name[100] = 0;
    for (int i = 2, k = 0; k < n;)
        if (strcmp(w->variants[k].folder, unique) != 0)
            k++;
        else
            unique = arena_printf(robot_arena(w->job), "%s_%d", name, i++), k = 0;
    return *unique ? unique : "variant";
}

static int look_at(struct adapting *w, int i, struct err *err)
{
    struct variant *v = &w->variants[w->count];
    const struct robot_input *in = robot_input(w->job, i);

    *v = (struct variant){.in = in, .input = i, .path = in->path};
    if (segment_look(&v->look, robot_arena(w->job), in->path, &w->limits, err) < 0)
        return -1;
    if (!v->look.video.is_there && !v->look.audio.is_there)
        return err_set(err, ERR_INPUT, "'%.100s' has neither pictures nor sound", in->name);
    v->folder = folder_of(w, w->count, in->step);
    v->zero = v->look.zero;
    find_fits(w, v);
    w->count++;
    return 0;
}

static double shown_length(const struct segment_look *l)
{
    return l->video.is_there ? l->video.to : l->audio.to;
}

/* Variants of one film last equally long. */
static int look_at_all(struct adapting *w, struct err *err)
{
    double shortest = INFINITY;

    for (int i = 0; i < robot_input_count(w->job); i++) {
        if (look_at(w, i, err) < 0)
            return -1;
        double length = shown_length(&w->variants[i].look);
        w->length = fmax(w->length, length);
        shortest = fmin(shortest, length);
        robot_progress(w->job, ADAPTIVE_LOOKED * (i + 1) / robot_input_count(w->job));
    }
    w->told = ADAPTIVE_LOOKED;
    if (w->length - shortest > fmax(2, w->length / 10))
        return err_set(err, ERR_INPUT,
                       "the inputs are no variants of one film: one lasts %.1f s, another %.1f s. "
                       "Of several films, "
                       "'group_by_original' makes a Step's jobs one each",
                       shortest, w->length);
    return 0;
}

/* ---- where to cut ---- */

static bool has_key(const struct segment_look *l, double from, double to)
{
    int low = 0, high = l->key_count;

    while (low < high) {
        int mid = (low + high) / 2;

        if (l->keys[mid] < from)
            low = mid + 1;
        else
            high = mid;
    }
    return low < l->key_count && l->keys[low] <= to;
}

static bool have_all_key(const struct adapting *w, double at)
{
    for (int i = 0; i < w->count; i++)
        if (w->variants[i].video_fits && at < w->variants[i].look.video.to - SEGMENT_EPS &&
            !has_key(&w->variants[i].look, at - SEGMENT_EPS, at + SEGMENT_EPS))
            return false;
    return true;
}

/* The key frame nearest to `last` and a segment's length, of those that all have which can stay as
 * they are, between half and one and a half of that length. -1: there is none. */
static double next_common_key(const struct adapting *w, const struct segment_look *l, double last)
{
    double d = (double)w->o->segment_duration, best = -1;

    for (int i = 0; i < l->key_count && l->keys[i] <= last + 1.5 * d + SEGMENT_EPS; i++)
        if (l->keys[i] > last + 0.5 * d && l->keys[i] < w->length - SEGMENT_EPS &&
            (best < 0 || fabs(l->keys[i] - last - d) < fabs(best - last - d) - SEGMENT_EPS) &&
            have_all_key(w, l->keys[i]))
            best = l->keys[i];
    return best;
}

/* false: at some place there are no key frames to cut at. */
static bool cut_at_common_keys(struct adapting *w, const struct segment_look *l)
{
    double d = (double)w->o->segment_duration, last = 0;

    while (w->length > last + d + SEGMENT_EPS) {
        double at = next_common_key(w, l, last);

        if (at < 0)
            return w->length <= last + 1.5 * d; /* the rest is a segment and a little */
        w->cuts[w->cut_count++] = last = at;
    }
    return true;
}

/* Every so many seconds; who has no key frame there is encoded. */
static void cut_at_equal_steps(struct adapting *w)
{
    double d = (double)w->o->segment_duration;

    w->cut_count = 0;
    for (int n = 1; n * d < w->length - 0.1; n++)
        w->cuts[w->cut_count++] = n * d;
    for (int i = 0; i < w->count; i++) {
        struct variant *v = &w->variants[i];
        double frame = v->look.frame_rate > 0 ? 1 / v->look.frame_rate : 0.02;

        for (int n = 0; n < w->cut_count && v->video_fits; n++)
            v->video_fits = w->cuts[n] >= v->look.video.to - frame ||
                            has_key(&v->look, w->cuts[n] - SEGMENT_EPS, w->cuts[n] + frame);
    }
}

static int find_cuts(struct adapting *w, struct err *err)
{
    double most = w->length / (double)w->o->segment_duration * 2 + 3;
    const struct variant *first = NULL;

    if (most * w->count > ADAPTIVE_MOST_FILES * 2)
        return err_set(
            err, ERR_INPUT,
            "%.0f s of film in %d variants make more than %d files with segments of %" PRId64
            " s: 'segment_duration' must be longer",
            w->length, w->count, ADAPTIVE_MOST_FILES, w->o->segment_duration);
    w->cuts = arena_alloc(robot_arena(w->job), (size_t)most * sizeof *w->cuts);
    for (int i = 0; i < w->count && !first; i++)
        first = w->variants[i].video_fits ? &w->variants[i] : NULL;
    if (!first || !cut_at_common_keys(w, &first->look))
        cut_at_equal_steps(w);
    return 0;
}

/* ---- the work ---- */

static int adaptive_run(struct robot_job *job, const void *opts, struct err *err)
{
    struct adapting w = {.job = job, .o = opts, .limits = media_limits(robot_settings(job))};

    if (robot_input_count(job) > AV_INPUTS_MAX)
        return err_set(err, ERR_INPUT, "more than %d inputs", AV_INPUTS_MAX);
    w.variants = arena_alloc(robot_arena(job), (size_t)robot_input_count(job) * sizeof *w.variants);
    return look_at_all(&w, err) < 0 || find_cuts(&w, err) < 0 || adaptive_encode_all(&w, err) < 0 ||
                   adaptive_write_all(&w, err) < 0
               ? -1
               : adaptive_list_all(&w, err);
}

const struct robot robot_video_adaptive = {
    .name = "/video/adaptive",
    .summary = "Cut films into segments with playlists for HLS and DASH",
    .accepts = "video/|audio/",
    .role = ROLE_MEDIA,
    .flags = ROBOT_ENCODES,
    .price_factor = 1,
    .slots = 60,
    .opts_size = sizeof(T),
    .options = options,
    .check = adaptive_check,
    .run = IN_WORKER(adaptive_run),
};
