#include "api/costly.h"
#include "base/map.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#define WAITING_MAX 1024
#define WAITING_OF_ONE_MAX 32 /* a workspace's: the others' wait behind so many at the most */

struct errand {
    struct errand *next;
    char *workspace;
    void (*run)(void *ctx);
    void *ctx;
};

struct costly {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    struct errand *first, **last;
    struct map of_workspace; /* how many wait, as a pointer */
    intptr_t count;
};

static intptr_t waiting_of(struct costly *c, const char *workspace)
{
    return (intptr_t)map_get(&c->of_workspace, workspace);
}

static void set_waiting(struct costly *c, const char *workspace, intptr_t n)
{
    if (n)
        map_put(&c->of_workspace, workspace, (void *)n);
    else
        map_del(&c->of_workspace, workspace);
}

static struct errand *take_first(struct costly *c) /* under the lock */
{
    struct errand *e;

    while (!c->first)
        pthread_cond_wait(&c->cond, &c->lock);
    e = c->first;
    c->first = e->next;
    if (!c->first)
        c->last = &c->first;
    return e;
}

static void *run_thread(void *arg)
{
    struct costly *c = arg;

    pthread_mutex_lock(&c->lock);
    for (;;) {
        struct errand *e = take_first(c);

        pthread_mutex_unlock(&c->lock);
        e->run(e->ctx);
        pthread_mutex_lock(&c->lock);
        set_waiting(c, e->workspace, waiting_of(c, e->workspace) - 1); /* the one that runs counts, too */
        c->count--;
        free(e->workspace);
        free(e);
    }
    return NULL;
}

int costly_start(struct costly **out, struct err *err)
{
    struct costly *c = mem_zalloc(sizeof *c);

    c->last = &c->first;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->cond, NULL);
    errno = pthread_create(&c->thread, NULL, run_thread, c);
    if (errno) {
        err_errno(err, "start the thread of costly reads");
        free(c);
        return -1;
    }
    *out = c;
    return 0;
}

int costly_post(struct costly *c, const char *workspace, void (*run)(void *ctx), void *ctx, struct err *err)
{
    int rc = 0;

    pthread_mutex_lock(&c->lock);
    intptr_t mine = waiting_of(c, workspace);
    if (mine >= WAITING_OF_ONE_MAX || c->count >= WAITING_MAX) {
        rc = err_set(err, ERR_RATE_429, "Too many lists and histories are being read already");
        err->retry_s = 1;
    } else {
        struct errand *e = mem_zalloc(sizeof *e);

        *e = (struct errand){.workspace = mem_strdup(workspace), .run = run, .ctx = ctx};
        *c->last = e;
        c->last = &e->next;
        c->count++;
        set_waiting(c, workspace, mine + 1);
        pthread_cond_signal(&c->cond);
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}
