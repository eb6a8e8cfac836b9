/* routes.h - the rows of the route table, and what they call. For routes.c, which has the rows, those who read them
 * (router.c, call.c, openapi.c), and the files that define what they call. */
#pragma once
#include "api/auth.h"
#include "http/server.h"

struct call;
struct store;

/* What openapi.json says of a row. Schemas are names in openapi.json's components. */
struct route_about {
    const char *tag, *summary; /* every row has them */
    const char *answer;        /* schema of the answer; NULL: it is no JSON, or has none of its own */
    const char *takes;         /* schema of `params`; NULL: any object with auth */
    const char *also;          /* statuses apart from 200 and those that follow from the other columns: "404 410" */
};

/* A row. Pattern: {id} is an id of 32 hex digits, {word} any text without a slash (both become http_path_arg()s in
 * their order), * at the end the rest of the path (an argument too). First match wins. HEAD is served by the row of GET
 * where it has none of its own; an address that has rows, but none for the method, is 405 with Allow. */
struct route {
    const char *method, *pattern; /* method "*": any */
    const struct http_handler *handler; /* NULL: the columns below describe it (call.h) */
    /* ...or find says whether it is this row's, and what serves it: another protocol below an address of ours. */
    const struct http_handler *(*find)(struct http_request *req);
    bool of_uploads; /* the handler is one of upload.h: http_data() is app.uploads when it begins */
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
/* Which row serves a request: http_config.route, its ctx is the struct app. */
const struct http_handler *app_route(struct http_request *req, void *ctx);

/* ---- assemblies.c, create.c, elsewhere.c, progress.c ---- */
extern const struct http_handler assembly_create, assembly_get, assembly_delete;
extern const struct http_handler assembly_progress_get, assembly_reserve_file, assembly_add_file;

/* ---- list.c, replay.c, jobs.c, lint.c ---- */
int assemblies_list(struct call *c, struct err *err);
int assembly_replay(struct call *c, struct err *err);
int assembly_jobs(struct call *c, struct err *err);
int instructions_check(struct call *c, struct err *err);

/* ---- templates.c, template_credentials.c ---- */
int templates_list(struct call *c, struct err *err);
int template_get(struct call *c, struct err *err);
int template_check(struct call *c, struct err *err);
int template_create(struct call *c, struct store *store, struct err *err);
int template_update(struct call *c, struct store *store, struct err *err);
int template_delete(struct call *c, struct store *store, struct err *err);
void template_changed(struct call *c);
int credentials_list(struct call *c, struct err *err);
int credential_type_list(struct call *c, struct err *err);
int credential_get(struct call *c, struct err *err);
int credential_test(struct call *c, struct err *err);
int credential_check_params(struct call *c, struct err *err);
int credential_create(struct call *c, struct store *store, struct err *err);
int credential_update(struct call *c, struct store *store, struct err *err);
int credential_delete(struct call *c, struct store *store, struct err *err);

/* ---- auth_keys.c, tokens.c ---- */
int auth_keys_list(struct call *c, struct err *err);
int auth_key_scopes(struct call *c, struct err *err);
int auth_key_secret(struct call *c, struct err *err);
int auth_key_check(struct call *c, struct err *err);
int auth_key_create(struct call *c, struct store *store, struct err *err);
int auth_key_update(struct call *c, struct store *store, struct err *err);
int auth_key_delete(struct call *c, struct store *store, struct err *err);
void auth_key_changed(struct call *c);
void auth_key_deleted(struct call *c);
extern const struct http_handler token_create;

/* ---- account.c, notifications.c ---- */
int job_slots(struct call *c, struct err *err);
int queues_work(struct call *c, struct err *err);
int bill_read(struct call *c, struct err *err);
int notification_wake(struct call *c, struct err *err);
int notification_replay(struct call *c, struct store *store, struct err *err);
int notifications_list(struct call *c, struct err *err);

/* ---- stream.c, companion.c: another protocol below an address of ours; NULL: this is not such a request ---- */
const struct http_handler *stream_route(struct http_request *req); /* /ws and digits: event stream or Socket.IO */
const struct http_handler *companion_route(struct http_request *req); /* /companion and all below it */

/* ---- cdn.c ---- */
const struct http_handler *cdn_route(struct http_request *req); /* a Host of cdn_domain: nothing else is served there */
extern const struct http_handler cdn_get, cdn_options;

/* ---- files.c, console.c ---- */
extern const struct http_handler files_get;
extern const struct http_handler console_get, console_enter, robots_get;
