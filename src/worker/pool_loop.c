/* What the pool does with libuv: work for its threads, and handles that are done with. */
#include "worker/pool_priv.h"

#include <unistd.h>

static void work_run(uv_work_t *req) { ((struct work *)req)->fn((struct work *)req); }

static void work_after(uv_work_t *req, int status)
{
    struct work *w = (struct work *)req;

    (void)status;
    w->after(w);
    free(w->dir);
    free(w->path);
    json_decref(w->json);
    free(w);
}

void pool_work(struct pool *p, struct work *w)
{
    w->blobs = p->conf.blobs;
    uv_queue_work(p->conf.loop, &w->req, work_run, work_after);
}

void pool_free_handle(uv_handle_t *h) { free(h); }

void pool_close_poll(uv_poll_t **poll, int *sock)
{
    if (*poll) {
        uv_poll_stop(*poll);
        uv_close((uv_handle_t *)*poll, pool_free_handle);
        *poll = NULL;
    }
    if (*sock >= 0)
        close(*sock);
    *sock = -1;
}
