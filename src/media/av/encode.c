#include "media/av/encode.h"
#include "base/json.h"
#include "base/str.h"
#include "media/av/private.h"
#include "media/tool.h"
#include "robot/values.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MOST_WORDS (AV_INPUTS_MAX * 24 + AV_SETTINGS_MAX * 2 + 200)

/* ---- words ---- */

struct words {
    const char **v;
    int n;
    struct arena *a;
};

static void word(struct words *w, const char *text)
{
    if (w->n >= MOST_WORDS - 1)
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

/* ---- the box ---- */

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
    const char *chain = "";
    bool cuts = f.cut.w < sw || f.cut.h<sh, pads = f.out_w> f.cut.w || f.out_h > f.cut.h;

    av_box_size(&out_w, &out_h, b, w, h);
    if (!cuts && !pads)
        sw = out_w, sh = out_h;
    else if (pads && (sw > out_w || sh > out_h))
        sw = sw > out_w ? out_w : sw, sh = sh > out_h ? out_h : sh;
    if (sw != w || sh != h)
        chain =
            arena_printf(a, "scale=%lld:%lld:flags=bicubic,setsar=1", (long long)sw, (long long)sh);
    else
        chain = "setsar=1";
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

/* ---- the command line ---- */

static void input(struct words *w, const struct av_source *s, const char *threads,
                  const char *pixels)
{
    static const char *const formats[] = {
        [AV_KIND_MEDIA] = av_containers,
        [AV_KIND_PICTURE] = "image2,png_pipe,jpeg_pipe,mjpeg,apng",
        [AV_KIND_TEXT] = "srt,webvtt,ass",
    };

    pair(w, "-protocol_whitelist", "file");
    pair(w, "-format_whitelist", formats[s->kind]);
    if (s->kind != AV_KIND_TEXT) {
        pair(w, "-threads", threads);
        if (pixels)
            pair(w, "-max_pixels", pixels);
    }
    list(w, s->options);
    pair(w, "-i", arena_printf(w->a, "file:%s", s->path));
}

static void settings(struct words *w, const struct av_profile *p)
{
    for (int i = 0; i < p->setting_count; i++) {
        word(w, arena_printf(w->a, "-%s", p->settings[i].name));
        if (p->settings[i].value)
            word(w, p->settings[i].value);
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
    settings(w, p);
    pair(w, "-threads", threads);
    pair(w, "-fflags", "+bitexact"); /* the same file again for the same input */
    list(w, r->more);
    if (*p->muxer)
        pair(w, "-f", p->muxer);
    word(w, arena_printf(w->a, "file:%s", r->output));
}

int av_run(const struct av_run *r, struct err *err)
{
    static const char *const begin[] = {"ffmpeg", "-nostdin", "-hide_banner", "-v",
                                        "error",  "-n",       TOOL_PROGRESS,  NULL};
    struct words w = {.a = robot_arena(r->job)};
    const char *threads = arena_printf(w.a, "%d", av_threads(r->job));
    int64_t most = media_limits(robot_settings(r->job)).max_pixels;

    w.v = arena_alloc(w.a, MOST_WORDS * sizeof *w.v);
    list(&w, begin);
    pair(&w, "-filter_threads", threads);
    pair(&w, "-filter_complex_threads", threads);
    for (int i = 0; i < r->source_count; i++)
        input(&w, &r->sources[i], threads,
              most > 0 ? arena_printf(w.a, "%lld", (long long)most) : NULL);
    if (r->graph)
        pair(&w, "-filter_complex", r->graph);
    result(&w, r, threads);
    struct tool t = {.argv = w.v,
                     .threads = av_threads(r->job),
                     .clients_options = r->profile->own,
                     .progress_s = r->seconds > 0 ? r->seconds : 1e9,
                     .from = r->from,
                     .to = r->from == 0 && r->to == 0 ? 1 : r->to};
    if (tool_run(r->job, &t, err) < 0) {
        (void)unlink(r->output);
        return -1;
    }
    return 0;
}
