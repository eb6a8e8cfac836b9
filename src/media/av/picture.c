/* Frames as images: sRGB, upright, square pixels. And images through libav's filters. */
#include "media/av/private.h"

#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <stdio.h>
#include <string.h>

/* High dynamic range on a screen that has none: the colours of Rec. 709, bright parts bent down
 * rather than cut off. */
static const char hdr_chain[] =
    "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=mobius:desat=0,"
    "zscale=t=bt709:m=bt709:r=full";

static void free_graph(AVFilterGraph *g) { avfilter_graph_free(&g); }
DEFINE_AUTO(AVFilterGraph *, free_graph)
static void free_frame(AVFrame *f) { av_frame_free(&f); }
DEFINE_AUTO(AVFrame *, free_frame)
static void free_scaler(struct SwsContext *s) { sws_freeContext(s); }
DEFINE_AUTO(struct SwsContext *, free_scaler)
static void free_pixels(uint8_t *p) { free(p); }
DEFINE_AUTO(uint8_t *, free_pixels)

/* ---- filters ---- */

static int build(AVFilterGraph *g, AVFilterContext **in, AVFilterContext **out, const AVFrame *f,
                 const char *chain)
{
    AVFilterInOut *from = avfilter_inout_alloc(), *to = avfilter_inout_alloc();
    char source[200];
    int rc;

    if (!from || !to)
        abort();
    g->nb_threads = 1;
    snprintf(source, sizeof source, "video_size=%dx%d:pix_fmt=%d:time_base=1/1000:pixel_aspect=1/1",
             f->width, f->height, f->format);
    if ((rc = avfilter_graph_create_filter(in, avfilter_get_by_name("buffer"), "in", source, NULL,
                                           g)) >= 0)
        rc = avfilter_graph_create_filter(out, avfilter_get_by_name("buffersink"), "out", NULL,
                                          NULL, g);
    if (rc >= 0) {
        *from = (AVFilterInOut){av_strdup("in"), *in, 0, NULL};
        *to = (AVFilterInOut){av_strdup("out"), *out, 0, NULL};
        rc = avfilter_graph_parse_ptr(g, chain, &to, &from, NULL);
    }
    if (rc >= 0)
        rc = avfilter_graph_config(g, NULL);
    avfilter_inout_free(&from);
    avfilter_inout_free(&to);
    return rc;
}

/* The first frame that comes out of the chain for f. */
static int run_chain(AVFrame *result, AVFrame *f, const char *chain)
{
    AUTO(free_graph) AVFilterGraph *g = avfilter_graph_alloc();
    AVFilterContext *in = NULL, *out = NULL;
    int rc;

    if (!g)
        abort();
    if ((rc = build(g, &in, &out, f, chain)) < 0 || (rc = av_buffersrc_write_frame(in, f)) < 0)
        return rc;
    rc = av_buffersink_get_frame(out, result);
    if (rc == AVERROR(EAGAIN)) { /* it waits for more: there is none */
        if ((rc = av_buffersrc_add_frame(in, NULL)) >= 0)
            rc = av_buffersink_get_frame(out, result);
    }
    return rc;
}

/* ---- pixels ---- */

static bool frame_has_alpha(const AVFrame *f)
{
    const AVPixFmtDescriptor *form = av_pix_fmt_desc_get(f->format);

    return form && form->flags & AV_PIX_FMT_FLAG_ALPHA;
}

/* "yuvj420p" and its kind say "full range" by their name; libswscale wants that said otherwise. */
static enum AVPixelFormat plain_format(enum AVPixelFormat f, bool *full)
{
    static const enum AVPixelFormat old[][2] = {{AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUV420P},
                                                {AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUV422P},
                                                {AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUV444P},
                                                {AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUV440P},
                                                {AV_PIX_FMT_YUVJ411P, AV_PIX_FMT_YUV411P}};

    for (size_t i = 0; i < ARRAY_LEN(old); i++)
        if (f == old[i][0]) {
            *full = true;
            return old[i][1];
        }
    return f;
}

static int color_matrix(const AVFrame *f)
{
    switch (f->colorspace) {
    case AVCOL_SPC_BT709:
        return SWS_CS_ITU709;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
        return SWS_CS_BT2020;
    case AVCOL_SPC_SMPTE240M:
        return SWS_CS_SMPTE240M;
    case AVCOL_SPC_FCC:
        return SWS_CS_FCC;
    default:
        return SWS_CS_DEFAULT; /* what encoders do that say nothing */
    }
}

static int to_pixels(struct image **out, const AVFrame *f, int orientation, struct err *err)
{
    bool full = f->color_range == AVCOL_RANGE_JPEG, alpha = frame_has_alpha(f);
    enum AVPixelFormat form = plain_format(f->format, &full);
    int bands = alpha ? 4 : 3, w = f->width, h = f->height;
    AUTO(free_scaler)
    struct SwsContext *sws =
        sws_getContext(w, h, form, w, h, alpha ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24,
                       SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP,
                       NULL, NULL, NULL);

    if (!sws)
        return err_set(err, ERR_COMMAND, "frames of the form %s can't be shown",
                       av_get_pix_fmt_name(f->format));
    sws_setColorspaceDetails(sws, sws_getCoefficients(color_matrix(f)), full,
                             sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
    /* it may write a little behind the last row */
    AUTO(free_pixels) uint8_t *pixels = mem_zalloc((size_t)w * (size_t)h * (size_t)bands + 64);
    uint8_t *rows[4] = {pixels};
    int stride[4] = {w * bands};
    if (sws_scale(sws, (const uint8_t *const *)f->data, f->linesize, 0, h, rows, stride) != h)
        return err_set(err, ERR_COMMAND, "the frame can't be shown");
    return image_from_pixels(out, pixels, w, h, bands, orientation, err);
}

int av_to_image(struct image **out, struct av *av, AVFrame *frame, struct err *err)
{
    AUTO(free_frame) AVFrame *bent = av_frame_alloc();
    const AVFrame *f = frame;
    AUTO(image_free) struct image *img = NULL;
    bool hdr =
        frame->color_trc == AVCOL_TRC_SMPTE2084 || frame->color_trc == AVCOL_TRC_ARIB_STD_B67;

    if ((double)frame->width * frame->height > (double)av->how.limits.max_pixels)
        return err_set(
            err, ERR_COMMAND,
            "a picture of the film has %dx%d pixels, the limit is %lld in all (setting max_pixels)",
            frame->width, frame->height, (long long)av->how.limits.max_pixels);
    if (hdr && bent && run_chain(bent, frame, hdr_chain) >= 0)
        f = bent; /* else by its numbers: flat, but a picture */
    if (to_pixels(&img, f, av->info.orientation, err) < 0)
        return -1;
    if (image_scale(img, fit_round(f->width * av->info.pixel_aspect), f->height, false, err) < 0 ||
        image_autorotate(img, err) < 0 || image_render(img, err) < 0)
        return -1;
    *out = take(img);
    return 0;
}

int av_filter(struct image **img, const char *chain, double t, const struct media_limits *limits,
              struct err *err)
{
    int w = (int)image_width(*img), h = (int)image_height(*img);
    AUTO(free_frame) AVFrame *in = av_frame_alloc();
    AUTO(free_frame) AVFrame *result = av_frame_alloc();
    AUTO(free_pixels) uint8_t *pixels = NULL;
    AUTO(mem_free) char *whole = NULL;
    AUTO(image_free) struct image *now = NULL;
    char why[AV_ERROR_MAX_STRING_SIZE] = "";
    int bands, rc;

    if (!in || !result)
        abort();
    if (image_pixels(&pixels, &bands, *img, err) < 0)
        return -1;
    in->width = w;
    in->height = h;
    in->format = bands == 4 ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24;
    in->pts = (int64_t)(t * 1000);
    if (av_frame_get_buffer(in, 0) < 0)
        abort();
    for (int y = 0; y < h; y++)
        memcpy(in->data[0] + (ptrdiff_t)y * in->linesize[0],
               pixels + (size_t)y * (size_t)(w * bands), (size_t)(w * bands));
    whole = mem_printf("%s,format=%s", chain, bands == 4 ? "rgba" : "rgb24");
    if ((rc = run_chain(result, in, whole)) < 0) {
        av_strerror(rc, why, sizeof why);
        return err_set(err, ERR_USER_COMMAND, "the filters of `ffmpeg` fail: %s", why);
    }
    if ((double)result->width * result->height > (double)limits->max_pixels)
        return err_set(err, ERR_USER_COMMAND,
                       "the filters of `ffmpeg` make a picture of %dx%d pixels, the limit is %lld "
                       "in all (setting max_pixels)",
                       result->width, result->height, (long long)limits->max_pixels);
    if (to_pixels(&now, result, 1, err) < 0)
        return -1;
    image_free(*img);
    *img = take(now);
    return 0;
}
