/* Templates. */
#include "store/private.h"

#include <string.h>

static struct store_template template_row(sqlite3_stmt *st)
{
    return (struct store_template){.id = stmt_text(st, 0),
                                   .workspace = stmt_text(st, 1),
                                   .name = stmt_text(st, 2),
                                   .content = stmt_text(st, 3),
                                   .require_signature = sqlite3_column_int(st, 4) != 0,
                                   .created_us = sqlite3_column_int64(st, 5),
                                   .modified_us = sqlite3_column_int64(st, 6),
                                   .last_used_us = sqlite3_column_int64(st, 7)};
}

static int template_read(struct store_template **out, struct db *db, const char *workspace, const char *id_or_name,
                         struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (stmt_start(&st, db, Q_TEMPLATE_GET, err, "tt", workspace, id_or_name) < 0 ||
        (row = stmt_next(db, st, err)) < 0)
        return -1;
    if (!row)
        return err_set(err, ERR_NOT_FOUND, "There is no Template '%.100s'", id_or_name);
    struct store_template t = template_row(st);
    const char **texts[] = {&t.id, &t.workspace, &t.name, &t.content};
    *out = row_pack(&t, sizeof t, texts, ARRAY_LEN(texts));
    return 0;
}

int store_template_add(struct store *s, const struct store_template *t, struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_TEMPLATE_ADD, err, "ttttiii", t->id, t->workspace, t->name, t->content,
                  (int64_t)t->require_signature, t->created_us, t->modified_us) < 0)
        return -1;
    return changed ? 0 : err_set(err, ERR_EXISTS, "There is a Template named '%.100s' already", t->name);
}

int store_template_put(struct store *s, const struct store_template *t, struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_TEMPLATE_PUT, err, "tttii", t->id, t->name, t->content,
                  (int64_t)t->require_signature, t->modified_us) < 0)
        return -1;
    return changed ? 0 : err_set(err, ERR_EXISTS, "There is a Template named '%.100s' already", t->name);
}

int store_template_del(struct store *s, const char *workspace, const char *id, struct err *err)
{
    return store_run(s, NULL, Q_TEMPLATE_DEL, err, "tt", workspace, id);
}

int store_template_used(struct store *s, const char *id, int64_t at_us, struct err *err)
{
    return store_run(s, NULL, Q_TEMPLATE_USED, err, "ti", id, at_us);
}

int store_template_get(struct store_template **out, struct store *s, const char *workspace,
                       const char *id_or_name, struct err *err)
{
    return store_check(s, err) < 0 ? -1 : template_read(out, &s->db, workspace, id_or_name, err);
}

int store_template_read(struct store_template **out, struct store_reader *r, const char *workspace,
                        const char *id_or_name, struct err *err)
{
    pthread_mutex_lock(&r->lock);
    int rc = template_read(out, &r->db, workspace, id_or_name, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static int template_walk(struct db *db, const struct store_page *p,
                         int (*cb)(void *ctx, const struct store_template *t), void *ctx, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (stmt_start(&st, db, p->descending ? Q_TEMPLATES_DESC : Q_TEMPLATES_ASC, err, "tiitii", p->workspace,
                   p->from_us, p->to_us, p->sort, p->max, p->skip) < 0)
        return -1;
    while ((row = stmt_next(db, st, err)) > 0) {
        struct store_template t = template_row(st);

        if (cb(ctx, &t) < 0)
            return 0;
    }
    return row;
}

int store_templates(struct store_reader *r, const struct store_page *page,
                    int (*cb)(void *ctx, const struct store_template *t), void *ctx, struct err *err)
{
    pthread_mutex_lock(&r->lock);
    int rc = template_walk(&r->db, page, cb, ctx, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

static int count(int64_t *out, struct db *db, const struct store_page *p, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;

    if (stmt_start(&st, db, Q_TEMPLATE_COUNT, err, "tii", p->workspace, p->from_us, p->to_us) < 0 ||
        stmt_next(db, st, err) < 0)
        return -1;
    *out = sqlite3_column_int64(st, 0);
    return 0;
}

int store_template_count(int64_t *out, struct store_reader *r, const struct store_page *page, struct err *err)
{
    pthread_mutex_lock(&r->lock);
    int rc = count(out, &r->db, page, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}
