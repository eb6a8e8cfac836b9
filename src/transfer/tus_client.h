/* tus_client.h - uploads to a server that speaks tus 1.0 (https://tus.io/protocols/resumable-upload), for Robots in
 * workcell-transfer only. */
#pragma once
#include "http/client.h"
#include "transfer/remote.h"

struct tus_client {
    struct robot_job *job;
    struct http_client *http;
    char *endpoint, *origin; /* without user and password */
    const char **headers;    /* the caller's, for that origin and no other; ended by NULL */
    bool asked;              /* what follows is known */
    bool terminates;         /* an upload can be taken back */
    const char *checksum;    /* an algorithm that both know, as the protocol names it; NULL: none */
    int64_t max_size;        /* bytes; 0: the server names no limit */
};
/* lines: "Name: value" texts, lent. User and password of the endpoint become one more. Errors:
 * ERR_ROBOT_VALIDATION. */
MUST_CHECK int tus_client_open(struct tus_client *c, struct robot_job *job, const char *endpoint, const json_t *lines,
                               struct err *err);
void tus_client_done(struct tus_client c);
DEFINE_AUTO(struct tus_client, tus_client_done)

struct tus_call {
    const char *method, *url;
    const char *const *headers; /* of the protocol; ended by NULL */
    int fd;
    int64_t offset, length; /* of the body; length -1: none */
    bool foreign;           /* the address is another server's word: the caller's headers stay here */
    void (*on_progress)(void *ctx, double fraction);
    void *ctx;
};
/* One request, after 307 and 308 to where it was sent on to. *foreign, if not NULL: the answer came from another origin
 * than the endpoint's. Errors as http_client_run(). out is always initialised; free it. */
MUST_CHECK int tus_client_run(struct http_client_response *out, struct tus_client *c, const struct tus_call *call,
                              bool *foreign, struct err *err);

/* What an answer, or that there is none, means for what comes next. */
enum tus_verdict {
    TUS_FINE,
    TUS_AGAIN,   /* what went wrong may pass */
    TUS_GONE,    /* there is no such upload any more */
    TUS_SMALLER, /* so many bytes at once are too many */
    TUS_REFUSED
};
enum tus_verdict tus_judge(int rc, const struct http_client_response *r, const struct err *cause);
/* Whether it is worth another attempt, after the pause that the other side asks for. failures: so far, this one among
 * them. */
bool tus_pause(const struct tus_client *c, const struct http_client_response *r, int failures);
/* Says what happened: what, "create the upload", could not be done. Returns -1. */
int tus_fail(const struct tus_client *c, const char *what, int rc, const struct http_client_response *r,
             const struct err *cause, struct err *err);

/* Sends f's bytes as a new upload, which goes on where it stopped when a connection breaks. What is left of it if this
 * run dies is announced (robot_set_undo()). metadata: value of Upload-Metadata, "" for none. *url: where it is; the
 * caller frees. */
MUST_CHECK int tus_upload(char **url, struct tus_client *c, struct remote_file *f, const char *metadata,
                          struct err *err);
/* Robot.undo: removes the upload that a killed run left, if the server can. */
MUST_CHECK int tus_undo(struct tus_client *c, const json_t *token, struct err *err);
