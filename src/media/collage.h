/* collage.h - where pictures go that become one: arithmetic alone. The same seed gives the same
 * places. */
#pragma once
#include "media/fit.h"

#include <stddef.h>

struct collage_size {
    int64_t w, h; /* px, at least 1 */
};

/* Where one picture goes. Scaled to size.w x size.h (to cover that and be cut when `cover`), it is
 * turned by degrees and lies with its middle at x, y. */
struct collage_spot {
    struct collage_size size;
    double x, y; /* px, of the middle */
    double degrees;
    bool cover;
};

struct collage_grid {
    int64_t columns, rows;           /* 0: as many as it takes */
    int64_t cell_width, cell_height; /* px, 0: as large as the largest picture */
};

/* A sequence of numbers that look random. */
struct collage_dice {
    uint64_t state;
};
double collage_roll(struct collage_dice *d); /* 0 <= x < 1 */
void collage_shuffle(size_t *order, size_t n, struct collage_dice *d);

/* Each fills spots[n] for pictures of sizes[n] and says how large the canvas is. All at their own
 * size beside (below) each other, `border` px between them, at the top (left). */
struct collage_size collage_strip(struct collage_spot *spots, const struct collage_size *sizes,
                                  size_t n, bool vertical, int64_t border);
/* Row by row, each in the middle of its cell, which a given cell's pictures are scaled to fit.
 * False: they are too many. */
bool collage_grid(struct collage_size *canvas, struct collage_spot *spots,
                  const struct collage_size *sizes, size_t n, const struct collage_grid *g,
                  int64_t border);
/* All of the canvas in rows, cut as little as that needs; `border` px between and around. False:
 * there is no room. */
bool collage_mosaic(struct collage_spot *spots, const struct collage_size *sizes, size_t n,
                    struct collage_size canvas, int64_t border, struct collage_dice *d);
/* Thrown on a table: together `coverage` times as large as it; none nearer to its edge than border,
 * where that can be. The size of a spot is that of the picture with its frame. False: there is no
 * room. */
bool collage_stack(struct collage_spot *spots, const struct collage_size *sizes, size_t n,
                   struct collage_size canvas, int64_t border, double coverage,
                   struct collage_dice *d);

/* Where in a spot of that size the picture itself lies: its white frame is as wide at three sides,
 * and wider below. */
struct rect collage_inside(struct collage_size spot, struct collage_size picture);
