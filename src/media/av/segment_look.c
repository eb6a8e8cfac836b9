#include "media/av/private.h"
#include "media/av/segment.h"

#include <libavutil/avstring.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AT_ANY_TIME "mpegts,mpeg,flv" /* containers whose clock begins anywhere */
#define FIRST_PACKETS 500
#define PRIMING_S                                                                                  \
    0.1 /* sound that begins so little before the pictures is what its encoder puts in front */

struct looking {
    struct segment_look *out;
    struct av *av;
    AVStream *video, *audio; /* NULL: none */
    int64_t last[2];         /* dts of video and audio */
    int room, most; /* most: packets that are read; 0: all */
};

AVStream *segment_stream(struct av *av, enum AVMediaType kind)
{
    for (unsigned i = 0; i < av->file->nb_streams; i++) {
        AVStream *s = av->file->streams[i];

        if (s->codecpar->codec_type == kind && !(s->disposition & AV_DISPOSITION_ATTACHED_PIC))
            return s;
    }
    return NULL;
}

static void look_add_key(struct segment_look *out, struct looking *l, double at)
{
    if (out->key_count == l->room) {
        l->room = l->room ? l->room * 2 : 64;
        out->keys = mem_realloc(out->keys, (size_t)l->room * sizeof *out->keys);
    }
    out->keys[out->key_count++] = at;
}

/* ATSC A/53 user data: country, provider, "GA94", captions. */
static bool look_has_captions(const AVPacket *p)
{
    static const char mark[] = "\xb5\x00\x31GA94\x03";

    return memmem(p->data, (size_t)p->size, mark, sizeof mark - 1);
}

static void look_at_packet(struct looking *l, const AVPacket *p)
{
    bool is_video = l->video && p->stream_index == l->video->index;
    const AVStream *s = is_video ? l->video : l->audio;
    struct segment_track *t = is_video ? &l->out->video : &l->out->audio;
    double base = av_q2d(s->time_base);

    if (p->pts == NONE || p->dts == NONE || p->pts < p->dts ||
        (l->last[is_video] != NONE && p->dts <= l->last[is_video])) {
        l->out->has_times = false;
        return;
    }
    l->last[is_video] = p->dts;
    if (is_video && p->flags & AV_PKT_FLAG_DISCARD) {
        l->out->has_hidden = true;
        return;
    }
    double at = (double)p->pts * base;
    if (!t->bytes || at < t->from)
        t->from = at;
    t->to = fmax(t->bytes ? t->to : at, at + (double)p->duration * base);
    t->bytes += p->size;
    if (is_video && p->flags & AV_PKT_FLAG_KEY) {
        look_add_key(l->out, l, at);
        l->out->captions = l->out->captions || look_has_captions(p);
    }
}

/* Files that begin anywhere begin with their first picture, or with sound that is much before it;
 * others at 0. */
static double look_zero(const struct looking *l)
{
    const struct segment_look *o = l->out;

    if (!av_match_name(l->av->file->iformat->name, AT_ANY_TIME))
        return 0;
    if (!l->video)
        return o->audio.from;
    return l->audio && o->audio.bytes && o->audio.from < o->video.from - PRIMING_S ? o->audio.from
                                                                                   : o->video.from;
}

static void look_at_parameters(struct looking *l)
{
    struct segment_look *o = l->out;

    o->info = l->av->info;
    if (l->video) {
        AVRational rate = l->video->avg_frame_rate;

        o->video.is_there = true;
        o->video.codec = avcodec_get_name(l->video->codecpar->codec_id);
        av_codec_name(o->video.name, l->video->codecpar);
        o->width = l->video->codecpar->width;
        o->height = l->video->codecpar->height;
        o->frame_rate = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
        o->orientation = av_orientation(l->video);
        o->shown_width = l->av->info.width;
        o->shown_height = l->av->info.height;
    }
    if (l->audio) {
        const AVDictionaryEntry *language = av_dict_get(l->audio->metadata, "language", NULL, 0);

        o->audio.is_there = true;
        o->audio.codec = avcodec_get_name(l->audio->codecpar->codec_id);
        av_codec_name(o->audio.name, l->audio->codecpar);
        o->sample_rate = l->audio->codecpar->sample_rate;
        o->channels = l->audio->codecpar->ch_layout.nb_channels;
        if (language && strlen(language->value) == 3 && strcmp(language->value, "und") != 0 &&
            strspn(language->value, "abcdefghijklmnopqrstuvwxyz") == 3)
            memcpy(o->language, language->value, 4);
    }
}

static int look_read(struct looking *l, struct err *err)
{
    AVPacket *p = av_packet_alloc();

    if (!p)
        abort();
    for (int n = 0; (!l->most || n < l->most) && av_read_frame(l->av->file, p) >= 0; n++) {
        if ((l->video && p->stream_index == l->video->index) ||
            (l->audio && p->stream_index == l->audio->index))
            look_at_packet(l, p);
        av_packet_unref(p);
    }
    av_packet_free(&p);
    return av_is_late(l->av) ? av_fail(l->av, 0, err, "read the film") : 0;
}

static void look_from_zero(struct segment_look *o)
{
    struct segment_track *tracks[] = {&o->video, &o->audio};

    for (size_t i = 0; i < ARRAY_LEN(tracks); i++) {
        tracks[i]->from -= o->zero;
        tracks[i]->to -= o->zero;
    }
    for (int i = 0; i < o->key_count; i++)
        o->keys[i] -= o->zero;
}

static int look_open(struct looking *l, struct av **av, const char *path,
                     const struct media_limits *limits, struct err *err)
{
    if (av_open(av, path, &(struct av_open){.limits = *limits, .unmeasured = true}, err) < 0)
        return -1;
    l->av = *av;
    l->video = segment_stream(*av, AVMEDIA_TYPE_VIDEO);
    l->audio = segment_stream(*av, AVMEDIA_TYPE_AUDIO);
    for (unsigned i = 0; i < (*av)->file->nb_streams; i++) {
        AVStream *s = (*av)->file->streams[i];

        s->discard = s == l->video || s == l->audio ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    }
    av_begin(*av);
    return 0;
}

int segment_zero(double *out, const char *path, const struct media_limits *limits, struct err *err)
{
    AUTO(av_close) struct av *av = NULL;
    struct segment_look look = {0};
    struct looking l = {.out = &look, .last = {NONE, NONE}, .most = FIRST_PACKETS};

    if (look_open(&l, &av, path, limits, err) < 0)
        return -1;
    int rc = av_match_name(av->file->iformat->name, AT_ANY_TIME) ? look_read(&l, err) : 0;
    free(look.keys);
    *out = rc < 0 ? 0 : look_zero(&l);
    return rc;
}

int segment_look(struct segment_look *out, struct arena *a, const char *path,
                 const struct media_limits *limits, struct err *err)
{
    AUTO(av_close) struct av *av = NULL;
    struct looking l = {.out = out, .last = {NONE, NONE}};

    *out = (struct segment_look){.orientation = 1, .has_times = true};
    if (look_open(&l, &av, path, limits, err) < 0)
        return -1;
    look_at_parameters(&l);
    int rc = look_read(&l, err);
    if (out->keys)
        arena_defer(a, free, out->keys);
    if (rc < 0)
        return -1;
    out->has_times &= (!l.video || out->video.bytes) && (!l.audio || out->audio.bytes);
    out->zero = look_zero(&l);
    look_from_zero(out);
    return 0;
}
