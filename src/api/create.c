/* POST|PUT /assemblies[/{id}]. Contract: api-assemblies.md 1. */
#include "api/create.h"
#include "api/app.h"
#include "api/assemblies.h"
#include "api/auth.h"
#include "api/limits.h"
#include "api/notifications.h"
#include "api/routes.h"
#include "api/template_use.h"
#include "assembly/created.h"
#include "assembly/mask.h"
#include "assembly/payload.h"
#include "base/id.h"
#include "config.h"
#include "http/reply.h"

#include <string.h>

static void create_post(struct create *c, enum event_type type, json_t *data, conductor_reply reply)
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

/* May another Assembly be made, and with so many uploads? */
static int admit(int64_t *expected, struct create *c, const struct auth *who_is, struct err *err)
{
    if (c->app->draining)
        return err_set(err, ERR_BUSY, "The server is shutting down");
    if (limits_create(c->app->limits, who_is->key->workspace, err) < 0)
        return -1;
    if (space_check(&c->app->space, 0, err) < 0)
        return -1;
    if (parse_count(expected, c->expected ? c->expected : c->tus_expected, err) < 0)
        return -1;
    if (who_is->template_err.code) {
        *err = who_is->template_err;
        return -1;
    }
    return 0;
}

static json_t *create_record(struct create *c, const struct auth *who_is, const json_t *params, const json_t *merged,
                             int64_t expected, bool body_done)
{
    const struct template_use *template = who_is->template;
    json_t *given = json_object_get(merged, "fields");
    AUTO(json_unref) json_t *fields = json_is_object(given) ? json_copy(given) : json_object();
    AUTO(mem_free) char *shown = instructions_masked(params);
    AUTO(mem_free) char *shown_merged = template ? instructions_masked(merged) : mem_strdup(shown);
    AUTO(mem_free) char *shown_template = template ? instructions_masked(template->content) : NULL;
    AUTO(mem_free) char *base = app_base_url(c->req);

    json_object_update(fields, c->fields);
    return created_json(&(struct created){
        .workspace = who_is->key->workspace,
        .account_name = who_is->key->workspace_name,
        .key_id = who_is->key->id,
        .base_url = base,
        .nonce = c->nonce,
        .steps = json_object_get(merged, "steps"),
        .params = shown,
        .merged_params = shown_merged,
        .fields = fields,
        .client = http_header(c->req, "Transloadit-Client"),
        .notify_url = jstr(merged, "notify_url"),
        .redirect_url = jstr(merged, "redirect_url"),
        .usage_tags = jstr(merged, "usage_tags"),
        .template_id = template ? template->id : NULL,
        .template_name = template ? template->name : NULL,
        .template_params = shown_template,
        .quiet = jbool(merged, "quiet", false),
        .ignores_meta_errors = jbool(merged, "ignore_upload_meta_data_errors", false),
        .tells_progress = jbool(merged, "emit_execution_progress", false),
        .body_done = body_done,
        .body_bytes = c->received,
        .body_expected = http_content_length(c->req),
        .expected = (int)expected,
        .max_size = who_is->max_size,
        .max_files = who_is->max_files,
        .max_attempts = (int)c->app->config->job_attempts,
        .probe_batch = CREATED_PROBE_BATCH,
        .upload_batch = CREATED_UPLOAD_BATCH,
        .notes = true,
    });
}

/* The data of the `created` event. -1: no Assembly is made at all (err). */
static int created_data_checked(json_t **out, struct create *c, const struct auth *who_is, json_t *params,
                                bool body_done, struct err *err)
{
    AUTO(json_unref) json_t *merged = NULL;
    int64_t expected;

    if (admit(&expected, c, who_is, err) < 0)
        return -1;
    if (!who_is->template)
        merged = json_incref(params);
    else if (template_merge(&merged, who_is->template, params, err) < 0)
        return -1;
    note_wishes(c, merged);
    if (notify_url_check(json_object_get(merged, "notify_url"), err) < 0 ||
        payload_check(json_object_get(merged, "notification_payload"), err) < 0)
        return -1;
    c->max_size = who_is->max_size;
    *out = create_record(c, who_is, params, merged, expected, body_done);
    return 0;
}

static int created_data(json_t **out, struct create *c, bool body_done, struct err *err)
{
    struct auth_request request = who(c);
    struct auth auth;
    json_t *params;
    int rc = auth_check(&auth, &params, c->app, AUTH_CREATE, &request, "assemblies:write", err);

    auth_name_key(c->req, &auth, params);
    if (rc == 0) {
        note_wishes(c, params);
        rc = created_data_checked(out, c, &auth, params, body_done, err);
    }
    auth_done(&auth);
    json_decref(params);
    return rc;
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

/* It is known who sends this, and that they may: from here on it counts against their limits only. */
static void post_created(struct create *c, json_t *data, conductor_reply reply)
{
    c->created = true;
    http_known(c->req);
    if (c->form)
        form_known(c->form);
    json_object_clear(c->fields);
    create_post(c, EV_CREATED, data, reply);
}

/* The Assembly begins as soon as its params are known, so that it can be watched and canceled while its
 * files arrive. */
static int create_early(struct create *c, struct err *err)
{
    struct err why;
    json_t *data;

    if (c->created || !c->params || (c->lacks_signature && !c->signature))
        return 0;
    if (created_data(&data, c, false, &why) < 0) {
        if (why.code == ERR_NO_SIGNATURE) {
            c->lacks_signature = true; /* some clients send it after the files: asked again when it is there */
            return 0;
        }
        *err = why;
        return -1;
    }
    body_watch_set_assembly(c->watch, c->id, c->nonce);
    post_created(c, data, noted);
    return create_take_held(c, err);
}

static int on_file_begin(void *ctx, const char *name, const char *filename, const char *content_type,
                         struct err *err)
{
    struct create *c = ctx;

    (void)content_type;
    if (create_early(c, err) < 0)
        return -1;
    return c->created ? create_file_begin(c, name, filename, err) : create_hold_file(c, name, filename, err);
}

static int on_file_data(void *ctx, const char *data, size_t len, struct err *err)
{
    struct create *c = ctx;

    return c->created ? create_file_data(c, data, len, err) : create_hold(c, data, len, err);
}

static int on_file_end(void *ctx, struct err *err)
{
    struct create *c = ctx;

    return c->created ? create_file_end(c, err) : 0;
}

static void keep_field(char **slot, const char *value, size_t len)
{
    free(*slot);
    *slot = mem_strndup(value, len);
}

static int on_text_field(void *ctx, const char *name, const char *value, size_t len, struct err *err)
{
    struct create *c = ctx;

    (void)err;
    if (!strcmp(name, "params") && !c->params) {
        c->params = mem_alloc(len + 1);
        memcpy(c->params, value, len + 1);
        c->params_len = len;
    } else if (!strcmp(name, "signature")) {
        keep_field(&c->signature, value, len);
    } else if (!strcmp(name, "num_expected_upload_files")) {
        keep_field(&c->expected, value, len);
    } else if (!strcmp(name, "tus_num_expected_upload_files")) {
        keep_field(&c->tus_expected, value, len);
    } else if (strcmp(name, "params")) {
        jset(c->fields, name, value);
    }
    return 0;
}

static const struct form_sink sink = {on_file_begin, on_file_data, on_file_end, on_text_field};

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
    create_post(c, EV_FAIL,
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

        if (created_data(&data, c, !files, &err) < 0) {
            http_answer(req, wishes_refusal(&c->wishes, c->id, &err));
            return HTTP_ANSWERED;
        }
        c->complete = true;
        post_created(c, data, files ? noted : answer_created);
        if (!files)
            return HTTP_WAIT;
        if (create_take_held(c, &c->err) < 0) {
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
    create_post(c, EV_BODY_DONE, data, answer_created);
    return HTTP_WAIT;
}

static void create_done(struct http_request *req, enum http_outcome outcome)
{
    struct create *c = http_data(req);

    (void)outcome;
    if (!c)
        return;
    if (c->created && !c->complete)
        create_post(c, EV_BODY_CUT, json_pack("{s:I}", "bytes", (json_int_t)c->received), NULL);
    create_unref(c);
}

const struct http_handler assembly_create = {create_begin, create_body, create_end, create_done};
