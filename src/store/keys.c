/* Workspaces and Auth Keys. */
#include "store/private.h"

int store_workspace_add(struct store *s, const char *id, const char *name, int64_t created_us, struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_WORKSPACE_ADD, err, "tti", id, name, created_us) < 0)
        return -1;
    return changed ? 0 : err_set(err, ERR_EXISTS, "there is a workspace '%.100s' already", name);
}

int store_workspaces(struct store *s, int (*cb)(void *ctx, const char *id, const char *name, int64_t created_us),
                     void *ctx, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_WORKSPACES, err, "") < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0)
        if (cb(ctx, stmt_text(st, 0), stmt_text(st, 1), sqlite3_column_int64(st, 2)) < 0)
            return 0;
    return row;
}

int store_key_put(struct store *s, const struct store_key *k, struct err *err)
{
    return store_run(s, NULL, Q_KEY_PUT, err, "ttttttiii", k->id, k->key, k->secret, k->workspace, k->scopes,
                     k->description ? k->description : "", (int64_t)k->require_signature, k->created_us,
                     k->modified_us);
}

int store_key_del(struct store *s, const char *workspace, const char *id, struct err *err)
{
    return store_run(s, NULL, Q_KEY_DEL, err, "tt", workspace, id);
}

int store_key_count(int64_t *out, struct store *s, const char *workspace, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_KEY_COUNT, err, "t", workspace) < 0 ||
        stmt_next(&s->db, st, err) < 0)
        return -1;
    *out = sqlite3_column_int64(st, 0);
    return 0;
}

int store_keys(struct store *s, int (*cb)(void *ctx, const struct store_key *k), void *ctx, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_KEYS, err, "") < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0) {
        struct store_key k = {.id = stmt_text(st, 0),
                              .key = stmt_text(st, 1),
                              .secret = stmt_text(st, 2),
                              .workspace = stmt_text(st, 3),
                              .scopes = stmt_text(st, 4),
                              .description = stmt_text(st, 5),
                              .require_signature = sqlite3_column_int(st, 6) != 0,
                              .created_us = sqlite3_column_int64(st, 7),
                              .modified_us = sqlite3_column_int64(st, 8),
                              .in_clear = !sqlite3_column_int(st, 9),
                              .workspace_name = stmt_text(st, 10)};

        if (cb(ctx, &k) < 0)
            return 0;
    }
    return row;
}
