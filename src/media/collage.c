#include "media/collage.h"

#include <math.h>
#include <string.h>

/* splitmix64: every seed, also 0, begins a sequence of its own. */
static uint64_t collage_next(struct collage_dice *d)
{
    uint64_t z = d->state += 0x9E3779B97F4A7C15;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

double collage_roll(struct collage_dice *d)
{
    return (double)(collage_next(d) >> 11) / 9007199254740992.0;
}

void collage_shuffle(size_t *order, size_t n, struct collage_dice *d)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)(collage_roll(d) * (double)i), t = order[i - 1];

        order[i - 1] = order[k];
        order[k] = t;
    }
}

static struct collage_spot spot_at(struct collage_size size, int64_t left, int64_t top)
{
    return (struct collage_spot){.size = size,
                                 .x = (double)left + (double)size.w / 2,
                                 .y = (double)top + (double)size.h / 2};
}

struct collage_size collage_strip(struct collage_spot *spots, const struct collage_size *sizes,
                                  size_t n, bool vertical, int64_t border)
{
    struct collage_size all = {0};

    for (size_t i = 0; i < n; i++) {
        int64_t gap = i ? border : 0;

        spots[i] = vertical ? spot_at(sizes[i], 0, all.h + gap) : spot_at(sizes[i], all.w + gap, 0);
        if (vertical) {
            all.h += gap + sizes[i].h;
            all.w = all.w > sizes[i].w ? all.w : sizes[i].w;
        } else {
            all.w += gap + sizes[i].w;
            all.h = all.h > sizes[i].h ? all.h : sizes[i].h;
        }
    }
    return all;
}

/* ---- grid ---- */

/* As it is, or as large as the cell allows where one is given. */
static struct collage_size in_cell(struct collage_size s, const struct collage_grid *g)
{
    double x = g->cell_width ? (double)g->cell_width / (double)s.w : INFINITY;
    double y = g->cell_height ? (double)g->cell_height / (double)s.h : INFINITY, f = fmin(x, y);

    return isfinite(f)
               ? (struct collage_size){fit_round((double)s.w * f), fit_round((double)s.h * f)}
               : s;
}

bool collage_grid(struct collage_size *canvas, struct collage_spot *spots,
                  const struct collage_size *sizes, size_t n, const struct collage_grid *g,
                  int64_t border)
{
    int64_t count = (int64_t)n, columns = g->columns, rows = g->rows;
    struct collage_size cell = {g->cell_width, g->cell_height};

    if (!columns)
        columns = rows ? (count + rows - 1) / rows : (int64_t)ceil(sqrt((double)n));
    if (!rows)
        rows = (count + columns - 1) / columns;
    if (rows < (count + columns - 1) / columns)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct collage_size s = in_cell(sizes[i], g);

        cell.w = cell.w > s.w ? cell.w : s.w;
        cell.h = cell.h > s.h ? cell.h : s.h;
    }
    for (size_t i = 0; i < n; i++) {
        struct collage_size s = in_cell(sizes[i], g);
        int64_t left = ((int64_t)i % columns) * (cell.w + border),
                top = ((int64_t)i / columns) * (cell.h + border);

        spots[i] = spot_at(s, left + (cell.w - s.w) / 2, top + (cell.h - s.h) / 2);
    }
    *canvas = (struct collage_size){columns * (cell.w + border) - border,
                                    rows * (cell.h + border) - border};
    return true;
}

/* ---- mosaic ---- */

#define COLLAGE_ROWS_MAX 1000

static double shape(struct collage_size s) { return (double)s.w / (double)s.h; }

/* Lay row[n] from top to bottom px, each as wide as its shape wants. */
static bool lay_row(struct collage_spot *row, const struct collage_size *sizes, size_t n,
                    struct collage_size canvas, int64_t border, int64_t top, int64_t bottom)
{
    double room = (double)(canvas.w - border * (int64_t)(n + 1)), all = 0, upto = 0;

    for (size_t i = 0; i < n; i++)
        all += shape(sizes[i]);
    for (size_t i = 0; i < n; i++) {
        int64_t left = llround(upto / all * room), right;

        upto += shape(sizes[i]);
        right = i + 1 == n ? (int64_t)room : llround(upto / all * room);
        if (right <= left || bottom <= top)
            return false;
        row[i] = spot_at((struct collage_size){right - left, bottom - top},
                         left + border * (int64_t)(i + 1), top);
        row[i].cover = true;
    }
    return true;
}

/* How many pictures from the first on make a row whose shapes sum up to about `wanted`; others are
 * left for `rows` rows more. */
static size_t row_length(const struct collage_size *sizes, size_t n, size_t rows, double wanted)
{
    double sum = 0;
    size_t k = 0;

    while (k < n && (!k || n - k > rows) && (!k || sum + shape(sizes[k]) / 2 <= wanted))
        sum += shape(sizes[k++]);
    return rows ? k : n;
}

bool collage_mosaic(struct collage_spot *spots, const struct collage_size *sizes, size_t n,
                    struct collage_size canvas, int64_t border, struct collage_dice *d)
{
    double all = 0, heights = 0, upto = 0;
    size_t rows, done = 0, lengths[COLLAGE_ROWS_MAX];
    double natural[COLLAGE_ROWS_MAX];

    for (size_t i = 0; i < n; i++)
        all += shape(sizes[i]);
    double ideal = sqrt(all * (double)canvas.h / (double)canvas.w);
    rows = (size_t)fmin(fmax(1, round(ideal)), fmin((double)n, COLLAGE_ROWS_MAX));
    for (size_t r = 0; r < rows; r++) {
        double left = 0, row = 0;

        for (size_t i = done; i < n; i++)
            left += shape(sizes[i]);
        lengths[r] = row_length(sizes + done, n - done, rows - r - 1,
                                left / (double)(rows - r) * (0.85 + 0.3 * collage_roll(d)));
        for (size_t i = done; i < done + lengths[r]; i++)
            row += shape(sizes[i]);
        heights += natural[r] = 1 / row;
        done += lengths[r];
    }
    double room = (double)(canvas.h - border * (int64_t)(rows + 1));
    done = 0;
    for (size_t r = 0; r < rows; done += lengths[r++]) {
        int64_t top = llround(upto / heights * room), bottom, gap = border * (int64_t)(r + 1);

        upto += natural[r];
        bottom = r + 1 == rows ? (int64_t)room : llround(upto / heights * room);
        if (!lay_row(spots + done, sizes + done, lengths[r], canvas, border, top + gap,
                     bottom + gap))
            return false;
    }
    return true;
}

/* ---- stack ---- */

#define FRAME 0.06 /* of the picture's shorter side */
#define FRAME_BELOW 0.2
#define TILT 14.0 /* degrees to either side at most */

/* With its frame. */
static struct collage_size framed(struct collage_size s)
{
    double side = (double)(s.w < s.h ? s.w : s.h);

    return (struct collage_size){fit_round((double)s.w + 2 * FRAME * side),
                                 fit_round((double)s.h + (FRAME + FRAME_BELOW) * side)};
}

struct rect collage_inside(struct collage_size spot, struct collage_size picture)
{
    struct collage_size whole = framed(picture);
    double x = (double)spot.w / (double)whole.w, y = (double)spot.h / (double)whole.h;
    double frame = FRAME * (double)(picture.w < picture.h ? picture.w : picture.h);

    return (struct rect){llround(frame * x), llround(frame * y), fit_round((double)picture.w * x),
                         fit_round((double)picture.h * y)};
}

/* A middle from lo to hi px, `half` away from both when there is that much room. */
static double within(double at, double lo, double hi, double half)
{
    return hi - lo <= 2 * half ? (lo + hi) / 2 : fmin(fmax(at, lo + half), hi - half);
}

bool collage_stack(struct collage_spot *spots, const struct collage_size *sizes, size_t n,
                   struct collage_size canvas, int64_t border, double coverage,
                   struct collage_dice *d)
{
    double w = (double)(canvas.w - 2 * border), h = (double)(canvas.h - 2 * border);

    if (w < 1 || h < 1)
        return false;
    double columns = fmax(1, round(sqrt((double)n * w / h))), rows = ceil((double)n / columns),
           area = coverage * w * h / (double)n;
    for (size_t i = 0; i < n; i++) {
        struct collage_size f = framed(sizes[i]);
        double diagonal = hypot((double)f.w, (double)f.h);
        double scale = fmin(sqrt(area / ((double)f.w * (double)f.h)),
                            fmin(w, h) * 0.95 / diagonal * (n == 1 ? 1 : 1.1));
        double degrees = (collage_roll(d) * 2 - 1) * TILT, turn = fabs(degrees) * M_PI / 180;
        double bw = (double)f.w * scale, bh = (double)f.h * scale;
        double row = (double)(i / (size_t)columns),
               in_row = fmin(columns, (double)n - row * columns);
        double x =
            ((double)(i % (size_t)columns) + 0.5 + (collage_roll(d) - 0.5) * 0.5) / in_row * w;
        double y = (row + 0.5 + (collage_roll(d) - 0.5) * 0.5) / rows * h;

        spots[i] = (struct collage_spot){
            .size = {fit_round(bw), fit_round(bh)},
            .x = (double)border + within(x, 0, w, (bw * cos(turn) + bh * sin(turn)) / 2),
            .y = (double)border + within(y, 0, h, (bw * sin(turn) + bh * cos(turn)) / 2),
            .degrees = degrees,
        };
    }
    return true;
}
