/* Finding an Assembly from any thread. One that was open when the last process ended is woken for
 * it. */
#include "conductor/private.h"

#define WAKE_WAIT_US (3 * SECOND_US) /* a thread of the HTTP server waits */
#define WAKE_AGAIN_MS 50

struct wait_for {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int refs; /* whoever waits, and the news: either may be gone first when the server ends */
    bool done;
};

static void wait_unref(struct wait_for *w) /* holding its lock */
{
    bool last = --w->refs == 0;

    pthread_mutex_unlock(&w->lock);
    if (last)
        free(w);
}

static void woken(void *ctx, const struct err *err, struct published *doc)
{
    struct wait_for *w = ctx;

    (void)err, (void)doc; /* whoever waits looks again */
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->cond);
    wait_unref(w);
}

/* It was open when the process ended, and it was not its time yet: now it is. */
static void wake_up(struct conductor *c, const char *assembly_id, int64_t until_us)
{
    struct wait_for *w = mem_zalloc(sizeof *w);
    struct timespec until = {until_us / SECOND_US, until_us % SECOND_US * 1000};

    *w = (struct wait_for){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 2, false};
    inbox_ask(c, NEWS_WAKE, assembly_id, woken, w);
    pthread_mutex_lock(&w->lock);
    while (!w->done && pthread_cond_timedwait(&w->cond, &w->lock, &until) == 0)
        ;
    wait_unref(w);
}

/* Is it among those that are to be read yet? */
static bool look_for(struct published **out, struct conductor *c, const char *assembly_id)
{
    pthread_rwlock_rdlock(&c->entries.lock);
    struct entry *e = map_get(&c->entries.by_id, assembly_id);
    *out = e && published_is_ready(e->published) ? published_ref(e->published) : NULL;
    bool sleeps = !*out && map_get(&c->entries.sleeping, assembly_id);
    pthread_rwlock_unlock(&c->entries.lock);
    return sleeps;
}

int conductor_find(struct published **out, struct conductor *c, const char *assembly_id,
                   struct err *err)
{
    if (!look_for(out, c, assembly_id))
        return 0;
    for (int64_t until = clock_now_us() + WAKE_WAIT_US;;) {
        wake_up(c, assembly_id, until);
        if (!look_for(out, c, assembly_id))
            return 0;
        if (clock_now_us() >= until)
            return err_set(err, ERR_BUSY,
                           "The Assembly is open, but could not be read from the database so far");
        uv_sleep(WAKE_AGAIN_MS); /* the turn in which it was read is lost: it is read again soon */
    }
}
