/* PNG and WebP files without what is no picture in them: chunks are copied or left out, none is
 * unpacked. */
#include "base/auto.h"
#include "media/shrink.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define EXIF_MAX (64 * 1024) /* bytes */

void shrink_exif(uint8_t out[static SHRINK_EXIF_LEN], int orientation)
{
    static const uint8_t tiff[SHRINK_EXIF_LEN] = {
        'M', 'M',  0, 42, 0, 0, 0, 8, /* the directory is at 8 */
        0,   1,                       /* and has one entry: */
        1,   0x12, 0, 3,  0, 0, 0, 1, 0, 0, 0, 0};

    memcpy(out, tiff, sizeof tiff);
    out[19] = (uint8_t)orientation;
}

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static uint32_t little32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void put_big32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void put_little32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static int strip_broken(struct err *err)
{
    return err_set(err, ERR_COMMAND, "the file's chunks are broken");
}

/* n bytes on. -1: there are fewer. */
static int copy_bytes(FILE *to, FILE *from, uint64_t n)
{
    char buf[16 * 1024];

    while (n) {
        size_t want = n < sizeof buf ? (size_t)n : sizeof buf;

        if (fread(buf, 1, want, from) != want || fwrite(buf, 1, want, to) != want)
            return -1;
        n -= want;
    }
    return 0;
}

/* ---- PNG ---- */

/* Pixels, and what says how they look. */
static bool is_of_the_picture(const uint8_t type[4])
{
    static const char names[][5] = {"tRNS", "iCCP", "gAMA", "cHRM", "sRGB", "cICP", "sBIT",
                                    "mDCV", "cLLI", "pHYs", "acTL", "fcTL", "fdAT"};

    if (!(type[0] & 0x20)) /* critical */
        return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!memcmp(names[i], type, 4))
            return true;
    return false;
}

/* How an EXIF block (a TIFF file of one directory at least) says to turn the picture; 1: not at
 * all. */
static int turn_of(const uint8_t *p, size_t len)
{
    bool big = len > 8 && *p == 'M';
    size_t at = len > 8 ? (big ? big32(p + 4) : little32(p + 4)) : 0;

    if (len < 14 || (memcmp(p, "II*\0", 4) && memcmp(p, "MM\0*", 4)) || at < 8 || at > len - 2)
        return 1;
    for (unsigned n = big ? p[at] << 8 | p[at + 1] : p[at + 1] << 8 | p[at]; n-- && at + 14 <= len;
         at += 12) {
        const uint8_t *e = p + at + 2;

        if ((big ? e[0] << 8 | e[1] : e[1] << 8 | e[0]) == 0x0112)
            return big ? e[9] : e[8];
    }
    return 1;
}

static void write_png_exif(FILE *to, int orientation)
{
    uint8_t chunk[12 + SHRINK_EXIF_LEN] = {0, 0, 0, SHRINK_EXIF_LEN, 'e', 'X', 'I', 'f'};

    shrink_exif(chunk + 8, orientation);
    put_big32(chunk + 8 + SHRINK_EXIF_LEN,
              (uint32_t)crc32(crc32(0, NULL, 0), chunk + 4, 4 + SHRINK_EXIF_LEN));
    fwrite(chunk, 1, sizeof chunk, to);
}

/* Of the EXIF block that follows only how to turn the picture stays. libvips does not read the
 * block. */
static int strip_png_exif(FILE *out, FILE *in, uint32_t len)
{
    AUTO(mem_free) char *data = NULL;
    int turn;

    if (len > EXIF_MAX)
        return fseek(in, (long)len + 4, SEEK_CUR);
    data = mem_alloc((size_t)len + 4);
    if (fread(data, 1, (size_t)len + 4, in) != (size_t)len + 4)
        return -1;
    if ((turn = turn_of((uint8_t *)data, len)) > 1 && turn <= 8)
        write_png_exif(out, turn);
    return 0;
}

int shrink_strip_png(const char *from, const char *to, struct err *err)
{
    AUTO(shrink_close) FILE *in = fopen(from, "rbe"), *out = in ? fopen(to, "wbxe") : NULL;
    uint8_t head[8];
    bool ended = false;

    if (!in || !out)
        return err_errno(err, "'%s'", in ? to : from);
    if (fread(head, 1, 8, in) != 8)
        return strip_broken(err);
    fwrite(head, 1, 8, out);
    while (!ended && fread(head, 1, 8, in) == 8) {
        uint64_t rest = (uint64_t)big32(head) + 4; /* and the checksum */

        if (!memcmp(head + 4, "eXIf", 4)) {
            if (strip_png_exif(out, in, big32(head)) < 0)
                return strip_broken(err);
            continue;
        }
        if (!is_of_the_picture(head + 4)) {
            if (fseek(in, (long)rest, SEEK_CUR) < 0)
                return strip_broken(err);
            continue;
        }
        fwrite(head, 1, 8, out);
        if (copy_bytes(out, in, rest) < 0)
            return strip_broken(err);
        ended = !memcmp(head + 4, "IEND", 4);
    }
    if (!ended)
        return strip_broken(err);
    return fflush(out) ? err_errno(err, "write '%s'", to) : 0;
}

/* Does a chunk of that name come before the pixels? */
bool shrink_is_apng(const char *path)
{
    AUTO(shrink_close) FILE *in = fopen(path, "rbe");
    uint8_t head[8];

    if (!in || fread(head, 1, 8, in) != 8)
        return false;
    while (fread(head, 1, 8, in) == 8 && memcmp(head + 4, "IDAT", 4)) {
        if (!memcmp(head + 4, "acTL", 4))
            return true;
        if (fseek(in, (long)big32(head) + 4, SEEK_CUR) < 0)
            break;
    }
    return false;
}

/* ---- WebP ---- */

#define FLAG_EXIF 8
#define FLAG_XMP 4
#define FLAG_ANIMATION 2

/* What is known of the copy while it is made. */
struct webp_copy {
    FILE *in, *out;
    long flags; /* where they lie in both files; 0: there are none */
    bool turned;
};

static bool webp_begins(FILE *in, uint8_t head[12])
{
    return in && fread(head, 1, 12, in) == 12 && !memcmp(head, "RIFF", 4) &&
           !memcmp(head + 8, "WEBP", 4);
}

/* Some writers put the name before the block as in JPEG, and some readers want it: as it was. */
static int strip_webp_exif(struct webp_copy *c, uint32_t len)
{
    uint8_t chunk[8 + 6 + SHRINK_EXIF_LEN] = {'E', 'X', 'I', 'F', 0, 0, 0, 0, 'E', 'x', 'i', 'f'},
                          tiff[SHRINK_EXIF_LEN];
    AUTO(mem_free) char *data = NULL;
    size_t padded = (size_t)len + (len & 1);

    if (len > EXIF_MAX)
        return fseek(c->in, (long)padded, SEEK_CUR);
    data = mem_alloc(padded + 1);
    if (fread(data, 1, padded, c->in) != padded)
        return -1;
    size_t name = len > 6 && !memcmp(data, "Exif\0", 6) ? 6 : 0;
    int turn = turn_of((uint8_t *)data + name, len - name);
    if (turn <= 1 || turn > 8)
        return 0;
    shrink_exif(tiff, turn);
    memcpy(chunk + 8 + name, tiff, sizeof tiff);
    put_little32(chunk + 4, (uint32_t)(name + sizeof tiff));
    fwrite(chunk, 1, 8 + name + sizeof tiff, c->out);
    c->turned = true;
    return 0;
}

/* One chunk on, or past it. */
static int strip_webp_chunk(struct webp_copy *c, const uint8_t head[8])
{
    uint64_t size = little32(head + 4), padded = size + (size & 1);

    if (!memcmp(head, "EXIF", 4))
        return strip_webp_exif(c, (uint32_t)size);
    if (!memcmp(head, "XMP ", 4))
        return fseek(c->in, (long)padded, SEEK_CUR);
    fwrite(head, 1, 8, c->out);
    if (!memcmp(head, "VP8X", 4))
        c->flags = ftell(c->out);
    return copy_bytes(c->out, c->in, padded);
}

/* The size of the whole, and what the header says of what is in it. VP8X is the first: at the same
 * place in both files. */
static int finish_webp(struct webp_copy *c)
{
    uint8_t size[4];
    int byte;

    if (c->flags) {
        if (fseek(c->in, c->flags, SEEK_SET) < 0 || (byte = fgetc(c->in)) == EOF ||
            fseek(c->out, c->flags, SEEK_SET) < 0)
            return -1;
        fputc((byte & ~(FLAG_EXIF | FLAG_XMP)) | (c->turned ? FLAG_EXIF : 0), c->out);
    }
    if (fseek(c->out, 0, SEEK_END) < 0)
        return -1;
    put_little32(size, (uint32_t)(ftell(c->out) - 8));
    return fseek(c->out, 4, SEEK_SET) < 0 || fwrite(size, 1, 4, c->out) != 4 ? -1 : 0;
}

int shrink_strip_webp(const char *from, const char *to, struct err *err)
{
    AUTO(shrink_close) FILE *in = fopen(from, "rbe"), *out = in ? fopen(to, "wbxe") : NULL;
    struct webp_copy c = {.in = in, .out = out};
    uint8_t riff[12], head[8];

    if (!in || !out)
        return err_errno(err, "'%s'", in ? to : from);
    if (!webp_begins(in, riff))
        return strip_broken(err);
    fwrite(riff, 1, sizeof riff, out);
    for (uint64_t at = 12, end = (uint64_t)little32(riff + 4) + 8; at + 8 <= end;) {
        if (fread(head, 1, 8, in) != 8 || (at > 12 && !memcmp(head, "VP8X", 4)) ||
            strip_webp_chunk(&c, head) < 0)
            return strip_broken(err);
        at += 8 + (uint64_t)little32(head + 4) + (head[4] & 1);
    }
    if (finish_webp(&c) < 0)
        return strip_broken(err);
    return fflush(out) ? err_errno(err, "write '%s'", to) : 0;
}

bool shrink_is_lossless_webp(const char *path)
{
    AUTO(shrink_close) FILE *in = fopen(path, "rbe");
    uint8_t head[12], flags;

    if (!webp_begins(in, head))
        return false;
    while (fread(head, 1, 8, in) == 8 && memcmp(head, "VP8L", 4)) {
        if (!memcmp(head, "VP8 ", 4) || !memcmp(head, "ANIM", 4) || !memcmp(head, "ANMF", 4))
            return false;
        if (!memcmp(head, "VP8X", 4) && (fread(&flags, 1, 1, in) != 1 || (flags & FLAG_ANIMATION) ||
                                         fseek(in, -1, SEEK_CUR) < 0))
            return false;
        if (fseek(in, (long)little32(head + 4) + (head[4] & 1), SEEK_CUR) < 0)
            return false;
    }
    return !memcmp(head, "VP8L", 4);
}
