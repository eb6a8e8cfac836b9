/* The frame of a moment: seek to a key frame before it and decode up to it, or take a key frame
 * that is near enough. */
#include "media/av/private.h"

#include <math.h>
#include <string.h>

/* A frame that no other needs is not decoded when the moment is further off than that. */
#define SKIPPED_BEFORE_S 1.0
/* Without an index it is not known where the key frames are: up to that it is decoded on, further
 * off it is sought. */
#define BLIND_S 2.0
/* The last frame is seen for that long at least. */
#define LAST_FRAME_S 1.0
#define MOST_SEEKS 6

/* ---- the decoder ---- */

/* libav's own decoder of VP8 and VP9 leaves transparency out. */
static const AVCodec *find_decoder(const struct av *av, struct err *err)
{
    enum AVCodecID id = av->video->codecpar->codec_id;
    const AVCodec *c = NULL;

    if (av->how.decoder) {
        c = avcodec_find_decoder_by_name(av->how.decoder);
        if (!c || c->type != AVMEDIA_TYPE_VIDEO ||
            c->capabilities & (AV_CODEC_CAP_HARDWARE | AV_CODEC_CAP_HYBRID)) {
            err_set(err, ERR_INPUT, "there is no decoder '%.40s' for pictures", av->how.decoder);
            return NULL;
        }
        return c;
    }
    if (av->info.has_alpha && (id == AV_CODEC_ID_VP8 || id == AV_CODEC_ID_VP9))
        c = avcodec_find_decoder_by_name(id == AV_CODEC_ID_VP8 ? "libvpx" : "libvpx-vp9");
    if (!c)
        c = avcodec_find_decoder(id);
    if (!c)
        err_set(err, ERR_COMMAND, "there is no decoder for %s", avcodec_get_name(id));
    return c;
}

static int open_decoder(struct av *av, struct err *err)
{
    AVCodecContext *d;
    const AVCodec *c;
    int rc;

    if (av->decoder)
        return 0;
    if (!av->video)
        return err_set(err, ERR_COMMAND, "there is no film in the file");
    if (!(c = find_decoder(av, err)))
        return -1;
    if (!(d = avcodec_alloc_context3(c)) || !(av->packet = av_packet_alloc()) ||
        !(av->held = av_frame_alloc()) || !(av->next = av_frame_alloc()))
        abort();
    rc = avcodec_parameters_to_context(d, av->video->codecpar);
    if (c->id != av->video->codecpar->codec_id)
        d->codec_tag = 0;
    d->codec_id = c->id;
    d->pkt_timebase = av->video->time_base;
    d->max_pixels = av->how.limits.max_pixels;
    d->thread_count = 1;
    if (rc >= 0)
        rc = avcodec_open2(d, c, NULL);
    if (rc < 0) {
        avcodec_free_context(&d);
        av_packet_free(&av->packet);
        av_frame_free(&av->held);
        av_frame_free(&av->next);
        return av_fail(av, rc, err, "the decoder does not take the film");
    }
    av->decoder = d;
    return 0;
}

/* ---- time: the stream's, which may begin anywhere ---- */

static int64_t begin_of(const struct av *av)
{
    return av->file->start_time == NONE
               ? 0
               : av_rescale_q(av->file->start_time, AV_TIME_BASE_Q, av->video->time_base);
}

/* Not rounded up: a moment before a frame is before it, in the coarsest time as well. */
static int64_t to_stream(const struct av *av, double s)
{
    return begin_of(av) + (int64_t)floor(s / av_q2d(av->video->time_base) + 1e-6);
}
static double to_seconds(const struct av *av, int64_t ts)
{
    return (double)(ts - begin_of(av)) * av_q2d(av->video->time_base);
}

static int64_t span(const struct av *av, double s)
{
    return llround(s / av_q2d(av->video->time_base));
}

/* A frame without a time follows the one before it. */
static int64_t time_of(const struct av *av, const AVFrame *f)
{
    int64_t before = av->next_at != NONE ? av->next_at : av->held_at;
    double rate = av->info.frame_rate > 0 ? av->info.frame_rate : 25;

    if (f->best_effort_timestamp != NONE)
        return f->best_effort_timestamp;
    return before == NONE ? begin_of(av) : before + span(av, 1 / rate);
}

/* ---- decode ---- */

static void forget(struct av *av)
{
    av_frame_unref(av->held);
    av_frame_unref(av->next);
    av->held_at = av->next_at = NONE;
    av->drained = false;
    avcodec_flush_buffers(av->decoder);
}

/* The next packet of the film into the decoder; at the end it is told so. Damaged packets are
 * passed over. */
static int feed(struct av *av, int64_t target, bool skip, bool *skipped, struct err *err)
{
    int rc;

    for (;;) {
        if (av_is_late(av))
            return av_fail(av, 0, err, "cannot decode the film");
        rc = av_read_frame(av->file, av->packet);
        if (rc < 0) { /* cut off or damaged: what was read so far is what there is */
            av->drained = true;
            (void)avcodec_send_packet(av->decoder, NULL);
            return av_is_late(av) ? av_fail(av, rc, err, "cannot read the film") : 0;
        }
        if (av->packet->stream_index == av->video->index)
            break;
        av_packet_unref(av->packet);
    }
    bool far =
        skip && av->packet->pts != NONE && av->packet->pts < target - span(av, SKIPPED_BEFORE_S);
    av->decoder->skip_frame = far ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
    *skipped |= far;
    rc = avcodec_send_packet(av->decoder, av->packet);
    av_packet_unref(av->packet);
    return rc == AVERROR(ENOMEM) ? av_fail(av, rc, err, "cannot decode the film") : 0;
}

/* 1: f is the next frame; 0: there is none any more. */
static int decode(AVFrame *f, struct av *av, int64_t target, bool skip, bool *skipped,
                  struct err *err)
{
    for (;;) {
        int rc = avcodec_receive_frame(av->decoder, f);

        if (rc == 0)
            return 1;
        if (rc == AVERROR(ENOMEM) || av_is_late(av))
            return av_fail(av, rc, err, "cannot decode the film");
        if (rc == AVERROR_EOF || (av->drained && rc != AVERROR_INVALIDDATA))
            return 0;
        if (!av->drained && feed(av, target, skip, skipped, err) < 0)
            return -1;
    }
}

static void shift(struct av *av)
{
    av_frame_unref(av->held);
    av_frame_move_ref(av->held, av->next);
    av->held_at = av->next_at;
    av->next_at = NONE;
}

/* On until the frame behind target is there, or the film ends. */
static int decode_up_to(struct av *av, int64_t target, bool skip, bool *skipped, struct err *err)
{
    int rc;

    while (av->next_at == NONE || av->next_at <= target) {
        if (av->next_at != NONE)
            shift(av);
        if ((rc = decode(av->next, av, target, skip, skipped, err)) <= 0)
            return rc;
        av->next_at = time_of(av, av->next);
        if (av->held_at != NONE && av->next_at <= av->held_at)
            av->next_at = av->held_at + 1; /* times of a damaged file */
    }
    return 0;
}

/* ---- seek ---- */

/* first: to the very first frame. In streams without an index a time is found by trial, and may be
 * found behind that. */
static int seek_before(struct av *av, int64_t target, bool first, struct err *err)
{
    bool tried = first && av->file->iformat->flags & AVFMT_TS_DISCONT;
    int rc = tried ? -1 : av_seek_frame(av->file, av->video->index, target, AVSEEK_FLAG_BACKWARD);

    if (rc < 0) /* no index, no times: from its first byte */
        rc = av_seek_frame(av->file, -1, 0, AVSEEK_FLAG_BYTE);
    if (rc < 0)
        return av_fail(av, rc, err, "cannot go back in the film");
    forget(av);
    return 0;
}

/* The time of the last key frame up to ts, by the container's index; NONE: it has none. */
static int64_t key_before(const struct av *av, int64_t ts)
{
    const AVIndexEntry *e =
        avformat_index_get_entry_from_timestamp(av->video, ts, AVSEEK_FLAG_BACKWARD);

    return e ? e->timestamp : NONE;
}

static bool must_seek(const struct av *av, int64_t target)
{
    int64_t now = av->next_at != NONE ? av->next_at : av->held_at, key;

    if (now == NONE || target < av->held_at || av->held_at == NONE)
        return true;
    key = key_before(av, target);
    return key == NONE ? target - now > span(av, BLIND_S) : key > now;
}

/* Some containers lead to a place behind the one that was asked for. */
static int go_to(struct av *av, int64_t target, bool skip, bool *skipped, struct err *err)
{
    int64_t back = 0, first = begin_of(av);

    for (int i = 0; i < MOST_SEEKS; i++) {
        int64_t at = i + 1 == MOST_SEEKS || target - back < first ? first : target - back;

        if (seek_before(av, at, at == first, err) < 0 ||
            decode_up_to(av, target, skip, skipped, err) < 0)
            return -1;
        if (av->held_at != NONE || at == first)
            return 0;
        back = back ? back * 3 : span(av, 1);
    }
    return 0;
}

static int exact(struct av *av, int64_t target, struct err *err)
{
    bool skipped = false;

    if (!must_seek(av, target))
        return decode_up_to(av, target, false, &skipped, err);
    if (go_to(av, target, true, &skipped, err) < 0)
        return -1;
    /* What was passed over lies before the frame that was found, or else it might be the one that
     * is seen. */
    bool sure = av->held_at != NONE && av->held_at >= target - span(av, SKIPPED_BEFORE_S);
    return skipped && !sure ? go_to(av, target, false, &skipped, err) : 0;
}

/* ---- key frames ---- */

/* The key frame nearest to at, of those that seem to be in from <= t < to; NONE: there is none
 * there, or no index. Some indexes tell when a frame is to be decoded, which is earlier than it is
 * seen. */
static int64_t near_key(const struct av *av, const struct av_moment *m)
{
    int64_t at = to_stream(av, m->at), from = to_stream(av, m->from), to = to_stream(av, m->to),
            best = NONE;
    int64_t ahead = av->info.frame_rate > 0
                        ? span(av, av->video->codecpar->video_delay / av->info.frame_rate)
                        : 0;
    static const int both[] = {AVSEEK_FLAG_BACKWARD, 0};

    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        const AVIndexEntry *e = avformat_index_get_entry_from_timestamp(av->video, at, both[i]);

        if (!e || !(e->flags & AVINDEX_KEYFRAME))
            continue;
        int64_t seen = e->timestamp + ahead;
        if (seen >= from && seen < to && (best == NONE || llabs(seen - at) < llabs(best - at)))
            best = seen;
    }
    return best;
}

/* Only the key frame at ts. 1: held is a frame in from <= t < to. */
static int take_key(struct av *av, int64_t ts, const struct av_moment *m, struct err *err)
{
    bool skipped = false;
    int rc;

    if (seek_before(av, ts, false, err) < 0 || feed(av, ts, false, &skipped, err) < 0)
        return -1;
    (void)avcodec_send_packet(av->decoder, NULL); /* it comes out now, without those that follow */
    rc = avcodec_receive_frame(av->decoder, av->held);
    int64_t at = rc == 0 ? time_of(av, av->held) : NONE;
    if (at == NONE || !av->held->key_frame || at < to_stream(av, m->from) ||
        at >= to_stream(av, m->to)) {
        forget(av);
        return 0;
    }
    av->held_at = at;
    return 1;
}

/* ---- pictures ---- */

/* held is what is seen at target: it is not so when the film ended long before. */
static bool is_seen(const struct av *av, int64_t target)
{
    int64_t lasts = av->held->pkt_duration, least = span(av, LAST_FRAME_S);

    if (av->next_at != NONE || target <= av->held_at)
        return true;
    return target <= av->held_at + (lasts > least ? lasts : least);
}

static int emit(struct image **out, double *t, struct av *av, struct err *err)
{
    *t = fmax(0, to_seconds(av, av->held_at));
    return av_to_image(out, av, av->held, err) < 0 ? -1 : 1;
}

int av_picture(struct image **out, double *t, struct av *av, const struct av_moment *m,
               struct err *err)
{
    int64_t target = to_stream(av, m->at), key;
    int rc;

    av_begin(av);
    if (open_decoder(av, err) < 0)
        return -1;
    if (m->from < m->to &&
        !av->indexed) { /* some containers read their index when it is needed first */
        if (seek_before(av, target, false, err) < 0)
            return -1;
        av->indexed = true;
    }
    key = m->from < m->to ? near_key(av, m) : NONE;
    if (key != NONE && must_seek(av, target)) {
        if ((rc = take_key(av, key, m, err)) < 0)
            return -1;
        if (rc) {
            rc = emit(out, t, av, err);
            forget(av); /* the decoder was told that the film ends */
            return rc;
        }
    }
    if (exact(av, target, err) < 0)
        return -1;
    if (av->held_at == NONE && av->next_at != NONE) {
        shift(av); /* before the first frame that one is seen */
        return emit(out, t, av, err);
    }
    if (av->held_at == NONE)
        return av_fail(av, 0, err, "no picture of the film can be decoded");
    return is_seen(av, target) ? emit(out, t, av, err) : 0;
}
