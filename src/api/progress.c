/* GET /assemblies/{id}/execution_progress. Who knows the URL may ask, as for the status. */
#include "api/app.h"
#include "api/assemblies.h"
#include "api/routes.h"
#include "conductor/conductor.h"
#include "http/reply.h"
#include "http/server.h"

#include <string.h>

static void progress_answer(struct http_request *req, json_t *progress)
{
    json_object_set_new(progress, "ok", json_string("ASSEMBLY_EXECUTION_PROGRESS_FETCHED"));
    json_object_set_new(progress, "http_code", json_integer(200));
    jset(progress, "message", "The execution progress was fetched.");
    reply_json(req, 200, json_text(progress));
}

static void progress_refuse(struct http_request *req, enum err_code code, const char *why)
{
    struct err err;

    err_set(&err, code, "%s", why);
    reply_error(req, &err, NULL);
}

/* Out of memory already: it is what its final document says. */
static void answer_stored(struct http_request *req, const char *id)
{
    AUTO(str_done) struct str text = {0};
    struct err err;

    if (assembly_stored(&text, app_of(req), id, &err) < 0) {
        reply_error(req, &err, NULL);
        return;
    }
    AUTO(json_unref) json_t *status = json_reads(text.s);
    AUTO(json_unref) json_t *params = json_reads(jstr_or(status, "merged_params", "{}"));
    bool done = !strcmp(jstr_or(status, "ok", ""), "ASSEMBLY_COMPLETED");
    AUTO(json_unref) json_t *progress = json_pack("{s:[]}", "progress_per_original_file");
    json_t *upload;
    size_t i;

    if (!jbool(params, "emit_execution_progress", false)) {
        progress_refuse(req, ERR_NO_PROGRESS, "The Assembly was created without emit_execution_progress");
        return;
    }
    if (done) /* else nobody knows any more */
        json_object_set_new(progress, "progress_combined", json_integer(100));
    json_array_foreach (json_object_get(status, "uploads"), i, upload)
        if (done)
            json_array_append_new(
                json_object_get(progress, "progress_per_original_file"),
                json_pack("{s:s,s:i}", "original_id", jstr_or(upload, "id", ""), "progress", 100));
    progress_answer(req, progress);
}

static void reported(void *ctx, const struct err *err, struct published *p)
{
    struct http_request *req = ctx;
    AUTO(mem_free) char *text = p && !err ? published_report(p) : NULL;
    AUTO(json_unref) json_t *progress = text ? json_reads(text) : NULL;

    if (err && err->code != ERR_ASSEMBLY_NOT_FOUND)
        reply_error(req, err, NULL);
    else if (!p)
        answer_stored(req, http_path_arg(req, 0));
    else if (!progress)
        progress_refuse(req, ERR_NO_PROGRESS, "The Assembly was created without emit_execution_progress");
    else
        progress_answer(req, progress);
    http_request_unref(req);
}

static enum http_next progress_end(struct http_request *req)
{
    http_request_ref(req);
    conductor_report(app_of(req)->conductor, http_path_arg(req, 0), reported, req);
    return HTTP_WAIT;
}

const struct http_handler assembly_progress_get = {.end = progress_end};
