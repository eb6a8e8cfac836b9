/* The loop: turns, ticks, the thread; what is wired to what. */
#include "conductor/private.h"
#include "conductor/renewals.h"

#include <string.h>

/* ---- the clock ---- */

static void read_again(struct conductor *c)
{
    struct err err;

    if (!recover_is_due(c))
        return;
    if (outbox_load(c, &err) < 0)
        recover_failed(c, &err);
    else
        recover_stale(c);
}

static void on_tick(uv_timer_t *t)
{
    struct conductor *c = t->data;

    c->ticks++;
    if (c->draining &&
        (c->inbox.stop_wait_us < clock_mono_us() || (!jobs_are_running(c) && !outbox_busy(c)))) {
        uv_stop(&c->loop);
        return;
    }
    read_again(c);
    if (space_watch(c))
        jobs_pump(c);
    outbox_pump(c);
    if (c->uploads.tell)
        c->uploads.tell(c->uploads.ctx);
    if (c->ticks == 1)
        sweep_uploads(c);
    watch(c, clock_mono_us());
    if (c->ticks % 10 == 0)
        housekeep(c);
}

/* ---- what wakes the loop ---- */

static void on_prepare(uv_prepare_t *h)
{
    struct conductor *c = h->data;

    turn_commit(c);
}

static void on_news(uv_async_t *h)
{
    struct conductor *c = h->data;

    if (!news_handle(c))
        return;
    c->draining = true;
    for (struct map_iter i = {0}; map_next(&c->entries.by_id, &i);)
        await_answer(c, i.value, true);
}

static void on_posted(void *ctx, const json_t *answer) { outbox_posted(ctx, answer); }
static void on_courier_lost(void *ctx) { outbox_courier_lost(ctx); }

static int open_pool(struct conductor *c, struct err *err)
{
    const struct conductor_conf *conf = &c->conf;
    struct pool_events events = jobs_pool_events(c);
    struct pool_conf pool = {
        .loop = &c->loop,
        .blobs = conf->blobs,
        .program_dir = conf->program_dir,
        .scratch = conf->scratch,
        .worker_jobs = conf->worker_jobs,
        .isolate_jobs = conf->isolate_jobs,
        .require_jail = conf->require_jail,
        .memory_bytes = conf->job_memory_bytes,
        .file_bytes = conf->job_file_bytes,
        .scratch_bytes = conf->job_scratch_bytes,
        .connect_allow = conf->connect_allow,
        .connect_socket = conf->connect_socket,
        .places = conf->places,
        .cgroup = conf->cgroup,
        .jail_without = conf->jail_without,
        .timeout_s = conf->job_timeout_s,
        .encode_timeout_s = conf->encode_timeout_s,
        .encode_threads = conf->encode_threads,
        .cores = conf->cores,
        .settings = conf->robot_settings,
        .keys = conf->robot_keys,
        .log_level = conf->log_level,
    };

    memcpy(pool.workers, conf->workers, sizeof pool.workers);
    events.posted = on_posted;
    events.courier_lost = on_courier_lost;
    return pool_open(&c->pool, &pool, &events, err);
}

/* ---- the thread ---- */

static void *run_thread(void *arg)
{
    struct conductor *c = arg;

    uv_run(&c->loop, UV_RUN_DEFAULT);
    jobs_interrupted(c);
    turn_commit(c);
    turn_commit(c);
    pool_close(c->pool);
    renewals_free(c->renewals);
    /* Closed handles and, above all, work on other threads must come home: it uses uploads and
     * blobs, which the caller frees next. */
    for (int i = 0; i < 50 || (c->loop.active_reqs.count && i < 10000); i++) {
        uv_run(&c->loop, UV_RUN_NOWAIT);
        uv_sleep(1);
    }
    turn_commit(c);
    tenants_done(c);
    recover_done(c);
    return NULL;
}

static void open_loop(struct conductor *c)
{
    uv_loop_init(&c->loop);
    uv_async_init(&c->loop, &c->wake, on_news);
    uv_prepare_init(&c->loop, &c->commit);
    uv_timer_init(&c->loop, &c->tick);
    c->loop.data = c->wake.data = c->commit.data = c->tick.data = c;
    uv_prepare_start(&c->commit, on_prepare);
    uv_timer_start(&c->tick, on_tick, 100, 100);
}

int conductor_open(struct conductor **out, const struct conductor_conf *conf, struct err *err)
{
    struct conductor *c = mem_zalloc(sizeof *c);

    c->conf = *conf;
    c->log = (struct log){"room", "conductor", NULL};
    c->boot = clock_now_us();
    inbox_init(&c->inbox);
    entries_init(&c->entries);
    open_loop(c);
    ballast_make(c);
    c->renewals = renewals_new(&(struct renewal_bench){conf->renewed, conf->program_dir, conf->jail_without, conf->seal,
                                                       conf->robot_settings});
    if (open_pool(c, err) < 0 || recover_open(c, err) < 0 || outbox_load(c, err) < 0)
        return -1;
    turn_commit(c);
    recover_opened(c);
    c->ready = true;
    *out = c;
    return 0;
}

int conductor_start(struct conductor *c, const struct upload_stopper *uploads, struct err *err)
{
    c->uploads = *uploads;
    int rc = pthread_create(&c->thread, NULL, run_thread, c);
    if (rc) {
        errno = rc;
        return err_errno(err, "start the conductor's thread");
    }
    c->has_thread = true;
    return 0;
}

void conductor_stop(struct conductor *c, int64_t wait_us)
{
    if (!c->has_thread)
        return;
    pthread_mutex_lock(&c->inbox.lock);
    c->inbox.stop_asked = true;
    c->inbox.stop_wait_us = clock_mono_us() + wait_us;
    pthread_mutex_unlock(&c->inbox.lock);
    uv_async_send(&c->wake);
    pthread_join(c->thread, NULL);
    c->has_thread = false;
}

int conductor_live_count(struct conductor *c)
{
    pthread_rwlock_rdlock(&c->entries.lock);
    int n = (int)(c->entries.by_id.count + c->entries.sleeping.count);
    pthread_rwlock_unlock(&c->entries.lock);
    return n;
}

bool conductor_is_ready(struct conductor *c) { return c->ready && !c->draining; }
