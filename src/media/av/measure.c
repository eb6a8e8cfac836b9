#include "media/av/join.h"
#include "media/av/private.h"

#include <libavutil/channel_layout.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOST_RATE 240 /* frames a second: more is a container's clock, no camera */
#define USUAL_RATE 25 /* where nobody says */
/* Encoders of sound begin up to that much early and end that much late, which nobody is to hear. s
 */
#define OF_AN_ENCODER 0.15

/* ---- packets ---- */

struct span {
    double begin, end; /* s; begin > end: nothing yet */
    int64_t packets;
};

static void measure_packet(struct span *s, const AVPacket *p, AVRational base)
{
    int64_t ts = p->pts != NONE ? p->pts : p->dts;

    if (p->flags & AV_PKT_FLAG_DISCARD) /* before the begin that an edit list sets */
        return;
    s->packets++;
    if (ts == NONE)
        return;
    double t = (double)ts * av_q2d(base);
    s->begin = fmin(s->begin, t);
    s->end = fmax(s->end, t + (double)p->duration * av_q2d(base));
}

static const AVStream *measure_sound_of(const struct av *av)
{
    for (unsigned i = 0; i < av->file->nb_streams; i++)
        if (av->file->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO)
            return av->file->streams[i];
    return NULL;
}

static int measure_packets(struct span *video, struct span *audio, struct av *av, int film,
                           int sound, struct err *err)
{
    AVPacket *p = av_packet_alloc();
    double last = -INFINITY;

    if (!p)
        abort();
    for (int i = 0; i < (int)av->file->nb_streams; i++)
        av->file->streams[i]->discard = i == film || i == sound ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    while (!av_is_late(av) && av_read_frame(av->file, p) >= 0) {
        const AVStream *s = av->file->streams[p->stream_index];

        if (s->index == film && p->pts != NONE && !p->duration)
            last = fmax(last, (double)p->pts * av_q2d(s->time_base));
        if (s->index == film || s->index == sound)
            measure_packet(s->index == sound ? audio : video, p, s->time_base);
        av_packet_unref(p);
    }
    av_packet_free(&p);
    if (av_is_late(av))
        return av_fail(av, 0, err, "cannot measure how long the film is");
    if (last >= video->end &&
        video->packets > 1) /* the last has no length: it is as long as the mean */
        video->end = last + (last - video->begin) / (double)(video->packets - 1);
    return 0;
}

/* ---- what is known then ---- */

static bool is_rate(AVRational r)
{
    return r.num > 0 && r.den > 0 && av_q2d(r) <= MOST_RATE && av_q2d(r) >= 1.0 / 100;
}

static void measure_rate(struct av_film *out, const struct av *av)
{
    AVRational guess = av_guess_frame_rate(av->file, av->video, NULL),
               mean = av->video->avg_frame_rate;
    AVRational r = is_rate(guess) ? guess : is_rate(mean) ? mean : (AVRational){USUAL_RATE, 1};

    av_reduce(&r.num, &r.den, r.num, r.den, 1001000);
    out->rate_num = r.num;
    out->rate_den = r.den;
}

static void measure_layout(struct av_film *out, const AVStream *sound)
{
    AVChannelLayout usual = {0};
    const AVChannelLayout *l = sound ? &sound->codecpar->ch_layout : NULL;

    if (!l || l->nb_channels <= 0)
        return;
    if (l->order != AV_CHANNEL_ORDER_NATIVE) { /* a number of channels alone */
        av_channel_layout_default(&usual, l->nb_channels);
        l = &usual;
    }
    if (av_channel_layout_describe(l, out->layout, sizeof out->layout) < 0 ||
        strchr(out->layout, ' '))
        snprintf(out->layout, sizeof out->layout, "stereo");
}

static bool seeks(const char *format)
{
    return strstr(format, "mp4") || strstr(format, "matroska");
}

static void measure_span(struct av_film *out, const struct av *av, struct span video,
                         const struct span *audio)
{
    double frame = (double)out->rate_den / (double)out->rate_num;

    out->start = av->file->start_time == NONE ? 0 : (double)av->file->start_time / AV_TIME_BASE;
    if (video.begin > video.end) /* a bare stream of frames */
        video =
            (struct span){out->start, out->start + (double)video.packets * frame, video.packets};
    video.end = fmax(video.end, video.begin + frame);
    out->begin = video.begin;
    out->end = video.end;
    if (audio->begin < video.begin - OF_AN_ENCODER)
        out->begin = audio->begin;
    if (audio->begin <= audio->end && audio->end > video.end + OF_AN_ENCODER)
        out->end = audio->end;
    out->begin -= out->start;
    out->end -= out->start;
}

static void measure_sound(struct av_film *out, const struct av *av, const struct span *audio)
{
    out->start = av->file->start_time == NONE ? 0 : (double)av->file->start_time / AV_TIME_BASE;
    if (audio->begin > audio->end)
        return;
    out->begin = audio->begin - out->start;
    out->end = audio->end - out->start;
}

static int measure_streams(struct av_film *out, const struct av *av, struct av *again,
                           bool pictures, struct err *err)
{
    struct span video = {INFINITY, -INFINITY, 0}, audio = video;
    const AVStream *sound = measure_sound_of(av);

    if (measure_packets(&video, &audio, again, pictures ? av->video->index : -1,
                        sound ? sound->index : -1, err) < 0)
        return -1;
    if (pictures ? !video.packets : !audio.packets)
        return err_set(err, ERR_INPUT, "it has no %s", pictures ? "pictures" : "sound");
    measure_layout(out, sound);
    if (pictures) {
        measure_rate(out, av);
        measure_span(out, av, video, &audio);
    } else {
        measure_sound(out, av, &audio);
    }
    if (!(out->end - out->begin < AV_LONGEST_DAYS * 86400.0))
        return err_set(err, ERR_INPUT, "it says that it lasts for more than %d days",
                       AV_LONGEST_DAYS);
    return 0;
}

static int measure_file(struct av_film *out, const char *path, const struct media_limits *limits,
                        bool pictures, struct err *err)
{
    AUTO(av_close) struct av *av = NULL, *again = NULL;
    const struct av_open how = {.limits = *limits};

    *out = (struct av_film){0};
    if (av_open(&av, path, &how, err) < 0)
        return -1;
    out->info = av->info;
    out->seeks = seeks(out->info.format);
    if (pictures ? !out->info.has_video : !out->info.has_audio)
        return err_set(err, ERR_INPUT, "it has no %s", pictures ? "pictures" : "sound");
    /* The first one may have been read to its end already. */
    return av_open_streams(&again, path, &how, err) < 0
               ? -1
               : measure_streams(out, av, again, pictures, err);
}

int av_film_look(struct av_film *out, const char *path, const struct media_limits *limits,
                 struct err *err)
{
    return measure_file(out, path, limits, true, err);
}

int av_sound_look(struct av_film *out, const char *path, const struct media_limits *limits,
                  struct err *err)
{
    return measure_file(out, path, limits, false, err);
}
