/* The `created` event, written and read. */
#include "assembly/created.h"

static void set_true(json_t *data, const char *name, bool value)
{
    if (value)
        json_object_set_new(data, name, json_true());
}

json_t *created_json(const struct created *c)
{
    json_t *data =
        json_pack("{s:O?,s:b,s:I,s:I,s:i,s:I,s:I,s:i,s:O*,s:O*}", "steps", c->steps, "body_done", c->body_done,
                  "body_bytes", (json_int_t)c->body_bytes, "body_expected", (json_int_t)c->body_expected, "expected",
                  c->expected, "max_size", (json_int_t)c->max_size, "max_files", (json_int_t)c->max_files,
                  "max_attempts", c->max_attempts, "fields", c->fields, "inputs", c->inputs);

    if (c->probe_batch > 1)
        json_object_set_new(data, "probe_batch", json_integer(c->probe_batch));
    if (c->upload_batch > 1)
        json_object_set_new(data, "upload_batch", json_integer(c->upload_batch));
    jset(data, "workspace", c->workspace);
    jset(data, "account_name", c->account_name);
    jset(data, "key_id", c->key_id);
    jset(data, "base_url", c->base_url);
    jset(data, "nonce", c->nonce);
    jset(data, "params", c->params);
    jset(data, "merged_params", c->merged_params);
    jset(data, "client", c->client);
    jset(data, "notify_url", c->notify_url);
    jset(data, "redirect_url", c->redirect_url);
    jset(data, "usage_tags", c->usage_tags);
    jset(data, "template_id", c->template_id);
    jset(data, "template_name", c->template_name);
    jset(data, "template", c->template_params);
    set_true(data, "quiet", c->quiet);
    set_true(data, "ignore_upload_meta_data_errors", c->ignores_meta_errors);
    set_true(data, "emit_execution_progress", c->tells_progress);
    set_true(data, "by_url", c->by_url);
    set_true(data, "notes", c->notes);
    jset(data, "parent_id", c->parent_id);
    return data;
}

void created_read(struct created *c, const json_t *data)
{
    json_t *fields = json_object_get(data, "fields");

    *c = (struct created){
        .workspace = jstr(data, "workspace"),
        .account_name = jstr(data, "account_name"),
        .key_id = jstr(data, "key_id"),
        .base_url = jstr(data, "base_url"),
        .nonce = jstr(data, "nonce"),
        .steps = json_object_get(data, "steps"),
        .params = jstr(data, "params"),
        .merged_params = jstr(data, "merged_params"),
        .fields = json_is_object(fields) ? fields : NULL,
        .client = jstr(data, "client"),
        .notify_url = jstr(data, "notify_url"),
        .redirect_url = jstr(data, "redirect_url"),
        .usage_tags = jstr(data, "usage_tags"),
        .template_id = jstr(data, "template_id"),
        .template_name = jstr(data, "template_name"),
        .template_params = jstr(data, "template"),
        .quiet = jbool(data, "quiet", false),
        .ignores_meta_errors = jbool(data, "ignore_upload_meta_data_errors", false),
        .tells_progress = jbool(data, "emit_execution_progress", false),
        .by_url = jbool(data, "by_url", false),
        .notes = jbool(data, "notes", false), /* as probe_batch: a note is a job, and takes an id */
        .body_done = jbool(data, "body_done", true),
        .body_bytes = jint(data, "body_bytes", 0),
        .body_expected = jint(data, "body_expected", 0),
        .expected = (int)jint(data, "expected", 0),
        .max_size = jint(data, "max_size", 0),
        .max_files = jint(data, "max_files", 0),
        .max_attempts = (int)jint(data, "max_attempts", 3),
        .probe_batch = (int)jint(data, "probe_batch",
                                 1), /* as it was when older stores were written: replayed, ids are the same */
        .upload_batch = (int)jint(data, "upload_batch", 1), /* the same */
        .parent_id = jstr(data, "parent_id"),
        .inputs = json_object_get(data, "inputs"),
        .refusal = json_object_get(data, "error"),
    };
}
