/* The parameters of /video/encode, and what they must be together. */
#include "base/str.h"
#include "robot/choices.h"
#include "robot/crop.h"
#include "robot/values.h"
#include "robot/video/encode.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST_SIDE = 16384, A_DAY_S = 86400, MOST_SECONDS = 10000000 };
#define NO_TEXT "no parameter of this Robot gives a text to draw"

static const struct opt_choice turns[] = {{"0", 0},     {"90", 90}, {"180", 180},
                                          {"270", 270}, {"360", 0}, {"false", ENCODE_TURN_NEVER},
                                          {0}};

#define T struct encode_opts
const struct option encode_options[] = {
    OPT_ENUM(T, preset, av_presets, .dashes = true, .def = AV_NO_PRESET,
             .help = "How to encode. Left out, and without ffmpeg: H.264 and AAC in MP4, in the "
                     "film's size."),
    OPT_INT(T, width, .min = 1, .max = LONGEST_SIDE, .nullable = true, .unit = "px",
            .help = "Width. Left out: the preset's, else the film's."),
    OPT_INT(T, height, .min = 1, .max = LONGEST_SIDE, .nullable = true, .unit = "px",
            .help = "Height. Left out: the preset's, else the film's."),
    OPT_ENUM(T, resize_strategy, choices_fit, .def = FIT_PAD,
             .help = "What to do when the shapes differ."),
    OPT_BOOL(T, zoom, .def = true, .help = "Enlarge what is smaller."),
    OPT_JSON(T, crop, .example = "{\"x1\": 80, \"y1\": 100, \"x2\": \"60%\", \"y2\": \"80%\"}",
             .help = "Rectangle to cut out, in pixels or percent. Then width, height and the "
                     "preset's size do not count."),
    OPT_STR(T, background, .def_str = "#00000000", .pattern = VALUE_RGBA,
            .example = "\"#ff0000ff\"",
            .help = "Colour of what pad adds, and behind what is transparent, rrggbbaa."),
    OPT_ENUM(T, rotate, turns, .def = ENCODE_TURN_UNSET,
             .help = "Turn clockwise, after the turn that the film's header asks for. false: leave "
                     "pictures and header as they are."),
    OPT_BOOL(T, hint, .help = "Add hint tracks for streaming servers (MP4 and MOV)."),
    OPT_BOOL(T, turbo,
             .help = "Noted in meta; a film is encoded in one piece, by all threads that "
                     "the job has."),
    OPT_INT(T, chunk_duration, .min = 1, .max = A_DAY_S, .unit = "s",
            .idle = "a film is encoded in one piece",
            .help = "Length of the pieces that turbo would have."),
    OPT_BOOL(T, segment, .help = "Cut the result into pieces for HLS as well, with a playlist."),
    OPT_INT(T, segment_duration, .min = 1, .max = A_DAY_S, .def = 10, .unit = "s",
            .help = "Length of the pieces."),
    OPT_STR(T, segment_prefix, .def_str = "", .example = "\"segment_\"",
            .help = "How names of pieces begin. Empty: with the name of the film and _."),
    OPT_STR(T, segment_name, .def_str = "", .literal = true,
            .example = "\"${segment_prefix}-${segment_number}.ts\"",
            .help = "Names of the pieces, with ${segment_prefix}, ${segment_number} and "
                    "${segment_id}. Empty: prefix and number."),
    OPT_NUM(T, segment_time_delta, .max = 60,
            .help = "So many seconds before its time a piece may end, if a key frame is there."),
    OPT_NUM(T, watermark_start_time, .max = MOST_SECONDS,
            .help = "When the watermark appears, in seconds."),
    OPT_NUM(T, watermark_duration, .min = -1, .max = MOST_SECONDS, .def_num = -1,
            .help = "How many seconds it stays. -1: to the end."),
    OPT_GROUP(T, watermark, struct watermark_opts, watermark_film_options),
    OPT_NUM(T, font_size, .max = 10000, .idle = NO_TEXT, .help = "Size of text."),
    OPT_STR(T, font_color, .idle = NO_TEXT, .help = "Colour of text."),
    OPT_STR(T, text_background_color, .idle = NO_TEXT, .help = "Colour behind text."),
    OPT_GROUP(T, av, struct av_opts, av_options),
    OPT_END,
};

/* What the spec has where neither preset nor options are given. */
static const struct av_preset standard = {
    "", "mp4", "mp4", 0, 0, "c:v libx264 crf 23 preset medium", "c:a aac b:a 128k"};

int encode_profile(struct av_profile *out, struct arena *a, const struct encode_opts *o,
                   struct err *err)
{
    const struct av_preset *preset = av_preset(o->preset);

    if (!preset && !json_object_size(o->av.ffmpeg))
        preset = &standard;
    return av_profile(out, a, preset, NULL, &o->av, AV_VIDEO | AV_AUDIO, err);
}

/* ---- pieces ---- */

#define DEFAULT_NAME "${segment_prefix}${segment_number}.ts"

const char *encode_segment_name(struct arena *a, const struct encode_opts *o, const char *basename,
                                int n, const char *id)
{
    AUTO(str_done) struct str s = {0};
    const char *p = *o->segment_name ? o->segment_name : DEFAULT_NAME;
    char number[16], name[256];

    snprintf(number, sizeof number, "%d", n);
    while (*p) {
        if (str_starts(p, "${segment_prefix}")) {
            str_puts(&s, *o->segment_prefix ? o->segment_prefix : basename);
            str_puts(&s, *o->segment_prefix ? "" : "_");
        } else if (str_starts(p, "${segment_number}")) {
            str_puts(&s, number);
        } else if (str_starts(p, "${segment_id}")) {
            str_puts(&s, id);
        } else {
            str_putc(&s, *p++);
            continue;
        }
        p = strchr(p, '}') + 1;
    }
    str_file_name(name, s.s ? s.s : "");
    return arena_strdup(a, name);
}

static bool is_word(const char *list, const char *word)
{
    const char *p = word && *word ? strstr(list, word) : NULL;

    return p && (p == list || p[-1] == ' ') && (p[strlen(word)] == ' ' || !p[strlen(word)]);
}

static int check_segments(const struct encode_opts *o, const struct av_profile *p, struct err *err)
{
    const char *video = av_profile_get(p, "c:v"), *audio = av_profile_get(p, "c:a");

    if (*o->segment_name && !strstr(o->segment_name, "${segment_number}") &&
        !strstr(o->segment_name, "${segment_id}"))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'segment_name' must hold ${segment_number} or ${segment_id}, or all pieces "
                       "would have one name");
    if (!(p->makes & AV_VIDEO) || is_word("gif", p->muxer) ||
        (video && !is_word("libx264 libx265 mpeg2video mpeg1video copy", video)) ||
        (audio && !is_word("aac libmp3lame mp2 ac3 eac3 copy", audio)))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'segment' needs a film that MPEG-TS can hold: H.264, H.265 or MPEG-2 with "
                       "AAC, MP3 or AC-3");
    return 0;
}

/* ---- check ---- */

/* Pictures that are not decoded, or that the client's own graph makes, can't be worked on as well.
 */
static int check_pictures(const struct encode_opts *o, const struct av_profile *p, struct err *err)
{
    const char *codec = av_profile_get(p, "c:v"), *why = NULL;
    const char *what = o->crop                      ? "crop"
                       : o->width                   ? "width"
                       : o->height                  ? "height"
                       : o->rotate > 0              ? "rotate"
                       : o->watermark.watermark_url ? "watermark_url"
                       : p->vf                      ? "ffmpeg.vf"
                                                    : NULL;

    if (p->makes & AV_VIDEO && codec && !strcmp(codec, "copy"))
        why = "copies pictures as they are";
    else if (p->graph)
        why = "has a filter_complex, which makes the pictures";
    return why && what ? err_set(err, ERR_ROBOT_VALIDATION, "'%s' can't be: 'ffmpeg' %s", what, why)
                       : 0;
}

int encode_check(const void *opts, bool partial, struct err *err)
{
    const struct encode_opts *o = opts;
    AUTO(arena_free) struct arena *a = arena_new();
    struct av_profile *p = arena_alloc(a, sizeof *p);

    (void)partial; /* what is not known yet holds its default, which is right */
    if (av_opts_check(&o->av, AV_VIDEO | AV_AUDIO, err) < 0 || encode_profile(p, a, o, err) < 0 ||
        watermark_check(&o->watermark, err) < 0 || check_pictures(o, p, err) < 0 ||
        (o->crop && crop_check(o->crop, err) < 0))
        return -1;
    return o->segment ? check_segments(o, p, err) : 0;
}

bool encode_joins(const void *opts)
{
    static const char *const moments[] = {"ss", "t", "to", "frames:v", "frames", "vframes"};
    const struct encode_opts *o = opts;
    AUTO(arena_free) struct arena *a = arena_new();
    struct av_profile *p = arena_alloc(a, sizeof *p);
    struct err err;

    if (o->segment || o->rotate == ENCODE_TURN_NEVER || encode_profile(p, a, o, &err) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(moments); i++)
        if (av_profile_get(p, moments[i]))
            return false;
    return p->makes & AV_VIDEO && *p->muxer && strcmp(p->muxer, "gif") != 0 && !p->graph &&
           !p->map_count;
}
