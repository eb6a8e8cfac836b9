/* POST|PUT /assemblies[/{id}], GET and DELETE /assemblies/{id}. Contract: api-assemblies.md 1-3. */
#include "api/assemblies.h"
#include "api/app.h"
#include "api/auth.h"
#include "api/fields.h"
#include "api/limits.h"
#include "api/notifications.h"
#include "api/routes.h"
#include "api/template_use.h"
#include "api/wishes.h"
#include "assembly/payload.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "blob/blob.h"
#include "config.h"
#include "http/form.h"
#include "http/reply.h"
#include "store/store.h"
#include "upload/spool.h"
#include "upload/upload.h"

#include <stdio.h>
#include <string.h>

/* ---- answers ---- */

struct http_response *assembly_response(struct published *p, int http_code)
{
    struct shared_text *t = published_show(p, http_code);
    struct http_response *r = http_response_new(http_code);

    reply_headers(r);
    http_response_shared(r, "application/json; charset=utf-8", t->s, t->len, shared_text_unref, t);
    return r;
}

/* JSONP for script tags (api-assemblies.md 9): errors travel as 200 too, as a script can't see a status. */
static const char *callback_of(struct http_request *req)
{
    const char *name = strcmp(http_method(req), "GET") ? NULL : http_query(req, "callback");

    return name && *name && strlen(name) <= 128 &&
                   strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.$[]") ==
                       strlen(name)
               ? name
               : NULL;
}

static void answer_jsonp(struct http_request *req, const char *callback, const char *json, const char *refusal)
{
    struct http_response *r = http_response_new(200);
    char *text = mem_printf("%s(%s);", callback, json);

    if (refusal)
        http_response_code(r, refusal);

    http_response_header(r, "Access-Control-Allow-Origin", "*");
    http_response_header(r, "X-Content-Type-Options", "nosniff");
    http_response_text(r, "application/javascript; charset=utf-8", text, strlen(text));
    http_answer(req, r);
}

static void answer_error(struct http_request *req, const struct err *err, const json_t *extra)
{
    const char *callback = callback_of(req);

    if (!callback) {
        reply_error(req, err, extra);
        return;
    }
    AUTO(json_unref) json_t *body = json_pack("{s:s,s:i,s:o}", "error", err_name(err), "http_code", err_http_status(err),
                                              "message", jstring(err->msg));
    json_object_update(body, (json_t *)extra);
    if (err->retry_s > 0)
        json_object_set_new(body, "info", json_pack("{s:i}", "retryIn", err->retry_s));
    AUTO(mem_free) char *text = json_text(body);
    answer_jsonp(req, callback, text, err_name(err));
}

int assembly_stored(struct str *out, struct app *app, const char *id, struct err *err)
{
    if (store_status_get(out, app->reader, id, err) == 0)
        return 0;
    return err->code == ERR_NOT_FOUND ? err_set(err, ERR_ASSEMBLY_NOT_FOUND, "There is no such Assembly") : -1;
}

void assembly_answer(struct http_request *req, const char *id, struct published *p, int http_code)
{
    struct app *app = app_of(req);
    const char *callback = callback_of(req);
    struct str text = {0};
    struct err err;

    if (p)
        http_known(req); /* who knows the address may ask */
    if (p && !callback) {
        http_answer(req, assembly_response(p, http_code));
        return;
    }
    if (p) {
        struct shared_text *t = published_show(p, http_code);

        answer_jsonp(req, callback, t->s, NULL);
        shared_text_unref(t);
        return;
    }
    if (assembly_stored(&text, app, id, &err) < 0) {
        str_done(text);
        answer_error(req, &err, NULL);
    } else if (callback) {
        answer_jsonp(req, callback, text.s, NULL);
        str_done(text);
    } else {
        reply_json(req, 200, str_take(&text));
    }
}

void assembly_answer_as(struct http_request *req, struct published *p, const char *ok)
{
    struct shared_text *t = published_show(p, 200);
    AUTO(json_unref) json_t *status = json_reads(t->s);

    shared_text_unref(t);
    jset(status, "ok", ok);
    reply_json(req, 200, json_text(status));
}

/* ---- create ---- */

/* A file of a client that is not known yet: it waits in memory, counted by the form's share, and nothing of it is on the disk. */
struct held_file {
    struct held_file *next;
    char *field, *name;
    struct str data;
};

struct create {
    int refs;
    struct app *app;
    struct http_request *req;
    char id[ID_LEN + 1], nonce[ID_LEN + 1];
    struct form *form;
    char *params, *signature, *expected, *tus_expected;
    size_t params_len;
    json_t *fields;
    struct body_watch *watch;
    struct spool spool;         /* of the file part that arrives now; guarded by watch */
    char *file_field, *file_name;
    char file_id[ID_LEN + 1];
    struct wishes wishes;
    struct held_file *held, *held_last; /* those that came before it was known who sends them, in their order */
    int file_count;                     /* those that the Assembly was told of */
    int64_t received, max_size;
    bool created; /* posted to the conductor */
    bool lacks_signature;
    bool complete; /* body_done is posted: nothing to abort any more */
    struct err err;
};

static void held_free(struct held_file *h)
{
    if (!h)
        return;
    free(h->field);
    free(h->name);
    str_done(h->data);
    free(h);
}

static struct held_file *held_first(struct create *c)
{
    struct held_file *h = c->held;

    if (h)
        c->held = h->next;
    return h;
}

static void create_unref(struct create *c)
{
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
        return;
    while (c->held)
        held_free(held_first(c));
    form_free(c->form);
    body_watch_free(c->watch); /* first: until then a cancel may close the spool */
    spool_close(&c->spool, true);
    wishes_done(&c->wishes);
    mem_freed(c->params_len); /* it was parsed */
    free(c->params);
    free(c->signature);
    free(c->expected);
    free(c->tus_expected);
    free(c->file_field);
    free(c->file_name);
    json_decref(c->fields);
    http_request_unref(c->req);
    free(c);
}

static void post(struct create *c, enum event_type type, json_t *data, conductor_reply reply)
{
    json_object_set_new(data, "nonce", json_string(c->nonce));
    if (reply)
        __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    conductor_post(c->app->conductor, &(struct conductor_news){.assembly_id = c->id,
                                                               .type = type,
                                                               .data = data,
                                                               .reply = reply,
                                                               .ctx = c});
}

static int parse_count(int64_t *out, const char *text, struct err *err)
{
    char *end;

    *out = 0;
    if (!text)
        return 0;
    *out = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || *out > 1000000)
        return err_set(err, ERR_NUM_EXPECTED, "The number of expected files must be a whole number from 0 on");
    return 0;
}

static json_t *refused(const struct err *err)
{
    return json_pack("{s:s,s:o}", "code", err_name(err), "msg", jstring(err->msg));
}

/* What of params the status shows. */
static char *masked_text(const json_t *params)
{
    AUTO(json_unref) json_t *masked = json_deep_copy(params);

    instructions_mask(masked);
    return json_text(masked);
}

static struct auth_request who(struct create *c)
{
    return (struct auth_request){c->params, c->params_len, c->signature, http_header(c->req, "Referer"),
                                 http_header(c->req, "Authorization")};
}

static void note_wishes(struct create *c, const json_t *params)
{
    const char *may = http_query(c->req, "redirect");

    wishes_read(&c->wishes, params, !may || strcmp(may, "false"), app_base_url(c->req));
}

/* The data of the `created` event. -1: no Assembly is made at all (err). */
static int describe_checked(json_t **out, struct create *c, const struct auth *who_is, json_t *params, bool body_done,
                            struct err *err)
{
    const struct template_use *template = who_is->template;
    AUTO(json_unref) json_t *merged = NULL;
    AUTO(json_unref) json_t *fields = NULL;
    struct err why = {0};
    int64_t expected;

    if (c->app->draining)
        return err_set(err, ERR_BUSY, "The server is shutting down");
    if (limits_create(c->app->limits, who_is->key->workspace, err) < 0)
        return -1;
    if (space_check(&c->app->space, 0, err) < 0)
        return -1;
    if (parse_count(&expected, c->expected ? c->expected : c->tus_expected, err) < 0)
        return -1;
    if (who_is->template_err.code) {
        *err = who_is->template_err;
        return -1;
    }
    if (!template)
        merged = json_incref(params);
    else if (template_merge(&merged, template, params, err) < 0)
        return -1;
    note_wishes(c, merged);
    if (notify_url_check(json_object_get(merged, "notify_url"), err) < 0 ||
        payload_check(json_object_get(merged, "notification_payload"), err) < 0)
        return -1;
    c->max_size = who_is->max_size;
    fields = json_is_object(json_object_get(merged, "fields"))
                 ? json_copy(json_object_get(merged, "fields"))
                 : json_object();
    json_object_update(fields, c->fields);
    AUTO(mem_free) char *text = masked_text(params);
    AUTO(mem_free) char *merged_text = template ? masked_text(merged) : mem_strdup(text);
    AUTO(mem_free) char *base = app_base_url(c->req);
    json_t *steps = json_object_get(merged, "steps");
    *out = json_pack("{s:s,s:s,s:s,s:O?,s:o,s:o,s:O,s:I,s:b,s:I,s:I,s:I,s:I,s:i,s:s}", "workspace",
                     who_is->key->workspace, "key_id", who_is->key->id, "base_url", base, "steps", steps, "params",
                     jstring(text), "merged_params", jstring(merged_text), "fields", fields, "expected",
                     (json_int_t)expected, "body_done", body_done, "body_bytes", (json_int_t)c->received,
                     "body_expected", (json_int_t)http_content_length(c->req), "max_size",
                     (json_int_t)who_is->max_size, "max_files", (json_int_t)who_is->max_files, "max_attempts",
                     (int)c->app->config->job_attempts, "nonce", c->nonce);
    jset(*out, "account_name", who_is->key->workspace_name);
    jset(*out, "client", http_header(c->req, "Transloadit-Client"));
    jset(*out, "notify_url", jstr(merged, "notify_url"));
    jset(*out, "usage_tags", jstr(merged, "usage_tags"));
    if (jbool(merged, "ignore_upload_meta_data_errors", false))
        json_object_set_new(*out, "ignore_upload_meta_data_errors", json_true());
    if (jbool(merged, "quiet", false))
        json_object_set_new(*out, "quiet", json_true());
    if (template) {
        AUTO(mem_free) char *content = masked_text(template->content);

        jset(*out, "template_id", template->id);
        jset(*out, "template_name", template->name);
        json_object_set_new(*out, "template", jstring(content));
    }
    jset(*out, "redirect_url", jstr(merged, "redirect_url"));
    if (jbool(merged, "emit_execution_progress", false))
        json_object_set_new(*out, "emit_execution_progress", json_true());
    if (why.code)
        json_object_set_new(*out, "error", refused(&why));
    return 0;
}

static int describe(json_t **out, struct create *c, bool body_done, struct err *err)
{
    struct auth_request request = who(c);
    struct auth auth;
    json_t *params;
    int rc = auth_check(&auth, &params, c->app, AUTH_CREATE, &request, "assemblies:write", err);

    auth_name_key(c->req, &auth, params);
    if (rc == 0) {
        note_wishes(c, params);
        rc = describe_checked(out, c, &auth, params, body_done, err);
    }
    auth_done(&auth);
    json_decref(params);
    return rc;
}

struct handed_over {
    struct create *create;
    char id[ID_LEN + 1];
};

/* A file that nobody took (the id was in use, the Assembly is over...) is nobody's. After a failed commit it may be
 * somebody's all the same. A refusal is rare, so the conductor's thread can remove it. */
static void handed_over(void *ctx, const struct err *err, struct published *p)
{
    struct handed_over *h = ctx;
    struct create *c = h->create;

    (void)p;
    if (err && err->code != ERR_IO && err->code != ERR_NOSPACE)
        (void)!blob_delete(c->app->blobs, h->id, NULL);
    if (err && err_http_status(err) >= 500) /* the Assembly will not have it: no need to read the rest of the body */
        http_cut(c->req, wishes_refusal(&c->wishes, c->id, err));
    create_unref(c);
    free(h);
}

/* Takes file. */
static void post_file(struct create *c, json_t *file)
{
    struct handed_over *h = mem_zalloc(sizeof *h);

    h->create = c;
    __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    snprintf(h->id, sizeof h->id, "%s", c->file_id);
    conductor_post(c->app->conductor,
                   &(struct conductor_news){.assembly_id = c->id,
                                            .type = EV_FILE_UPLOADED,
                                            .data = json_pack("{s:o,s:s}", "file", file, "nonce", c->nonce),
                                            .reply = handed_over,
                                            .ctx = h});
    c->file_count++;
}

static struct http_response *created_response(const struct create *c, struct published *p, int http_code,
                                              const struct err *err)
{
    struct http_response *r;

    if (!c->wishes.quiet && !c->wishes.redirect) {
        r = assembly_response(p, http_code);
    } else {
        struct shared_text *t = published_show(p, http_code);

        r = wishes_response(&c->wishes, c->id, t->s, http_code, err ? err_name(err) : NULL);
        shared_text_unref(t);
    }
    if (err)
        http_response_code(r, err_name(err));
    return r;
}

static void answer_awaited(void *ctx, const struct err *err, struct published *p)
{
    struct create *c = ctx;

    http_answer(c->req, p ? created_response(c, p, 200, NULL) : wishes_refusal(&c->wishes, c->id, err));
    create_unref(c);
}

static void answer_created(void *ctx, const struct err *err, struct published *p)
{
    struct create *c = ctx;

    if (p && published_is_over(p) && err && err->code != ERR_NOT_FOUND) {
        /* the instructions were refused, but the Assembly exists and says why */
        int status = err->code == ERR_SATURATED ? 200 : err_http_status(err);

        http_answer(c->req, created_response(c, p, status == 413 ? 200 : status, err));
    } else if (p && !err && c->wishes.await) {
        conductor_await(c->app->conductor, c->id, c->wishes.await == AWAIT_NOTIFICATION, answer_awaited, c);
        return;
    } else if (p && (!err || published_is_over(p))) {
        http_answer(c->req, created_response(c, p, 200, NULL));
    } else {
        struct err none;

        if (!err)
            err_set(&none, ERR_INTERNAL, "The Assembly could not be created");
        http_answer(c->req, wishes_refusal(&c->wishes, c->id, err ? err : &none));
    }
    create_unref(c);
}

/* The body is refused (c->err), but the Assembly exists: the answer is its status, as a GET would have it. */
static void answer_failed(void *ctx, const struct err *err, struct published *p)
{
    struct create *c = ctx;
    bool over_already = err && err->code == ERR_SATURATED; /* canceled, for one */
    int status = over_already ? 200 : err_http_status(&c->err);

    http_answer(c->req, p ? created_response(c, p, status == 413 ? 200 : status, over_already ? NULL : &c->err)
                          : wishes_refusal(&c->wishes, c->id, &c->err));
    create_unref(c);
}

static void noted(void *ctx, const struct err *err, struct published *p)
{
    struct create *c = ctx;

    bool goes_on = body_watch_created(c->watch);

    /* refused while its body arrives: no need to read gigabytes of it */
    if (!err && !goes_on && p)
        http_cut(c->req, created_response(c, p, 200, NULL));
    else if (err)
        http_cut(c->req, p ? created_response(c, p, err_http_status(err), err)
                           : wishes_refusal(&c->wishes, c->id, err));
    create_unref(c);
}

static int begin_store(struct create *c, const char *name, const char *filename, struct err *err)
{
    if (space_check(&c->app->space, 0, err) < 0)
        return -1;
    id_new(c->file_id);
    AUTO(mem_free) char *path = uploads_path(c->app->uploads, c->file_id);
    free(c->file_field);
    free(c->file_name);
    c->file_field = mem_strdup(name);
    c->file_name = mem_strdup(filename);
    if (!body_lock(c->watch))
        return err_set(err, ERR_PREMATURE, "The Assembly is over");
    int rc = spool_create(&c->spool, path, err);
    body_unlock(c->watch);
    return rc;
}

static int store(struct create *c, const char *data, size_t len, struct err *err)
{
    int64_t limit = c->max_size ? c->max_size : c->app->config->max_upload_size;
    int rc;

    if (!body_lock(c->watch))
        return err_set(err, ERR_PREMATURE, "The Assembly is over");
    if (limit && (int64_t)len > limit - c->spool.size)
        rc = err_set(err, ERR_MAX_SIZE, "The file '%.100s' has more than %lld bytes", c->file_name,
                     (long long)limit);
    else
        rc = space_check(&c->app->space, (int64_t)len, err) < 0 ? -1 : spool_write(&c->spool, data, len, err);
    body_unlock(c->watch);
    return rc;
}

static int end_store(struct create *c, struct err *err)
{
    char md5[33];
    int rc;

    if (!body_lock(c->watch))
        return err_set(err, ERR_PREMATURE, "The Assembly is over");
    int64_t size = c->spool.size;
    rc = spool_commit(&c->spool, md5, c->app->blobs, c->file_id, c->app->config->fsync_uploads, err);
    body_unlock(c->watch);
    if (rc < 0)
        return -1;
    post_file(c, json_pack("{s:s,s:o,s:I,s:s,s:o}", "id", c->file_id, "name", jstring(c->file_name), "size",
                           (json_int_t)size, "md5", md5, "field", jstring(c->file_field)));
    return 0;
}

static int store_held(struct create *c, struct err *err)
{
    for (struct held_file *h; (h = held_first(c));) {
        int rc = begin_store(c, h->field, h->name, err) < 0 || store(c, h->data.s, h->data.len, err) < 0 ||
                         end_store(c, err) < 0
                     ? -1
                     : 0;

        held_free(h);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* It is known who sends this, and that they may: from here on it counts against their limits only. */
static void post_created(struct create *c, json_t *data, conductor_reply reply)
{
    c->created = true;
    http_known(c->req);
    if (c->form)
        form_known(c->form);
    json_object_clear(c->fields);
    post(c, EV_CREATED, data, reply);
}

/* The Assembly begins as soon as its params are known, so that it can be watched and canceled while its
 * files arrive. */
static int create_early(struct create *c, struct err *err)
{
    struct err why;
    json_t *data;

    if (c->created || !c->params || (c->lacks_signature && !c->signature))
        return 0;
    if (describe(&data, c, false, &why) < 0) {
        if (why.code == ERR_NO_SIGNATURE) {
            c->lacks_signature = true; /* some clients send it after the files: asked again when it is there */
            return 0;
        }
        *err = why;
        return -1;
    }
    body_watch_set_assembly(c->watch, c->id, c->nonce);
    post_created(c, data, noted);
    return store_held(c, err);
}

/* Files before params, or before a signature that must be there: they wait. */
static int hold_file(struct create *c, const char *name, const char *filename, struct err *err)
{
    struct held_file *h;

    if (form_hold(c->form, sizeof *h + strlen(name) + strlen(filename), err) < 0)
        return -1;
    h = mem_zalloc(sizeof *h);
    if (c->held)
        c->held_last->next = h;
    else
        c->held = h;
    c->held_last = h;
    h->field = mem_strdup(name);
    h->name = mem_strdup(filename);
    return 0;
}

static int hold(struct create *c, const char *data, size_t len, struct err *err)
{
    if (form_hold(c->form, len, err) < 0)
        return -1;
    str_add(&c->held_last->data, data, len);
    return 0;
}

static int on_file_begin(void *ctx, const char *name, const char *filename, const char *content_type,
                         struct err *err)
{
    struct create *c = ctx;

    (void)content_type;
    if (create_early(c, err) < 0)
        return -1;
    return c->created ? begin_store(c, name, filename, err) : hold_file(c, name, filename, err);
}

static int on_file_data(void *ctx, const char *data, size_t len, struct err *err)
{
    struct create *c = ctx;

    return c->created ? store(c, data, len, err) : hold(c, data, len, err);
}

static int on_file_end(void *ctx, struct err *err)
{
    struct create *c = ctx;

    return c->created ? end_store(c, err) : 0;
}

static void keep(char **slot, const char *value, size_t len)
{
    free(*slot);
    *slot = mem_strndup(value, len);
}

static int on_field(void *ctx, const char *name, const char *value, size_t len, struct err *err)
{
    struct create *c = ctx;

    (void)err;
    if (!strcmp(name, "params") && !c->params) {
        c->params = mem_alloc(len + 1);
        memcpy(c->params, value, len + 1);
        c->params_len = len;
    } else if (!strcmp(name, "signature")) {
        keep(&c->signature, value, len);
    } else if (!strcmp(name, "num_expected_upload_files")) {
        keep(&c->expected, value, len);
    } else if (!strcmp(name, "tus_num_expected_upload_files")) {
        keep(&c->tus_expected, value, len);
    } else if (strcmp(name, "params")) {
        jset(c->fields, name, value);
    }
    return 0;
}

static const struct form_sink sink = {on_file_begin, on_file_data, on_file_end, on_field};

static enum http_next create_begin(struct http_request *req)
{
    struct app *app = app_of(req);
    struct create *c = mem_zalloc(sizeof *c);
    const char *id = http_path_arg(req, 0);
    static const char *const fields[] = {"params", "signature", "num_expected_upload_files",
                                         "tus_num_expected_upload_files", NULL};
    struct form_limits limits = {.field_bytes = (size_t)app->config->max_params_bytes,
                                 .total_bytes = (size_t)app->config->max_params_bytes * 2,
                                 .parts = 10000,
                                 .fields = fields,
                                 .budget = &app->strangers};
    struct err err;

    c->refs = 1;
    c->app = app;
    c->req = http_request_ref(req);
    c->spool.fd = -1;
    c->fields = json_object();
    if (id)
        memcpy(c->id, id, sizeof c->id);
    else
        id_new_ordered(c->id);
    id_new(c->nonce);
    http_set_data(req, c);
    c->watch = body_watch_new(app->uploads, req, &c->spool);
    if (http_query(req, "params")) {
        const char *p = http_query(req, "params");

        c->params = mem_strdup(p);
        c->params_len = strlen(p);
        if (http_query(req, "signature"))
            c->signature = mem_strdup(http_query(req, "signature"));
    }
    if (http_content_length(req) == 0 && !http_header(req, "Content-Type"))
        return HTTP_GO;
    c->form = form_new(http_header(req, "Content-Type"), &sink, c, &limits, &err);
    if (!c->form) {
        reply_error(req, &err, NULL);
        return HTTP_ANSWERED;
    }
    return HTTP_GO;
}

/* The Assembly that was made already fails with what is wrong. */
static void fail_created(struct create *c)
{
    c->complete = true;
    body_watch_set_assembly(c->watch, "", ""); /* this end of the Assembly is answered by answer_failed(), not cut */
    post(c, EV_FAIL,
         json_pack("{s:i,s:s,s:o}", "code", c->err.code, "name", err_name(&c->err), "msg", jstring(c->err.msg)),
         answer_failed);
}

/* What is wrong with a body is said at once, not after the rest of it. */
static void give_up(struct create *c)
{
    if (c->created)
        fail_created(c);
    else
        http_cut(c->req, wishes_refusal(&c->wishes, c->id, &c->err));
}

static int create_body(struct http_request *req, const char *data, size_t len)
{
    struct create *c = http_data(req);

    if (c->err.code || !c->form)
        return 0;
    c->received += (int64_t)len;
    body_watch_count(c->watch, c->received);
    if (form_feed(c->form, data, len, &c->err) < 0)
        give_up(c);
    return 0;
}

static enum http_next create_end(struct http_request *req)
{
    struct create *c = http_data(req);
    json_t *data = NULL;
    struct err err;

    if (c->err.code && c->created)
        return HTTP_WAIT; /* for answer_failed() */
    if (!c->err.code && c->form && form_finish(c->form, &c->err) < 0 && c->created) {
        fail_created(c);
        return HTTP_WAIT;
    }
    if (c->err.code) {
        http_answer(req, wishes_refusal(&c->wishes, c->id, &c->err));
        return HTTP_ANSWERED;
    }
    if (!c->created) {
        bool files = c->held;

        if (describe(&data, c, !files, &err) < 0) {
            http_answer(req, wishes_refusal(&c->wishes, c->id, &err));
            return HTTP_ANSWERED;
        }
        c->complete = true;
        post_created(c, data, files ? noted : answer_created);
        if (!files)
            return HTTP_WAIT;
        if (store_held(c, &c->err) < 0) {
            fail_created(c);
            return HTTP_WAIT;
        }
    } else {
        struct auth_request request = who(c);
        struct auth auth;
        json_t *checked;

        c->complete = true;
        /* the signature may have come after the files */
        int rc = auth_check(&auth, &checked, c->app, AUTH_CREATE, &request, "assemblies:write", &err);
        auth_done(&auth);
        json_decref(checked);
        if (rc < 0) {
            c->err = err;
            fail_created(c);
            return HTTP_WAIT;
        }
    }
    data = json_pack("{s:I,s:i}", "bytes", (json_int_t)c->received, "files", c->file_count);
    if (json_object_size(c->fields)) /* those that came after the Assembly was made */
        json_object_set(data, "fields", c->fields);
    int64_t expected;
    if (parse_count(&expected, c->expected ? c->expected : c->tus_expected, &err) == 0)
        json_object_set_new(data, "expected", json_integer(expected));
    post(c, EV_BODY_DONE, data, answer_created);
    return HTTP_WAIT;
}

static void create_done(struct http_request *req, enum http_outcome outcome)
{
    struct create *c = http_data(req);

    (void)outcome;
    if (!c)
        return;
    if (c->created && !c->complete)
        post(c, EV_BODY_CUT, json_pack("{s:I}", "bytes", (json_int_t)c->received), NULL);
    create_unref(c);
}

const struct http_handler assembly_create = {create_begin, create_body, create_end, create_done};

/* ---- cancel ---- */

static void cancel_answered(void *ctx, const struct err *err, struct published *p)
{
    struct http_request *req = ctx;

    if (err && (err_http_status(err) >= 500 || err->code == ERR_ACCOUNT_MISMATCH)) /* it was not canceled */
        answer_error(req, err, NULL);
    else /* over already, or not live: the document says so */
        assembly_answer(req, http_path_arg(req, 0), p, 200);
    http_request_unref(req);
}

static enum http_next cancel_end(struct http_request *req)
{
    struct fields *f = http_data(req);
    AUTO(mem_free) char *workspace = NULL;
    struct err err;

    (void)!fields_end(f, &err); /* a body that can't be read does not keep a cancel from happening */
    struct auth_request request = {f->params, f->params_len, f->signature, NULL, http_header(req, "Authorization")};
    if (auth_cancel(&workspace, app_of(req), &request, &err) < 0) {
        answer_error(req, &err, NULL);
        return HTTP_ANSWERED;
    }
    http_request_ref(req);
    conductor_post(app_of(req)->conductor, &(struct conductor_news){.assembly_id = http_path_arg(req, 0),
                                                                    .type = EV_CANCEL,
                                                                    .data = json_pack("{s:s*}", "workspace", workspace),
                                                                    .reply = cancel_answered,
                                                                    .ctx = req});
    return HTTP_WAIT;
}

const struct http_handler assembly_delete = {fields_request_begin, fields_request_body, cancel_end, fields_request_done};

/* ---- status ---- */

static enum http_next get_end(struct http_request *req)
{
    const char *id = http_path_arg(req, 0);
    struct err err;

    if (limits_read(app_of(req)->limits, id, &err) < 0) {
        /* some clients go on polling at the address in the answer */
        AUTO(mem_free) char *base = app_base_url(req);
        AUTO(mem_free) char *url = mem_printf("%s/assemblies/%s", base, id);
        AUTO(json_unref) json_t *extra = json_pack("{s:s,s:s}", "assembly_id", id, "assembly_ssl_url", url);

        answer_error(req, &err, extra);
        return HTTP_ANSWERED;
    }
    AUTO(published_unref) struct published *p = NULL;
    if (conductor_find(&p, app_of(req)->conductor, id, &err) < 0)
        answer_error(req, &err, NULL);
    else
        assembly_answer(req, id, p, 200);
    return HTTP_ANSWERED;
}

const struct http_handler assembly_get = {.end = get_end};
