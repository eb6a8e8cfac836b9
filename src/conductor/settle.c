/* After the end: work is stopped, what was left elsewhere is taken back, and when nothing is left,
 * whoever canceled hears so. */
#include "conductor/private.h"
#include "conductor/timer.h"

#include <string.h>

static void answer_waiters(struct conductor *c, struct entry *e)
{
    while (e->waiters) {
        struct waiter *w = e->waiters;

        e->waiters = w->next;
        turn_answer(c, w->reply, w->ctx, NULL, e);
        free(w);
    }
}

void settle_refuse(struct entry *e, const struct err *why)
{
    while (e->waiters) {
        struct waiter *w = e->waiters;

        e->waiters = w->next;
        w->reply(w->ctx, why, NULL);
        free(w);
    }
    timer_drop(&e->settle_timer);
}

/* It says that everything is gone when that is so, at other servers as well. */
static bool is_all_gone(const struct assembly *a) { return !a->left_elsewhere && !assembly_leaves(a); }

static void save_receipt(struct conductor *c, struct entry *e, json_t *receipt)
{
    AUTO(json_unref) json_t *data = json_pack("{s:o}", "receipt", receipt);
    struct err err;

    if (turn_apply(c, e, EV_CANCEL_SETTLED, data, &err) < 0)
        log_warn(&e->a->log, "the receipt was not saved: %s", err.msg);
    entry_document_due(&c->entries, e);
}

static void write_receipt(struct conductor *c, struct entry *e)
{
    double duration = (double)(clock_now_us() - e->a->cancel_us) / 1e6;

    if (json_is_integer(json_object_get(e->a->cancel, "processes_killed"))) { /* the figures stand */
        save_receipt(c, e, json_pack("{s:b}", "settled", is_all_gone(e->a)));
        return;
    }
    save_receipt(c, e,
                 json_pack("{s:b,s:f,s:i,s:i,s:I}", "settled", is_all_gone(e->a), "duration",
                           (double)(int64_t)(duration * 1000 + 0.5) / 1000, "processes_killed", e->processes_killed,
                           "uploads_stopped", e->uploads_stopped, "bytes_freed", (json_int_t)e->bytes_freed));
    log_info(&e->a->log,
             "canceled: %d processes killed, %d uploads stopped, %lld bytes freed, %.0f ms",
             e->processes_killed, e->uploads_stopped, (long long)e->bytes_freed, duration * 1000);
}

/* The last piece of what it left elsewhere is taken back, or given up. */
static void nothing_is_left(struct conductor *c, struct entry *e)
{
    if (!e->a->cancel)
        entry_document_due(&c->entries, e);
    else if (e->end >= ENTRY_SETTLED)
        write_receipt(c, e);
}

void settle_check(struct conductor *c, struct entry *e)
{
    if (e->end != ENTRY_STOPPING || e->stopping || e->stale)
        return;
    timer_drop(&e->settle_timer);
    if (e->a->cancel)
        write_receipt(c, e);
    if (e->a->cancel || assembly_leaves(e->a)) /* of the latter it is written when that is taken back */
        entry_document_due(&c->entries, e);
    entry_settled(&c->entries, e);
    answer_waiters(c, e);
}

void settle_begin(struct entry *e) { e->stopping++; }

void settle_one(struct conductor *c, struct entry *e)
{
    e->stopping--;
    settle_check(c, e);
}

/* ---- what it left at other servers ---- */

#define UNDO_FIRST_US SECOND_US
#define UNDO_MOST_US (15 * 60 * SECOND_US)
#define UNDO_LONGEST_US (24 * 3600 * SECOND_US)

void settle_undone(struct conductor *c, struct entry *e, int job, const struct err *why)
{
    AUTO(json_unref) json_t *data = json_pack("{s:i}", "job", job);
    struct err err;

    jset(data, "failed", why ? why->msg : NULL);
    if (why)
        log_warn(&e->a->log, "could not take back what a stopped job left behind, and it stays there: %s", why->msg);
    if (turn_apply(c, e, EV_JOB_UNDONE, data, &err) < 0)
        log_debug(&e->a->log, "%s", err.msg); /* its note stays, and it is taken back once more */
    else if (assembly_is_over(e->a) && !assembly_leaves(e->a))
        nothing_is_left(c, e);
}

/* A server that is down or does not answer comes back; one that says no will say it again, and a worker that was taken
 * over by what it had to take back as well. */
static bool may_pass(const struct err *why)
{
    if (why->broke_rules)
        return false;
    return err_retry(why) != RETRY_NEVER || why->code == ERR_IMPORT || why->code == ERR_TIMEOUT;
}

int64_t settle_undo_pause(struct entry *e, const struct undo_tries *was, const struct err *why)
{
    int64_t pause = UNDO_FIRST_US << (was->failed < 10 ? was->failed : 10);

    if (!may_pass(why) || clock_mono_us() - was->since_us > UNDO_LONGEST_US)
        return 0;
    if (pause > UNDO_MOST_US)
        pause = UNDO_MOST_US;
    log_write(was->failed ? LOG_INFO : LOG_WARN, &e->a->log,
              "could not take back what a stopped job left behind, and tries again in %lld s: %s",
              (long long)(pause / SECOND_US), why->msg);
    return pause;
}

/* ---- who waits for it ---- */

static void settle_timeout(uv_timer_t *t)
{
    struct entry *e = t->data;
    struct conductor *c = t->loop->data;

    timer_drop(&e->settle_timer);
    log_warn(&e->a->log,
             "cancel: not everything is gone after cancel_wait_ms; answering all the same");
    answer_waiters(c, e); /* settled:false; a later GET shows the final figures */
}

void settle_wait(struct conductor *c, struct entry *e, conductor_reply reply, void *ctx)
{
    /* The cancel of this very turn has not stopped anything yet: ENTRY_STOPPING comes with its
     * effects. */
    bool will_settle =
        e->end == ENTRY_STOPPING || (e->end == ENTRY_RUNNING && entry_is_in(e, ENTRIES_TOUCHED));
    struct waiter *w;

    if (!reply || !will_settle) {
        turn_answer(c, reply, ctx, NULL, e);
        return;
    }
    w = mem_zalloc(sizeof *w);
    *w = (struct waiter){.next = e->waiters, .reply = reply, .ctx = ctx};
    e->waiters = w;
    if (!e->settle_timer)
        e->settle_timer = timer_new(&c->loop, c->conf.cancel_wait_us, settle_timeout, e);
}

/* ---- its uploads ---- */

struct upload_stop {
    uv_work_t req;
    struct conductor *c;
    struct entry *e;
    char id[ID_LEN + 1];
    char code[64];
    int stopped;
    int64_t freed;
};

static void stop_uploads(uv_work_t *req)
{
    struct upload_stop *w = (struct upload_stop *)req;

    w->c->uploads.stop(w->c->uploads.ctx, w->id, w->code, &w->stopped, &w->freed);
}

static void uploads_stopped(uv_work_t *req, int status)
{
    struct upload_stop *w = (struct upload_stop *)req;

    (void)status;
    w->e->uploads_stopped += w->stopped;
    w->e->bytes_freed += w->freed;
    settle_one(w->c, w->e);
    free(w);
}

void settle_uploads(struct conductor *c, struct entry *e)
{
    struct upload_stop *w;

    if (!c->uploads.stop)
        return;
    if (e->a->state == ASSEMBLY_COMPLETED && !e->a->tus_count)
        return; /* every body has ended, and none of its uploads is in the table */
    w = mem_zalloc(sizeof *w);
    w->c = c;
    w->e = e;
    memcpy(w->id, e->a->id, sizeof w->id);
    snprintf(w->code, sizeof w->code, "%s", assembly_code(e->a));
    settle_begin(e);
    uv_queue_work(&c->loop, &w->req, stop_uploads, uploads_stopped);
}
