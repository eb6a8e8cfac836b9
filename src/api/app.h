/* app.h - what the handlers of the API work with, and the rows of the route table. */
#pragma once
#include "api/costly.h"
#include "api/keys.h"
#include "conductor/conductor.h"
#include "api/limits.h"
#include "base/budget.h"
#include "config.h"
#include "http/proxy.h"
#include "http/reply.h"
#include "live/live.h"
#include "store/store.h"
#include "upload/upload.h"

#include <pthread.h>

struct app {
    const struct config *config;
    struct conductor *conductor;
    struct uploads *uploads;
    struct blob_store *blobs;
    struct store_reader *reader;
    struct keys *keys;
    const struct seal_key *seal;
    struct store_reader *list_reader; /* its own: a search may take longer than a status may wait */
    struct limits *limits;
    struct costly *costly;
    struct live *live;
    struct proxy *companion; /* NULL: none */
    const char *instance;
    struct space space;
    struct budget strangers; /* what clients keep here before it is known who they are */
    int port;
    _Atomic(bool) draining;
};

struct app *app_of(struct http_request *req);

/* The route table: http_config.route. */
const struct http_handler *app_route(struct http_request *req, void *ctx);

enum auth_need {
    AUTH_NONE, /* the address is the permission, or the handler asks by itself */
    AUTH_CREATE, /* key needed; signature if demanded or given. Expiry is looked at before the signature */
    AUTH_SIGNED, /* key and signature always; the signature is looked at first */
    AUTH_CANCEL, /* the address is the permission, unless the setting cancel_requires_auth says otherwise: auth_cancel() */
};

/* A row of it. Pattern: {id} is an id of 32 hex digits, {word} any text without a slash (both become
 * http_path_arg()s in their order), * at the end the rest of the path (an argument too). First match wins. HEAD is served by
 * the row of GET where it has none of its own; an address that has rows, but none for the method, is 405 with Allow. */
struct call;

/* What openapi.json says of a row. Schemas are names in openapi.json's components. */
struct route_about {
    const char *tag, *summary; /* every row has them */
    const char *answer;        /* schema of the answer; NULL: it is no JSON, or has none of its own */
    const char *takes;         /* schema of `params`; NULL: any object with auth */
    const char *also;          /* statuses apart from 200 and those that follow from the other columns: "404 410" */
};

struct route {
    const char *method, *pattern; /* method "*": any */
    const struct http_handler *handler; /* NULL: the columns below describe it (call.h) */
    /* ...or find says whether it is this row's, and what serves it: another protocol below an address of ours. */
    const struct http_handler *(*find)(struct http_request *req);
    bool costly; /* may take long: read or later runs on the thread of such, and not on an HTTP thread (costly.h) */
    bool by_get; /* also as GET with ?method=: for pages that can only load scripts. Stands before the row of GET */
    enum auth_need need;
    const char *scope; /* NULL: none */
    const char *ok;    /* NULL: the answer has none */
    /* One of them, or both: on the HTTP thread, reading through app.reader or the conductor's published documents... */
    int (*read)(struct call *c, struct err *err); /* with a write: runs before it, to refuse what needs no store */
    /* ...or on the conductor's thread inside the turn's transaction; answered when that is durable. Look at
     * everything that may be refused before the first put. */
    int (*write)(struct call *c, struct store *store, struct err *err);
    /* ...or as read, but not answered before call_answer(). */
    int (*later)(struct call *c, struct err *err);
    void (*after)(struct call *c); /* after a write's commit, on the conductor's thread; may be NULL */
    struct route_about about; /* empty: openapi.json has it by itself */
};

/* The table itself. */
const struct route *app_routes(size_t *count);

/* ---- openapi.c ---- */
/* OpenAPI 3.1 of this server, made of the route table; base_url NULL: no address. The caller frees. */
char *openapi_text(const char *base_url);

/* ---- auth.c ---- */
/* What a request shows of who sent it; all but params may be NULL, that one too with a bearer token. */
struct auth_request {
    const char *params; /* the exact bytes received */
    size_t params_len;
    const char *signature, *referer, *authorization;
};

struct auth {
    struct auth_key *key;
    char *scopes;               /* of the bearer token, which may have fewer than its key; NULL: none was used */
    int64_t max_size, max_files; /* 0: none */
    struct template_use *template; /* AUTH_CREATE: what params.template_id names; NULL: nothing... */
    struct err template_err;       /* ...and why not; code 0: it was not asked for */
};
void auth_done(struct auth *a);

/* Check in the order of api.md 2.4. *params: parsed, the caller's, also set when a later check failed; *out is to be
 * done with auth_done() whatever this returns. scope: "assemblies:write"... */
MUST_CHECK int auth_check(struct auth *out, json_t **params, struct app *app, enum auth_need need,
                          const struct auth_request *r, const char *scope, struct err *err);
/* After auth_check(), whatever it said: the log names the key that the request names. */
void auth_name_key(struct http_request *req, const struct auth *a, const json_t *params);
/* For DELETE /assemblies/{id}: -1 with ERR_SCOPE when a known key with a right signature, or a valid bearer token,
 * lacks the scope, or when cancel_requires_auth demands what is not there. Anything else is ignored
 * (api-assemblies.md 3). *workspace: the one whose Assemblies it may cancel, the caller's to free; NULL: any. */
MUST_CHECK int auth_cancel(char **workspace, struct app *app, const struct auth_request *r, struct err *err);
/* May who sent this do it? */
bool auth_allows(const struct auth *a, const char *scope);
/* Is scope (one) in the list (space-separated, or "*")? */
bool scopes_have(const char *scopes, const char *scope);
bool scope_exists(const char *scope);
/* Every scope there is, NULL at the end (api.md 2.6). */
extern const char *const auth_scopes[];

/* ---- tokens.c ---- */
/* Authorization: Bearer ...; fills out->key and out->scopes. Errors: ERR_BEARER_INVALID, ERR_BEARER_EXPIRED. */
MUST_CHECK int token_check(struct auth *out, struct app *app, const char *token, struct err *err);
/* The token of the header, NULL when it is of another kind. */
const char *bearer_of(const char *authorization);

/* ---- templates.c ---- */
/* A Template as an Assembly uses it. */
struct template_use {
    char id[33];
    char *name;
    json_t *content; /* an object */
    bool require_signature;
};
void template_use_free(struct template_use *t);
/* As the store keeps it; the caller frees. template_open() gives NULL and err when key or row is not right. */
char *template_seal(const struct seal_key *key, const char *id, const json_t *content);
json_t *template_open(const struct seal_key *key, const struct store_template *row, struct err *err);
/* Errors: ERR_TEMPLATE_VALIDATION. */
MUST_CHECK int template_check_name(const char *name, struct err *err);
/* By id or name. Errors: ERR_TEMPLATE_NOT_FOUND, ERR_TEMPLATE_DB. */
MUST_CHECK int template_load(struct template_use **out, struct app *app, const char *workspace,
                             const char *id_or_name, struct err *err);
/* Do the Template's own words forbid that the request changes its steps? */
bool template_is_final(const struct template_use *t);
/* over laid over base as api-instructions.md 3 has it; a new reference. */
json_t *params_merge(json_t *base, json_t *over);
/* *merged: params over the Template (api-instructions.md 3). Errors: ERR_TEMPLATE_DENIES. */
MUST_CHECK int template_merge(json_t **merged, const struct template_use *t, const json_t *params, struct err *err);

/* ---- what the rows of the route table call ---- */
int templates_list(struct call *c, struct err *err);
int template_get(struct call *c, struct err *err);
int template_check(struct call *c, struct err *err);
int template_create(struct call *c, struct store *store, struct err *err);
int template_update(struct call *c, struct store *store, struct err *err);
int template_delete(struct call *c, struct store *store, struct err *err);
int credentials_list(struct call *c, struct err *err);
int credential_type_list(struct call *c, struct err *err);
int credential_get(struct call *c, struct err *err);
int credential_check_params(struct call *c, struct err *err);
int credential_create(struct call *c, struct store *store, struct err *err);
int credential_update(struct call *c, struct store *store, struct err *err);
int credential_delete(struct call *c, struct store *store, struct err *err);
int auth_keys_list(struct call *c, struct err *err);
int auth_key_scopes(struct call *c, struct err *err);
int auth_key_secret(struct call *c, struct err *err);
int auth_key_check(struct call *c, struct err *err);
int auth_key_create(struct call *c, struct store *store, struct err *err);
int auth_key_update(struct call *c, struct store *store, struct err *err);
int auth_key_delete(struct call *c, struct store *store, struct err *err);
void auth_key_changed(struct call *c);
void auth_key_deleted(struct call *c);

/* ---- list.c, replay.c ---- */
int assemblies_list(struct call *c, struct err *err);
int assembly_replay(struct call *c, struct err *err);

/* ---- jobs.c, lint.c ---- */
int assembly_jobs(struct call *c, struct err *err);
int instructions_check(struct call *c, struct err *err);
/* The steps as a graph: an array of {name, robot, use, export, declared, bundle, jobs: {}}. */
json_t *steps_describe(const struct instructions *in);

/* ---- account.c ---- */
int job_slots(struct call *c, struct err *err);
int queues_work(struct call *c, struct err *err);
int bill_read(struct call *c, struct err *err);

/* ---- stream.c ---- */
/* What serves /ws and digits: the event stream, or Socket.IO on the same path. NULL: this is not such a request. */
const struct http_handler *stream_route(struct http_request *req);
/* Has make()'s listener hear the Assembly's events (published_listen()). *live (may be NULL): the document it hangs on
 * now, NULL when the Assembly is in the store only. make() is not called on failure. Errors: ERR_ASSEMBLY_NOT_FOUND, ERR_BUSY. */
MUST_CHECK int stream_listen(struct published **live, struct app *app, const char *id, int64_t last_id,
                             struct listener *(*make)(void *ctx), void *ctx, struct err *err);

/* ---- companion.c ---- */
/* What serves /companion and all below it. NULL: this is not such a request. */
const struct http_handler *companion_route(struct http_request *req);
/* *out stays as it is when no Companion is configured. Errors: ERR_CONFIG, ERR_IO. */
MUST_CHECK int companion_open(struct proxy **out, const struct config *config, struct err *err);

/* ---- handlers ---- */
extern const struct http_handler assembly_progress_get, assembly_reserve_file, assembly_add_file;
extern const struct http_handler assembly_create, assembly_get, assembly_delete;
extern const struct http_handler console_get, console_enter, robots_get, openapi_get;
extern const struct http_handler files_get, token_create;
/* The final document of an Assembly that is over, as the store has it. Errors: ERR_ASSEMBLY_NOT_FOUND, and what keeps the
 * store from being read, which must not be told as "not found". */
MUST_CHECK int assembly_stored(struct str *out, struct app *app, const char *id, struct err *err);
/* The status of a live Assembly, without p the stored one. */
void assembly_answer(struct http_request *req, const char *id, struct published *p, int http_code);
/* The status of a live Assembly with another `ok`. */
void assembly_answer_as(struct http_request *req, struct published *p, const char *ok);
