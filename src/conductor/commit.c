/* The end of a turn: what it did becomes durable, then it is published, then it has effects, then
 * it is answered. */
#include "base/fault.h"
#include "conductor/private.h"

#include <assert.h>

#define EXIT_UNFLUSHED 70

/* ---- written ---- */

/* Of a canceled one only when its receipt is: settling makes it due. Of one that left something at another server when
 * that is taken back: for a store that has its document nothing of it is left to be done. */
static bool is_final(const struct entry *e)
{
    return !e->stale && assembly_is_over(e->a) && (!e->a->cancel || e->end >= ENTRY_SETTLED) && !assembly_leaves(e->a);
}

/* Of one that its events tell the store needs no more than that it is over, and has it with the last of them. */
static void save_ends(struct conductor *c)
{
    for (struct entry *e = c->entries.first[ENTRIES_TOUCHED]; e; e = e->next[ENTRIES_TOUCHED]) {
        struct err err;

        if (e->made || !is_final(e) || !entry_is_told_by_events(e))
            continue;
        if (turn_begin(c, &err) < 0 || save_end(c, e, NULL, &err) < 0) {
            turn_lost(c, &err);
            return;
        }
    }
}

static char *item_of(const struct conductor *c, const struct entry *e)
{
    AUTO(json_unref) json_t *item = listing_item(e->a, c->conf.instance, c->conf.region, clock_now_us());

    return json_text(item);
}

/* The list follows each change of state, in the same transaction. */
static void save_listings(struct conductor *c)
{
    for (struct entry *e = c->entries.first[ENTRIES_TOUCHED]; e; e = e->next[ENTRIES_TOUCHED]) {
        enum listing_type type = listing_type(e->a);
        struct err err;

        if (type == e->listed || e->a->state == ASSEMBLY_NEW)
            continue;
        AUTO(mem_free) char *item = e->made ? mem_strdup("") : item_of(c, e);
        AUTO(mem_free) char *search = listing_search(e->a);
        struct store_listed row = {e->a->id, e->a->workspace, type, e->a->created_us, item, search};
        bool is_new = e->listed == LISTING_ALL;
        e->listed = type;
        e->no_item = e->made;
        if (turn_begin(c, &err) < 0 || store_listed_put(c->conf.store, &row, is_new, &err) < 0) {
            turn_lost(c, &err);
            return;
        }
    }
}

/* A turn that tells nobody anything final needs no flush of its own: if the power fails, the
 * Assembly is as it was a moment before, and its jobs run again. What is acknowledged to a client,
 * the end of an Assembly, and what must be taken back from another server wait for the disk. */
static bool must_flush(const struct turn *t)
{
    if (t->queues.answer_count || t->ack_count)
        return true;
    for (int i = 0; i < t->queues.effect_count; i++)
        if (t->queues.effects[i].fx.type == FX_END)
            return true;
    return false;
}

/* It is written, and perhaps not on the disk: a second flush would succeed and prove nothing.
 * Nobody has been told yet, and a new process reads what is really there. */
static _Noreturn void end_at_once(struct conductor *c, const struct err *why)
{
    log_error(&c->log, "ending, to start again from what is on the disk: %s", why->msg);
    fflush(NULL);
    fault_report();
    _exit(EXIT_UNFLUSHED);
}

static int commit(struct conductor *c, struct err *err)
{
    struct turn *t = &c->turn;
    bool in_transaction = t->in_transaction;

    t->in_transaction = false;
    if (t->failure.code) {
        *err = t->failure;
        t->failure.code = ERR_OK;
        if (in_transaction)
            store_rollback(c->conf.store);
        return -1;
    }
    if (!in_transaction)
        return 0;
    if (store_commit_unflushed(c->conf.store, err) < 0)
        return -1;
    if (must_flush(t) && store_flush(c->conf.store, err) < 0)
        end_at_once(c, err);
    return 0;
}

/* Nothing of this turn happened. Whoever waits for it hears so; what it touched is read again. */
static void take_back(struct conductor *c, struct turn_queues *q, const struct err *why)
{
    log_write(why->code == ERR_NOSPACE ? LOG_WARN : LOG_ERROR, &c->log,
              "a turn was lost, and is done again from what is stored: %s", why->msg);
    if (why->code == ERR_NOSPACE)
        ballast_drop(c);
    outbox_committed(c, false);
    jobs_committed(c, false);
    next_answer(c, false);
    for (struct entry *e; (e = entry_pop(&c->entries, ENTRIES_TOUCHED));)
        recover_later(c, e, why);
    recover_soon(c); /* a lost purge or upload row has no Assembly */
    for (int i = 0; i < q->answer_count; i++)
        q->answers[i].reply(q->answers[i].ctx, q->answers[i].err.code ? &q->answers[i].err : why,
                            NULL);
}

/* ---- published ---- */

static void publish_entry(struct conductor *c, struct entry *e)
{
    /* one that is over was touched by the turn that wrote its document */
    if (!assembly_is_over(e->a) || e->published_seq != e->seq || !published_is_ready(e->published))
        published_set_head(e->published, e->a, status_head(e->a));
    watch_again(c, e);
    entry_published(&c->entries, e);
    if (e->waking)
        recover_published(c, e);
    await_answer(c, e, false);
    if (c->conf.max_status_bytes && !e->oversized && !assembly_is_over(e->a) &&
        published_size(e->published) > c->conf.max_status_bytes) {
        e->oversized = true;
        entry_put(&c->entries, e, ENTRIES_OVERSIZED);
    }
}

/* Pieces first, then the head: whoever reads between sees a document a moment old, never a torn
 * one. */
static void publish(struct conductor *c, const struct turn_queues *q)
{
    for (int i = 0; i < q->effect_count; i++) {
        const struct effect_item *item = &q->effects[i];

        if (item->fx.type == FX_FRAGMENT)
            published_fragment(item->entry->published, &item->fx, item->entry->a);
        else if (item->fx.type == FX_TELL)
            published_announce(item->entry->published);
    }
    for (struct entry *e; (e = entry_pop(&c->entries, ENTRIES_TOUCHED));)
        publish_entry(c, e);
}

/* ---- performed ---- */

static void perform_end(struct conductor *c, struct entry *e)
{
    /* a canceled one is not over for the store until its receipt is settled: a crash in between
     * finds it open, and finishes the job */
    if (!e->a->cancel && !e->made)
        entry_document_due(&c->entries, e);
    entry_set_end(e, ENTRY_STOPPING);
    watch_again(c, e); /* perhaps no turn has to do with it any more */
    outbox_send(c, e);
    log_info(&e->a->log, "over: %s", assembly_code(e->a));
    settle_check(c, e);
}

static void perform(struct conductor *c, const struct turn_queues *q)
{
    for (int i = 0; i < q->effect_count; i++) {
        struct entry *e = q->effects[i].entry;
        const struct effect *fx = &q->effects[i].fx;

        switch (fx->type) {
        case FX_START_JOB:
            if (!assembly_is_over(e->a))
                jobs_queue(c, e, fx->job, fx->delay_us);
            break;
        case FX_STOP_JOBS:
            jobs_stop(c, e, JOBS_END);
            break;
        case FX_STOP_UPLOADS:
            settle_uploads(c, e);
            break;
        case FX_TELL:
            published_tell(e->published, fx->name, fx->text);
            break;
        case FX_END:
            perform_end(c, e);
            break;
        case FX_FRAGMENT:
            break; /* published already */
        }
    }
    jobs_committed(c, true);
    next_answer(c, true);
}

/* ---- answered ---- */

static void answer(const struct turn_queues *q)
{
    for (int i = 0; i < q->answer_count; i++) {
        struct answer *a = &q->answers[i];
        struct published *p = a->entry ? a->entry->published : NULL;

        if (p && !published_is_ready(
                     p)) { /* it could not be read after a restart, and has nothing to show */
            p = NULL;
            if (!a->err.code)
                err_set(&a->err, ERR_BUSY,
                        "The Assembly could not be read from the database so far");
        }
        a->reply(a->ctx, a->err.code ? &a->err : NULL, p);
    }
}

/* ---- what the next turn begins with ---- */

/* Those that publish() found too large end. */
static void fail_oversized(struct conductor *c)
{
    for (struct entry *e; (e = entry_pop(&c->entries, ENTRIES_OVERSIZED));) {
        AUTO(mem_free) char *text =
            mem_printf("The status document has more than max_status_size, %lld bytes",
                                (long long)c->conf.max_status_bytes);
        AUTO(json_unref) json_t *data = json_pack("{s:i,s:s,s:s}", "code", ERR_MEMORY_LIMIT, "name",
                                 "ASSEMBLY_MEMORY_LIMIT_EXCEEDED", "msg", text);
        struct err err;

        if (turn_apply(c, e, EV_FAIL, data, &err) < 0)
            log_debug(&e->a->log, "%s", err.msg); /* over in the meantime */
    }
}

static int save_document(struct conductor *c, struct entry *e, struct err *err)
{
    if (turn_begin(c, err) < 0)
        return -1;
    if (entry_is_told_by_events(e))
        return save_end(c, e, NULL, err);
    AUTO(mem_free) char *item = e->no_item ? item_of(c, e) : NULL;
    struct shared_text *text = published_text(e->published, 200);
    int rc = save_end(c, e, text->s, err);
    shared_text_unref(text);
    e->no_item = false;
    return rc == 0 && item ? store_listed_item(c->conf.store, e->a->id, item, err) : rc;
}

static void document_is_there(struct conductor *c, struct entry *e)
{
    entry_document_written(e);
    if (e->end == ENTRY_WRITTEN)
        entry_put(&c->entries, e, ENTRIES_RESTING);
}

/* Final documents go into the transaction after the one that ended the Assembly: a crash in between
 * finds an Assembly whose events say that it is over, and writes the document then. */
static void save_documents(struct conductor *c)
{
    struct entry *unpublished = NULL;

    for (struct entry *e; (e = entry_pop(&c->entries, ENTRIES_DOCUMENT));) {
        struct err err;

        if (!is_final(e))
            continue; /* a turn was lost: when it is read again, its document becomes due again */
        if (e->made && entry_is_told_by_events(e)) { /* with what has come since */
            document_is_there(c, e);
            continue;
        }
        if (e->seq != e->published_seq) { /* this turn has added something: the document has it after the commit */
            e->next[ENTRIES_DOCUMENT] = unpublished;
            unpublished = e;
            continue;
        }
        entry_touch(&c->entries,
                    e); /* should the commit fail, it is read again, and this is done again */
        if (save_document(c, e, &err) < 0)
            turn_lost(c, &err);
        else
            entry_document_written(e);
    }
    for (struct entry *e; (e = unpublished);) {
        unpublished = e->next[ENTRIES_DOCUMENT];
        entry_put(&c->entries, e, ENTRIES_DOCUMENT);
    }
}

static bool is_nothing_to_do(const struct conductor *c)
{
    return !c->entries.first[ENTRIES_TOUCHED] && !c->turn.queues.answer_count &&
           !c->turn.in_transaction && !c->turn.failure.code;
}

static void pump(struct conductor *c)
{
    fail_oversized(c);
    jobs_pump(c);
    outbox_pump(c);
    save_documents(c);
    if (!is_nothing_to_do(c))
        uv_async_send(&c->wake); /* another turn right away */
}

/* Those that are over and wait for nothing. */
static void rest(struct conductor *c)
{
    for (struct entry *e; (e = entry_pop(&c->entries, ENTRIES_RESTING));)
        if (c->conf.keep_over_us > 0 && entry_may_rest(e))
            entry_rest(&c->entries, e);
}

void turn_commit(struct conductor *c)
{
    struct err err;

    found_tell_all(c);
    if (is_nothing_to_do(c)) {
        turn_release_claims(c);
        rest(c);
        entries_forget(&c->entries);
        return;
    }
    if (!c->turn.failure.code)
        save_ends(c);
    if (!c->turn.failure.code)
        save_listings(c);
    int rc = commit(c, &err);
    struct turn_queues q = turn_take_queues(c);
    turn_release_claims(c);
    housekeep_committed(c, rc == 0);
    if (rc < 0) {
        take_back(c, &q, &err);
        turn_queues_done(&q);
        return;
    }
    c->recovery.retry_pause_us = 0;
    outbox_committed(c, true);
    publish(c, &q);
    perform(c, &q);
    answer(&q);
    turn_queues_done(&q);
    pump(c);
    rest(c);
    entries_forget(&c->entries);
}
