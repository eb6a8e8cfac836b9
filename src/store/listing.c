/* The list of Assemblies. Rows are numbered in the order of creation; for each 2048 numbers there
 * is a count a workspace and type. So a page is found by adding counts, then walking over at most
 * 2048 index entries. */
#include "store/private.h"

#include <stdio.h>
#include <string.h>

#define BUCKET 2048

struct place {
    int64_t seq; /* 0: not there */
    int type;
    char workspace[64];
};

static int listing_place(struct place *out, struct store *s, const char *assembly_id, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    *out = (struct place){0};
    if (store_check(s, err) < 0 ||
        stmt_start(&st, &s->db, Q_LISTED_GET, err, "t", assembly_id) < 0 ||
        (row = stmt_next(&s->db, st, err)) < 0)
        return -1;
    if (row) {
        out->seq = sqlite3_column_int64(st, 0);
        out->type = sqlite3_column_int(st, 1);
        snprintf(out->workspace, sizeof out->workspace, "%s", stmt_text(st, 2));
    }
    return 0;
}

/* A turn adds a hundred to the same few: they are written once, before its commit. */
static int count_add(struct store *s, const char *workspace, int type, int64_t seq, int by, struct err *err)
{
    struct listed_count *n = s->counts, *end = n + s->count_count;

    while (n < end && (n->type != type || n->bucket != seq / BUCKET || strcmp(n->workspace, workspace) != 0))
        n++;
    if (n == s->counts + ARRAY_LEN(s->counts)) {
        if (listed_counts_write(s, err) < 0)
            return -1;
        n = end = s->counts;
    }
    if (n == end) {
        *n = (struct listed_count){.type = type, .bucket = seq / BUCKET};
        snprintf(n->workspace, sizeof n->workspace, "%s", workspace);
        s->count_count++;
    }
    n->by += by;
    return 0;
}

static int add(int64_t *seq, struct store *s, const struct store_listed *l, struct err *err)
{
    int changed;

    if (store_run(s, &changed, Q_LISTED_ADD, err, "ttiitt", l->assembly_id, l->workspace, (int64_t)l->type,
                  l->created_us, l->item, l->search) < 0)
        return -1;
    *seq = changed ? sqlite3_last_insert_rowid(s->db.sq) : 0;
    return !changed || (count_add(s, l->workspace, 0, *seq, 1, err) == 0 &&
                        count_add(s, l->workspace, l->type, *seq, 1, err) == 0)
               ? 0
               : -1;
}

int store_listed_put(struct store *s, const struct store_listed *l, bool is_new, struct err *err)
{
    int64_t added = 0;
    struct place at;

    if (is_new && add(&added, s, l, err) < 0)
        return -1;
    if (added)
        return 0;
    if (listing_place(&at, s, l->assembly_id, err) < 0)
        return -1;
    if (at.seq) {
        if (at.type != l->type && (count_add(s, at.workspace, at.type, at.seq, -1, err) < 0 ||
                                   count_add(s, at.workspace, l->type, at.seq, 1, err) < 0))
            return -1;
        return store_run(s, NULL, Q_LISTED_SET, err, "iitt", at.seq, (int64_t)l->type, l->item,
                         l->search);
    }
    return add(&added, s, l, err);
}

int store_listed_item(struct store *s, const char *assembly_id, const char *item, struct err *err)
{
    return store_run(s, NULL, Q_LISTED_ITEM, err, "tt", assembly_id, item);
}

int listed_del(struct store *s, const char *assembly_id, struct err *err)
{
    struct place at;

    if (listing_place(&at, s, assembly_id, err) < 0)
        return -1;
    if (!at.seq)
        return 0;
    if (count_add(s, at.workspace, 0, at.seq, -1, err) < 0 ||
        count_add(s, at.workspace, at.type, at.seq, -1, err) < 0)
        return -1;
    return store_run(s, NULL, Q_LISTED_DEL, err, "i", at.seq);
}

/* ---- reading ---- */

static int one_number(int64_t *out, struct db *db, sqlite3_stmt *started, struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = started;
    int row = stmt_next(db, st, err);

    *out = row > 0 ? sqlite3_column_int64(st, 0) : 0;
    return row < 0 ? -1 : 0;
}

/* The seqs that the dates leave: *lo > *hi when there are none. */
static int span(int64_t *lo, int64_t *hi, int64_t *last, struct db *db,
                const struct store_list_query *q, struct err *err)
{
    sqlite3_stmt *st;

    if (stmt_start(&st, db, Q_LISTED_LAST, err, "") < 0 || one_number(last, db, st, err) < 0)
        return -1;
    *lo = 1;
    *hi = *last;
    if (q->from_us > 0) {
        if (stmt_start(&st, db, Q_LISTED_FROM, err, "i", q->from_us) < 0 ||
            one_number(lo, db, st, err) < 0)
            return -1;
        if (!*lo)
            *lo = *last + 1;
    }
    if (q->to_us < INT64_MAX)
        return stmt_start(&st, db, Q_LISTED_TO, err, "i", q->to_us) < 0
                   ? -1
                   : one_number(hi, db, st, err);
    return 0;
}

static int count_edge(int64_t *out, struct db *db, const struct store_list_query *q, int64_t lo,
                      int64_t hi, struct err *err)
{
    sqlite3_stmt *st;
    int rc = q->type ? stmt_start(&st, db, Q_LISTED_EDGE_TYPE, err, "tiii", q->workspace,
                                  (int64_t)q->type, lo, hi)
                     : stmt_start(&st, db, Q_LISTED_EDGE_ALL, err, "tii", q->workspace, lo, hi);

    return rc < 0 ? -1 : one_number(out, db, st, err);
}

/* *count, and where to begin: *first is the seq at which `*skip` entries are still before the page.
 */
static int locate(int64_t *count, int64_t *first, int64_t *skip, struct db *db,
                  const struct store_list_query *q, int64_t lo, int64_t hi, int64_t last,
                  struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    *count = *first = *skip = 0;
    if (stmt_start(&st, db, q->ascending ? Q_LISTED_COUNTS_UP : Q_LISTED_COUNTS_DOWN, err, "tiii",
                   q->workspace, (int64_t)q->type, lo / BUCKET, hi / BUCKET) < 0)
        return -1;
    while ((row = stmt_next(db, st, err)) > 0) {
        int64_t from = sqlite3_column_int64(st, 0) * BUCKET, to = from + BUCKET - 1,
                n = sqlite3_column_int64(st, 1);
        bool whole = lo <= (from ? from : 1) && (hi >= to || hi == last);

        if (!whole && count_edge(&n, db, q, from > lo ? from : lo, to < hi ? to : hi, err) < 0)
            return -1;
        if (*count <= q->offset && q->offset < *count + n) {
            *first = q->ascending ? (from > lo ? from : lo) : (to < hi ? to : hi);
            *skip = q->offset - *count;
        }
        *count += n;
    }
    return row;
}

static void give(sqlite3_stmt *st, void (*cb)(void *ctx, const struct store_listed *l), void *ctx)
{
    cb(ctx, &(struct store_listed){.assembly_id = stmt_text(st, 0),
                                   .type = sqlite3_column_int(st, 1),
                                   .created_us = sqlite3_column_int64(st, 2),
                                   .item = stmt_text(st, 3)});
}

static int page(struct db *db, const struct store_list_query *q, int64_t lo, int64_t hi,
                int64_t skip, void (*cb)(void *ctx, const struct store_listed *l), void *ctx,
                struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (q->type
            ? stmt_start(&st, db, q->ascending ? Q_LISTED_PAGE_TYPE_UP : Q_LISTED_PAGE_TYPE_DOWN,
                         err, "tiiiii", q->workspace, lo, hi, q->limit, skip, (int64_t)q->type) < 0
            : stmt_start(&st, db, q->ascending ? Q_LISTED_PAGE_ALL_UP : Q_LISTED_PAGE_ALL_DOWN, err,
                         "tiiii", q->workspace, lo, hi, q->limit, skip) < 0)
        return -1;
    while ((row = stmt_next(db, st, err)) > 0)
        give(st, cb, ctx);
    return row;
}

static int scan(int64_t *count, struct db *db, const struct store_list_query *q, int64_t lo,
                int64_t hi, void (*cb)(void *ctx, const struct store_listed *l), void *ctx,
                struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    *count = 0;
    if (stmt_start(&st, db, q->ascending ? Q_LISTED_FIND_UP : Q_LISTED_FIND_DOWN, err, "tiiit",
                   q->workspace, lo, hi, (int64_t)q->type, q->keywords) < 0)
        return -1;
    while ((row = stmt_next(db, st, err)) > 0) {
        if (*count >= q->offset && *count - q->offset < q->limit)
            give(st, cb, ctx);
        ++*count;
    }
    return row;
}

static int listing_page(int64_t *count, struct db *db, const struct store_list_query *q,
                        void (*cb)(void *ctx, const struct store_listed *l), void *ctx, struct err *err)
{
    int64_t lo, hi, last, first, skip;

    *count = 0;
    if (span(&lo, &hi, &last, db, q, err) < 0)
        return -1;
    if (lo > hi)
        return 0;
    if (q->keywords)
        return scan(count, db, q, lo, hi, cb, ctx, err);
    if (locate(count, &first, &skip, db, q, lo, hi, last, err) < 0)
        return -1;
    if (!first)
        return 0;
    return q->ascending ? page(db, q, first, hi, skip, cb, ctx, err)
                        : page(db, q, lo, first, skip, cb, ctx, err);
}

int store_list(int64_t *count, struct store_reader *r, const struct store_list_query *q,
               void (*cb)(void *ctx, const struct store_listed *l), void *ctx, struct err *err)
{
    sqlite3_stmt *st;
    int rc;

    pthread_mutex_lock(&r->lock);
    /* the counts and the page are of the same moment */
    rc = stmt_start(&st, &r->db, Q_READ_BEGIN, err, "");
    if (rc == 0) {
        rc = stmt_next(&r->db, st, err);
        stmt_done(st);
    }
    if (rc == 0) {
        rc = listing_page(count, &r->db, q, cb, ctx, err);
        if (stmt_start(&st, &r->db, Q_READ_END, NULL, "") == 0) {
            sqlite3_step(st);
            stmt_done(st);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

/* ---- what became of one ---- */

static int history(struct db *db, const char *assembly_id,
                   int (*cb)(void *ctx, int64_t seq, int64_t at_us, const char *json), void *ctx,
                   struct err *err)
{
    AUTO(stmt_done) sqlite3_stmt *st = NULL;
    int row;

    if (stmt_start(&st, db, Q_EVENTS, err, "t", assembly_id) < 0)
        return -1;
    while ((row = stmt_next(db, st, err)) > 0)
        if (cb(ctx, sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1), stmt_text(st, 2)) < 0)
            return 0;
    return row;
}

int store_history(struct store_reader *r, const char *assembly_id,
                  int (*cb)(void *ctx, int64_t seq, int64_t at_us, const char *json), void *ctx,
                  struct err *err)
{
    int rc;

    pthread_mutex_lock(&r->lock);
    rc = history(&r->db, assembly_id, cb, ctx, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}
