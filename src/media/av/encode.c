#include "media/av/encode.h"
#include "base/json.h"
#include "base/str.h"
#include "media/av/private.h"
#include "media/tool.h"
#include "robot/values.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MOST_WORDS(results) (AV_INPUTS_MAX * 24 + (results) * (AV_SETTINGS_MAX * 2 + 200))

/* By itself ffmpeg reads each input by a thread of its own, and each decoder and each filter that scales
 * would have as many as the whole run may have. A job has only so many in all (robot/roles.def), and
 * each takes memory. */
#define MANY_SOURCES 8

/* ---- words ---- */

struct words {
    const char **v;
    int n, most;
    struct arena *a;
};

static void word(struct words *w, const char *text)
{
    if (w->n >= w->most - 1)
        abort(); /* our own mistake: all that comes from outside is bounded before */
    w->v[w->n++] = text;
}

static void pair(struct words *w, const char *name, const char *value)
{
    word(w, name);
    word(w, value);
}

static void list(struct words *w, const char *const *texts)
{
    for (; texts && *texts; texts++)
        word(w, *texts);
}

const char *av_number(struct arena *a, double value) { return arena_printf(a, "%.6f", value); }

/* Twice: once for the option's value, once for the graph. */
static const char *av_escape(struct arena *a, const char *text, const char *special)
{
    AUTO(str_done) struct str s = {0};

    for (; *text; text++) {
        if (strchr(special, *text))
            str_putc(&s, '\\');
        str_putc(&s, *text);
    }
    return arena_strdup(a, s.s ? s.s : "");
}

const char *av_quoted(struct arena *a, const char *text)
{
    return av_escape(a, av_escape(a, text, "\\':"), "\\'[],;");
}

int av_threads(const struct robot_job *job)
{
    int n = (int)jint(robot_settings(job), "threads", 1);

    return n < 1 ? 1 : n;
}

/* ---- what goes with what ---- */

static bool is_one_of(const char *const *list, const char *text)
{
    for (; *list; list++)
        if (text && !strcmp(*list, text))
            return true;
    return false;
}

void av_suit(struct av_profile *p, struct arena *a, const struct av_info *source)
{
    static const char *const steady[] = {"asf", "ogg", "avi", "mpeg", "dv", "mxf", NULL};
    double rate = source->frame_rate;

    if (is_one_of(steady, p->muxer) && rate > 0 && source->base_rate > rate * 1.5)
        av_profile_default(p, "r", av_number(a, rate < 1 ? 1 : rate > 60 ? 60 : rate));
}

bool av_tones(const struct av_profile *p, const struct av_info *source)
{
    return source->is_hdr && !av_profile_is_deep(p);
}

const char *av_sound(struct arena *a, const struct av_profile *p)
{
    static const struct {
        const char *encoder, *layouts;
    } known[] = {{"libopus", "7.1|6.1|5.1|5.0|quad|3.0|stereo|mono"},
                 {"wmav1", "stereo|mono"},
                 {"wmav2", "stereo|mono"}};
    const char *encoder = av_profile_get(p, "c:a"), *own = p->af ? p->af : "";

    for (size_t i = 0; encoder && i < ARRAY_LEN(known); i++)
        if (!strcmp(known[i].encoder, encoder))
            return arena_printf(a, "%s%saformat=channel_layouts=%s", own, *own ? "," : "",
                                known[i].layouts);
    return own;
}

/* ---- the box ---- */

/* Colours of Rec. 709, bright parts bent down rather than cut off; as thumbnails have it. Chroma in
 * full, as zscale takes no odd sizes otherwise. What a header leaves out is what such films have.
 */
#define BENT                                                                                       \
    "format=yuv444p10le,zscale=min=bt2020nc:pin=bt2020:t=linear:npl=203,format=gbrpf32le,"         \
    "zscale=p=bt709,tonemap=tonemap=mobius:desat=0,zscale=t=bt709:m=bt709:r=tv,"                   \
    "format=yuv444p,format=yuv420p"

static int64_t even(double n)
{
    int64_t v = (int64_t)n & ~INT64_C(1);

    return v < 2 ? 2 : v;
}

static struct fit plan(const struct av_box *b, int64_t w, int64_t h)
{
    return fit_plan(b->strategy, w, h, b->width, b->height, b->zoom, GRAVITY_CENTER);
}

void av_box_size(int64_t *out_w, int64_t *out_h, const struct av_box *b, int64_t w, int64_t h)
{
    struct fit f = plan(b, w, h);

    *out_w = even((double)f.out_w);
    *out_h = even((double)f.out_h);
}

const char *av_box(struct arena *a, const struct av_box *b, int64_t w, int64_t h)
{
    struct fit f = plan(b, w, h);
    int64_t out_w, out_h, sw = f.scaled_w, sh = f.scaled_h;
    const char *chain;
    bool cuts = f.cut.w < sw || f.cut.h<sh, pads = f.out_w> f.cut.w || f.out_h > f.cut.h;

    av_box_size(&out_w, &out_h, b, w, h);
    if (!cuts && !pads)
        sw = out_w, sh = out_h;
    else if (pads && (sw > out_w || sh > out_h))
        sw = sw > out_w ? out_w : sw, sh = sh > out_h ? out_h : sh;
    /* Also to the size that it seems to have: pixels may not be square, and frames within a film
     * may differ. */
    chain = arena_printf(a, "scale=%lld:%lld:flags=bicubic,setsar=1%s", (long long)sw,
                         (long long)sh, b->tone ? "," BENT : "");
    if (cuts)
        chain = arena_printf(
            a, "%s,crop=%lld:%lld:%lld:%lld", chain, (long long)(f.cut.w < out_w ? f.cut.w : out_w),
            (long long)(f.cut.h < out_h ? f.cut.h : out_h), (long long)f.cut.x, (long long)f.cut.y);
    if (pads) {
        struct color c = b->background ? value_rgba(b->background) : (struct color){.a = 255};

        chain = arena_printf(a, "%s%s,pad=%lld:%lld:(ow-iw)/2:(oh-ih)/2:color=0x%02x%02x%02x%s",
                             chain, b->alpha ? ",format=rgba" : "", (long long)out_w,
                             (long long)out_h, (int)c.r, (int)c.g, (int)c.b,
                             b->alpha ? arena_printf(a, "@%.4f", c.a / 255.0) : "");
    }
    return chain;
}

int av_box_check(const struct robot_job *job, const struct av_box *b, int64_t w, int64_t h,
                 struct err *err)
{
    int64_t most = media_limits(robot_settings(job)).max_pixels;
    struct fit f = plan(b, w, h);
    double pixels =
        fmax((double)f.scaled_w * (double)f.scaled_h, (double)f.out_w * (double)f.out_h);

    return pixels <= (double)most
               ? 0
               : err_set(err, ERR_COMMAND,
                         "pictures of %lldx%lld (of %lldx%lld before they are cut) are over the "
                         "limit of %lld pixels (setting max_pixels)",
                         (long long)f.out_w, (long long)f.out_h, (long long)f.scaled_w,
                         (long long)f.scaled_h, (long long)most);
}

/* ---- what is laid over ---- */

const char *av_mark(struct arena *a, const struct av_mark *m)
{
    const char *when = "", *form = *m->matrix && !m->deep ? ",format=yuva420p" : "";

    if (m->to >= m->from)
        when = arena_printf(a, ":enable=gte(t\\,%.6f)*lt(t\\,%.6f)", m->from, m->to);
    else if (m->from > 0)
        when = arena_printf(a, ":enable=gte(t\\,%.6f)", m->from);
    return arena_printf(a,
                        "null[under];movie=%s,format=rgba,colorchannelmixer=aa=%.6f%s%s%s[mark];"
                        "[under][mark]overlay=x=%lld:y=%lld:format=auto%s",
                        av_quoted(a, m->path), m->opacity,
                        *m->matrix ? ",scale=out_color_matrix=" : "", m->matrix, form,
                        (long long)m->x, (long long)m->y, when);
}

/* ---- the command line ---- */

static void input(struct words *w, const struct av_source *s, const char *threads, bool many,
                  const char *pixels)
{
    static const char *const formats[] = {
        [AV_KIND_MEDIA] = av_containers,
        [AV_KIND_PICTURE] = "image2,png_pipe,jpeg_pipe,mjpeg,apng",
        [AV_KIND_TEXT] = "srt,webvtt,ass",
        [AV_KIND_CHAPTERS] = "ffmetadata",
    };

    pair(w, "-protocol_whitelist", "file");
    pair(w, "-format_whitelist", formats[s->kind]);
    if (s->kind == AV_KIND_MEDIA || s->kind == AV_KIND_PICTURE) {
        pair(w, "-threads", threads);
        if (pixels)
            pair(w, "-max_pixels", pixels);
    }
    if (many)
        pair(w, "-thread_queue_size", "0");
    list(w, s->options);
    pair(w, "-i", arena_printf(w->a, "file:%s", s->path));
}

/* Some encoders make threads of their own, whatever ffmpeg is told. The last word counts, so the
 * client's own parameters change nothing of it. */
static const struct own_threads {
    const char *encoder, *option, *words; /* the number comes behind them */
} own_threads[] = {
    {"libx264", "x264-params", "lookahead-threads=1:threads="},
    {"libx264", "x264opts", "lookahead-threads=1:threads="},
    {"libx265", "x265-params", "log-level=error:pools="},
    {"libsvtav1", "svtav1-params", "lp="},
};

static const char *bounded(struct words *w, const struct av_profile *p, const struct own_threads *t,
                           int threads)
{
    const char *theirs = av_profile_get(p, t->option);

    return arena_printf(w->a, "%s%s%s%d", theirs ? theirs : "", theirs && *theirs ? ":" : "",
                        t->words, threads);
}

static bool is_own_threads(const char *option)
{
    for (size_t i = 0; i < ARRAY_LEN(own_threads); i++)
        if (!strcmp(own_threads[i].option, option))
            return true;
    return false;
}

static void settings(struct words *w, const struct av_profile *p, int threads)
{
    const char *encoder = av_profile_get(p, "c:v");

    for (int i = 0; i < p->setting_count; i++) {
        const struct av_setting *s = &p->settings[i];

        if (is_own_threads(s->name))
            continue;
        word(w, arena_printf(w->a, "-%s", s->name));
        if (s->value)
            word(w, s->value);
    }
    for (size_t i = 0; encoder && i < ARRAY_LEN(own_threads); i++) {
        const struct own_threads *t = &own_threads[i];

        /* x264 is told by -threads unless its own parameters say something else */
        if (!strcmp(t->encoder, encoder) &&
            (strcmp(encoder, "libx264") || av_profile_get(p, t->option)))
            pair(w, arena_printf(w->a, "-%s", t->option), bounded(w, p, t, threads));
    }
}

static void result(struct words *w, const struct av_run *r, const char *threads)
{
    const struct av_profile *p = r->profile;

    for (size_t i = 0; i < ARRAY_LEN(r->maps) && r->maps[i]; i++)
        pair(w, "-map", r->maps[i]);
    if (!(p->makes & AV_VIDEO))
        word(w, "-vn");
    if (!(p->makes & AV_AUDIO))
        word(w, "-an");
    word(w,
         "-dn"); /* data tracks belong to a camera or an editor, and most containers refuse them */
    if (!r->maps[0])
        word(w, "-sn");
    settings(w, p, av_threads(r->job));
    pair(w, "-threads", threads);
    /* a stream may begin long after the others: what they give by then waits, within the job's
     * memory */
    pair(w, "-max_muxing_queue_size", "100000");
    pair(w, "-fflags", "+bitexact"); /* the same file again for the same input */
    list(w, r->more);
    if (*p->muxer)
        pair(w, "-f", p->muxer);
    word(w, arena_printf(w->a, "file:%s", r->output));
}

/* The command line of all of them. */
static const char *const *encode_command(const struct av_run *const runs[], int n)
{
    static const char *const begin[] = {"ffmpeg",      "-nostdin", "-hide_banner", "-v",
                                        "error",       "-n",       "-abort_on",    "empty_output",
                                        TOOL_PROGRESS, NULL};
    const struct av_run *r = runs[0];
    struct words w = {.a = robot_arena(r->job), .most = MOST_WORDS(n)};
    const char *threads = arena_printf(w.a, "%d", av_threads(r->job)),
               *each = r->source_count > MANY_SOURCES ? "1" : threads;
    int64_t most = media_limits(robot_settings(r->job)).max_pixels;

    w.v = arena_alloc(w.a, (size_t)w.most * sizeof *w.v);
    list(&w, begin);
    pair(&w, "-filter_threads", each);
    pair(&w, "-filter_complex_threads", each);
    for (int i = 0; i < r->source_count; i++)
        input(&w, &r->sources[i], each, each != threads,
              most > 0 ? arena_printf(w.a, "%lld", (long long)most) : NULL);
    if (r->graph)
        pair(&w, "-filter_complex", r->graph);
    for (int i = 0; i < n; i++)
        result(&w, runs[i], threads);
    return w.v;
}

int av_run_together(const struct av_run *const runs[], int n, struct err *err)
{
    const struct av_run *r = runs[0];
    struct robot_job *others[ROBOT_TOGETHER_MAX];
    double seconds = 0;
    bool own = false;

    for (int i = 0; i < n; i++) {
        seconds = fmax(seconds, runs[i]->seconds);
        own |= runs[i]->profile->own;
        others[i] = runs[i]->job;
    }
    struct tool t = {.argv = encode_command(runs, n),
                     /* decoder, encoders and filters have as many each: a limit for what goes
                        astray, the time by the clock is the job's */
                     .threads = (1 + 2 * n) * av_threads(r->job),
                     .batch = true,
                     .clients_options = own,
                     .progress_s = seconds > 0 ? seconds : 1e9,
                     .from = r->from,
                     .to = r->from == 0 && r->to == 0 ? 1 : r->to,
                     .others = others + 1,
                     .other_count = n - 1};
    if (tool_run(r->job, &t, err) == 0)
        return 0;
    for (int i = 0; i < n; i++)
        (void)unlink(runs[i]->output);
    return -1;
}

int av_run(const struct av_run *r, struct err *err) { return av_run_together(&r, 1, err); }
