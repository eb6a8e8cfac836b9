/* POST /assemblies/{id}/replay: a new Assembly over the uploads of an old one. Contract:
 * api-assemblies.md 5.
 *
 * Its blobs are second names of the old one's, so each expires in its own time. */
#include "api/call.h"
#include "api/notifications.h"
#include "base/id.h"

#include <string.h>

struct replay {
    struct call *call;
    char id[ID_LEN + 1];
    char *base_url, *notify_url;
    json_t *inputs; /* files of the new one */
};

/* ---- the original ---- */

static int keep_event(void *ctx, int64_t seq, int64_t at_us, const char *json)
{
    struct assembly *a = ctx;
    AUTO(json_unref) json_t *record = json_loads(json, 0, NULL);
    int type = event_type_by_name(jstr_or(record, "e", ""));
    struct effects fx = {0};

    (void)seq;
    if (type >= 0)
        (void)!assembly_apply(
            a, &(struct event){(enum event_type)type, json_object_get(record, "d"), at_us}, &fx,
            NULL);
    effects_done(&fx);
    return 0;
}

/* Its events are forgotten together with its files; only its document is left. */
static int no_events(struct call *c, const char *id, struct err *err)
{
    AUTO(str_done) struct str text = {0};
    struct err none;

    if (store_status_get(&text, c->app->reader, id, &none) < 0)
        return err_set(err, ERR_ASSEMBLY_NOT_FOUND, "There is no such Assembly");
    AUTO(json_unref) json_t *status = json_loads(text.s, 0, NULL);
    if (strcmp(jstr_or(status, "account_id", ""), c->auth.key->workspace))
        return err_set(err, ERR_ACCOUNT_MISMATCH, "The Assembly belongs to another workspace");
    return err_set(err, ERR_NOT_REPLAYABLE, "The files of the Assembly are gone");
}

static int load(struct assembly **out, struct call *c, const char *id, struct err *err)
{
    AUTO(assembly_free) struct assembly *a = assembly_new(id);

    if (store_history(c->app->list_reader, id, keep_event, a, err) < 0)
        return -1;
    if (a->state == ASSEMBLY_NEW)
        return no_events(c, id, err);
    if (strcmp(a->workspace, c->auth.key->workspace))
        return err_set(err, ERR_ACCOUNT_MISMATCH, "The Assembly belongs to another workspace");
    if (!assembly_is_over(a))
        return err_set(err, ERR_NOT_FINISHED, "The Assembly is not over: %s", assembly_code(a));
    if (!a->uploading_finished)
        return err_set(err, ERR_NOT_REPLAYABLE,
                       "The uploads of the Assembly never became complete");
    *out = take(a);
    return 0;
}

/* ---- the new one ---- */

static int clone_inputs(json_t *list, struct call *c, const struct assembly *a, struct err *err)
{
    for (int i = 0; i < a->file_count; i++) {
        const struct file *f = a->files[i];
        char id[ID_LEN + 1];

        if (f->upload_index < 0)
            continue;
        id_new(id);
        if (blob_clone(c->app->blobs, f->id, id, err) < 0)
            return err->code == ERR_NOT_FOUND
                       ? err_set(err, ERR_NOT_REPLAYABLE,
                                 "The file '%.100s' of the Assembly is gone", f->name)
                       : -1;
        json_t *input = json_pack("{s:s,s:o,s:I,s:O*}", "id", id, "name", jstring(f->name), "size",
                                  (json_int_t)f->size, "user_meta", f->user_meta);
        jset(input, "md5", f->md5);
        jset(input, "field", f->field);
        json_array_append_new(list, input);
    }
    return 0;
}

/* The steps as they ran, with what the request changes in them. */
static json_t *merged_steps(const struct assembly *a, const json_t *params)
{
    json_t *steps = json_deep_copy(json_object_get(a->created, "steps")),
           *over = json_object_get(params, "steps");

    if (!over || json_is_null(over))
        return steps;
    if (!json_is_object(over) || !json_is_object(steps)) {
        json_decref(steps);
        return json_deep_copy(over);
    }
    json_object_update_recursive(steps, over);
    return steps;
}

static char *masked(const json_t *params)
{
    AUTO(json_unref) json_t *copy = json_deep_copy(params);

    instructions_mask(copy);
    return json_text(copy);
}

static json_t *describe(struct call *c, const struct assembly *a, struct replay *r)
{
    static const char *const kept[] = {"usage_tags",
                                       "ignore_upload_meta_data_errors",
                                       "emit_execution_progress",
                                       "template_id",
                                       "template_name",
                                       "template"};
    AUTO(json_unref) json_t *steps = merged_steps(a, c->params);
    AUTO(json_unref) json_t *fields = json_deep_copy(a->fields);
    json_t *over = json_object_get(c->params, "fields");
    json_t *notify = json_object_get(c->params, "notify_url");

    if (json_is_object(over))
        json_object_update(fields, over);
    r->notify_url = json_is_string(notify) ? mem_strdup(json_string_value(notify))
                    : notify || !jstr(a->created, "notify_url")
                        ? NULL
                        : mem_strdup(jstr(a->created, "notify_url"));
    AUTO(json_unref)
    json_t *merged =
        json_pack("{s:O?,s:O,s:s?}", "steps", steps, "fields", fields, "notify_url", r->notify_url);
    AUTO(mem_free) char *params_text = masked(c->params);
    AUTO(mem_free) char *merged_text = masked(merged);
    char nonce[ID_LEN + 1];

    id_new(nonce);
    json_t *d = json_pack(
        "{s:s,s:s,s:s,s:O?,s:o,s:o,s:O,s:i,s:b,s:i,s:i,s:I,s:I,s:i,s:s,s:s,s:O}", "workspace",
        a->workspace, "key_id", c->auth.key->id, "base_url", r->base_url, "steps", steps, "params",
        jstring(params_text), "merged_params", jstring(merged_text), "fields", fields, "expected",
        0, "body_done", 1, "body_bytes", 0, "body_expected", 0, "max_size",
        (json_int_t)c->auth.max_size, "max_files", (json_int_t)c->auth.max_files, "max_attempts",
        (int)c->app->config->job_attempts, "nonce", nonce, "parent_id", a->id, "inputs", r->inputs);
    jset(d, "client", http_header(c->req, "Transloadit-Client"));
    jset(d, "notify_url", r->notify_url);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (json_object_get(a->created, kept[i]))
            json_object_set(d, kept[i], json_object_get(a->created, kept[i]));
    return d;
}

/* ---- the answer ---- */

static void drop_inputs(struct replay *r)
{
    json_t *input;
    size_t i;

    json_array_foreach (r->inputs, i, input)
        (void)!blob_delete(r->call->app->blobs, jstr_or(input, "id", ""), NULL);
}

static void replay_free(struct replay *r)
{
    json_decref(r->inputs);
    free(r->base_url);
    free(r->notify_url);
    free(r);
}

static void created(void *ctx, const struct err *err, struct published *p)
{
    struct replay *r = ctx;
    struct call *c = r->call;
    AUTO(mem_free) char *url = mem_printf("%s/assemblies/%s", r->base_url, r->id);
    json_t *o = p && err ? (c->extra = json_object()) : c->body;

    if (!p)
        drop_inputs(r); /* a few names on the conductor's thread: it is refused rarely */
    if (!err) {
        jset(o, "message", "A replay was started.");
        json_object_set_new(o, "success", json_true());
        json_object_set_new(o, "notify_url", r->notify_url ? jstring(r->notify_url) : json_null());
    }
    if (p) {
        jset(o, "assembly_id", r->id);
        jset(o, "assembly_url", url);
        jset(o, "assembly_ssl_url", url);
    }
    replay_free(r);
    call_answer(c, err);
}

int assembly_replay(struct call *c, struct err *err)
{
    AUTO(assembly_free) struct assembly *a = NULL;

    if (c->app->draining)
        return err_set(err, ERR_BUSY, "The server is shutting down");
    if (limits_create(c->app->limits, c->auth.key->workspace, err) < 0)
        return -1;
    if (notify_url_check(json_object_get(c->params, "notify_url"), err) < 0 ||
        load(&a, c, http_path_arg(c->req, 0), err) < 0)
        return -1;
    if (jstr(c->params, "template_id"))
        return err_set(err, ERR_TEMPLATE_NOT_FOUND, "There is no Template '%.100s'",
                       jstr(c->params, "template_id"));

    struct replay *r = mem_zalloc(sizeof *r);
    r->call = c;
    r->inputs = json_array();
    r->base_url = app_base_url(c->req);
    id_new(r->id);
    if (clone_inputs(r->inputs, c, a, err) < 0) {
        drop_inputs(r);
        replay_free(r);
        return -1;
    }
    conductor_post(c->app->conductor, &(struct conductor_news){.assembly_id = r->id,
                                                               .type = EV_CREATED,
                                                               .data = describe(c, a, r),
                                                               .reply = created,
                                                               .ctx = r});
    return 0;
}
