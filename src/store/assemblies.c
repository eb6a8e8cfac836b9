/* Assemblies: their events, status documents, files and uploads. */
#include "store/private.h"
#include "base/fault.h"

#include <string.h>

int store_assembly_add(struct store *s, const char *id, const char *workspace, int64_t created_us,
                       struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_ASSEMBLY_ADD, err, "tti", id, workspace, created_us) < 0)
        return -1;
    return changed ? 0 : err_set(err, ERR_EXISTS, "the Assembly ID '%s' was used before", id);
}

int store_event_add(struct store *s, const char *assembly_id, int64_t seq, int64_t at_us,
                    const char *json, struct err *err)
{
    return store_run(s, NULL, Q_EVENT_ADD, err, "tiit", assembly_id, seq, at_us, json);
}

int store_event_append(struct store *s, const char *assembly_id, int64_t at_us, const char *json, struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_EVENT_APPEND, err, "tit", assembly_id, at_us, json) < 0)
        return -1;
    return changed ? 0 : err_set(err, ERR_NOT_FOUND, "Assembly '%s' has no events", assembly_id);
}

int store_assembly_add_made(struct store *s, const char *id, const char *workspace, int64_t created_us,
                            const struct store_end *end, struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_ASSEMBLY_ADD_MADE, err, "ttittii", id, workspace, created_us, end->code, end->made,
                  end->ended_us, end->expires_us) < 0)
        return -1;
    return changed ? 0 : err_set(err, ERR_EXISTS, "the Assembly ID '%s' was used before", id);
}

int store_assembly_end(struct store *s, const char *id, const struct store_end *end, struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_ASSEMBLY_END, err, "ttttii", id, end->code, end->status, end->made, end->ended_us,
                  end->expires_us) < 0)
        return -1;
    return changed ? 0 : err_set(err, ERR_NOT_FOUND, "Assembly '%s' is not known", id);
}

int store_open_assemblies(struct store *s,
                          int (*cb)(void *ctx, const char *id, const char *workspace), void *ctx,
                          struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_ASSEMBLIES_OPEN, err, "") < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0)
        if (cb(ctx, stmt_text(st, 0), stmt_text(st, 1)) < 0)
            return 0;
    return row;
}

int store_events(struct store *s, const char *assembly_id,
                 int (*cb)(void *ctx, int64_t seq, int64_t at_us, const char *json), void *ctx,
                 struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_EVENTS, err, "t", assembly_id) < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0)
        if (cb(ctx, sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1), stmt_text(st, 2)) < 0)
            return 0;
    return row;
}

int store_expired(struct store *s, int64_t now_us, int max, int (*cb)(void *ctx, const char *id),
                  void *ctx, struct err *err)
{
    AUTO(str_done) struct str ids = {0}; /* each with its NUL */
    sqlite3_stmt *st;
    int row;

    if (store_check(s, err) < 0 ||
        stmt_start(&st, &s->db, Q_ASSEMBLIES_EXPIRED, err, "ii", now_us, (int64_t)max) < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0)
        str_add(&ids, stmt_text(st, 0), strlen(stmt_text(st, 0)) + 1);
    stmt_done(st);
    if (row < 0)
        return -1;
    /* The query is over before the first purge takes rows from under it. */
    for (size_t at = 0; at < ids.len; at += strlen(ids.s + at) + 1)
        if (cb(ctx, ids.s + at) < 0)
            break;
    return 0;
}

int store_assembly_keep_status(bool *kept, struct store *s, const char *id, int64_t keep_us,
                               struct err *err)
{
    int changed = 0;

    if (store_run(s, &changed, Q_ASSEMBLY_KEEP, err, "ti", id, keep_us) < 0)
        return -1;
    *kept = changed > 0;
    if (!changed)
        return 0;
    return store_run(s, NULL, Q_EVENTS_DEL, err, "t", id) < 0 || store_run(s, NULL, Q_FILES_DEL, err, "t", id) < 0 ||
                   store_run(s, NULL, Q_UPLOADS_DEL, err, "t", id) < 0
               ? -1
               : 0;
}

int store_assembly_purge(struct store *s, const char *id, struct err *err)
{
    if (store_run(s, NULL, Q_EVENTS_DEL, err, "t", id) < 0 ||
        store_run(s, NULL, Q_FILES_DEL, err, "t", id) < 0 ||
        store_run(s, NULL, Q_UPLOADS_DEL, err, "t", id) < 0 ||
        store_run(s, NULL, Q_NOTIFICATIONS_DEL, err, "t", id) < 0 ||
        store_run(s, NULL, Q_ATTEMPTS_DEL, err, "t", id) < 0 ||
        store_run(s, NULL, Q_LEDGER_DEL, err, "t", id) < 0 || listed_del(s, id, err) < 0)
        return -1;
    return store_run(s, NULL, Q_ASSEMBLY_EMPTY, err, "t", id);
}

/* One text of one row. */
static int text_of(char **out, struct store *s, enum query q, const char *id, const char *what, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, q, err, "t", id) < 0 ||
        (row = stmt_next(&s->db, st, err)) < 0)
        return -1;
    if (!row)
        return err_set(err, ERR_NOT_FOUND, "%s '%s' is not known", what, id);
    *out = mem_strdup(stmt_text(st, 0));
    return 0;
}

int store_assembly_workspace(char **out, struct store *s, const char *id, struct err *err)
{
    return text_of(out, s, Q_ASSEMBLY_OF, id, "Assembly", err);
}

int store_key_secret(char **secret, struct store *s, const char *key_id, struct err *err)
{
    return text_of(secret, s, Q_KEY_SECRET, key_id, "Auth Key", err);
}

/* ---- status documents ---- */

void store_made_done(struct store_made m)
{
    for (int i = 0; i < m.count; i++)
        free(m.events[i].json);
    free(m.events);
    free(m.about);
}

static int made_events(struct store_made *m, struct db *db, const char *id, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (stmt_start(&st, db, Q_EVENTS, err, "t", id) < 0)
        return -1;
    while ((row = stmt_next(db, st, err)) > 0) {
        if ((m->count & (m->count - 1)) == 0)
            m->events = mem_realloc(m->events, (size_t)(m->count ? m->count * 2 : 1) * sizeof *m->events);
        m->events[m->count++] =
            (struct store_event){sqlite3_column_int64(st, 1), mem_strdup(stmt_text(st, 2))};
    }
    return row;
}

static int status_get(struct str *out, struct store_made *m, struct db *db, const char *id, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    *m = (struct store_made){0};
    if (stmt_start(&st, db, Q_STATUS_GET, err, "t", id) < 0 || (row = stmt_next(db, st, err)) < 0)
        return -1;
    if (!row)
        return err_set(err, ERR_NOT_FOUND, "Assembly '%s' is not known", id);
    if (sqlite3_column_type(st, 0) != SQLITE_NULL) {
        if (out)
            str_add(out, stmt_text(st, 0), (size_t)sqlite3_column_bytes(st, 0));
        return 0;
    }
    m->about = mem_strdup(stmt_text(st, 1));
    if (made_events(m, db, id, err) == 0)
        return 0;
    store_made_done(*m);
    *m = (struct store_made){0};
    return -1;
}

int store_status_read(struct str *out, struct store_made *made, struct store *s, const char *id, struct err *err)
{
    return store_check(s, err) < 0 ? -1 : status_get(out, made, &s->db, id, err);
}

int store_status_put(struct store *s, const char *id, const char *status, struct err *err)
{
    return store_run(s, NULL, Q_STATUS_PUT, err, "tt", id, status);
}

/* The statement that found the row is open while its events are read: both are of the same moment. */
int store_status_get(struct str *out, struct store_made *made, struct store_reader *r, const char *assembly_id,
                     struct err *err)
{
    int rc;

    pthread_mutex_lock(&r->lock);
    rc = FAULT(STORE) ? err_set(err, ERR_IO, "database: broken for a test")
                      : status_get(out, made, &r->db, assembly_id, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

/* ---- files ---- */

int store_file_add(struct store *s, const char *blob_id, const char *assembly_id, const char *name,
                   const char *mime, int64_t size, struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_FILE_ADD, err, "tttti", blob_id, assembly_id, name, mime, size) < 0)
        return -1;
    if (changed)
        return 0;
    s->spoiled = s->in_transaction;
    return err_set(err, ERR_INTERNAL, "file '%s' belongs to another Assembly", blob_id);
}

int store_file_type(bool *known, struct store *s, const char *blob_id, const char *assembly_id, const char *mime,
                    struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_FILE_TYPE, err, "ttt", blob_id, assembly_id, mime) < 0)
        return -1;
    *known = changed > 0;
    return 0;
}

int store_files(struct store *s, const char *assembly_id, int (*cb)(void *ctx, const char *blob_id),
                void *ctx, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_FILES, err, "t", assembly_id) < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0)
        if (cb(ctx, stmt_text(st, 0)) < 0)
            return 0;
    return row;
}

static int file_get(char **name, char **mime, struct db *db, const char *id, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (stmt_start(&st, db, Q_FILE_GET, err, "t", id) < 0 || (row = stmt_next(db, st, err)) < 0)
        return -1;
    if (!row)
        return err_set(err, ERR_NOT_FOUND, "file '%s' is not known", id);
    *name = mem_strdup(stmt_text(st, 0));
    *mime = mem_strdup(stmt_text(st, 1));
    return 0;
}

int store_file_get(char **name, char **mime, struct store_reader *r, const char *blob_id,
                   struct err *err)
{
    int rc;

    pthread_mutex_lock(&r->lock);
    rc =
        FAULT(STORE) ? err_set(err, ERR_IO, "database: broken for a test") : file_get(name, mime, &r->db, blob_id, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

/* ---- uploads ---- */

int store_upload_put(struct store *s, const char *id, const char *assembly_id, const char *meta,
                     struct err *err)
{
    return store_run(s, NULL, Q_UPLOAD_PUT, err, "ttt", id, assembly_id, meta);
}

int store_upload_del(struct store *s, const char *id, struct err *err)
{
    return store_run(s, NULL, Q_UPLOAD_DEL, err, "t", id);
}

int store_uploads(struct store *s,
                  int (*cb)(void *ctx, const char *id, const char *assembly_id, const char *meta),
                  void *ctx, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_UPLOADS, err, "") < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0)
        if (cb(ctx, stmt_text(st, 0), stmt_text(st, 1), stmt_text(st, 2)) < 0)
            return 0;
    return row;
}
