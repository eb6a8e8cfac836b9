/* The picture of a spectrum: colours, and the legend beside it. */
#include "media/axis.h"
#include "media/spectrum_priv.h"

#include <math.h>

#define RANGE_DB 120.0 /* from the first colour to the last */
#define MARK 3         /* px */
#define TIMES_APART 60 /* px */
#define ROWS_APART 18

/* Colours at equal distances, 0xrrggbb. The first four are made to be read by everybody: even in
 * lightness, also without colour. */
static const uint32_t maps[][12] = {
    [MAP_VIRIDIS] = {9, 0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c, 0x28ae80, 0x5ec962,
                     0xaddc30, 0xfde725},
    [MAP_PLASMA] = {9, 0x0d0887, 0x4c02a1, 0x7e03a8, 0xa92395, 0xcc4678, 0xe56b5d, 0xf89441,
                    0xfdc328, 0xf0f921},
    [MAP_MAGMA] = {9, 0x000004, 0x1d1147, 0x51127c, 0x822681, 0xb63679, 0xe65164, 0xfb8861,
                   0xfec287, 0xfcfdbf},
    [MAP_CIVIDIS] = {9, 0x00204d, 0x16396d, 0x434e6c, 0x61646f, 0x7d7c78, 0x9b9476, 0xbbaf71,
                     0xddc95f, 0xffea46},
    [MAP_COOL] = {4, 0x000000, 0x00a0c0, 0x50d0ff, 0xff60ff},
    [MAP_RAINBOW] = {7, 0x000000, 0x3010a0, 0x0070ff, 0x00c050, 0xf0e000, 0xff7000, 0xff0000},
    [MAP_MORELAND] = {9, 0x3b4cc0, 0x6282ea, 0x8db0fe, 0xb8d0f9, 0xdddddd, 0xf5c4ad, 0xf49a7b,
                      0xde604d, 0xb40426},
    [MAP_NEBULAE] = {6, 0x000000, 0x101850, 0x402080, 0xa03890, 0xf08878, 0xffffe0},
    [MAP_FIRE] = {6, 0x000000, 0x500000, 0xb01000, 0xff6000, 0xffd000, 0xffffff},
    [MAP_FIERY] = {5, 0x000000, 0x601010, 0xd02020, 0xff9030, 0xffff80},
    [MAP_FRUIT] = {5, 0x000000, 0x205020, 0x80b020, 0xffb040, 0xff4060},
    [MAP_GREEN] = {4, 0x000000, 0x006000, 0x20c020, 0xd0ffd0},
    [MAP_TERRAIN] = {6, 0x101850, 0x0070c0, 0x20a050, 0xd0c060, 0x806040, 0xffffff},
    [MAP_GRAY] = {2, 0x000000, 0xffffff},
};

static void fill_colors(uint32_t out[256], enum spectrum_map map)
{
    const uint32_t *m = maps[map] + 1, n = maps[map][0];

    for (int i = 0; i < 256; i++) {
        double at = i / 255.0 * (n - 1);
        uint32_t k = (uint32_t)fmin(at, n - 2), c = 0xff;
        double share = at - k;

        for (int shift = 16; shift >= 0; shift -= 8) {
            double a = m[k] >> shift & 255, b = m[k + 1] >> shift & 255;

            c = c << 8 | (uint32_t)lround(a + (b - a) * share);
        }
        out[i] = c;
    }
}

static int color_of(float level, double gain)
{
    double db = 10 * log10(level * gain * gain + 1e-30), share = db / RANGE_DB + 1;

    return (int)lround(fmin(fmax(share, 0), 1) * 255);
}

static void paint(cairo_surface_t *on, const struct spectrum *s)
{
    uint8_t *data = cairo_image_surface_get_data(on);
    size_t stride = (size_t)cairo_image_surface_get_stride(on);
    uint32_t colors[256];

    fill_colors(colors, s->look.map);
    cairo_surface_flush(on);
    for (int64_t c = 0; c < s->columns; c++)
        for (int64_t r = 0; r < s->rows; r++) {
            /* time goes right, and high notes are above; or down, and they are at the right */
            int64_t x = s->plot.x + (s->look.downwards ? r : c),
                    y = s->plot.y + (s->look.downwards ? c : s->rows - 1 - r);
            uint32_t *row = (uint32_t *)(void *)(data + (size_t)y * stride);

            row[x] = colors[color_of(spectrum_level(s, c, r), s->look.gain)];
        }
    cairo_surface_mark_dirty(on);
}

/* ---- legend ---- */

/* A mark at that place of an axis of the plot, and its number. */
static void mark(cairo_t *cr, const struct spectrum *s, const char *text, double at, bool below)
{
    const struct rect *p = &s->plot;

    if (below) {
        double x = floor((double)p->x + at);

        cairo_rectangle(cr, x, (double)(p->y + p->h), 1, MARK);
        cairo_fill(cr);
        axis_write(cr, text, x, (double)(p->y + p->h + MARK),
                   at < 8                   ? 0
                   : at > (double)p->w - 12 ? 1
                                            : 0.5);
    } else {
        double y = fmin(floor((double)p->y + at), (double)(p->y + p->h - 1));

        cairo_rectangle(cr, (double)p->x - MARK, y, MARK, 1);
        cairo_fill(cr);
        axis_write(cr, text, (double)p->x - MARK - 2, y - AXIS_BAND / 2.0, 1);
    }
}

static void mark_times(cairo_t *cr, const struct spectrum *s)
{
    double seconds = (double)s->samples / s->rate, apart = s->look.downwards ? 25 : TIMES_APART;
    double step = axis_step_s(seconds, s->columns, apart);
    char text[AXIS_TEXT];

    for (int i = 0; seconds > 0 && i <= (double)s->columns / apart + 1 && i * step <= seconds;
         i++) {
        axis_time(text, i * step, step);
        mark(cr, s, text, i * step / seconds * (double)s->columns, !s->look.downwards);
    }
}

static void mark_row(cairo_t *cr, const struct spectrum *s, double hz)
{
    double row = spectrum_row(s, hz);
    char text[AXIS_TEXT];

    axis_hertz(text, hz);
    mark(cr, s, text, s->look.downwards ? row : (double)s->rows - row, s->look.downwards);
}

/* Of 1, 2 and 5 of each power of ten those that have room beside the last one. */
static void mark_hertz(cairo_t *cr, const struct spectrum *s)
{
    static const double digits[] = {1, 2, 5};
    double apart = s->look.downwards ? 40 : ROWS_APART, last = -apart;

    if (!s->look.logarithmic) {
        double step = axis_step(s->high_hz - s->low_hz, s->rows, apart);

        for (double hz = ceil(s->low_hz / step) * step; hz <= s->high_hz; hz += step)
            mark_row(cr, s, hz);
        return;
    }
    for (double ten = pow(10, floor(log10(s->low_hz))); ten <= s->high_hz; ten *= 10)
        for (size_t i = 0; i < ARRAY_LEN(digits); i++) {
            double hz = ten * digits[i], row = hz >= s->low_hz ? spectrum_row(s, hz) : -1;

            if (row < 0 || hz > s->high_hz || row < last + apart)
                continue;
            mark_row(cr, s, hz);
            last = row;
        }
}

int spectrum_draw(struct image **out, struct spectrum *s, struct err *err)
{
    AUTO(surface_free) cairo_surface_t *on = NULL;
    AUTO(surface_pen_free) cairo_t *cr = NULL;

    spectrum_finish(s);
    if (media_init(err) < 0 || surface_new(&on, s->look.w, s->look.h, s->look.paper, err) < 0)
        return -1;
    paint(on, s);
    cr = cairo_create(on);
    if (s->look.legend) {
        surface_color(cr, s->look.ink);
        mark_times(cr, s);
        mark_hertz(cr, s);
    }
    return surface_image(out, on, err);
}
