/* /video/encode: films in another form, size and shape. */
#include "robot/video/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHARE_OF_PALETTE                                                                           \
    0.4 /* of the progress: a GIF's colours are chosen before it is written                        \
         */
#define SHARE_OF_PIECES 0.1

/* ---- one call of ffmpeg ---- */

/* VP8 and VP9 keep what is transparent in a film beside the film, which only these look at. */
static const char *const *source_options(const struct film *f)
{
    static const char *const vp8[] = {"-c:v", "libvpx", NULL},
                             *const vp9[] = {"-c:v", "libvpx-vp9", NULL},
                             *const as_it_lies[] = {"-noautorotate", NULL};

    if (f->o->rotate == ENCODE_TURN_NEVER)
        return as_it_lies;
    if (!f->info.has_alpha)
        return NULL;
    return !strcmp(f->info.video_codec, "vp8")   ? vp8
           : !strcmp(f->info.video_codec, "vp9") ? vp9
                                                 : NULL;
}

static void choose_streams(struct av_run *r, const struct film *f)
{
    int n = 0;

    r->graph = f->p->graph;
    for (; n < f->p->map_count; n++)
        r->maps[n] = f->p->maps[n];
    if (n || r->graph)
        return;
    if (f->p->makes & AV_VIDEO && f->info.has_video)
        r->maps[n++] = "0:V:0";
    if (f->p->makes & AV_AUDIO && f->info.has_audio)
        r->maps[n++] = "0:a:0";
}

static const struct av_run *encode_call(struct film *f, const struct av_profile *p, const char *chain,
                                        const char *output, double from, double to)
{
    struct arena *a = robot_arena(f->job);
    const char *sound =
                   f->info.has_audio && p->makes & AV_AUDIO && !p->graph ? av_sound(a, p) : "",
               *codec = av_profile_get(p, "c:a"), **more = arena_alloc(a, 5 * sizeof *more);
    struct av_run *r = arena_alloc(a, sizeof *r);
    int n = 0;

    *r = (struct av_run){.job = f->job,
                         .profile = p,
                         .sources = {{.path = f->in->path, .options = source_options(f)}},
                         .source_count = 1,
                         .more = more,
                         .seconds = f->seconds,
                         .from = encode_told(f, from),
                         .to = encode_told(f, to),
                         .output = output};
    choose_streams(r, f);
    if (chain) {
        more[n++] = "-vf";
        more[n++] = chain;
    }
    if (*sound && (!codec || strcmp(codec, "copy"))) {
        more[n++] = "-af";
        more[n++] = sound;
    }
    return r;
}

static int call(struct film *f, const struct av_profile *p, const char *chain, const char *output,
                double from, double to, struct err *err)
{
    return av_run(encode_call(f, p, chain, output, from, to), err);
}

/* Both runs see the same pictures: the first one tells which colours they have. */
static int call_for_gif(struct film *f, const char *output, struct err *err)
{
    static const char *const moments[] = {"ss", "t", "to", "r"};
    struct arena *a = robot_arena(f->job);
    struct av_profile *p = arena_alloc(a, sizeof *p);
    const char *palette = robot_out_path(f->job, "png"), *base = f->chain ? f->chain : "null";

    *p = (struct av_profile){.makes = AV_VIDEO, .muxer = "image2", .ext = "png", .own = f->p->own};
    av_profile_set(p, "c:v", "png");
    av_profile_set(p, "frames:v", "1");
    for (size_t i = 0; i < ARRAY_LEN(moments); i++)
        if (av_profile_get(f->p, moments[i]))
            av_profile_set(p, moments[i], av_profile_get(f->p, moments[i]));
    if (call(f, p, arena_printf(a, "%s,palettegen", base), palette, 0, SHARE_OF_PALETTE, err) < 0 ||
        call(f, f->p,
             arena_printf(a, "%s[film];movie=%s[palette];[film][palette]paletteuse", base,
                          av_quoted(a, palette)),
             output, SHARE_OF_PALETTE, 1, err) < 0)
        return -1;
    (void)unlink(palette);
    return 0;
}

/* ---- a film ---- */

/* "12.5", "1:02:03.5", "1500ms". */
static double seconds_of(const char *text)
{
    double s = 0;
    char *end;

    for (const char *p = text;; p = end + 1) {
        s = s * 60 + strtod(p, &end);
        if (*end != ':')
            break;
    }
    return !strcmp(end, "ms") ? s / 1e3 : !strcmp(end, "us") ? s / 1e6 : s;
}

/* For the progress. */
static double film_length(const struct film *f)
{
    const char *ss = av_profile_get(f->p, "ss"), *t = av_profile_get(f->p, "t"),
               *to = av_profile_get(f->p, "to");
    double from = ss ? seconds_of(ss) : 0, length = f->info.duration_s - from;

    if (to)
        length = fmin(length, seconds_of(to) - from);
    if (t)
        length = fmin(length, seconds_of(t));
    return fmax(length, 0);
}

/* Where neither preset nor options name a container, the result has that of the film. */
static void choose_container(struct film *f)
{
    static const char *const by_content[][2] = {
        {"matroska", "matroska"}, {"mov", "mp4"}, {"avi", "avi"}, {"ogg", "ogg"},
        {"mpegts", "mpegts"},     {"flv", "flv"}, {"asf", "asf"}, {"gif", "gif"}};
    const char *muxer = av_muxer_of(f->in->ext);

    for (size_t i = 0; !muxer && i < ARRAY_LEN(by_content); i++)
        if (!strncmp(f->info.format, by_content[i][0], strlen(by_content[i][0])))
            muxer = by_content[i][1];
    if (!muxer || !av_muxer_ext(muxer, f->p->makes))
        muxer = "mp4";
    av_profile_into(f->p, muxer);
}

static void add_hints(struct film *f)
{
    const char *flags = av_profile_get(f->p, "movflags");

    if (f->o->hint && flags) /* of other containers nobody has set any */
        av_profile_set(f->p, "movflags", arena_printf(robot_arena(f->job), "%s+rtphint", flags));
}

/* Pieces begin with key frames. */
static void mark_pieces(struct film *f)
{
    const char *codec = av_profile_get(f->p, "c:v");

    if (f->o->segment && (!codec || strcmp(codec, "copy")))
        av_profile_set(f->p, "force_key_frames",
                       arena_printf(robot_arena(f->job), "expr:gte(t,n_forced*%lld)",
                                    (long long)f->o->segment_duration));
}

static int look(struct film *f, struct err *err)
{
    if (f->in->size == 0)
        return err_set(err, ERR_INPUT, "the file '%s' is empty", f->in->name);
    if (av_look(&f->info, f->in->path, &f->limits, err) < 0)
        return -1;
    if (f->p->makes == AV_AUDIO && !f->info.has_audio)
        return err_set(err, ERR_INPUT, "'%s' has no sound", f->in->name);
    if (!f->info.has_video && !(f->p->makes & AV_AUDIO && f->info.has_audio))
        return err_set(err, ERR_INPUT, "'%s' has no pictures", f->in->name);
    return 0;
}

static void suit(struct film *f)
{
    if (!*f->p->muxer)
        choose_container(f);
    av_suit(f->p, robot_arena(f->job), &f->info);
    if (encode_makes_gif(f->p) &&
        f->info.frame_rate > 50) /* GIF counts in hundredths of a second */
        av_profile_default(f->p, "r", "50");
    add_hints(f);
    mark_pieces(f);
    f->seconds = film_length(f);
}

/* Are its pictures made anew? */
static bool is_drawn(const struct film *f)
{
    const char *codec = av_profile_get(f->p, "c:v");

    return f->info.has_video && f->p->makes & AV_VIDEO && !f->p->graph &&
           (!codec || strcmp(codec, "copy"));
}

static int encode(struct film *f, const char *output, struct err *err)
{
    bool drawn = is_drawn(f);

    if (drawn && encode_picture(f, err) < 0)
        return -1;
    if (drawn && encode_makes_gif(f->p))
        return call_for_gif(f, output, err);
    return call(f, f->p, f->chain, output, 0, f->o->segment ? 1 - SHARE_OF_PIECES : 1, err);
}

static int encode_emit(struct film *f, const char *path, struct err *err)
{
    struct robot_output out = {.path = path, .ext = f->p->ext, .input = f->input};

    if (f->o->turbo)
        out.meta = json_pack("{s:b}", "turbo", 1);
    return robot_emit(f->job, &out, err);
}

/* The done-th of so many films. */
static int one(struct robot_job *job, const struct encode_opts *o, int input, int done, int films,
               struct err *err)
{
    struct film f = {.job = job,
                     .o = o,
                     .in = robot_input(job, input),
                     .input = input,
                     .from = (double)done / films,
                     .to = (double)(done + 1) / films,
                     .limits = media_limits(robot_settings(job)),
                     .p = arena_alloc(robot_arena(job), sizeof *f.p)};

    if (encode_profile(f.p, robot_arena(job), o, err) < 0 || look(&f, err) < 0)
        return -1;
    suit(&f);
    const char *path = robot_out_path(job, f.p->ext);
    if (encode(&f, path, err) < 0)
        return -1;
    if (f.mark)
        (void)unlink(f.mark);
    /* before it is handed over: it is the host's then */
    if (o->segment && encode_cut(&f, path, 1 - SHARE_OF_PIECES, err) < 0)
        return -1;
    if (encode_emit(&f, path, err) < 0)
        return -1;
    return o->segment ? encode_emit_pieces(&f, err) : 0;
}

static bool is_film(const struct robot_input *in) { return strcmp(in->as, "watermark") != 0; }

static int encode_run(struct robot_job *job, const void *opts, struct err *err)
{
    int n = robot_input_count(job), films = 0, done = 0;

    for (int i = 0; i < n; i++)
        films += is_film(robot_input(job, i));
    if (!films)
        return robot_fail(job, err, ERR_INPUT, "VALIDATION",
                          "there is no film to encode, only a watermark");
    for (int i = 0; i < n; i++)
        if (is_film(robot_input(job, i)) && one(job, opts, i, done++, films, err) < 0)
            return -1;
    return 0;
}

/* ---- several sizes of one film ---- */

static const struct av_run *prepare(struct film *f, struct err *err)
{
    if (encode_profile(f->p, robot_arena(f->job), f->o, err) < 0 || look(f, err) < 0)
        return NULL;
    suit(f);
    if (is_drawn(f) && encode_picture(f, err) < 0)
        return NULL;
    return encode_call(f, f->p, f->chain, robot_out_path(f->job, f->p->ext), 0, 1);
}

static void encode_run_together(struct robot_job *const jobs[], const void *const opts[], int n,
                                struct err errs[])
{
    struct film films[ROBOT_TOGETHER_MAX];
    const struct av_run *runs[ROBOT_TOGETHER_MAX] = {0};
    struct err why = {0};
    int rc = 0;

    for (int i = 0; i < n && rc == 0; i++) {
        films[i] = (struct film){.job = jobs[i],
                                 .o = opts[i],
                                 .in = robot_input(jobs[i], 0),
                                 .to = 1,
                                 .limits = media_limits(robot_settings(jobs[i])),
                                 .p = arena_alloc(robot_arena(jobs[i]), sizeof *films[i].p)};
        rc = (runs[i] = prepare(&films[i], &why)) ? 0 : -1;
    }
    if (rc == 0)
        rc = av_run_together(runs, n, &why);
    for (int i = 0; i < n; i++) /* one that is not taken fails by itself */
        if (rc < 0)
            errs[i] = why;
        else
            (void)!encode_emit(&films[i], runs[i]->output, &errs[i]);
}

extern const struct robot robot_video_encode;

static int encode_refuse(const void *opts, bool partial, struct err *err)
{
    return encode_check(opts, partial, err) < 0 ? robot_refusal(err, &robot_video_encode) : 0;
}

const struct robot robot_video_encode = {
    .name = "/video/encode",
    .summary = "Encode films in another form, size and shape",
    .accepts = "video/|image/gif",
    .beside = {"watermark", "image/"},
    .takes = {"video", "base", "watermark"},
    .role = ROLE_MEDIA,
    .flags = ROBOT_ENCODES,
    .price_factor = 1,
    .slots = 60,
    .opts_size = sizeof(struct encode_opts),
    .options = encode_options,
    .check = encode_refuse,
    .run = IN_WORKER(encode_run),
    .joins = encode_joins,
    .run_together = IN_WORKER(encode_run_together),
};
