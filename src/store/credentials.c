/* Stored credentials. */
#include "store/private.h"

#include <string.h>

static struct store_credential credential_row(sqlite3_stmt *st)
{
    return (struct store_credential){.id = stmt_text(st, 0),
                                     .workspace = stmt_text(st, 1),
                                     .name = stmt_text(st, 2),
                                     .type = stmt_text(st, 3),
                                     .sealed = stmt_text(st, 4),
                                     .created_us = sqlite3_column_int64(st, 5),
                                     .modified_us = sqlite3_column_int64(st, 6)};
}

static int credential_read(struct store_credential **out, struct db *db, const char *workspace, const char *id_or_name,
                           struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (stmt_start(&st, db, Q_CREDENTIAL_GET, err, "tt", workspace, id_or_name) < 0 ||
        (row = stmt_next(db, st, err)) < 0)
        return -1;
    if (!row)
        return err_set(err, ERR_NOT_FOUND, "there are no credentials '%.100s'", id_or_name);
    struct store_credential c = credential_row(st);
    const char **texts[] = {&c.id, &c.workspace, &c.name, &c.type, &c.sealed};
    *out = row_pack(&c, sizeof c, texts, ARRAY_LEN(texts));
    return 0;
}

int store_credential_add(struct store *s, const struct store_credential *c, struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_CREDENTIAL_ADD, err, "tttttii", c->id, c->workspace, c->name, c->type, c->sealed,
                  c->created_us, c->modified_us) < 0)
        return -1;
    return changed ? 0 : err_set(err, ERR_EXISTS, "there are credentials named '%.100s' already", c->name);
}

int store_credential_put(struct store *s, const struct store_credential *c, struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_CREDENTIAL_PUT, err, "tttti", c->id, c->name, c->type, c->sealed,
                  c->modified_us) < 0)
        return -1;
    return changed ? 0 : err_set(err, ERR_EXISTS, "there are credentials named '%.100s' already", c->name);
}

int store_credential_del(struct store *s, const char *workspace, const char *id, struct err *err)
{
    return store_run(s, NULL, Q_CREDENTIAL_DEL, err, "tt", workspace, id);
}

int store_credential_get(struct store_credential **out, struct store *s, const char *workspace,
                         const char *id_or_name, struct err *err)
{
    return store_check(s, err) < 0 ? -1 : credential_read(out, &s->db, workspace, id_or_name, err);
}

int store_credential_read(struct store_credential **out, struct store_reader *r, const char *workspace,
                          const char *id_or_name, struct err *err)
{
    pthread_mutex_lock(&r->lock);
    int rc = credential_read(out, &r->db, workspace, id_or_name, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static int credential_walk(struct db *db, const struct store_page *p,
                           int (*cb)(void *ctx, const struct store_credential *c), void *ctx, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (stmt_start(&st, db, p->descending ? Q_CREDENTIALS_DESC : Q_CREDENTIALS_ASC, err, "ttii", p->workspace,
                   p->sort, p->max, p->skip) < 0)
        return -1;
    while ((row = stmt_next(db, st, err)) > 0) {
        struct store_credential c = credential_row(st);

        if (cb(ctx, &c) < 0)
            return 0;
    }
    return row;
}

int store_credentials(struct store_reader *r, const struct store_page *page,
                      int (*cb)(void *ctx, const struct store_credential *c), void *ctx, struct err *err)
{
    pthread_mutex_lock(&r->lock);
    int rc = credential_walk(&r->db, page, cb, ctx, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}
