#include "store/sealed.h"
#include "store/private.h"
#include "store/renewed.h"

#include <signal.h>
#include <string.h>

#define ROTATE_WAIT_US 5000000 /* for renewals that are under way */

/* ---- one kind of row each: sealed with *old (NULL: in clear), sealed again with *new ---- */

struct reseal {
    struct store *s;
    const struct seal_key *old, *new;
    struct err *err;
    int rc;
};

/* Returns the text sealed anew, or NULL (rc and err are set then). */
static char *again(struct reseal *r, const char *context, const char *sealed, bool in_clear)
{
    char *plain = NULL, *out;

    if (in_clear)
        plain = mem_strdup(sealed);
    else if (unseal(&plain, r->old, context, sealed, r->err) < 0) {
        r->rc = -1;
        return NULL;
    }
    out = seal(r->new, context, plain);
    explicit_bzero(plain, strlen(plain));
    free(plain);
    return out;
}

static int put(struct reseal *r, enum query q, const char *id, const char *text)
{
    if (store_run(r->s, NULL, q, r->err, "tt", id, text) < 0)
        r->rc = -1;
    return r->rc;
}

static int key_again(void *ctx, const struct store_key *k)
{
    struct reseal *r = ctx;
    AUTO(mem_free) char *context = mem_printf("auth_key/%s", k->id);

    if (!r->old && !k->in_clear)
        return 0;
    AUTO(mem_free) char *text = again(r, context, k->secret, k->in_clear);
    return text ? put(r, Q_KEY_RESEAL, k->id, text) : -1;
}

/* Every row of a query with the columns id, ..., sealed text. */
static int rows_again(struct reseal *r, enum query from, enum query to, int text_column,
                      char *(*context_of)(sqlite3_stmt *st))
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row = -1;

    if (store_check(r->s, r->err) < 0 || stmt_start(&st, &r->s->db, from, r->err, "") < 0)
        return -1;
    while (r->rc == 0 && (row = stmt_next(&r->s->db, st, r->err)) > 0) {
        AUTO(mem_free) char *context = context_of(st);
        AUTO(mem_free) char *text = again(r, context, stmt_text(st, text_column), false);

        if (text)
            (void)put(r, to, stmt_text(st, 0), text);
    }
    return r->rc < 0 ? -1 : row;
}

static char *template_context(sqlite3_stmt *st) { return mem_printf("template/%s", stmt_text(st, 0)); }
static char *credential_context(sqlite3_stmt *st) { return mem_printf("%s/%s", stmt_text(st, 1), stmt_text(st, 2)); }

static int events_again(struct reseal *r)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row = -1;

    if (store_check(r->s, r->err) < 0 || stmt_start(&st, &r->s->db, Q_EVENTS_SEALED, r->err, "") < 0)
        return -1;
    while (r->rc == 0 && (row = stmt_next(&r->s->db, st, r->err)) > 0) {
        AUTO(json_unref) json_t *body = json_reads(stmt_text(st, 1));
        json_t *data = json_object_get(body, "d");
        AUTO(mem_free) char *context = mem_printf("assembly/%s", stmt_text(st, 0));

        if (!jstr(data, "sealed"))
            continue;
        AUTO(mem_free) char *text = again(r, context, jstr(data, "sealed"), false);
        if (!text)
            break;
        json_object_set_new(data, "sealed", json_string(text));
        AUTO(mem_free) char *all = json_text(body);
        if (store_run(r->s, NULL, Q_EVENT_RESEAL, r->err, "tti", stmt_text(st, 0), all,
                      sqlite3_column_int64(st, 2)) < 0)
            r->rc = -1;
    }
    return r->rc < 0 ? -1 : row;
}

static int put_name(struct store *s, const struct seal_key *k, struct err *err)
{
    char name[33];

    seal_key_name(name, k);
    return store_setting_put(s, "seal_key", name, err);
}

/* Secrets of before schema 3 lie in clear: seal them, and leave no copy in a free page or in the log. */
static int seal_old_keys(struct store *s, const struct seal_key *k, struct err *err)
{
    struct reseal r = {s, NULL, k, err, 0};

    if (db_exec(&s->db, "pragma secure_delete = on", err) < 0 || store_begin(s, err) < 0)
        return -1;
    if (store_keys(s, key_again, &r, err) < 0 || r.rc < 0 || put_name(s, k, err) < 0) {
        store_rollback(s);
        return -1;
    }
    return store_commit(s, err) < 0 ||
                   db_exec(&s->db, "pragma secure_delete = off; pragma wal_checkpoint(truncate)", err) < 0
               ? -1
               : 0;
}

static int matches(const struct seal_key *k, const char *name)
{
    char mine[33];

    seal_key_name(mine, k);
    return !strcmp(mine, name);
}

/* What was renewed lies beside the key file; the caller's to free. */
static char *renewed_beside(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? mem_printf("%.*s/renewed", (int)(slash - path), path) : mem_strdup("renewed");
}

/* Not while somebody else changes the key: then it is not ours to say which file counts. */
static int settle_renewed(const char *path, const struct seal_key *k, struct err *err)
{
    AUTO(mem_free) char *dir = renewed_beside(path);
    AUTO(fd_close) int lock = -1;

    if (access(dir, F_OK) < 0)
        return 0;
    if (renewed_lock(&lock, dir, NULL, 0, err) < 0)
        return err->code == ERR_BUSY ? 0 : -1;
    renewed_settle(dir, k);
    return 0;
}

static int open_key(struct seal_key *out, struct store *s, const char *path, struct err *err)
{
    AUTO(mem_free) char *name = NULL;
    AUTO(mem_free) char *next = mem_printf("%s.new", path);
    struct seal_key k;
    int have;

    if (db_setting(&name, &s->db, "seal_key", err) < 0)
        return -1;
    if (!name) {
        if (seal_key_load(&k, path, err) < 0 || seal_old_keys(s, &k, err) < 0)
            return -1;
        *out = k;
        return 0;
    }
    if ((have = seal_key_read(&k, path, err)) < 0)
        return -1;
    if (have && matches(&k, name)) {
        unlink(next); /* of a rotation that was cut short before its commit */
        *out = k;
        return 0;
    }
    /* cut short after its commit: the rows are sealed with the new one already */
    if (seal_key_read(&k, next, err) == 1 && matches(&k, name)) {
        if (seal_key_replace(next, path, err) < 0)
            return -1;
        *out = k;
        return 0;
    }
    return have ? err_set(err, ERR_CONFIG, "the key file '%s' is not the one that this database is sealed with", path)
                : err_set(err, ERR_CONFIG, "the key file '%s' is missing, and this database is sealed with it", path);
}

int sealed_open(struct seal_key *out, struct store *s, const char *path, struct err *err)
{
    return open_key(out, s, path, err) < 0 ? -1 : settle_renewed(path, out, err);
}

/* For the test that kills a rotation at each of its points. */
static void test_point(const char *point)
{
    const char *want = getenv("WORKCELL_TEST_ROTATE_KILL");

    if (want && !strcmp(want, point))
        raise(SIGKILL);
}

int sealed_rotate(struct seal_key *key, struct store *s, const char *path, struct err *err)
{
    AUTO(mem_free) char *next = mem_printf("%s.new", path);
    AUTO(mem_free) char *renewed = renewed_beside(path);
    AUTO(fd_close) int lock = -1;
    struct seal_key k;
    struct reseal r = {s, key, &k, err, 0};

    /* what a killed server has left at work would seal with the old one */
    if (renewed_lock(&lock, renewed, NULL, ROTATE_WAIT_US, err) < 0 || seal_key_make(&k, next, err) < 0)
        return -1;
    test_point("key");
    if (renewed_reseal(renewed, key, &k, err) < 0)
        return -1;
    test_point("renewed");
    if (store_begin(s, err) < 0)
        return -1;
    if (store_keys(s, key_again, &r, err) < 0 || r.rc < 0 ||
        rows_again(&r, Q_TEMPLATES_ALL, Q_TEMPLATE_RESEAL, 3, template_context) < 0 ||
        rows_again(&r, Q_CREDENTIALS_ALL, Q_CREDENTIAL_RESEAL, 4, credential_context) < 0 || events_again(&r) < 0 ||
        put_name(s, &k, err) < 0) {
        store_rollback(s);
        return -1;
    }
    test_point("rows");
    if (store_commit(s, err) < 0)
        return -1;
    test_point("commit");
    if (seal_key_replace(next, path, err) < 0)
        return -1;
    test_point("replace");
    renewed_settle(renewed, &k);
    *key = k;
    return 0;
}

/* ---- members of events ---- */

void sealed_data_text(struct str *b, const struct seal_key *key, const char *assembly_id, const char *member,
                      const json_t *data)
{
    json_t *open = member ? json_object_get(data, member) : NULL, *v;
    const char *name;

    if (!open) {
        str_add_json_value(b, data);
        return;
    }
    AUTO(mem_free) char *text = json_dumps(open, JSON_COMPACT | JSON_ENCODE_ANY);
    AUTO(mem_free) char *context = mem_printf("assembly/%s", assembly_id);
    AUTO(mem_free) char *sealed = seal(key, context, text);

    str_putc(b, '{');
    json_object_foreach ((json_t *)data, name, v) {
        if (!strcmp(name, member) || !strcmp(name, "sealed"))
            continue;
        str_add_json_key(b, name);
        str_add_json_value(b, v);
    }
    str_add_json_key(b, "sealed");
    str_add_json(b, sealed);
    str_putc(b, '}');
}

int sealed_data_open(const struct seal_key *key, const char *assembly_id, const char *member, json_t *data,
                     struct err *err)
{
    AUTO(mem_free) char *context = mem_printf("assembly/%s", assembly_id);
    AUTO(mem_free) char *text = NULL;

    if (!member || !jstr(data, "sealed"))
        return 0; /* without it, or of before it was sealed */
    if (unseal(&text, key, context, jstr(data, "sealed"), err) < 0)
        return -1;
    json_object_set_new(data, member, json_loads(text, JSON_DECODE_ANY, NULL));
    json_object_del(data, "sealed");
    return 0;
}
