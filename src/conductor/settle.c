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

static void write_receipt(struct conductor *c, struct entry *e)
{
    double duration = (double)(clock_now_us() - e->a->cancel_us) / 1e6;
    AUTO(json_unref) json_t *data =
        json_pack("{s:{s:b,s:f,s:i,s:i,s:I}}", "receipt", "settled", 1, "duration",
                             (double)(int64_t)(duration * 1000 + 0.5) / 1000, "processes_killed",
                             e->processes_killed, "uploads_stopped", e->uploads_stopped,
                             "bytes_freed", (json_int_t)e->bytes_freed);
    struct err err;

    if (turn_apply(c, e, EV_CANCEL_SETTLED, data, &err) < 0)
        log_warn(&e->a->log, "the receipt was not saved: %s", err.msg);
    entry_document_due(&c->entries, e);
    log_info(&e->a->log,
             "canceled: %d processes killed, %d uploads stopped, %lld bytes freed, %.0f ms",
             e->processes_killed, e->uploads_stopped, (long long)e->bytes_freed, duration * 1000);
}

void settle_check(struct conductor *c, struct entry *e)
{
    if (e->end != ENTRY_STOPPING || e->stopping || e->stale)
        return;
    timer_drop(&e->settle_timer);
    if (e->a->cancel)
        write_receipt(c, e);
    entry_settled(&c->entries, e);
    answer_waiters(c, e);
}

void settle_begin(struct entry *e) { e->stopping++; }

void settle_one(struct conductor *c, struct entry *e)
{
    e->stopping--;
    settle_check(c, e);
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
