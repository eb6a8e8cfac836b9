#include "api/cdn_flight.h"
#include "api/limits.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/space.h"
#include "conductor/conductor.h"
#include "http/server.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LOOK_US (SECOND_US / 4)    /* how often those who wait are looked at: nobody else notices that one has left */
#define FAILURE_US (2 * SECOND_US) /* so long a failure answers for all that ask the same */
#define FAILURES_MOST 1000

struct cdn_flight {
    struct cdn_flight *next, *previous; /* of all */
    struct cdn_flight *next_over;
    char key[65], assembly_id[ID_LEN + 1];
    struct cdn_template *template;
    struct cdn_waiter *waiters;
    bool is_abandoned;     /* nobody waits, and it is not found by its key any more */
    struct published *doc; /* when it is over: what it has become; NULL: err says why not */
    struct err err;
    struct cdn_flights *all;
};

struct cdn_failure {
    int64_t until_us;
    struct err err;
};

struct cdn_flights {
    struct cdn_flights_conf conf;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    struct map by_key;        /* those that more may join */
    struct map of_workspace;  /* how many, as a pointer */
    struct map failures;      /* by key */
    struct cdn_flight *first; /* all there are, until they are over */
    struct cdn_flight *over, **over_last;
    int64_t look_us;
    bool is_stopping;
};

static const struct log flight_log = {"room", "cdn", NULL};

struct cdn_flights *cdn_flights_new(const struct cdn_flights_conf *conf)
{
    struct cdn_flights *all = mem_zalloc(sizeof *all);
    pthread_condattr_t attr;

    all->conf = *conf;
    all->over_last = &all->over;
    pthread_mutex_init(&all->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&all->cond, &attr);
    pthread_condattr_destroy(&attr);
    return all;
}

/* ---- failures that are remembered for a moment; under the lock ---- */

static void forget_failures(struct cdn_flights *all, int64_t until_us)
{
    for (struct map_iter i = {0}; map_next(&all->failures, &i);) {
        struct cdn_failure *f = i.value;

        if (f->until_us <= until_us) {
            map_del(&all->failures, i.key);
            free(f);
        }
    }
}

static void remember_failure(struct cdn_flights *all, const char *key, const struct err *why)
{
    if (all->failures.count >= FAILURES_MOST)
        forget_failures(all, INT64_MAX);
    struct cdn_failure *f = mem_alloc(sizeof *f);
    *f = (struct cdn_failure){clock_mono_us() + FAILURE_US, *why};
    free(map_put(&all->failures, key, f));
}

static bool has_failed(struct cdn_flights *all, const char *key, struct err *err)
{
    const struct cdn_failure *f = map_get(&all->failures, key);

    if (!f || f->until_us <= clock_mono_us())
        return false;
    *err = f->err;
    return true;
}

/* ---- the lists; under the lock ---- */

static intptr_t flights_of(struct cdn_flights *all, const char *workspace, int change)
{
    intptr_t n = (intptr_t)map_get(&all->of_workspace, workspace) + change;

    if (n > 0 && change)
        map_put(&all->of_workspace, workspace, (void *)n);
    else if (change)
        map_del(&all->of_workspace, workspace);
    return n;
}

static void flight_free(struct cdn_flight *f)
{
    published_unref(f->doc);
    cdn_template_unref(f->template);
    free(f);
}

static void link_waiter(struct cdn_flight *f, struct cdn_waiter *w)
{
    w->flight = f;
    w->previous = NULL;
    w->next = f->waiters;
    if (w->next)
        w->next->previous = w;
    f->waiters = w;
}

static void unlink_waiter(struct cdn_waiter *w)
{
    *(w->previous ? &w->previous->next : &w->flight->waiters) = w->next;
    if (w->next)
        w->next->previous = w->previous;
    w->flight = NULL;
    w->next = w->previous = NULL;
}

/* Nobody waits for it any more. */
static void abandon(struct cdn_flights *all, struct cdn_flight *f)
{
    f->is_abandoned = true;
    if (map_get(&all->by_key, f->key) == f)
        map_del(&all->by_key, f->key);
    log_info(&flight_log, "nobody waits for Assembly %s any more: it is canceled", f->assembly_id);
    conductor_post(all->conf.app->conductor,
                   &(struct conductor_news){.assembly_id = f->assembly_id, .type = EV_CANCEL, .data = json_object()});
}

/* ---- an Assembly begins, and is over ---- */

/* On the conductor's thread. */
static void flight_over(struct cdn_flight *f, const struct err *err, struct published *doc)
{
    struct cdn_flights *all = f->all;

    pthread_mutex_lock(&all->lock);
    if (doc && published_is_over(doc))
        f->doc = published_ref(doc);
    else if (err)
        f->err = *err;
    else
        err_set(&f->err, ERR_BUSY, "The server is shutting down");
    *(f->previous ? &f->previous->next : &all->first) = f->next;
    if (f->next)
        f->next->previous = f->previous;
    flights_of(all, f->template->workspace, -1);
    *all->over_last = f;
    all->over_last = &f->next_over;
    pthread_cond_signal(&all->cond);
    pthread_mutex_unlock(&all->lock);
}

static void flight_awaited(void *ctx, const struct err *err, struct published *doc) { flight_over(ctx, err, doc); }

static void flight_created(void *ctx, const struct err *err, struct published *doc)
{
    struct cdn_flight *f = ctx;

    if (!err && doc && !published_is_over(doc))
        conductor_await(f->all->conf.app->conductor, f->assembly_id, false, flight_awaited, f);
    else
        flight_over(f, err, doc);
}

static int may_begin(struct cdn_flights *all, const char *workspace, struct err *err)
{
    struct app *app = all->conf.app;

    if (flights_of(all, workspace, 0) >= all->conf.most_of_workspace) {
        err_set(err, ERR_RATE_429, "More than %d files are being made for requests by URL",
                all->conf.most_of_workspace);
        err->retry_s = 1;
        return -1;
    }
    if (limits_create(app->limits, workspace, err) < 0) {
        err->code = ERR_RATE_429; /* whoever asks is a browser, and knows no other */
        return -1;
    }
    return space_check(&app->space, 0, err);
}

static int begin(struct cdn_flight **out, struct cdn_flights *all, const char *key, const struct cdn_order *order,
                 struct err *err)
{
    const struct cdn_template *t = order->template;

    if (may_begin(all, t->workspace, err) < 0)
        return -1;
    struct cdn_flight *f = mem_zalloc(sizeof *f);
    snprintf(f->key, sizeof f->key, "%s", key);
    id_new_ordered(f->assembly_id);
    f->template = cdn_template_ref((struct cdn_template *)t);
    f->all = all;
    f->next = all->first;
    if (f->next)
        f->next->previous = f;
    all->first = f;
    flights_of(all, t->workspace, +1);
    map_put(&all->by_key, key, f);
    *out = f;
    return 0;
}

int cdn_flights_join(struct cdn_flights *all, struct cdn_waiter *w, const char *key, const struct cdn_order *order,
                     struct err *err)
{
    struct cdn_flight *f = NULL;
    json_t *data = NULL;
    int rc = 0;

    pthread_mutex_lock(&all->lock);
    if (all->is_stopping) {
        rc = err_set(err, ERR_BUSY, "The server is shutting down");
    } else if ((w->entry = cdn_cache_get(all->conf.cache, key, clock_now_us())) || has_failed(all, key, err)) {
        rc = -1; /* while this one came here */
    } else if (!(f = map_get(&all->by_key, key)) && (rc = begin(&f, all, key, order, err)) == 0) {
        data = cdn_created(order);
    }
    if (rc == 0) {
        w->deadline_us = clock_mono_us() + all->conf.wait_us;
        link_waiter(f, w);
    }
    /* under the lock: that it is canceled must not come before it is made */
    if (data)
        conductor_post(
            all->conf.app->conductor,
            &(struct conductor_news){
                .assembly_id = f->assembly_id, .type = EV_CREATED, .data = data, .reply = flight_created, .ctx = f});
    pthread_mutex_unlock(&all->lock);
    return rc;
}

void cdn_flights_leave(struct cdn_flights *all, struct cdn_waiter *w)
{
    pthread_mutex_lock(&all->lock);
    struct cdn_flight *f = w->flight;
    if (f) {
        unlink_waiter(w);
        if (!f->waiters && !f->is_abandoned)
            abandon(all, f);
    }
    pthread_mutex_unlock(&all->lock);
}

/* ---- those who wait are told; without the lock, which a request's end takes ---- */

struct wakes {
    struct http_request **v;
    size_t count, room;
};

/* Its turn comes when the lock is free. */
static void wake_waiter(struct wakes *to, struct cdn_waiter *w, struct cdn_entry *entry, const struct err *err)
{
    if (entry)
        w->entry = cdn_entry_ref(entry);
    else
        w->err = *err;
    unlink_waiter(w);
    if (to->count == to->room) {
        to->room = to->room ? to->room * 2 : 16;
        to->v = mem_realloc(to->v, to->room * sizeof *to->v);
    }
    to->v[to->count++] = http_request_ref(w->req);
}

static void wake_all(struct wakes *to)
{
    for (size_t i = 0; i < to->count; i++) {
        http_go_on(to->v[i]);
        http_request_unref(to->v[i]);
    }
    free(to->v);
}

/* ---- the thread ---- */

/* What came of it: NULL and f->err when it failed. */
static struct cdn_entry *entry_of(struct cdn_flight *f)
{
    struct cdn_entry *e = NULL;

    if (!f->doc)
        return NULL;
    struct shared_text *text = published_text(f->doc, 200);
    AUTO(json_unref) json_t *status = json_read(text->s, text->len);
    shared_text_unref(text);
    const json_t *steps = json_object_get(f->template->use->content, "steps");
    if (cdn_result_read(&e, status, steps, f->key, clock_now_us(), &f->err) < 0)
        return NULL;
    return e;
}

static struct cdn_entry *finish(struct cdn_flights *all, struct cdn_flight *f)
{
    AUTO(cdn_entry_unref) struct cdn_entry *e = entry_of(f);
    struct wakes wakes = {0};
    bool is_kept = e && e->until_us > e->stored_us;

    pthread_mutex_lock(&all->lock);
    if (is_kept)
        cdn_cache_put(all->conf.cache, e); /* before it is not found as one to join */
    else if (!e && !f->is_abandoned && f->err.code != ERR_BUSY)
        remember_failure(all, f->key, &f->err);
    if (map_get(&all->by_key, f->key) == f)
        map_del(&all->by_key, f->key);
    while (f->waiters)
        wake_waiter(&wakes, f->waiters, e, &f->err);
    pthread_mutex_unlock(&all->lock);
    wake_all(&wakes);
    flight_free(f);
    return is_kept ? take(e) : NULL;
}

/* Who has left or waited too long waits no more. */
static void look(struct cdn_flights *all)
{
    int64_t now = clock_mono_us();
    struct wakes wakes = {0};
    struct err late, gone;

    err_set(&late, ERR_CDN_TIMEOUT, "The file was not ready within %lld s", (long long)(all->conf.wait_us / SECOND_US));
    err_set(&gone, ERR_BUSY, "The client has left");
    pthread_mutex_lock(&all->lock);
    for (struct cdn_flight *f = all->first; f; f = f->next) {
        for (struct cdn_waiter *w = f->waiters, *next; w; w = next) {
            next = w->next;
            if (w->deadline_us <= now)
                wake_waiter(&wakes, w, NULL, &late);
            else if (http_is_deserted(w->req))
                wake_waiter(&wakes, w, NULL, &gone);
        }
        if (!f->waiters && !f->is_abandoned)
            abandon(all, f);
    }
    forget_failures(all, now);
    pthread_mutex_unlock(&all->lock);
    wake_all(&wakes);
}

static struct cdn_flight *wait_over(struct cdn_flights *all, int64_t wait_us, bool *running)
{
    int64_t until = clock_mono_us() + wait_us;
    struct timespec at = {until / SECOND_US, until % SECOND_US * 1000};

    pthread_mutex_lock(&all->lock);
    while (!all->over && !all->is_stopping)
        if (pthread_cond_timedwait(&all->cond, &all->lock, &at) != 0)
            break;
    struct cdn_flight *f = all->over;
    if (f && !(all->over = f->next_over))
        all->over_last = &all->over;
    *running = !all->is_stopping;
    pthread_mutex_unlock(&all->lock);
    return f;
}

int cdn_flights_turn(struct cdn_flights *all, struct cdn_entry **keep, int most, int64_t wait_us, bool *running)
{
    int count = 0;
    struct cdn_flight *f;

    while (count < most && (f = wait_over(all, count ? 0 : wait_us < LOOK_US ? wait_us : LOOK_US, running))) {
        struct cdn_entry *e = finish(all, f);

        if (e)
            keep[count++] = e;
    }
    if (clock_mono_us() >= all->look_us) {
        look(all);
        all->look_us = clock_mono_us() + LOOK_US;
    }
    return count;
}

void cdn_flights_stop(struct cdn_flights *all)
{
    struct wakes wakes = {0};
    struct err err;

    err_set(&err, ERR_BUSY, "The server is shutting down");
    pthread_mutex_lock(&all->lock);
    all->is_stopping = true;
    for (struct cdn_flight *f = all->first; f; f = f->next) {
        while (f->waiters)
            wake_waiter(&wakes, f->waiters, NULL, &err);
        if (!f->is_abandoned)
            abandon(all, f);
    }
    pthread_cond_signal(&all->cond);
    pthread_mutex_unlock(&all->lock);
    wake_all(&wakes);
}

void cdn_flights_free(struct cdn_flights *all)
{
    if (!all)
        return;
    for (struct cdn_flight *f = all->over, *next; f; f = next) {
        next = f->next_over;
        flight_free(f);
    }
    for (struct cdn_flight *f = all->first, *next; f; f = next) {
        next = f->next;
        flight_free(f);
    }
    forget_failures(all, INT64_MAX);
    map_done(&all->by_key);
    map_done(&all->of_workspace);
    map_done(&all->failures);
    pthread_cond_destroy(&all->cond);
    pthread_mutex_destroy(&all->lock);
    free(all);
}
