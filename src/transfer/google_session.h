/* google_session.h - a session of Google's in which one file is sent piece by piece: Cloud Storage and YouTube have the
 * same. Its address is a secret, as whoever knows it may go on with it: it is in no message, and sealed where it is
 * noted down. */
#pragma once
#include "transfer/api.h"

#define GOOGLE_GRANULE ((int64_t)256 * 1024) /* pieces are multiples of it */
#define GOOGLE_PIECE (8 * (int64_t)1024 * 1024)

struct google_session {
    struct api *api;
    struct remote_file *file;
    const char *secret; /* of the credentials: seals the note */
    bool once;          /* a second session would make a second thing: none is begun when it is not known what came of
                           the first */
    char *uri;          /* NULL: none is open */
    bool maybe_done;    /* its last piece was sent */
    bool noted;         /* robot_set_undo() knows of it */
    int status;         /* of the last answer when it was begun */
};
void google_session_free(struct google_session *s);

/* POST url with the JSON text body: s->uri is the address that comes back, of the same origin as url, and noted by
 * robot_set_undo(). */
MUST_CHECK int google_session_begin(struct google_session *s, const char *url, const char *body, struct err *err);
/* The same without a file and a note. *uri: the caller frees; *status (may be NULL): of the last answer, 0: none. */
MUST_CHECK int google_session_open(char **uri, int *status, struct api *api, const char *url, const char *body,
                                   const char *mime, int64_t size, struct err *err);
/* Sends the file, and goes on where a lost connection left it. What the service says of the whole in the end; NULL with
 * err, file->again where another session may do better. The caller unrefs. */
MUST_CHECK json_t *google_session_send(struct google_session *s, struct err *err);
/* After a failure: ends it, and takes the note back if that went. */
void google_session_cancel(struct google_session *s);

/* Of a note ({session, size}): the address, if it is one of origin's (an address of the service); NULL: it can't be
 * opened. The caller frees. */
char *google_session_open_note(const json_t *note, const char *secret, const char *origin);
/* DELETE. Fine when there is none any more. */
MUST_CHECK int google_session_end(struct api *api, const char *uri, struct err *err);
/* Is it complete? 1: *answer is what the service says of the whole. 0: *offset bytes of it are there; -1 in it: there
 * is no such session. -1: err. */
MUST_CHECK int google_session_ask(struct api *api, const char *uri, int64_t size, json_t **answer, int64_t *offset,
                                  struct err *err);

/* "bytes=0-99" of a 308: 100. 0 when text is NULL; -1 when it is something else. */
int64_t google_session_range(const char *text);
/* The same scheme, host and port? */
bool google_same_origin(const char *url, const char *other);
