#include "robot/video/join.h"
#include "base/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define FRAMES_HELD 16 /* of each film, decoded: seen with H.264 as cameras write it */

/* ---- what the result is like ---- */

int join_look(struct av_film *out, struct robot_job *job, int input, const char *suffix,
              struct err *err)
{
    const struct robot_input *in = robot_input(job, input);
    struct media_limits limits = media_limits(robot_settings(job));
    struct err why = {0};

    if (av_film_look(out, in->path, &limits, &why) == 0)
        return 0;
    if (why.code == ERR_TIMEOUT || why.code == ERR_IO)
        *err = why;
    else if (suffix)
        robot_fail(job, err, ERR_INPUT, suffix, "'%s': %s", in->name, why.msg);
    else
        err_set(err, ERR_COMMAND, "'%s': %s", in->name, why.msg);
    memcpy(err->detail, why.detail, sizeof err->detail);
    return -1;
}

int join_fits(struct robot_job *job, const struct av_film *const *films, int count,
              const char *suffix, struct err *err)
{
    struct rlimit most = {RLIM_INFINITY, RLIM_INFINITY};
    double bytes = 0;

    for (int i = 0; i < count; i++)
        if (films[i])
            bytes += (double)films[i]->info.stored_width * (double)films[i]->info.stored_height *
                     FRAMES_HELD * (films[i]->info.depth > 8 ? 3 : 1.5);
    (void)getrlimit(RLIMIT_DATA, &most);
    if (most.rlim_cur == RLIM_INFINITY || bytes < (double)most.rlim_cur * 0.9)
        return 0;
    struct err why;
    err_set(&why, ERR_COMMAND,
            "%d films of this size need some %.0f MB at once, and a job has %.0f (setting "
            "job_memory_mb)",
            count, bytes / 1e6, (double)most.rlim_cur / 1e6);
    if (suffix)
        return robot_fail(job, err, ERR_INPUT, suffix, "%s", why.msg);
    *err = why;
    return -1;
}

int join_profile(struct av_profile *out, struct robot_job *job, const struct join_opts *o,
                 bool sound, struct err *err)
{
    static const char *const usual[][2] = {
        {"c:v", "libx264"}, {"crf", "23"}, {"c:a", "aac"}, {"b:a", "128k"}};
    bool free_choice = o->preset == AV_NO_PRESET && !json_object_size(o->av.ffmpeg);

    if (av_profile(out, robot_arena(job), av_preset(o->preset), NULL, &o->av, AV_VIDEO | AV_AUDIO,
                   err) < 0)
        return -1;
    if (!*out->muxer) {
        out->muxer = "mp4";
        out->ext = "mp4";
        av_profile_default(out, "movflags", "+faststart");
    }
    if (!sound)
        out->makes &= ~(unsigned)AV_AUDIO;
    for (size_t i = 0; free_choice && i < ARRAY_LEN(usual); i++)
        if (sound || !str_ends(usual[i][0], ":a"))
            av_profile_default(out, usual[i][0], usual[i][1]);
    return 0;
}

void join_grid(struct av_join *j, const struct av_profile *p, const struct av_film *film)
{
    const char *r = av_profile_get(p, "r"), *slash = r ? strpbrk(r, "/:") : NULL;

    j->rate_num = film ? film->rate_num : 25;
    j->rate_den = film ? film->rate_den : 1;
    if (r) {
        j->rate_num = slash ? strtol(r, NULL, 10) : llround(strtod(r, NULL) * 1000);
        j->rate_den = slash ? strtol(slash + 1, NULL, 10) : 1000;
    }
}

void join_size(struct av_join *j, const struct join_opts *o, const struct av_profile *p,
               enum fit_strategy strategy, const char *background, int64_t w, int64_t h)
{
    struct av_box first = {.width = o->width ? o->width : p->width,
                           .height = o->height ? o->height : p->height,
                           .strategy = strategy,
                           .zoom = true,
                           .background = background};
    const char *format = av_profile_get(p, "pix_fmt");

    j->box = first;
    av_box_size(&j->box.width, &j->box.height, &first, w, h);
    if (strategy == FIT_FIT ||
        strategy == FIT_MIN_FIT) /* whose result has the shape of what it is made of */
        j->box.strategy = FIT_PAD;
    j->format = format ? format : "yuv420p";
    j->pictures = p->makes & AV_VIDEO;
    j->deep = av_profile_is_deep(p);
}

void join_sound(struct av_join *j, struct av_profile *p, const struct av_film *const *films,
                int count)
{
    j->sample_rate = 0;
    for (int i = 0; i < count && !j->sample_rate && p->makes & AV_AUDIO; i++)
        if (films[i] && films[i]->info.has_audio && films[i]->info.sample_rate > 0 &&
            *films[i]->layout) {
            j->sample_rate = films[i]->info.sample_rate;
            j->layout = films[i]->layout;
        }
    if (!j->sample_rate)
        p->makes &= ~(unsigned)AV_AUDIO;
}

/* ---- the run ---- */

/* The client's filters come behind all others. */
static const char *with_filters(struct arena *a, const char *graph, const struct av_profile *p)
{
    const char *heard = av_sound(a, p);

    if (p->makes & AV_VIDEO)
        graph = arena_printf(a, "%s[joined]%s[v]%s", graph, p->vf ? p->vf : "null",
                             p->makes & AV_AUDIO ? ";" : "");
    if (p->makes & AV_AUDIO)
        graph = arena_printf(a, "%s[heard]%s[a]", graph, *heard ? heard : "anull");
    return graph;
}

int join_run(struct av_run *r, const char *graph, double seconds, int input, json_t *meta,
             struct err *err)
{
    AUTO(json_unref) json_t *mine = meta;
    int n = 0;

    r->graph = with_filters(robot_arena(r->job), graph, r->profile);
    if (r->profile->makes & AV_VIDEO)
        r->maps[n++] = "[v]";
    if (r->profile->makes & AV_AUDIO)
        r->maps[n++] = "[a]";
    r->seconds = seconds;
    r->output = robot_out_path(r->job, r->profile->ext);
    if (av_run(r, err) < 0)
        return -1;
    return robot_emit(
        r->job,
        &(struct robot_output){
            .path = r->output, .ext = r->profile->ext, .meta = take(mine), .input = input},
        err);
}
