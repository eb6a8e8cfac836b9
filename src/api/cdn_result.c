#include "api/cdn_result.h"
#include "assembly/created.h"
#include "assembly/mask.h"
#include "base/clock.h"
#include "robot/robot.h"
#include "robot/served.h"

#include <string.h>
#include <strings.h>

#define KEEP_MOST_S (30 * 86400)

/* ---- what is asked for ---- */

/* Does this step do the same whatever is known of its input beyond its type? */
static bool is_blind(const json_t *step)
{
    static const char *const blind[] = {"/image/resize", "/file/serve", "/video/ondemand"};
    const char *name = jstr_or(step, "robot", "");
    const struct robot *r = robot_find(name);

    for (size_t i = 0; i < ARRAY_LEN(blind); i++)
        if (!strcmp(name, blind[i]))
            return true;
    return r && r->no_input;
}

/* Whoever waits for a thumbnail has no use for the colours of the original: where nothing can see them, they are not
 * looked for. */
static void spare_meta(json_t *steps)
{
    AUTO(mem_free) char *text = json_text(steps);
    const char *name;
    json_t *step;

    if (strstr(text, "meta")) /* a variable, or what the Template itself says of it */
        return;
    json_object_foreach (steps, name, step)
        if (!is_blind(step))
            return;
    json_object_foreach (steps, name, step)
        json_object_set_new(step, "output_meta", json_false());
}

/* The Template's, of which what serves shows its files whatever uses them. */
static json_t *served_steps(const json_t *content)
{
    json_t *steps = json_deep_copy(json_object_get(content, "steps"));
    const char *name;
    json_t *step;

    json_object_foreach (steps, name, step)
        if (cdn_step_serves(step))
            json_object_set_new(step, "result", json_true());
    spare_meta(steps);
    return steps;
}

static json_t *all_fields(const struct cdn_order *o)
{
    AUTO(json_unref) json_t *given = cdn_address_fields(o->address);
    json_t *below = json_object_get(o->template->use->content, "fields");
    json_t *fields = json_is_object(below) ? json_copy(below) : json_object();

    json_object_update(fields, given);
    return fields;
}

json_t *cdn_created(const struct cdn_order *o)
{
    const struct template_use *use = o->template->use;
    const json_t *auth = json_object_get(use->content, "auth");
    AUTO(json_unref) json_t *steps = served_steps(use->content);
    AUTO(json_unref) json_t *fields = all_fields(o);
    AUTO(json_unref) json_t *params = json_pack("{s:s,s:O}", "template_id", use->id, "fields", fields);
    AUTO(json_unref) json_t *merged = json_copy(use->content);
    char nonce[ID_LEN + 1];

    json_object_update(merged, params);
    AUTO(mem_free) char *shown = instructions_masked(params);
    AUTO(mem_free) char *shown_merged = instructions_masked(merged);
    AUTO(mem_free) char *shown_template = instructions_masked(use->content);
    id_new(nonce);
    return created_json(&(struct created){
        .workspace = o->template->workspace,
        .account_name = o->template->workspace_name,
        .key_id = o->key_id ? o->key_id : o->template->key_id,
        .base_url = o->base_url,
        .nonce = nonce,
        .steps = steps,
        .params = shown,
        .merged_params = shown_merged,
        .fields = fields,
        .client = o->client,
        .notify_url = jstr(use->content, "notify_url"),
        .usage_tags = jstr(use->content, "usage_tags"),
        .template_id = use->id,
        .template_name = use->name,
        .template_params = shown_template,
        .by_url = true,
        .body_done = true,
        .max_size = jint(auth, "max_size", 0),
        .max_files = jint(auth, "max_number_of_files", 0),
        .max_attempts = o->max_attempts,
        .probe_batch = CREATED_PROBE_BATCH,
        .upload_batch = CREATED_UPLOAD_BATCH,
        .notes = true,
    });
}

/* ---- what came of it ---- */

/* What a code that is a Robot's own behaves like. */
static enum err_code class_of(const char *name)
{
    enum err_code known = err_code_by_name(name);

    return known != ERR_INTERNAL || !strcmp(name, "SERVER_500") ? known
           : str_ends(name, "_NOT_FOUND")                       ? ERR_HTTP_IMPORT_NOT_FOUND
           : str_ends(name, "_ACCESS_DENIED")                   ? ERR_HTTP_IMPORT_DENIED
                                                                : ERR_INPUT;
}

static const json_t *file_of(const json_t *status, const json_t *steps)
{
    const json_t *results = json_object_get(status, "results"), *file;
    const char *name;
    json_t *step;

    json_object_foreach ((json_t *)steps, name, step)
        if (cdn_step_serves(step) && (file = json_array_get(json_object_get(results, name), 0)))
            return file;
    return NULL;
}

static const char *cache_control_of(const json_t *headers)
{
    const char *name;
    json_t *v;

    json_object_foreach ((json_t *)headers, name, v)
        if (!strcasecmp(name, "Cache-Control"))
            return json_string_value(v);
    return NULL;
}

int cdn_result_read(struct cdn_entry **out, const json_t *status, const json_t *steps, const char *key, int64_t now_us,
                    struct err *err)
{
    const char *failed = jstr(status, "error");
    const json_t *file;

    if (failed)
        return err_set_named(err, class_of(failed), failed, "%s", jstr_or(status, "message", ""));
    if (strcmp(jstr_or(status, "ok", ""), "ASSEMBLY_COMPLETED") != 0)
        return err_set(err, ERR_BUSY, "The work on the file was ended: %.60s", jstr_or(status, "ok", ""));
    if (!(file = file_of(status, steps)) || !id_valid(jstr_or(file, "id", "")))
        return err_set(err, ERR_CDN_NO_RESULT, "The Assembly gave no file to /file/serve");
    const json_t *headers = json_object_get(json_object_get(json_object_get(file, "meta"), SERVED_META), "headers");
    int64_t age_s = served_age_s(cache_control_of(headers));
    *out =
        cdn_entry_new(key, jstr(file, "id"), jint(file, "size", 0), headers, jstr_or(file, "md5hash", jstr(file, "id")),
                      now_us, now_us + (age_s < KEEP_MOST_S ? age_s : KEEP_MOST_S) * SECOND_US);
    return 0;
}
