/* still.h - pictures that libvips has no reader of its own for: BMP, ICO, PSD, Targa, photographs
 * as cameras store them. Which reader is taken is the caller's word, who looked at the file's bytes;
 * none of them guesses, opens another file or starts a program. Nothing here names a type of a
 * library. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STILL_BLOBS 4

/* A file whose header was read, and nothing else of it yet. */
struct still {
    int64_t width, height; /* px, at least 1 */
    int bands; /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; or 4 of a cmyk one, where 0 is no ink */
    bool cmyk;
    int orientation; /* as in EXIF; 0: the blobs tell */
    /* Metadata that it holds, under libvips' names of them ("xmp-data"); NULL: no more. Lent. */
    struct {
        const char *field;
        const uint8_t *data;
        size_t len;
    } blobs[STILL_BLOBS];

    const struct still_reader *reader;
    const char *path;
    const uint8_t *data; /* the whole file */
    size_t len;
    bool half; /* as small as half of each side will do */
    void *own; /* the reader's */
};

/* format: "bmp", "ico", "psd", "tga" or "raw". 1: a variant of it that nothing here reads. Errors:
 * ERR_COMMAND: it is broken; ERR_IO. Neither needs to be closed. path must live as long as *out. */
MUST_CHECK int still_open(struct still *out, const char *format, const char *path, bool half,
                          struct err *err);
/* All of its pixels, width * height * bands bytes of 8 bit. The caller frees them. Once only;
 * whoever calls has compared the size with what is allowed. Errors: ERR_COMMAND: broken, cut off.
 */
MUST_CHECK int still_pixels(uint8_t **out, struct still *s, struct err *err);
void still_close(struct still *s);
/* Is the whole file a Targa picture? Only all of it tells. */
bool still_is_tga(const uint8_t *data, size_t len);

/* ---- the readers, for still.c alone ---- */

struct still_reader {
    const char *format;
    int (*open)(struct still *s, struct err *err); /* 0, 1 or -1 as still_open() */
    int (*pixels)(uint8_t *to, struct still *s, struct err *err);
    void (*close)(struct still *s); /* NULL: nothing to do */
};
extern const struct still_reader still_bmp, still_ico, still_psd, still_raw, still_tga;
/* What libav makes of one picture in memory: w x h pixels of that many bands. decoder: its name.
 * Errors: ERR_COMMAND. */
MUST_CHECK int still_decode(uint8_t *to, const char *decoder, const uint8_t *data, size_t len,
                            int64_t w, int64_t h, int bands, struct err *err);
MUST_CHECK int still_broken(struct err *err, const char *what);
