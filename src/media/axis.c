#include "media/axis.h"

#include <math.h>
#include <stdio.h>

double axis_step(double span, int64_t px, double apart)
{
    double least = px > 0 ? span * apart / (double)px : 0;

    if (!(least > 1e-30))
        return 1;
    double ten = pow(10, floor(log10(least) + 1e-9));
    for (int i = 1; i <= 5; i += i == 2 ? 3 : 1)
        if (least <= ten * i * 1.0000001)
            return ten * i;
    return 10 * ten;
}

double axis_step_s(double seconds, int64_t px, double apart)
{
    static const double steps[] = {1,   2,   5,    10,   15,   30,    60,    120,   300,
                                   600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400};
    double least = px > 0 ? seconds * apart / (double)px : 0;

    if (least < 1)
        return axis_step(seconds, px, apart);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (steps[i] >= least)
            return steps[i];
    return ceil(least / 86400) * 86400;
}

void axis_time(char out[static AXIS_TEXT], double at_s, double step_s)
{
    int digits = step_s < 1 ? (int)fmin(ceil(-log10(step_s) - 1e-9), 6) : 0;
    double scale = pow(10, digits), units = round(at_s * scale); /* 59.9996 is a minute */
    double whole = floor(units / scale), left = units - whole * scale;
    int64_t s = whole < 9e15 ? (int64_t)whole : 0;
    int n;

    if (s >= 3600)
        n = snprintf(out, AXIS_TEXT, "%lld:%02d:%02d", (long long)(s / 3600), (int)(s / 60 % 60),
                     (int)(s % 60));
    else
        n = snprintf(out, AXIS_TEXT, "%d:%02d", (int)(s / 60), (int)(s % 60));
    if (digits)
        snprintf(out + n, (size_t)(AXIS_TEXT - n), ".%0*d", digits, (int)left);
}

void axis_hertz(char out[static AXIS_TEXT], double hz)
{
    if (hz < 1000)
        snprintf(out, AXIS_TEXT, "%.4g", hz);
    else
        snprintf(out, AXIS_TEXT, "%.4gk", hz / 1000);
}

void axis_write(cairo_t *cr, const char *text, double x, double y, double share)
{
    PangoLayout *l = pango_cairo_create_layout(cr);
    PangoFontDescription *d = pango_font_description_from_string("Sans");
    int w, h;

    pango_font_description_set_absolute_size(d, AXIS_LETTERS * PANGO_SCALE);
    pango_layout_set_font_description(l, d);
    pango_font_description_free(d);
    pango_layout_set_text(l, text, -1);
    pango_layout_get_pixel_size(l, &w, &h);
    cairo_move_to(cr, floor(x - share * w), floor(y));
    pango_cairo_show_layout(cr, l);
    g_object_unref(l);
}
