/* The loop: drain, apply, one transaction, publish, answer. */
#include "base/fault.h"
#include "conductor/private.h"
#include "store/sealed.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define EXIT_UNFLUSHED 70
#define KEEP_ALIVE_S 15

/* The first refusal says why; what comes after it in this turn can't be committed. */
int turn_lost(struct conductor *c, const struct err *why)
{
    if (!c->failure.code)
        c->failure = *why;
    return -1;
}

int turn_begin(struct conductor *c, struct err *err)
{
    if (c->failure.code) {
        *err = c->failure;
        return -1;
    }
    if (c->in_transaction)
        return 0;
    ballast_check(c); /* a disk can fill up faster than the clock ticks */
    if (store_begin(c->conf.store, err) < 0)
        return turn_lost(c, err);
    c->in_transaction = true;
    return 0;
}

struct live *live_add(struct conductor *c, const char *id)
{
    struct live *l = mem_zalloc(sizeof *l);

    l->a = assembly_new(id);
    l->published = published_new(id);
    pthread_rwlock_wrlock(&c->live_lock);
    map_put(&c->live, id, l);
    pthread_rwlock_unlock(&c->live_lock);
    return l;
}

void live_leave(struct conductor *c, struct live *l)
{
    if (l->leaving)
        return;
    l->leaving = true;
    l->next_leaving = c->leaving;
    c->leaving = l;
}

/* What the turn has queued; work under way, timers and whoever waits: they come back to it in a later turn. */
static bool is_needed(const struct live *l)
{
    return l->queued || l->runs || l->stopping || l->settle_timer || l->waiters || l->awaiters || l->dirty || l->in_ends || l->stale ||
           l->waking || (l->a->state != ASSEMBLY_NEW && !l->settled);
}

static void live_free(struct conductor *c, struct live *l)
{
    pthread_rwlock_wrlock(&c->live_lock);
    map_del(&c->live, l->a->id);
    pthread_rwlock_unlock(&c->live_lock);
    published_unref(l->published);
    assembly_free(l->a);
    free(l->refused);
    free(l);
}

/* Answers and effects name live Assemblies from the moment they are queued until the commit has dealt with them, and timers
 * run in between. So Assemblies are freed here alone, at the end of a commit, by their own count of what still names them: a
 * conductor that is busy all the time must forget, too. */
static void lives_forget(struct conductor *c)
{
    assert(!c->oversized);
    while (c->leaving) {
        struct live *l = c->leaving;

        c->leaving = l->next_leaving;
        l->leaving = false;
        if (!is_needed(l))
            live_free(c, l);
    }
}

/* The commit has dealt with them. */
static void queues_done(struct effect_item *effects, int effect_count, struct answer *answers, int answer_count)
{
    for (int i = 0; i < effect_count; i++) {
        effects[i].live->queued--;
        free(effects[i].fx.text);
    }
    for (int i = 0; i < answer_count; i++)
        if (answers[i].live)
            answers[i].live->queued--;
    free(effects);
    free(answers);
}

void live_touch(struct conductor *c, struct live *l)
{
    if (l->dirty)
        return;
    l->dirty = true;
    l->next_dirty = c->dirty;
    c->dirty = l;
}

void live_touch_end(struct conductor *c, struct live *l)
{
    l->touched_end = true;
    live_touch(c, l); /* so that a turn comes that writes it */
    if (l->in_ends)
        return;
    l->in_ends = true;
    l->next_end = c->ends;
    c->ends = l;
}

void turn_answer(struct conductor *c, conductor_reply reply, void *ctx, const struct err *err,
                 struct live *l)
{
    if (!reply)
        return;
    if (c->answer_count == c->answer_cap) {
        c->answer_cap = c->answer_cap ? c->answer_cap * 2 : 64;
        c->answers = mem_realloc(c->answers, (size_t)c->answer_cap * sizeof *c->answers);
    }
    struct answer *a = &c->answers[c->answer_count++];
    *a = (struct answer){.reply = reply, .ctx = ctx, .live = l};
    if (l)
        l->queued++;
    if (err)
        a->err = *err;
}

static void claim(struct conductor *c, const char *id)
{
    if (!id)
        return;
    if (c->claim_count == c->claim_cap) {
        c->claim_cap = c->claim_cap ? c->claim_cap * 2 : 16;
        c->claims = mem_realloc(c->claims, (size_t)c->claim_cap * sizeof *c->claims);
    }
    snprintf(c->claims[c->claim_count++], ID_LEN + 1, "%s", id);
}

void turn_claim(struct conductor *c, const json_t *data)
{
    json_t *input;
    size_t i;

    claim(c, jstr(json_object_get(data, "file"), "id"));
    json_array_foreach (json_object_get(data, "inputs"), i, input)
        claim(c, jstr(input, "id"));
}

static void release_claims(struct conductor *c)
{
    while (c->claim_count)
        blob_release(c->conf.blobs, c->claims[--c->claim_count]);
}

static void keep_effects(struct conductor *c, struct live *l, struct effects *fx)
{
    for (int i = 0; i < fx->count; i++) {
        if (c->effect_count == c->effect_cap) {
            c->effect_cap = c->effect_cap ? c->effect_cap * 2 : 64;
            c->effects = mem_realloc(c->effects, (size_t)c->effect_cap * sizeof *c->effects);
        }
        c->effects[c->effect_count++] = (struct effect_item){l, fx->v[i]};
        l->queued++;
    }
    free(fx->v); /* the texts have moved */
}

/* Rows that go with an event: which blobs exist, and what they are. */
static int save_rows(struct conductor *c, struct live *l, enum event_type type, const json_t *data,
                     struct err *err)
{
    const json_t *file = json_object_get(data, "file"), *same = json_object_get(data, "same"), *input;
    size_t i;

    json_array_foreach (json_object_get(data, "inputs"), i, input)
        if (store_file_add(c->conf.store, jstr_or(input, "id", ""), l->a->id, jstr_or(input, "name", "unnamed"), "",
                           jint(input, "size", 0), err) < 0)
            return -1;

    if ((type == EV_FILE_UPLOADED || type == EV_JOB_OUTPUT) && file)
        return store_file_add(c->conf.store, jstr_or(file, "id", ""), l->a->id,
                              jstr_or(file, "name", "unnamed"), jstr_or(file, "mime", ""),
                              jint(file, "size", 0), err);
    if (type == EV_JOB_OUTPUT && same) {
        const struct job *j = l->a->jobs[jint(data, "job", 0)];
        int64_t in = jint(same, "input", 0);

        if (in < 0 || in >= j->input_count)
            return 0;
        const struct file *f = j->inputs[in];

        return store_file_add(c->conf.store, f->id, l->a->id, f->name, f->mime ? f->mime : "", f->size,
                              err);
    }
    return 0;
}

static bool has_ended(const struct effects *fx)
{
    for (int i = 0; i < fx->count; i++)
        if (fx->v[i].type == FX_END)
            return true;
    return false;
}

int turn_apply(struct conductor *c, struct live *l, enum event_type type, json_t *data, struct err *err)
{
    struct event ev = {type, data, clock_now_us()};
    struct effects fx = {0};
    int64_t billed = l->a->bytes_usage;
    int rc = event_is_durable(type) ? turn_begin(c, err) : 0;

    if (type == EV_BODY_DONE || type == EV_BODY_CUT || type == EV_FAIL)
        l->body_gone = true;
    if (l->stale || c->failure.code)
        rc = err_set(err, c->failure.code ? (enum err_code)c->failure.code : ERR_IO,
                     "The database can't be used at the moment");
    if (rc < 0 && !l->stale)
        live_touch(c, l); /* whoever says this will not say it again: look at what is stored, and go on from there */
    if (rc == 0)
        rc = assembly_apply(l->a, &ev, &fx, err);
    if (rc < 0) {
        effects_done(&fx);
        return -1;
    }
    live_touch(c, l);
    if (event_is_durable(type) || has_ended(&fx)) { /* an end is kept, whatever brought it */
        AUTO(json_unref) json_t *kept = type == EV_CREATED ? sealed_created(c->conf.seal, l->a->id, data) : json_incref(data);
        AUTO(json_unref) json_t *record = json_pack("{s:s,s:O?}", "e", event_name(type), "d", kept);
        AUTO(mem_free) char *text = json_text(record);
        struct err why;

        if (turn_begin(c, &why) < 0 ||
            store_event_add(c->conf.store, l->a->id, ++l->seq, ev.at_us, text, &why) < 0 ||
            save_rows(c, l, type, data, &why) < 0 ||
            (type == EV_JOB_DONE &&
             usage_save(c, l, (int)jint(data, "job", 0), l->a->bytes_usage - billed, ev.at_us, &why) < 0) ||
            (has_ended(&fx) && outbox_add(c, l, &why) < 0)) {
            effects_done(&fx);
            if (why.code == ERR_INTERNAL && !l->refused)
                l->refused = mem_strdup(why.msg);
            *err = why;
            return turn_lost(c, err);
        }
    }
    tenant_follow(c, l);
    keep_effects(c, l, &fx);
    return 0;
}

/* Final documents go into the transaction after the one that ended the Assembly: a crash in between finds
 * an Assembly whose events say that it is over, and writes the document then. */
static void save_ends(struct conductor *c)
{
    while (c->ends) {
        struct live *l = c->ends;
        struct err err;

        c->ends = l->next_end;
        l->in_ends = false;
        if (!l->touched_end || l->stale)
            continue;
        l->touched_end = false;
        live_touch(c, l); /* should the commit fail, it is read again, and this is done again */
        struct shared_text *text = published_text(l->published, 200);
        if (turn_begin(c, &err) < 0 ||
            store_assembly_end(c->conf.store, l->a->id, assembly_code(l->a), text->s, l->a->ended_us,
                               l->a->ended_us + c->conf.result_expiry_us, &err) < 0)
            turn_lost(c, &err);
        shared_text_unref(text);
    }
}

static void publish(struct conductor *c)
{
    while (c->dirty) {
        struct live *l = c->dirty;

        c->dirty = l->next_dirty;
        l->dirty = false;
        l->published_seq = l->seq;
        published_set_head(l->published, l->a, status_head(l->a));
        if (l->waking)
            recover_published(c, l);
        await_answer(c, l, false);
        if (c->conf.max_status_bytes && !l->oversized && !assembly_is_over(l->a) &&
            published_size(l->published) > c->conf.max_status_bytes) {
            l->oversized = true;
            l->next_oversized = c->oversized;
            c->oversized = l;
        }
    }
}

/* Those that publish() found too large end in the next turn. */
static void fail_oversized(struct conductor *c)
{
    while (c->oversized) {
        struct live *l = c->oversized;
        AUTO(mem_free) char *text = mem_printf("The status document has more than max_status_size, %lld bytes",
                                               (long long)c->conf.max_status_bytes);
        AUTO(json_unref) json_t *data =
            json_pack("{s:i,s:s,s:s}", "code", ERR_MEMORY_LIMIT, "name", "ASSEMBLY_MEMORY_LIMIT_EXCEEDED", "msg", text);
        struct err err;

        c->oversized = l->next_oversized;
        if (turn_apply(c, l, EV_FAIL, data, &err) < 0)
            log_debug(&l->a->log, "%s", err.msg); /* over in the meantime */
    }
}

/* A turn that tells nobody anything final needs no flush of its own: if the power fails, the Assembly is as it was a
 * moment before, and its jobs run again. What is acknowledged to a client, the end of an Assembly, and what
 * must be taken back from somebody else's server wait for the disk. */
static bool must_flush(const struct conductor *c)
{
    if (c->answer_count || c->undo_ack_count)
        return true;
    for (int i = 0; i < c->effect_count; i++)
        if (c->effects[i].fx.type == FX_END)
            return true;
    return false;
}

/* The list follows each change of state, in the same transaction. */
static void save_listings(struct conductor *c)
{
    for (struct live *l = c->dirty; l; l = l->next_dirty) {
        enum listing_type type = listing_type(l->a);
        struct err err;

        if (type == l->listed || l->a->state == ASSEMBLY_NEW)
            continue;
        AUTO(mem_free) char *item = listing_item(l->a, c->conf.instance, c->conf.region, clock_now_us());
        AUTO(mem_free) char *search = listing_search(l->a);
        struct store_listed entry = {l->a->id, l->a->workspace, type, l->a->created_us, item, search};
        l->listed = type;
        if (turn_begin(c, &err) < 0 || store_listed_put(c->conf.store, &entry, &err) < 0) {
            turn_lost(c, &err);
            return;
        }
    }
}

/* Nothing of this turn happened. Whoever waits for it hears so; what it touched is read again. */
static void turn_take_back(struct conductor *c, const struct err *why, struct effect_item *effects, int effect_count,
                           struct answer *answers, int answer_count)
{
    log_write(why->code == ERR_NOSPACE ? LOG_WARN : LOG_ERROR, &c->log,
              "a turn was lost, and is done again from what is stored: %s", why->msg);
    if (why->code == ERR_NOSPACE)
        ballast_drop(c);
    outbox_committed(c, false);
    c->undo_ack_count = 0;
    while (c->dirty) {
        struct live *l = c->dirty;

        c->dirty = l->next_dirty;
        l->dirty = false;
        recover_later(c, l, why);
    }
    if (!c->retry_us) /* a lost purge or upload row has no Assembly */
        c->retry_us = clock_mono_us();
    for (int i = 0; i < answer_count; i++)
        answers[i].reply(answers[i].ctx, answers[i].err.code ? &answers[i].err : why, NULL);
    queues_done(effects, effect_count, answers, answer_count);
}

/* It is written, and perhaps not on the disk: a second flush would succeed and prove nothing. Nobody has been told
 * yet, and a new process reads what is really there. */
static _Noreturn void end_at_once(struct conductor *c, const struct err *why)
{
    log_error(&c->log, "ending, to start again from what is on the disk: %s", why->msg);
    fflush(NULL);
    fault_report();
    _exit(EXIT_UNFLUSHED);
}

void turn_commit(struct conductor *c)
{
    struct effect_item *effects = c->effects;
    struct answer *answers = c->answers;
    int effect_count = c->effect_count, answer_count = c->answer_count;
    struct err err = {0};
    int rc = 0;

    if (!c->dirty && !answer_count && !c->in_transaction && !c->failure.code) {
        release_claims(c);
        lives_forget(c);
        return;
    }
    if (!c->failure.code)
        save_listings(c);
    if (c->failure.code) {
        err = c->failure;
        c->failure.code = ERR_OK;
        rc = -1;
        if (c->in_transaction)
            store_rollback(c->conf.store);
        c->in_transaction = false;
    } else if (c->in_transaction) {
        c->in_transaction = false;
        rc = store_commit_unflushed(c->conf.store, &err);
        if (rc == 0 && must_flush(c) && store_flush(c->conf.store, &err) < 0)
            end_at_once(c, &err);
    }
    release_claims(c);
    housekeep_committed(c, rc == 0);
    c->effects = NULL;
    c->answers = NULL;
    c->effect_count = c->effect_cap = c->answer_count = c->answer_cap = 0;
    if (rc < 0) {
        turn_take_back(c, &err, effects, effect_count, answers, answer_count);
        return;
    }
    c->retry_pause_us = 0;
    outbox_committed(c, true);
    /* pieces first, then the head: whoever reads between sees a document a moment old, never a torn one */
    for (int i = 0; i < effect_count; i++)
        if (effects[i].fx.type == FX_FRAGMENT)
            published_fragment(effects[i].live->published, &effects[i].fx, effects[i].live->a);
        else if (effects[i].fx.type == FX_TELL)
            published_announce(effects[i].live->published);
    publish(c);
    effects_perform(c, effects, effect_count);
    for (int i = 0; i < c->undo_ack_count; i++)
        if (c->undo_acks[i]->pool)
            pool_undo_ok(c->undo_acks[i]->pool);
    c->undo_ack_count = 0;
    for (int i = 0; i < answer_count; i++) {
        struct published *p = answers[i].live ? answers[i].live->published : NULL;

        if (p && !published_is_ready(p)) { /* it could not be read after a restart, and has nothing to show */
            p = NULL;
            if (!answers[i].err.code)
                err_set(&answers[i].err, ERR_BUSY, "The Assembly could not be read from the database so far");
        }
        answers[i].reply(answers[i].ctx, answers[i].err.code ? &answers[i].err : NULL, p);
    }
    queues_done(effects, effect_count, answers, answer_count);
    fail_oversized(c);
    queues_pump(c);
    outbox_pump(c);
    save_ends(c);
    if (c->in_transaction || c->dirty || c->answer_count)
        uv_async_send(&c->wake); /* another turn right away */
    lives_forget(c);
}

static void on_prepare(uv_prepare_t *h)
{
    struct conductor *c = h->data;

    turn_commit(c);
}

static void on_wake(uv_async_t *h)
{
    struct conductor *c = h->data;

    if (!news_handle(c))
        return;
    c->draining = true;
    for (struct map_iter i = {0}; map_next(&c->live, &i);)
        await_answer(c, i.value, true);
}

static bool any_running(struct conductor *c)
{
    for (struct map_iter i = {0}; map_next(&c->live, &i);)
        for (struct run *r = ((struct live *)i.value)->runs; r; r = r->sibling)
            if (r->pool)
                return true;
    return false;
}

void lives_watch(struct conductor *c)
{
    int64_t now = clock_now_us(), mono = clock_mono_us();

    for (struct map_iter i = {0}; map_next(&c->live, &i);) {
        struct live *l = i.value;
        int64_t deadline = assembly_deadline(l->a, c->conf.upload_expiry_us, c->conf.execution_expiry_us);
        struct err err;

        if (deadline && now > deadline && !l->stale)
            (void)!turn_apply(c, l, EV_EXPIRE, NULL, &err);
        if (c->ticks % 20 == 0)
            report_tick(l);
        if (c->ticks / 10 % KEEP_ALIVE_S == (l->a->id[ID_LEN - 2] + l->a->id[ID_LEN - 1]) % KEEP_ALIVE_S)
            published_keep_alive(l->published); /* not thousands of streams in the same moment */
        bool is_nothing = l->a->state == ASSEMBLY_NEW && !l->stale; /* its creation was lost */
        if (is_nothing || (l->over_mono_us && mono - l->over_mono_us > c->conf.keep_over_us))
            live_leave(c, l);
    }
}

static void on_tick(uv_timer_t *t)
{
    struct conductor *c = t->data;

    c->ticks++;
    if (c->draining && (c->stop_wait_us < clock_mono_us() || (!any_running(c) && !outbox_busy(c)))) {
        uv_stop(&c->loop);
        return;
    }
    recover_stale(c);
    space_watch(c);
    outbox_pump(c);
    if (c->uploads.tell)
        c->uploads.tell(c->uploads.ctx);
    if (c->ticks == 1)
        sweep_uploads(c);
    if (c->ticks % 10)
        return; /* the rest is once a second */
    lives_watch(c);
    housekeep(c);
}

static void *run_thread(void *arg)
{
    struct conductor *c = arg;

    uv_run(&c->loop, UV_RUN_DEFAULT);
    runs_interrupted(c);
    turn_commit(c);
    turn_commit(c);
    pool_close(c->pool);
    /* Closed handles and, above all, work on other threads must come home: it uses uploads and blobs, which the
     * caller frees next. */
    for (int i = 0; i < 50 || (c->loop.active_reqs.count && i < 10000); i++) {
        uv_run(&c->loop, UV_RUN_NOWAIT);
        uv_sleep(1);
    }
    turn_commit(c);
    tenants_done(c);
    recover_done(c);
    return NULL;
}

int conductor_start(struct conductor **out, const struct conductor_conf *conf, struct err *err)
{
    struct conductor *c = mem_zalloc(sizeof *c);
    struct pool_events events;

    c->conf = *conf;
    c->log = (struct log){"room", "conductor", NULL};
    c->boot = clock_now_us();
    c->inbox_last = &c->inbox;
    pthread_mutex_init(&c->inbox_lock, NULL);
    pthread_rwlock_init(&c->live_lock, NULL);
    uv_loop_init(&c->loop);
    uv_async_init(&c->loop, &c->wake, on_wake);
    uv_prepare_init(&c->loop, &c->commit);
    uv_timer_init(&c->loop, &c->tick);
    c->wake.data = c->commit.data = c->tick.data = c;
    uv_prepare_start(&c->commit, on_prepare);
    uv_timer_start(&c->tick, on_tick, 100, 100);

    effects_open_pool_events(&events, c);
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
        .cgroup = conf->cgroup,
        .jail_without = conf->jail_without,
        .timeout_s = conf->job_timeout_s,
        .settings = conf->robot_settings,
        .log_level = conf->log_level,
    };
    memcpy(pool.workers, conf->workers, sizeof pool.workers);
    ballast_make(c);
    if (pool_open(&c->pool, &pool, &events, err) < 0 || recover_open(c, err) < 0)
        return -1;
    *out = c;
    return 0;
}

void conductor_set_uploads(struct conductor *c, const struct upload_stopper *s)
{
    c->uploads = *s;
    pthread_create(&c->thread, NULL, run_thread, c);
}

void conductor_stop(struct conductor *c, int64_t wait_us)
{
    pthread_mutex_lock(&c->inbox_lock);
    c->stop_asked = true;
    c->stop_wait_us = clock_mono_us() + wait_us;
    pthread_mutex_unlock(&c->inbox_lock);
    uv_async_send(&c->wake);
    pthread_join(c->thread, NULL);
}

int conductor_live_count(struct conductor *c)
{
    pthread_rwlock_rdlock(&c->live_lock);
    int n = (int)(c->live.count + c->sleeping.count);
    pthread_rwlock_unlock(&c->live_lock);
    return n;
}

bool conductor_is_ready(struct conductor *c) { return c->ready && !c->draining; }
