/* Answers to requests by URL that are kept. */
#include "store/private.h"

int store_served_put(struct store *s, const struct store_served *v, struct err *err)
{
    return store_run(s, NULL, Q_SERVED_PUT, err, "ttiti", v->key, v->blob_id, v->size, v->record, v->until_us);
}

int store_served_del(struct store *s, const char *blob_id, struct err *err)
{
    return store_run(s, NULL, Q_SERVED_DEL, err, "t", blob_id);
}

static int served_all(struct db *db, int (*cb)(void *ctx, const struct store_served *v), void *ctx, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (stmt_start(&st, db, Q_SERVED_ALL, err, "") < 0)
        return -1;
    while ((row = stmt_next(db, st, err)) > 0) {
        struct store_served v = {.key = stmt_text(st, 0),
                                 .blob_id = stmt_text(st, 1),
                                 .size = sqlite3_column_int64(st, 2),
                                 .record = stmt_text(st, 3),
                                 .until_us = sqlite3_column_int64(st, 4)};

        if (cb(ctx, &v) < 0)
            return 0;
    }
    return row;
}

int store_served(struct store_reader *r, int (*cb)(void *ctx, const struct store_served *v), void *ctx, struct err *err)
{
    pthread_mutex_lock(&r->lock);
    int rc = served_all(&r->db, cb, ctx, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}
