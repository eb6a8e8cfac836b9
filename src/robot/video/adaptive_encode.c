/* /video/adaptive: what players could not read is encoded, with pictures that begin anew where
 * segments will. */
#include "robot/video/adaptive.h"

#include <string.h>

/* The film's own moments, where its pictures must begin anew. A little before, as clocks round. */
static const char *key_list(const struct adapting *w, const struct variant *v)
{
    AUTO(str_done) struct str s = {0};

    for (int i = 0; i < w->cut_count; i++)
        str_addf(&s, "%s%.6f", i ? "," : "", w->cuts[i] + v->zero - 0.004);
    return arena_strdup(robot_arena(w->job), s.s ? s.s : "0");
}

/* Of what is not encoded no setting is left; what nobody says is H.264 and AAC. */
static int encode_profile(struct av_profile *p, struct adapting *w, const struct variant *v,
                          struct err *err)
{
    struct arena *a = robot_arena(w->job);
    bool video = v->look.video.is_there, audio = v->look.audio.is_there;
    unsigned makes =
        (video && !v->video_fits ? AV_VIDEO : 0) | (audio && !v->audio_fits ? AV_AUDIO : 0);

    if (adaptive_profile(p, a, w->o, makes, err) < 0)
        return -1;
    if (makes & AV_VIDEO) {
        av_profile_default(p, "c:v", "libx264");
        if (!strcmp(av_profile_get(p, "c:v"), "libx264") && !av_profile_get(p, "b:v"))
            av_profile_default(p, "crf", "23");
        av_profile_default(p, "pix_fmt", "yuv420p");
        av_profile_set(p, "force_key_frames", key_list(w, v));
        if (!strcmp(av_profile_get(p, "c:v"), "libx265"))
            av_profile_default(p, "x265-params", "open-gop=0");
        if (!strcmp(av_profile_get(p, "c:v"), "libsvtav1") &&
            v->look.frame_rate > 0) /* it is not told of key frames */
            av_profile_set(
                p, "g",
                arena_printf(a, "%.0f", v->look.frame_rate * (double)w->o->segment_duration));
    } else if (video) {
        av_profile_set(p, "c:v", "copy");
    }
    if (makes & AV_AUDIO) {
        av_profile_default(p, "c:a", "aac");
        if (!strcmp(av_profile_get(p, "c:a"), "aac") && !av_profile_get(p, "q:a"))
            av_profile_default(p, "b:a", "128k");
    } else if (audio) {
        av_profile_set(p, "c:a", "copy");
    }
    p->makes = (video ? AV_VIDEO : 0) | (audio ? AV_AUDIO : 0);
    av_profile_into(p,
                    "mp4"); /* it holds all that can be streamed; what is cut is packed once more */
    av_profile_set(p, "movflags", NULL);
    return 0;
}

static int adaptive_filters(const char **out, struct adapting *w, const struct variant *v,
                            const struct av_profile *p, struct err *err)
{
    struct arena *a = robot_arena(w->job);
    struct av_box box = {.width = w->o->width,
                         .height = w->o->height,
                         .strategy = FIT_PAD,
                         .zoom = true,
                         .tone = av_tones(p, &v->look.info)};
    int64_t width = v->look.shown_width, height = v->look.shown_height;

    if (av_box_check(w->job, &box, width, height, err) < 0)
        return -1;
    const char *chain = av_box(a, &box, width, height);
    *out = p->vf ? arena_printf(a, "%s%s%s", chain, *chain ? "," : "", p->vf) : chain;
    return 0;
}

static int encode_one(struct adapting *w, struct variant *v, double from, double to,
                      struct err *err)
{
    struct arena *a = robot_arena(w->job);
    struct av_profile *p = arena_alloc(a, sizeof *p);
    struct av_run *r = arena_alloc(a, sizeof *r);
    const char *more[9] = {"-copyts"};
    int n = 1;

    if (encode_profile(p, w, v, err) < 0)
        return -1;
    const char *heard = av_sound(a, p);
    if (v->look.video.is_there && !v->video_fits && !p->graph) {
        more[n++] = "-vf";
        if (adaptive_filters(&more[n++], w, v, p, err) < 0)
            return -1;
    }
    if (v->look.audio.is_there && !v->audio_fits && *heard) {
        more[n++] = "-af";
        more[n++] = heard;
    }
    *r = (struct av_run){.job = w->job,
                         .profile = p,
                         .sources = {{.path = v->in->path}},
                         .source_count = 1,
                         .graph = p->graph,
                         .more = more,
                         .seconds = w->length,
                         .from = from,
                         .to = to};
    n = 0;
    for (; n < p->map_count; n++)
        r->maps[n] = p->maps[n];
    if (!p->graph && !n && v->look.video.is_there)
        r->maps[n++] = "0:V:0"; /* no cover picture */
    if (!p->graph && !p->map_count && v->look.audio.is_there)
        r->maps[n++] = "0:a:0";
    r->output = v->path = robot_out_path(w->job, "mp4");
    return av_run(r, err);
}

/* What came of the client's options is looked at as any input. */
static int encoded_fits(const struct adapting *w, struct variant *v, struct err *err)
{
    const struct segment_look *l = &v->look;
    const char *bad = l->video.is_there && !adaptive_plays(w->o, true, &l->video) ? l->video.codec
                      : l->audio.is_there && !adaptive_plays(w->o, false, &l->audio)
                          ? l->audio.codec
                          : NULL;

    if (bad)
        return err_set(err, ERR_INPUT,
                       "'%.100s' has become '%.40s', which cannot be streamed as %s", v->in->name,
                       bad, adaptive_technique_names[w->o->technique]);
    return l->video.is_there || l->audio.is_there
               ? 0
               : err_set(err, ERR_INPUT, "nothing is left of '%.100s'", v->in->name);
}

static bool is_encoded(const struct variant *v)
{
    return (v->look.video.is_there && !v->video_fits) || (v->look.audio.is_there && !v->audio_fits);
}

int adaptive_encode_all(struct adapting *w, struct err *err)
{
    int all = 0, done = 0;

    for (int i = 0; i < w->count; i++)
        all += is_encoded(&w->variants[i]);
    for (int i = 0; i < w->count; i++) {
        struct variant *v = &w->variants[i];
        double share = (ADAPTIVE_ENCODED - ADAPTIVE_LOOKED) / (all ? all : 1);

        if (!is_encoded(v))
            continue;
        if (encode_one(w, v, ADAPTIVE_LOOKED + share * done, ADAPTIVE_LOOKED + share * (done + 1),
                       err) < 0 ||
            segment_look(&v->look, robot_arena(w->job), v->path, &w->limits, err) < 0 ||
            encoded_fits(w, v, err) < 0)
            return -1;
        done++;
    }
    if (all)
        w->told = ADAPTIVE_ENCODED;
    return 0;
}
