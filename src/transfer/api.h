/* api.h - calls of a service's own HTTP interface (Dropbox, Google ...): with its token, attempts, the pause that the
 * other side asks for, and its errors in our words. For Robots in workcell-transfer only. */
#pragma once
#include "http/client.h"
#include "transfer/remote.h"

struct api;

struct api_call {
    const char *method, *url;
    const char *const *headers; /* "Name: value", ended by NULL, beside what api adds; NULL: none */
    const char *type;           /* Content-Type; NULL: none is sent */
    const char *body;           /* text, or */
    int fd;                     /* file, when length >= 0 and body is NULL */
    int64_t offset, length;
    const struct http_client_piece *pieces; /* in the place of both; or NULL */
    int piece_count;
    int idle_s; /* so long may the other side be silent, and then there is no other attempt; 0: as usual */
    const int *fine; /* statuses that are answers as well as 2xx, ended by 0; NULL: none */
    bool once;       /* not to be sent a second time when it is unknown whether it was carried out */
    bool anonymous;  /* without token and signature: an address that is one itself */
    int max_redirects;
    size_t most; /* bytes of a 2xx answer that is kept, more are an error; 0: 1 MiB, and the rest is cut off */
    /* Of a 2xx answer, as http_client_request has them; NULL: its body is kept. With on_body a call is sent once, as
     * what came of it can't be taken back: who calls goes on from there. */
    int (*on_body)(void *ctx, const char *data, size_t len, struct err *err);
    int (*on_head)(void *ctx, int status, int64_t content_length, struct err *err);
    /* As http_client_request has it, with end_ctx; NULL is fine. */
    int (*on_end)(void *end_ctx, struct err *err);
    void *end_ctx;
    void *ctx;
    const struct remote_file *file; /* whose progress is told, from and share of it; NULL: nobody's. Not with on_... */
    double from, share;
};

struct api {
    struct robot_job *job;
    struct http_client *client;
    const char *service;  /* as messages name it: "Dropbox" */
    char *authorization;  /* value of that header; NULL: none. api_done() frees it */
    const char *header;   /* that header where it is not "Authorization" */
    const char *query;    /* put behind every address that is not anonymous, as it is; NULL: nothing */
    const char *secret; /* that no message repeats, whatever the other side says, beside authorization; NULL: none */
    /* Get another authorization: there is none yet, or what there is was refused (401), which may happen once a call.
     * NULL: it stays. */
    int (*sign_in)(struct api *a, struct err *err);
    /* Header lines ("Name: value\n") that every attempt needs anew. NULL: none. */
    void (*sign)(struct api *a, const struct api_call *c, struct str *lines);
    /* What an answer that is not fine means, where its status does not tell: sets kind, and again when it is worth
     * another attempt. body: its JSON, or NULL. NULL: 401 and 403 are denied, 404 and 410 not found. */
    void (*judge)(struct api *a, const struct http_client_response *r, const json_t *body, enum remote_failure *kind,
                  bool *again);
    void *ctx;
};
void api_done(struct api a); /* frees client and authorization */
DEFINE_AUTO(struct api, api_done)

#define API_HEADERS_MAX 64
/* Send until there is a lasting answer: lost connections, 408, 429 and 5xx are tried again (remote_wait()). 0: out has
 * an answer that is fine. -1: err is set by remote_fail() (or is what a callback said, or is ours), and out->status is
 * that of the last answer, 0 when there was none. out is always initialised; free it. */
MUST_CHECK int api_run(struct http_client_response *out, struct api *a, const struct api_call *c, struct err *err);
/* The same, and the answer read as JSON: at most 1 MiB and API_VALUES_MAX values. The caller unrefs. */
#define API_VALUES_MAX 100000
MUST_CHECK json_t *api_json(struct api *a, const struct api_call *c, struct err *err);
/* An answer that is not what the service's description says. Returns -1. */
int api_odd(const struct api *a, struct err *err, const char *what);
/* What an answer says of its failure, without control characters, in at most n bytes. "": nothing. */
void api_reason(char *out, size_t n, const struct http_client_response *r, const json_t *body);

/* ---- tokens ---- */

/* Asks url for an access token with a form (already encoded: "grant_type=..."), and puts it into a->authorization as
 * "Bearer ...". Kept in this worker for the same url and form until shortly before it expires; fresh: not that one.
 * Refused fields (400, 401) are denied, not tried again. */
MUST_CHECK int api_token(struct api *a, const char *url, const char *form, bool fresh, struct err *err);
/* May what another server calls a token go into a header? */
bool api_is_token(const char *s);
/* A signed token (RFC 7515, RS256) of these claims. key: private key, PEM; passphrase: of it, or NULL; kid: of the
 * head, or NULL. NULL with err (ERR_ROBOT_VALIDATION): the key can't be read. The caller frees. */
char *api_jwt(const json_t *claims, const char *key, const char *passphrase, const char *kid, struct err *err);

/* ---- credentials on trial ---- */

struct api_trial {
    struct api *api;
    const struct remote_protocol *store; /* that writes the probe */
    void *ctx;                           /* of store and of these, whose texts the caller frees */
    char *(*url)(const void *ctx, const char *name);  /* of a file, to be read and removed */
    char *(*list)(const void *ctx, const char *name); /* of a listing that has this name */
};
/* Robot.trial of a service whose files have addresses: transfer/trial.h. */
MUST_CHECK int api_try(const struct api_trial *t, struct err *err);
