/* png_quick.h - the pixels of ordinary PNG files by libdeflate, which takes half of zlib's time: it wants a whole
 * stream at once, so this is for pictures that may be in memory as a whole. Interlaced ones, palettes, fewer than 8
 * bits, a colour that counts as transparent, larger ones, and files in which anything is amiss are libpng's: what is
 * told of them stays its word. Nothing here names a libvips type. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PNG_QUICK_MAX (INT64_C(100) * 1000 * 1000) /* bytes of its rows, unpacked */

/* What an image must be like. Samples are in the order of the file: grey or red, green, blue, then alpha. */
struct png_shape {
    int64_t width, height; /* px */
    int bands;             /* 1 to 4 */
    int depth;             /* bits a sample: 8, or 16 with the high byte first */
};

/* Bytes of a row, with the one before it that names its filter; 0: not so large. */
int64_t png_quick_stride(const struct png_shape *s);

/* All rows of the file p: *out gets height times png_quick_stride() bytes, each row behind a byte of no meaning. False:
 * not a file for this, or not one of that shape; *out is untouched then. The caller frees *out. */
MUST_CHECK bool png_quick_rows(uint8_t **out, const struct png_shape *s, const uint8_t *p, size_t len);

/* Undo the filters of rows as the stream has them, where they lie; 8 bytes behind them must be there to be read.
 * px: bytes of a pixel. False: a filter that there is not. */
MUST_CHECK bool png_unfilter(uint8_t *rows, int64_t stride, int64_t height, int px);

/* Write rows (a byte of 0 before each) of that shape to path. level: zlib's, 0 to 9. like: a PNG of ours whose chunks
 * between header and pixels (density, profile, texts) this one gets. Errors: ERR_IO, ERR_NOSPACE. */
MUST_CHECK int png_quick_write(const char *path, const struct png_shape *s, const uint8_t *rows, int level,
                               const uint8_t *like, size_t like_len, struct err *err);
