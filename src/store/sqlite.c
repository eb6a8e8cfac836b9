/* The store over SQLite: one file in WAL mode, one connection per handle. */
#include "base/fault.h"
#include "store/private.h"
#include "store/schema.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static const char *const query_sql[Q_COUNT] = {
#define X(name, sql) [Q_##name] = sql,
#include "store/queries.def"
#undef X
};

/* ---- SQLite with our errors ---- */

int db_fail(struct db *db, struct err *err, const char *what)
{
    int rc = sqlite3_errcode(db->sq), sys = sqlite3_system_errno(db->sq);
    bool full = rc == SQLITE_FULL || (rc == SQLITE_IOERR && (sys == ENOSPC || sys == EDQUOT));

    return err_set(err, full ? ERR_NOSPACE : ERR_IO, "database: %s: %s", what,
                   sqlite3_errmsg(db->sq));
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
    if (sqlite3_exec(db->sq, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return db_fail(db, err, sql);
}

void stmt_done(sqlite3_stmt *st)
{
    if (!st)
        return;
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
}
/* Ready a statement; types has a letter for each parameter: t(ext, NULL is fine), i(nt64_t). Texts
 * are not copied: they must live until stmt_done(). */
static int stmt_start_v(sqlite3_stmt **out, struct db *db, enum query q, struct err *err,
                        const char *types, va_list ap)
{
    sqlite3_stmt *st = db->prepared[q];

    if (!st) {
        if (sqlite3_prepare_v3(db->sq, query_sql[q], -1, SQLITE_PREPARE_PERSISTENT, &st, NULL))
            return db_fail(db, err, query_sql[q]);
        db->prepared[q] = st;
    }
    assert(!sqlite3_stmt_busy(st)); /* a callback runs the query it is called from */
    assert((size_t)sqlite3_bind_parameter_count(st) == strlen(types));
    for (int i = 0; types[i]; i++) {
        int rc = types[i] == 'i'
                     ? sqlite3_bind_int64(st, i + 1, va_arg(ap, int64_t))
                     : sqlite3_bind_text(st, i + 1, va_arg(ap, const char *), -1, SQLITE_STATIC);

        if (rc != SQLITE_OK) {
            db_fail(db, err, query_sql[q]);
            stmt_done(st);
            return -1;
        }
    }
    *out = st;
    return 0;
}

int stmt_start(sqlite3_stmt **out, struct db *db, enum query q, struct err *err,
                      const char *types, ...)
{
    int rc;
    va_list ap;

    va_start(ap, types);
    rc = stmt_start_v(out, db, q, err, types, ap);
    va_end(ap);
    return rc;
}

int stmt_next(struct db *db, sqlite3_stmt *st, struct err *err)
{
    int rc = sqlite3_step(st);

    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : db_fail(db, err, sqlite3_sql(st));
}

const char *stmt_text(sqlite3_stmt *st, int column)
{
    const char *s = (const char *)sqlite3_column_text(st, column);

    return s ? s : "";
}

void *row_pack(void *row, size_t size, const char **texts[], size_t count)
{
    size_t total = size;
    char *copy, *at;

    for (size_t i = 0; i < count; i++)
        total += strlen(*texts[i]) + 1;
    copy = mem_alloc(total);
    memcpy(copy, row, size);
    at = copy + size;
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(*texts[i]) + 1;
        const char **member = (const char **)(copy + ((char *)texts[i] - (char *)row));

        memcpy(at, *texts[i], n);
        *member = at;
        at += n;
    }
    return copy;
}

/* ---- opening ---- */

static void db_close(struct db *db)
{
    for (int i = 0; i < Q_COUNT; i++)
        sqlite3_finalize(db->prepared[i]);
    sqlite3_close(db->sq);
}

static const char *url_path(const char *url, struct err *err)
{
    if (str_starts(url, "sqlite:"))
        url += strlen("sqlite:");
    else if (str_starts(url, "postgres:") || str_starts(url, "postgresql:")) {
        err_set(err, ERR_CONFIG, "database '%s': only SQLite is built in", url);
        return NULL;
    }
    if (!*url) {
        err_set(err, ERR_CONFIG, "database: the path is empty");
        return NULL;
    }
    return url;
}

static int db_open(struct db *db, const char *path, int flags, struct err *err)
{
    /* NOMUTEX: a writer has one thread, a reader its own lock. */
    if (sqlite3_open_v2(path, &db->sq, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return err_set(err, ERR_IO, "database '%s': %s", path,
                       db->sq ? sqlite3_errmsg(db->sq) : "out of memory");
    sqlite3_busy_timeout(db->sq, 10000);
    /* The daemon is to stay small: 1 MB of pages a handle, nothing mapped. */
    return db_exec(db,
                   "pragma cache_size = -1024; pragma mmap_size = 0; pragma temp_store = memory;"
                   "pragma foreign_keys = off; pragma trusted_schema = off",
                   err);
}

int db_setting(char **out, struct db *db, const char *name, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (stmt_start(&st, db, Q_SETTING_GET, err, "t", name) < 0 ||
        (row = stmt_next(db, st, err)) < 0)
        return -1;
    *out = row ? mem_strdup(stmt_text(st, 0)) : NULL;
    return 0;
}

static int use_wal(struct db *db, struct err *err)
{
    sqlite3_stmt *st = NULL;
    bool wal;

    if (sqlite3_prepare_v2(db->sq, "pragma journal_mode = wal", -1, &st, NULL) != SQLITE_OK)
        return db_fail(db, err, "journal_mode");
    wal = sqlite3_step(st) == SQLITE_ROW && !strcmp(stmt_text(st, 0), "wal");
    if (!wal && sqlite3_errcode(db->sq) != SQLITE_ROW)
        db_fail(db, err, "journal_mode");
    else if (!wal)
        err_set(err, ERR_CONFIG, "database: no write-ahead log here (a network file system?)");
    sqlite3_finalize(st);
    return wal ? 0 : -1;
}

/* All steps in one transaction: an upgrade that is cut short has not begun. */
static int migrate(struct store *s, struct err *err)
{
    AUTO(mem_free) char *text = NULL;
    char version[16];
    int have, latest = 0;

    while (store_migrations[latest])
        latest++;
    if (store_begin(s, err) < 0)
        return -1;
    if (db_exec(&s->db,
                "create table if not exists setting("
                "name text primary key not null, value text not null) without rowid",
                err) < 0 ||
        db_setting(&text, &s->db, "schema", err) < 0) {
        store_rollback(s);
        return -1;
    }
    have = text ? atoi(text) : 0;
    if (have > latest) {
        store_rollback(s);
        return err_set(err, ERR_CONFIG, "database: schema %d is newer than this program's %d", have,
                       latest);
    }
    for (int i = have; i < latest; i++)
        /* what moves may be secret: no copy of it stays in a free page */
        if ((i == have && db_exec(&s->db, "pragma secure_delete = on", err) < 0) ||
            db_exec(&s->db, store_migrations[i], err) < 0) {
            store_rollback(s);
            return -1;
        }
    snprintf(version, sizeof version, "%d", latest);
    if (have < latest && store_setting_put(s, "schema", version, err) < 0) {
        store_rollback(s);
        return -1;
    }
    return store_commit(s, err) < 0 || db_exec(&s->db, "pragma secure_delete = off", err) < 0 ? -1 : 0;
}

#ifdef WORKCELL_FAULTS
static sqlite3_mem_methods real_memory;

static void *faulty_malloc(int n) { return FAULT(SQLITE) ? NULL : real_memory.xMalloc(n); }
static void *faulty_realloc(void *p, int n) { return FAULT(SQLITE) ? NULL : real_memory.xRealloc(p, n); }

static void break_memory(void)
{
    sqlite3_mem_methods m;

    if (real_memory.xMalloc || sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory) != SQLITE_OK)
        return;
    m = real_memory;
    m.xMalloc = faulty_malloc;
    m.xRealloc = faulty_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &m);
}
#else
static void break_memory(void) {}
#endif

int store_open(struct store **out, const char *url, struct err *err)
{
    AUTO(store_close) struct store *s = mem_zalloc(sizeof *s);
    const char *path = url_path(url, err);
    int fd;

    break_memory();
    s->good_calls = -1;
    if (!path)
        return -1;
    /* Made here for its mode, which SQLite gives to the log next to it too. O_EXCL: closing a
     * descriptor of an open database would drop the process's locks on it. */
    fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return err_errno(err, "create '%s'", path);
    fd_close(fd);

    if (db_open(&s->db, path, SQLITE_OPEN_READWRITE, err) < 0 || use_wal(&s->db, err) < 0)
        return -1;
    /* normal: the log is flushed before a checkpoint, and by store_flush() whenever somebody waits for it.
     * A checkpoint each 4 MB of log keeps it short; after a burst it is cut back to 16 MB. */
    if (db_exec(&s->db,
                "pragma synchronous = normal; pragma wal_autocheckpoint = 1000; pragma cache_size = -16384;"
                "pragma journal_size_limit = 16777216",
                err) < 0)
        return -1;
    if (migrate(s, err) < 0)
        return -1;
    *out = take(s);
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    store_rollback(s);
    db_close(&s->db);
    free(s);
}

void store_break(struct store *s, int good_calls) { s->good_calls = good_calls; }

/* ---- transactions ---- */

int store_check(struct store *s, struct err *err)
{
    if (s->good_calls == 0 || FAULT(STORE))
        return err_set(err, ERR_IO, "database: broken for a test");
    if (s->good_calls > 0)
        s->good_calls--;
    return 0;
}

/* A statement without rows. *changed (may be NULL): how many rows it touched. */
int store_run(struct store *s, int *changed, enum query q, struct err *err, const char *types, ...)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int rc;
    va_list ap;

    /* SQLite rolls back by itself when the disk is full; what followed would commit alone. */
    if (s->in_transaction && (s->spoiled || sqlite3_get_autocommit(s->db.sq)))
        return err_set(err, ERR_IO, "database: the transaction has failed before");
    va_start(ap, types);
    rc = store_check(s, err) < 0 || stmt_start_v(&st, &s->db, q, err, types, ap) < 0 ||
                 stmt_next(&s->db, st, err) < 0
             ? -1
             : 0;
    va_end(ap);
    if (rc < 0)
        s->spoiled = s->in_transaction;
    else if (changed)
        *changed = sqlite3_changes(s->db.sq);
    return rc;
}

int store_begin(struct store *s, struct err *err)
{
    assert(!s->in_transaction);
    if (store_run(s, NULL, Q_BEGIN, err, "") < 0)
        return -1;
    s->in_transaction = true;
    s->spoiled = false;
    s->count_count = 0;
    return 0;
}

int listed_counts_write(struct store *s, struct err *err)
{
    while (s->count_count) {
        const struct listed_count *n = &s->counts[--s->count_count];

        if (n->by && store_run(s, NULL, Q_LISTED_COUNT_ADD, err, "tiii", n->workspace, (int64_t)n->type, n->bucket,
                               n->by) < 0)
            return -1;
    }
    return 0;
}

int store_commit_unflushed(struct store *s, struct err *err)
{
    assert(s->in_transaction);
    if (listed_counts_write(s, err) < 0 || store_run(s, NULL, Q_COMMIT, err, "") < 0) {
        store_rollback(s);
        return -1;
    }
    s->in_transaction = false;
    s->unflushed = true;
    return 0;
}

/* What "pragma synchronous = full" does after each commit: fdatasync() of the log. */
int store_flush(struct store *s, struct err *err)
{
    sqlite3_file *wal = NULL;

    if (!s->unflushed)
        return 0;
    if (store_check(s, err) < 0)
        return -1;
    if (sqlite3_file_control(s->db.sq, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) != SQLITE_OK || !wal ||
        !wal->pMethods)
        return err_set(err, ERR_IO, "database: its log is not open");
    if (wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL) != SQLITE_OK)
        return err_errno(err, "database: flush the log");
    s->unflushed = false;
    return 0;
}

int store_commit(struct store *s, struct err *err)
{
    return store_commit_unflushed(s, err) < 0 ? -1 : store_flush(s, err);
}

void store_rollback(struct store *s)
{
    sqlite3_stmt *st;

    if (!s->in_transaction)
        return;
    s->in_transaction = s->spoiled = false;
    if (sqlite3_get_autocommit(s->db.sq) || stmt_start(&st, &s->db, Q_ROLLBACK, NULL, "") < 0)
        return;
    sqlite3_step(st);
    stmt_done(st);
}

/* ---- settings ---- */

int store_setting_put(struct store *s, const char *name, const char *value, struct err *err)
{
    return store_run(s, NULL, Q_SETTING_PUT, err, "tt", name, value);
}

char *store_setting_get(struct store *s, const char *name)
{
    char *value = NULL;

    return db_setting(&value, &s->db, name, NULL) < 0 ? NULL : value;
}

/* ---- readers ---- */

int store_reader_open(struct store_reader **out, const char *url, struct err *err)
{
    AUTO(store_reader_close) struct store_reader *r = mem_zalloc(sizeof *r);
    const char *path = url_path(url, err);

    pthread_mutex_init(&r->lock, NULL);
    if (!path || db_open(&r->db, path, SQLITE_OPEN_READONLY, err) < 0)
        return -1;
    *out = take(r);
    return 0;
}

void store_reader_close(struct store_reader *r)
{
    if (!r)
        return;
    db_close(&r->db);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
