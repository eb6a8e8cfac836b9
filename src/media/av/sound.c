#include "media/av/sound.h"
#include "media/av/private.h"

#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <math.h>
#include <stdio.h>

#define RATE_MAX 1536000
#define SAMPLES_OF_FRAME_MAX (4 << 20)
/* Packets that end so long before the start are not decoded: a codec forgets within that. */
#define WARM_S 1.0

struct sound {
    struct sound_open how;
    struct sound_info info;
    struct av *av;
    AVStream *stream;
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *frame, *even, *filtered;
    SwrContext *swr; /* makes frames of another form even; for the form `from` */
    AVFrame *from;
    AVFilterGraph *graph; /* NULL: no filters */
    AVFilterContext *in, *out;

    int64_t gone_in;      /* samples, into the filters */
    int64_t at;           /* samples that came out */
    int64_t start, end;   /* in samples; end INT64_MAX: no end */
    int64_t skipped_upto; /* in the stream's time: packets before were passed by; NONE: none */
    bool decoded;         /* something was */
    bool over;            /* nothing more is wanted */
};

/* ---- opening ---- */

static int open_sound_decoder(struct sound *s, struct err *err)
{
    const AVCodecParameters *p = s->stream->codecpar;
    const AVCodec *c = avcodec_find_decoder(p->codec_id);
    int rc;

    if (!c)
        return err_set(err, ERR_COMMAND, "there is no decoder for %s",
                       avcodec_get_name(p->codec_id));
    if (!(s->decoder = avcodec_alloc_context3(c)) || !(s->packet = av_packet_alloc()) ||
        !(s->frame = av_frame_alloc()) || !(s->even = av_frame_alloc()) ||
        !(s->filtered = av_frame_alloc()) || !(s->from = av_frame_alloc()))
        abort();
    rc = avcodec_parameters_to_context(s->decoder, p);
    s->decoder->pkt_timebase = s->stream->time_base;
    s->decoder->thread_count = 1;
    s->decoder->max_samples = SAMPLES_OF_FRAME_MAX;
    s->decoder->request_sample_fmt = AV_SAMPLE_FMT_FLTP; /* a wish: saves a conversion */
    if (rc < 0 || (rc = avcodec_open2(s->decoder, c, NULL)) < 0)
        return av_fail(s->av, rc, err, "the decoder does not take the sound");
    return 0;
}

static void layout_of_channels(AVChannelLayout *out, const AVChannelLayout *given)
{
    if (given->order == AV_CHANNEL_ORDER_UNSPEC)
        av_channel_layout_default(out, given->nb_channels);
    else if (av_channel_layout_copy(out, given) < 0)
        abort();
}

/* ---- filters ---- */

static int build_sound_graph(struct sound *s, const AVFrame *f)
{
    AVFilterInOut *from = avfilter_inout_alloc(), *to = avfilter_inout_alloc();
    AUTO(mem_free) char *chain = mem_printf("%s,aformat=sample_fmts=fltp", s->how.filters);
    char layout[128] = "", source[300];
    int rc;

    if (!(s->graph = avfilter_graph_alloc()) || !from || !to)
        abort();
    s->graph->nb_threads = 1;
    av_channel_layout_describe(&f->ch_layout, layout, sizeof layout);
    snprintf(source, sizeof source,
             "sample_rate=%d:sample_fmt=fltp:time_base=1/%d:channel_layout=%s", f->sample_rate,
             f->sample_rate, layout);
    if ((rc = avfilter_graph_create_filter(&s->in, avfilter_get_by_name("abuffer"), "in", source,
                                           NULL, s->graph)) >= 0)
        rc = avfilter_graph_create_filter(&s->out, avfilter_get_by_name("abuffersink"), "out", NULL,
                                          NULL, s->graph);
    if (rc >= 0) {
        *from = (AVFilterInOut){av_strdup("in"), s->in, 0, NULL};
        *to = (AVFilterInOut){av_strdup("out"), s->out, 0, NULL};
        rc = avfilter_graph_parse_ptr(s->graph, chain, &to, &from, NULL);
    }
    if (rc >= 0)
        rc = avfilter_graph_config(s->graph, NULL);
    avfilter_inout_free(&from);
    avfilter_inout_free(&to);
    return rc;
}

static int filters_fail(struct sound *s, int rc, struct err *err)
{
    char why[AV_ERROR_MAX_STRING_SIZE] = "";

    if (av_is_late(s->av))
        return av_fail(s->av, 0, err, "cannot hear the sound");
    av_strerror(rc, why, sizeof why);
    return err_set(err, ERR_USER_COMMAND, "the filters of `ffmpeg` fail: %s", why);
}

/* ---- one form from beginning to end ---- */

static int check_form(int rate, int channels, struct err *err)
{
    if (rate < 1 || rate > RATE_MAX)
        return err_set(err, ERR_COMMAND, "the sound has %d samples a second, the limit is %d", rate,
                       RATE_MAX);
    if (channels < 1 || channels > SOUND_CHANNELS_MAX)
        return err_set(err, ERR_COMMAND, "the sound has %d channels, the limit is %d", channels,
                       SOUND_CHANNELS_MAX);
    return 0;
}

static void say_form(struct sound *s, int rate, int channels)
{
    s->info.rate = rate;
    s->info.channels = channels;
    s->start = (int64_t)fmin(s->how.start * rate + 0.5, 9e18);
    s->end = s->how.end > 0 ? (int64_t)fmin(s->how.end * rate + 0.5, 9e18) : INT64_MAX;
}

/* By the stream's header; the decoder may know better, but the form that was told stays. */
static int settle_form(struct sound *s, struct err *err)
{
    const AVCodecContext *d = s->decoder;
    AVFrame *f = s->even;
    int rc;

    if (check_form(d->sample_rate, d->ch_layout.nb_channels, err) < 0)
        return -1;
    f->format = AV_SAMPLE_FMT_FLTP;
    f->sample_rate = d->sample_rate;
    layout_of_channels(&f->ch_layout, &d->ch_layout);
    if (!s->how.filters) {
        say_form(s, f->sample_rate, f->ch_layout.nb_channels);
        return 0;
    }
    if ((rc = build_sound_graph(s, f)) < 0)
        return filters_fail(s, rc, err);
    say_form(s, av_buffersink_get_sample_rate(s->out), av_buffersink_get_channels(s->out));
    return check_form(s->info.rate, s->info.channels, err);
}

static bool same_form(const AVFrame *a, const AVFrame *b)
{
    return a->format == b->format && a->sample_rate == b->sample_rate &&
           a->ch_layout.nb_channels == b->ch_layout.nb_channels;
}

/* s->frame in the form of s->even, into s->even. NULL: nothing comes of it, which may be. */
static AVFrame *make_even(struct sound *s, bool *failed, struct err *err)
{
    AVFrame *f = s->frame, *e = s->even;
    AVChannelLayout layout = {0}, want = {0};
    int rate = e->sample_rate, rc;

    if (same_form(f, e))
        return f;
    *failed = true;
    if (check_form(f->sample_rate, f->ch_layout.nb_channels, err) < 0)
        return NULL;
    layout_of_channels(&layout, &f->ch_layout);
    av_channel_layout_copy(&want, &e->ch_layout);
    if (!s->swr || !same_form(f, s->from)) {
        swr_free(&s->swr);
        rc = swr_alloc_set_opts2(&s->swr, &want, AV_SAMPLE_FMT_FLTP, rate, &layout, f->format,
                                 f->sample_rate, 0, NULL);
        if (rc < 0 || (rc = swr_init(s->swr)) < 0) {
            av_channel_layout_uninit(&layout);
            av_channel_layout_uninit(&want);
            av_fail(s->av, rc, err, "the sound is of a form that can't be heard");
            return NULL;
        }
        av_frame_unref(s->from);
        s->from->format = f->format;
        s->from->sample_rate = f->sample_rate;
        av_channel_layout_copy(&s->from->ch_layout, &layout);
    }
    av_channel_layout_uninit(&layout);
    av_frame_unref(e);
    e->format = AV_SAMPLE_FMT_FLTP;
    e->sample_rate = rate;
    e->ch_layout = want; /* its own now */
    e->nb_samples = (int)av_rescale_rnd(f->nb_samples, rate, f->sample_rate, AV_ROUND_UP) + 64;
    e->pts = f->pts;
    if ((rc = av_frame_get_buffer(e, 0)) < 0 ||
        (rc = swr_convert(s->swr, e->extended_data, e->nb_samples,
                          (const uint8_t **)f->extended_data, f->nb_samples)) < 0) {
        av_fail(s->av, rc, err, "the sound can't be heard");
        return NULL;
    }
    e->nb_samples = rc;
    *failed = false;
    return e;
}

/* ---- handing over ---- */

/* What lies between start and end. */
static int hand_over(struct sound *s, const AVFrame *f, sound_fn *fn, void *ctx, struct err *err)
{
    const float *planes[SOUND_CHANNELS_MAX];
    int64_t from = s->start > s->at ? s->start - s->at : 0, upto = f->nb_samples;
    int rc;

    if (s->end - s->at < upto)
        upto = s->end - s->at;
    s->at += f->nb_samples;
    s->over = s->at >= s->end;
    if (from >= upto)
        return 0;
    for (int c = 0; c < s->info.channels; c++)
        planes[c] = (const float *)(const void *)f->extended_data[c] + from;
    if ((rc = fn(ctx, planes, (int)(upto - from), err)) < 0)
        return -1;
    s->over |= rc > 0;
    return 0;
}

/* Everything that the filters have ready. */
static int drain_graph(struct sound *s, sound_fn *fn, void *ctx, struct err *err)
{
    while (!s->over) {
        int rc = av_buffersink_get_frame(s->out, s->filtered);

        if (rc == AVERROR(EAGAIN))
            return 0;
        if (rc == AVERROR_EOF) {
            s->over = true;
            return 0;
        }
        if (av_is_late(s->av) || rc < 0)
            return filters_fail(s, rc, err);
        rc = s->filtered->ch_layout.nb_channels == s->info.channels
                 ? hand_over(s, s->filtered, fn, ctx, err)
                 : filters_fail(s, AVERROR(EINVAL), err);
        av_frame_unref(s->filtered);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* f NULL: there is no more. */
static int through_filters(struct sound *s, AVFrame *f, sound_fn *fn, void *ctx, struct err *err)
{
    int rc;

    if (f) { /* its time is by its samples alone: those of a damaged file go back and forth */
        f->pts = s->gone_in;
        s->gone_in += f->nb_samples;
    }
    rc = av_buffersrc_add_frame_flags(s->in, f, AV_BUFFERSRC_FLAG_KEEP_REF);
    if (rc < 0 && rc != AVERROR_EOF)
        return filters_fail(s, rc, err);
    return drain_graph(s, fn, ctx, err);
}

/* Where the sound stands after packets were passed by. */
static void find_place(struct sound *s, const AVFrame *f)
{
    int64_t begin = s->stream->start_time == NONE ? 0 : s->stream->start_time,
            ts = f->best_effort_timestamp != NONE ? f->best_effort_timestamp : s->skipped_upto;

    s->at = av_rescale_q(ts - begin, s->stream->time_base, (AVRational){1, s->info.rate});
    if (s->at < 0)
        s->at = 0;
    s->skipped_upto = NONE;
}

static int take_frame(struct sound *s, sound_fn *fn, void *ctx, struct err *err)
{
    bool failed = false;
    AVFrame *f = make_even(s, &failed, err);

    if (failed)
        return -1;
    s->decoded = true;
    if (s->skipped_upto != NONE)
        find_place(s, s->frame);
    if (f->nb_samples <= 0)
        return 0;
    return s->graph ? through_filters(s, f, fn, ctx, err) : hand_over(s, f, fn, ctx, err);
}

/* ---- decoding ---- */

/* Long before the start? Then what it holds is known without a look. */
static bool pass_by(struct sound *s, const AVPacket *p)
{
    int64_t begin = s->stream->start_time == NONE ? 0 : s->stream->start_time;

    if (s->graph || s->decoded || p->pts == NONE || p->duration <= 0 || s->how.start <= WARM_S)
        return false;
    if ((double)(p->pts + p->duration - begin) * av_q2d(s->stream->time_base) >=
        s->how.start - WARM_S)
        return false;
    s->skipped_upto = p->pts + p->duration;
    return true;
}

/* All frames that the decoder has ready. 0: it wants more; 1: it has come to its end. */
static int take_frames(struct sound *s, sound_fn *fn, void *ctx, struct err *err)
{
    while (!s->over) {
        int rc = avcodec_receive_frame(s->decoder, s->frame);

        if (rc == AVERROR(EAGAIN))
            return 0;
        if (rc == AVERROR(ENOMEM) || av_is_late(s->av))
            return av_fail(s->av, rc, err, "cannot decode the sound");
        if (rc < 0) /* its end, or damage: the next packet may be better */
            return rc == AVERROR_EOF;
        rc = take_frame(s, fn, ctx, err);
        av_frame_unref(s->frame);
        if (rc < 0)
            return -1;
    }
    return 1;
}

static int end_of_sound(struct sound *s, sound_fn *fn, void *ctx, struct err *err)
{
    (void)avcodec_send_packet(s->decoder, NULL);
    if (take_frames(s, fn, ctx, err) < 0)
        return -1;
    if (!s->decoded && s->skipped_upto == NONE)
        return err_set(err, ERR_COMMAND, "the file has no sound that can be decoded");
    return s->graph && !s->over ? through_filters(s, NULL, fn, ctx, err) : 0;
}

int sound_hear(struct sound *s, sound_fn *fn, void *ctx, struct err *err)
{
    av_begin(s->av);
    while (!s->over) {
        int rc = av_read_frame(s->av->file, s->packet);

        if (av_is_late(s->av))
            return av_fail(s->av, rc, err, "cannot hear the sound");
        if (rc < 0) /* cut off or damaged: what was heard so far is what there is */
            return end_of_sound(s, fn, ctx, err);
        if (s->packet->stream_index == s->stream->index && !pass_by(s, s->packet))
            rc = avcodec_send_packet(s->decoder, s->packet);
        av_packet_unref(s->packet);
        if (rc == AVERROR(ENOMEM))
            return av_fail(s->av, rc, err, "cannot decode the sound");
        if ((rc = take_frames(s, fn, ctx, err)) < 0)
            return -1;
    }
    return 0;
}

double sound_done(const struct sound *s)
{
    double whole = s->info.length_s, at = (double)s->at / s->info.rate;

    if (s->how.end > 0 && (s->how.end < whole || !(whole > 0)))
        whole = s->how.end;
    return whole > 0 ? fmin(at / whole, 1) : 0;
}

/* ---- life ---- */

static AVStream *first_sound(const struct av *av)
{
    for (unsigned i = 0; i < av->file->nb_streams; i++)
        if (av->file->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO)
            return av->file->streams[i];
    return NULL;
}

int sound_open(struct sound **out, const char *path, const struct sound_open *how, struct err *err)
{
    AUTO(sound_close) struct sound *s = mem_zalloc(sizeof *s);

    s->how = *how;
    s->skipped_upto = NONE;
    if (av_open_streams(&s->av, path, &(struct av_open){.limits = how->limits}, err) < 0)
        return -1;
    if (!(s->stream = first_sound(s->av)))
        return err_set(err, ERR_COMMAND, "there is no sound in the file");
    for (unsigned i = 0; i < s->av->file->nb_streams; i++)
        s->av->file->streams[i]->discard = AVDISCARD_ALL;
    s->stream->discard = AVDISCARD_DEFAULT;
    if (open_sound_decoder(s, err) < 0 || settle_form(s, err) < 0)
        return -1;
    s->info.length_s = s->stream->duration > 0
                           ? (double)s->stream->duration * av_q2d(s->stream->time_base)
                       : s->av->file->duration > 0 ? (double)s->av->file->duration / AV_TIME_BASE
                                                   : 0;
    *out = take(s);
    return 0;
}

void sound_close(struct sound *s)
{
    if (!s)
        return;
    avfilter_graph_free(&s->graph);
    swr_free(&s->swr);
    av_frame_free(&s->frame);
    av_frame_free(&s->even);
    av_frame_free(&s->filtered);
    av_frame_free(&s->from);
    av_packet_free(&s->packet);
    avcodec_free_context(&s->decoder);
    av_close(s->av);
    free(s);
}

const struct sound_info *sound_info(const struct sound *s) { return &s->info; }
