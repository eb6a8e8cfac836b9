#include "base/clock.h"
#include "base/json.h"
#include "media/av/private.h"

#include <errno.h>
#include <fcntl.h>
#include <libavutil/avstring.h>
#include <libavutil/display.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_AT_ONCE (32 * 1024) /* bytes */
#define MOST_STREAMS 1000
#define MOST_ASPECT 20 /* pixels wider or taller than that are a damaged header's */

/* Containers, no lists of other files and no devices. */
const char av_containers[] = "mov,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,mp3,aac,"
                                 "flac,wav,w64,aiff,amr,ac3,eac3,dts,opus,m4v,h264,hevc,mxf,gxf,"
                                 "rm,ape,wv,tta,caf,au,ivf,dv,swf,3gp,voc,gif";

/* ---- libav's words ---- */

/* The last of them. Aligned, as mold 1.10 lets what the loader protects begin with it: where it was not, it could lie
 * on the page before, which is nobody's, and the program did not start. */
static _Alignas(64) _Thread_local char said[500];

static void on_log(void *context, int level, const char *fmt, va_list args)
{
    size_t n;

    if (level > AV_LOG_ERROR)
        return;
    vsnprintf(said, sizeof said, fmt, args);
    n = strcspn(said, "\n");
    said[n] = 0;
}

void av_begin(struct av *av)
{
    av->deadline_us = clock_mono_us() + (int64_t)av->how.limits.timeout_s * SECOND_US;
    said[0] = 0;
}

bool av_is_late(const struct av *av) { return clock_mono_us() > av->deadline_us; }

int av_fail(struct av *av, int rc, struct err *err, const char *what)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";

    if (av_is_late(av))
        return err_set(err, ERR_TIMEOUT, "%s: it took longer than %d s (setting timeout_s)", what,
                       av->how.limits.timeout_s);
    if (rc == AVERROR(ENOMEM) && strstr(said, "max_streams"))
        snprintf(text, sizeof text, "it has more than %d streams", MOST_STREAMS);
    else if (rc < 0)
        av_strerror(rc, text, sizeof text);
    err_set(err, ERR_COMMAND, "%s%s%s", what, *text ? ": " : "", text);
    if (err)
        snprintf(err->detail, sizeof err->detail, "%s", said);
    return -1;
}

/* ---- the file, and nothing else ---- */

static int on_read(void *ctx, uint8_t *buf, int size)
{
    struct av *av = ctx;
    ssize_t n = av_is_late(av) ? -1 : read(av->fd, buf, (size_t)size);

    return n > 0 ? (int)n : n == 0 ? AVERROR_EOF : AVERROR(EIO);
}

static int64_t on_seek(void *ctx, int64_t at, int whence)
{
    struct av *av = ctx;
    struct stat st;

    if (whence == AVSEEK_SIZE)
        return fstat(av->fd, &st) < 0 ? AVERROR(EIO) : st.st_size;
    off_t now = lseek(av->fd, at, whence & ~AVSEEK_FORCE);
    return now < 0 ? AVERROR(errno) : now;
}

static int refuse_other_files(AVFormatContext *s, AVIOContext **pb, const char *url, int flags,
                              AVDictionary **options)
{
    return AVERROR(EPERM);
}

static int on_wait(void *av) { return av_is_late(av); }

static int open_file(struct av *av, const char *path, struct err *err)
{
    AVDictionary *options = NULL;
    uint8_t *buffer;
    int rc;

    if ((av->fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return err_errno(err, "open '%s'", path);
    if (!(buffer = av_malloc(READ_AT_ONCE)) ||
        !(av->io = avio_alloc_context(buffer, READ_AT_ONCE, 0, av, on_read, NULL, on_seek)) ||
        !(av->file = avformat_alloc_context()))
        abort();
    av->file->pb = av->io;
    av->file->io_open = refuse_other_files;
    av->file->interrupt_callback = (AVIOInterruptCB){on_wait, av};
    av->file->max_streams = MOST_STREAMS;
    av_dict_set(&options, "format_whitelist", av_containers, 0);
    av_dict_set(&options, "protocol_whitelist", "none", 0);
    av_dict_set(&options, "scan_all_pmts", "1", 0); /* MPEG-TS: as ffmpeg's programs do */
    /* Of the name only the extension is looked at, where the first bytes do not decide. It frees
     * the file when it fails. */
    rc = avformat_open_input(&av->file, strrchr(path, '/') ? strrchr(path, '/') + 1 : path, NULL,
                             &options);
    av_dict_free(&options);
    return rc < 0 ? av_fail(av, rc, err, "the file is no film or sound that can be read") : 0;
}

/* What a decoder may do while it finds out what the streams are. */
static int find_streams(struct av *av, struct err *err)
{
    unsigned n = av->file->nb_streams;
    AVDictionary **options = mem_zalloc((n + 1) * sizeof *options);
    int rc;

    for (unsigned i = 0; i < n; i++) {
        if (av->how.limits.max_pixels)
            av_dict_set_int(&options[i], "max_pixels", av->how.limits.max_pixels, 0);
        av_dict_set(&options[i], "threads", "1", 0);
    }
    rc = avformat_find_stream_info(av->file, n ? options : NULL);
    for (unsigned i = 0; i < n; i++)
        av_dict_free(&options[i]);
    free(options);
    return rc < 0 ? av_fail(av, rc, err, "cannot find out what is in the file") : 0;
}

/* ---- what is in it ---- */

static double seconds(int64_t ts, AVRational base)
{
    return ts == NONE || ts <= 0 ? 0 : (double)ts * av_q2d(base);
}

/* How a picture is to be turned. The matrix moves (1, 0) to (a, b) and (0, 1) to (c, d); y points
 * down. */
int av_orientation(const AVStream *s)
{
    size_t size = 0;
    const int32_t *m =
        (const int32_t *)av_stream_get_side_data(s, AV_PKT_DATA_DISPLAYMATRIX, &size);

    if (!m || size < 9 * sizeof *m)
        return 1;
    int64_t a = m[0], b = m[1], c = m[3], d = m[4];
    if (llabs(a) + llabs(d) >= llabs(b) + llabs(c))
        return d >= 0 ? (a >= 0 ? 1 : 2) : (a >= 0 ? 4 : 3);
    return b >= 0 ? (c >= 0 ? 5 : 6) : (c >= 0 ? 8 : 7);
}

static void look_at_video(struct av *av)
{
    AVStream *s = av->video;
    const AVCodecParameters *p = s->codecpar;
    const AVPixFmtDescriptor *form = av_pix_fmt_desc_get(p->format);
    struct av_info *i = &av->info;
    AVRational sar = av_guess_sample_aspect_ratio(av->file, s, NULL),
               rate = av_guess_frame_rate(av->file, s, NULL);
    const AVDictionaryEntry *alpha = av_dict_get(s->metadata, "alpha_mode", NULL, 0);

    i->has_video = true;
    i->stored_width = p->width;
    i->stored_height = p->height;
    i->pixel_aspect = sar.num > 0 && sar.den > 0 ? av_q2d(sar) : 1;
    if (i->pixel_aspect > MOST_ASPECT || i->pixel_aspect < 1.0 / MOST_ASPECT)
        i->pixel_aspect = 1;
    i->orientation = av_orientation(s);
    i->width = fit_round(p->width * i->pixel_aspect);
    i->height = p->height;
    if (i->orientation > 4) {
        int64_t w = i->width;
        i->width = i->height;
        i->height = w;
    }
    i->frame_rate = s->avg_frame_rate.num > 0 && s->avg_frame_rate.den > 0
                        ? av_q2d(s->avg_frame_rate)
                    : rate.den ? av_q2d(rate)
                               : 0;
    i->base_rate = s->r_frame_rate.num > 0 && s->r_frame_rate.den > 0 ? av_q2d(s->r_frame_rate) : 0;
    i->matrix = p->color_space == AVCOL_SPC_BT709        ? "bt709"
                : p->color_space == AVCOL_SPC_BT2020_NCL ? "bt2020"
                : p->color_space == AVCOL_SPC_SMPTE240M  ? "smpte240m"
                : p->color_space == AVCOL_SPC_FCC        ? "fcc"
                                                         : "";
    i->depth = form ? form->comp[0].depth : 8;
    i->has_alpha =
        (form && form->flags & AV_PIX_FMT_FLAG_ALPHA) || (alpha && !strcmp(alpha->value, "1"));
    i->is_hdr = p->color_trc == AVCOL_TRC_SMPTE2084 || p->color_trc == AVCOL_TRC_ARIB_STD_B67;
    i->video_codec = avcodec_get_name(p->codec_id);
    i->video_s = seconds(s->duration, s->time_base);
}

static void look_at_streams(struct av *av)
{
    struct av_info *i = &av->info;

    i->format = av->file->iformat->name;
    i->duration_s = seconds(av->file->duration, AV_TIME_BASE_Q);
    i->video_codec = i->audio_codec = "";
    for (unsigned n = 0; n < av->file->nb_streams; n++) {
        AVStream *s = av->file->streams[n];

        s->discard = AVDISCARD_ALL; /* until it is wanted */
        switch (s->codecpar->codec_type) {
        case AVMEDIA_TYPE_VIDEO:
            if (s->disposition & AV_DISPOSITION_ATTACHED_PIC) {
                i->has_artwork = true;
            } else if (i->videos++ == 0) {
                av->video = s;
                s->discard = AVDISCARD_DEFAULT;
                look_at_video(av);
            }
            break;
        case AVMEDIA_TYPE_AUDIO:
            if (i->audios++ == 0) {
                i->has_audio = true;
                i->audio_codec = avcodec_get_name(s->codecpar->codec_id);
                i->sample_rate = s->codecpar->sample_rate;
                i->channels = s->codecpar->ch_layout.nb_channels;
            }
            break;
        case AVMEDIA_TYPE_SUBTITLE:
            i->subtitles++;
            break;
        default:
            break;
        }
    }
}

/* Recorders in browsers write no duration: it is where the last packet ends. */
static int measure_length(struct av *av, struct err *err)
{
    AVPacket *p = av_packet_alloc();
    double last = 0, start = seconds(av->file->start_time, AV_TIME_BASE_Q);
    int rc;

    if (!p)
        abort();
    for (unsigned i = 0; i < av->file->nb_streams; i++)
        if (av->file->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO)
            av->file->streams[i]->discard = AVDISCARD_DEFAULT;
    while ((rc = av_read_frame(av->file, p)) >= 0) {
        const AVStream *s = av->file->streams[p->stream_index];
        int64_t ts = p->pts != NONE ? p->pts : p->dts;

        if (ts != NONE)
            last = fmax(last, (double)(ts + p->duration) * av_q2d(s->time_base) - start);
        av_packet_unref(p);
        if (av_is_late(av))
            break;
    }
    av_packet_free(&p);
    if (av_is_late(av))
        return av_fail(av, 0, err, "cannot measure how long the film is");
    for (unsigned i = 0; i < av->file->nb_streams; i++)
        if (av->file->streams[i] != av->video)
            av->file->streams[i]->discard = AVDISCARD_ALL;
    av->info.duration_s = last;
    return 0;
}

static int check_pixels(const struct av *av, struct err *err)
{
    const struct av_info *i = &av->info;
    int64_t most = av->how.limits.max_pixels;

    if (i->has_video && (double)i->width * (double)i->height > (double)most)
        return err_set(err, ERR_COMMAND,
                       "a picture of the film has %lldx%lld pixels, the limit is %lld in all "
                       "(setting max_pixels)",
                       (long long)i->width, (long long)i->height, (long long)most);
    return 0;
}

int av_open_streams(struct av **out, const char *path, const struct av_open *how, struct err *err)
{
    AUTO(av_close) struct av *av = mem_zalloc(sizeof *av);

    av->how = *how;
    av->fd = -1;
    av->held_at = av->next_at = NONE;
    av_log_set_callback(on_log);
    av_begin(av);
    if (open_file(av, path, err) < 0 || find_streams(av, err) < 0)
        return -1;
    *out = take(av);
    return 0;
}

int av_open(struct av **out, const char *path, const struct av_open *how, struct err *err)
{
    AUTO(av_close) struct av *av = NULL;

    if (av_open_streams(&av, path, how, err) < 0)
        return -1;
    look_at_streams(av);
    if (check_pixels(av, err) < 0 ||
        (!how->unmeasured && !(av->info.duration_s > 0) && measure_length(av, err) < 0))
        return -1;
    *out = take(av);
    return 0;
}

void av_close(struct av *av)
{
    if (!av)
        return;
    avcodec_free_context(&av->decoder);
    av_packet_free(&av->packet);
    av_frame_free(&av->held);
    av_frame_free(&av->next);
    avformat_close_input(&av->file); /* leaves io alone: it is not its own */
    if (av->io) {
        av_freep(&av->io->buffer);
        avio_context_free(&av->io);
    }
    fd_close(av->fd);
    free(av);
}

const struct av_info *av_info(const struct av *av) { return &av->info; }

int av_look(struct av_info *out, const char *path, const struct media_limits *limits,
            struct err *err)
{
    AUTO(av_close) struct av *av = NULL;

    if (av_open(&av, path, &(struct av_open){.limits = *limits}, err) < 0)
        return -1;
    *out = av->info;
    return 0;
}
