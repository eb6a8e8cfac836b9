/* audience.h - what somebody listens to, in the order in which it is to be kept alive. Of all that there is only this
 * much is walked over. From any thread. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct listened { /* a member of what is listened to; zeroed at first */
    struct listened *next, *prev;
    int64_t alive_us; /* monotonic: when it began to be listened to, or was kept alive last */
    bool is_in;
};

struct audience {
    pthread_mutex_t lock;
    struct listened *first, *last;
};

void audience_init(struct audience *a);
void audience_done(struct audience *a);
void audience_enter(struct audience *a, struct listened *l);
void audience_leave(struct audience *a, struct listened *l); /* nothing when it is not in */
/* The one that was kept alive longest ago, when that was at before_us or earlier; it counts as kept alive now. hold()
 * is called under the lock, so that it stays; where it says that it is too late for that, the next one is taken. */
struct listened *audience_take(struct audience *a, int64_t before_us, bool (*hold)(struct listened *l));
