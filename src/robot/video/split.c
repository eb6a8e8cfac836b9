/* /video/split: pieces of a film, exact to the frame. */
#include "base/str.h"
#include "robot/segments.h"
#include "robot/video/join.h"

#include <string.h>

struct split_opts {
    json_t *segments;
    struct join_opts join;
};
#define T struct split_opts
static const struct option options[] = {
    SEGMENTS_OPTION(T),
    OPT_GROUP(T, join, struct join_opts, join_options),
    OPT_END,
};

static int split_check(const void *opts, bool partial, struct err *err)
{
    static const char *const moments[] = {"ss", "t", "to"};
    const T *o = opts;
    AUTO(arena_free) struct arena *a = arena_new();

    (void)partial;
    for (size_t i = 0; i < ARRAY_LEN(moments); i++)
        if (av_opt(&o->join.av, a, moments[i]))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "ffmpeg option '%s' can't be used: 'segments' says from where to where",
                           moments[i]);
    return segments_check(o->segments, err) < 0 ? -1 : join_check(&o->join, err);
}

/* ---- the film's own codecs and container ---- */

/* What encodes as a film is encoded already, so well that it is hardly seen. */
static const struct {
    const char *codec, *encoder, *settings; /* "name value name value" */
} split_videos[] = {
    {"h264", "libx264", "crf 18 preset medium"},
    {"hevc", "libx265", "crf 20 preset medium tag:v hvc1"},
    {"vp8", "libvpx", "crf 8 b:v 4M deadline good cpu-used 4"},
    {"vp9", "libvpx-vp9", "crf 24 b:v 0 row-mt 1 deadline good cpu-used 4"},
    {"av1", "libsvtav1", "crf 28 preset 8"},
    {"theora", "libtheora", "q:v 8"},
    {"mpeg4", "mpeg4", "q:v 3"},
    {"mpeg2video", "mpeg2video", "q:v 3"},
    {"mpeg1video", "mpeg1video", "q:v 3"},
    {"flv1", "flv", "q:v 3"},
    {"wmv1", "wmv1", "q:v 3"},
    {"wmv2", "wmv2", "q:v 3"},
    {"msmpeg4v2", "msmpeg4v2", "q:v 3"},
    {"msmpeg4v3", "msmpeg4", "q:v 3"},
    {"h263", "h263p", "q:v 3"},
    {"mjpeg", "mjpeg", "q:v 3"},
    {"prores", "prores_ks", ""},
    {"gif", "gif", ""},
    {"png", "png", ""},
    {"qtrle", "qtrle", ""},
    {"ffv1", "ffv1", ""},
    {"huffyuv", "huffyuv", ""},
    {"ffvhuff", "ffvhuff", ""},
    {"utvideo", "utvideo", ""},
    {"dvvideo", "dvvideo", ""},
    {"rawvideo", "rawvideo", ""},
};
static const char *const split_sounds[][2] = {
    {"aac", "aac"},
    {"mp3", "libmp3lame"},
    {"opus", "libopus"},
    {"vorbis", "libvorbis"},
    {"flac", "flac"},
    {"alac", "alac"},
    {"ac3", "ac3"},
    {"eac3", "eac3"},
    {"wmav1", "wmav1"},
    {"wmav2", "wmav2"},
    {"mp2", "mp2"},
    {"pcm_s16le", "pcm_s16le"},
    {"pcm_s16be", "pcm_s16be"},
    {"pcm_s24le", "pcm_s24le"},
    {"pcm_s24be", "pcm_s24be"},
    {"pcm_s32le", "pcm_s32le"},
    {"pcm_u8", "pcm_u8"},
    {"pcm_f32le", "pcm_f32le"},
    {"pcm_alaw", "pcm_alaw"},
    {"pcm_mulaw", "pcm_mulaw"},
};

/* ffmpeg's name of the container that a file has, which its name alone does not decide. NULL: none
 * that is written here. */
static const char *container_of(const struct av_film *film, const char *ext)
{
    static const char *const by_format[][2] = {{"mp4", "mp4"},       {"matroska", "matroska"},
                                               {"mpegts", "mpegts"}, {"avi", "avi"},
                                               {"flv", "flv"},       {"asf", "asf"},
                                               {"ogg", "ogg"},       {"mpeg", "mpeg"},
                                               {"gif", "gif"},       {"dv", "dv"},
                                               {"mxf", "mxf"}};
    const char *named = av_muxer_of(ext);

    for (size_t i = 0; i < ARRAY_LEN(by_format); i++)
        if (strstr(film->info.format, by_format[i][0]))
            return named && strstr(film->info.format, named) ? named : by_format[i][1];
    return NULL;
}

static void add_settings(struct av_profile *p, struct arena *a, const char *words)
{
    char *rest = arena_strdup(a, words), *name, *value;

    while ((name = strtok_r(rest, " ", &rest)) && (value = strtok_r(rest, " ", &rest)))
        av_profile_set(p, name, value);
}

/* The film's own codecs; false: there is no encoder for its pictures here. */
static bool like_the_film(struct av_profile *p, struct arena *a, const struct av_film *film)
{
    int channels = film->info.channels > 0 ? film->info.channels : 2;

    for (size_t i = 0; i < ARRAY_LEN(split_videos); i++) {
        if (strcmp(split_videos[i].codec, film->info.video_codec) != 0)
            continue;
        for (size_t k = 0; k < ARRAY_LEN(split_sounds); k++)
            if (film->info.has_audio && !strcmp(split_sounds[k][0], film->info.audio_codec)) {
                av_profile_set(p, "c:a", split_sounds[k][1]);
                if (!str_starts(split_sounds[k][0], "pcm_") && !str_ends(split_sounds[k][0], "lac"))
                    av_profile_set(p, "b:a",
                                   arena_printf(a, "%dk", 96 * (channels < 6 ? channels : 6)));
            }
        av_profile_set(p, "c:v", split_videos[i].encoder);
        add_settings(p, a, split_videos[i].settings);
        return true;
    }
    return false;
}

static int split_profile(struct av_profile *p, struct robot_job *job, const T *o,
                         const struct av_film *film, struct err *err)
{
    const char *muxer = container_of(film, robot_input(job, 0)->ext);
    bool free_choice = o->join.preset == AV_NO_PRESET && !json_object_size(o->join.av.ffmpeg);
    struct av_profile *own = arena_alloc(robot_arena(job), sizeof *own);

    if (join_profile(p, job, &o->join, film->info.has_audio, err) < 0)
        return -1;
    *own = (struct av_profile){
        .makes = p->makes, .muxer = muxer, .ext = muxer ? av_muxer_ext(muxer, AV_VIDEO) : NULL};
    if (!free_choice || !muxer || !own->ext || !like_the_film(own, robot_arena(job), film))
        return 0;
    if (!strcmp(muxer, "mp4") || !strcmp(muxer, "mov") || !strcmp(muxer, "ipod"))
        av_profile_set(own, "movflags", "+faststart");
    *p = *own;
    if (!strcmp(av_muxer_of(robot_input(job, 0)->ext) ? av_muxer_of(robot_input(job, 0)->ext) : "",
                muxer))
        p->ext = robot_input(job, 0)->ext; /* m4v, mts... */
    return 0;
}

/* ---- pieces ---- */

struct split {
    struct robot_job *job;
    struct av_film film;
    struct av_profile profile;
    struct av_join join;
    int pieces;
};

static int piece(struct split *s, const struct segment *seg, int i, struct err *err)
{
    int64_t all = av_join_length(&s->join, &s->film), from = av_join_frames(&s->join, seg->from),
            to = av_join_frames(&s->join, seg->to), frames;
    struct av_run *r = arena_alloc(robot_arena(s->job), sizeof *r);
    struct av_part part;

    if (to > all)
        to = all;
    if (from >= to) /* less than half a frame */
        from = to - 1;
    part = (struct av_part){0, &s->film, from, to - from};
    s->join.parts = &part;
    s->join.count = 1;
    *r = (struct av_run){
        .job = s->job,
        .profile = &s->profile,
        .sources = {av_join_source(&s->join, robot_input(s->job, 0)->path, &s->film, from)},
        .source_count = 1,
        .more = (const char *const[]){"-map_chapters", "-1", NULL},
        .from = (double)i / s->pieces,
        .to = (double)(i + 1) / s->pieces};
    const char *graph = av_join_graph(&s->join, &frames, NULL);
    return join_run(r, graph, av_join_seconds(&s->join, frames), 0, segment_meta(seg), err);
}

static int split_run(struct robot_job *job, const void *opts, struct err *err)
{
    const T *o = opts;
    struct split *s = arena_alloc(robot_arena(job), sizeof *s);
    struct segment *list = arena_alloc(robot_arena(job), SEGMENTS_MAX * sizeof *list);
    const struct av_film *film = &s->film;

    s->job = job;
    s->join.a = robot_arena(job);
    if (join_look(&s->film, job, 0, NULL, err) < 0 ||
        split_profile(&s->profile, job, o, film, err) < 0)
        return -1;
    join_grid(&s->join, &s->profile, film);
    join_size(&s->join, &o->join, &s->profile, FIT_PAD, NULL, film->info.width, film->info.height);
    if (!av_profile_get(&s->profile, "pix_fmt"))
        s->join.format = NULL; /* the film's own */
    join_sound(&s->join, &s->profile, &film, 1);
    s->pieces = segments_read(list, o->segments, film->end - film->begin);
    if (!s->pieces)
        return robot_fail(job, err, ERR_INPUT, "NO_OUTPUT", "'%s' ends before any of the segments",
                          robot_input(job, 0)->name);
    if (!s->join.pictures && !s->join.sample_rate)
        return robot_fail(job, err, ERR_INPUT, "NO_OUTPUT",
                          "the result would have sound alone, and '%s' has none",
                          robot_input(job, 0)->name);
    for (int i = 0; i < s->pieces; i++)
        if (piece(s, &list[i], i, err) < 0)
            return -1;
    return 0;
}

const struct robot robot_video_split = {
    .name = "/video/split",
    .summary = "Cut pieces out of a film",
    .accepts = "video/",
    .codes = "NO_OUTPUT",
    .flags = ROBOT_ENCODES,
    .role = ROLE_MEDIA,
    .price_factor = 1,
    .slots = 60,
    .opts_size = sizeof(T),
    .options = options,
    .example = "{\"segments\": [{\"from\": 0, \"to\": 1}]}",
    .check = split_check,
    .run = IN_WORKER(split_run),
};
