/* One picture in memory, by the decoder of libav that is named. */
#include "media/still.h"

#include <libavcodec/avcodec.h>
#include <libavutil/log.h>
#include <libswscale/swscale.h>
#include <string.h>

int still_broken(struct err *err, const char *what)
{
    return err_set(err, ERR_COMMAND, "the picture is broken: %s", what);
}

static void free_still_frame(AVFrame *f) { av_frame_free(&f); }
DEFINE_AUTO(AVFrame *, free_still_frame)
static void free_still_packet(AVPacket *p) { av_packet_free(&p); }
DEFINE_AUTO(AVPacket *, free_still_packet)
static void free_still_decoder(AVCodecContext *c) { avcodec_free_context(&c); }
DEFINE_AUTO(AVCodecContext *, free_still_decoder)

/* The one picture that is in data. pixels: as many as libav may make room for, rows as long as it
 * likes them. */
static int one_frame(AVFrame *f, const char *decoder, const uint8_t *data, size_t len,
                     int64_t pixels, struct err *err)
{
    const AVCodec *codec = avcodec_find_decoder_by_name(decoder);
    AUTO(free_still_decoder) AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;
    AUTO(free_still_packet) AVPacket *p = av_packet_alloc();

    if (!codec)
        return err_set(err, ERR_COMMAND, "there is no decoder for %s", decoder);
    if (!c || !p || len > INT32_MAX / 2 || av_new_packet(p, (int)len) < 0)
        return still_broken(err, "it is too large");
    memcpy(p->data, data, len);
    p->flags |= AV_PKT_FLAG_KEY;
    c->thread_count = 1;
    c->max_pixels = pixels;
    av_log_set_level(AV_LOG_QUIET);
    if (avcodec_open2(c, codec, NULL) < 0 || avcodec_send_packet(c, p) < 0 ||
        avcodec_send_packet(c, NULL) < 0 || avcodec_receive_frame(c, f) < 0 ||
        f->decode_error_flags)
        return still_broken(err, "its pixels can't be read");
    return 0;
}

int still_decode(uint8_t *to, const char *decoder, const uint8_t *data, size_t len, int64_t w,
                 int64_t h, int bands, struct err *err)
{
    static const enum AVPixelFormat formats[] = {AV_PIX_FMT_NONE, AV_PIX_FMT_GRAY8, AV_PIX_FMT_YA8,
                                                 AV_PIX_FMT_RGB24, AV_PIX_FMT_RGBA};
    AUTO(free_still_frame) AVFrame *f = av_frame_alloc();
    struct SwsContext *sws;
    int rows;

    if (!f)
        return still_broken(err, "out of memory");
    if (one_frame(f, decoder, data, len, (w + 128) * h, err) < 0)
        return -1;
    if (f->width != w || f->height != h)
        return still_broken(err, "it has another size than it says");
    if (!(sws = sws_getContext(f->width, f->height, f->format, f->width, f->height, formats[bands],
                               SWS_POINT, NULL, NULL, NULL)))
        return still_broken(err, "its pixels are of an unknown kind");
    rows = sws_scale(sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height,
                     (uint8_t *const[]){to, NULL, NULL, NULL},
                     (const int[]){f->width * bands, 0, 0, 0});
    sws_freeContext(sws);
    return rows == f->height ? 0 : still_broken(err, "its pixels can't be converted");
}
