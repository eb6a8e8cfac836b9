/* /video/adaptive: which streams become which renditions, and their segments. */
#include "robot/video/adaptive.h"

#include <math.h>
#include <string.h>

static const char *on_segment_open(void *ctx, int number)
{
    struct adapting *w = ctx;

    return robot_out_path(w->job, number < 0 ? "mp4" : playlist_piece_ext(w->writing));
}

static const char *segment_type(const struct rendition *r)
{
    return r->is_mp4      ? r->has_video ? "video/mp4" : "audio/mp4"
           : r->has_video ? "video/mp2t"
                          : "audio/mp2t";
}

static int on_segment_made(void *ctx, const struct segment *s, struct err *err)
{
    struct adapting *w = ctx;
    struct rendition *r = w->writing;
    const char *name = s->number < 0 ? PLAYLIST_HEAD
                                     : arena_printf(robot_arena(w->job), PLAYLIST_PIECE_NAME,
                                                    s->number, playlist_piece_ext(r));

    if (s->number >= 0) {
        r->pieces[r->count++] =
            (struct playlist_piece){s->from, s->length, s->at, s->lasts, s->size};
        r->scale = s->scale;
    }
    if (++w->files > ADAPTIVE_MOST_FILES)
        return err_set(err, ERR_INPUT, "more than %d files: 'segment_duration' must be longer",
                       ADAPTIVE_MOST_FILES);
    return robot_emit(w->job,
                      &(struct robot_output){.path = s->path,
                                             .name = name,
                                             .ext = strrchr(name, '.') + 1,
                                             .mime = segment_type(r),
                                             .meta = json_pack("{s:s}", "relative_path", r->folder),
                                             .meta_complete = true,
                                             .input = w->writing_of->input},
                      err);
}

static struct rendition *rendition_of(struct adapting *w, const struct variant *v, bool video,
                                      bool audio, const char *folder)
{
    const struct segment_look *l = &v->look;
    struct rendition *r = arena_alloc(robot_arena(w->job), sizeof *r);

    *r = (struct rendition){.folder = folder,
                            .name = v->folder,
                            .has_video = video,
                            .has_audio = audio,
                            .video_codec = l->video.name,
                            .audio_codec = l->audio.name,
                            .width = l->shown_width,
                            .height = l->shown_height,
                            .frame_rate = l->frame_rate,
                            .sample_rate = l->sample_rate,
                            .channels = l->channels,
                            .language = audio ? l->language : "",
                            .captions = video && l->captions && w->o->closed_captions,
                            .is_mp4 = w->o->technique != TECHNIQUE_HLS};
    r->pieces = arena_alloc(robot_arena(w->job), (size_t)(w->cut_count + 1) * sizeof *r->pieces);
    return r;
}

static int write_rendition(struct adapting *w, struct variant *v, struct rendition *r,
                           struct err *err)
{
    struct segment_cut cut = {.path = v->path,
                              .limits = w->limits,
                              .video = r->has_video,
                              .audio = r->has_audio,
                              .form = r->is_mp4 ? SEGMENT_MP4 : SEGMENT_TS,
                              .zero = v->zero,
                              .cuts = w->cuts,
                              .only = -1,
                              .open = on_segment_open,
                              .made = on_segment_made,
                              .ctx = w};
    const struct segment_track *t = r->has_video ? &v->look.video : &v->look.audio;
    double frame = r->has_video && v->look.frame_rate > 0 ? 1 / v->look.frame_rate : 0.03;

    while (cut.cut_count < w->cut_count && w->cuts[cut.cut_count] < t->to - frame)
        cut.cut_count++;
    w->writing = r;
    w->writing_of = v;
    return segment_cut(&cut, err);
}

/* ---- which streams become what ---- */

static bool has_sounds_alone(const struct adapting *w)
{
    bool films = false, sounds = false;

    for (int i = 0; i < w->count; i++) {
        films |= w->variants[i].look.video.is_there;
        sounds |= !w->variants[i].look.video.is_there;
    }
    return films && sounds;
}

/* The sound of a film is the same in each of its sizes, and need not be there more than once. */
static bool is_heard_already(const struct adapting *w, const struct variant *v)
{
    for (int i = 0; i < w->sound_count; i++) {
        const struct rendition *r = w->sounds[i];
        double rate = (double)v->look.audio.bytes * 8 / (v->look.audio.to - v->look.audio.from);

        if (!strcmp(r->audio_codec, v->look.audio.name) && r->channels == v->look.channels &&
            r->sample_rate == v->look.sample_rate && !strcmp(r->language, v->look.language) &&
            fabs(rate - (double)rendition_mean(r)) < 0.2 * rate)
            return true;
    }
    return false;
}

static int add_out(struct adapting *w, struct variant *v, bool video, bool audio, bool is_sound,
                   struct err *err)
{
    const char *folder = v->look.video.is_there && !video
                             ? arena_printf(robot_arena(w->job), "%s_audio", v->folder)
                             : v->folder;
    struct rendition *r = rendition_of(w, v, video, audio, folder);

    if (write_rendition(w, v, r, err) < 0)
        return -1;
    if (is_sound)
        w->sounds[w->sound_count++] = r;
    else
        w->out[w->out_count++] = r;
    return 0;
}

/* HLS in MPEG-TS: a variant has both, unless there is sound by itself to choose from. */
static int write_hls(struct adapting *w, struct variant *v, bool group, struct err *err)
{
    bool video = v->look.video.is_there;

    return add_out(w, v, video, v->look.audio.is_there && !(group && video), group && !video, err);
}

/* Fragmented MP4: a file has one stream. */
static int write_mp4(struct adapting *w, struct variant *v, bool alone, bool films, struct err *err)
{
    bool video = v->look.video.is_there, audio = v->look.audio.is_there && !(alone && video);

    if (video && add_out(w, v, true, false, false, err) < 0)
        return -1;
    return audio && !is_heard_already(w, v) ? add_out(w, v, false, true, films, err) : 0;
}

int adaptive_write_all(struct adapting *w, struct err *err)
{
    bool alone = has_sounds_alone(w), films = false;

    for (int i = 0; i < w->count; i++)
        films |= w->variants[i].look.video.is_there;
    w->out = arena_alloc(robot_arena(w->job), (size_t)w->count * 2 * sizeof(struct rendition *));
    w->sounds = arena_alloc(robot_arena(w->job), (size_t)w->count * 2 * sizeof(struct rendition *));
    for (int i = 0; i < w->count; i++) {
        struct variant *v = &w->variants[i];

        if ((w->o->technique == TECHNIQUE_HLS ? write_hls(w, v, alone && w->o->audio_group, err)
                                              : write_mp4(w, v, alone, films, err)) < 0)
            return -1;
        robot_progress(w->job, w->told + (1 - w->told) * (i + 1) / w->count);
    }
    return 0;
}
