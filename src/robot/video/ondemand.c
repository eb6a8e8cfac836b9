/* /video/ondemand: a film as HLS that nobody has encoded yet. The playlists follow from its length
 * alone; a segment is encoded when somebody asks for it, each in a job that knows of no other: so
 * that they join without a gap, pictures and sounds are taken by the film's own clock, and sound in
 * the frames that it would have if all were encoded at once. */
#include "robot/video/ondemand.h"
#include "base/file.h"
#include "media/av/playlist.h"
#include "media/av/segment.h"

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

/* ---- which of them ---- */

static const char *or_none(const char *text) { return text ? text : ""; }

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
    struct ondemand_form *f = arena_alloc(a, sizeof *f);
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
        if (!(partial && options_have_expression(v)) && ondemand_form_read(f, a, name, v, err) < 0)
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

    if (file_make(path, text->s, text->len, err) < 0)
        return -1;
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
        struct ondemand_form *f = arena_alloc(a, sizeof *f);

        if (!is_enabled(w->o, name))
            continue;
        if (ondemand_form_read(f, a, name, v, err) < 0)
            return -1;
        struct ondemand_promise p = ondemand_promise(a, &w->info, f);
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
static const char *span_pictures(struct showing *w, const struct ondemand_form *f,
                                 const struct span *s)
{
    struct arena *a = robot_arena(w->job);
    struct av_box box = ondemand_box(&w->info, f);
    const char *chain = av_box(a, &box, w->info.width, w->info.height), *vf = f->profile.vf;
    const char *end = s->number + 1 < w->count ? arena_printf(a, ":end=%.6f", s->to + s->zero) : "";

    return arena_printf(a, "trim=start=%.6f%s%s%s%s%s", s->number ? s->from + s->zero : -1, end,
                        *chain ? "," : "", chain, vf ? "," : "", vf ? vf : "");
}

static const char *span_sound(struct showing *w, const struct ondemand_form *f,
                              const struct span *s)
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

static void span_profile(struct showing *w, struct ondemand_form *f,
                         const struct ondemand_promise *p, const struct span *s)
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
    av_profile_into(q, "mp4");
    av_profile_set(q, "movflags", NULL);
}

static int span_encode(const char **out, struct showing *w, struct ondemand_form *f,
                       const struct span *s, struct err *err)
{
    struct arena *a = robot_arena(w->job);
    struct ondemand_promise p = ondemand_promise(a, &w->info, f);
    /* in MPEG-TS and -PS ffmpeg lands behind the key frame that it needs: there it reads from the
     * begin */
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

static const char *piece_open(void *w, int number)
{
    return robot_out_path(((struct showing *)w)->job, "ts");
}

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

static int give_segment(struct showing *w, struct ondemand_form *f, int number, struct err *err)
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
    struct ondemand_form *f = arena_alloc(a, sizeof *f);
    int n;

    const char *name = arena_printf(a, "%.*s", (int)strcspn(w->o->asset, "/"), w->o->asset);
    const json_t *params = json_object_get(w->o->variants, name);
    if (!slash || !params || !is_enabled(w->o, name))
        return no_such(w, err);
    if (ondemand_form_read(f, a, name, params, err) < 0)
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
    .flags = ROBOT_SEES_VARIABLES | ROBOT_ENCODES | ROBOT_FILLS_STUBS,
    .codes = "NOT_FOUND",
    .price_factor = 1,
    .slots = 60,
    .opts_size = sizeof(struct ondemand_opts),
    .options = options,
    .example = "{\"variants\": {\"480p\": {\"preset\": \"vod/480p\"}}}",
    .check = ondemand_check,
    .run = IN_WORKER(ondemand_run),
};
