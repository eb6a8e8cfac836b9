/* The reader of PNGs past libpng: of files that are made here it gives the rows that the plainest undoing of filters
 * gives, or none when something was spoilt; and any bytes at all. */
#include "fuzz.h"
#include "media/png_quick.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void add_be32(struct str *s, uint32_t v)
{
    for (int i = 24; i >= 0; i -= 8)
        str_putc(s, (char)(v >> i));
}

static void add_chunk(struct str *png, const char *type, const void *data, size_t len)
{
    uint32_t sum = (uint32_t)crc32(crc32(0, NULL, 0), (const Bytef *)type, 4);

    if (len)
        sum = (uint32_t)crc32(sum, data, (uInt)len);
    add_be32(png, (uint32_t)len);
    str_add(png, type, 4);
    str_add(png, len ? data : "", len);
    add_be32(png, sum);
}

static struct png_shape shape_of(struct bytes *b)
{
    struct png_shape s;

    s.width = 1 + take_below(b, 64);
    s.bands = 1 + (int)take_below(b, 4);
    s.depth = take_byte(b) & 1 ? 16 : 8;
    s.height = 1 + take_below(b, 16);
    return s;
}

/* As the book has it, a byte at a time. False: a filter that there is not. */
static bool plainly(uint8_t *rows, int64_t stride, int64_t height, int px)
{
    for (int64_t y = 0; y < height; y++) {
        uint8_t *row = rows + y * stride, filter = row[0];

        for (int64_t i = 1; i < stride; i++) {
            int a = i > px ? row[i - px] : 0, b = y ? row[i - stride] : 0, c = y && i > px ? row[i - px - stride] : 0;
            int p = a + b - c, best = abs(p - a) <= abs(p - b) && abs(p - a) <= abs(p - c) ? a
                                      : abs(p - b) <= abs(p - c)                           ? b
                                                                                           : c;
            const int add[] = {0, a, b, (a + b) / 2, best};

            if (filter > 4)
                return false;
            row[i] = (uint8_t)(row[i] + add[filter]);
        }
    }
    return true;
}

static void make_file(struct str *png, const struct png_shape *s, const uint8_t *rows, size_t n, unsigned parts)
{
    static const uint8_t color[] = {0, 4, 2, 6};
    uint8_t header[13] = {[3] = (uint8_t)s->width, [7] = (uint8_t)s->height, (uint8_t)s->depth, color[s->bands - 1]};
    uLongf len = compressBound((uLong)n);
    AUTO(mem_free) char *packed = mem_alloc(len);

    CHECK(compress((Bytef *)packed, &len, rows, (uLong)n) == Z_OK);
    str_add(png, "\x89PNG\r\n\x1A\n", 8);
    add_chunk(png, "IHDR", header, sizeof header);
    for (unsigned i = 0; i < parts; i++)
        add_chunk(png, "IDAT", packed + len * i / parts, len * (i + 1) / parts - len * i / parts);
    add_chunk(png, "IEND", NULL, 0);
}

static void try_made(struct bytes *b)
{
    const struct png_shape s = shape_of(b);
    unsigned parts = 1 + take_below(b, 4), spoil = take_byte(b), at = take_byte(b);
    int64_t stride = png_quick_stride(&s);
    size_t n = (size_t)(stride * s.height);
    AUTO(mem_free) char *text = mem_zalloc(n);
    AUTO(str_done) struct str png = {0};
    uint8_t *rows = (uint8_t *)text, *got = NULL;

    CHECK(stride > 0);
    memcpy(rows, b->p, b->left < n ? b->left : n);
    make_file(&png, &s, rows, n, parts);
    png.s[at * png.len / 256] ^= (char)spoil;
    bool read = png_quick_rows(&got, &s, (uint8_t *)png.s, png.len);
    CHECK(read == (plainly(rows, stride, s.height, s.bands * s.depth / 8) && !spoil));
    for (int64_t y = 0; y < s.height && read; y++)
        CHECK(!memcmp(got + y * stride + 1, rows + y * stride + 1, (size_t)stride - 1));
    free(got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};

    if (take_byte(&b) & 1) {
        const struct png_shape s = shape_of(&b);
        uint8_t *rows = NULL;

        if (png_quick_rows(&rows, &s, b.p, b.left))
            CHECK(rows);
        free(rows);
    } else {
        try_made(&b);
    }
    return 0;
}
