/* Targa. It has no mark at its begin: the file is one when its header makes sense and its pixels
 * end where the file, or the mark that newer ones have at their end, begins. Decoded by libav, as
 * BMP is. */
#include "media/still.h"

#include <string.h>

#define HEAD 18
#define FOOT 26
#define PACKED 8     /* in the type: runs */
#define RUN_MOST 128 /* pixels */

enum { PALETTE = 1, COLORS = 2, GREYS = 3 };

static const uint8_t foot_mark[] = "TRUEVISION-XFILE."; /* with its NUL */

struct tga {
    int type; /* PALETTE... */
    bool packed;
    size_t w, h, bytes; /* of a pixel */
    size_t at;          /* of the pixels */
    bool clear;         /* it may have an alpha */
};

static unsigned tga16(const uint8_t *p) { return p[0] | (unsigned)p[1] << 8; }

static bool tga_head(struct tga *t, const uint8_t *p, size_t len)
{
    if (len < HEAD)
        return false;
    int bits = p[16], entry = p[1] ? p[7] : 0;
    size_t colors = p[1] ? (tga16(p + 5) * (size_t)((entry + 7) / 8)) : 0;

    *t = (struct tga){.type = p[2] & ~PACKED,
                      .packed = p[2] & PACKED,
                      .w = tga16(p + 12),
                      .h = tga16(p + 14),
                      .bytes = (size_t)(bits + 7) / 8,
                      .at = HEAD + p[0] + colors,
                      .clear = (p[17] & 15) && (p[1] ? entry : bits) == 32};
    if (p[1] > 1 || (p[2] & ~(PACKED | 3)) || !t->w || !t->h || (p[17] & 0xC0) || t->at > len)
        return false;
    switch (t->type) {
    case PALETTE:
        return p[1] && bits == 8 && tga16(p + 5) && tga16(p + 3) + tga16(p + 5) <= 256 &&
               (entry == 15 || entry == 16 || entry == 24 || entry == 32);
    case COLORS:
        return bits == 15 || bits == 16 || bits == 24 || bits == 32;
    case GREYS:
        return bits == 8;
    default:
        return false;
    }
}

/* Where the pixels end; 0: they are cut off. */
static size_t tga_end(const struct tga *t, const uint8_t *p, size_t len)
{
    size_t pixels = t->w * t->h, at = t->at;

    if (!t->packed)
        return pixels <= (len - at) / t->bytes ? at + pixels * t->bytes : 0;
    if (pixels / RUN_MOST >
        (len - at) / (1 + t->bytes)) /* not even if all runs were as long as can be */
        return 0;
    while (pixels) {
        if (at >= len)
            return 0;
        size_t run = (p[at] & 127u) + 1, n = 1 + (p[at] & 128 ? 1 : run) * t->bytes;

        if (n > len - at)
            return 0;
        at += n;
        pixels -=
            run < pixels ? run : pixels; /* some writers let a run go on behind the last row */
    }
    return at;
}

bool still_is_tga(const uint8_t *data, size_t len)
{
    struct tga t;
    size_t end = tga_head(&t, data, len) ? tga_end(&t, data, len) : 0;

    return end == len ? end > 0
                      : end && len - end >= FOOT &&
                            !memcmp(data + len - sizeof foot_mark, foot_mark, sizeof foot_mark);
}

static int tga_open(struct still *s, struct err *err)
{
    struct tga t;

    if (!tga_head(&t, s->data, s->len))
        return 1;
    if (!tga_end(&t, s->data, s->len))
        return still_broken(err, "it is cut off");
    s->width = (int64_t)t.w;
    s->height = (int64_t)t.h;
    s->bands = t.type == GREYS ? 1 : t.clear ? 4 : 3;
    return 0;
}

/* Where everything would be clear, whoever wrote it has left the alpha out. */
static void mend_alpha(uint8_t *px, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++)
        if (px[4 * i + 3])
            return;
    for (size_t i = 0; i < pixels; i++)
        px[4 * i + 3] = 255;
}

static int tga_pixels(uint8_t *to, struct still *s, struct err *err)
{
    if (still_decode(to, "targa", s->data, s->len, s->width, s->height, s->bands, err) < 0)
        return -1;
    if (s->bands == 4)
        mend_alpha(to, (size_t)s->width * (size_t)s->height);
    return 0;
}

const struct still_reader still_tga = {"tga", tga_open, tga_pixels, NULL};
