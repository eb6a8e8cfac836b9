/* upload.h - tus uploads (api-tus.md) and the bodies of create requests: bytes in, a finished file out.
 *
 * The partial file is the truth: an upload's offset is its length, so no crash can make the two disagree. A
 * request that writes holds its upload by a generation number. Whoever comes later takes the next number: the
 * earlier one can write no more from that instant, and its connection is cut. So a dead or stalled client
 * never locks anybody out. */
#pragma once
#include "blob/blob.h"
#include "conductor/conductor.h"
#include "http/server.h"
#include "store/store.h"

struct uploads;
struct spool;

struct uploads_conf {
    struct conductor *conductor;
    struct blob_store *blobs;
    const char *dir; /* partial files; created */
    struct space space;
    int64_t max_size; /* bytes of one upload; 0: no limit */
    /* Of all partial uploads together whose client has not said to which Assembly they belong; 0: there may be none. */
    int64_t stranger_bytes;
    int64_t expiry_us;
    bool sync; /* flush a finished upload to the disk before it is acknowledged */
    char *(*base_url)(struct http_request *req); /* scheme://host as the client sees it; the caller frees */
};

/* Reads the rows of the store and the directory: what belongs to nobody is removed. Before the conductor's
 * thread runs. */
MUST_CHECK int uploads_open(struct uploads **out, const struct uploads_conf *conf, struct store *store,
                            struct err *err);
/* No parts are joined any more: who waits for that is refused. Before the server stops; NULL is fine. */
void uploads_stop(struct uploads *u);
void uploads_close(struct uploads *u);
/* For conductor_start(). */
void uploads_stop_assembly(void *uploads, const char *assembly_id, const char *code, int *stopped,
                           int64_t *bytes_freed);

/* Bytes that came and that the conductor has not heard of yet. Ten times a second, on any thread; never waits. */
void uploads_tell(void *uploads);

/* Forgets uploads whose time is over, and their bytes; answers 404 from then on. Hands over and removes what a process
 * that was killed did not come to. At the start, and once a minute. */
void uploads_sweep(void *uploads);

/* Handlers for the collection (POST) and for one upload (path arg 0: its id). http_data() is the struct uploads when
 * they begin. */
extern const struct http_handler tus_create, tus_head, tus_patch, tus_delete, tus_options, tus_refuse;

/* ---- bodies of create requests ---- */
struct body_watch;
/* While a create request's body arrives for this Assembly, a cancel cuts req and removes the file that
 * spool points to. Returns an object to lock around every use of the spool. */
struct body_watch *body_watch_new(struct uploads *u, struct http_request *req, struct spool *spool);
/* nonce: as in the news about it, should the id be another's. */
void body_watch_set_assembly(struct body_watch *w, const char *assembly_id, const char *nonce);
/* The creation was answered. false: the Assembly is over already, and nobody has answered the request:
 * the caller does. */
bool body_watch_created(struct body_watch *w);
void body_watch_count(struct body_watch *w, int64_t received); /* bytes of the body so far; any thread may look */
/* False: the Assembly is over; leave the body alone. Otherwise call body_unlock(). */
bool body_lock(struct body_watch *w);
void body_unlock(struct body_watch *w);
void body_watch_free(struct body_watch *w);
char *uploads_path(struct uploads *u, const char *id); /* of a partial file; the caller frees */
