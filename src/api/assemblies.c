/* POST|PUT /assemblies[/{id}], GET and DELETE /assemblies/{id}. Contract: api-assemblies.md 1-3. */
#include "api/assemblies.h"
#include "api/app.h"
#include "api/auth.h"
#include "api/fields.h"
#include "api/limits.h"
#include "api/routes.h"
#include "conductor/conductor.h"
#include "conductor/document.h"
#include "http/reply.h"
#include "store/store.h"

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
    AUTO(json_unref)
    json_t *body = json_pack("{s:s,s:i,s:o}", "error", err_name(err), "http_code", err_http_status(err), "message",
                             jstring(err->msg));
    json_object_update(body, (json_t *)extra);
    if (err->retry_s > 0)
        json_object_set_new(body, "info", json_pack("{s:i}", "retryIn", err->retry_s));
    AUTO(mem_free) char *text = json_text(body);
    answer_jsonp(req, callback, text, err_name(err));
}

int assembly_stored(struct str *out, struct app *app, const char *id, struct err *err)
{
    if (document_get(out, app->reader, app->seal, id, err) == 0)
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

const struct http_handler assembly_delete = {fields_request_begin, fields_request_body, cancel_end,
                                             fields_request_done};

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
