/* What is in a file, in the words of the ffprobe program: media/probe.c makes meta of it. */
#include "base/str.h"
#include "media/av/private.h"

#include <libavutil/channel_layout.h>
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
#include <math.h>

static void set_text(json_t *o, const char *key, const char *text)
{
    if (text)
        json_object_set_new(o, key, jstring(text));
}

static void set_number_text(json_t *o, const char *key, int64_t v)
{
    AUTO(mem_free) char *text = mem_printf("%lld", (long long)v);

    if (v > 0)
        set_text(o, key, text);
}

static void set_ratio(json_t *o, const char *key, AVRational q, char between)
{
    AUTO(mem_free) char *text = mem_printf("%d%c%d", q.num, between, q.den);

    set_text(o, key, text);
}

static void set_time(json_t *o, const char *key, int64_t ts, AVRational base)
{
    AUTO(mem_free) char *text = mem_printf("%f", (double)ts * av_q2d(base));

    if (ts != NONE)
        set_text(o, key, text);
}

/* Tags of WAV, AVI and old MP3 files name no character set: each is judged alone, with its name. */
static void set_tags(json_t *o, const AVDictionary *tags)
{
    const AVDictionaryEntry *e = NULL;
    json_t *all = json_object();

    while ((e = av_dict_get(tags, "", e, AV_DICT_IGNORE_SUFFIX))) {
        AUTO(mem_free) char *both = mem_printf("%s\n%s", e->key, e->value);
        AUTO(mem_free) char *text = utf8_from_unknown(both, strlen(both));
        char *value = strchr(text, '\n');

        if (value) {
            *value++ = 0;
            json_object_set_new(all, text, jstring(value));
        }
    }
    json_object_set_new(o, "tags", all);
}

static void set_profile(json_t *o, const AVCodecParameters *p)
{
    const char *name = avcodec_profile_name(p->codec_id, p->profile);
    AUTO(mem_free) char *number = mem_printf("%d", p->profile);

    if (name || p->profile != FF_PROFILE_UNKNOWN)
        set_text(o, "profile", name ? name : number);
}

static void describe_video(json_t *o, AVFormatContext *file, AVStream *s, const AVCodecContext *d)
{
    static const char *const orders[] = {[AV_FIELD_PROGRESSIVE] = "progressive",
                                         [AV_FIELD_TT] = "tt",
                                         [AV_FIELD_BB] = "bb",
                                         [AV_FIELD_TB] = "tb",
                                         [AV_FIELD_BT] = "bt"};
    const AVCodecParameters *p = s->codecpar;
    AVRational sar = av_guess_sample_aspect_ratio(file, s, NULL);
    size_t size = 0;
    const int32_t *matrix =
        (const int32_t *)av_stream_get_side_data(s, AV_PKT_DATA_DISPLAYMATRIX, &size);

    json_object_set_new(o, "width", json_integer(p->width));
    json_object_set_new(o, "height", json_integer(p->height));
    if (sar.num)
        set_ratio(o, "sample_aspect_ratio", sar, ':');
    set_text(o, "pix_fmt", av_get_pix_fmt_name(p->format));
    json_object_set_new(o, "level", json_integer(p->level));
    if (p->color_space != AVCOL_SPC_UNSPECIFIED)
        set_text(o, "color_space", av_color_space_name(p->color_space));
    if (p->color_trc != AVCOL_TRC_UNSPECIFIED)
        set_text(o, "color_transfer", av_color_transfer_name(p->color_trc));
    if (p->color_primaries != AVCOL_PRI_UNSPECIFIED)
        set_text(o, "color_primaries", av_color_primaries_name(p->color_primaries));
    if (p->field_order > 0 && (size_t)p->field_order < ARRAY_LEN(orders))
        set_text(o, "field_order", orders[p->field_order]);
    if (d)
        json_object_set_new(o, "refs", json_integer(d->refs));
    if (matrix && size >= 9 * sizeof *matrix) {
        double turn = av_display_rotation_get(matrix);

        json_object_set_new(o, "side_data_list",
                            json_pack("[{s:i}]", "rotation", isnan(turn) ? 0 : (int)turn));
    }
}

static void describe_audio(json_t *o, const AVStream *s)
{
    const AVCodecParameters *p = s->codecpar;
    char layout[128];

    set_text(o, "sample_fmt", av_get_sample_fmt_name(p->format));
    set_number_text(o, "sample_rate", p->sample_rate);
    json_object_set_new(o, "channels", json_integer(p->ch_layout.nb_channels));
    if (p->ch_layout.order != AV_CHANNEL_ORDER_UNSPEC &&
        av_channel_layout_describe(&p->ch_layout, layout, sizeof layout) > 0)
        set_text(o, "channel_layout", layout);
    json_object_set_new(o, "bits_per_sample", json_integer(av_get_bits_per_sample(p->codec_id)));
}

/* A decoder knows more of its stream than the container does. NULL: there is none for it. */
static int describe_decoder(AVCodecContext **out, struct av *av, const AVStream *s, struct err *err)
{
    const AVCodec *c = avcodec_find_decoder(s->codecpar->codec_id);
    int rc;

    *out = c ? avcodec_alloc_context3(c) : NULL;
    if (!*out)
        return 0;
    (*out)->thread_count = 1;
    (*out)->pkt_timebase = s->time_base;
    if ((rc = avcodec_parameters_to_context(*out, s->codecpar)) >= 0 &&
        (rc = avcodec_open2(*out, c, NULL)) >= 0)
        return 0;
    avcodec_free_context(out);
    return av_fail(av, rc, err, "the decoder does not take a stream of the file");
}

static int describe_stream(json_t *list, struct av *av, AVStream *s, struct err *err)
{
    const AVCodecParameters *p = s->codecpar;
    const AVCodecDescriptor *codec = avcodec_descriptor_get(p->codec_id);
    AVCodecContext *d;
    json_t *o;

    if (describe_decoder(&d, av, s, err) < 0)
        return -1;
    o = json_pack("{s:i}", "index", s->index);
    set_text(o, "codec_name", codec ? codec->name : NULL);
    set_profile(o, p);
    set_text(o, "codec_type", av_get_media_type_string(p->codec_type));
    if (p->codec_type == AVMEDIA_TYPE_VIDEO)
        describe_video(o, av->file, s, d);
    else if (p->codec_type == AVMEDIA_TYPE_AUDIO)
        describe_audio(o, s);
    set_ratio(o, "r_frame_rate", s->r_frame_rate, '/');
    set_ratio(o, "avg_frame_rate", s->avg_frame_rate, '/');
    set_ratio(o, "time_base", s->time_base, '/');
    set_time(o, "duration", s->duration, s->time_base);
    set_number_text(o, "bit_rate", p->bit_rate);
    set_number_text(o, "bits_per_raw_sample", d ? d->bits_per_raw_sample : 0);
    json_object_set_new(
        o, "disposition",
        json_pack("{s:i}", "attached_pic", !!(s->disposition & AV_DISPOSITION_ATTACHED_PIC)));
    set_tags(o, s->metadata);
    json_array_append_new(list, o);
    avcodec_free_context(&d);
    return 0;
}

json_t *av_describe(const char *path, const struct media_limits *limits, struct err *err)
{
    AUTO(av_close) struct av *av = NULL;
    AUTO(json_unref) json_t *streams = json_array();
    const struct av_open how = {
        .limits = {.timeout_s = limits->timeout_s}}; /* what may be shown is not what may be told */
    json_t *format;

    if (av_open_streams(&av, path, &how, err) < 0)
        return NULL;
    for (unsigned i = 0; i < av->file->nb_streams; i++)
        if (describe_stream(streams, av, av->file->streams[i], err) < 0)
            return NULL;
    format = json_object();
    set_text(format, "format_name", av->file->iformat->name);
    set_time(format, "duration", av->file->duration, AV_TIME_BASE_Q);
    set_number_text(format, "bit_rate", av->file->bit_rate);
    set_tags(format, av->file->metadata);
    return json_pack("{s:O,s:o}", "streams", streams, "format", format);
}
