/* Damaged pictures that are made here, so that it is known what is wrong with them; and any bytes
 * at all. Of a PNG nothing but checksums is mended, and only when its stream is whole; a JPEG lacks
 * its end alone when it lacks that alone. */
#include "fuzz.h"
#include "media/damage.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <jpeglib.h>

static char *mend(size_t *mended_len, const void *data, size_t len)
{
    int fd = open(fuzz_file(data, len), O_RDONLY | O_CLOEXEC);

    CHECK(fd >= 0);
    char *mended = (char *)damage_mend_png(mended_len, fd);
    close(fd);
    return mended;
}

static bool lacks_its_end(const void *data, size_t len)
{
    int fd = open(fuzz_file(data, len), O_RDONLY | O_CLOEXEC);

    CHECK(fd >= 0);
    bool yes = damage_jpeg_only_lacks_its_end(fd);
    close(fd);
    return yes;
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void add_be32(struct str *s, uint32_t v)
{
    for (int i = 24; i >= 0; i -= 8)
        str_putc(s, (char)(v >> i));
}

/* ---- PNG ---- */

/* Only checksums differ, and all of them are right now. */
static void check_mended(const char *mended_text, size_t mended_len, const uint8_t *was, size_t len)
{
    const uint8_t *mended = (const uint8_t *)mended_text;
    size_t at = 8, again_len, sums = 0;

    CHECK(mended_len == len && !memcmp(mended, was, 8));
    while (at + 12 <= len && be32(was + at) <= len - at - 12) {
        uint32_t n = be32(was + at);

        CHECK(!memcmp(mended + at, was + at, 8 + (size_t)n));
        CHECK(be32(mended + at + 8 + n) == crc32(crc32(0, NULL, 0), mended + at + 4, n + 4));
        sums += memcmp(mended + at + 8 + n, was + at + 8 + n, 4) != 0;
        at += 12 + (size_t)n;
    }
    CHECK(sums && !memcmp(mended + at, was + at, len - at));
    AUTO(mem_free) char *again = mend(&again_len, mended, mended_len);
    CHECK(!again);
}

static void add_chunk(struct str *png, const char *type, const char *data, size_t len, bool wrong)
{
    uint32_t sum = (uint32_t)crc32(crc32(0, NULL, 0), (const Bytef *)type, 4);

    if (len)
        sum = (uint32_t)crc32(sum, (const Bytef *)data, (uInt)len);
    add_be32(png, (uint32_t)len);
    str_add(png, type, 4);
    str_add(png, data ? data : "", len);
    add_be32(png, wrong ? ~sum : sum);
}

/* Does the stream end, and with the right checksum? All at once, unlike the code that is tried. */
static bool is_whole(const struct str *stream)
{
    static unsigned char out[1 << 20];
    uLongf len = sizeof out;

    return uncompress(out, &len, (const Bytef *)stream->s, stream->len) == Z_OK;
}

static void try_png(struct bytes *b)
{
    static const char *const types[] = {"IHDR", "PLTE", "tEXt", "gAMA", "IEND", "xxxx", "XXXX"};
    AUTO(str_done) struct str png = {0}, stream = {0};
    unsigned chunks = take_below(b, 6), parts = 1 + take_below(b, 4), flip = take_byte(b),
             flip_at = take_byte(b) << 8;
    bool may = true, wrong = false;

    flip_at |= take_byte(b);
    unsigned bad_parts = take_byte(b);
    str_add(&png, "\x89PNG\r\n\x1A\n", 8);
    for (unsigned i = 0; i < chunks; i++) {
        unsigned how = take_byte(b);
        const char *type = types[how % ARRAY_LEN(types)];
        AUTO(mem_free) char *data = take_text(b, how & 15);
        bool bad = how & 128;

        add_chunk(&png, type, data, strlen(data), bad);
        wrong |= bad;
        may &= !bad || !strcmp(type, "IEND") || type[0] >= 'a';
    }
    uLongf room = compressBound((uLong)b->left);
    AUTO(mem_free) char *packed = mem_alloc(room);
    CHECK(compress((Bytef *)packed, &room, b->p, (uLong)b->left) == Z_OK);
    str_add(&stream, packed, room);
    stream.s[flip_at % stream.len] ^= (char)flip;
    for (unsigned i = 0; i < parts; i++) {
        size_t from = stream.len * i / parts, to = stream.len * (i + 1) / parts;

        add_chunk(&png, "IDAT", stream.s + from, to - from, bad_parts >> i & 1);
        wrong |= bad_parts >> i & 1;
    }
    AUTO(mem_free) char *mended = mend(&room, png.s, png.len);
    CHECK((mended != NULL) == (wrong && may && is_whole(&stream)));
    if (mended)
        check_mended(mended, room, (uint8_t *)png.s, png.len);
}

/* ---- JPEG ---- */

static char *jpeg(size_t *len, struct bytes *b)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr e;
    unsigned char row[3 * 64], *out = NULL;
    unsigned long size = 0;
    unsigned how = take_byte(b);
    JSAMPROW rows[] = {row};

    c.err = jpeg_std_error(&e);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &out, &size);
    c.image_width = 1 + take_below(b, 64);
    c.image_height = 1 + take_below(b, 64);
    c.input_components = how & 1 ? 1 : 3;
    c.in_color_space = how & 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 20 + (int)take_below(b, 80), TRUE);
    c.optimize_coding = how & 2;
    c.restart_interval = how >> 2 & 3;
    if (how & 16)
        jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        for (size_t i = 0; i < sizeof row; i++)
            row[i] = (unsigned char)(take_byte(b) + i * 3 + c.next_scanline * 5);
        jpeg_write_scanlines(&c, rows, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    *len = size;
    return (char *)out;
}

static void try_jpeg(struct bytes *b)
{
    size_t cut = take_byte(b), more = take_below(b, 4), len;
    bool far = take_byte(b) & 1;
    AUTO(mem_free) char *whole = jpeg(&len, b);
    AUTO(str_done) struct str text = {0};

    cut = far ? cut * len / 256 : cut;
    cut = cut < len ? cut : len;
    str_add(&text, whole, len - cut);
    if (!cut) /* bytes behind the end are none of the picture */
        str_add(&text, "\0\0\0", more);
    CHECK(lacks_its_end(text.s, text.len) == (cut == 1 || cut == 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned kind = take_below(&b, 4);
    int open_before;
    size_t mended_len;

    (void)fuzz_file("", 0); /* its own descriptor is there from now on */
    open_before = fuzz_descriptors();
    if (kind == 0)
        try_png(&b);
    else if (kind == 1)
        try_jpeg(&b);
    else if (kind == 2) {
        AUTO(mem_free) char *mended = mend(&mended_len, b.p, b.left);

        if (mended)
            check_mended(mended, mended_len, b.p, b.left);
    } else {
        (void)lacks_its_end(b.p, b.left);
    }
    CHECK(fuzz_descriptors() == open_before);
    return 0;
}
