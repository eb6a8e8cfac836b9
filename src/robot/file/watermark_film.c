/* A film with a picture over it, in its own container. */
#include "robot/file/watermark_film.h"
#include "base/str.h"
#include "media/vips.h"

#include <string.h>
#include <unistd.h>

/* How pictures of a codec are encoded again, so that little is lost; "" stands for all others. */
static const struct {
    const char *codec, *encoder, *option, *value;
} again[] = {
    {"h264", "libx264", "crf", "18"},
    {"hevc", "libx265", "crf", "20"},
    {"vp8", "libvpx", "crf", "8"},
    {"vp9", "libvpx-vp9", "crf", "24"},
    {"av1", "libsvtav1", "crf", "25"},
    {"theora", "libtheora", "q:v", "8"},
    {"mpeg4", "mpeg4", "q:v", "3"},
    {"wmv1", "wmv2", "q:v", "3"},
    {"wmv2", "wmv2", "q:v", "3"},
    {"mpeg2video", "mpeg2video", "q:v", "3"},
    {"mpeg1video", "mpeg1video", "q:v", "3"},
    {"flv1", "flv", "q:v", "3"},
    {"msmpeg4v3", "msmpeg4", "q:v", "3"},
    {"mjpeg", "mjpeg", "q:v", "2"},
};

bool watermark_is_film(const struct robot_input *in) { return str_starts(in->mime, "video/"); }

int watermark_film_open(struct watermark_film *out, struct robot_job *job, int input,
                        struct err *err)
{
    const struct robot_input *in = robot_input(job, input);
    const struct media_limits limits = media_limits(robot_settings(job));
    const struct av_box box = {.strategy = FIT_FIT};

    *out = (struct watermark_film){.job = job, .input = input};
    if (in->size == 0)
        return err_set(err, ERR_INPUT, "the file '%s' is empty", in->name);
    if (av_look(&out->info, in->path, &limits, err) < 0)
        return -1;
    if (!out->info.has_video)
        return err_set(err, ERR_INPUT, "'%s' has no pictures", in->name);
    av_box_size(&out->w, &out->h, &box, out->info.width, out->info.height);
    return av_box_check(job, &box, out->info.width, out->info.height, err);
}

/* Of a codec that nobody here writes the result is H.264, in MP4. */
static int film_profile(struct av_profile *p, const struct watermark_film *f, struct err *err)
{
    const char *muxer = av_muxer_of(robot_input(f->job, f->input)->ext), *encoder = NULL;
    AUTO(json_unref) json_t *map = json_object();
    struct arena *a = robot_arena(f->job);
    size_t i = 0;

    while (i < ARRAY_LEN(again) && strcmp(again[i].codec, f->info.video_codec))
        i++;
    if (i == ARRAY_LEN(again) || !muxer || !av_muxer_ext(muxer, AV_VIDEO)) {
        muxer = "mp4";
        i = 0;
    }
    encoder = again[i].encoder;
    json_object_set_new(map, "c:v", json_string(encoder));
    json_object_set_new(map, again[i].option, json_string(again[i].value));
    json_object_set_new(map, "f", json_string(muxer));
    json_object_set_new(map, "c:a", json_string("copy"));
    if (f->info.depth > 8 && strstr("libx264 libx265 libvpx-vp9 libsvtav1", encoder))
        json_object_set_new(map, "pix_fmt", json_string("yuv420p10le"));
    if (av_profile(p, a, NULL, NULL, &(struct av_opts){.ffmpeg = map}, AV_VIDEO | AV_AUDIO, err) <
        0)
        return -1;
    if (!strcmp(encoder, "libvpx") || !strcmp(encoder, "libvpx-vp9")) {
        av_profile_set(p, "b:v", !strcmp(encoder, "libvpx") ? "20M" : "0");
        av_profile_set(p, "deadline", "good");
        av_profile_set(p, "cpu-used", "4");
    }
    p->own = false;                            /* what fails is not the client's */
    for (int k = 0; k < p->setting_count; k++) /* the map's texts end here */
        if (p->settings[k].value)
            p->settings[k].value = arena_strdup(a, p->settings[k].value);
    p->muxer = arena_strdup(a, p->muxer);
    av_suit(p, a, &f->info);
    return 0;
}

static int encode_marked(struct watermark_film *f, const struct av_profile *p, const char *chain,
                         const char *output, struct err *err)
{
    const char *more[] = {"-vf", chain, NULL};
    struct av_run r = {.job = f->job,
                       .profile = p,
                       .sources = {{.path = robot_input(f->job, f->input)->path}},
                       .source_count = 1,
                       .maps = {"0:V:0", "0:a?"},
                       .more = more,
                       .seconds = f->info.duration_s,
                       .output = output};

    return av_run(&r, err);
}

int watermark_film_mark(struct watermark_film *f, struct image *mark, const struct rect *spot,
                        struct err *err)
{
    struct arena *a = robot_arena(f->job);
    struct av_profile *p = arena_alloc(a, sizeof *p);
    const char *png = robot_out_path(f->job, "png");
    const struct image_save how = {.format = "png", .strip = true};

    if (film_profile(p, f, err) < 0 || image_scale(mark, spot->w, spot->h, false, err) < 0 ||
        image_save(mark, png, &how, err) < 0)
        return -1;
    const struct av_box box = {.strategy = FIT_FIT, .tone = av_tones(p, &f->info)};
    const struct av_mark laid = {.path = png,
                                 .x = spot->x,
                                 .y = spot->y,
                                 .opacity = 1,
                                 .to = -1,
                                 .matrix = box.tone ? "bt709" : f->info.matrix,
                                 .deep = av_profile_is_deep(p)};
    const char *path = robot_out_path(f->job, p->ext);
    const char *chain =
        arena_printf(a, "%s,%s", av_box(a, &box, f->info.width, f->info.height), av_mark(a, &laid));
    if (encode_marked(f, p, chain, path, err) < 0)
        return -1;
    (void)unlink(png);
    return robot_emit(f->job,
                      &(struct robot_output){.path = path, .ext = p->ext, .input = f->input}, err);
}
