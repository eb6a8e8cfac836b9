/* What playlists call a codec: RFC 6381, and the documents of each codec's mapping to ISO files. */
#include "media/av/private.h"

#include <stdio.h>
#include <string.h>

/* The first NAL unit of this kind behind start codes: its first byte. NULL: there is none. */
static const uint8_t *codec_nal(const uint8_t *p, size_t len, int shift, int kind)
{
    for (size_t i = 0; i + 4 < len; i++)
        if (!p[i] && !p[i + 1] && p[i + 2] == 1 &&
            ((p[i + 3] >> shift) & (shift ? 0x3f : 0x1f)) == kind)
            return p + i + 3;
    return NULL;
}

static void codec_h264(char *out, size_t room, const AVCodecParameters *p)
{
    const uint8_t *e = p->extradata, *sps = NULL;
    size_t len = (size_t)p->extradata_size;

    if (len >= 4 && e[0] == 1)
        sps = e;
    else if (len >= 8 && (sps = codec_nal(e, len, 0, 7)) && sps + 3 >= e + len)
        sps = NULL;
    if (sps)
        snprintf(out, room, "avc1.%02x%02x%02x", sps[1], sps[2], sps[3]);
    else if (p->profile > 0 && p->level > 0)
        snprintf(out, room, "avc1.%02x%02x%02x", p->profile & 0xff,
                 p->profile & FF_PROFILE_H264_CONSTRAINED ? 0x40 : 0, p->level & 0xff);
}

/* The twelve bytes of profile, tier and level; false: they are not there. Behind start codes a 3 is
 * put in after two zeros. */
static bool codec_ptl(uint8_t ptl[12], const uint8_t *e, size_t len)
{
    const uint8_t *sps;
    int n = 0, zeros = 0;

    if (len >= 23 && e[0] == 1) {
        memcpy(ptl, e + 1, 12);
        return true;
    }
    if (len < 8 || !(sps = codec_nal(e, len, 1, 33)))
        return false;
    for (const uint8_t *p = sps + 3; p < e + len && n < 12; p++) {
        if (zeros >= 2 && *p == 3) {
            zeros = 0;
            continue;
        }
        zeros = *p ? 0 : zeros + 1;
        ptl[n++] = *p;
    }
    return n == 12;
}

static void codec_hevc(char *out, size_t room, const AVCodecParameters *p)
{
    static const char *const spaces[] = {"", "A", "B", "C"};
    uint8_t ptl[12];
    uint32_t compat = 0, turned = 0;
    size_t n;
    int last = 9;

    if (!codec_ptl(ptl, p->extradata, (size_t)p->extradata_size))
        return;
    for (int i = 1; i <= 4; i++)
        compat = compat << 8 | ptl[i];
    for (int i = 0; i < 32; i++)
        turned |= (compat >> i & 1) << (31 - i);
    n = (size_t)snprintf(out, room, "hvc1.%s%d.%X.%c%d", spaces[ptl[0] >> 6], ptl[0] & 0x1f,
                         (unsigned)turned, ptl[0] & 0x20 ? 'H' : 'L', ptl[11]);
    for (last = 10; last > 5 && !ptl[last]; last--)
        ;
    for (int i = 5; i <= last && n < room; i++)
        n += (size_t)snprintf(out + n, room - n, ".%X", ptl[i]);
}

static void codec_av1(char *out, size_t room, const AVCodecParameters *p)
{
    const uint8_t *e = p->extradata;

    if (p->extradata_size >= 4 && e[0] == 0x81)
        snprintf(out, room, "av01.%d.%02d%c.%02d", e[1] >> 5, e[1] & 0x1f, e[2] & 0x80 ? 'H' : 'M',
                 !(e[2] & 0x40) ? 8
                 : e[2] & 0x20  ? 12
                                : 10);
    else if (p->profile >= 0 && p->level >= 0)
        snprintf(out, room, "av01.%d.%02dM.%02d", p->profile, p->level, 8);
}

/* The level is that of the size alone: decoders look at nothing else of it. */
static void codec_vp9(char *out, size_t room, const AVCodecParameters *p)
{
    int64_t px = (int64_t)p->width * p->height;
    int profile = p->profile > 0 ? p->profile : 0;

    snprintf(out, room, "vp09.%02d.%d.%02d", profile,
             px > 8912896   ? 61
             : px > 2228224 ? 51
             : px > 983040  ? 41
                            : 31,
             profile >= 2 ? 10 : 8);
}

void av_codec_name(char out[static 64], const AVCodecParameters *p)
{
    static const struct {
        enum AVCodecID id;
        const char *name;
    } plain[] = {{AV_CODEC_ID_OPUS, "opus"},      {AV_CODEC_ID_AC3, "ac-3"},
                 {AV_CODEC_ID_EAC3, "ec-3"},      {AV_CODEC_ID_FLAC, "fLaC"},
                 {AV_CODEC_ID_MP3, "mp4a.40.34"}, {AV_CODEC_ID_ALAC, "alac"}};

    out[0] = 0;
    switch (p->codec_id) {
    case AV_CODEC_ID_H264:
        codec_h264(out, 64, p);
        return;
    case AV_CODEC_ID_HEVC:
        codec_hevc(out, 64, p);
        return;
    case AV_CODEC_ID_AV1:
        codec_av1(out, 64, p);
        return;
    case AV_CODEC_ID_VP9:
        codec_vp9(out, 64, p);
        return;
    case AV_CODEC_ID_AAC:
        snprintf(out, 64, "mp4a.40.%d", p->profile >= 0 ? p->profile + 1 : 2);
        return;
    default:
        break;
    }
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (plain[i].id == p->codec_id)
            snprintf(out, 64, "%s", plain[i].name);
}
