/* Readers of pictures that libvips does not read, and what leaves metadata out: any bytes at all. libav is not instrumented:
 * it is our own way to it that is explored. */
#include "fuzz.h"
#include "media/shrink.h"
#include "media/still.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIXELS_MAX (1 << 20)

static void try_still(const char *format, const char *path)
{
    struct err err;
    struct still s;

    if (still_open(&s, format, path, false, &err) != 0)
        return;
    CHECK(s.width > 0 && s.height > 0 && s.bands > 0 && s.bands <= 4);
    for (int i = 0; i < STILL_BLOBS && s.blobs[i].field; i++)
        CHECK(s.blobs[i].data >= s.data && s.blobs[i].len <= s.len &&
              s.blobs[i].data + s.blobs[i].len <= s.data + s.len);
    if (s.width <= PIXELS_MAX && s.height <= PIXELS_MAX / s.width) {
        uint8_t *px = NULL;

        if (still_pixels(&px, &s, &err) == 0)
            free(px);
    }
    still_close(&s);
}

/* Never longer than it was, but for an EXIF block that says less. */
static void try_strip(int (*strip)(const char *, const char *, struct err *), const char *path, size_t len)
{
    char to[64];
    struct stat st;
    struct err err;

    snprintf(to, sizeof to, "/tmp/fuzz_still.%d", (int)getpid());
    unlink(to);
    if (strip(path, to, &err) == 0) {
        CHECK(stat(to, &st) == 0);
        CHECK((size_t)st.st_size <= len + 2 * (12 + 6 + SHRINK_EXIF_LEN) + len);
    }
    unlink(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const formats[] = {"bmp", "ico", "psd", "tga"};
    struct bytes b = {data, len};
    unsigned kind = take_below(&b, 6);
    int open_before;

    (void)fuzz_file("", 0); /* its own descriptor is there from now on */
    open_before = fuzz_descriptors();
    const char *path = fuzz_file(b.p, b.left);
    if (kind < 4)
        try_still(formats[kind], path);
    else
        try_strip(kind == 4 ? shrink_strip_png : shrink_strip_webp, path, b.left);
    if (still_is_tga(b.p, b.left))
        CHECK(b.left > 18);
    (void)shrink_is_apng(path);
    (void)shrink_is_lossless_webp(path);
    CHECK(fuzz_descriptors() == open_before);
    return 0;
}
