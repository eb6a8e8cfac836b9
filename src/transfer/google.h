/* google.h - Google Cloud Storage by its JSON interface, and what the other services of Google have in common with it:
 * signing in, and sessions in which a file is sent piece by piece. google_place_options and the checks are in the
 * daemon, too; the rest only in workcell-transfer. */
#pragma once
#include "transfer/api.h"

/* ---- signing in ---- */

struct google_place {
    const char *credentials, *project_id, *client_email, *private_key, *bucket;
};
extern const struct option google_place_options[];
MUST_CHECK int google_place_check(const struct google_place *p, bool partial, struct err *err);

struct google {
    struct api api;
    const struct google_place *place;
    const char *scope;    /* what it is for: as Google names it, behind the last slash */
    const char *endpoint; /* "https://storage.googleapis.com" */
    char *key;            /* the private key as a PEM text */
    const char *bucket;   /* percent-encoded */
};
/* Does not talk to anybody yet. Errors: ERR_ROBOT_VALIDATION, the credentials name no bucket, or lack something. */
MUST_CHECK int google_open(struct google *g, struct robot_job *job, const struct google_place *p, const char *scope,
                           struct err *err);
void google_close(struct google g);
DEFINE_AUTO(struct google, google_close)
/* api.judge of Google's services: their 403 may be a pace that is too fast. */
void google_judge(struct api *a, const struct http_client_response *r, const json_t *body, enum remote_failure *kind,
                  bool *again);

/* ---- objects ---- */

#define GOOGLE_NAME_MAX 1024 /* bytes; their limit */
/* Address of an object, or of the bucket's list (name NULL), without a query. The caller frees. */
char *google_url(const struct google *g, const char *name);

/* What an object is made of beside its bytes. */
struct google_object {
    const char *acl; /* as their interface calls it: "publicRead"; NULL: as the bucket has it */
    const char *cache_control;
};
/* Sends f, in a session that is announced by robot_set_undo() for as long as it is open, and compares what arrived. */
MUST_CHECK int google_put(struct google *g, struct remote_file *f, const struct google_object *o, struct err *err);
/* Robot.undo: ends the session that the note is about. */
MUST_CHECK int google_undo_put(struct google *g, const json_t *note, struct err *err);
/* Robot.trial: an object is written, read, listed and removed. */
MUST_CHECK int google_trial(struct google *g, struct err *err);
/* {HOST} of its addresses: "BUCKET.storage.googleapis.com", or with the bucket behind it where no certificate covers
 * that. The caller frees. */
char *google_host(const struct google *g);

struct google_listing {
    const struct google_place *place;
    /* of google_service */
    struct google google;
    json_t *known; /* of the last page: {name: object} */
    int64_t pages; /* read so far */
};
extern const struct import_service google_service; /* ctx: struct google_listing, of which the place is set */
/* One answer of a list: names go to places (markers of directories don't), what is known of each to known. *next: the
 * token of the next page, NULL: none; the caller frees. what: what is odd, when -1. */
MUST_CHECK int google_read_page(json_t *places, json_t *known, char **next, const json_t *answer, const char **what);

/* ---- checksums ---- */

struct google_sums;
struct google_sums *google_sums_new(void);
void google_sums_free(struct google_sums *s);
DEFINE_AUTO(struct google_sums *, google_sums_free)
void google_sums_add(struct google_sums *s, const void *data, size_t len);
/* Base64, as their interface has them; after this nothing can be added. */
void google_sums_end(struct google_sums *s, char md5[static 25], char crc32c[static 9]);
/* Of the whole file. */
MUST_CHECK int google_sums_of(char md5[static 25], char crc32c[static 9], const struct remote_file *f, struct err *err);
