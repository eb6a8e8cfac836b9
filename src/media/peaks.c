#include "media/peaks.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AT_FIRST 4096 /* points there is room for */
#define LANES 8       /* samples that are compared at once */

void peaks_init(struct peaks *p, int64_t per, int64_t most)
{
    *p = (struct peaks){.per = per ? per : 1, .most = most, .fits = !per};
}

void peaks_done(struct peaks *p)
{
    free(p->points);
    p->points = NULL;
}

/* Written so that what is no number changes nothing, and that the compiler sees a vector in it. */
static void widen(struct peak *out, const float *x, int64_t n)
{
    float low[LANES], high[LANES];
    int64_t i = 0;

    for (int k = 0; k < LANES; k++) {
        low[k] = out->low;
        high[k] = out->high;
    }
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            low[k] = x[i + k] < low[k] ? x[i + k] : low[k];
            high[k] = x[i + k] > high[k] ? x[i + k] : high[k];
        }
    for (; i < n; i++) {
        low[0] = x[i] < low[0] ? x[i] : low[0];
        high[0] = x[i] > high[0] ? x[i] : high[0];
    }
    for (int k = 0; k < LANES; k++) {
        out->low = low[k] < out->low ? low[k] : out->low;
        out->high = high[k] > out->high ? high[k] : out->high;
    }
}

static void join_pairs(struct peaks *p)
{
    for (int64_t i = 0; i < p->count / 2; i++) {
        const struct peak *a = &p->points[2 * i], *b = a + 1;

        p->points[i] = (struct peak){fminf(a->low, b->low), fmaxf(a->high, b->high)};
    }
    p->count /= 2;
    p->per *= 2;
    p->in_last = p->per;
}

static int begin_point(struct peaks *p, struct err *err)
{
    if (p->count == p->most && p->fits)
        join_pairs(p);
    if (p->count == p->most)
        return err_set(err, ERR_COMMAND,
                       "the waveform would have more than %" PRId64 " points: ask for more samples "
                       "in each (zoom)",
                       p->most);
    if ((p->count & (p->count - 1)) == 0 && (p->count >= AT_FIRST || p->count == 0)) {
        int64_t room = p->count ? 2 * p->count : AT_FIRST;

        p->points = realloc(p->points, (size_t)room * sizeof *p->points);
        if (!p->points)
            abort();
    }
    p->points[p->count++] = (struct peak){INFINITY, -INFINITY};
    p->in_last = 0;
    return 0;
}

struct peak peaks_at(const struct peaks *p, int64_t i)
{
    struct peak k = p->points[i];

    return k.low <= k.high ? k : (struct peak){0, 0};
}

int peaks_add(struct peaks *p, const float *const *channels, int count, int n, struct err *err)
{
    for (int64_t at = 0; at < n;) {
        int64_t step = n - at;

        if ((p->count == 0 || p->in_last == p->per) && begin_point(p, err) < 0)
            return -1;
        if (step > p->per - p->in_last)
            step = p->per - p->in_last;
        for (int c = 0; c < count; c++)
            widen(&p->points[p->count - 1], channels[c] + at, step);
        p->in_last += step;
        p->samples += step;
        at += step;
    }
    return 0;
}

void peaks_spread(struct peak *out, int64_t w, const struct peaks *p)
{
    for (int64_t i = 0; i < w; i++) {
        double from = (double)p->samples * (double)i / (double)w / (double)p->per,
               upto = (double)p->samples * (double)(i + 1) / (double)w / (double)p->per;
        int64_t a = (int64_t)from, b = (int64_t)ceil(upto - 1e-9);

        out[i] = (struct peak){0, 0};
        if (a >= p->count)
            continue;
        out[i] = peaks_at(p, a);
        for (int64_t k = a + 1; k < b && k < p->count; k++) {
            struct peak more = peaks_at(p, k);

            out[i] = (struct peak){fminf(out[i].low, more.low), fmaxf(out[i].high, more.high)};
        }
    }
}
