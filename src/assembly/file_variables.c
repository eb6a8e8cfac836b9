#include "assembly/file_variables.h"
#include "assembly/private.h"

#include <stdio.h>
#include <string.h>

/* "a30bd077..." -> "a3/0bd077..." (api-instructions.md 4.1) */
static char *prefix_of(const char *id)
{
    return id && strlen(id) > 2 ? mem_printf("%.2s/%s", id, id + 2) : mem_strdup("");
}

static json_t *file_object(const struct file *f)
{
    AUTO(mem_free) char *url_name = variables_slug(f->basename, f->ext);
    AUTO(mem_free) char *url_base = variables_slug(f->basename, "");
    json_t *o = json_object();

    jset(o, "id", f->id);
    json_object_set_new(o, "original_id", json_array_size(f->original_ids) == 1
                                              ? json_incref(json_array_get(f->original_ids, 0))
                                              : json_incref(f->original_ids));
    jset(o, "name", f->name);
    jset(o, "basename", f->basename);
    jset(o, "ext", f->ext);
    jset(o, "url_name", url_name);
    jset(o, "url_basename", url_base);
    jset(o, "original_name", f->original_name);
    jset(o, "original_basename", f->original_basename);
    jset(o, "original_path", f->original_path);
    json_object_set_new(o, "size", json_integer(f->size));
    jset(o, "mime", f->mime);
    jset(o, "type", f->type);
    jset(o, "md5hash", f->md5);
    jset(o, "field", f->field);
    json_object_set(o, "user_meta", f->user_meta);
    json_object_set(o, "meta", f->meta);
    return o;
}

void file_variables_fill(struct file_variables *out, const struct assembly *a, const struct file *f, int previous)
{
    out->file = f ? file_object(f) : NULL;
    out->prefix = f ? prefix_of(f->id) : NULL;
    out->original_prefix = f ? prefix_of(json_string_value(json_array_get(f->original_ids, 0))) : NULL;
    out->v = (struct variables){
        .assembly_id = a->id,
        .parent_id = jstr(a->created, "parent_id"),
        .unique_prefix = out->prefix,
        .unique_original_prefix = out->original_prefix,
        .previous_step = f && previous >= 0 ? a->in->steps[previous].name : NULL,
        .file = out->file,
        .fields = a->fields,
    };
}

void file_variables_done(struct file_variables v)
{
    json_decref(v.file);
    free(v.prefix);
    free(v.original_prefix);
}

json_t *step_user_meta(const struct step *s)
{
    const json_t *wanted = json_object_get(s->params, "user_meta");

    return wanted && !json_is_null(wanted) ? json_pack("{s:O,s:O*}", "user_meta", wanted, "interpolate",
                                                       json_object_get(s->params, "interpolate"))
                                           : NULL;
}

void file_warn_user_meta(struct assembly *a, int step, const char *why)
{
    AUTO(mem_free)
    char *text = mem_printf("The `user_meta` of the step '%.100s' is left out: %.300s", a->in->steps[step].name, why);

    assembly_warn(a, text);
}

json_t *file_user_meta_about(const struct assembly *a, const struct file *f, int step)
{
    AUTO(json_unref) json_t *given = a->begun.notes ? step_user_meta(&a->in->steps[step]) : NULL, *asked = NULL;
    AUTO(file_variables_done) struct file_variables fv = {0};

    if (!options_have_expression(given))
        return NULL;
    file_variables_fill(&fv, a, f, step);
    asked = variables_ask(given, NULL, &fv.v);
    return asked ? take(fv.file) : NULL;
}

void file_add_user_meta(struct assembly *a, struct file *f, int step, const json_t *about, const json_t *values)
{
    AUTO(json_unref) json_t *params = NULL, *given = step_user_meta(&a->in->steps[step]);
    AUTO(file_variables_done) struct file_variables fv = {0};
    struct err why = {0};

    if (!given)
        return;
    file_variables_fill(&fv, a, f, step);
    fv.v.file = about ? about : fv.v.file;
    fv.v.values = values;
    if (variables_apply(&params, given, NULL, &fv.v, &why) == 0 && json_object_get(params, "user_meta") &&
        !json_is_object(json_object_get(params, "user_meta")))
        err_set(&why, ERR_ROBOT_VALIDATION, "it is no object");
    if (why.code) {
        file_warn_user_meta(a, step, why.msg);
        return;
    }
    json_t *merged = f->user_meta ? json_copy(f->user_meta) : json_object(); /* other files may share it */
    json_object_update(merged, json_object_get(params, "user_meta"));
    json_decref(f->user_meta);
    f->user_meta = merged;
}
