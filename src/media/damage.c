#include "media/damage.h"
#include "base/auto.h"

#include <libdeflate.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <jpeglib.h>

#include <jerror.h>

#define READ_MAX (512 * 1024 * 1024) /* bytes of a file that are taken into memory */

static uint8_t *read_all(size_t *len, int fd, size_t extra)
{
    struct stat st;
    uint8_t *p;

    if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > READ_MAX)
        return NULL;
    p = mem_alloc((size_t)st.st_size + extra);
    for (*len = 0; *len < (size_t)st.st_size;) {
        ssize_t n = pread(fd, p + *len, (size_t)st.st_size - *len, (off_t)*len);

        if (n <= 0) {
            free(p);
            return NULL;
        }
        *len += (size_t)n;
    }
    return p;
}

/* ---- JPEG ---- */

/* Is there an end marker among the markers, or nothing that could be read as JPEG at all? */
static bool jpeg_ends(const uint8_t *p, size_t len)
{
    size_t at = 2;

    while (at + 2 <= len) {
        if (p[at] != 0xFF) { /* in entropy coded data, or in rubbish between segments */
            const uint8_t *next = memchr(p + at, 0xFF, len - at);

            if (!next)
                return false;
            at = (size_t)(next - p);
            continue;
        }
        uint8_t m = p[at + 1];
        if (m == 0xD9)
            return true;
        if (m == 0xFF)
            at++;
        else if (m == 0 || m == 1 || (m >= 0xD0 && m <= 0xD8)) /* stuffing, and markers without contents */
            at += 2;
        else if (at + 4 > len)
            return false;
        else
            at += 2 + ((size_t)p[at + 2] << 8 | p[at + 3]);
    }
    return false;
}

struct judge {
    struct jpeg_error_mgr base;
    jmp_buf out;
    bool missing;
};

static void on_error(j_common_ptr cinfo) { longjmp(((struct judge *)cinfo->err)->out, 1); }

static void on_message(j_common_ptr cinfo, int level)
{
    struct judge *j = (struct judge *)cinfo->err;

    /* a marker or the end where picture data should be: what follows is made up */
    if (level < 0 && (j->base.msg_code == JWRN_HIT_MARKER || j->base.msg_code == JWRN_JPEG_EOF ||
                      j->base.msg_code == JWRN_BOGUS_PROGRESSION))
        j->missing = true;
}

/* Does a progressive picture hold every bit of every coefficient? */
static bool full_precision(const struct jpeg_decompress_struct *c)
{
    if (!c->progressive_mode || !c->coef_bits)
        return true;
    for (int i = 0; i < c->num_components; i++)
        for (int k = 0; k < DCTSIZE2; k++)
            if (c->coef_bits[i][k] != 0)
                return false;
    return true;
}

/* Decode all of it, small, and see whether anything had to be made up. */
static bool jpeg_is_all_there(const uint8_t *p, size_t len)
{
    struct jpeg_decompress_struct c;
    struct judge j = {0};
    JSAMPARRAY row;

    c.err = jpeg_std_error(&j.base);
    j.base.error_exit = on_error;
    j.base.emit_message = on_message;
    if (setjmp(j.out)) {
        jpeg_destroy_decompress(&c);
        return false;
    }
    jpeg_create_decompress(&c);
    jpeg_mem_src(&c, p, len);
    jpeg_read_header(&c, TRUE);
    c.scale_num = 1;
    c.scale_denom = 8;
    c.do_fancy_upsampling = FALSE;
    jpeg_start_decompress(&c);
    row = c.mem->alloc_sarray((j_common_ptr)&c, JPOOL_IMAGE,
                              c.output_width * (JDIMENSION)c.output_components, 1);
    while (c.output_scanline < c.output_height && !j.missing)
        jpeg_read_scanlines(&c, row, 1);
    bool whole = !j.missing && full_precision(&c);
    jpeg_destroy_decompress(&c);
    return whole;
}

bool damage_jpeg_only_lacks_its_end(int fd)
{
    static const uint8_t end[2] = {0xFF, 0xD9};
    AUTO(mem_free) char *data = NULL;
    uint8_t tail[2];
    struct stat st;
    size_t len;

    if (fstat(fd, &st) < 0 || st.st_size < 4 || pread(fd, tail, 2, st.st_size - 2) != 2 || !memcmp(tail, end, 2) ||
        !(data = (char *)read_all(&len, fd, sizeof end)) || jpeg_ends((uint8_t *)data, len))
        return false;
    len -= (uint8_t)data[len - 1] == 0xFF; /* half of it is there */
    memcpy(data + len, end, sizeof end);
    return jpeg_is_all_there((uint8_t *)data, len + sizeof end);
}

/* ---- PNG ---- */

static uint32_t be32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

static void put_be32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t chunk_crc(const uint8_t *chunk, uint32_t n)
{
    return libdeflate_crc32(0, chunk + 4, (size_t)n + 4);
}

/* What the chunk's contents are for; a header or a palette that does not fit its checksum is not to be believed. */
static bool may_mend(const uint8_t *chunk)
{
    return !memcmp(chunk + 4, "IDAT", 4) || !memcmp(chunk + 4, "IEND", 4) || (chunk[4] & 0x20);
}

/* Is any checksum wrong, of chunks where that may be forgiven? */
static bool png_has_wrong_sums(const uint8_t *p, size_t len)
{
    bool wrong = false;

    for (size_t at = 8; at + 12 <= len;) {
        uint32_t n = be32(p + at);

        if (n > len - at - 12)
            break;
        if (be32(p + at + 8 + n) != chunk_crc(p + at, n)) {
            if (!may_mend(p + at))
                return false;
            wrong = true;
        }
        at += 12 + (size_t)n;
    }
    return wrong;
}

/* Unpack all IDAT chunks to nowhere: does the stream end, and with the right checksum? */
static bool png_stream_is_whole(const uint8_t *p, size_t len)
{
    unsigned char nowhere[64 * 1024];
    z_stream z = {0};
    int rc = Z_OK;

    if (inflateInit(&z) != Z_OK)
        return false;
    for (size_t at = 8; at + 12 <= len && rc == Z_OK;) {
        uint32_t n = be32(p + at);

        if (n > len - at - 12)
            break;
        if (!memcmp(p + at + 4, "IDAT", 4)) {
            z.next_in = (Bytef *)p + at + 8;
            z.avail_in = n;
            while (rc == Z_OK && z.avail_in) {
                z.next_out = nowhere;
                z.avail_out = sizeof nowhere;
                rc = inflate(&z, Z_NO_FLUSH);
            }
        }
        at += 12 + (size_t)n;
    }
    inflateEnd(&z);
    return rc == Z_STREAM_END;
}

static void mend_sums(uint8_t *p, size_t len)
{
    for (size_t at = 8; at + 12 <= len;) {
        uint32_t n = be32(p + at);

        if (n > len - at - 12)
            break;
        put_be32(p + at + 8 + n, chunk_crc(p + at, n));
        at += 12 + (size_t)n;
    }
}

uint8_t *damage_mend_png(size_t *len, int fd)
{
    struct stat st;
    uint8_t *copy = NULL;

    if (fstat(fd, &st) < 0 || st.st_size < 8 || st.st_size > READ_MAX)
        return NULL;
    const uint8_t *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (png_has_wrong_sums(p, (size_t)st.st_size) && png_stream_is_whole(p, (size_t)st.st_size))
        copy = read_all(len, fd, 0);
    munmap((void *)p, (size_t)st.st_size);
    if (copy)
        mend_sums(copy, *len);
    return copy;
}
