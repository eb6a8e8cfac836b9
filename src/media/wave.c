#include "media/wave.h"
#include "media/axis.h"

#include <math.h>

#define MARK 4         /* px, length of a mark of time */
#define MARKS_APART 70 /* px */
#define LABELS_FROM 40 /* px: a picture lower than that has marks only */
#define COLUMNS_AT_ONCE 2000

/* Where the wave is: what frame and labels leave. */
struct room {
    double x, y, w, h;
};

static struct room room_of(const struct wave *v)
{
    double edge = v->framed && v->w > 4 && v->h > 4 ? 1 : 0;
    double band = v->labelled && v->h >= LABELS_FROM ? AXIS_BAND : 0;

    return (struct room){edge, edge, (double)v->w - 2 * edge, (double)v->h - 2 * edge - band};
}

static double clamp_sample(double v) { return v != v ? 0 : v < -1 ? -1 : v > 1 ? 1 : v; }

/* From the upper end to the lower one, 1 px at least: silence is a line. */
static void extent(double *top, double *bottom, const struct wave *v, const struct room *r,
                   struct peak p)
{
    double high = clamp_sample(p.high * v->scale), low = clamp_sample(p.low * v->scale);
    double half = r->h / 2, middle = r->y + half;

    if (v->mirrored) {
        high = fmax(fabs(high), fabs(low));
        low = -high;
    }
    *top = middle - high * half;
    *bottom = middle - low * half;
    if (*bottom - *top < 1) {
        double m = (*top + *bottom) / 2;

        *top = fmax(m - 0.5, r->y);
        *bottom = *top + 1;
    }
    if (!v->smooth) { /* whole pixels, the same above and below */
        *top = round(*top);
        *bottom = fmax(round(*bottom), *top + 1);
    }
}

static cairo_pattern_t *gradient_of(const struct wave *v, const struct room *r)
{
    cairo_pattern_t *p = cairo_pattern_create_linear(0, r->y, 0, r->y + r->h);
    const struct color *o = &v->outer, *c = &v->center;

    cairo_pattern_add_color_stop_rgba(p, 0, o->r / 255.0, o->g / 255.0, o->b / 255.0, o->a / 255.0);
    cairo_pattern_add_color_stop_rgba(p, 0.5, c->r / 255.0, c->g / 255.0, c->b / 255.0,
                                      c->a / 255.0);
    cairo_pattern_add_color_stop_rgba(p, 1, o->r / 255.0, o->g / 255.0, o->b / 255.0, o->a / 255.0);
    return p;
}

static void add_bar(cairo_t *cr, const struct wave *v, double x, double top, double w, double h)
{
    double r = fmin(w, h) / 2;

    if (!v->rounded || r < 1) {
        cairo_rectangle(cr, x, top, w, h);
        return;
    }
    cairo_new_sub_path(cr);
    cairo_arc(cr, x + w - r, top + r, r, -M_PI_2, 0);
    cairo_arc(cr, x + w - r, top + h - r, r, 0, M_PI_2);
    cairo_arc(cr, x + r, top + h - r, r, M_PI_2, M_PI);
    cairo_arc(cr, x + r, top + r, r, M_PI, 3 * M_PI_2);
    cairo_close_path(cr);
}

/* All of a bar: what its columns span, those of the gap behind it as well. */
static struct peak widest_of(const struct peak *columns, int64_t from, int64_t upto)
{
    struct peak p = columns[from];

    for (int64_t i = from + 1; i < upto; i++) {
        p.low = fminf(p.low, columns[i].low);
        p.high = fmaxf(p.high, columns[i].high);
    }
    return p;
}

static void draw_wave(cairo_t *cr, const struct wave *v, const struct room *r,
                      const struct peak *columns, int64_t count)
{
    cairo_pattern_t *paint = gradient_of(v, r);
    int64_t step = v->bar ? v->bar + v->gap : 1, pending = 0;

    cairo_rectangle(cr, r->x, r->y, r->w, r->h);
    cairo_clip(cr);
    cairo_set_source(cr, paint);
    cairo_set_antialias(cr, v->smooth ? CAIRO_ANTIALIAS_BEST : CAIRO_ANTIALIAS_NONE);
    for (int64_t x = 0; x < count; x += step) {
        int64_t upto = x + step < count ? x + step : count;
        double wide = v->bar ? (double)v->bar : 1, top, bottom;

        extent(&top, &bottom, v, r, widest_of(columns, x, upto));
        add_bar(cr, v, (double)x, top, wide, bottom - top);
        if (++pending == COLUMNS_AT_ONCE) {
            cairo_fill(cr);
            pending = 0;
        }
    }
    cairo_fill(cr);
    cairo_pattern_destroy(paint);
    cairo_reset_clip(cr);
}

static void draw_frame(cairo_t *cr, const struct wave *v)
{
    surface_color(cr, v->border);
    cairo_set_antialias(cr, CAIRO_ANTIALIAS_NONE);
    cairo_set_line_width(cr, 1);
    cairo_rectangle(cr, 0.5, 0.5, (double)v->w - 1, (double)v->h - 1);
    cairo_stroke(cr);
}

static void draw_times(cairo_t *cr, const struct wave *v, const struct room *r)
{
    double span = v->upto_s - v->from_s, step = axis_step_s(span, v->w, MARKS_APART);
    double first = ceil(v->from_s / step - 1e-9);

    if (!(span > 0))
        return;
    surface_color(cr, v->label);
    for (int i = 0; i <= v->w / MARKS_APART + 1; i++) {
        double t = (first + i) * step, x = floor((t - v->from_s) / span * (double)v->w);
        char text[AXIS_TEXT];

        if (t > v->upto_s)
            break;
        cairo_rectangle(cr, x, 0, 1, MARK);
        cairo_rectangle(cr, x, r->y + r->h - MARK, 1, MARK);
        cairo_fill(cr);
        axis_time(text, t, step);
        if (v->h >= LABELS_FROM && x + 8 < (double)v->w)
            axis_write(cr, text, fmax(x, 2), r->y + r->h,
                       x < 15                  ? 0
                       : x > (double)v->w - 25 ? 1
                                               : 0.5);
    }
}

int wave_draw(struct image **out, const struct wave *v, const struct peak *columns, int64_t count,
              struct err *err)
{
    AUTO(surface_free) cairo_surface_t *s = NULL;
    AUTO(surface_pen_free) cairo_t *cr = NULL;
    struct room r = room_of(v);

    if (media_init(err) < 0 || surface_new(&s, v->w, v->h, v->background, err) < 0)
        return -1;
    cr = cairo_create(s);
    draw_wave(cr, v, &r, columns, count < v->w ? count : v->w);
    if (v->labelled)
        draw_times(cr, v, &r);
    if (v->framed)
        draw_frame(cr, v);
    if (cairo_status(cr))
        return err_set(err, ERR_COMMAND, "cannot draw the waveform: %s",
                       cairo_status_to_string(cairo_status(cr)));
    return surface_image(out, s, err);
}
