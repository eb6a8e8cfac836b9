/* The records of files: names, what they inherit, and every place that shows them. */
#include "assembly/private.h"

#include <math.h>
#include <string.h>

void file_free(struct file *f)
{
    char *texts[] = {
        f->name,         f->basename, f->ext,           f->mime,          f->type,
        f->field,        f->md5,      f->original_name, f->original_path, f->original_basename,
        f->original_md5, f->tus_url,  f->url,           f->ssl_url};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    json_decref(f->original_ids);
    json_decref(f->user_meta);
    json_decref(f->meta);
    json_decref(f->extra);
    free(f->listed_step);
    free(f->listed_index);
    free(f);
}

void file_set_text(char **field, const char *value)
{
    char *copy = text_or_null(value);

    free(*field);
    *field = copy;
}

static void set_name(struct file *f, const char *name)
{
    char *clean = mem_alloc(256);

    str_file_name(clean, name);
    const char *dot = strrchr(clean, '.');
    bool has_ext = dot && dot > clean && dot[1];

    free(f->name);
    f->name = clean;
    free(f->basename);
    free(f->ext);
    f->basename = has_ext ? mem_strndup(clean, (size_t)(dot - clean)) : mem_strdup(clean);
    f->ext = mem_strdup(has_ext ? dot + 1 : "");
    for (char *c = f->ext; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c += 'a' - 'A';
}

struct file *file_add(struct assembly *a, const char *id, const char *name, int step)
{
    struct file *f = mem_zalloc(sizeof *f);

    memcpy(f->id, id, strnlen(id, ID_LEN));
    set_name(f, name);
    f->step = step;
    f->upload_index = -1;
    f->meta = json_object();
    if ((a->file_count & (a->file_count - 1)) == 0)
        a->files = mem_realloc(a->files,
                               (size_t)(a->file_count ? a->file_count * 2 : 1) * sizeof *a->files);
    a->files[a->file_count++] = f;
    return f;
}

void file_be_original(struct file *f, const char *path)
{
    f->original_ids = json_pack("[s]", f->id);
    f->original_name = mem_strdup(f->name);
    f->original_basename = mem_strdup(f->basename);
    f->original_path = mem_strdup(path);
    f->original_md5 = text_or_null(f->md5);
}

/* Each once. A bundle may have thousands. */
static json_t *originals_of(const struct assembly *a, const struct job *j)
{
    json_t *ids = json_array();
    struct map known = {0};

    for (int i = 0; i < j->input_count; i++) {
        const char *id = json_string_value(json_array_get(j->inputs[i]->original_ids, 0));

        if (a->in->steps[j->inputs[i]->step].hidden) /* what a parameter names is no original */
            continue;
        if (j->input_count == 1 || !map_put(&known, id, ids))
            json_array_append_new(ids, json_string(id));
    }
    map_done(&known);
    return ids;
}

void file_inherit(const struct assembly *a, struct file *f, const struct job *j, const struct file *from)
{
    file_set_text(&f->original_name, from->original_name);
    file_set_text(&f->original_basename, from->original_basename);
    file_set_text(&f->original_path, from->original_path);
    file_set_text(&f->original_md5, from->original_md5);
    file_set_text(&f->field, from->field);
    f->from_batch_import = from->from_batch_import;
    f->user_meta = json_incref(from->user_meta);
    f->original_ids = originals_of(a, j);
    if (jstr(from->extra, "import_url"))
        f->extra = json_pack("{s:s}", "import_url", jstr(from->extra, "import_url"));
}

int64_t robot_cost(const struct robot *r, int64_t bytes)
{
    int64_t cost = r->price_factor > 0 ? (int64_t)ceil((double)bytes / r->price_factor) : 0;

    return cost < r->min_charge ? r->min_charge : cost;
}

static void show_upload(struct assembly *a, struct file *f, struct effects *fx)
{
    if (f->upload_index >= 0)
        effects_fragment(fx, LIST_UPLOADS, 0, f->upload_index, status_file(a, f, true));
}

void file_list(struct assembly *a, struct file *f, int step, struct effects *fx)
{
    int index = a->result_counts[step]++;
    char *json = status_file(a, f, false);
    struct str event = {0};

    f->listed_step = mem_realloc(f->listed_step, (size_t)(f->listed_count + 1) * sizeof(int));
    f->listed_index = mem_realloc(f->listed_index, (size_t)(f->listed_count + 1) * sizeof(int));
    f->listed_step[f->listed_count] = step;
    f->listed_index[f->listed_count++] = index;
    str_putc(&event, '[');
    str_add_json(&event, a->in->steps[step].name);
    str_putc(&event, ',');
    str_puts(&event, json);
    str_putc(&event, ']');
    effects_fragment(fx, LIST_RESULTS, step, index, json);
    effects_tell(fx, "assembly_result_finished", str_take(&event));
}

bool file_is_listed(const struct file *f, int step)
{
    for (int i = 0; i < f->listed_count; i++)
        if (f->listed_step[i] == step)
            return true;
    return false;
}

/* The file's record changed: every place that shows it. */
void file_refresh(struct assembly *a, struct file *f, struct effects *fx)
{
    show_upload(a, f, fx);
    for (int i = 0; i < f->listed_count; i++)
        effects_fragment(fx, LIST_RESULTS, f->listed_step[i], f->listed_index[i],
                         status_file(a, f, false));
}

/* api-instructions.md 7: exported files, `result: true`, and files of steps that nobody uses. */
void file_list_if_due(struct assembly *a, struct file *f, struct effects *fx)
{
    const struct step *s = &a->in->steps[f->step];

    if (f->exports_open || file_is_listed(f, f->step))
        return;
    if (s->result || f->exported || (s->leaf && s->declared && !a->is_export[f->step]))
        file_list(a, f, f->step, fx);
}

void file_list_passed(struct assembly *a, struct file *f, int step, struct effects *fx)
{
    const struct step *s = &a->in->steps[step];

    if (step != f->step && !f->exports_open && !file_is_listed(f, step) && (s->result || s->leaf))
        file_list(a, f, step, fx);
}

void file_start_consumers(struct assembly *a, struct file *f, int64_t at_us, struct effects *fx)
{
    if (f->ready || f->is_noted)
        return;
    f->ready = true;
    graph_file_ready(a, f, f->step, at_us, fx);
}

void file_is_ready(struct assembly *a, struct file *f, int64_t at_us, struct effects *fx)
{
    file_start_consumers(a, f, at_us, fx);
    if (!f->is_noted)
        file_list_if_due(a, f, fx);
}

/* d: the file's record; u: the tus upload that brought it, or NULL. */
void assembly_add_upload(struct assembly *a, const json_t *d, const struct tus_upload *u,
                         int64_t at_us, struct effects *fx)
{
    struct file *f =
        file_add(a, jstr_or(d, "id", ""), jstr_or(d, "name", "unnamed"), STEP_ORIGINAL);

    f->size = jint(d, "size", 0);
    f->md5 = text_or_null(jstr(d, "md5"));
    f->field = text_or_null(jstr(d, "field"));
    f->user_meta = json_incref(json_object_get(d, "user_meta"));
    f->is_tus = u != NULL;
    f->tus_url = u ? mem_strdup(u->url) : NULL;
    f->upload_index = a->upload_count++;
    file_be_original(f, "/");
    show_upload(a, f, fx);
    effects_tell(fx, "assembly_upload_finished", status_file(a, f, true));
    graph_add_probe(a, f, STEP_ORIGINAL, at_us, fx);
}
