/* rate.h - how often something may happen. Pure: the time is an argument. Not thread-safe. A zeroed
 * struct is ready. */
#pragma once
#include <stdint.h>

/* At most so many in any minute, counted by the second. */
struct rate_minute {
    int64_t second;
    int64_t taken[60], total;
};
/* 0: it may happen, and is counted. Else in how many seconds there is room. */
int rate_minute_take(struct rate_minute *r, int64_t limit, int64_t now_us);

/* per_s each second in the long run, burst at once. */
struct rate_bucket {
    int64_t full_us; /* when it has its whole burst again */
};
int rate_bucket_take(struct rate_bucket *r, int64_t per_s, int64_t burst, int64_t now_us);
