/* Keys of SSH hosts. */
#include "store/private.h"

int store_host_add(struct store *s, const char *workspace, const char *host, int port,
                   const char *key, int64_t now_us, struct err *err)
{
    return store_run(s, NULL, Q_HOST_ADD, err, "ttitii", workspace, host, (int64_t)port, key,
                     now_us, (int64_t)STORE_HOSTS_MOST);
}

int store_host_get(char **out, struct store *s, const char *workspace, const char *host, int port,
                   struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 ||
        stmt_start(&st, &s->db, Q_HOST_GET, err, "tti", workspace, host, (int64_t)port) < 0 ||
        (row = stmt_next(&s->db, st, err)) < 0)
        return -1;
    *out = row ? mem_strdup(stmt_text(st, 0)) : NULL;
    return 0;
}

int store_host_del(struct store *s, const char *workspace, const char *host, int port,
                   struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_HOST_DEL, err, "tti", workspace, host, (int64_t)port) < 0)
        return -1;
    return changed
               ? 0
               : err_set(err, ERR_NOT_FOUND, "no key of '%.200s', port %d, is known", host, port);
}

int store_hosts(struct store *s, const char *workspace,
                void (*cb)(void *ctx, const char *host, int port, const char *key, int64_t seen_us),
                void *ctx, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (store_check(s, err) < 0 || stmt_start(&st, &s->db, Q_HOSTS, err, "t", workspace) < 0)
        return -1;
    while ((row = stmt_next(&s->db, st, err)) > 0)
        cb(ctx, stmt_text(st, 0), sqlite3_column_int(st, 1), stmt_text(st, 2),
           sqlite3_column_int64(st, 3));
    return row;
}
