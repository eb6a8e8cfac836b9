#include "browser/errands.h"
#include "http/client.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

struct errand_queue {
    struct errand *first, **end;
};

struct errands {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct errand_queue todo, done;
    char *guard;
    int64_t most_bytes;
    int timeout_s, fd;
    int threads, idle; /* of them wait */
    int queued;        /* in todo */
    int holders;       /* the threads, and who opened it */
    bool closed;
};

void errands_drop(struct errand *e)
{
    if (!e)
        return;
    for (char **h = e->headers; *h; h++)
        free(*h);
    free(e->url);
    free(e->method);
    free(e->session);
    free(e->id);
    free(e->answer_headers);
    str_done(e->body);
    str_done(e->answer);
    free(e);
}

static void queue_add(struct errand_queue *q, struct errand *e)
{
    e->next = NULL;
    *(q->first ? q->end : &q->first) = e;
    q->end = &e->next;
}

static struct errand *queue_take(struct errand_queue *q)
{
    struct errand *e = q->first;

    if (e)
        q->first = e->next;
    return e;
}

/* The lock is held, and is gone afterwards. */
static void errands_let_go(struct errands *all)
{
    bool last = --all->holders == 0;
    struct errand *e;

    pthread_mutex_unlock(&all->lock);
    if (!last)
        return;
    while ((e = queue_take(&all->todo)) || (e = queue_take(&all->done)))
        errands_drop(e);
    pthread_mutex_destroy(&all->lock);
    pthread_cond_destroy(&all->more);
    fd_close(all->fd);
    free(all->guard);
    free(all);
}

/* ---- a thread ---- */

struct errand_run {
    struct errands *all;
    struct errand *e;
};

static bool errands_closed(struct errands *all)
{
    pthread_mutex_lock(&all->lock);
    bool closed = all->closed;
    pthread_mutex_unlock(&all->lock);
    return closed;
}

static int errand_on_body(void *ctx, const char *data, size_t len, struct err *err)
{
    struct errand_run *r = ctx;

    if (errands_closed(r->all))
        return err_set(err, ERR_IO, "nobody waits for it any more");
    if ((int64_t)(r->e->answer.len + len) > r->all->most_bytes)
        return err_set(err, ERR_INPUT, "the answer is longer than %lld bytes", (long long)r->all->most_bytes);
    str_add(&r->e->answer, data, len);
    return 0;
}

static int errand_on_head(void *ctx, int status, int64_t length, struct err *err)
{
    struct errand_run *r = ctx;

    (void)status;
    str_reset(&r->e->answer);
    return length <= r->all->most_bytes
               ? 0
               : err_set(err, ERR_INPUT, "the answer is longer than %lld bytes", (long long)r->all->most_bytes);
}

static void errand_run(struct errands *all, struct errand *e, struct http_client *client)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    struct errand_run run = {all, e};
    const struct http_client_piece piece = {.text = e->body.s, .fd = -1, .length = (int64_t)e->body.len};
    int rc = http_client_run(&r, client,
                             &(struct http_client_request){
                                 .method = e->method,
                                 .url = e->url,
                                 .headers = (const char *const *)e->headers,
                                 .body_length = -1,
                                 .pieces = e->body.len ? &piece : NULL,
                                 .piece_count = e->body.len > 0,
                                 .idle_timeout_s = all->timeout_s,
                                 .total_timeout_s = all->timeout_s,
                                 .guard = all->guard,
                                 .on_head = errand_on_head,
                                 .on_body = errand_on_body,
                                 .ctx = &run,
                             },
                             &e->err);

    if (rc < 0)
        return;
    e->status = r.status;
    e->answer_headers = mem_strdup(r.headers.s ? r.headers.s : "");
    if (r.body.len) { /* of what is no 2xx */
        str_reset(&e->answer);
        str_add(&e->answer, r.body.s, r.body.len);
    }
}

static void *errands_work(void *arg)
{
    struct errands *all = arg;
    AUTO(http_client_free) struct http_client *client = http_client_new();
    struct errand *e;

    pthread_mutex_lock(&all->lock);
    while (!all->closed) {
        if (!(e = queue_take(&all->todo))) {
            all->idle++;
            pthread_cond_wait(&all->more, &all->lock);
            all->idle--;
            continue;
        }
        all->queued--;
        pthread_mutex_unlock(&all->lock);
        errand_run(all, e, client);
        pthread_mutex_lock(&all->lock);
        queue_add(&all->done, e);
        (void)eventfd_write(all->fd, 1);
    }
    errands_let_go(all);
    return NULL;
}

/* ---- outside ---- */

int errands_open(struct errands **out, const struct errand_rules *rules, struct err *err)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct errands *all;

    if (fd < 0)
        return err_errno(err, "make an eventfd");
    all = mem_zalloc(sizeof *all);
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->more, NULL);
    all->guard = mem_strdup(rules->guard ? rules->guard : "");
    all->most_bytes = rules->most_bytes;
    all->timeout_s = rules->timeout_s;
    all->fd = fd;
    all->holders = 1;
    *out = all;
    return 0;
}

/* The lock is held. Signals are for the main thread. */
static bool errands_hire(struct errands *all)
{
    sigset_t every, before;
    pthread_t thread;

    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    bool ok = pthread_create(&thread, NULL, errands_work, all) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ok) {
        pthread_detach(thread);
        all->threads++;
        all->holders++;
    }
    return ok;
}

void errands_put(struct errands *all, struct errand *e)
{
    pthread_mutex_lock(&all->lock);
    queue_add(&all->todo, e);
    all->queued++;
    if (all->queued > all->idle && all->threads < ERRAND_THREADS && !errands_hire(all) && !all->threads) {
        err_set(&e->err, ERR_IO, "no thread can be started");
        (void)queue_take(&all->todo); /* it is alone */
        all->queued--;
        queue_add(&all->done, e);
        (void)eventfd_write(all->fd, 1);
    }
    pthread_cond_signal(&all->more);
    pthread_mutex_unlock(&all->lock);
}

struct errand *errands_take(struct errands *all)
{
    eventfd_t n;

    pthread_mutex_lock(&all->lock);
    struct errand *e = queue_take(&all->done);
    if (!e)
        (void)!eventfd_read(all->fd, &n);
    pthread_mutex_unlock(&all->lock);
    return e;
}

int errands_fd(const struct errands *all) { return all->fd; }

void errands_close(struct errands *all)
{
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    all->closed = true;
    pthread_cond_broadcast(&all->more);
    errands_let_go(all);
}
