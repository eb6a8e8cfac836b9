/* Notifications: what is to be delivered, and the ledger of attempts. */
#include "store/private.h"

int store_notification_add(struct store *s, const struct store_notification *n, struct err *err)
{
    return store_run(s, NULL, Q_NOTIFICATION_ADD, err, "tttttii", n->id, n->assembly_id, n->workspace, n->key_id,
                     n->url, (int64_t)n->replay, n->next_us);
}

int store_notification_update(struct store *s, const char *id, const char *state, int attempts, int64_t next_us,
                              struct err *err)
{
    return store_run(s, NULL, Q_NOTIFICATION_UPDATE, err, "ttii", id, state, (int64_t)attempts, next_us);
}

int store_notifications_open(struct store *s, int (*cb)(void *ctx, const struct store_notification *n), void *ctx,
                             struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_NOTIFICATIONS_OPEN, err, "") < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0) {
        struct store_notification n = {.id = stmt_text(st, 0),
                                       .assembly_id = stmt_text(st, 1),
                                       .workspace = stmt_text(st, 2),
                                       .key_id = stmt_text(st, 3),
                                       .url = stmt_text(st, 4),
                                       .replay = sqlite3_column_int(st, 5) != 0,
                                       .attempts = sqlite3_column_int(st, 6),
                                       .next_us = sqlite3_column_int64(st, 7)};

        if (cb(ctx, &n) < 0)
            return 0;
    }
    return row;
}

int store_attempt_add(struct store *s, const struct store_attempt *a, struct err *err)
{
    return store_run(s, NULL, Q_ATTEMPT_ADD, err, "ttttiitti", a->notification_id, a->assembly_id, a->workspace,
                     a->url, a->at_us, (int64_t)a->response_code, a->response_data, a->error, a->duration_us);
}

static int start(sqlite3_stmt **st, struct db *db, bool count, const struct store_attempt_query *q, struct err *err)
{
    const char *id = q->assembly_id ? q->assembly_id : "", *word = q->keyword ? q->keyword : "";

    return count ? stmt_start(st, db, Q_ATTEMPTS_COUNT, err, "ttiiit", q->workspace, id, q->from_us, q->to_us,
                              (int64_t)q->outcome, word)
                 : stmt_start(st, db, Q_ATTEMPTS_BY_DATE, err, "ttiiitiii", q->workspace, id, q->from_us, q->to_us,
                              (int64_t)q->outcome, word, (int64_t)(q->ascending ? 1 : -1), (int64_t)q->limit,
                              (int64_t)q->offset);
}

static int attempts_page(int64_t *count, struct db *db, const struct store_attempt_query *q,
                         int (*cb)(void *ctx, const struct store_attempt *a), void *ctx, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *n = NULL;
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (start(&n, db, true, q, err) < 0 || stmt_next(db, n, err) < 0)
        return -1;
    *count = sqlite3_column_int64(n, 0);
    if (start(&st, db, false, q, err) < 0)
        return -1;
    while ((row = stmt_next(db, st, err)) > 0) {
        struct store_attempt a = {.notification_id = stmt_text(st, 0),
                                  .assembly_id = stmt_text(st, 1),
                                  .workspace = stmt_text(st, 2),
                                  .url = stmt_text(st, 3),
                                  .at_us = sqlite3_column_int64(st, 4),
                                  .response_code = sqlite3_column_int(st, 5),
                                  .response_data = (const char *)sqlite3_column_text(st, 6),
                                  .error = (const char *)sqlite3_column_text(st, 7),
                                  .duration_us = sqlite3_column_int64(st, 8)};

        if (cb(ctx, &a) < 0)
            return 0;
    }
    return row;
}

int store_attempts(int64_t *count, struct store_reader *r, const struct store_attempt_query *q,
                   int (*cb)(void *ctx, const struct store_attempt *a), void *ctx, struct err *err)
{
    pthread_mutex_lock(&r->lock);
    int rc = attempts_page(count, &r->db, q, cb, ctx, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}
