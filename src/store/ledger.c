/* What was used. */
#include "store/private.h"

int store_ledger_add(struct store *s, const struct store_usage *u, struct err *err)
{
    int added;

    if (store_run(s, &added, Q_LEDGER_ADD, err, "tittiit", u->assembly_id, u->job, u->workspace,
                  u->month, u->raw_bytes, u->bytes, u->robot) < 0)
        return -1;
    if (!added)
        return 0; /* it is in the sums already */
    return store_run(s, NULL, Q_BILL_ADD, err, "tttii", u->workspace, u->month, u->robot,
                     u->raw_bytes, u->bytes);
}

static int bill(struct db *db, const char *workspace, const char *month,
                void (*cb)(void *ctx, const struct store_usage *u), void *ctx, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (stmt_start(&st, db, Q_BILL, err, "tt", workspace, month) < 0)
        return -1;
    while ((row = stmt_next(db, st, err)) > 0)
        cb(ctx, &(struct store_usage){.robot = stmt_text(st, 0),
                                      .job = sqlite3_column_int64(st, 1),
                                      .raw_bytes = sqlite3_column_int64(st, 2),
                                      .bytes = sqlite3_column_int64(st, 3)});
    return row;
}

int store_bill(struct store_reader *r, const char *workspace, const char *month,
               void (*cb)(void *ctx, const struct store_usage *u), void *ctx, struct err *err)
{
    int rc;

    pthread_mutex_lock(&r->lock);
    rc = bill(&r->db, workspace, month, cb, ctx, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}
