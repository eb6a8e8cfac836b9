/* swift.h - OpenStack Swift by its own interface, as Rackspace Cloud Files and Ceph have it: who
 * signs in where, files into a container, large ones in segments, listings. The table and its check
 * are in the daemon, too. */
#pragma once
#include "transfer/api.h"

/* ---- parameters ---- */

enum swift_country { SWIFT_US, SWIFT_UK };
struct swift_place {
    const char *credentials, *data_center, *user, *key, *container;
    int account_type; /* enum swift_country */
};
extern const struct option swift_place_options[];
MUST_CHECK int swift_place_check(const struct swift_place *p, bool partial, struct err *err);
#define SWIFT_NAME_MAX 1024 /* bytes of an object's name */

/* ---- in workcell-transfer ---- */

struct swift {
    struct api api;
    const struct swift_place *place;
    const char *identity; /* address of who signs in */
    bool old;             /* by headers (version 1), not by JSON (version 2) */
    const char *storage;  /* address of the account, without a slash at the end */
    const char *cdn; /* address of what says where the network delivers from; NULL: there is none */
};
/* Signs in. p is lent. Errors: also what lacks in stored credentials. */
MUST_CHECK int swift_open(struct swift *w, struct robot_job *job, const struct swift_place *p,
                          struct err *err);
/* The address of an object. The caller frees. */
char *swift_url(const struct swift *w, const char *container, const char *name);

/* What an answer of the identity service gives; for tests and fuzzing. */
struct swift_access {
    const char *token, *storage, *cdn; /* cdn: or NULL. Lent by the document */
};
/* Version 2: {access: {token, serviceCatalog}}. region: NULL or "": the user's own. NULL: fine;
 * else what is wrong. */
const char *swift_read_access(struct swift_access *out, const json_t *answer, const char *region);
/* Is it an address that we may go to with a token that came from identity? */
bool swift_is_storage(const char *url, const char *identity);

/* remote_protocol.put and .address, with ctx the struct swift, and Robot.undo. */
MUST_CHECK int swift_put(void *ctx, struct remote_file *f, struct err *err);
void swift_address(void *ctx, const struct remote_file *f, struct str *url, struct str *ssl_url);
MUST_CHECK int swift_undo(struct swift *w, const json_t *token, struct err *err);

extern const struct import_service swift_service; /* ctx: struct swift, of which the place is set */
/* Reads the JSON of a listing of at most limit names: those that are no directories into names, and
 * the place behind the last one into *marker (the caller frees; NULL: there was nothing). How many
 * there were, or -1: it is something else. */
MUST_CHECK int64_t swift_read_list(json_t *names, char **marker, const char *text, size_t len,
                                   int64_t limit);
