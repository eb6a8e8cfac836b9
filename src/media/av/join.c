#include "media/av/join.h"
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Before a seek's target: pictures that an encoder shows before the key frame at which it lands. s
 */
#define SEEK_EARLY 1.0
#define SEEK_FROM 3.0 /* s: not worth it before */

/* ---- the grid ---- */

double av_join_seconds(const struct av_join *j, int64_t frames)
{
    return (double)frames * (double)j->rate_den / (double)j->rate_num;
}

int64_t av_join_frames(const struct av_join *j, double seconds)
{
    return llround(seconds * (double)j->rate_num / (double)j->rate_den);
}

int64_t av_join_length(const struct av_join *j, const struct av_film *film)
{
    int64_t n = av_join_frames(j, film->end - film->begin);

    return n < 1 ? 1 : n;
}

/* Where frame n ends, in samples of the result. */
static int64_t samples(const struct av_join *j, int64_t n)
{
    return llround(av_join_seconds(j, n) * j->sample_rate);
}

static double seek_to(const struct av_join *j, const struct av_film *film, int64_t from)
{
    double at = film->begin + av_join_seconds(j, from) - SEEK_EARLY;

    return film->seeks && at >= SEEK_FROM ? at : 0;
}

struct av_source av_join_source(const struct av_join *j, const char *path,
                                const struct av_film *film, int64_t from)
{
    double seek = seek_to(j, film, from);
    const char **options = arena_alloc(j->a, 10 * sizeof *options);
    int n = 0;

    options[n++] =
        "-reinit_filter"; /* frames that change their size must not begin the graph anew */
    options[n++] = "0";
    if (seek > 0) {
        options[n++] = "-noaccurate_seek";
        options[n++] = "-ss";
        options[n++] = av_number(j->a, seek);
    }
    return (struct av_source){.path = path, .options = options};
}

/* ---- one part ---- */

struct fades {
    int64_t in, out; /* frames */
};

static void fade_pictures(struct str *g, const struct av_part *p, struct fades f)
{
    if (f.in)
        str_addf(g, ",fade=t=in:s=0:n=%lld", (long long)f.in);
    if (f.out)
        str_addf(g, ",fade=t=out:s=%lld:n=%lld", (long long)(p->frames - f.out), (long long)f.out);
}

const char *av_join_fit(const struct av_join *j, bool pictures, int64_t frames)
{
    return pictures
               ? arena_printf(j->a, "tpad=stop_mode=clone:stop=-1,trim=end_frame=%lld",
                              (long long)frames)
               : arena_printf(j->a, "apad=whole_len=%lld,atrim=end_sample=%lld,asetpts=N/SR/TB",
                              (long long)samples(j, frames), (long long)samples(j, frames));
}

/* Where a part begins, in the time of what ffmpeg's filters see of its source. */
static double zero_of(const struct av_join *j, const struct av_part *p)
{
    const struct av_film *film = p->film;

    return film ? film->begin + av_join_seconds(j, p->from) - seek_to(j, film, p->from) : 0;
}

/* What a film is put into. Stacked, each has its own height. */
static const char *shape_of(const struct av_join *j, const struct av_film *film)
{
    struct av_box box = j->box;

    if (!film)
        return "setsar=1";
    if (j->stack) {
        box.height = 0;
        box.strategy = FIT_FIT;
    }
    box.tone = film->info.is_hdr && !j->deep;
    return av_box(j->a, &box, film->info.width, film->info.height);
}

/* ---- colours ---- */

/* By which matrix a part's colours are numbers when they come out of its box; "": BT.601, which
 * also counts where a film does not say (as for av_picture()). Still pictures are JPEG. */
static const char *matrix_of(const struct av_join *j, const struct av_part *p)
{
    if (!p->film)
        return "";
    return p->film->info.is_hdr && !j->deep ? "bt709" : p->film->info.matrix;
}

/* The matrix of the result, which is the first part's. NULL: all parts have the same. */
static const char *common_matrix(const struct av_join *j)
{
    const char *first = matrix_of(j, &j->parts[0]);

    for (int i = 1; i < j->count; i++)
        if (strcmp(matrix_of(j, &j->parts[i]), first) != 0)
            return first;
    return NULL;
}

/* A result says one matrix for all of its frames: numbers by another one would be other colours. */
static void part_colours(struct str *g, const struct av_join *j, const struct av_part *p,
                         const char *common)
{
    const char *is = matrix_of(j, p);

    if (!common)
        return;
    if (strcmp(is, common) != 0)
        str_addf(g, ",scale=in_color_matrix=%s:out_color_matrix=%s", *is ? is : "bt601",
                 *common ? common : "bt601");
    str_addf(g, ",setparams=colorspace=%s", !*common                        ? "smpte170m"
                                            : !strcmp(common, "bt2020") ? "bt2020nc"
                                                                        : common);
}

/* From the grid's frame 0 to exactly the part's last one: the first picture is held if it comes
 * late, the last if none follows. */
static void part_pictures(struct str *g, const struct av_join *j, int i, struct fades f,
                          const char *common)
{
    const struct av_part *p = &j->parts[i];
    const char *times = p->times ? p->times : arena_printf(j->a, "PTS*TB-%.6f", zero_of(j, p));

    str_addf(g, "[%d:V:0]settb=AVTB,setpts='(%s)/TB',fps=%lld/%lld:start_time=0,%s", p->source,
             times, (long long)j->rate_num, (long long)j->rate_den, shape_of(j, p->film));
    part_colours(g, j, p, common);
    if (j->format)
        str_addf(g, ",format=%s", j->format);
    str_addf(g, ",%s", av_join_fit(j, true, p->frames));
    fade_pictures(g, p, f);
    str_addf(g, "[v%d];", i);
}

/* Times that jump by more than 30 ms are believed, by silence or a cut, so that sound never comes
 * further from its picture than that. */
static const char *sound_chain(const struct av_join *j, int source, double zero)
{
    return arena_printf(j->a,
                        "[%d:a:0]asetpts=PTS-%.6f/"
                        "TB,atrim=start=0,aresample=%d:async=1:min_hard_comp=0.03:first_pts=0",
                        source, zero, j->sample_rate);
}

static const char *sound_form(const struct av_join *j)
{
    return arena_printf(j->a, "aformat=sample_fmts=fltp:sample_rates=%d:channel_layouts=%s",
                        j->sample_rate, j->layout);
}

const char *av_join_sound(const struct av_join *j, int source, const struct av_film *sound,
                          double delay, int64_t frames)
{
    return arena_printf(j->a, "%s,%s,adelay=delays=%lldS:all=1,%s",
                        sound_chain(j, source, sound->begin), sound_form(j),
                        llround(delay * j->sample_rate), av_join_fit(j, false, frames));
}

static bool is_heard(const struct av_part *p) { return p->film && p->film->info.has_audio; }

static void part_sound(struct str *g, const struct av_join *j, int i, struct fades f)
{
    const struct av_part *p = &j->parts[i];

    if (j->stack && !is_heard(p)) /* silence would make the others quieter */
        return;
    str_puts(g, is_heard(p) ? sound_chain(j, p->source, zero_of(j, p))
                            : arena_printf(j->a, "anullsrc=r=%d:cl=%s", j->sample_rate, j->layout));
    str_addf(g, ",%s,%s", sound_form(j), av_join_fit(j, false, p->frames));
    if (f.in)
        str_addf(g, ",afade=t=in:ss=0:ns=%lld", (long long)samples(j, f.in));
    if (f.out)
        str_addf(g, ",afade=t=out:ss=%lld:ns=%lld",
                 (long long)(samples(j, p->frames) - samples(j, f.out)),
                 (long long)samples(j, f.out));
    str_addf(g, "[a%d];", i);
}

/* ---- joints ---- */

static int64_t most(int64_t n, int64_t limit) { return n < limit ? n : limit; }

/* Frames of a fade of so many seconds, at most half of what it is in. */
static int64_t fade_of(const struct av_join *j, double seconds, int64_t within)
{
    return seconds > 0 ? most(av_join_frames(j, fmin(seconds, 1e6)), within / 2) : 0;
}

/* How long the transition between parts i and i + 1 is. */
static int64_t transition_frames(const struct av_join *j, int i)
{
    int64_t a = j->parts[i].frames, b = j->parts[i + 1].frames;

    return fade_of(j, j->transition_s, a < b ? a : b);
}

static struct fades fades_of(const struct av_join *j, int i, double plain)
{
    struct fades f = {0};

    if (j->transition == AV_CROSSFADE || j->stack)
        return f;
    if (j->transition == AV_FADE_TO_BLACK) {
        int64_t before = i ? transition_frames(j, i - 1) : 0,
                after = i + 1 < j->count ? transition_frames(j, i) : 0;

        return (struct fades){before - before / 2,
                              after / 2}; /* of an odd number the next part has one more */
    }
    if (i)
        f.in = fade_of(j, plain, j->parts[i].frames);
    if (i + 1 < j->count)
        f.out = fade_of(j, plain, j->parts[i].frames);
    return f;
}

static int64_t overlap(const struct av_join *j, int i)
{
    return j->transition == AV_CROSSFADE ? transition_frames(j, i) : 0;
}

/* Every frame is counted already, so their times are their numbers, whatever a joint makes of them.
 */
static void number(struct str *g, const struct av_join *j)
{
    str_addf(g, ",settb=%lld/%lld,setpts=N,fps=%lld/%lld", (long long)j->rate_den,
             (long long)j->rate_num, (long long)j->rate_num, (long long)j->rate_den);
}

static void joint(struct str *g, const struct av_join *j, int64_t frames, int64_t at, char kind)
{
    if (!frames)
        str_addf(g, "concat=n=2:v=%d:a=%d", kind == 'v', kind == 'a');
    else if (kind == 'v')
        str_addf(g, "xfade=transition=fade:duration=%.6f:offset=%.6f", av_join_seconds(j, frames),
                 av_join_seconds(j, at));
    else
        str_addf(g, "acrossfade=ns=%lld:c1=tri:c2=tri", (long long)samples(j, frames));
    if (kind == 'v')
        number(g, j);
}

/* Each pair with a filter of its own: "[v0][v1]xfade...[vx1];[vx1][v2]xfade...". */
static void overlap_all(struct str *g, const struct av_join *j, const int64_t *begins, char kind)
{
    str_addf(g, "[%c0]", kind);
    for (int i = 1; i < j->count; i++) {
        str_addf(g, "[%c%d]", kind, i);
        joint(g, j, overlap(j, i - 1), begins[i], kind);
        if (i + 1 < j->count)
            str_addf(g, "[%cx%d];[%cx%d]", kind, i, kind, i);
    }
}

static void join_all(struct str *g, const struct av_join *j, const int64_t *begins, char kind)
{
    if (j->transition == AV_CROSSFADE && j->count > 1 && !j->stack) {
        overlap_all(g, j, begins, kind);
        return;
    }
    int n = 0;

    for (int i = 0; i < j->count; i++)
        if (kind == 'v' || !j->stack || is_heard(&j->parts[i])) {
            str_addf(g, "[%c%d]", kind, i);
            n++;
        }
    if (n == 1) /* which the filters below refuse */
        str_puts(g, kind == 'v' ? "null" : "anull");
    else if (j->stack)
        str_addf(g, kind == 'v' ? "vstack=inputs=%d" : "amix=inputs=%d:duration=first", n);
    else
        str_addf(g, "concat=n=%d:v=%d:a=%d", n, kind == 'v', kind == 'a');
    if (kind == 'v')
        number(g, j);
}

const char *av_join_graph(const struct av_join *j, int64_t *frames, int64_t *begins)
{
    AUTO(str_done) struct str g = {0};
    int64_t *at = begins ? begins : arena_alloc(j->a, (size_t)j->count * sizeof *at);
    const char *common = common_matrix(j);

    at[0] = 0;
    for (int i = 1; i < j->count; i++)
        at[i] = at[i - 1] + j->parts[i - 1].frames - overlap(j, i - 1);
    *frames = j->stack ? j->parts[0].frames : at[j->count - 1] + j->parts[j->count - 1].frames;
    for (int i = 0; i < j->count; i++) {
        if (j->pictures)
            part_pictures(&g, j, i, fades_of(j, i, j->video_fade_s), common);
        if (j->sample_rate)
            part_sound(&g, j, i, fades_of(j, i, j->audio_fade_s));
    }
    if (j->pictures) {
        join_all(&g, j, at, 'v');
        str_addf(&g, "[joined%s];", j->out ? j->out : "");
    }
    if (j->sample_rate) {
        join_all(&g, j, at, 'a');
        str_addf(&g, "[heard%s];", j->out ? j->out : "");
    }
    return arena_strdup(j->a, g.s);
}
