/* /video/ondemand: a film as HLS that nobody has encoded yet. The playlists follow from its length
 * alone; a segment is encoded when somebody asks for it, each in a job that knows of no other: so
 * that they join without a gap, pictures and sounds are taken by the film's own clock, and sound in
 * the frames that it would have if all were encoded at once. (Over 600 lines: one road, from an
 * address to the segment that it names.) */
#include "media/av/encode.h"
#include "media/av/playlist.h"
#include "media/av/segment.h"
#include "robot/av_options.h"
#include "robot/av_profile.h"
#include "robot/choices.h"
#include "robot/values.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_VARIANTS = 30, MOST_SEGMENTS = 100000 };
enum {
    AUDIO_FRAME = 1024,
    FRAMES_BEFORE = 12,
    FRAMES_AFTER = 3
}; /* of AAC: an encoder takes some to get going */
#define SEEK_BEFORE_S 1.0
#define AUDIO_RATE 48000
#define LIST "playlist.m3u8"
#define HLS_TYPE "application/vnd.apple.mpegurl"

struct ondemand_opts {
    json_t *variants, *enabled_variants;
    double segment_duration, sign_urls_for;
    const char *asset, *asset_param_name;
};
#define T struct ondemand_opts
static const struct option options[] = {
    OPT_JSON(T, variants, .required = true, .example = "{\"480p\": {\"preset\": \"vod/480p\"}}",
             .help = "The forms of the film by their names, each with parameters as /video/encode "
                     "has them: preset, "
                     "width, height, resize_strategy, zoom, background, ffmpeg."),
    OPT_JSON(T, enabled_variants, .nullable = true, .example = "[\"480p\"]",
             .help = "Names of the variants that there are for now. Left out: all."),
    OPT_NUM(T, segment_duration, .min = 1, .max = 60, .def_num = 6, .unit = "s",
            .help = "How long a segment is."),
    OPT_NUM(T, sign_urls_for, .min = 0, .max = 31536000, .unit = "s",
            .help = "The addresses in playlists are signed, and are good for so long. It must be "
                    "written in the Template "
                    "as a number."),
    OPT_STR(T, asset, .nullable = true, .example = "\"480p/playlist.m3u8\"",
            .help = "Which playlist or segment is wanted, usually ${fields.asset}. Left out: the "
                    "top playlist."),
    OPT_STR(T, asset_param_name, .def_str = "asset", .pattern = "^[A-Za-z0-9_-]{1,100}$",
            .example = "\"part\"",
            .help = "The parameter of the address that says which, in the playlists."),
    OPT_END,
};
#undef T

/* ---- a variant ---- */

struct form_opts {
    int preset, resize_strategy;
    int64_t width, height;
    bool zoom;
    const char *background;
    struct av_opts av;
};
#define T struct form_opts
#define LEFT_OUT(name, none) OPT_UNSUPPORTED(#name, .def_str = none)
static const struct option form_options[] = {
    OPT_ENUM(T, preset, av_presets, .dashes = true, .def = AV_NO_PRESET,
             .help = "Named set of settings."),
    OPT_INT(T, width, .min = 1, .max = 7680, .unit = "px", .nullable = true, .help = "Width."),
    OPT_INT(T, height, .min = 1, .max = 4320, .unit = "px", .nullable = true, .help = "Height."),
    OPT_ENUM(T, resize_strategy, choices_fit, .def = FIT_PAD,
             .help = "What to do when the shapes differ."),
    OPT_BOOL(T, zoom, .def = true, .help = "Small films are enlarged."),
    OPT_STR(T, background, .def_str = "#00000000", .pattern = VALUE_RGBA,
            .help = "Colour of what pad adds."),
    OPT_GROUP(T, av, struct av_opts, av_options),
    /* parameters of /video/encode that are not built here; schemas write out what asks for none */
    LEFT_OUT(hint, "false"),
    LEFT_OUT(turbo, "false"),
    LEFT_OUT(segment, "false"),
    LEFT_OUT(segment_duration, "10"),
    LEFT_OUT(segment_prefix, "\"\""),
    LEFT_OUT(segment_name, "\"\""),
    LEFT_OUT(watermark_url, "\"\""),
    LEFT_OUT(watermark_position, "\"center\""),
    LEFT_OUT(watermark_x_offset, "0"),
    LEFT_OUT(watermark_y_offset, "0"),
    LEFT_OUT(watermark_size, NULL),
    LEFT_OUT(watermark_resize_strategy, "\"fit\""),
    LEFT_OUT(watermark_start_time, "0"),
    LEFT_OUT(watermark_duration, "-1"),
    LEFT_OUT(watermark_opacity, "1"),
    LEFT_OUT(rotate, NULL),
    LEFT_OUT(crop, NULL),
    LEFT_OUT(chunk_duration, NULL),
    OPT_END,
};
#undef T

struct form {
    const char *name;
    struct form_opts o;
    struct av_profile profile;
};

static const char *or_none(const char *text) { return text ? text : ""; }
static const char *setting_of(const struct av_profile *p, const char *name)
{
    return or_none(av_profile_get(p, name));
}

static int form_read(struct form *f, struct arena *a, const char *name, const json_t *params,
                     struct err *err)
{
    struct err why;
    const char *said = "";

    *f = (struct form){.name = name};
    if (!*name || strlen(name) > 64 ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] ||
        *name == '.')
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'variants': the name '%.64s' has something else than letters, digits, '_', "
                       "'-' and '.'",
                       name);
    if (!json_is_object(params))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'variants': '%s' must be an object of parameters", name);
    if (options_fill(&f->o, a, form_options, params, false, &why) < 0 ||
        av_opts_check(&f->o.av, AV_VIDEO | AV_AUDIO, &why) < 0 ||
        av_profile(&f->profile, a, av_preset(f->o.preset), NULL, &f->o.av, AV_VIDEO | AV_AUDIO,
                   &why) < 0)
        return err_set(err, ERR_ROBOT_VALIDATION, "'variants': '%s': %s", name, why.msg);
    const struct av_profile *p = &f->profile;
    if (!(p->makes & AV_VIDEO))
        said = "it has no pictures";
    else if (av_profile_get(p, "c:v") && strcmp(av_profile_get(p, "c:v"), "libx264") != 0)
        said = "pictures must be H.264 (libx264)";
    else if (av_profile_get(p, "c:a") && strcmp(av_profile_get(p, "c:a"), "aac") != 0)
        said = "sound must be AAC";
    else if (p->graph || p->map_count || av_profile_get(p, "ss") || av_profile_get(p, "t") ||
             av_profile_get(p, "to"))
        said = "'filter_complex', 'map', 'ss', 't' and 'to' are not for a film in segments";
    return *said ? err_set(err, ERR_ROBOT_VALIDATION, "'variants': '%s': %s", name, said) : 0;
}

/* ---- which of them ---- */

static bool is_enabled(const struct ondemand_opts *o, const char *name)
{
    const json_t *v = o->enabled_variants;
    json_t *item;
    size_t i;

    json_array_foreach (v, i, item)
        if (!strcmp(or_none(json_string_value(item)), name))
            return true;
    return !v || (json_is_string(v) && !strcmp(json_string_value(v), name));
}

static int enabled_check(const struct ondemand_opts *o, struct err *err)
{
    const json_t *v = o->enabled_variants;
    AUTO(json_unref)
    json_t *all = json_is_string(v) ? json_pack("[O]", v) : json_incref((json_t *)v);
    json_t *item;
    size_t i;

    if (v && !json_array_size(all))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'enabled_variants' must be a name or a list of names");
    json_array_foreach (all, i, item)
        if (!json_is_string(item) || !json_object_get(o->variants, json_string_value(item)))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'enabled_variants' names '%.64s', which is none of 'variants'",
                           or_none(json_string_value(item)));
    return 0;
}

static int ondemand_check(const void *opts, bool partial, struct err *err)
{
    static const char *const taken[] = {"sig", "exp", "auth_key", "input"};
    const struct ondemand_opts *o = opts;
    AUTO(arena_free) struct arena *a = arena_new();
    struct form *f = arena_alloc(a, sizeof *f);
    const char *name;
    json_t *v;

    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        if (!strcmp(o->asset_param_name, taken[i]))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'asset_param_name' is '%s', which has a meaning of its own", taken[i]);
    if (!o->variants && partial)
        return 0;
    if (!json_object_size(o->variants) || json_object_size(o->variants) > MOST_VARIANTS)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'variants' must be an object of 1 to %d variants", MOST_VARIANTS);
    json_object_foreach (o->variants, name, v)
        if (!(partial && options_have_expression(v)) && form_read(f, a, name, v, err) < 0)
            return -1;
    return partial && options_have_expression(o->enabled_variants) ? 0 : enabled_check(o, err);
}

/* ---- the film ---- */

struct showing {
    struct robot_job *job;
    const struct ondemand_opts *o;
    const struct robot_input *in;
    struct av_info info;
    double length; /* s */
    int count;     /* of segments */
};

static int showing_open(struct showing *w, struct err *err)
{
    struct media_limits limits = media_limits(robot_settings(w->job));

    if (av_look(&w->info, w->in->path, &limits, err) < 0)
        return -1;
    if (!w->info.has_video)
        return err_set(err, ERR_INPUT, "'%.100s' has no pictures", w->in->name);
    w->length = w->info.video_s > 0 ? w->info.video_s : w->info.duration_s;
    if (!(w->length > 0))
        return err_set(err, ERR_INPUT, "nobody knows how long '%.100s' is", w->in->name);
    /* a rest of less than a frame is what clocks make of a whole number */
    double rest = w->info.frame_rate > 0 ? 0.5 / w->info.frame_rate : 0.01;
    double n = ceil((w->length - rest) / w->o->segment_duration);
    if (n > MOST_SEGMENTS)
        return err_set(err, ERR_INPUT, "%.0f s of film make more than %d segments", w->length,
                       MOST_SEGMENTS);
    w->count = n < 1 ? 1 : (int)n;
    return 0;
}

static double piece_end(const struct showing *w, int n)
{
    return n + 1 == w->count ? w->length : (n + 1) * w->o->segment_duration;
}

/* ---- what a variant will be, before anybody has encoded it ---- */

static struct av_box box_of(const struct form *f)
{
    struct av_box box = {.width = f->o.width,
                         .height = f->o.height,
                         .strategy = (enum fit_strategy)f->o.resize_strategy,
                         .zoom = f->o.zoom,
                         .background = f->o.background};

    if (!box.width && !box.height) {
        box.width = f->profile.width;
        box.height = f->profile.height;
    }
    return box;
}

/* "3500k", "2M", "64000". 0: it is none. */
static double rate_of(const char *text)
{
    char *end;
    double v = strtod(text, &end);

    return *end == 'k' || *end == 'K' ? v * 1e3 : *end == 'm' || *end == 'M' ? v * 1e6 : v;
}

/* bit/s, with what MPEG-TS adds. Without a limit of its own: what a film of this size rarely goes
 * beyond. */
static double bandwidth_of(const struct showing *w, const struct form *f, int64_t width,
                           int64_t height)
{
    double v =
        fmax(rate_of(setting_of(&f->profile, "maxrate")), rate_of(setting_of(&f->profile, "b:v")));
    double rate = w->info.frame_rate > 0 ? w->info.frame_rate : 30,
           a = rate_of(setting_of(&f->profile, "b:a"));

    if (!(v > 0))
        v = (double)(width * height) * rate * 0.12;
    return ceil((v + (w->info.has_audio ? a > 0 ? a : 128000 : 0)) * 1.1);
}

/* The lowest level of H.264 (annex A) that has room for it; the encoder is told to keep to it. */
static int level_of(const struct showing *w, int64_t width, int64_t height, double bits)
{
    static const struct {
        int level, blocks, per_s, kbits; /* kbits: of the main profile */
    } levels[] = {{13, 396, 11880, 768},        {21, 792, 19800, 4000},    {30, 1620, 40500, 10000},
                  {31, 3600, 108000, 14000},    {40, 8192, 245760, 20000}, {42, 8704, 522240, 50000},
                  {51, 36864, 983040, 240000}, {60, 139264, 4177920, 240000}};
    double blocks = ceil((double)width / 16) * ceil((double)height / 16);
    double rate = w->info.frame_rate > 0 ? w->info.frame_rate : 30;

    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (blocks <= levels[i].blocks && blocks * rate <= levels[i].per_s &&
            bits <= levels[i].kbits * 1000.0)
            return levels[i].level;
    return 62;
}

struct promise {
    int64_t width, height;
    double bandwidth;
    const char *profile, *level, *codecs; /* the first two for the encoder */
};

static struct promise promise_of(struct showing *w, const struct form *f)
{
    static const struct {
        const char *name, *code;
    } profiles[] = {{"high", "6400"}, {"main", "4d40"}, {"baseline", "42c0"}};
    struct arena *a = robot_arena(w->job);
    struct av_box box = box_of(f);
    struct promise p = {.profile = profiles[0].name};
    const char *code = profiles[0].code, *asked = setting_of(&f->profile, "level");

    av_box_size(&p.width, &p.height, &box, w->info.width, w->info.height);
    p.bandwidth = bandwidth_of(w, f, p.width, p.height);
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
        if (!strcmp(setting_of(&f->profile, "profile:v"), profiles[i].name)) {
            p.profile = profiles[i].name;
            code = profiles[i].code;
        }
    int level = *asked ? (int)lround(strtod(asked, NULL) * (strchr(asked, '.') ? 10 : 1))
                       : level_of(w, p.width, p.height, p.bandwidth);
    p.level = arena_printf(a, "%d.%d", level / 10, level % 10);
    p.codecs = arena_printf(a, "avc1.%s%02x%s", code, level, w->info.has_audio ? ",mp4a.40.2" : "");
    return p;
}

/* ---- playlists ---- */

/* All that the address said, and which asset. */
static void add_asset(struct str *out, struct showing *w, const char *asset)
{
    const json_t *fields = json_object_get(robot_variables(w->job), "fields");
    const char *name;
    json_t *v, *one;
    size_t i;

    str_putc(out, '?');
    json_object_foreach ((json_t *)fields, name, v) {
        AUTO(json_unref) json_t *list = json_is_array(v) ? json_incref(v) : json_pack("[O]", v);

        if (!strcmp(name, "input") || !strcmp(name, w->o->asset_param_name))
            continue;
        json_array_foreach (list, i, one)
            if (json_is_string(one)) {
                str_add_urlencoded(out, name, "");
                str_putc(out, '=');
                str_add_urlencoded(out, json_string_value(one), "");
                str_putc(out, '&');
            }
    }
    str_add_urlencoded(out, w->o->asset_param_name, "");
    str_putc(out, '=');
    str_add_urlencoded(out, asset, "");
    str_putc(out, '\n');
}

static int emit_text(struct showing *w, const struct str *text, struct err *err)
{
    const char *path = robot_out_path(w->job, "m3u8");
    FILE *f = fopen(path, "wx");
    bool ok = f && fwrite(text->s, 1, text->len, f) == text->len;

    if ((f && fclose(f) != 0) || !ok)
        return err_errno(err, "write '%s'", path);
    return robot_emit(w->job,
                      &(struct robot_output){.path = path,
                                             .ext = "m3u8",
                                             .mime = HLS_TYPE,
                                             .meta = json_object(),
                                             .meta_complete = true},
                      err);
}

static int give_top(struct showing *w, struct err *err)
{
    struct arena *a = robot_arena(w->job);
    AUTO(str_done) struct str out = {0};
    const char *name;
    json_t *v;

    str_puts(&out, "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    json_object_foreach (w->o->variants, name, v) {
        struct form *f = arena_alloc(a, sizeof *f);

        if (!is_enabled(w->o, name))
            continue;
        if (form_read(f, a, name, v, err) < 0)
            return -1;
        struct promise p = promise_of(w, f);
        str_addf(&out,
                 "#EXT-X-STREAM-INF:BANDWIDTH=%.0f,CODECS=\"%s\",RESOLUTION=%" PRId64 "x%" PRId64,
                 p.bandwidth, p.codecs, p.width, p.height);
        if (w->info.frame_rate > 0)
            str_addf(&out, ",FRAME-RATE=%.3f", w->info.frame_rate);
        str_putc(&out, '\n');
        add_asset(&out, w, arena_printf(a, "%s/" LIST, name));
    }
    return emit_text(w, &out, err);
}

static int give_list(struct showing *w, const char *variant, struct err *err)
{
    AUTO(str_done) struct str out = {0};

    str_addf(&out,
             "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:0\n"
             "#EXT-X-PLAYLIST-TYPE:VOD\n",
             (int)fmax(1, ceil(w->o->segment_duration)));
    for (int i = 0; i < w->count; i++) {
        str_addf(&out, "#EXTINF:%.6f,\n", piece_end(w, i) - i * w->o->segment_duration);
        add_asset(&out, w, arena_printf(robot_arena(w->job), "%s/seg_%04d.ts", variant, i));
    }
    str_puts(&out, "#EXT-X-ENDLIST\n");
    return emit_text(w, &out, err);
}

/* ---- a segment ---- */

struct span {
    int number;
    double from, to, zero;          /* s; zero: of the file's own clock */
    int64_t first_frame, end_frame; /* of sound, with those around it that are thrown away */
};

/* trim takes what lies in from <= t < to by the film's own clock: so each picture is in one
 * segment. Sound is cut at whole frames of the encoder, counted from the film's begin. */
static const char *span_pictures(struct showing *w, const struct form *f, const struct span *s)
{
    struct arena *a = robot_arena(w->job);
    struct av_box box = box_of(f);
    const char *chain = av_box(a, &box, w->info.width, w->info.height), *vf = f->profile.vf;
    const char *end = s->number + 1 < w->count ? arena_printf(a, ":end=%.6f", s->to + s->zero) : "";

    return arena_printf(a, "trim=start=%.6f%s%s%s%s%s", s->number ? s->from + s->zero : -1, end,
                        *chain ? "," : "", chain, vf ? "," : "", vf ? vf : "");
}

static const char *span_sound(struct showing *w, const struct form *f, const struct span *s)
{
    struct arena *a = robot_arena(w->job);
    int64_t zero = llround(s->zero * AUDIO_RATE);
    const char *end = s->number + 1 < w->count
                          ? arena_printf(a, ":end_pts=%" PRId64, s->end_frame * AUDIO_FRAME + zero)
                          : "";

    return arena_printf(a, "%s%saresample=%d,atrim=start_pts=%" PRId64 "%s", or_none(f->profile.af),
                        f->profile.af ? "," : "", AUDIO_RATE, s->first_frame * AUDIO_FRAME + zero,
                        end);
}

static void span_profile(struct showing *w, struct form *f, const struct promise *p,
                         const struct span *s)
{
    struct av_profile *q = &f->profile;
    struct arena *a = robot_arena(w->job);

    q->makes = AV_VIDEO | (w->info.has_audio ? q->makes & AV_AUDIO : 0);
    av_profile_default(q, "c:v", "libx264");
    if (!av_profile_get(q, "b:v"))
        av_profile_default(q, "crf", "23");
    av_profile_default(q, "preset", "veryfast"); /* somebody waits for it */
    av_profile_default(q, "pix_fmt", "yuv420p");
    av_profile_set(q, "profile:v", p->profile);
    av_profile_set(q, "level", p->level);
    av_profile_set(q, "force_key_frames",
                   arena_printf(a, "expr:gte(t,%.6f+n_forced*2)", s->from + s->zero));
    if (q->makes & AV_AUDIO) {
        av_profile_default(q, "c:a", "aac");
        av_profile_default(q, "b:a", "128k");
        av_profile_set(q, "ar", arena_printf(a, "%d", AUDIO_RATE));
    }
    q->muxer = q->ext = "mp4";
    av_profile_set(q, "movflags", NULL);
}

static int span_encode(const char **out, struct showing *w, struct form *f, const struct span *s,
                       struct err *err)
{
    struct arena *a = robot_arena(w->job);
    struct promise p = promise_of(w, f);
    /* in MPEG-TS and -PS ffmpeg lands behind the key frame that it needs: there it reads from the begin */
    double seek = strncmp(w->info.format, "mpeg", 4) ? s->from - SEEK_BEFORE_S : 0;
    const char *more[] = {"-copyts", "-vf", span_pictures(w, f, s), NULL, NULL, NULL};
    const char *before[] = {"-ss", av_number(a, seek), NULL};

    span_profile(w, f, &p, s);
    if (f->profile.makes & AV_AUDIO) {
        more[3] = "-af";
        more[4] = span_sound(w, f, s);
    }
    struct av_run *r = arena_alloc(a, sizeof *r);
    *r = (struct av_run){.job = w->job,
                         .profile = &f->profile,
                         .sources = {{.path = w->in->path, .options = seek > 0 ? before : NULL}},
                         .source_count = 1,
                         .maps = {"0:V:0", f->profile.makes & AV_AUDIO ? "0:a:0" : NULL},
                         .more = more,
                         .seconds = s->to,
                         .from = 0,
                         .to = 0.95,
                         .output = robot_out_path(w->job, "mp4")};
    *out = r->output;
    return av_run(r, err);
}

static const char *piece_open(void *w, int number) { return robot_out_path(((struct showing *)w)->job, "ts"); }

static int piece_made(void *ctx, const struct segment *s, struct err *err)
{
    struct showing *w = ctx;
    json_t *meta = json_pack("{s:f}", "duration", s->length);

    return robot_emit(w->job,
                      &(struct robot_output){.path = s->path,
                                             .ext = "ts",
                                             .mime = "video/mp2t",
                                             .meta = meta,
                                             .meta_complete = true},
                      err);
}

static int give_segment(struct showing *w, struct form *f, int number, struct err *err)
{
    double d = w->o->segment_duration;
    struct span s = {.number = number, .from = number * d, .to = piece_end(w, number)};
    struct media_limits limits = media_limits(robot_settings(w->job));
    double cuts[] = {s.from, s.to};

    if (segment_zero(&s.zero, w->in->path, &limits, err) < 0)
        return -1;
    s.first_frame = (int64_t)floor(s.from * AUDIO_RATE / AUDIO_FRAME) - FRAMES_BEFORE;
    s.end_frame = (int64_t)ceil(s.to * AUDIO_RATE / AUDIO_FRAME) + FRAMES_AFTER;
    if (s.first_frame < 0)
        s.first_frame = 0;
    struct segment_cut cut = {.limits = limits,
                              .video = true,
                              .form = SEGMENT_TS,
                              .zero = s.zero,
                              .cuts = number ? cuts : cuts + 1,
                              .cut_count = (number ? 1 : 0) + (number + 1 < w->count),
                              .only = number ? 1 : 0,
                              .is_alone = true,
                              .open = piece_open,
                              .made = piece_made,
                              .ctx = w};
    if (span_encode(&cut.path, w, f, &s, err) < 0)
        return -1;
    cut.audio = f->profile.makes & AV_AUDIO;
    return segment_cut(&cut, err);
}

/* ---- which asset ---- */

static int no_such(struct showing *w, struct err *err)
{
    return robot_fail(w->job, err, ERR_INPUT, "NOT_FOUND", "there is no asset '%.200s'",
                      w->o->asset);
}

static int number_in(const char *name)
{
    char *end;
    size_t digits = strspn(name, "0123456789");
    long n = digits >= 4 && digits <= 9 ? strtol(name, &end, 10) : -1;

    /* one name each, or caches would keep it twice */
    return n >= 0 && !strcmp(end, ".ts") && (digits == 4 || name[0] != '0') ? (int)n : -1;
}

static int give_asset(struct showing *w, struct err *err)
{
    const char *slash = strchr(w->o->asset, '/');
    struct arena *a = robot_arena(w->job);
    struct form *f = arena_alloc(a, sizeof *f);
    int n;

    const char *name = arena_printf(a, "%.*s", (int)strcspn(w->o->asset, "/"), w->o->asset);
    const json_t *params = json_object_get(w->o->variants, name);
    if (!slash || !params || !is_enabled(w->o, name))
        return no_such(w, err);
    if (form_read(f, a, name, params, err) < 0)
        return -1;
    if (!strcmp(slash + 1, LIST))
        return give_list(w, name, err);
    if (strncmp(slash + 1, "seg_", 4) != 0 || (n = number_in(slash + 5)) < 0 || n >= w->count)
        return no_such(w, err);
    return give_segment(w, f, n, err);
}

static int ondemand_run(struct robot_job *job, const void *opts, struct err *err)
{
    struct showing w = {.job = job, .o = opts, .in = robot_input(job, 0)};

    if (showing_open(&w, err) < 0)
        return -1;
    return str_given(w.o->asset) ? give_asset(&w, err) : give_top(&w, err);
}

const struct robot robot_video_ondemand = {
    .name = "/video/ondemand",
    .summary = "HLS of a film, each segment encoded when it is asked for",
    .accepts = "video/",
    .role = ROLE_MEDIA,
    .flags = ROBOT_SEES_VARIABLES | ROBOT_ENCODES,
    .codes = "NOT_FOUND",
    .price_factor = 1,
    .slots = 60,
    .opts_size = sizeof(struct ondemand_opts),
    .options = options,
    .example = "{\"variants\": {\"480p\": {\"preset\": \"vod/480p\"}}}",
    .check = ondemand_check,
    .run = IN_WORKER(ondemand_run),
};
