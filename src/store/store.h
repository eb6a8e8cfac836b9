/* store.h - what must survive a crash: the door to SQLite (later PostgreSQL).
 *
 * State is an event log: an Assembly is what replaying its events through assembly_apply() gives
 * (assembly/assembly.h). So the store keeps texts and knows no rules.
 *
 * Two kinds of handle. The writer belongs to the conductor thread alone; all its puts happen
 * between store_begin() and store_commit(), and are durable when that returns. A
 * put that failed (not: found nothing to do, ERR_EXISTS, ERR_NOT_FOUND) spoils its transaction: the
 * puts after it and the commit fail, so half a turn is never saved. Readers are for other threads
 * and see only what is committed.
 *
 * All calls may block on the disk. Errors everywhere: ERR_IO, ERR_NOSPACE (disk full; works again
 * without reopening when there is room). Texts given to a callback live until it returns. A
 * callback may read other things from the store, but not run the query it is called from. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct store;
struct store_reader;

/* url: "sqlite:PATH" or a plain path. Creates the file (mode 0600: it holds Auth Secrets) and the
 * schema, or brings the schema up to date.
 * Errors: ERR_CONFIG (a url we can't serve, or a database of a newer version). */
MUST_CHECK int store_open(struct store **out, const char *url, struct err *err);
void store_close(struct store *s);
DEFINE_AUTO(struct store *, store_close)
/* For tests: let good_calls calls succeed, then fail with ERR_IO (for good). */
void store_break(struct store *s, int good_calls);

MUST_CHECK int store_begin(struct store *s, struct err *err);
/* Durable when it returns 0. On failure rolled back, unless only the flush failed: then nobody knows, and a
 * reader sees what was committed. */
MUST_CHECK int store_commit(struct store *s, struct err *err);
/* Visible to readers and safe from the end of this process, but not yet from that of the machine: for what nobody
 * has been told. The next store_commit() or store_flush() makes it durable, in the same order. */
MUST_CHECK int store_commit_unflushed(struct store *s, struct err *err);
MUST_CHECK int store_flush(struct store *s, struct err *err);
void store_rollback(struct store *s);

/* ---- Assemblies ---- */
/* Errors: ERR_EXISTS when the id was ever used (also after a purge). */
MUST_CHECK int store_assembly_add(struct store *s, const char *id, const char *workspace,
                                  int64_t created_us, struct err *err);
MUST_CHECK int store_event_add(struct store *s, const char *assembly_id, int64_t seq, int64_t at_us,
                               const char *json, struct err *err);
/* After those that it has. Errors: ERR_NOT_FOUND (it has none). */
MUST_CHECK int store_event_append(struct store *s, const char *assembly_id, int64_t at_us, const char *json,
                                  struct err *err);
/* How it ended. Either status, the final document, or made: that is what its events do not say, and whoever asks makes
 * the document of both. */
struct store_end {
    const char *code; /* ok or error code */
    const char *status, *made;
    int64_t ended_us, expires_us;
};
/* One that is over with its first event: as store_assembly_add() and store_assembly_end() with made. */
MUST_CHECK int store_assembly_add_made(struct store *s, const char *id, const char *workspace, int64_t created_us,
                                       const struct store_end *end, struct err *err);
/* The Assembly is over. May be called again to replace the document (the cancel receipt settles later). Errors:
 * ERR_NOT_FOUND. */
MUST_CHECK int store_assembly_end(struct store *s, const char *id, const struct store_end *end, struct err *err);
struct store_event {
    int64_t at_us;
    char *json;
};
struct store_made { /* of what a document is made that is not there */
    char *about;    /* store_end.made; NULL: the document is there */
    struct store_event *events;
    int count;
};
void store_made_done(struct store_made m);
DEFINE_AUTO(struct store_made, store_made_done)
/* Of an Assembly that is over, on the writer: its document (out NULL: it is not read), or what it is made of (the
 * caller's). Errors: ERR_NOT_FOUND. */
MUST_CHECK int store_status_read(struct str *out, struct store_made *made, struct store *s, const char *id,
                                 struct err *err);
MUST_CHECK int store_status_put(struct store *s, const char *id, const char *status, struct err *err);
/* The workspace of an Assembly that is known, live or over; the caller's. Errors: ERR_NOT_FOUND. */
MUST_CHECK int store_assembly_workspace(char **out, struct store *s, const char *id, struct err *err);
/* Ids of Assemblies that are not over, oldest first. cb returns 0 to go on, -1 to stop. */
MUST_CHECK int store_open_assemblies(struct store *s,
                                     int (*cb)(void *ctx, const char *id, const char *workspace),
                                     void *ctx, struct err *err);
/* Events of one Assembly in order. */
MUST_CHECK int store_events(struct store *s, const char *assembly_id,
                            int (*cb)(void *ctx, int64_t seq, int64_t at_us, const char *json),
                            void *ctx, struct err *err);
/* Assemblies that are over and whose expires_us has passed, at most max ids; cb as above, and it
 * may purge. */
MUST_CHECK int store_expired(struct store *s, int64_t now_us, int max,
                             int (*cb)(void *ctx, const char *id), void *ctx, struct err *err);
/* The files of an expired Assembly are gone: forget its events, file and upload rows, and keep the document until
 * keep_us after its end. *kept false: that time is over too, nothing was done. */
MUST_CHECK int store_assembly_keep_status(bool *kept, struct store *s, const char *id, int64_t keep_us,
                                          struct err *err);
/* Forget documents, events, file and upload rows of an Assembly; the id stays known as used. */
MUST_CHECK int store_assembly_purge(struct store *s, const char *id, struct err *err);

/* ---- the list of Assemblies: what each one shows there, in the order of creation (listing.c) ---- */
struct store_listed {
    const char *assembly_id, *workspace;
    int type; /* > 0; what a list can be filtered by */
    int64_t created_us;
    const char *item;   /* JSON; "": made of its events, as its document is */
    const char *search; /* what keywords are looked for in: lower case */
};
/* Add the entry, or replace its type, item and search. is_new: there is most likely none yet, a hint. */
MUST_CHECK int store_listed_put(struct store *s, const struct store_listed *l, bool is_new, struct err *err);
/* Of an entry that there may be. */
MUST_CHECK int store_listed_item(struct store *s, const char *assembly_id, const char *item, struct err *err);
struct store_list_query {
    const char *workspace;
    int type;               /* 0: all */
    int64_t from_us, to_us; /* of creation, both inclusive; 0 and INT64_MAX: no bound */
    const char *keywords;   /* JSON array of texts that must all occur; NULL: none. Reads every entry then */
    bool ascending;
    int64_t offset, limit;
};
/* *count: all that match; cb gets those of the page (without workspace and search). The time it takes does not
 * depend on how many there are, nor on where the page lies, but for keywords. Thread-safe. */
MUST_CHECK int store_list(int64_t *count, struct store_reader *r, const struct store_list_query *q,
                          void (*cb)(void *ctx, const struct store_listed *l), void *ctx, struct err *err);

/* ---- what was used (ledger.c): a row a job, and the sums of each month, which outlive it ---- */
struct store_usage {
    const char *assembly_id, *workspace;
    const char *month; /* "2031-05" */
    const char *robot;
    int64_t job;       /* in a bill: how many */
    int64_t raw_bytes, bytes; /* in and out; billed */
};
/* The same job again is fine, and counts once. */
MUST_CHECK int store_ledger_add(struct store *s, const struct store_usage *u, struct err *err);
/* A call of cb for each Robot. Thread-safe. */
MUST_CHECK int store_bill(struct store_reader *r, const char *workspace, const char *month,
                          void (*cb)(void *ctx, const struct store_usage *u), void *ctx, struct err *err);

/* ---- files: which blobs exist and until when ---- */
/* The same blob may be added again by its Assembly (a job that ran twice). */
MUST_CHECK int store_file_add(struct store *s, const char *blob_id, const char *assembly_id,
                              const char *name, const char *mime, int64_t size, struct err *err);
/* What it is was found out. *known false: the Assembly has no such file, and nothing was done. */
MUST_CHECK int store_file_type(bool *known, struct store *s, const char *blob_id, const char *assembly_id,
                               const char *mime, struct err *err);
/* All blobs of an Assembly. */
MUST_CHECK int store_files(struct store *s, const char *assembly_id,
                           int (*cb)(void *ctx, const char *blob_id), void *ctx, struct err *err);

/* ---- answers to requests by URL that are kept (served.c): each names a blob of its own ---- */
struct store_served {
    const char *key, *blob_id;
    int64_t size;
    const char *record; /* JSON; not the store's to know */
    int64_t until_us;   /* not served after that */
};
/* In the place of the one with its key. */
MUST_CHECK int store_served_put(struct store *s, const struct store_served *v, struct err *err);
/* Missing is fine. */
MUST_CHECK int store_served_del(struct store *s, const char *blob_id, struct err *err);
/* All of them, those that expire first first. cb returns 0 to go on, -1 to stop, and must not call the reader. */
MUST_CHECK int store_served(struct store_reader *r, int (*cb)(void *ctx, const struct store_served *v), void *ctx,
                            struct err *err);

/* ---- everything of a kind, on the writer: for fsck. cb returns 0 to go on, -1 to stop ---- */
/* What SQLite finds wrong with its own file. */
MUST_CHECK int store_integrity(struct store *s, int (*cb)(void *ctx, const char *problem), void *ctx,
                               struct err *err);
struct store_assembly {
    const char *id, *code; /* code: "" while it is not over */
    bool ended, purged;
    bool has_row; /* false: there are only events of it, which cannot be */
    bool made;    /* its document is made of its events */
};
MUST_CHECK int store_assemblies(struct store *s, int (*cb)(void *ctx, const struct store_assembly *a), void *ctx,
                                struct err *err);
MUST_CHECK int store_all_files(struct store *s,
                               int (*cb)(void *ctx, const char *blob_id, const char *assembly_id, int64_t size),
                               void *ctx, struct err *err);

/* ---- tus uploads; meta is the upload room's own JSON. When there is a file with its `file_id`, store_uploads() says
 * that it is `finished`, and nobody has to write that. ---- */
MUST_CHECK int store_upload_put(struct store *s, const char *id, const char *assembly_id,
                                const char *meta, struct err *err);
MUST_CHECK int store_upload_del(struct store *s, const char *id, struct err *err);
MUST_CHECK int store_uploads(struct store *s,
                             int (*cb)(void *ctx, const char *id, const char *assembly_id,
                                       const char *meta),
                             void *ctx, struct err *err);

/* ---- workspaces, Auth Keys, credentials, Templates (keys.c, credentials.c, templates.c) ----
 * What is secret comes and goes sealed (base/secret.h); sealed.h says with which context. */
/* Errors: ERR_EXISTS (the id or the name). */
MUST_CHECK int store_workspace_add(struct store *s, const char *id, const char *name, int64_t created_us,
                                   struct err *err);
MUST_CHECK int store_workspaces(struct store *s,
                                int (*cb)(void *ctx, const char *id, const char *name, int64_t created_us),
                                void *ctx, struct err *err);

struct store_key {
    const char *id;        /* 32 hex */
    const char *key;       /* what clients send */
    const char *secret;    /* signs their requests; sealed */
    const char *workspace; /* 32 hex */
    const char *scopes;    /* space-separated; "*": all */
    const char *description;
    const char *workspace_name; /* read only */
    bool require_signature;
    int64_t created_us, modified_us;
    bool in_clear; /* the secret is from before schema 3, and not sealed yet */
};
/* Adds, or replaces the one with this id (created_us stays). */
MUST_CHECK int store_key_put(struct store *s, const struct store_key *k, struct err *err);
/* Sealed; *secret is the caller's. Errors: ERR_NOT_FOUND. */
MUST_CHECK int store_key_secret(char **secret, struct store *s, const char *key_id, struct err *err);
MUST_CHECK int store_key_del(struct store *s, const char *workspace, const char *id, struct err *err);
MUST_CHECK int store_key_count(int64_t *out, struct store *s, const char *workspace, struct err *err);
/* Oldest first. */
MUST_CHECK int store_keys(struct store *s, int (*cb)(void *ctx, const struct store_key *k),
                          void *ctx, struct err *err);

/* Rows that a call hands over are one allocation, freed by free(). */
struct store_credential {
    const char *id, *workspace, *name, *type, *sealed;
    int64_t created_us, modified_us;
};
/* Errors: ERR_EXISTS (the name). */
MUST_CHECK int store_credential_add(struct store *s, const struct store_credential *c, struct err *err);
/* Name, type, content and modified_us of the one with this id. Errors: ERR_EXISTS (another has the name). */
MUST_CHECK int store_credential_put(struct store *s, const struct store_credential *c, struct err *err);
MUST_CHECK int store_credential_del(struct store *s, const char *workspace, const char *id, struct err *err);
/* By id or name. Errors: ERR_NOT_FOUND. */
MUST_CHECK int store_credential_get(struct store_credential **out, struct store *s, const char *workspace,
                                    const char *id_or_name, struct err *err);

struct store_template {
    const char *id, *workspace, *name, *content; /* content: sealed JSON text */
    bool require_signature;
    int64_t created_us, modified_us, last_used_us; /* last_used_us 0: never */
};
/* As the calls for credentials. */
MUST_CHECK int store_template_add(struct store *s, const struct store_template *t, struct err *err);
MUST_CHECK int store_template_put(struct store *s, const struct store_template *t, struct err *err);
MUST_CHECK int store_template_del(struct store *s, const char *workspace, const char *id, struct err *err);
MUST_CHECK int store_template_get(struct store_template **out, struct store *s, const char *workspace,
                                  const char *id_or_name, struct err *err);
/* An Assembly is made with it. Seconds are exact enough. */
MUST_CHECK int store_template_used(struct store *s, const char *id, int64_t at_us, struct err *err);

/* ---- notifications: the outbox, and the ledger of attempts ---- */
struct store_notification {
    const char *id; /* 32 hex, stable over attempts */
    const char *assembly_id, *workspace, *key_id, *url;
    bool replay;
    int attempts;
    int64_t next_us; /* when to try (again); also its creation for store_notification_add() */
};
MUST_CHECK int store_notification_add(struct store *s, const struct store_notification *n, struct err *err);
/* state: "pending", "successful", "failed". */
MUST_CHECK int store_notification_update(struct store *s, const char *id, const char *state, int attempts,
                                         int64_t next_us, struct err *err);
/* Those that are pending, soonest first. */
MUST_CHECK int store_notifications_open(struct store *s,
                                        int (*cb)(void *ctx, const struct store_notification *n), void *ctx,
                                        struct err *err);
struct store_attempt {
    const char *notification_id, *assembly_id, *workspace, *url;
    int64_t at_us, duration_us;
    int response_code; /* 0: no answer */
    const char *response_data, *error; /* may be NULL */
};
MUST_CHECK int store_attempt_add(struct store *s, const struct store_attempt *a, struct err *err);
struct store_attempt_query {
    const char *workspace, *assembly_id, *keyword; /* the last two may be NULL: any */
    int64_t from_us, to_us;
    int outcome; /* 0: any, 1: successful, 2: failed */
    bool ascending; /* by date */
    int limit;
    int64_t offset;
};
/* count: without limit. Thread-safe. */
MUST_CHECK int store_attempts(int64_t *count, struct store_reader *r, const struct store_attempt_query *q,
                              int (*cb)(void *ctx, const struct store_attempt *a), void *ctx, struct err *err);

/* ---- keys of SSH hosts, as a workspace saw them first (hosts.c) ---- */
#define STORE_HOSTS_MOST 1000 /* of a workspace */
/* Nothing when one is known already, or STORE_HOSTS_MOST are. */
MUST_CHECK int store_host_add(struct store *s, const char *workspace, const char *host, int port, const char *key,
                              int64_t now_us, struct err *err);
/* On the writer, what this transaction added among it. *out is the caller's; NULL: none is known. */
MUST_CHECK int store_host_get(char **out, struct store *s, const char *workspace, const char *host, int port,
                              struct err *err);
/* Errors: ERR_NOT_FOUND. */
MUST_CHECK int store_host_del(struct store *s, const char *workspace, const char *host, int port, struct err *err);
MUST_CHECK int store_hosts(struct store *s, const char *workspace,
                           void (*cb)(void *ctx, const char *host, int port, const char *key, int64_t seen_us),
                           void *ctx, struct err *err);

/* ---- small settings of the installation (instance id, schema) ---- */
MUST_CHECK int store_setting_put(struct store *s, const char *name, const char *value,
                                 struct err *err);
char *store_setting_get(struct store *s, const char *name); /* caller frees; NULL when absent */

/* ---- readers: the database must exist (store_open() first) ---- */
MUST_CHECK int store_reader_open(struct store_reader **out, const char *url, struct err *err);
void store_reader_close(struct store_reader *r);
DEFINE_AUTO(struct store_reader *, store_reader_close)
/* As store_status_read(). Thread-safe. */
MUST_CHECK int store_status_get(struct str *out, struct store_made *made, struct store_reader *r,
                                const char *assembly_id, struct err *err);
/* Events of one Assembly in order, as store_events(), for other threads: a consistent past of it. */
MUST_CHECK int store_history(struct store_reader *r, const char *assembly_id,
                             int (*cb)(void *ctx, int64_t seq, int64_t at_us, const char *json), void *ctx,
                             struct err *err);
/* Name and MIME type of a blob that may be served. Errors: ERR_NOT_FOUND. Thread-safe. */
MUST_CHECK int store_file_get(char **name, char **mime, struct store_reader *r, const char *blob_id,
                              struct err *err);
/* As above, from another thread. */
MUST_CHECK int store_credential_read(struct store_credential **out, struct store_reader *r,
                                     const char *workspace, const char *id_or_name, struct err *err);
MUST_CHECK int store_template_read(struct store_template **out, struct store_reader *r, const char *workspace,
                                   const char *id_or_name, struct err *err);
/* A page of a workspace's. sort: "id", "name", "modified", "type" (credentials), else by creation. max -1: all.
 * The callback must not call the reader. */
struct store_page {
    const char *workspace, *sort;
    bool descending;
    int64_t from_us, to_us; /* Templates: made in this time, both included */
    int64_t max, skip;
};
MUST_CHECK int store_credentials(struct store_reader *r, const struct store_page *page,
                                 int (*cb)(void *ctx, const struct store_credential *c), void *ctx,
                                 struct err *err);
MUST_CHECK int store_templates(struct store_reader *r, const struct store_page *page,
                               int (*cb)(void *ctx, const struct store_template *t), void *ctx,
                               struct err *err);
/* How many there are, whatever the page. */
MUST_CHECK int store_template_count(int64_t *out, struct store_reader *r, const struct store_page *page,
                                    struct err *err);

/* Is there a file with this blob, or an upload that will become it? Thread-safe. */
MUST_CHECK int store_blob_is_named(bool *out, struct store_reader *r, const char *blob_id, struct err *err);

/* For doctor. journal: "wal" as it should be; newest_us: when the last Assembly was made, 0: there is none. */
struct store_health {
    char journal[16];
    int schema, latest_schema;
    int64_t newest_us;
    int64_t set_aside; /* Assemblies that are not read, as servers died of it */
};
MUST_CHECK int store_health_get(struct store_health *out, struct store_reader *r, struct err *err);
