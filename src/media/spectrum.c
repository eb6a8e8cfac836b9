#include "media/spectrum.h"
#include "media/axis.h"
#include "media/spectrum_priv.h"

#include <libavutil/mem.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOWEST_HZ 20.0 /* of a logarithmic axis that is to begin at 0 */
#define WINDOW_MIN 256
#define WINDOW_MAX 8192
#define WINDOWS_A_SECOND 20.0 /* at least as long a window as that, for the low notes */
#define HOP_MIN 16

/* ---- the axis of frequencies ---- */

double spectrum_hertz(const struct spectrum *s, double row)
{
    double share = row / (double)s->rows;

    return s->look.logarithmic ? s->low_hz * pow(s->high_hz / s->low_hz, share)
                               : s->low_hz + (s->high_hz - s->low_hz) * share;
}

double spectrum_row(const struct spectrum *s, double hz)
{
    double share = s->look.logarithmic ? log(hz / s->low_hz) / log(s->high_hz / s->low_hz)
                                       : (hz - s->low_hz) / (s->high_hz - s->low_hz);

    return share * (double)s->rows;
}

static int find_ends(struct spectrum *s, struct err *err)
{
    double most = s->rate / 2.0;

    s->low_hz = s->look.min_hz;
    s->high_hz = s->look.max_hz > 0 ? s->look.max_hz : most;
    if (s->look.logarithmic && !(s->low_hz >= 1e-3))
        s->low_hz = fmin(LOWEST_HZ, s->high_hz / 10);
    if (s->low_hz < s->high_hz)
        return 0;
    return err_set(err, ERR_COMMAND,
                   "no frequency is between %g and %g Hz, the highest of this sound", s->low_hz,
                   s->high_hz);
}

static void lay_out(struct spectrum *s)
{
    const struct spectrum_look *k = &s->look;
    bool room = k->legend && k->w >= SPECTRUM_LEGEND_W && k->h >= SPECTRUM_LEGEND_H;
    int64_t left = room ? 48 : 0, top = room ? AXIS_BAND / 2 : 0, right = room ? 8 : 0,
            bottom = room ? AXIS_BAND + 3 : 0;

    s->look.legend = room;
    s->plot = (struct rect){left, top, k->w - left - right, k->h - top - bottom};
    s->columns = k->downwards ? s->plot.h : s->plot.w;
    s->rows = k->downwards ? s->plot.w : s->plot.h;
}

static int window_of(const struct spectrum *s)
{
    double least = fmax(2.0 * (double)s->rows, s->rate / WINDOWS_A_SECOND);
    int n = WINDOW_MIN;

    while (n < least && n < WINDOW_MAX)
        n *= 2;
    return n;
}

static void make_tables(struct spectrum *s)
{
    double bins_a_hertz = (double)s->window / s->rate;

    s->bands = mem_zalloc((size_t)s->rows * sizeof *s->bands);
    for (int64_t i = 0; i < s->rows; i++)
        s->bands[i] = (struct band){(float)(spectrum_hertz(s, (double)i) * bins_a_hertz),
                                    (float)(spectrum_hertz(s, (double)i + 1) * bins_a_hertz)};
    for (int i = 0; i < s->window; i++)
        s->shape[i] = (float)(0.5 - 0.5 * cos(2 * M_PI * i / s->window));
}

static void *aligned(size_t n)
{
    void *p = av_mallocz(n);

    if (!p)
        abort();
    return p;
}

int spectrum_new(struct spectrum **out, const struct spectrum_look *look, int rate, int channels,
                 struct err *err)
{
    AUTO(spectrum_free) struct spectrum *s = mem_zalloc(sizeof *s);
    float scale = 1;

    s->look = *look;
    s->rate = rate;
    s->channels = channels;
    if (find_ends(s, err) < 0)
        return -1;
    lay_out(s);
    s->window = window_of(s);
    if (av_tx_init(&s->tx, &s->transform, AV_TX_FLOAT_RDFT, 0, s->window, &scale, 0) < 0)
        return err_set(err, ERR_COMMAND, "cannot count frequencies");
    s->shape = aligned((size_t)s->window * sizeof *s->shape);
    s->work = aligned((size_t)s->window * sizeof *s->work);
    s->bins = aligned((size_t)(s->window + 2) * sizeof *s->bins);
    s->held = aligned((size_t)s->window * (size_t)channels * sizeof *s->held);
    s->filled = s->window / 2; /* the first window has the first sample in its middle */
    make_tables(s);
    s->most = 2 * s->columns;
    s->slots = mem_alloc((size_t)(s->most * s->rows) * sizeof *s->slots);
    s->sum = mem_zalloc((size_t)s->rows * sizeof *s->sum);
    s->hop = (int64_t)fmax(
        HOP_MIN,
        fmin(s->window, look->seconds > 0 ? look->seconds * rate / (double)s->most : s->window));
    s->stretch = s->hop;
    *out = take(s);
    return 0;
}

void spectrum_free(struct spectrum *s)
{
    if (!s)
        return;
    av_tx_uninit(&s->tx);
    av_free(s->shape);
    av_free(s->work);
    av_free(s->bins);
    av_free(s->held);
    free(s->bands);
    free(s->slots);
    free(s->sum);
    free(s);
}

/* ---- stretches ---- */

static void join_stretches(struct spectrum *s)
{
    for (int64_t i = 0; i < s->count / 2; i++) {
        const float *a = s->slots + 2 * i * s->rows, *b = a + s->rows;
        float *to = s->slots + i * s->rows;

        for (int64_t k = 0; k < s->rows; k++)
            to[k] = (a[k] + b[k]) / 2;
    }
    s->count /= 2;
    s->stretch *= 2;
    s->hop = s->hop * 2 < s->window ? s->hop * 2 : s->window;
}

static void end_stretch(struct spectrum *s)
{
    if (s->count == s->most)
        join_stretches(s);
    float *to = s->slots + s->count++ * s->rows;
    for (int64_t k = 0; k < s->rows; k++) {
        to[k] = s->sum[k] / (float)s->in_sum;
        s->sum[k] = 0;
    }
    s->in_sum = s->covered = 0;
}

/* ---- one transform ---- */

static float power(const struct spectrum *s, int64_t bin)
{
    const float *b = s->bins + 2 * bin;

    return bin > s->window / 2 ? 0 : b[0] * b[0] + b[1] * b[1];
}

/* A row of several bins is the loudest of them, one between two bins lies between them. */
static float power_of(const struct spectrum *s, const struct band *b)
{
    float most = 0;

    if (b->upto - b->from <= 1) {
        float middle = (b->from + b->upto) / 2;
        int64_t i = (int64_t)middle;
        float share = middle - (float)i;

        return power(s, i) * (1 - share) + power(s, i + 1) * share;
    }
    for (int64_t i = (int64_t)ceilf(b->from); (float)i < b->upto && i <= s->window / 2; i++)
        most = fmaxf(most, power(s, i));
    return most;
}

static void count_window(struct spectrum *s)
{
    /* a sine of full scale counts as 1 */
    float full = (float)(16.0 / ((double)s->window * s->window) / s->channels);

    for (int c = 0; c < s->channels; c++) {
        const float *held = s->held + (size_t)c * (size_t)s->window;

        for (int i = 0; i < s->window;
             i++) /* what is no number is silent, what is endless is loud */
            s->work[i] = held[i] >= -16 && held[i] <= 16 ? held[i] * s->shape[i] : 0;
        s->transform(s->tx, s->bins, s->work, sizeof(float));
        for (int64_t k = 0; k < s->rows; k++)
            s->sum[k] += power_of(s, &s->bands[k]) * full;
    }
    s->in_sum++;
    s->covered += s->hop;
    if (s->covered >= s->stretch)
        end_stretch(s);
}

/* channels NULL: silence */
static void take_in(struct spectrum *s, const float *const *channels, int n)
{
    for (int at = 0; at < n;) {
        int step = s->window - s->filled < n - at ? s->window - s->filled : n - at;

        for (int c = 0; c < s->channels; c++) {
            float *to = s->held + (size_t)c * (size_t)s->window + s->filled;

            if (channels)
                memcpy(to, channels[c] + at, (size_t)step * sizeof *to);
            else
                memset(to, 0, (size_t)step * sizeof *to);
        }
        s->filled += step;
        at += step;
        if (s->filled < s->window)
            continue;
        int hop = (int)s->hop; /* count_window() may double it */
        count_window(s);
        for (int c = 0; c < s->channels; c++) {
            float *held = s->held + (size_t)c * (size_t)s->window;

            memmove(held, held + hop, (size_t)(s->window - hop) * sizeof *held);
        }
        s->filled -= hop;
    }
}

void spectrum_add(struct spectrum *s, const float *const *channels, int n)
{
    s->samples += n;
    take_in(s, channels, n);
}

void spectrum_finish(struct spectrum *s)
{
    if (s->samples)
        take_in(s, NULL, s->window / 2);
    if (s->in_sum)
        end_stretch(s);
}

float spectrum_level(const struct spectrum *s, int64_t column, int64_t row)
{
    double each = (double)s->count / (double)s->columns;
    double from = (double)column * each, upto = from + each;
    int64_t a = (int64_t)from, b = (int64_t)ceil(upto - 1e-9);
    float all = 0;

    if (!s->count)
        return 0;
    a = a < s->count ? a : s->count - 1;
    b = b > s->count ? s->count : b > a ? b : a + 1;
    for (int64_t i = a; i < b; i++)
        all += s->slots[i * s->rows + row];
    return all / (float)(b - a);
}
