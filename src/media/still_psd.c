/* PSD: the picture as it looks with all its layers, which every such file that others are meant to
 * read holds. libav's reader knows neither CMYK in 16 bit nor what some writers put into their
 * runs. */
#include "media/still.h"

#include <string.h>

#define HEAD 26
#define CHANNELS_MAX 56

enum { BITMAP, GRAY, INDEXED, RGB, CMYK, DUOTONE = 8 };

struct psd {
    int channels, depth, mode;
    bool clear; /* the first channel behind the colours is what can be seen through */
    const uint8_t *palette;
    size_t at; /* of the pixels */
};

static unsigned psd16(const uint8_t *p) { return (unsigned)p[0] << 8 | p[1]; }
static uint32_t psd32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The section that begins at *at, which moves behind it. -1: it is cut off. */
static int section(const uint8_t **p, size_t *len, const struct still *s, size_t *at)
{
    if (s->len < 4 || *at > s->len - 4)
        return -1;
    *len = psd32(s->data + *at);
    *at += 4;
    if (*len > s->len - *at)
        return -1;
    *p = s->data + *at;
    *at += *len;
    return 0;
}

/* Resources that others know under these names. A resource is "8BIM", its number, a name, its
 * length, its bytes. */
static void note_resources(struct still *s, const uint8_t *p, size_t len)
{
    static const struct {
        unsigned id;
        const char *field;
    } rows[] = {{0x0422, "exif-data"}, {0x0424, "xmp-data"}, {0x040F, "icc-profile-data"}};
    int n = 0;

    s->blobs[n].field = "photoshop-data"; /* IPTC, and whether there is a clipping path */
    s->blobs[n].data = p;
    s->blobs[n++].len = len;
    for (size_t at = 0; at + 12 <= len && !memcmp(p + at, "8BIM", 4);) {
        unsigned id = psd16(p + at + 4);
        size_t q = at + 6 + (((size_t)p[at + 6] + 2) & ~(size_t)1);

        if (q + 4 > len || psd32(p + q) > len - q - 4)
            break;
        size_t size = psd32(p + q);
        for (size_t i = 0; i < ARRAY_LEN(rows) && n < STILL_BLOBS; i++)
            if (rows[i].id == id && size) {
                s->blobs[n].field = rows[i].field;
                s->blobs[n].data = p + q + 4;
                s->blobs[n++].len = size;
            }
        at = q + 4 + ((size + 1) & ~(size_t)1);
    }
}

/* How many channels are colours; 0: a mode that is not read. */
static int colors_of(int mode)
{
    return mode == RGB                                                            ? 3
           : mode == CMYK                                                         ? 4
           : mode == BITMAP || mode == GRAY || mode == INDEXED || mode == DUOTONE ? 1
                                                                                  : 0;
}

static int psd_open(struct still *s, struct err *err)
{
    const uint8_t *h = s->data, *colors, *resources, *layers;
    size_t at = HEAD, n_colors, n_resources, n_layers;
    struct psd d;

    if (s->len < HEAD)
        return still_broken(err, "its header is cut off");
    d = (struct psd){
        .channels = (int)psd16(h + 12), .depth = (int)psd16(h + 22), .mode = (int)psd16(h + 24)};
    s->height = psd32(h + 14);
    s->width = psd32(h + 18);
    int n = colors_of(d.mode);
    if (psd16(h + 4) != 1 || !n ||
        (d.mode == BITMAP ? d.depth != 1 : d.depth != 8 && d.depth != 16) ||
        (d.mode == INDEXED && d.depth != 8))
        return 1;
    if (d.channels < n || d.channels > CHANNELS_MAX || s->width > 300000 || s->height > 300000)
        return still_broken(err, "its header says what can't be");
    if (section(&colors, &n_colors, s, &at) < 0 || section(&resources, &n_resources, s, &at) < 0 ||
        section(&layers, &n_layers, s, &at) < 0)
        return still_broken(err, "it is cut off");
    if (d.mode == INDEXED && n_colors < 768)
        return still_broken(err, "it has no palette");
    note_resources(s, resources, n_resources);
    d.palette = colors;
    d.at = at;
    d.clear = n_layers >= 6 && (int16_t)psd16(layers + 4) < 0 && d.channels > n &&
              (d.mode == RGB || d.mode == GRAY);
    s->cmyk = d.mode == CMYK;
    s->bands = d.mode == INDEXED ? 3 : n + d.clear;
    s->own = memcpy(mem_alloc(sizeof d), &d, sizeof d);
    return 0;
}

static void psd_close(struct still *s) { free(s->own); }

/* One row of PackBits. -1: it ends before to[n] is full. */
static int unpack(uint8_t *to, size_t n, const uint8_t *p, size_t len)
{
    size_t at = 0, made = 0;

    while (made < n && at < len) {
        unsigned c = p[at++];
        size_t run = c < 128 ? c + 1 : 257 - c, got = run < n - made ? run : n - made;

        if (c == 128) /* means nothing */
            continue;
        if (c < 128) {
            if (len - at < got)
                return -1;
            memcpy(to + made, p + at, got);
            at += run;
        } else {
            if (at == len)
                return -1;
            memset(to + made, p[at++], got);
        }
        made += got;
    }
    return made < n ? -1 : 0;
}

/* A channel's row of samples lies in row; into every bands-th byte from to on. */
static void spread_row(uint8_t *to, int bands, const uint8_t *row, const struct still *s,
                       int channel)
{
    const struct psd *d = s->own;

    for (int64_t x = 0; x < s->width; x++, to += bands) {
        uint8_t v = d->depth == 16                  ? row[2 * x]
                    : d->depth == 8                 ? row[x]
                    : row[x / 8] >> (7 - x % 8) & 1 ? 0
                                                    : 255;

        if (d->mode == INDEXED)
            for (int i = 0; i < 3; i++)
                to[i] = d->palette[256 * i + v];
        else
            to[channel] = d->mode == CMYK ? 255 - v : v;
    }
}

/* What can be seen through is stored as it looks on white. */
static void take_white_off(uint8_t *px, size_t pixels, int bands)
{
    for (; pixels--; px += bands) {
        int a = px[bands - 1];

        for (int i = 0; i < bands - 1 && a && a < 255; i++) {
            int v = ((px[i] - (255 - a)) * 255 + a / 2) / a;

            px[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
    }
}

static int psd_pixels(uint8_t *to, struct still *s, struct err *err)
{
    const struct psd *d = s->own;
    size_t w = (size_t)s->width, h = (size_t)s->height,
           bytes = d->depth == 1 ? (w + 7) / 8 : w * (size_t)d->depth / 8;
    int wanted = d->mode == INDEXED ? 1 : s->bands;
    AUTO(mem_free) char *row = mem_alloc(bytes);
    size_t table = d->at + 2, at = table;

    if (s->len - d->at < 2)
        return still_broken(err, "it has no pixels");
    unsigned packing = psd16(s->data + d->at);
    if (packing > 1)
        return still_broken(err, "its pixels are packed in an unknown way");
    if (packing == 1)
        at += 2 * h * (size_t)d->channels;
    for (int c = 0; c < wanted; c++)
        for (size_t y = 0; y < h; y++) {
            if (at > s->len)
                return still_broken(err, "it is cut off");
            const uint8_t *p = s->data + at;
            size_t n = packing ? psd16(s->data + table + 2 * ((size_t)c * h + y)) : bytes;

            if (n > s->len - at || (packing && unpack((uint8_t *)row, bytes, p, n) < 0))
                return still_broken(err, "it is cut off");
            spread_row(to + y * w * (size_t)s->bands, s->bands, packing ? (uint8_t *)row : p, s, c);
            at += n;
        }
    if (d->clear)
        take_white_off(to, w * h, s->bands);
    return 0;
}

const struct still_reader still_psd = {"psd", psd_open, psd_pixels, psd_close};
