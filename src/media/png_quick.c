#include "media/png_quick.h"
#include "base/auto.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdio.h>
#include <string.h>

#define SLACK 8 /* bytes behind the last row, for png_unfilter() */

static const uint8_t signature[8] = "\x89PNG\r\n\x1A\n";

static uint32_t png_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void png_set_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static int color_type(int bands) { return (bands >= 3 ? 2 : 0) | (bands % 2 ? 0 : 4); }

int64_t png_quick_stride(const struct png_shape *s)
{
    if (s->width < 1 || s->height < 1 || s->width > INT32_MAX || s->bands < 1 || s->bands > 4 ||
        (s->depth != 8 && s->depth != 16))
        return 0;
    int64_t stride = 1 + s->width * s->bands * (s->depth / 8);

    return stride <= PNG_QUICK_MAX / s->height ? stride : 0;
}

/* ---- read ---- */

struct chunk {
    const uint8_t *type, *data;
    uint32_t len;
};

static bool is_chunk(const struct chunk *c, const char *type) { return !memcmp(c->type, type, 4); }

/* The next chunk, whose checksum is right. */
static bool next_chunk(struct chunk *c, const uint8_t *p, size_t len, size_t *at)
{
    if (len - *at < 12 || png_u32(p + *at) > len - *at - 12)
        return false;
    *c = (struct chunk){p + *at + 4, p + *at + 8, png_u32(p + *at)};
    *at += 12 + (size_t)c->len;
    return libdeflate_crc32(0, c->type, 4 + (size_t)c->len) == png_u32(c->data + c->len);
}

static void header_of(uint8_t h[13], const struct png_shape *s)
{
    memset(h, 0, 13);
    png_set_u32(h, (uint32_t)s->width);
    png_set_u32(h + 4, (uint32_t)s->height);
    h[8] = (uint8_t)s->depth;
    h[9] = (uint8_t)color_type(s->bands);
}

/* The chunks of one file whose data are its stream. */
struct stream {
    struct chunk first;
    size_t len, count;
    size_t from, to; /* where in the file they lie */
};

static bool add_to_stream(struct stream *z, const struct chunk *c, const uint8_t *p, size_t end)
{
    size_t begin = (size_t)(c->type - 4 - p);

    if (!z->count++) {
        z->first = *c;
        z->from = begin;
    } else if (begin != z->to) {
        return false; /* something lies between them */
    }
    z->len += c->len;
    z->to = end;
    return true;
}

/* Walk from the first to the last chunk. */
static bool find_stream(struct stream *z, const struct png_shape *s, const uint8_t *p, size_t len)
{
    size_t at = sizeof signature;
    struct chunk c;
    uint8_t header[13];

    header_of(header, s);
    if (len < sizeof signature || memcmp(p, signature, sizeof signature) != 0 || !next_chunk(&c, p, len, &at) ||
        !is_chunk(&c, "IHDR") || c.len != sizeof header || memcmp(c.data, header, sizeof header) != 0)
        return false;
    *z = (struct stream){0};
    while (next_chunk(&c, p, len, &at)) {
        if (is_chunk(&c, "IEND"))
            return z->count > 0;
        if (is_chunk(&c, "IDAT") ? !add_to_stream(z, &c, p, at)
                                 : is_chunk(&c, "tRNS") || (!(c.type[0] & 0x20) && !is_chunk(&c, "PLTE")))
            return false;
    }
    return false;
}

/* All of it in one piece: as it lies in the file, or put together in *own. */
static const uint8_t *whole_stream(uint8_t **own, const struct stream *z, const uint8_t *p)
{
    size_t n = 0;

    if (z->count == 1)
        return z->first.data;
    if (!(*own = malloc(z->len + 1)))
        return NULL;
    for (size_t at = z->from; at < z->to;) {
        uint32_t len = png_u32(p + at);

        memcpy(*own + n, p + at + 8, len);
        n += len;
        at += 12 + (size_t)len;
    }
    return *own;
}

/* Exactly so many bytes, and the stream's own checksum over them is right. */
static bool inflate_all(uint8_t *to, size_t n, const uint8_t *from, size_t len)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    bool whole = d && libdeflate_zlib_decompress(d, from, len, to, n, NULL) == LIBDEFLATE_SUCCESS;

    libdeflate_free_decompressor(d);
    return whole;
}

bool png_quick_rows(uint8_t **out, const struct png_shape *s, const uint8_t *p, size_t len)
{
    int64_t stride = png_quick_stride(s);
    uint8_t *own = NULL, *rows = NULL;
    const uint8_t *from;
    struct stream z;

    if (!stride || !find_stream(&z, s, p, len))
        return false;
    size_t n = (size_t)(stride * s->height);
    /* what a stream of that length can't hold is not worth the memory: deflate packs to a 1032nd at best */
    bool good = z.len > n / 1040 && (from = whole_stream(&own, &z, p)) && (rows = malloc(n + SLACK)) &&
                inflate_all(rows, n, from, z.len);
    if (good) {
        memset(rows + n, 0, SLACK);
        good = png_unfilter(rows, stride, s->height, s->bands * (s->depth / 8));
    }
    free(own);
    if (good)
        *out = rows;
    else
        free(rows);
    return good;
}

/* ---- write ---- */

static uint8_t *packed(size_t *out_len, const uint8_t *from, size_t len, int level)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
    uint8_t *out = NULL;

    if (c) {
        size_t room = libdeflate_zlib_compress_bound(c, len);

        if ((out = malloc(room)))
            *out_len = libdeflate_zlib_compress(c, from, len, out, room);
    }
    libdeflate_free_compressor(c);
    return out;
}

/* To the end of f; ferror() tells of all of them. */
static void add_chunk(FILE *f, const char *type, const uint8_t *data, size_t len)
{
    uint8_t head[8], sum[4];
    uint32_t crc = libdeflate_crc32(0, type, 4);

    png_set_u32(head, (uint32_t)len);
    memcpy(head + 4, type, 4);
    png_set_u32(sum, len ? libdeflate_crc32(crc, data, len) : crc);
    fwrite(head, 1, sizeof head, f);
    if (len)
        fwrite(data, 1, len, f);
    fwrite(sum, 1, sizeof sum, f);
}

static void add_like(FILE *f, const uint8_t *like, size_t len)
{
    size_t at = sizeof signature;
    struct chunk c;

    while (len > at && next_chunk(&c, like, len, &at) && !is_chunk(&c, "IDAT"))
        if (!is_chunk(&c, "IHDR"))
            fwrite(c.type - 4, 1, 12 + (size_t)c.len, f);
}

int png_quick_write(const char *path, const struct png_shape *s, const uint8_t *rows, int level, const uint8_t *like,
                    size_t like_len, struct err *err)
{
    size_t len = 0;
    AUTO(mem_free) char *idat = (char *)packed(&len, rows, (size_t)(png_quick_stride(s) * s->height), level);
    uint8_t header[13];

    if (!idat || !len) {
        errno = ENOMEM;
        return err_errno(err, "'%s'", path);
    }
    FILE *f = fopen(path, "wbe");
    if (!f)
        return err_errno(err, "'%s'", path);
    header_of(header, s);
    fwrite(signature, 1, sizeof signature, f);
    add_chunk(f, "IHDR", header, sizeof header);
    add_like(f, like, like_len);
    add_chunk(f, "IDAT", (uint8_t *)idat, len);
    add_chunk(f, "IEND", NULL, 0);
    int rc = fflush(f) == 0 && !ferror(f) ? 0 : err_errno(err, "'%s'", path);
    if (fclose(f) != 0 && rc == 0)
        rc = err_errno(err, "'%s'", path);
    return rc;
}
