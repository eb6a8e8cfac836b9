/* BMP, and ICO files, whose pictures are BMP without its head, or PNG. */
#include "media/still.h"

#include <string.h>

#define FILE_HEAD 14

static unsigned little16(const uint8_t *p) { return p[0] | (unsigned)p[1] << 8; }
static uint32_t bmp32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* What a header of that kind says, which begins at p. */
struct bmp_head {
    uint32_t len; /* of the header */
    int64_t w, h;
    unsigned bits;
    uint32_t colors; /* in its palette */
};

static int read_head(struct bmp_head *b, const uint8_t *p, size_t len, struct err *err)
{
    if (len < 16)
        return still_broken(err, "its header is cut off");
    b->len = bmp32(p);
    if (b->len == 12) {
        *b = (struct bmp_head){12, little16(p + 4), little16(p + 6), little16(p + 10), 0};
        return 0;
    }
    if (b->len < 16 || b->len > len || len < 40)
        return still_broken(err, "its header is cut off");
    *b = (struct bmp_head){b->len, (int32_t)bmp32(p + 4), (int32_t)bmp32(p + 8), little16(p + 14),
                           b->len >= 36 ? bmp32(p + 32) : 0};
    b->h = b->h < 0 ? -b->h : b->h; /* from the top down */
    return b->w < 0 ? still_broken(err, "it has no width") : 0;
}

static int bmp_open(struct still *s, struct err *err)
{
    struct bmp_head b;

    if (s->len < FILE_HEAD || read_head(&b, s->data + FILE_HEAD, s->len - FILE_HEAD, err) < 0)
        return s->len < FILE_HEAD ? still_broken(err, "its header is cut off") : -1;
    s->width = b.w;
    s->height = b.h;
    s->bands = b.bits == 32 || b.bits == 16 ? 4 : 3; /* those may have an alpha */
    return 0;
}

static int bmp_pixels(uint8_t *to, struct still *s, struct err *err)
{
    return still_decode(to, "bmp", s->data, s->len, s->width, s->height, s->bands, err);
}

const struct still_reader still_bmp = {"bmp", bmp_open, bmp_pixels, NULL};

/* ---- ICO ---- */

#define ENTRY 16
static const uint8_t png_mark[] = "\x89PNG\r\n\x1A\n";

/* Where the picture lies that is taken: the largest, of those the one with the most colours. */
struct icon {
    const uint8_t *p;
    size_t len;
    bool png;
    struct bmp_head b;
};

static int read_icon(struct icon *i, const uint8_t *p, size_t len, struct err *err)
{
    *i = (struct icon){.p = p, .len = len, .png = len >= 33 && !memcmp(p, png_mark, 8)};
    if (!i->png) {
        if (read_head(&i->b, p, len, err) < 0)
            return -1;
        i->b.h /= 2; /* the mask stands below the picture */
        return 0;
    }
    i->b.w = (int64_t)p[16] << 24 | p[17] << 16 | p[18] << 8 | p[19];
    i->b.h = (int64_t)p[20] << 24 | p[21] << 16 | p[22] << 8 | p[23];
    i->b.bits = 32;
    return 0;
}

static bool is_better(const struct icon *a, const struct icon *b)
{
    double size = (double)a->b.w * (double)a->b.h, best = (double)b->b.w * (double)b->b.h;

    return size != best ? size > best : a->b.bits > b->b.bits;
}

static int ico_open(struct still *s, struct err *err)
{
    unsigned count = s->len >= 6 ? little16(s->data + 4) : 0;
    struct icon best = {0}, one;
    struct err none;

    for (size_t i = 0; i < count && 6 + (i + 1) * ENTRY <= s->len; i++) {
        const uint8_t *e = s->data + 6 + i * ENTRY;
        uint32_t len = bmp32(e + 8), at = bmp32(e + 12);

        if (at < s->len && len <= s->len - at && read_icon(&one, s->data + at, len, &none) == 0 &&
            is_better(&one, &best))
            best = one;
    }
    if (!best.p)
        return still_broken(err, "there is no icon in it");
    s->width = best.b.w;
    s->height = best.b.h;
    s->bands = 4;
    s->own = memcpy(mem_alloc(sizeof best), &best, sizeof best);
    return 0;
}

static void ico_close(struct still *s) { free(s->own); }

/* A whole BMP file of it: with the head that it lacks, and without the mask. The caller frees. */
static uint8_t *as_bmp(size_t *len, const struct icon *i)
{
    size_t palette = i->b.bits <= 8 ? (size_t)4 << i->b.bits : 0;
    uint32_t at;
    uint8_t *p;

    if (i->b.bits <= 8 && i->b.colors && i->b.colors < 1u << i->b.bits)
        palette = 4 * (size_t)i->b.colors;
    if (i->b.len < 40)
        return NULL;
    *len = FILE_HEAD + i->len;
    p = mem_zalloc(*len);
    memcpy(p, "BM", 2);
    at = (uint32_t)(FILE_HEAD + i->b.len + palette);
    for (int k = 0; k < 4; k++) {
        p[2 + k] = (uint8_t)(*len >> 8 * k);
        p[10 + k] = (uint8_t)(at >> 8 * k);
    }
    memcpy(p + FILE_HEAD, i->p, i->len);
    for (int k = 0; k < 4; k++)
        p[FILE_HEAD + 8 + k] = (uint8_t)((uint64_t)i->b.h >> 8 * k);
    return p;
}

/* The mask, a bit a pixel, from the bottom up: what is 1 is clear. Where the picture has an alpha
 * of its own that counts. */
static void apply_mask(uint8_t *px, const struct icon *i)
{
    size_t w = (size_t)i->b.w, h = (size_t)i->b.h, row = (w + 31) / 32 * 4;
    bool own = false;

    for (size_t k = 0; k < w * h && i->b.bits == 32; k++)
        own |= px[4 * k + 3] != 0;
    if (own || row * h > i->len)
        return;
    const uint8_t *mask = i->p + i->len - row * h;
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++)
            px[4 * (y * w + x) + 3] = mask[(h - 1 - y) * row + x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
}

static int ico_pixels(uint8_t *to, struct still *s, struct err *err)
{
    const struct icon *i = s->own;
    AUTO(mem_free) char *bmp = NULL;
    size_t len;

    if (i->png)
        return still_decode(to, "png", i->p, i->len, s->width, s->height, 4, err);
    if (!(bmp = (char *)as_bmp(&len, i)))
        return still_broken(err, "its icon has an unknown header");
    if (still_decode(to, "bmp", (uint8_t *)bmp, len, s->width, s->height, 4, err) < 0)
        return -1;
    apply_mask(to, i);
    return 0;
}

const struct still_reader still_ico = {"ico", ico_open, ico_pixels, ico_close};
