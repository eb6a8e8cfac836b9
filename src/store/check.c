/* All rows of a kind, for whoever compares them with the files on the disk. */
#include "store/private.h"
#include "store/schema.h"

#include <stdio.h>
#include <string.h>

int store_integrity(struct store *s, int (*cb)(void *ctx, const char *problem), void *ctx, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_INTEGRITY, err, "") < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0)
        if (strcmp(stmt_text(st, 0), "ok") != 0 && cb(ctx, stmt_text(st, 0)) < 0)
            return 0;
    return row;
}

int store_assemblies(struct store *s, int (*cb)(void *ctx, const struct store_assembly *a), void *ctx,
                     struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_ASSEMBLIES_ALL, err, "") < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0) {
        struct store_assembly a = {.id = stmt_text(st, 0),
                                   .ended = sqlite3_column_int(st, 1) != 0,
                                   .purged = sqlite3_column_int(st, 2) != 0,
                                   .code = stmt_text(st, 3),
                                   .has_row = sqlite3_column_int(st, 4) != 0,
                                   .made = sqlite3_column_int(st, 5) != 0};

        if (cb(ctx, &a) < 0)
            return 0;
    }
    return row;
}

int store_all_files(struct store *s,
                    int (*cb)(void *ctx, const char *blob_id, const char *assembly_id, int64_t size), void *ctx,
                    struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_FILES_ALL, err, "") < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0)
        if (cb(ctx, stmt_text(st, 0), stmt_text(st, 1), sqlite3_column_int64(st, 2)) < 0)
            return 0;
    return row;
}

int store_health_get(struct store_health *out, struct store_reader *r, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int row = -1;

    memset(out, 0, sizeof *out);
    while (store_migrations[out->latest_schema])
        out->latest_schema++;
    pthread_mutex_lock(&r->lock);
    if (stmt_start(&st, &r->db, Q_HEALTH, err, "") == 0 && (row = stmt_next(&r->db, st, err)) > 0) {
        snprintf(out->journal, sizeof out->journal, "%s", stmt_text(st, 0));
        out->schema = sqlite3_column_int(st, 1);
        out->newest_us = sqlite3_column_int64(st, 2);
        out->set_aside = sqlite3_column_int64(st, 3);
    }
    stmt_done(st);
    pthread_mutex_unlock(&r->lock);
    return row < 0 ? -1 : 0;
}

int store_blob_is_named(bool *out, struct store_reader *r, const char *blob_id, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int row = -1;

    pthread_mutex_lock(&r->lock);
    if (stmt_start(&st, &r->db, Q_BLOB_NAMED, err, "t", blob_id) == 0)
        row = stmt_next(&r->db, st, err);
    stmt_done(st);
    pthread_mutex_unlock(&r->lock);
    *out = row > 0;
    return row < 0 ? -1 : 0;
}
