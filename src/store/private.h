/* private.h - the store over SQLite, for the files of this room: one file of calls a subject. A new call is a row in
 * queries.def and a function that runs it; a new table is the next schema/N.sql. */
#pragma once
#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>

enum query {
#define X(name, sql) Q_##name,
#include "store/queries.def"
#undef X
        Q_COUNT
};

/* What both kinds of handle have. */
struct db {
    sqlite3 *sq;
    sqlite3_stmt *prepared[Q_COUNT];
};

struct listed_count { /* of the list (listing.c): not written yet */
    char workspace[64];
    int type;
    int64_t bucket, by;
};

struct store {
    struct db db;
    struct listed_count counts[16];
    int count_count;
    bool in_transaction;
    bool unflushed; /* committed, but the log is not known to be on the disk */
    bool spoiled;   /* a put of this transaction failed: nothing of it may be committed */
    int good_calls; /* for tests; -1: never fails */
};

struct store_reader {
    struct db db;
    pthread_mutex_t lock;
};

/* Fill *err from SQLite's last error; ERR_NOSPACE when the disk is full. Returns -1. */
int db_fail(struct db *db, struct err *err, const char *what);

/* Ready a statement; types has a letter for each parameter: t(ext, NULL is fine), i(nt64_t). Texts
 * are not copied: they must live until stmt_done(). */
MUST_CHECK int stmt_start(sqlite3_stmt **out, struct db *db, enum query q, struct err *err, const char *types, ...);
/* 1: a row is there. 0: no more. -1: error. */
MUST_CHECK int stmt_next(struct db *db, sqlite3_stmt *st, struct err *err);
const char *stmt_text(sqlite3_stmt *st, int column); /* "" for null */
/* Also lets go of the read snapshot, and of bound texts, which are the caller's. */
void stmt_done(sqlite3_stmt *st);
DEFINE_AUTO(sqlite3_stmt *, stmt_done)

/* A statement without rows, on the writer. *changed (may be NULL): how many rows it touched. */
MUST_CHECK int store_run(struct store *s, int *changed, enum query q, struct err *err, const char *types, ...);
/* Statements without rows or parameters, several separated by ';'. */
MUST_CHECK int db_exec(struct db *db, const char *sql, struct err *err);
/* *out is the caller's, NULL when there is none: unlike store_setting_get() this tells that from a failure. */
MUST_CHECK int db_setting(char **out, struct db *db, const char *name, struct err *err);
/* A copy of row (size bytes) and of the texts that its members point to, in one allocation. texts: the addresses
 * of those members in row. */
void *row_pack(void *row, size_t size, const char **texts[], size_t count);
/* Every call on the writer that runs no store_run() asks this first (tests break the store here). */
MUST_CHECK int store_check(struct store *s, struct err *err);

/* What listing.c has counted in this transaction. */
MUST_CHECK int listed_counts_write(struct store *s, struct err *err);

/* listing.c */
MUST_CHECK int listed_del(struct store *s, const char *assembly_id, struct err *err);
