#include "conductor/timer.h"
#include "base/auto.h"

static void timer_closed(uv_handle_t *h) { free(h); }

uv_timer_t *timer_new(uv_loop_t *loop, int64_t after_us, uv_timer_cb cb, void *data)
{
    uv_timer_t *t = mem_zalloc(sizeof *t);

    uv_timer_init(loop, t);
    t->data = data;
    uv_timer_start(t, cb, (uint64_t)(after_us / 1000), 0);
    return t;
}

void timer_drop(uv_timer_t **t)
{
    if (*t)
        uv_close((uv_handle_t *)take(*t), timer_closed); /* which stops it, too */
}
