#include "media/av/segment.h"
#include "media/av/private.h"

#include <errno.h>
#include <fcntl.h>
#include <libavutil/opt.h>
#include <math.h>
#include <string.h>

#define BUFFERED_MAX (512 << 20) /* bytes of packets that wait for another stream's */
#define DELAY_US 700000 /* MPEG-TS: so long before it is shown a packet comes, as ffmpeg has it */
#define WRITE_AT_ONCE (64 * 1024)
#define LATE_S 10 /* sound that is so far behind the pictures is not waited for */

struct waiting {
    struct waiting *next;
    AVPacket *packet;
    int number;
};

/* One stream of the film, on its way into segments. */
struct lane {
    AVStream *in, *out;
    int64_t zero; /* in the stream's time */
    int number;   /* of the segment that its next packet goes into */
    bool is_ended;
    double newest; /* s: of the packet that came last */
    struct waiting *first, **last;
};

struct cutting {
    const struct segment_cut *c;
    struct av *av;
    AVFormatContext *to;
    AVIOContext *io;
    struct lane lanes[2]; /* pictures first, if there are any */
    int lane_count;
    int number;    /* of the segment that is written */
    bool has_head; /* it has been written, or the form has none; before, no segment is open */
    int fd;        /* where bytes go; -1: nowhere */
    int io_error;
    const char *path;
    struct segment now;
    double to_s; /* where the segment ends, as far as is known */
    int64_t waiting_bytes;
    struct err *err;
};

static double lane_s(const struct lane *l, int64_t ts)
{
    return (double)(ts - l->zero) * av_q2d(l->in->time_base);
}

/* ---- where bytes go ---- */

static int segment_on_write(void *ctx, uint8_t *data, int len)
{
    struct cutting *c = ctx;

    for (int done = 0; c->fd >= 0 && done < len;) {
        ssize_t n = write(c->fd, data + done, (size_t)(len - done));

        if (n < 0) {
            c->io_error = errno;
            return AVERROR(errno);
        }
        done += (int)n;
    }
    c->now.size += len;
    return len;
}

static int segment_open(struct cutting *c, int number)
{
    c->now = (struct segment){.number = number};
    c->path = c->c->open(c->c->ctx, number);
    c->fd = open(c->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return c->fd < 0 ? err_errno(c->err, "create '%s'", c->path) : 0;
}

static int segment_close(struct cutting *c)
{
    int fd = take_fd(c->fd);

    avio_flush(c->io);
    if (fd < 0)
        return 0;
    if (c->io_error || close(fd) < 0) {
        errno = c->io_error ? c->io_error : errno;
        return err_errno(c->err, "write '%s'", c->path);
    }
    c->now.path = c->path;
    return c->c->made(c->c->ctx, &c->now, c->err);
}

/* ---- the muxer ---- */

static int cannot(struct cutting *c, int rc, const char *what)
{
    if (c->io_error) {
        errno = c->io_error;
        return err_errno(c->err, "write '%s'", c->path);
    }
    return av_fail(c->av, rc, c->err, what);
}

static int add_lane(struct cutting *c, enum AVMediaType kind)
{
    struct lane *l = &c->lanes[c->lane_count];

    if (!(l->in = segment_stream(c->av, kind)))
        return err_set(c->err, ERR_COMMAND, "the film has no %s",
                       kind == AVMEDIA_TYPE_VIDEO ? "pictures" : "sound");
    l->in->discard = AVDISCARD_DEFAULT;
    l->zero = llround(c->c->zero / av_q2d(l->in->time_base));
    l->last = &l->first;
    if (!(l->out = avformat_new_stream(c->to, NULL)) ||
        avcodec_parameters_copy(l->out->codecpar, l->in->codecpar) < 0)
        abort();
    l->out->codecpar->codec_tag = 0;
    if (l->in->codecpar->codec_id == AV_CODEC_ID_HEVC && c->c->form == SEGMENT_MP4)
        l->out->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1');
    l->out->time_base = c->c->form == SEGMENT_TS ? (AVRational){1, 90000} : l->in->time_base;
    l->out->sample_aspect_ratio = l->in->sample_aspect_ratio;
    l->out->avg_frame_rate = l->in->avg_frame_rate;
    av_dict_copy(&l->out->metadata, l->in->metadata, 0);
    c->lane_count++;
    return 0;
}

static int open_muxer(struct cutting *c)
{
    bool ts = c->c->form == SEGMENT_TS;
    AVDictionary *options = NULL;
    uint8_t *buffer;

    if (avformat_alloc_output_context2(&c->to, NULL, ts ? "mpegts" : "mp4", NULL) < 0 ||
        !(buffer = av_malloc(WRITE_AT_ONCE)) ||
        !(c->io = avio_alloc_context(buffer, WRITE_AT_ONCE, 1, c, NULL, segment_on_write, NULL)))
        abort();
    c->to->pb = c->io;
    c->to->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT;
    c->to->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
    if ((c->c->video && add_lane(c, AVMEDIA_TYPE_VIDEO) < 0) ||
        (c->c->audio && add_lane(c, AVMEDIA_TYPE_AUDIO) < 0))
        return -1;
    if (ts) {
        c->to->max_delay = DELAY_US;
        if (c->c->is_alone)
            av_dict_set(&options, "mpegts_flags", "+initial_discontinuity", 0);
    } else {
        /* Times in fragments are the film's; that pictures are decoded before they are shown is an
         * edit in the head, which players and ffmpeg understand alike. (Negative offsets, which
         * CMAF has as well, ffmpeg reads late.) */
        av_dict_set(&options, "movflags",
                    "+dash+frag_custom+delay_moov+frag_discont+skip_sidx+skip_trailer", 0);
        av_dict_set(&options, "use_editlist", "1", 0);
    }
    c->has_head = ts;
    int rc = avformat_write_header(c->to, &options);
    av_dict_free(&options);
    return rc < 0 ? cannot(c, rc, "these streams do not go into segments") : 0;
}

/* ---- packets ---- */

static int number_of(const struct cutting *c, const struct lane *l, const AVPacket *p)
{
    double at = lane_s(l, p->pts);
    bool pictures = l->in->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    int n = l->number;

    if (pictures && c->c->is_alone)
        return c->c->only;
    if (pictures && !(p->flags & AV_PKT_FLAG_KEY))
        return n;
    while (n < c->c->cut_count && at >= c->c->cuts[n] - (pictures ? SEGMENT_EPS : 0))
        n++;
    return n;
}

static int lane_write(struct cutting *c, struct lane *l, AVPacket *p)
{
    double from = lane_s(l, p->pts), to = from + (double)p->duration * av_q2d(l->in->time_base);
    bool leads = l == c->lanes;
    int rc;

    p->pts -= l->zero;
    p->dts -= l->zero;
    av_packet_rescale_ts(p, l->in->time_base, l->out->time_base);
    p->stream_index = l->out->index;
    p->pos = -1;
    if (leads && (!c->now.scale || from < c->now.from)) {
        c->now.from = from;
        c->now.at = p->pts;
        c->now.scale = l->out->time_base.den / l->out->time_base.num;
    }
    if (leads)
        c->to_s = fmax(c->to_s, to);
    rc = av_interleaved_write_frame(c->to, p);
    return rc < 0 ? cannot(c, rc, "a packet of the film does not go into a segment") : 0;
}

static void lane_wait(struct cutting *c, struct lane *l, AVPacket *p)
{
    struct waiting *w = mem_zalloc(sizeof *w);

    w->packet = av_packet_clone(p);
    if (!w->packet)
        abort();
    w->number = l->number;
    c->waiting_bytes += p->size;
    *l->last = w;
    l->last = &w->next;
}

static AVPacket *lane_next(struct cutting *c, struct lane *l)
{
    struct waiting *w = l->first;
    AVPacket *p = w->packet;

    c->waiting_bytes -= p->size;
    if (!(l->first = w->next))
        l->last = &l->first;
    free(w);
    return p;
}

/* ---- from segment to segment ---- */

/* The muxer keeps the first segment until its head has gone: nothing is lost while no file is open.
 */
static int write_head(struct cutting *c)
{
    int number = c->number, rc;
    struct segment now = c->now;

    if (c->has_head)
        return 0;
    c->has_head = true;
    if (segment_open(c, -1) < 0)
        return -1;
    if ((rc = av_write_frame(c->to, NULL)) < 0)
        return cannot(c, rc, "the head of the segments cannot be written");
    if (segment_close(c) < 0 || segment_open(c, number) < 0)
        return -1;
    now.number = number;
    c->now = now;
    return 0;
}

/* What is known of its end: the next one's begin, where that is known. */
static int segment_finish(struct cutting *c, double to, int64_t at)
{
    int rc = av_interleaved_write_frame(c->to, NULL);

    if (rc < 0)
        return cannot(c, rc, "a segment cannot be written");
    if (write_head(c) < 0)
        return -1;
    if ((rc = av_write_frame(c->to, NULL)) < 0)
        return cannot(c, rc, "a segment cannot be written");
    c->now.length = to - c->now.from;
    c->now.lasts = at - c->now.at;
    return segment_close(c);
}

/* All streams are past the segment that is written. */
static int segment_next(struct cutting *c)
{
    struct lane *lead = c->lanes;
    double to = c->to_s;
    int64_t at;

    if (lead->first)
        to = lane_s(lead, lead->first->packet->pts);
    at = llround(to / av_q2d(lead->out->time_base));
    if (segment_finish(c, to, at) < 0 || segment_open(c, ++c->number) < 0)
        return -1;
    if (c->c->form == SEGMENT_TS)
        av_opt_set(c->to->priv_data, "mpegts_flags", "+resend_headers", 0);
    for (int i = 0; i < c->lane_count; i++)
        while (c->lanes[i].first && c->lanes[i].first->number == c->number) {
            AVPacket *p = lane_next(c, &c->lanes[i]);
            int rc = lane_write(c, &c->lanes[i], p);

            av_packet_free(&p);
            if (rc < 0)
                return -1;
        }
    return 0;
}

/* Is there a stream that may still bring something for it? */
static bool is_open(const struct cutting *c)
{
    double end = c->number < c->c->cut_count ? c->c->cuts[c->number] : INFINITY;

    for (int i = 0; i < c->lane_count; i++)
        if (!c->lanes[i].is_ended && c->lanes[i].number <= c->number &&
            (i == 0 || c->lanes[0].newest < end + LATE_S))
            return true;
    return false;
}

/* Sound before the film begins is what its encoder puts in front of it. */
static bool is_before(const struct cutting *c, const struct lane *l, const AVPacket *p)
{
    return l->in->codecpar->codec_type == AVMEDIA_TYPE_AUDIO && !l->number &&
           lane_s(l, p->pts + p->duration / 2) < 0;
}

/* 1: it is of another segment than the one that is wanted. */
static bool is_of_others(struct cutting *c, struct lane *l, const AVPacket *p, int number)
{
    if (c->c->only < 0 || number == c->c->only)
        return false;
    if (number > c->c->only) {
        if (l == c->lanes && !l->is_ended)
            c->to_s = lane_s(l, p->pts);
        l->is_ended = true;
    }
    return true;
}

static int segment_take(struct cutting *c, AVPacket *p)
{
    struct lane *l = c->lanes;

    while (l < c->lanes + c->lane_count && l->in->index != p->stream_index)
        l++;
    if (l == c->lanes + c->lane_count || p->pts == NONE || is_before(c, l, p))
        return 0;
    int n = number_of(c, l, p);
    if (l == c->lanes && n > l->number + 1 && !c->c->is_alone)
        return err_set(c->err, ERR_COMMAND,
                       "the film has no key frame at %.3f s, where a segment is to begin",
                       c->c->cuts[l->number]);
    l->number = n;
    l->newest = lane_s(l, p->pts);
    if (is_of_others(c, l, p, n))
        return 0;
    if (l->number < c->number)
        l->number = c->number; /* late, and not lost */
    if (l->number > c->number || l->first) {
        lane_wait(c, l, p);
        if (c->waiting_bytes > BUFFERED_MAX)
            return err_set(c->err, ERR_COMMAND,
                           "pictures and sounds lie too far apart in the file");
    } else if (lane_write(c, l, p) < 0) {
        return -1;
    }
    while (c->c->only < 0 && c->number < c->c->cut_count && !is_open(c))
        if (segment_next(c) < 0)
            return -1;
    return 0;
}

static int segment_drain(struct cutting *c)
{
    for (int i = 0; i < c->lane_count; i++)
        c->lanes[i].is_ended = true;
    while (c->lanes[0].first || (c->lane_count > 1 && c->lanes[1].first))
        if (segment_next(c) < 0)
            return -1;
    if (c->lanes[0].number < (c->c->only < 0 ? c->c->cut_count : c->c->only))
        return err_set(c->err, ERR_COMMAND,
                       "the film has no key frame at %.3f s, where a segment is to begin",
                       c->c->cuts[c->lanes[0].number]);
    return segment_finish(c, c->to_s, llround(c->to_s / av_q2d(c->lanes[0].out->time_base)));
}

static int segment_read(struct cutting *c)
{
    AVPacket *p = av_packet_alloc();
    int rc = 0;

    if (!p)
        abort();
    while (rc == 0 && !(c->lanes[0].is_ended && c->lanes[c->lane_count - 1].is_ended) &&
           av_read_frame(c->av->file, p) >= 0) {
        rc = segment_take(c, p);
        av_packet_unref(p);
    }
    av_packet_free(&p);
    if (rc == 0 && av_is_late(c->av))
        return av_fail(c->av, 0, c->err, "cut the film");
    return rc < 0 ? -1 : segment_drain(c);
}

static void segment_done(struct cutting *c)
{
    for (int i = 0; i < c->lane_count; i++)
        while (c->lanes[i].first) {
            AVPacket *p = lane_next(c, &c->lanes[i]);

            av_packet_free(&p);
        }
    avformat_free_context(c->to);
    if (c->io) {
        av_freep(&c->io->buffer);
        avio_context_free(&c->io);
    }
    fd_close(c->fd);
}

int segment_cut(const struct segment_cut *how, struct err *err)
{
    AUTO(av_close) struct av *av = NULL;
    struct cutting c = {.c = how, .fd = -1, .err = err, .number = how->only < 0 ? 0 : how->only};
    int rc;

    if (av_open(&av, how->path, &(struct av_open){.limits = how->limits, .unmeasured = true}, err) <
        0)
        return -1;
    c.av = av;
    av_begin(av);
    rc = open_muxer(&c) < 0 || (c.has_head && segment_open(&c, c.number) < 0) ? -1
                                                                              : segment_read(&c);
    segment_done(&c);
    return rc;
}
