/* What a variant of /video/ondemand will be before anybody has encoded it: what playlists promise.
 */
#include "robot/video/ondemand.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *promise_setting(const struct av_profile *p, const char *name)
{
    const char *text = av_profile_get(p, name);

    return text ? text : "";
}

struct av_box ondemand_box(const struct av_info *film, const struct ondemand_form *f)
{
    struct av_box box = {.width = f->o.width,
                         .height = f->o.height,
                         .strategy = (enum fit_strategy)f->o.resize_strategy,
                         .zoom = f->o.zoom,
                         .background = f->o.background,
                         .tone = film->is_hdr};

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
static double bandwidth_of(const struct av_info *film, const struct ondemand_form *f, int64_t width,
                           int64_t height)
{
    double v = fmax(rate_of(promise_setting(&f->profile, "maxrate")),
                    rate_of(promise_setting(&f->profile, "b:v")));
    double rate = film->frame_rate > 0 ? film->frame_rate : 30,
           a = rate_of(promise_setting(&f->profile, "b:a"));

    if (!(v > 0))
        v = (double)(width * height) * rate * 0.12;
    return ceil((v + (film->has_audio ? a > 0 ? a : 128000 : 0)) * 1.1);
}

/* The lowest level of H.264 (annex A) that has room for it; the encoder is told to keep to it. */
static int level_of(const struct av_info *film, int64_t width, int64_t height, double bits)
{
    static const struct {
        int level, blocks, per_s, kbits; /* kbits: of the main profile */
    } levels[] = {{13, 396, 11880, 768},       {21, 792, 19800, 4000},
                  {30, 1620, 40500, 10000},    {31, 3600, 108000, 14000},
                  {40, 8192, 245760, 20000},   {42, 8704, 522240, 50000},
                  {51, 36864, 983040, 240000}, {60, 139264, 4177920, 240000}};
    double blocks = ceil((double)width / 16) * ceil((double)height / 16);
    double rate = film->frame_rate > 0 ? film->frame_rate : 30;

    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (blocks <= levels[i].blocks && blocks * rate <= levels[i].per_s &&
            bits <= levels[i].kbits * 1000.0)
            return levels[i].level;
    return 62;
}

struct ondemand_promise ondemand_promise(struct arena *a, const struct av_info *film,
                                         const struct ondemand_form *f)
{
    static const struct {
        const char *name, *code;
    } profiles[] = {{"high", "6400"}, {"main", "4d40"}, {"baseline", "42c0"}};
    struct av_box box = ondemand_box(film, f);
    struct ondemand_promise p = {.profile = profiles[0].name};
    const char *code = profiles[0].code, *asked = promise_setting(&f->profile, "level");

    av_box_size(&p.width, &p.height, &box, film->width, film->height);
    p.bandwidth = bandwidth_of(film, f, p.width, p.height);
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
        if (!strcmp(promise_setting(&f->profile, "profile:v"), profiles[i].name)) {
            p.profile = profiles[i].name;
            code = profiles[i].code;
        }
    int level = *asked ? (int)lround(strtod(asked, NULL) * (strchr(asked, '.') ? 10 : 1))
                       : level_of(film, p.width, p.height, p.bandwidth);
    p.level = arena_printf(a, "%d.%d", level / 10, level % 10);
    p.codecs = arena_printf(a, "avc1.%s%02x%s", code, level, film->has_audio ? ",mp4a.40.2" : "");
    return p;
}
