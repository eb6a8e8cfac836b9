/* timer.h - something that happens once, later, on a loop's thread. */
#pragma once
#include <stdint.h>
#include <uv.h>

/* cb must call timer_drop() first of all. */
uv_timer_t *timer_new(uv_loop_t *loop, int64_t after_us, uv_timer_cb cb, void *data);
/* It does not happen (any more); *t is NULL then. NULL is fine. */
void timer_drop(uv_timer_t **t);
