#include "media/av/playlist.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- figures ---- */

double rendition_length(const struct rendition *r)
{
    return r->count ? r->pieces[r->count - 1].from + r->pieces[r->count - 1].length : 0;
}

static double longest(const struct rendition *r)
{
    double most = 0;

    for (int i = 0; i < r->count; i++)
        most = fmax(most, r->pieces[i].length);
    return most;
}

/* Of what a file says of itself anything may come: a whole number, at least 1, that every player
 * reads. */
static int64_t figure(double v) { return (int64_t)fmin(fmax(ceil(v), 1), 9e15); }

/* A rest of some frames says nothing of what a network must bear. */
int64_t rendition_peak(const struct rendition *r)
{
    double least = longest(r) / 2, peak = 0;

    for (int i = 0; i < r->count; i++)
        if (r->pieces[i].length >= least && r->pieces[i].length > 0)
            peak = fmax(peak, (double)r->pieces[i].size * 8 / r->pieces[i].length);
    return figure(peak);
}

int64_t rendition_mean(const struct rendition *r)
{
    double size = 0, length = 0;

    for (int i = 0; i < r->count; i++) {
        size += (double)r->pieces[i].size;
        length += r->pieces[i].length;
    }
    return length > 0 ? figure(size * 8 / length) : 1;
}

const char *rendition_codecs(struct arena *a, const struct rendition *r)
{
    const char *v = r->has_video ? r->video_codec : "", *s = r->has_audio ? r->audio_codec : "";

    return arena_printf(a, "%s%s%s", v, *v && *s ? "," : "", s);
}

const char *playlist_piece_ext(const struct rendition *r) { return r->is_mp4 ? "m4s" : "ts"; }

/* ---- HLS ---- */

void playlist_hls_pieces(struct str *out, const struct rendition *r)
{
    str_addf(out,
             "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-TARGETDURATION:%.0f\n#EXT-X-MEDIA-SEQUENCE:0\n",
             r->is_mp4 ? 7 : 3, fmax(1, round(longest(r))));
    str_puts(out, "#EXT-X-PLAYLIST-TYPE:VOD\n");
    if (r->is_mp4)
        str_puts(out, "#EXT-X-MAP:URI=\"" PLAYLIST_HEAD "\"\n");
    for (int i = 0; i < r->count; i++) {
        str_addf(out, "#EXTINF:%.6f,\n", r->pieces[i].length);
        str_addf(out, PLAYLIST_PIECE_NAME "\n", i, playlist_piece_ext(r));
    }
    str_puts(out, "#EXT-X-ENDLIST\n");
}

/* A quoted string holds no quote and no line break. */
static void add_quoted(struct str *out, const char *s)
{
    str_putc(out, '"');
    for (; *s; s++)
        str_putc(out, *s == '"' ? '\'' : (unsigned char)*s < 0x20 ? ' ' : *s);
    str_putc(out, '"');
}

static void add_sound(struct str *out, const struct playlist_hls *p, int i)
{
    const struct rendition *r = p->sounds[i];

    str_puts(out, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=");
    add_quoted(out, r->name);
    if (*r->language)
        str_addf(out, ",LANGUAGE=\"%s\"", r->language);
    str_addf(out, ",DEFAULT=%s,AUTOSELECT=YES", i == 0 ? "YES" : "NO");
    if (r->channels)
        str_addf(out, ",CHANNELS=\"%d\"", r->channels);
    str_addf(out, ",URI=\"%s/%s\"\n", r->folder, p->list_name);
}

/* Whoever hears one of the group must be told of the most expensive, and of the codecs of all. */
static void add_variant(struct str *out, const struct playlist_hls *p, const struct rendition *r,
                        bool captions)
{
    AUTO(str_done) struct str codecs = {0};
    bool heard = r->has_video && p->sound_count > 0;
    int64_t peak = 0, mean = 0;

    str_puts(&codecs, r->has_video ? r->video_codec : r->audio_codec);
    if (r->has_video && r->has_audio)
        str_addf(&codecs, ",%s", r->audio_codec);
    for (int i = 0; heard && i < p->sound_count; i++) {
        peak = rendition_peak(p->sounds[i]) > peak ? rendition_peak(p->sounds[i]) : peak;
        mean = rendition_mean(p->sounds[i]) > mean ? rendition_mean(p->sounds[i]) : mean;
        if (!strstr(codecs.s, p->sounds[i]->audio_codec))
            str_addf(&codecs, ",%s", p->sounds[i]->audio_codec);
    }
    str_addf(out,
             "#EXT-X-STREAM-INF:BANDWIDTH=%" PRId64 ",AVERAGE-BANDWIDTH=%" PRId64 ",CODECS=\"%s\"",
             rendition_peak(r) + peak, rendition_mean(r) + mean, codecs.s);
    if (r->has_video)
        str_addf(out, ",RESOLUTION=%" PRId64 "x%" PRId64, r->width, r->height);
    if (r->has_video && r->frame_rate > 0)
        str_addf(out, ",FRAME-RATE=%.3f", r->frame_rate);
    if (heard)
        str_puts(out, ",AUDIO=\"audio\"");
    if (captions)
        str_puts(out, ",CLOSED-CAPTIONS=\"cc\"");
    else if (p->no_captions && r->has_video)
        str_puts(out, ",CLOSED-CAPTIONS=NONE");
    str_addf(out, "\n%s/%s\n", r->folder, p->list_name);
}

void playlist_hls_top(struct str *out, const struct playlist_hls *p)
{
    bool mp4 = false, captions = false;

    for (int i = 0; i < p->variant_count; i++) {
        mp4 |= p->variants[i]->is_mp4;
        captions |= p->variants[i]->captions && !p->no_captions;
    }
    str_addf(out, "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-INDEPENDENT-SEGMENTS\n", mp4 ? 7 : 4);
    if (captions)
        str_puts(out, "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"CC1\",INSTREAM-ID="
                      "\"CC1\",AUTOSELECT=YES\n");
    for (int i = 0; i < p->sound_count; i++)
        add_sound(out, p, i);
    for (int i = 0; i < p->variant_count; i++)
        add_variant(out, p, p->variants[i], captions && p->variants[i]->has_video);
}

/* ---- DASH ---- */

static void add_xml(struct str *out, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '&':
            str_puts(out, "&amp;");
            break;
        case '<':
            str_puts(out, "&lt;");
            break;
        case '"':
            str_puts(out, "&quot;");
            break;
        default:
            str_putc(out, *s);
        }
}

static void add_timeline(struct str *out, const struct rendition *r)
{
    str_puts(out, "          <SegmentTimeline>\n");
    for (int i = 0, n; i < r->count; i += n) {
        const struct playlist_piece *p = &r->pieces[i];

        for (n = 1; i + n < r->count && p[n].lasts == p->lasts && p[n].at == p->at + n * p->lasts;
             n++)
            ;
        str_addf(out, "            <S t=\"%" PRId64 "\" d=\"%" PRId64 "\"", p->at < 0 ? 0 : p->at,
                 p->lasts);
        if (n > 1)
            str_addf(out, " r=\"%d\"", n - 1);
        str_puts(out, "/>\n");
    }
    str_puts(out, "          </SegmentTimeline>\n");
}

static void add_rate(struct str *out, double rate)
{
    if (fabs(rate - round(rate)) < 0.0005)
        str_addf(out, " frameRate=\"%.0f\"", rate);
    else if (fabs(rate * 1.001 - round(rate * 1.001)) < 0.001)
        str_addf(out, " frameRate=\"%.0f/1001\"", round(rate * 1.001) * 1000);
    else
        str_addf(out, " frameRate=\"%.0f/1000\"", rate * 1000);
}

static void add_representation(struct str *out, const struct rendition *r)
{
    str_puts(out, "      <Representation id=\"");
    add_xml(out, r->folder);
    str_addf(out, "\" codecs=\"%s\" bandwidth=\"%" PRId64 "\"",
             r->has_video ? r->video_codec : r->audio_codec, rendition_peak(r));
    if (r->has_video) {
        str_addf(out, " width=\"%" PRId64 "\" height=\"%" PRId64 "\"", r->width, r->height);
        if (r->frame_rate > 0)
            add_rate(out, r->frame_rate);
    } else {
        str_addf(out, " audioSamplingRate=\"%d\"", r->sample_rate);
    }
    str_puts(out, ">\n");
    if (!r->has_video && r->channels)
        str_addf(out,
                 "        <AudioChannelConfiguration "
                 "schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" "
                 "value=\"%d\"/>\n",
                 r->channels);
    str_addf(out,
             "        <SegmentTemplate timescale=\"%d\" startNumber=\"0\" "
             "initialization=\"$RepresentationID$/" PLAYLIST_HEAD
             "\" media=\"$RepresentationID$/seg_$Number%%04d$.m4s\">\n",
             r->scale);
    add_timeline(out, r);
    str_puts(out, "        </SegmentTemplate>\n      </Representation>\n");
}

/* Players switch freely within a set: so one for pictures of a codec, and one for sounds of a codec
 * and a language. */
static bool are_of_one_set(const struct rendition *a, const struct rendition *b)
{
    const char *x = a->has_video ? a->video_codec : a->audio_codec,
               *y = b->has_video ? b->video_codec : b->audio_codec;

    return a->has_video == b->has_video && strlen(x) >= 4 && !strncmp(x, y, 4) &&
           !strcmp(a->language, b->language);
}

static void add_set(struct str *out, const struct rendition *const *r, int count, int first, int id)
{
    bool video = r[first]->has_video, captions = false;

    for (int i = first; i < count; i++)
        captions |= are_of_one_set(r[first], r[i]) && r[i]->captions;
    str_addf(out,
             "    <AdaptationSet id=\"%d\" contentType=\"%s\" mimeType=\"%s/mp4\" "
             "segmentAlignment=\"true\" "
             "startWithSAP=\"1\"",
             id, video ? "video" : "audio", video ? "video" : "audio");
    if (!video && *r[first]->language)
        str_addf(out, " lang=\"%s\"", r[first]->language);
    str_puts(out, ">\n");
    if (captions)
        str_puts(out, "      <Accessibility schemeIdUri=\"urn:scte:dash:cc:cea-608:2015\" "
                      "value=\"CC1=und\"/>\n");
    for (int i = first; i < count; i++)
        if (are_of_one_set(r[first], r[i]))
            add_representation(out, r[i]);
    str_puts(out, "    </AdaptationSet>\n");
}

void playlist_dash(struct str *out, const struct rendition *const *r, int count)
{
    double length = 0, piece = 0;
    int id = 0;

    for (int i = 0; i < count; i++) {
        length = fmax(length, rendition_length(r[i]));
        piece = fmax(piece, longest(r[i]));
    }
    str_addf(
        out,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" "
        "profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"static\" "
        "mediaPresentationDuration=\"PT%.3fS\" "
        "maxSegmentDuration=\"PT%.3fS\" minBufferTime=\"PT%.3fS\">\n  <Period id=\"0\" "
        "start=\"PT0S\">\n",
        length, piece, fmin(piece, 4));
    for (int i = 0; i < count; i++) {
        bool is_first = true;

        for (int k = 0; k < i; k++)
            is_first &= !are_of_one_set(r[k], r[i]);
        if (is_first)
            add_set(out, r, count, i, id++);
    }
    str_puts(out, "  </Period>\n</MPD>\n");
}
