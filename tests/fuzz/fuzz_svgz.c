/* Gzipped drawings: what is unpacked is what zlib gives of the whole, within the bound that was
 * said; and a drawing is known as one packed and unpacked. */
#include "fuzz.h"
#include "media/mime.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define REFERENCE_MAX ((size_t)1 << 20)

/* All members, one behind the other. True: the last of them ends. Stops at REFERENCE_MAX. */
static bool inflate_all(struct str *out, const uint8_t *in, size_t len)
{
    unsigned char buf[8192];
    z_stream z = {.next_in = (Bytef *)in, .avail_in = (uInt)len};
    int rc;

    CHECK(inflateInit2(&z, 15 + 16) == Z_OK);
    do {
        z.next_out = buf;
        z.avail_out = sizeof buf;
        rc = inflate(&z, Z_SYNC_FLUSH);
        str_add(out, buf,
                sizeof buf - z.avail_out); /* of a broken one, what came before the break */
        if (rc == Z_STREAM_END && z.avail_in && *z.next_in == 0x1F) {
            inflateReset(&z);
            rc = Z_OK;
        }
    } while (rc == Z_OK && out->len < REFERENCE_MAX);
    inflateEnd(&z);
    return rc == Z_STREAM_END;
}

static struct str packed(const uint8_t *data, size_t len, unsigned level)
{
    struct str out = {0};
    unsigned char buf[8192];
    z_stream z = {.next_in = (Bytef *)data, .avail_in = (uInt)len};
    int rc;

    CHECK(deflateInit2(&z, (int)level % 10, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    do {
        z.next_out = buf;
        z.avail_out = sizeof buf;
        rc = deflate(&z, Z_FINISH);
        str_add(&out, buf, sizeof buf - z.avail_out);
    } while (rc == Z_OK);
    deflateEnd(&z);
    return out;
}

static void check_inflate(const char *data, size_t len, size_t max)
{
    AUTO(str_done) struct str want = {0};
    bool ends = inflate_all(&want, (const uint8_t *)data, len);
    int fd = open(fuzz_file(data, len), O_RDONLY | O_CLOEXEC);
    size_t whole_len = 0, some_len = 0;

    CHECK(fd >= 0);
    AUTO(mem_free) char *whole = (char *)gzip_inflate(&whole_len, fd, max, true);
    AUTO(mem_free) char *some = (char *)gzip_inflate(&some_len, fd, max, false);
    close(fd);
    if (want.len >= REFERENCE_MAX)
        return;
    CHECK((whole != NULL) == (ends && want.len && want.len <= max));
    CHECK(!whole || (whole_len == want.len && !memcmp(whole, want.s, want.len)));
    CHECK((some != NULL) == (want.len && max));
    CHECK(!some ||
          (some_len == (want.len < max ? want.len : max) && !memcmp(some, want.s, some_len)));
}

static bool is_drawing(const void *data, size_t len, const char *name)
{
    char mime[MIME_LEN];
    struct err err;

    CHECK(mime_detect(mime, fuzz_file(data, len), name, &err) == 0);
    return !strcmp(mime, "image/svg+xml");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    unsigned how = take_byte(&b), level = take_byte(&b);
    size_t max = 1 + (size_t)take_byte(&b) * (how & 4 ? 1 : 64), cut = how & 8 ? take_byte(&b) : 0;

    if (how & 1) { /* any bytes */
        check_inflate((const char *)b.p, b.left, max);
        return 0;
    }
    AUTO(str_done) struct str z = packed(b.p, b.left, level);
    if (how & 2) { /* in two members */
        size_t half = b.left / 2;
        AUTO(str_done)
        struct str first = packed(b.p, half, level),
                   second = packed(b.p + half, b.left - half, level + 1);

        str_reset(&z);
        str_add(&z, first.s, first.len);
        str_add(&z, second.s, second.len);
    }
    max = how & 16 ? b.left : how & 32 ? b.left - 1 : max; /* exactly, one too few */
    check_inflate(z.s, z.len - (cut < z.len ? cut : z.len), max ? max : 1);
    if (cut)
        return 0;
    bool plain = is_drawing(b.p, b.left, "a.svgz");
    CHECK(!plain || is_drawing(z.s, z.len, "a.svgz"));
    CHECK(!is_drawing(z.s, z.len, "a.svg.gz"));
    return 0;
}
