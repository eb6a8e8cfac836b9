#include "media/av/track.h"
#include "base/str.h"
#include "media/av/private.h"

#include <libavutil/channel_layout.h>
#include <libavutil/intreadwrite.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what is in it ---- */

static AVStream *track_find(AVFormatContext *file)
{
    for (unsigned i = 0; i < file->nb_streams; i++)
        if (file->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO &&
            file->streams[i]->codecpar->ch_layout.nb_channels > 0)
            return file->streams[i];
    return NULL;
}

/* Samples of a packet that are not to be heard. */
static int64_t track_skipped(const AVPacket *p)
{
    size_t size = 0;
    const uint8_t *d = av_packet_get_side_data(p, AV_PKT_DATA_SKIP_SAMPLES, &size);

    return d && size >= 8 ? (int64_t)AV_RL32(d) + AV_RL32(d + 4) : 0;
}

/* The packets say how long it is: headers do not always, and may be a guess. */
static int track_measure(struct track *out, struct av *av, AVStream *s, struct err *err)
{
    AVPacket *p = av_packet_alloc();
    int64_t first = NONE, end = 0, sum = 0, skipped = 0, bytes = 0;

    if (!p)
        abort();
    for (unsigned i = 0; i < av->file->nb_streams; i++)
        av->file->streams[i]->discard =
            av->file->streams[i] == s ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    while (!av_is_late(av) && av_read_frame(av->file, p) >= 0) {
        int64_t ts = p->pts != NONE ? p->pts : p->dts;

        if (p->stream_index == s->index && !(p->flags & AV_PKT_FLAG_DISCARD)) {
            bytes += p->size;
            sum += p->duration > 0 ? p->duration : 0;
            skipped += track_skipped(p);
            if (ts != NONE && first == NONE)
                first = ts;
            if (ts != NONE && ts + p->duration > end)
                end = ts + p->duration;
        }
        av_packet_unref(p);
    }
    av_packet_free(&p);
    if (av_is_late(av))
        return av_fail(av, 0, err, "cannot measure how long the sound is");
    double base = av_q2d(s->time_base), span = first == NONE ? 0 : (double)(end - first) * base,
           added = (double)sum * base, lasts = added;
    /* Where packets tell their lengths roughly, the last one's end is right; a jump in time is not
     * time that is heard. */
    if (span > 0 && (!(added > 0) || fabs(span - added) < 0.1 * added))
        lasts = span;
    out->seconds = fmax(0, lasts - (double)skipped / out->rate);
    out->bit_rate = s->codecpar->bit_rate > 0 ? s->codecpar->bit_rate
                    : lasts > 0 && bytes > 0  ? (int64_t)((double)bytes * 8 / lasts)
                                              : 0;
    return 0;
}

static bool track_is_picture(const AVPacket *p)
{
    return p->size > 8 && (!memcmp(p->data, "\xff\xd8\xff", 3) || !memcmp(p->data, "\x89PNG", 4));
}

static void track_pictures(struct track *out, const AVFormatContext *file)
{
    for (unsigned i = 0; i < file->nb_streams; i++) {
        const AVStream *s = file->streams[i];

        if (s->codecpar->codec_type != AVMEDIA_TYPE_VIDEO)
            continue;
        if (!(s->disposition & AV_DISPOSITION_ATTACHED_PIC))
            out->has_film = true;
        else if (track_is_picture(&s->attached_pic) && s->codecpar->width > 0)
            out->has_cover = true;
    }
}

static const char *track_layout(struct arena *a, const AVChannelLayout *l)
{
    AVChannelLayout usual = {0};
    char text[100] = "";

    if (l->order == AV_CHANNEL_ORDER_UNSPEC)
        av_channel_layout_default(&usual, l->nb_channels);
    /* it becomes part of a graph of filters: nothing but a name of libav's own may */
    if (av_channel_layout_describe(usual.nb_channels ? &usual : l, text, sizeof text) <= 0 ||
        text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.()+")])
        snprintf(text, sizeof text, "%dc", l->nb_channels);
    return arena_strdup(a, text);
}

/* Containers whose times are those of samples, and are right wherever one goes to. */
static bool track_seeks(const char *format)
{
    static const char *const exact[] = {"mov", "mp3", "ogg", "flac", "wav", "w64", "aiff"};

    for (size_t i = 0; i < ARRAY_LEN(exact); i++)
        if (!strncmp(format, exact[i], strlen(exact[i])))
            return true;
    return false;
}

int track_look(struct track *out, struct robot_job *job, int input, struct err *err)
{
    const struct robot_input *in = robot_input(job, input);
    const struct av_open how = {.limits = media_limits(robot_settings(job))};
    AUTO(av_close) struct av *av = NULL;

    *out = (struct track){.input = input, .path = in->path, .layout = "", .codec = ""};
    if (av_open_streams(&av, in->path, &how, err) < 0)
        return -1;
    AVStream *s = track_find(av->file);
    if (!s)
        return 0;
    out->has_sound = true;
    out->rate = s->codecpar->sample_rate > 0 ? s->codecpar->sample_rate : 44100;
    out->channels = s->codecpar->ch_layout.nb_channels;
    out->layout = track_layout(robot_arena(job), &s->codecpar->ch_layout);
    out->codec = avcodec_get_name(s->codecpar->codec_id);
    out->seeks = track_seeks(av->file->iformat->name);
    out->ends_early = !strncmp(av->file->iformat->name, "mov", 3);
    out->tags_lie_with_sound = !strcmp(av->file->iformat->name, "ogg");
    track_pictures(out, av->file);
    return track_measure(out, av, s, err);
}

/* ---- filters ---- */

const char *track_chain(struct arena *a, const char *one, const char *other)
{
    if (!one || !*one)
        return other && *other ? other : NULL;
    return other && *other ? arena_printf(a, "%s,%s", one, other) : one;
}

static int track_number(const struct av_profile *p, const char *name)
{
    const char *v = av_profile_get(p, name);

    return v ? atoi(v) : 0;
}

struct track_form track_form(const struct track *t, size_t n, const struct av_profile *p)
{
    struct track_form f = {track_number(p, "ar"), track_number(p, "ac"), "stereo"};
    int most = sound_channels_max(p);
    bool asked = f.channels > 0;
    const struct track *widest = t;

    for (size_t i = 0; i < n; i++) {
        if (!track_number(p, "ar") && t[i].rate > f.rate)
            f.rate = t[i].rate;
        if (t[i].channels > widest->channels)
            widest = &t[i];
    }
    if (!asked)
        f.channels = widest->channels < most ? widest->channels : most;
    if (f.channels == widest->channels && f.channels > 2) {
        f.layout = widest->layout;
    } else {
        static const char *const layouts[] = {"stereo", "mono", "stereo", "3.0", "4.0",
                                              "5.0",    "5.1",  "6.1",    "7.1"};

        f.channels = f.channels > 8 ? 8 : f.channels;
        f.layout = layouts[f.channels > 0 ? f.channels : 0];
    }
    return f;
}

/* Between numbers of channels; NULL: they are the same. */
static const char *track_rematrix(struct arena *a, int from, const struct track_form *to)
{
    if (from == to->channels)
        return NULL;
    if (from == 1 && to->channels == 2)
        return "aformat=sample_fmts=fltp,pan=stereo|c0=c0|c1=c0";
    return arena_printf(a, "aformat=sample_fmts=fltp%s,aformat=sample_fmts=fltp:channel_layouts=%s",
                        to->channels == 1 ? ",aresample=rematrix_maxval=1" : ",aresample",
                        to->layout);
}

/* libav decodes the last packet of such a file to its end. NULL: nothing to be cut. */
static const char *track_end(struct arena *a, const struct track *t)
{
    return t->ends_early && t->seconds > 0
               ? arena_printf(a, "atrim=end_sample=%lld", (long long)llround(t->seconds * t->rate))
               : NULL;
}

const char *track_shape(struct arena *a, const struct track *t, const struct track_form *form)
{
    const char *rate = t->rate != form->rate ? arena_printf(a, "aresample=%d", form->rate) : NULL;

    return track_chain(
        a,
        track_chain(a, track_end(a, t), track_chain(a, rate, track_rematrix(a, t->channels, form))),
        arena_printf(a, "aformat=sample_fmts=fltp:sample_rates=%d:channel_layouts=%s", form->rate,
                     form->layout));
}

/* The client's own filters, and layouts of channels where the encoder knows few. */
const char *track_last(struct arena *a, const struct av_profile *p)
{
    const char *encoder = av_profile_get(p, "c:a");
    bool opus = encoder && !strcmp(encoder, "libopus");

    return track_chain(
        a, p->af, opus ? "aformat=channel_layouts=7.1|6.1|5.1|5.0|quad|3.0|stereo|mono" : NULL);
}

const char *track_shape_alone(struct arena *a, const struct track *t, const struct av_profile *p)
{
    struct track_form form = track_form(t, 1, p);

    return track_chain(a, track_chain(a, track_end(a, t), track_rematrix(a, t->channels, &form)),
                       track_last(a, p));
}

/* ---- runs ---- */

/* Of a file that this worker has written: its head is right. */
static int track_samples(int64_t *out, struct robot_job *job, const char *path, struct err *err)
{
    const struct av_open how = {.limits = media_limits(robot_settings(job))};
    AUTO(av_close) struct av *av = NULL;

    if (av_open_streams(&av, path, &how, err) < 0)
        return -1;
    const AVStream *s = track_find(av->file);
    *out = s && s->duration > 0
               ? av_rescale_q(s->duration, s->time_base, (AVRational){1, s->codecpar->sample_rate})
               : 0;
    return 0;
}

int track_unroll(const char **path, int64_t *samples, struct robot_job *job, const struct track *t,
                 const struct track_form *form, double seconds, double from, double to,
                 struct err *err)
{
    static const char *const bare[] = {"-map_metadata", "-1", "-map_chapters", "-1", NULL};
    struct arena *a = robot_arena(job);
    struct av_profile plain = {.makes = AV_AUDIO, .muxer = "w64", .ext = "w64"};
    struct av_run r = {.job = job,
                       .profile = &plain,
                       .sources = {{.path = t->path}},
                       .source_count = 1,
                       .maps = {"[a]"},
                       .more = bare,
                       .from = from,
                       .to = to};

    av_profile_set(&plain, "c:a", "pcm_f32le");
    r.graph = arena_printf(a, "[0:a:0]%s%s[a]", track_shape(a, t, form),
                           seconds > 0 ? arena_printf(a, ",atrim=end_sample=%lld",
                                                      (long long)llround(seconds * form->rate))
                                       : "");
    r.seconds = seconds > 0 && !(t->seconds < seconds) ? seconds : t->seconds;
    r.output = robot_out_path(job, "w64");
    if (av_run(&r, err) < 0)
        return -1;
    *path = r.output;
    return track_samples(samples, job, r.output, err);
}

static bool track_takes_cover(const char *muxer)
{
    return !strcmp(muxer, "mp3") || !strcmp(muxer, "ipod") || !strcmp(muxer, "flac");
}

/* Options of the result: where its titles come from. */
static const char **track_titles(const char **w, struct arena *a, const struct track *t, int source)
{
    if (source < 0) {
        *w++ = "-map_metadata", *w++ = "-1";
        return w;
    }
    *w++ = "-map_metadata:g", *w++ = arena_printf(a, "%d:g", source);
    if (t->tags_lie_with_sound)
        *w++ = "-map_metadata:g", *w++ = arena_printf(a, "%d:s:a:0", source);
    *w++ = "-metadata", *w++ = "encoder="; /* it was another */
    return w;
}

int track_run(const struct av_run *r, const struct track *titles, int source, bool cover,
              struct err *err)
{
    struct arena *a = robot_arena(r->job);
    struct av_profile profile = *r->profile;
    struct av_run run = *r;
    const char *words[40], **w = words;

    for (const char *const *m = r->more; m && *m; m++)
        *w++ = *m;
    w = track_titles(w, a, titles, source);
    const char **end = w;
    *end = NULL;
    run.more = words;
    if (!cover || !titles->has_cover || titles->has_film || !track_takes_cover(profile.muxer))
        return av_run(&run, err);
    int maps = 0;
    while (run.maps[maps])
        maps++;
    run.maps[maps] = arena_printf(a, "%d:v:0", source);
    profile.makes |= AV_VIDEO;
    run.profile = &profile;
    *w++ = "-c:v", *w++ = "copy", *w++ = "-disposition:v", *w++ = "attached_pic", *w = NULL;
    if (av_run(&run, err) == 0)
        return 0;
    if (err->code != ERR_COMMAND && err->code != ERR_USER_COMMAND)
        return -1;
    run.maps[maps] = NULL; /* the picture may be why */
    run.profile = r->profile;
    *end = NULL;
    return av_run(&run, err);
}

int track_emit(const struct av_run *r, int input, json_t *meta, struct err *err)
{
    const struct robot_output out = {
        .path = r->output, .ext = r->profile->ext, .meta = meta, .input = input};

    return robot_emit(r->job, &out, err);
}
