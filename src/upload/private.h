/* private.h - the upload room's own structures. */
#pragma once
#include "base/budget.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "upload/spool.h"
#include "upload/upload.h"

#include <pthread.h>

enum upload_state {
    UPLOAD_OPEN,      /* takes bytes */
    UPLOAD_FINISHING, /* all bytes are in, its hand-over is not committed yet */
    UPLOAD_FINISHED,
    UPLOAD_GONE,      /* terminated, expired, or its Assembly is over: 410 */
};

enum upload_concat { CONCAT_NONE, CONCAT_PARTIAL, CONCAT_FINAL };

struct upload {
    int refs; /* guarded by uploads.lock */
    struct uploads *all;
    char id[ID_LEN + 1], assembly_id[ID_LEN + 1], file_id[ID_LEN + 1];
    struct upload *next_of_assembly, *prev_of_assembly; /* guarded by uploads.lock */

    pthread_mutex_t lock; /* everything below */
    enum upload_state state;
    enum upload_concat concat;
    char *concat_header, *metadata, *url; /* as the client sent them; NULL: absent */
    char *filename, *fieldname;
    json_t *user_meta;
    bool removal_due; /* deleted, but the store did not take it */
    int64_t length; /* -1: deferred */
    int64_t offset; /* what HEAD says */
    int64_t expires_us;
    struct spool spool;          /* not open: no byte has come, or they are a blob */
    bool is_blob;                /* they are one already, and that is not committed */
    struct share share;          /* of a partial upload that names no Assembly */
    char used_by[ID_LEN + 1];    /* of a partial upload: the final one that takes it; "": none so far */
    bool attended;               /* its creation is under way: what is complete as it is, that request hands over */
    uint64_t generation;         /* who may write */
    struct http_request *holder; /* the request that writes, a reference; NULL: none */
    int64_t told_us;             /* when the conductor heard of the offset last */

    struct upload *next_untold; /* guarded by uploads.lock */
    bool untold;                /* in that list, which has a reference */
};

struct uploads {
    struct uploads_conf conf;
    pthread_mutex_t lock;
    struct map by_id;       /* struct upload, one reference */
    struct map by_assembly; /* first struct upload of the list */
    struct body_watch *bodies;
    struct budget strangers;
    struct joiner *joiner;
    struct upload *untold; /* the conductor has not heard of their last bytes */
};

/* uploads.c */
struct upload *upload_new(struct uploads *u);
struct upload *upload_find(struct uploads *u, const char *id); /* a reference, or NULL */
void upload_unref(struct upload *p);
void upload_register(struct uploads *u, struct upload *p);
char *upload_row(const struct upload *p); /* its row in the store, JSON; the caller frees */
/* Close and remove what there is. Locked by the caller. Returns bytes freed. */
int64_t upload_discard(struct upload *p);
/* For the first byte of one that has no file yet. at_once: the request that brings it brings all the others as well.
 * Locked by the caller. */
MUST_CHECK int upload_begin_bytes(struct upload *p, bool at_once, struct err *err);
/* The request that brought them is over: what came of them outlives the process, or counts as not come. Locked by the
 * caller. */
void upload_keep_bytes(struct upload *p);
/* Nobody may write any more but who asks now; the previous request is cut with 423. Locked by the caller. */
uint64_t upload_take(struct upload *p, struct http_request *holder);
/* Out of the table again: it never came to be. */
void upload_forget(struct upload *p);
/* All bytes are in: the data becomes a blob and goes to the conductor; reply must call upload_handed_over().
 * Locked by the caller. -1: nothing was posted. */
MUST_CHECK int upload_hand_over(struct upload *p, conductor_reply reply, void *ctx, struct err *err);
/* The conductor hears of the offset now, or, when it has just heard, a little later: also when no byte follows. Locked
 * by the caller. */
void upload_tell_offset(struct upload *p, bool now);
/* Locked by the caller. Open again: the store refused, nothing is acknowledged. */
void upload_handed_over(struct upload *p, const struct err *err);

/* Live partial uploads of an Assembly: how many, and the bytes that they have announced or brought. */
void upload_parts(struct uploads *u, const char *assembly_id, int *count, int64_t *bytes);

/* join.c: runs job(arg) on one of a few threads, later. False: too many wait, or the server stops. While
 * joiner_stopping(), a job comes to an end soon. */
struct joiner *joiner_new(void);
bool joiner_add(struct joiner *j, void (*job)(void *arg), void *arg);
bool joiner_stopping(struct joiner *j);
void joiner_stop(struct joiner *j); /* waits; what was added is run all the same */
void joiner_free(struct joiner *j); /* NULL is fine */

/* body.c: says how much of each body has come since the last time. */
void body_watch_tell(struct uploads *u);
/* body.c: ends the create request of an Assembly that is over, and counts. */
void body_watch_stop(struct uploads *u, const char *assembly_id, int *stopped, int64_t *bytes_freed);
