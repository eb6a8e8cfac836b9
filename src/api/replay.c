/* POST /assemblies/{id}/replay: a new Assembly over the uploads of an old one. Contract:
 * api-assemblies.md 5.
 *
 * Its blobs are second names of the old one's, so each expires in its own time. */
#include "api/call.h"
#include "api/limits.h"
#include "api/notifications.h"
#include "api/routes.h"
#include "api/template_use.h"
#include "assembly/mask.h"
#include "base/id.h"
#include "blob/blob.h"
#include "conductor/conductor.h"
#include "config.h"

#include <string.h>

struct replay {
    struct call *call;
    char id[ID_LEN + 1];
    char *base_url, *notify_url;
    json_t *inputs;                /* files of the new one */
    json_t *merged;                /* its instructions */
    struct template_use *template; /* that they were made of; NULL: none was read */
};

/* ---- the original ---- */

static int load(struct assembly **out, struct call *c, const char *id, struct err *err)
{
    AUTO(assembly_free) struct assembly *a = NULL;

    if (history_load(&a, c, id, NULL, NULL, err) < 0)
        return -1;
    if (a->begun.by_url)
        return err_set(err, ERR_NOT_REPLAYABLE, "The Assembly was made for a request by URL: ask for the file again");
    /* one that executes has all its uploads: that it goes on does not matter */
    if (a->state == ASSEMBLY_UPLOADING)
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

/* The steps of the request as it came: its params are kept masked, and what the masks hide is in
 * those that ran. */
static json_t *unmasked(json_t *shown, json_t *ran)
{
    const char *key;
    json_t *v;
    size_t i;

    if (json_is_object(shown)) {
        json_t *out = json_object();

        json_object_foreach (shown, key, v)
            json_object_set_new(out, key, unmasked(v, json_object_get(ran, key)));
        return out;
    }
    if (json_is_array(shown)) {
        json_t *out = json_array();

        json_array_foreach (shown, i, v)
            json_array_append_new(out, unmasked(v, json_array_get(ran, i)));
        return out;
    }
    return json_incref(
        ran && json_is_string(shown) && strstr(json_string_value(shown), "****") ? ran : shown);
}

/* Steps as a list, as old clients send them: a member is the step that its `name` says, else the one that stands at its
 * place among those that it is laid over. A new reference. NULL: there is no such step. */
static json_t *named_steps(json_t *list, json_t *over)
{
    AUTO(json_unref) json_t *steps = json_object();
    AUTO(json_unref) json_t *names = json_array();
    const char *key;
    json_t *v;
    size_t i;

    json_object_foreach (over, key, v)
        json_array_append_new(names, json_string(key));
    json_array_foreach (list, i, v) {
        AUTO(json_unref) json_t *step = json_copy(v);
        const char *given = jstr(v, "name");
        const char *name = given ? given : json_string_value(json_array_get(names, i));

        if (!name)
            return NULL;
        if (given)
            json_object_del(step, "name");
        json_object_set(steps, name, step);
    }
    return take(steps);
}

static bool wants_template_again(const json_t *params)
{
    const char *text = jstr(params, "reparse_template");

    return jbool(params, "reparse_template", false) || jnum(params, "reparse_template", 0) != 0 ||
           (text && !strcmp(text, "1"));
}

/* What the new one's instructions are made of: the steps as they ran, or a Template, and over it
 * the request's. */
static int read_instructions(struct replay *r, const struct assembly *a, struct err *err)
{
    struct call *c = r->call;
    const char *workspace = c->auth.key->workspace, *was = a->begun.template_id;
    json_t *over = json_object_get(c->params, "steps"),
           *other = json_object_get(c->params, "template_id");
    json_t *ran = a->begun.steps;
    AUTO(json_unref) json_t *listed = NULL;

    if (json_is_null(over) || (json_is_object(over) && !json_object_size(over)) ||
        (json_is_array(over) && !json_array_size(over)))
        over = NULL;
    if (json_is_null(other))
        other = NULL;
    if (json_is_array(over) && !(over = listed = named_steps(over, ran)))
        return err_set(err, ERR_INVALID_STEPS, "steps is a list with more members than the Assembly has steps");
    if (other || (was && wants_template_again(c->params))) {
        AUTO(json_unref) json_t *asked = json_object();
        AUTO(json_unref) json_t *before = NULL;

        if (template_load(&r->template, c->app, workspace, other ? json_string_value(other) : was,
                          err) < 0)
            return -1;
        if (!other) {
            AUTO(json_unref)
            json_t *shown = json_reads(a->begun.params ? a->begun.params : "{}");
            json_t *steps = json_object_get(shown, "steps");

            if (json_is_object(steps))
                before = unmasked(steps, ran);
        }
        if (before && over)
            json_object_set_new(asked, "steps", params_merge(before, over));
        else if (before || over)
            json_object_set(asked, "steps", before ? before : over);
        return template_merge(&r->merged, r->template, asked, err);
    }
    AUTO(json_unref) json_t *text = json_reads(a->begun.template_params ? a->begun.template_params : "{}");
    if (over && template_is_final(&(struct template_use){.content = text}))
        return err_set(err, ERR_TEMPLATE_DENIES,
                       "The Template '%.100s' does not allow its steps to be overridden",
                       a->begun.template_name ? a->begun.template_name : "");
    r->merged = json_object();
    if (ran || over)
        json_object_set_new(r->merged, "steps",
                            over ? params_merge(ran, over) : json_deep_copy(ran));
    return 0;
}

/* The original's fields, over those of a Template, and over both the request's. */
static json_t *fields_of(const struct call *c, const struct assembly *a, const struct replay *r)
{
    json_t *fields = json_deep_copy(a->fields);
    json_t *below = json_object_get(r->merged, "fields"), *over = json_object_get(c->params, "fields");

    if (json_is_object(below))
        json_object_update_missing(fields, below);
    if (json_is_object(over))
        json_object_update(fields, over);
    return fields;
}

static json_t *replay_record(struct call *c, const struct assembly *a, struct replay *r)
{
    const struct created *was = &a->begun;
    const struct template_use *template = r->template;
    json_t *steps = json_object_get(r->merged, "steps"), *notify = json_object_get(c->params, "notify_url");
    AUTO(json_unref) json_t *fields = fields_of(c, a, r);
    char nonce[ID_LEN + 1];

    r->notify_url = json_is_string(notify)           ? mem_strdup(json_string_value(notify))
                    : notify || !was->notify_url ? NULL
                                                     : mem_strdup(was->notify_url);
    AUTO(json_unref)
    json_t *merged = json_pack("{s:O?,s:O,s:s?}", "steps", steps, "fields", fields, "notify_url", r->notify_url);
    AUTO(mem_free) char *shown = instructions_masked(c->params);
    AUTO(mem_free) char *shown_merged = instructions_masked(merged);
    AUTO(mem_free) char *shown_template = template ? instructions_masked(template->content) : NULL;

    id_new(nonce);
    return created_json(&(struct created){
        .workspace = a->workspace,
        .account_name = c->auth.key->workspace_name,
        .key_id = c->auth.key->id,
        .base_url = r->base_url,
        .nonce = nonce,
        .steps = steps,
        .params = shown,
        .merged_params = shown_merged,
        .fields = fields,
        .client = http_header(c->req, "Transloadit-Client"),
        .notify_url = r->notify_url,
        .usage_tags = was->usage_tags,
        .template_id = template ? template->id : was->template_id,
        .template_name = template ? template->name : was->template_name,
        .template_params = template ? shown_template : was->template_params,
        .ignores_meta_errors = was->ignores_meta_errors,
        .tells_progress = was->tells_progress,
        .body_done = true,
        .max_size = c->auth.max_size,
        .max_files = c->auth.max_files,
        .max_attempts = (int)c->app->config->job_attempts,
        .probe_batch = CREATED_PROBE_BATCH,
        .upload_batch = CREATED_UPLOAD_BATCH,
        .notes = true,
        .parent_id = a->id,
        .inputs = r->inputs,
    });
}

/* ---- the answer ---- */

static void drop_inputs(struct replay *r)
{
    json_t *input;
    size_t i;

    json_array_foreach (r->inputs, i, input)
        (void)!blob_delete(r->call->app->blobs, jstr_or(input, "id", ""), NULL);
}

/* As drop_inputs(), on the conductor's thread. */
static void discard_inputs(struct replay *r)
{
    json_t *input;
    size_t i;

    json_array_foreach (r->inputs, i, input)
        conductor_discard(r->call->app->conductor, jstr_or(input, "id", ""));
}

static void replay_free(struct replay *r)
{
    json_decref(r->inputs);
    json_decref(r->merged);
    template_use_free(r->template);
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
        discard_inputs(r);
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
    struct replay *r = mem_zalloc(sizeof *r);
    r->call = c;
    r->inputs = json_array();
    r->base_url = app_base_url(c->req);
    id_new_ordered(r->id);
    if (read_instructions(r, a, err) < 0 || clone_inputs(r->inputs, c, a, err) < 0) {
        drop_inputs(r);
        replay_free(r);
        return -1;
    }
    conductor_post(c->app->conductor, &(struct conductor_news){.assembly_id = r->id,
                                                               .type = EV_CREATED,
                                                               .data = replay_record(c, a, r),
                                                               .reply = created,
                                                               .ctx = r});
    return 0;
}
