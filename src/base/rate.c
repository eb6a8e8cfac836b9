#include "base/rate.h"
#include "base/clock.h"

#include <string.h>

static void forget(struct rate_minute *r, int64_t second)
{
    if (second - r->second >= 60 || second < r->second) {
        memset(r->taken, 0, sizeof r->taken);
        r->total = 0;
        r->second = second;
    }
    while (r->second < second) {
        r->second++;
        r->total -= r->taken[r->second % 60];
        r->taken[r->second % 60] = 0;
    }
}

int rate_minute_take(struct rate_minute *r, int64_t limit, int64_t now_us)
{
    int64_t left;

    forget(r, now_us / SECOND_US);
    if (r->total < limit) {
        r->taken[r->second % 60]++;
        r->total++;
        return 0;
    }
    left = r->total;
    for (int wait = 1; wait < 60; wait++) {
        left -= r->taken[(r->second + wait) % 60]; /* the second that leaves then */
        if (left < limit)
            return wait;
    }
    return 60;
}

int rate_bucket_take(struct rate_bucket *r, int64_t per_s, int64_t burst, int64_t now_us)
{
    int64_t one_us = SECOND_US / per_s, full = r->full_us > now_us ? r->full_us : now_us;

    if (full + one_us - now_us > burst * one_us) {
        int64_t wait = full + one_us - burst * one_us - now_us;

        return (int)((wait + SECOND_US - 1) / SECOND_US);
    }
    r->full_us = full + one_us;
    return 0;
}
