#include "api/cdn.h"
#include "api/cdn_address.h"
#include "api/cdn_answer.h"
#include "api/cdn_flight.h"
#include "api/cdn_keep.h"
#include "api/cdn_playlist.h"
#include "api/cdn_sign.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/log.h"
#include "blob/blob.h"
#include "config.h"
#include "http/reply.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#define TIDY_US (10 * SECOND_US) /* how often what has expired goes */

static const struct log cdn_log = {"room", "cdn", NULL};

struct cdn {
    struct app *app;
    struct cdn_cache *cache;
    struct cdn_templates *templates;
    struct cdn_flights *flights;
    pthread_t thread;
    bool is_running;
};

/* ---- the thread ---- */

/* A full disk is worse than an empty cache. */
static void tidy(struct cdn *c)
{
    struct err err;

    cdn_cache_expire(c->cache, clock_now_us());
    if (cdn_cache_count(c->cache) && space_check(&c->app->space, 0, &err) < 0) {
        log_warn(&cdn_log, "half of the answers that are kept go: %s", err.msg);
        cdn_cache_shrink(c->cache, cdn_cache_bytes(c->cache) / 2);
    }
}

static void *cdn_run(void *arg)
{
    struct cdn *c = arg;
    struct cdn_entry *keep[CDN_KEEP_MOST];
    int64_t tidy_us = 0;
    bool running = true;

    while (running) {
        int count = cdn_flights_turn(c->flights, keep, CDN_KEEP_MOST, SECOND_US, &running);

        if (clock_mono_us() >= tidy_us) {
            tidy(c);
            tidy_us = clock_mono_us() + TIDY_US;
        }
        cdn_keep(c->cache, c->app, keep, count);
        for (int i = 0; i < count; i++)
            cdn_entry_unref(keep[i]);
    }
    return NULL;
}

int cdn_start(struct cdn **out, struct app *app, struct err *err)
{
    struct cdn *c = mem_zalloc(sizeof *c);
    struct cdn_flights_conf conf = {.app = app,
                                    .wait_us = app->config->cdn_wait_s * SECOND_US,
                                    .most_of_workspace = (int)app->config->cdn_assemblies};

    c->app = app;
    c->cache = conf.cache = cdn_cache_new(app->config->cdn_cache_size);
    c->templates = cdn_templates_new();
    c->flights = cdn_flights_new(&conf);
    if (cdn_keep_load(c->cache, app, err) < 0) {
        cdn_free(c);
        return -1;
    }
    errno = pthread_create(&c->thread, NULL, cdn_run, c);
    if (errno) {
        err_errno(err, "start the thread of requests by URL");
        cdn_free(c);
        return -1;
    }
    c->is_running = true;
    *out = c;
    return 0;
}

void cdn_forget(struct cdn *c)
{
    if (c)
        cdn_templates_forget(c->templates);
}

void cdn_stop(struct cdn *c)
{
    if (!c || !c->is_running)
        return;
    cdn_flights_stop(c->flights);
    pthread_join(c->thread, NULL);
    c->is_running = false;
}

void cdn_free(struct cdn *c)
{
    if (!c)
        return;
    cdn_flights_free(c->flights);
    cdn_templates_free(c->templates);
    cdn_cache_free(c->cache);
    free(c);
}

/* ---- a request ---- */

struct cdn_request {
    struct cdn_waiter waiter;
    struct cdn_address *address;
    struct cdn_template *template;
    int fd; /* of what was found at once; -1: none */
    bool own_origin;
};

/* For a Host of cdn_domain: the name of the workspace is in it, and the API is somewhere else. */
static char *base_url_of(struct http_request *req, bool own_origin)
{
    struct app *app = app_of(req);
    const char *host = http_header(req, "Host"), *below = host ? strchr(host, '.') : NULL;

    if (own_origin || *app->config->public_url || !below)
        return app_base_url(req);
    return mem_printf("http://%s", below + 1);
}

static char *workspace_of_host(struct http_request *req)
{
    struct app *app = app_of(req);
    const char *host = http_header(req, "Host"), *forwarded = http_header(req, "X-Forwarded-Host");
    const char *own = strstr(app->config->public_url, "://");

    if (!*app->config->cdn_domain)
        return NULL;
    if (app->config->trust_forwarded && forwarded && http_host_valid(forwarded))
        host = forwarded;
    /* where the API itself lies below that domain, it stays what it is */
    if (host && own && !strncasecmp(own + 3, host, strlen(host)) && strchr("/:", own[3 + strlen(host)]))
        return NULL;
    return cdn_host_workspace(host, app->config->cdn_domain);
}

/* The contents: from memory, or of an open file. -1: they are gone. */
static int open_contents(struct cdn *c, struct cdn_request *r, struct err *err)
{
    struct cdn_entry *e = r->waiter.entry;
    int64_t size;

    if (cdn_entry_bytes(e))
        return 0;
    if (blob_open(&r->fd, &size, c->app->blobs, e->blob_id, err) < 0)
        return -1;
    if (e->owns_blob && cdn_entry_read_bytes(e, r->fd))
        fd_close(take_fd(r->fd));
    return 0;
}

/* What is there already: the entry, and its contents. */
static bool find_kept(struct cdn *c, struct cdn_request *r, const char *key)
{
    struct cdn_entry *e = r->waiter.entry = cdn_cache_get(c->cache, key, clock_now_us());
    struct err err;

    if (e && open_contents(c, r, &err) < 0) {
        cdn_cache_drop(c->cache, e);
        cdn_entry_unref(e);
        e = r->waiter.entry = NULL;
    }
    return e != NULL;
}

static int wait_for_file(struct cdn *c, struct cdn_request *r, const char *key, struct err *err)
{
    struct http_request *req = r->waiter.req;
    AUTO(auth_key_unref)
    struct auth_key *signer = r->address->sig ? keys_find(c->app->keys, r->address->auth_key) : NULL;
    AUTO(mem_free) char *base = base_url_of(req, r->own_origin);
    struct cdn_order order = {.address = r->address,
                              .template = r->template,
                              .key_id = signer ? signer->id : NULL,
                              .base_url = base,
                              .client = http_header(req, "Transloadit-Client"),
                              .max_attempts = (int)c->app->config->job_attempts};

    return cdn_flights_join(c->flights, &r->waiter, key, &order, err);
}

/* 1: it waits. 0: r->waiter.entry answers it. */
static int cdn_ask(struct cdn_request *r, const char *workspace, struct err *err)
{
    struct http_request *req = r->waiter.req;
    struct cdn *c = app_of(req)->cdn;
    char key[65];

    if (cdn_address_read(&r->address, workspace, http_path_raw(req), http_query_raw(req), err) < 0)
        return -1;
    if (r->address->auth_key)
        http_set_key(req, r->address->auth_key);
    if (cdn_template_find(&r->template, c->templates, c->app, r->address->workspace, r->address->template, err) < 0)
        return -1;
    const struct cdn_template *t = r->template;
    if (cdn_sign_check(r->address, c->app->keys, t->workspace, t->workspace_name, t->signed_only, clock_now_us(), err) <
        0)
        return -1;
    if (t->err.code) {
        *err = t->err;
        return -1;
    }
    http_known(req);
    cdn_address_key(key, r->address, t->workspace, t->use->id, t->use->modified_us);
    if (find_kept(c, r, key))
        return 0;
    if (wait_for_file(c, r, key, err) == 0)
        return 1;
    return r->waiter.entry ? 0 : -1;
}

static enum http_next cdn_begin(struct http_request *req, char *workspace)
{
    AUTO(mem_free) char *name = workspace;
    struct cdn_request *r = mem_zalloc(sizeof *r);
    struct err err = {0};
    int rc;

    r->waiter.req = req;
    r->fd = -1;
    r->own_origin = !name;
    http_set_data(req, r);
    rc = cdn_ask(r, name, &err);
    if (rc < 0)
        r->waiter.err = err;
    return rc > 0 ? HTTP_WAIT : HTTP_GO;
}

static enum http_next begin_in_path(struct http_request *req) { return cdn_begin(req, NULL); }
static enum http_next begin_by_host(struct http_request *req) { return cdn_begin(req, workspace_of_host(req)); }

/* The entry with its addresses signed, for this request alone; NULL: it is sent as it is. */
static struct cdn_entry *signed_playlist(struct cdn_request *r)
{
    struct http_request *req = r->waiter.req;
    struct app *app = app_of(req);
    const struct cdn_template *t = r->template;
    AUTO(mem_free) char *workspace = r->own_origin ? NULL : workspace_of_host(req);
    /* whoever asked with a key gets what that key may ask for */
    AUTO(auth_key_unref)
    struct auth_key *key =
        r->address->sig ? keys_find(app->keys, r->address->auth_key) : keys_find_id(app->keys, t->key_id);

    return !key ? NULL
                : cdn_playlist_sign(r->waiter.entry, r->fd,
                                    &(struct cdn_playlist){.workspace = workspace,
                                                           .path = http_path_raw(req),
                                                           .workspace_name = t->workspace_name,
                                                           .key = key,
                                                           .good_for_s = t->playlists_signed_s,
                                                           .now_us = clock_now_us()});
}

static enum http_next cdn_end(struct http_request *req)
{
    struct cdn_request *r = http_data(req);
    struct cdn_entry *e = r->waiter.entry;
    struct err *err = &r->waiter.err;
    AUTO(cdn_entry_unref) struct cdn_entry *own = NULL;

    /* one that waited has only the entry so far */
    if (e && r->fd < 0 && open_contents(app_of(req)->cdn, r, err) < 0 && err->code == ERR_NOT_FOUND)
        err_set(err, ERR_BUSY, "The file went while it was to be sent");
    if (!err->code && e && r->template->playlists_signed_s)
        own = signed_playlist(r);
    if (err->code)
        reply_error(req, err, NULL);
    else if (own)
        cdn_answer(req, own, -1, clock_now_us(), r->own_origin);
    else
        cdn_answer(req, e, take_fd(r->fd), clock_now_us(), r->own_origin);
    return HTTP_ANSWERED;
}

static void cdn_done(struct http_request *req, enum http_outcome outcome)
{
    struct cdn_request *r = http_data(req);

    (void)outcome;
    if (!r)
        return;
    cdn_flights_leave(app_of(req)->cdn->flights, &r->waiter);
    cdn_entry_unref(r->waiter.entry);
    cdn_address_free(r->address);
    cdn_template_unref(r->template);
    fd_close(r->fd);
    free(r);
}

static enum http_next options_end(struct http_request *req)
{
    cdn_preflight(req);
    return HTTP_ANSWERED;
}

static enum http_next refuse_end(struct http_request *req)
{
    struct err err;

    err_set(&err, ERR_SERVER_405, "%.20s is not served at %.200s", http_method(req), http_path(req));
    struct http_response *r = reply_error_response(&err, NULL);
    http_response_header(r, "Allow", "GET, HEAD, OPTIONS");
    http_answer(req, r);
    return HTTP_ANSWERED;
}

const struct http_handler cdn_get = {.begin = begin_in_path, .end = cdn_end, .done = cdn_done};
const struct http_handler cdn_options = {.end = options_end};
static const struct http_handler by_host = {.begin = begin_by_host, .end = cdn_end, .done = cdn_done};
static const struct http_handler refuse = {.end = refuse_end};

const struct http_handler *cdn_route(struct http_request *req)
{
    AUTO(mem_free) char *workspace = workspace_of_host(req);
    const char *method = http_method(req);

    return !workspace                                          ? NULL
           : !strcmp(method, "GET") || !strcmp(method, "HEAD") ? &by_host
           : !strcmp(method, "OPTIONS")                        ? &cdn_options
                                                               : &refuse;
}
