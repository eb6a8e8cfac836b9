#include "media/clip.h"
#include "media/av/av.h"

#include <math.h>

static const struct clip_kind {
    const char *ext, *args[12];
    const char *loops,
        *times[2]; /* option; its value for once and for ever. NULL: the format has no such */
    bool palette, alpha;
} clip_kinds[] = {
    [CLIP_WEBP] = {"webp",
                   {"-c:v", "libwebp_anim", "-quality", "75", "-f", "webp"},
                   "-loop",
                   {"1", "0"},
                   false,
                   true},
    [CLIP_GIF] = {"gif", {"-f", "gif"}, "-loop", {"-1", "0"}, true, true},
    [CLIP_APNG] = {"png", {"-f", "apng"}, "-plays", {"1", "0"}, false, true},
    [CLIP_AVIF] = {"avif",
                   {"-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "34", "-pix_fmt", "yuv420p",
                    "-f", "avif"},
                   NULL,
                   {0},
                   false,
                   false},
};

const char *clip_ext(enum clip_format format) { return clip_kinds[format].ext; }

static const char *clip_filters(struct arena *a, const struct clip *c)
{
    const struct clip_kind *k = &clip_kinds[c->format];
    const struct fit *f = &c->fit;
    const struct color *bg = &c->background;
    bool alpha = k->alpha && bg->a < 255;
    const char *cut = arena_printf(a, "crop=%lld:%lld:%lld:%lld", (long long)f->cut.w,
                                   (long long)f->cut.h, (long long)f->cut.x, (long long)f->cut.y);
    const char *pad = arena_printf(a, "pad=%lld:%lld:%lld:%lld:color=0x%02x%02x%02x%02x",
                                   (long long)f->out_w, (long long)f->out_h, (long long)f->pad_x,
                                   (long long)f->pad_y, bg->r, bg->g, bg->b, alpha ? bg->a : 255);

    return arena_printf(a, "fps=%lld,scale=%lld:%lld,setsar=1,%s,format=%s,%s%s",
                        (long long)c->framerate, (long long)f->scaled_w, (long long)f->scaled_h,
                        cut, alpha ? "rgba" : "rgb24", pad,
                        k->palette ? ",split[a][b];[a]palettegen[p];[b][p]paletteuse" : "");
}

int clip_make(struct robot_job *job, const char *film, const char *path, const struct clip *c,
              struct err *err)
{
    static const char *const begin[] = {
        "ffmpeg", "-v", "error", "-nostdin", AV_GUARD, "-threads", "1", NULL};
    static const char *const middle[] = {"-map",
                                         "0:V:0" /* no cover */,
                                         "-filter_complex_threads",
                                         "1",
                                         "-threads",
                                         "1",
                                         TOOL_PROGRESS,
                                         "-vf",
                                         NULL};
    const struct clip_kind *k = &clip_kinds[c->format];
    struct arena *a = robot_arena(job);
    double duration = fmax(c->duration, 1.0 / (double)c->framerate);
    const char *argv[60];
    int n = 0;

    for (const char *const *s = begin; *s; s++)
        argv[n++] = *s;
    argv[n++] = "-ss";
    argv[n++] = arena_printf(a, "%.3f", c->at);
    argv[n++] = "-t";
    argv[n++] = arena_printf(a, "%.3f", duration);
    argv[n++] = "-i";
    argv[n++] = arena_printf(a, "file:%s", film);
    for (const char *const *s = middle; *s; s++)
        argv[n++] = *s;
    argv[n++] = clip_filters(a, c);
    for (size_t i = 0; i < ARRAY_LEN(k->args) && k->args[i]; i++)
        argv[n++] = k->args[i];
    if (k->loops) {
        argv[n++] = k->loops;
        argv[n++] = k->times[c->loop];
    }
    argv[n++] = arena_printf(a, "file:%s", path);
    argv[n] = NULL;
    return tool_run(job, &(struct tool){.argv = argv, .progress_s = duration, .to = 0.95}, err);
}
