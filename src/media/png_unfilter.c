/* PNG's filters undone. Each byte needs the result of the pixel before it, so only samples of one pixel can be done at
 * a time: eight lanes of 16 bits hold any pixel. GCC's vectors, so there is no second version for another machine. */
#include "media/png_quick.h"
#include "base/auto.h"

#include <string.h>

typedef uint8_t bytes8 __attribute__((vector_size(8)));
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef int16_t lanes __attribute__((vector_size(16)));
#define INLINE static inline __attribute__((always_inline))

/* Bytes of what lies behind the pixel come along; nobody looks at them. */
INLINE lanes wide(const uint8_t *p)
{
    bytes8 b;

    memcpy(&b, p, sizeof b);
    return __builtin_convertvector(b, lanes);
}

INLINE void put(uint8_t *p, lanes v, size_t px)
{
    bytes8 b = __builtin_convertvector(v, bytes8);

    memcpy(p, &b, px);
}

INLINE lanes size_of(lanes v) { return (v ^ (v >> 15)) - (v >> 15); }

INLINE void unsub(uint8_t *row, size_t n, size_t px)
{
    lanes left = {0};

    for (size_t i = 0; i < n; i += px) {
        left = (left + wide(row + i)) & 255;
        put(row + i, left, px);
    }
}

INLINE void unaverage(uint8_t *row, const uint8_t *up, size_t n, size_t px)
{
    lanes left = {0};

    for (size_t i = 0; i < n; i += px) {
        left = (wide(row + i) + ((left + wide(up + i)) >> 1)) & 255;
        put(row + i, left, px);
    }
}

INLINE void unpaeth(uint8_t *row, const uint8_t *up, size_t n, size_t px)
{
    lanes left = {0}, corner = {0};

    for (size_t i = 0; i < n; i += px) {
        lanes above = wide(up + i), p = above - corner, q = left - corner;
        lanes to_left = size_of(p), to_above = size_of(q), to_corner = size_of(p + q);
        lanes is_left = (to_left <= to_above) & (to_left <= to_corner), is_above = to_above <= to_corner;
        lanes best = (left & is_left) | (~is_left & ((above & is_above) | (corner & ~is_above)));

        left = (wide(row + i) + best) & 255;
        corner = above;
        put(row + i, left, px);
    }
}

static void unup(uint8_t *row, const uint8_t *up, size_t n)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        bytes16 a, b;

        memcpy(&a, row + i, sizeof a);
        memcpy(&b, up + i, sizeof b);
        a += b;
        memcpy(row + i, &a, sizeof a);
    }
    for (; i < n; i++)
        row[i] = (uint8_t)(row[i] + up[i]);
}

INLINE bool unfilter_row(uint8_t *row, const uint8_t *up, size_t n, size_t px)
{
    switch (row[-1]) {
    case 0: return true;
    case 1: unsub(row, n, px); return true;
    case 2: unup(row, up, n); return true;
    case 3: unaverage(row, up, n, px); return true;
    case 4: unpaeth(row, up, n, px); return true;
    default: return false;
    }
}

INLINE bool unfilter_all(uint8_t *rows, size_t stride, int64_t height, size_t px)
{
    AUTO(mem_free) char *none = mem_zalloc(stride + 8);
    const uint8_t *up = (uint8_t *)none;

    for (int64_t y = 0; y < height; y++) {
        uint8_t *row = rows + (size_t)y * stride + 1;

        if (!unfilter_row(row, up, stride - 1, px))
            return false;
        up = row;
    }
    return true;
}

/* The number of bytes must be known to the compiler. */
bool png_unfilter(uint8_t *rows, int64_t stride, int64_t height, int px)
{
    switch (px) {
    case 1: return unfilter_all(rows, (size_t)stride, height, 1);
    case 2: return unfilter_all(rows, (size_t)stride, height, 2);
    case 3: return unfilter_all(rows, (size_t)stride, height, 3);
    case 4: return unfilter_all(rows, (size_t)stride, height, 4);
    case 6: return unfilter_all(rows, (size_t)stride, height, 6);
    case 8: return unfilter_all(rows, (size_t)stride, height, 8);
    default: return false;
    }
}
