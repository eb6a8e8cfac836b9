/* app.h - what the handlers of the API work with, and the rows of the route table. */
#pragma once
#include "base/map.h"
#include "conductor/conductor.h"
#include "config.h"
#include "http/reply.h"
#include "store/store.h"
#include "upload/upload.h"

#include <pthread.h>

struct auth_key {
    char *id, *key, *secret, *workspace, *scopes;
};

struct app {
    const struct config *config;
    struct conductor *conductor;
    struct uploads *uploads;
    struct blob_store *blobs;
    struct store_reader *reader;
    struct map keys; /* auth.key -> struct auth_key; fixed after the start */
    const char *instance;
    struct space space;
    int port;
    bool draining;
};

struct app *app_of(struct http_request *req);
void app_load_key(struct app *app, const struct store_key *k);

/* The route table: http_config.route. */
const struct http_handler *app_route(struct http_request *req, void *ctx);

enum auth_need {
    AUTH_CREATE, /* key needed; signature if demanded or given. Expiry is looked at before the signature */
    AUTH_SIGNED, /* key and signature always; the signature is looked at first */
};

/* A row of it. Pattern: {id} is an id of 32 hex digits, {word} any text without a slash (both become
 * http_path_arg()s in their order), * at the end the rest of the path. First match wins. */
struct call;
struct route {
    const char *method, *pattern; /* method "*": any */
    const struct http_handler *handler; /* NULL: the columns below describe it (call.h) */
    enum auth_need need;
    const char *scope; /* NULL: none */
    const char *ok;    /* NULL: the answer has none */
    /* One of: on the HTTP thread, reading through app.reader or the conductor's published documents... */
    int (*read)(struct call *c, struct err *err);
    /* ...or on the conductor's thread inside the turn's transaction; answered when that is durable. Look at
     * everything that may be refused before the first put. */
    int (*write)(struct call *c, struct store *store, struct err *err);
    void (*after)(struct call *c); /* after a write's commit, on the conductor's thread; may be NULL */
};

/* ---- auth.c ---- */
struct auth {
    const struct auth_key *key;
    int64_t max_size, max_files; /* 0: none */
};

/* Check params (the exact bytes received) in the order of api.md 2.4. *params: parsed, the caller's, also set
 * when a later check failed. scope: "assemblies:write"... */
MUST_CHECK int auth_check(struct auth *out, json_t **params, struct app *app, enum auth_need need,
                          const char *text, size_t len, const char *signature, const char *referer,
                          const char *scope, struct err *err);
/* For DELETE /assemblies/{id}: -1 with ERR_SCOPE when a known key with a right signature lacks the scope, or
 * when cancel_requires_auth demands what is not there. Anything else is ignored (api-assemblies.md 3). */
MUST_CHECK int auth_cancel(struct app *app, const char *text, size_t len, const char *signature,
                           struct err *err);
/* Every scope there is, NULL at the end (api.md 2.6). */
extern const char *const auth_scopes[];
bool auth_has_scope(const struct auth_key *k, const char *scope);

/* ---- handlers ---- */
extern const struct http_handler assembly_create, assembly_get, assembly_delete;
extern const struct http_handler files_get, stream_get;
/* GET with ?method=delete, and DELETE without a body. */
void assembly_answer(struct http_request *req, const char *id, struct published *p, int http_code);
