#include "assembly/assembly.h"
#include "assembly/graph.h"
#include "assembly/variables.h"
#include "base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MAX_IGNORED_ERRORS 100
#define RETRY_DELAY_US SECOND_US

static const struct {
    const char *name;
    bool durable;
} event_table[] = {
#define X(name, text, durable) [name] = {text, durable},
#include "assembly/events.def"
#undef X
};

bool event_is_durable(enum event_type t) { return event_table[t].durable; }
const char *event_name(enum event_type t) { return event_table[t].name; }

int event_type_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(event_table); i++)
        if (!strcmp(event_table[i].name, name))
            return (int)i;
    return -1;
}

static const struct {
    const char *code;
    bool over;
    unsigned may_become; /* bits of enum assembly_state */
} states[] = {
    [ASSEMBLY_NEW] = {"ASSEMBLY_UPLOADING", false,
                      1u << ASSEMBLY_UPLOADING | 1u << ASSEMBLY_FAILED},
    [ASSEMBLY_UPLOADING] = {"ASSEMBLY_UPLOADING", false,
                            1u << ASSEMBLY_EXECUTING | 1u << ASSEMBLY_CANCELED |
                                1u << ASSEMBLY_ABORTED | 1u << ASSEMBLY_FAILED},
    [ASSEMBLY_EXECUTING] = {"ASSEMBLY_EXECUTING", false,
                            1u << ASSEMBLY_COMPLETED | 1u << ASSEMBLY_CANCELED |
                                1u << ASSEMBLY_FAILED},
    [ASSEMBLY_COMPLETED] = {"ASSEMBLY_COMPLETED", true, 0},
    [ASSEMBLY_CANCELED] = {"ASSEMBLY_CANCELED", true, 0},
    [ASSEMBLY_ABORTED] = {"REQUEST_ABORTED", true, 0},
    [ASSEMBLY_FAILED] = {"", true, 0},
};

bool assembly_is_over(const struct assembly *a) { return states[a->state].over; }

const char *assembly_code(const struct assembly *a)
{
    return a->state == ASSEMBLY_FAILED ? err_name(&a->error) : states[a->state].code;
}

/* ---- memory ---- */

static void effect_done(struct effect *e) { free(e->text); }

void effects_reset(struct effects *fx)
{
    for (int i = 0; i < fx->count; i++)
        effect_done(&fx->v[i]);
    fx->count = 0;
}

void effects_done(struct effects *fx)
{
    effects_reset(fx);
    free(fx->v);
    *fx = (struct effects){0};
}

static void file_free(struct file *f)
{
    char *texts[] = {f->name,          f->basename,          f->ext,           f->mime,
                     f->type,          f->field,             f->md5,           f->original_name,
                     f->original_path, f->original_basename, f->original_md5,  f->tus_url,
                     f->url,           f->ssl_url};

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

struct assembly *assembly_new(const char *id)
{
    struct assembly *a = mem_zalloc(sizeof *a);

    memcpy(a->id, id, ID_LEN);
    a->log = (struct log){"assembly", a->id, NULL};
    a->warnings = json_array();
    a->fields = json_object();
    return a;
}

void assembly_free(struct assembly *a)
{
    if (!a)
        return;
    for (int i = 0; i < a->file_count; i++)
        file_free(a->files[i]);
    for (int i = 0; i < a->job_count; i++) {
        json_decref(a->jobs[i]->undo);
        json_decref(a->jobs[i]->fetch);
        free(a->jobs[i]->inputs);
        free(a->jobs[i]->labels);
        free(a->jobs[i]);
    }
    for (int i = 0; i < a->tus_count; i++) {
        free(a->tus[i].filename);
        free(a->tus[i].fieldname);
        free(a->tus[i].url);
        json_decref(a->tus[i].user_meta);
    }
    for (int i = 0; a->in && i < a->in->count; i++)
        free(a->bundles[i]);
    map_done(&a->tus_by_id);
    free(a->tus);
    free(a->files);
    free(a->jobs);
    free(a->running);
    free(a->bundles);
    free(a->bundle_counts);
    free(a->bundle_done);
    free(a->result_counts);
    free(a->is_export);
    free(a->step_open);
    instructions_free(a->in);
    json_decref(a->fields);
    json_decref(a->created);
    json_decref(a->warnings);
    json_decref(a->cancel);
    json_decref(a->notify);
    free(a->workspace);
    free(a->key_id);
    free(a->base_url);
    free(a->error_step);
    free(a->error_previous);
    free(a);
}

/* ---- saying things ---- */

static char *text_or_null(const char *s) { return s ? mem_strdup(s) : NULL; }

static void tell(struct effects *fx, const char *name, char *text)
{
    struct effect *e = effects_add(fx, FX_TELL);

    e->name = name;
    e->text = text;
}

static void fragment(struct effects *fx, enum doc_list list, int step, int index, char *text)
{
    struct effect *e = effects_add(fx, FX_FRAGMENT);

    e->list = list;
    e->step = step;
    e->index = index;
    e->text = text;
}

static void warn(struct assembly *a, const char *text)
{
    if (json_array_size(a->warnings) < 100)
        json_array_append_new(a->warnings,
                              json_pack("{s:s,s:o}", "level", "warning", "msg", jstring(text)));
}

/* ---- states ---- */

static void drop_jobs(struct assembly *a)
{
    for (int i = 0; i < a->job_count; i++) {
        struct job *j = a->jobs[i];

        if (j->state == JOB_QUEUED)
            a->jobs_dropped++;
        else if (j->state == JOB_RUNNING)
            a->jobs_stopped++;
        else
            continue;
        j->state = JOB_DROPPED;
    }
    a->jobs_open = a->running_count = 0;
}

static char *error_event(const struct assembly *a)
{
    struct str b = {0};

    str_puts(&b, "{\"error\":");
    str_add_json(&b, assembly_code(a));
    str_puts(&b, ",\"http_code\":200,\"message\":");
    str_add_json(&b, a->error.msg);
    str_puts(&b, ",\"reason\":");
    str_add_json(&b, a->error.msg);
    str_addf(&b, ",\"assembly_id\":\"%s\",\"assembly_ssl_url\":", a->id);
    AUTO(mem_free) char *url = mem_printf("%s/assemblies/%s", a->base_url, a->id);
    str_add_json(&b, url);
    str_putc(&b, '}');
    return str_take(&b);
}

static bool has_open_uploads(const struct assembly *a)
{
    for (int i = 0; i < a->tus_count; i++)
        if (!a->tus[i].finished && !a->tus[i].removed)
            return true;
    return false;
}

/* The only place where an Assembly changes state. */
static bool assembly_set_state(struct assembly *a, enum assembly_state to, int64_t at_us,
                               struct effects *fx)
{
    if (!(states[a->state].may_become & 1u << to))
        return false;
    a->state = to;
    if (to == ASSEMBLY_EXECUTING)
        a->execution_us = at_us;
    if (!states[to].over)
        return true;

    a->ended_us = at_us;
    if (to != ASSEMBLY_COMPLETED) {
        drop_jobs(a);
        effects_add(fx, FX_STOP_JOBS);
    }
    if (to != ASSEMBLY_COMPLETED || has_open_uploads(a))
        effects_add(fx, FX_STOP_UPLOADS);
    if (to == ASSEMBLY_FAILED)
        tell(fx, "assembly_error", error_event(a));
    if (to == ASSEMBLY_COMPLETED && jbool(a->created, "emit_execution_progress", false))
        tell(fx, "assembly_execution_progress", progress_json(a));
    if (to != ASSEMBLY_FAILED)
        tell(fx, "assembly_finished", NULL);
    effects_add(fx, FX_END);
    return true;
}

static void fail(struct assembly *a, const struct err *err, const char *step, const char *previous,
                 int64_t at_us, struct effects *fx)
{
    if (assembly_is_over(a))
        return;
    a->error = *err;
    a->error_step = text_or_null(step);
    a->error_previous = text_or_null(previous);
    a->is_infinite = err->code == ERR_INFINITE;
    assembly_set_state(a, ASSEMBLY_FAILED, at_us, fx);
}

/* Whatever may have become possible: bundles, the end of uploading, of metadata, of everything. */
static void advance(struct assembly *a, int64_t at_us, struct effects *fx)
{
    if (assembly_is_over(a))
        return;
    if (!a->uploading_finished && a->body_done && a->finished_uploads >= a->expected_uploads) {
        a->uploading_finished = true;
        a->uploaded_us = at_us;
        assembly_set_state(a, ASSEMBLY_EXECUTING, at_us, fx);
        tell(fx, "assembly_uploading_finished", NULL);
    }
    if (a->uploading_finished && !a->meta_extracted && !a->step_open[STEP_ORIGINAL]) {
        a->meta_extracted = true;
        tell(fx, "assembly_upload_meta_data_extracted", NULL);
    }
    graph_flush_bundles(a, at_us, fx);
    if (a->meta_extracted && !a->jobs_open)
        assembly_set_state(a, ASSEMBLY_COMPLETED, at_us, fx);
}

/* ---- files ---- */

static void set_text(char **field, const char *value)
{
    char *copy = text_or_null(value);

    free(*field);
    *field = copy;
}

/* Names from outside: last path component, no control characters, at most 255 bytes, never empty. */
static char *clean_name(const char *name)
{
    const char *slash = strrchr(name, '/'), *back = strrchr(name, '\\');
    const char *s = slash && (!back || slash > back) ? slash + 1 : back ? back + 1 : name;
    char *out = mem_alloc(256);
    size_t n = 0;

    for (; *s && n < 255; s++)
        if ((unsigned char)*s >= 0x20 && *s != 0x7f)
            out[n++] = *s;
    while (n && !utf8_valid(out, n) && (out[n - 1] & 0x80))
        n--; /* a character cut in two by the limit */
    out[n] = 0;
    if (!n || !strcmp(out, ".") || !strcmp(out, ".."))
        strcpy(out, "unnamed");
    return out;
}

static void set_name(struct file *f, const char *name)
{
    char *clean = clean_name(name), *dot = strrchr(clean, '.');
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

static struct file *add_file(struct assembly *a, const char *id, const char *name, int step)
{
    struct file *f = mem_zalloc(sizeof *f);

    memcpy(f->id, id, strnlen(id, ID_LEN));
    set_name(f, name);
    f->step = step;
    f->upload_index = -1;
    f->meta = json_object();
    if ((a->file_count & (a->file_count - 1)) == 0)
        a->files = mem_realloc(a->files, (size_t)(a->file_count ? a->file_count * 2 : 1) *
                                             sizeof *a->files);
    a->files[a->file_count++] = f;
    return f;
}

static void be_original(struct file *f, const char *path)
{
    f->original_ids = json_pack("[s]", f->id);
    f->original_name = mem_strdup(f->name);
    f->original_basename = mem_strdup(f->basename);
    f->original_path = mem_strdup(path);
    f->original_md5 = text_or_null(f->md5);
}

static void inherit(struct file *f, const struct job *j, const struct file *from)
{
    set_text(&f->original_name, from->original_name);
    set_text(&f->original_basename, from->original_basename);
    set_text(&f->original_path, from->original_path);
    set_text(&f->original_md5, from->original_md5);
    set_text(&f->field, from->field);
    f->from_batch_import = from->from_batch_import;
    f->user_meta = json_incref(from->user_meta);
    f->original_ids = json_array();
    for (int i = 0; i < j->input_count; i++) {
        const char *id = json_string_value(json_array_get(j->inputs[i]->original_ids, 0));
        bool known = false;
        json_t *have;
        size_t k;

        json_array_foreach (f->original_ids, k, have)
            known |= !strcmp(json_string_value(have), id);
        if (!known)
            json_array_append_new(f->original_ids, json_string(id));
    }
    if (jstr(from->extra, "import_url"))
        f->extra = json_pack("{s:s}", "import_url", jstr(from->extra, "import_url"));
}

static const char *type_of(const char *mime)
{
    return !mime                           ? NULL
           : str_starts(mime, "image/")    ? "image"
           : str_starts(mime, "video/")    ? "video"
           : str_starts(mime, "audio/")    ? "audio"
                                           : NULL;
}

static int64_t cost_of(const struct robot *r, int64_t bytes)
{
    int64_t cost = r->price_factor > 0 ? (int64_t)ceil((double)bytes / r->price_factor) : 0;

    return cost < r->min_charge ? r->min_charge : cost;
}

static void show_upload(struct assembly *a, struct file *f, struct effects *fx)
{
    if (f->upload_index >= 0)
        fragment(fx, LIST_UPLOADS, 0, f->upload_index, status_file(a, f, true));
}

static void list_result(struct assembly *a, struct file *f, int step, struct effects *fx)
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
    fragment(fx, LIST_RESULTS, step, index, json);
    tell(fx, "assembly_result_finished", str_take(&event));
}

static bool listed_under(const struct file *f, int step)
{
    for (int i = 0; i < f->listed_count; i++)
        if (f->listed_step[i] == step)
            return true;
    return false;
}

/* The file's record changed: every place that shows it. */
static void refresh(struct assembly *a, struct file *f, struct effects *fx)
{
    show_upload(a, f, fx);
    for (int i = 0; i < f->listed_count; i++)
        fragment(fx, LIST_RESULTS, f->listed_step[i], f->listed_index[i], status_file(a, f, false));
}

/* api-instructions.md 7: exported files, `result: true`, and files of steps that nobody uses. */
static void list_if_due(struct assembly *a, struct file *f, struct effects *fx)
{
    const struct step *s = &a->in->steps[f->step];

    if (f->exports_open || listed_under(f, f->step))
        return;
    if (s->result || f->exported || (s->leaf && s->declared && !a->is_export[f->step]))
        list_result(a, f, f->step, fx);
}

static void start_consumers(struct assembly *a, struct file *f, int64_t at_us, struct effects *fx)
{
    if (f->ready)
        return;
    f->ready = true;
    graph_file_ready(a, f, f->step, at_us, fx);
}

static void file_ready(struct assembly *a, struct file *f, int64_t at_us, struct effects *fx)
{
    start_consumers(a, f, at_us, fx);
    list_if_due(a, f, fx);
}

/* ---- events ---- */

static int over(const struct assembly *a, struct err *err)
{
    return err_set_named(err, ERR_SATURATED, assembly_code(a), "The Assembly is over: %s",
                         status_message(a));
}

static void index_steps(struct assembly *a)
{
    size_t n = (size_t)a->in->count;

    a->bundles = mem_zalloc(n * sizeof *a->bundles);
    a->bundle_counts = mem_zalloc(n * sizeof *a->bundle_counts);
    a->bundle_done = mem_zalloc(n * sizeof *a->bundle_done);
    a->result_counts = mem_zalloc(n * sizeof *a->result_counts);
    a->step_open = mem_zalloc(n * sizeof *a->step_open);
    a->is_export = mem_zalloc(n * sizeof *a->is_export);
    for (size_t i = 0; i < n; i++)
        a->is_export[i] = a->in->steps[i].robot->is_store;
}

/* d: the file's record; u: the tus upload that brought it, or NULL. */
static void add_upload(struct assembly *a, const json_t *d, const struct tus_upload *u, int64_t at_us,
                       struct effects *fx)
{
    struct file *f = add_file(a, jstr_or(d, "id", ""), jstr_or(d, "name", "unnamed"), STEP_ORIGINAL);

    f->size = jint(d, "size", 0);
    f->md5 = text_or_null(jstr(d, "md5"));
    f->field = text_or_null(jstr(d, "field"));
    f->user_meta = json_incref(json_object_get(d, "user_meta"));
    f->is_tus = u != NULL;
    f->tus_url = u ? mem_strdup(u->url) : NULL;
    f->upload_index = a->upload_count++;
    be_original(f, "/");
    show_upload(a, f, fx);
    tell(fx, "assembly_upload_finished", status_file(a, f, true));
    graph_add_probe(a, f, STEP_ORIGINAL, at_us, fx);
}

static int on_created(struct assembly *a, const struct event *ev, struct effects *fx,
                      struct err *err)
{
    const json_t *d = ev->data, *refused = json_object_get(d, "error");
    struct err why = {0};
    const char *bad_step = NULL;

    if (a->state != ASSEMBLY_NEW)
        return err_set(err, ERR_EXISTS, "The Assembly id is in use already");
    a->created = json_incref(ev->data);
    a->created_us = ev->at_us;
    a->workspace = mem_strdup(jstr_or(d, "workspace", ""));
    a->key_id = text_or_null(jstr(d, "key_id"));
    a->base_url = mem_strdup(jstr_or(d, "base_url", ""));
    a->expected_uploads = (int)jint(d, "expected", 0);
    a->body_done = jbool(d, "body_done", true);
    a->body_bytes = jint(d, "body_bytes", 0);
    a->body_expected = jint(d, "body_expected", 0);
    a->max_size = jint(d, "max_size", 0);
    a->max_files = jint(d, "max_files", 0);
    a->max_attempts = (int)jint(d, "max_attempts", 3);
    if (json_is_object(json_object_get(d, "fields")))
        json_object_update(a->fields, json_object_get(d, "fields"));
    assembly_set_state(a, ASSEMBLY_UPLOADING, ev->at_us, fx);

    if (refused) {
        why.code = err_code_by_name(jstr_or(refused, "code", ""));
        snprintf(why.name, sizeof why.name, "%s", jstr_or(refused, "code", ""));
        snprintf(why.msg, sizeof why.msg, "%s", jstr_or(refused, "msg", ""));
        bad_step = jstr(refused, "step");
        fail(a, &why, bad_step, NULL, ev->at_us, fx);
        if (err)
            *err = why;
        return 0;
    }
    if (instructions_parse(&a->in, json_object_get(d, "steps"), &bad_step, &why) < 0) {
        fail(a, &why, bad_step, NULL, ev->at_us, fx);
        if (err)
            *err = why;
        return 0;
    }
    index_steps(a);
    graph_start_sources(a, ev->at_us, fx);
    const json_t *input;
    size_t i;
    json_array_foreach (json_object_get(d, "inputs"), i, input)
        add_upload(a, input, NULL, ev->at_us, fx);
    return 0;
}

static struct tus_upload *find_tus(const struct assembly *a, const char *id)
{
    /* stored as index + 1, since the array moves when it grows */
    size_t at = id ? (size_t)map_get(&a->tus_by_id, id) : 0;

    return at ? &a->tus[at - 1] : NULL;
}

static void show_tus(struct assembly *a, const struct tus_upload *u, struct effects *fx)
{
    fragment(fx, LIST_TUS, 0, (int)(u - a->tus), status_tus(u));
}

static int too_big(struct assembly *a, int64_t size, const char *name, int64_t at_us,
                   struct effects *fx, struct err *err)
{
    struct err why;

    if (!a->max_size || size <= a->max_size)
        return 0;
    err_set(&why, ERR_MAX_SIZE, "The file '%.100s' has %" PRId64 " bytes, more than the max_size of %" PRId64,
            name, size, a->max_size);
    fail(a, &why, NULL, NULL, at_us, fx);
    if (err)
        *err = why;
    return 1;
}

static int too_many(struct assembly *a, int more, int64_t at_us, struct effects *fx, struct err *err)
{
    struct err why;

    if (!a->max_files ||
        a->upload_count + a->import_count + a->open_uploads + a->reserved - a->fetched + more <=
            a->max_files)
        return 0;
    err_set(&why, ERR_MAX_FILES, "More files than the max_number_of_files of %" PRId64, a->max_files);
    fail(a, &why, NULL, NULL, at_us, fx);
    if (err)
        *err = why;
    return 1;
}

/* Of the expected uploads: how many has nobody begun or reserved? */
static int places_left(const struct assembly *a)
{
    return a->expected_uploads - a->open_uploads - a->finished_uploads - (a->reserved - a->fetched);
}

static int saturated(const struct assembly *a, struct err *err)
{
    err_set(err, ERR_SATURATED, "All %d expected files are there or reserved", a->expected_uploads);
    if (err)
        snprintf(err->detail, sizeof err->detail, "{\"numReserved\":%d,\"numExpected\":%d}",
                 a->reserved, a->expected_uploads);
    return -1;
}

/* Files that lie elsewhere (api-assemblies.md 7): a place is reserved, then the file is named and
 * downloaded. */
static int on_elsewhere(struct assembly *a, const struct event *ev, struct effects *fx,
                        struct err *err)
{
    const json_t *d = ev->data;
    int64_t size = jint(d, "size", -1);

    if (assembly_is_over(a))
        return over(a, err);
    if (ev->type == EV_FILE_RESERVED) {
        if (a->uploading_finished || places_left(a) <= 0)
            return saturated(a, err);
        if (too_many(a, 1, ev->at_us, fx, err))
            return 0;
        a->reserved++;
        return 0;
    }
    if (a->uploading_finished)
        return saturated(a, err);
    if (a->added >= a->reserved)
        return err_set(err, ERR_FILE_NOT_RESERVED, "No place was reserved for the file '%.100s'",
                       jstr_or(d, "filename", ""));
    if (too_big(a, size, jstr_or(d, "filename", ""), ev->at_us, fx, err))
        return 0;
    a->added++;
    a->tus_expected += size > 0 ? size : 0;
    graph_add_fetch(a, ev->data, ev->at_us, fx);
    return 0;
}

static int on_upload_created(struct assembly *a, const struct event *ev, struct effects *fx,
                             struct err *err)
{
    const json_t *d = ev->data;
    int64_t size = jint(d, "size", -1);

    if (assembly_is_over(a))
        return over(a, err);
    if (find_tus(a, jstr(d, "id")))
        return err_set(err, ERR_EXISTS, "The upload exists already");
    if (too_big(a, size, jstr_or(d, "filename", ""), ev->at_us, fx, err))
        return 0;
    bool counted = places_left(a) > 0;
    if (counted && too_many(a, 1, ev->at_us, fx, err))
        return 0;
    if (!counted)
        warn(a, "More uploads than the declared number of files: those that finish last are dropped.");

    if ((a->tus_count & (a->tus_count - 1)) == 0)
        a->tus = mem_realloc(a->tus,
                             (size_t)(a->tus_count ? a->tus_count * 2 : 1) * sizeof *a->tus);
    struct tus_upload *u = &a->tus[a->tus_count++];
    *u = (struct tus_upload){.size = size, .counted = counted};
    memcpy(u->id, jstr_or(d, "id", ""), ID_LEN);
    map_put(&a->tus_by_id, u->id, (void *)(size_t)a->tus_count);
    u->filename = mem_strdup(jstr_or(d, "filename", ""));
    u->fieldname = mem_strdup(jstr_or(d, "fieldname", ""));
    u->url = mem_strdup(jstr_or(d, "url", ""));
    u->user_meta = json_incref(json_object_get(d, "user_meta"));
    a->started_uploads++;
    a->open_uploads += counted;
    a->tus_expected += size > 0 ? size : 0;
    show_tus(a, u, fx);
    return 0;
}

static void set_offset(struct assembly *a, struct tus_upload *u, int64_t offset)
{
    a->tus_received += offset - u->offset;
    u->offset = offset;
}

static int on_upload_length(struct assembly *a, const struct event *ev, struct effects *fx,
                            struct err *err)
{
    struct tus_upload *u = find_tus(a, jstr(ev->data, "id"));

    if (!u || u->size >= 0)
        return err_set(err, ERR_NOT_FOUND, "No such upload of unknown length");
    if (assembly_is_over(a))
        return over(a, err);
    if (too_big(a, jint(ev->data, "size", 0), u->filename, ev->at_us, fx, err))
        return 0;
    u->size = jint(ev->data, "size", 0);
    a->tus_expected += u->size;
    show_tus(a, u, fx);
    return 0;
}

static int on_upload_offset(struct assembly *a, const struct event *ev, struct effects *fx,
                            struct err *err)
{
    struct tus_upload *u = find_tus(a, jstr(ev->data, "id"));

    if (!u || u->finished || u->removed || assembly_is_over(a))
        return err_set(err, ERR_NOT_FOUND, "No such open upload");
    set_offset(a, u, jint(ev->data, "offset", u->offset));
    if (u->size < 0 && too_big(a, u->offset, u->filename, ev->at_us, fx, err))
        return 0;
    show_tus(a, u, fx);
    return 0;
}

static int on_upload_removed(struct assembly *a, const struct event *ev, struct effects *fx,
                             struct err *err)
{
    struct tus_upload *u = find_tus(a, jstr(ev->data, "id"));

    if (!u || u->removed || u->finished)
        return err_set(err, ERR_NOT_FOUND, "No such open upload");
    u->removed = true;
    a->open_uploads -= u->counted;
    a->tus_expected -= u->size > 0 ? u->size : 0;
    set_offset(a, u, 0);
    show_tus(a, u, fx);
    return 0;
}

/* The places are for those that finish first. A client whose answer to a creation was lost creates the upload again, and
 * never goes on with the first one: that must not keep a place for ever. */
static bool take_place(struct assembly *a, struct tus_upload *u)
{
    if (!u->counted && places_left(a) > 0) {
        u->counted = true; /* one that was created before it is removed */
        a->open_uploads++;
    }
    for (int i = 0; !u->counted && i < a->tus_count; i++) {
        struct tus_upload *other = &a->tus[i];

        if (other->counted && !other->finished && !other->removed) {
            other->counted = false;
            u->counted = true;
        }
    }
    return u->counted;
}

static int on_file_uploaded(struct assembly *a, const struct event *ev, struct effects *fx,
                            struct err *err)
{
    const json_t *d = json_object_get(ev->data, "file");
    const char *tus_id = jstr(ev->data, "upload");
    struct tus_upload *u = find_tus(a, tus_id);
    int64_t size = jint(d, "size", 0);

    if (assembly_is_over(a))
        return over(a, err);
    if (tus_id && (!u || u->finished || u->removed))
        return err_set(err, ERR_NOT_FOUND, "No such open upload");
    if (too_big(a, size, jstr_or(d, "name", ""), ev->at_us, fx, err) ||
        (!u && too_many(a, 1, ev->at_us, fx, err)))
        return 0;
    if (u) {
        if (u->size < 0) {
            u->size = size;
            a->tus_expected += size;
        }
        set_offset(a, u, size);
        u->finished = true;
        show_tus(a, u, fx);
        if (!take_place(a, u))
            return 0;
        a->open_uploads--;
        a->finished_uploads++;
    }
    a->body_files += !u;
    add_upload(a, d, u, ev->at_us, fx);
    advance(a, ev->at_us, fx);
    return 0;
}

static int on_body_bytes(struct assembly *a, const struct event *ev, struct err *err)
{
    int64_t bytes = jint(ev->data, "bytes", 0);

    if (a->body_done || assembly_is_over(a) || bytes <= a->body_bytes)
        return err_set(err, ERR_NOT_FOUND, "The request body is complete already");
    a->body_bytes = bytes;
    return 0;
}

static int on_body(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    int64_t files = jint(ev->data, "files", -1);
    json_t *fields = json_object_get(ev->data, "fields");
    struct err why;

    if (json_is_object(fields) && (ev->type == EV_FORM_FIELDS || !a->body_done))
        json_object_update(a->fields, fields);
    if (ev->type == EV_FORM_FIELDS)
        return 0;
    if (a->body_done)
        return err_set(err, ERR_NOT_FOUND, "The request body is complete already");
    a->body_bytes = jint(ev->data, "bytes", a->body_bytes);
    a->body_expected = a->body_bytes;
    a->body_done = true;
    if (json_object_get(ev->data, "expected"))
        a->expected_uploads = (int)jint(ev->data, "expected", 0);
    if (ev->type == EV_BODY_CUT) {
        assembly_set_state(a, ASSEMBLY_ABORTED, ev->at_us, fx);
    } else if (files >= 0 && files != a->body_files && !assembly_is_over(a)) {
        /* the turn that took one of them in was lost, while the request went on */
        err_set(&why, ERR_IO, "Of the %lld files of the request %d could be stored", (long long)files, a->body_files);
        fail(a, &why, NULL, NULL, ev->at_us, fx);
    } else {
        advance(a, ev->at_us, fx);
    }
    return 0;
}

/* ---- jobs ---- */

static struct job *open_job(const struct assembly *a, const struct event *ev, struct err *err)
{
    int64_t id = jint(ev->data, "job", -1);
    struct job *j = id >= 0 && id < a->job_count ? a->jobs[id] : NULL;

    if (!j || (j->state != JOB_RUNNING && j->state != JOB_QUEUED)) {
        err_set(err, ERR_NOT_FOUND, "The job is over: a late message is dropped");
        return NULL;
    }
    return j;
}

static void stop_running(struct assembly *a, struct job *j)
{
    for (int i = 0; i < a->running_count; i++)
        if (a->running[i] == j->id) {
            a->running[i] = a->running[--a->running_count];
            return;
        }
}

static int on_job_started(struct assembly *a, const struct event *ev, struct effects *fx,
                          struct err *err)
{
    struct job *j = open_job(a, ev, err);

    if (!j)
        return -1;
    stop_running(a, j); /* it was running when the process ended: no event says that it stopped */
    j->state = JOB_RUNNING;
    j->started_us = ev->at_us;
    j->queue_us = ev->at_us > j->queued_us ? ev->at_us - j->queued_us : 0;
    j->progress = 0;
    a->jobs_queue_us += j->queue_us;
    if (!a->first_job_us)
        a->first_job_us = ev->at_us;
    a->running = mem_realloc(a->running, (size_t)(a->running_count + 1) * sizeof *a->running);
    a->running[a->running_count++] = j->id;
    if (!j->attempts++ && !job_is_hidden(j)) {
        AUTO(mem_free) char *name = status_job(a, j);
        struct str json = {0};

        str_add_json(&json, name);
        fragment(fx, LIST_STARTED, 0, a->started_count++, str_take(&json));
    }
    return 0;
}

static void merge_meta(struct file *f, const json_t *meta)
{
    if (json_is_object(meta) && json_object_size(meta)) {
        json_t *merged = json_copy(f->meta); /* a rendered fragment never shares it, but inputs may */

        json_object_update(merged, (json_t *)meta);
        json_decref(f->meta);
        f->meta = merged;
    }
}

/* What a probe found out about a file. */
static void learn(struct assembly *a, struct job *j, const json_t *d, int64_t at_us,
                  struct effects *fx)
{
    struct file *f = j->inputs[0];
    const char *mime = jstr(d, "mime"), *ext = jstr(d, "ext");

    if (mime && *mime) {
        set_text(&f->mime, mime);
        set_text(&f->type, type_of(mime));
    }
    if (ext && *ext && !*f->ext)
        set_text(&f->ext, ext);
    merge_meta(f, json_object_get(d, "meta"));
    f->queue_us = j->queue_us;
    f->exec_us = at_us > j->started_us ? at_us - j->started_us : 0;
    f->cost = cost_of(a->in->steps[STEP_ORIGINAL].robot, 2 * f->size);
    refresh(a, f, fx);
    if (jbool(d, "early", false) && !a->in->needs_meta)
        start_consumers(a, f, at_us, fx);
}

static void export_done(struct assembly *a, struct job *j, struct file *f, struct effects *fx)
{
    if (f->exports_open > 0 && a->is_export[j->step] && !--f->exports_open)
        list_if_due(a, f, fx);
}

static void stored(struct assembly *a, struct job *j, const json_t *d, int64_t at_us,
                   struct effects *fx)
{
    int64_t i = jint(d, "input", 0);

    if (i < 0 || i >= j->input_count)
        return;
    struct file *f = j->inputs[i];
    set_text(&f->url, jstr(d, "url"));
    set_text(&f->ssl_url, jstr(d, "ssl_url"));
    if (json_is_object(json_object_get(d, "extra"))) {
        if (!f->extra)
            f->extra = json_object();
        json_object_update(f->extra, json_object_get(d, "extra"));
    }
    merge_meta(f, json_object_get(d, "meta"));
    f->exported = true;
    refresh(a, f, fx);
    if (f->exports_open > 0)
        f->exports_open--;
    list_if_due(a, f, fx);
    if (a->in->steps[j->step].result && !listed_under(f, j->step))
        list_result(a, f, j->step, fx);
    graph_file_ready(a, f, j->step, at_us, fx); /* it goes on under the store step's name */
}

/* The file of a fetch job is an upload. Its length was what somebody said. */
static void fetched(struct assembly *a, struct job *j, const json_t *d, int64_t at_us,
                    struct effects *fx, struct err *err)
{
    int64_t size = jint(d, "size", 0), said = jint(j->fetch, "size", 0);

    if (a->fetched >= a->reserved || too_big(a, size, jstr_or(d, "name", ""), at_us, fx, err))
        return;
    AUTO(json_unref) json_t *record = json_copy((json_t *)d);
    jset(record, "field", jstr(j->fetch, "fieldname"));
    if (jstr(j->fetch, "filename"))
        jset(record, "name", jstr(j->fetch, "filename"));
    a->tus_expected += size - (said > 0 ? said : 0);
    a->tus_received += size;
    a->fetched++;
    a->finished_uploads++;
    add_upload(a, record, NULL, at_us, fx);
}

static void made(struct assembly *a, struct job *j, const json_t *d, int64_t at_us,
                 struct effects *fx, struct err *err)
{
    int64_t i = jint(d, "input", -1);
    const struct robot *r = a->in->steps[j->step].robot;
    const struct file *from = i >= 0 && i < j->input_count ? j->inputs[i] : NULL;
    struct file *f;

    if (!from && too_many(a, 1, at_us, fx, err))
        return;
    f = add_file(a, jstr_or(d, "id", ""), jstr_or(d, "name", "unnamed"), j->step);
    f->size = jint(d, "size", 0);
    f->md5 = text_or_null(jstr(d, "md5"));
    f->mime = text_or_null(jstr(d, "mime"));
    f->type = text_or_null(type_of(f->mime));
    f->batch = a->in->steps[j->step].batch;
    f->queue_us = j->queue_us;
    f->exec_us = at_us > j->started_us ? at_us - j->started_us : 0;
    if (json_is_object(json_object_get(d, "meta")))
        merge_meta(f, json_object_get(d, "meta"));
    if (from) {
        inherit(f, j, from);
    } else {
        be_original(f, jstr_or(json_object_get(d, "extra"), "original_path", "/"));
        a->import_count++;
    }
    json_t *extra = json_object_get(d, "extra");
    if (json_is_object(extra)) {
        if (!f->extra)
            f->extra = json_object();
        json_object_update(f->extra, extra);
        f->from_batch_import |= jbool(extra, "from_batch_import", false);
        json_object_del(f->extra, "from_batch_import");
        json_object_del(f->extra, "original_path");
    }
    f->cost = cost_of(r, f->size + (from ? from->size : 0));
    j->out_bytes += f->size;
    if (f->mime)
        file_ready(a, f, at_us, fx);
    else
        graph_add_probe(a, f, j->step, at_us, fx); /* imports have no media library to look with */
}

static int on_job_output(struct assembly *a, const struct event *ev, struct effects *fx,
                         struct err *err)
{
    struct job *j = open_job(a, ev, err);
    const json_t *d;

    if (!j)
        return -1;
    if (jint(ev->data, "index", j->outputs) < j->outputs)
        return 0; /* an earlier attempt gave this one already */
    j->outputs++;
    if ((d = json_object_get(ev->data, "same")))
        learn(a, j, d, ev->at_us, fx);
    else if ((d = json_object_get(ev->data, "stored")))
        stored(a, j, d, ev->at_us, fx);
    else if ((d = json_object_get(ev->data, "file")) && j->fetch)
        fetched(a, j, d, ev->at_us, fx, err);
    else if (d)
        made(a, j, d, ev->at_us, fx, err);
    return 0;
}

static void close_job(struct assembly *a, struct job *j, enum job_state to, int64_t at_us)
{
    stop_running(a, j);
    j->state = to;
    a->jobs_open--;
    a->step_open[j->step]--;
    a->last_job_us = at_us;
}

static int on_job_done(struct assembly *a, const struct event *ev, struct effects *fx,
                       struct err *err)
{
    struct job *j = open_job(a, ev, err);
    int64_t bytes = 0;

    if (!j)
        return -1;
    for (int i = 0; i < j->input_count; i++)
        bytes += j->inputs[i]->size;
    if (!j->probe && !j->fetch)
        a->bytes_usage += cost_of(a->in->steps[j->step].robot, bytes + j->out_bytes);
    else if (j->probe && j->step == STEP_ORIGINAL)
        a->bytes_usage += cost_of(a->in->steps[STEP_ORIGINAL].robot, bytes);
    close_job(a, j, JOB_DONE, ev->at_us);
    if (j->probe)
        file_ready(a, j->inputs[0], ev->at_us, fx);
    advance(a, ev->at_us, fx);
    return 0;
}

static void ignore_error(struct assembly *a, const struct job *j, const struct err *why,
                         const char *phase, struct effects *fx)
{
    struct str json = {0};

    if (a->ignored_count++ >= MAX_IGNORED_ERRORS)
        return;
    str_puts(&json, "{\"step\":");
    str_add_json(&json, a->in->steps[j->step].name);
    str_addf(&json, ",\"phase\":\"%s\",\"error\":", phase);
    str_add_json(&json, err_name(why));
    str_puts(&json, ",\"message\":");
    str_add_json(&json, why->msg);
    str_putc(&json, '}');
    fragment(fx, LIST_IGNORED, 0, a->ignored_count - 1, str_take(&json));
}

/* The public name counts: numbers of codes are not the same in every version. */
static void stored_error(struct err *why, const json_t *d, enum err_code otherwise)
{
    const char *name = jstr_or(d, "name", "");
    int64_t code = jint(d, "code", otherwise);

    if (code <= ERR_OK || code >= ERR_COUNT)
        code = otherwise;
    if (*name && err_code_by_name(name) != ERR_INTERNAL)
        code = err_code_by_name(name);
    err_set_named(why, (enum err_code)code, name, "%s", jstr_or(d, "msg", ""));
}

static int on_job_failed(struct assembly *a, const struct event *ev, struct effects *fx,
                         struct err *err)
{
    const json_t *d = ev->data;
    struct job *j = open_job(a, ev, err);
    const char *retry = jstr_or(d, "retry", "never");
    struct err why = {0};

    if (!j)
        return -1;
    stored_error(&why, d, ERR_WORKER);
    snprintf(why.detail, sizeof why.detail, "%s", jstr_or(d, "detail", ""));
    why.is_private_address = jbool(d, "private", false);

    if (strcmp(retry, "never") && ++j->failures < a->max_attempts) {
        stop_running(a, j);
        j->state = JOB_QUEUED;
        j->queued_us = ev->at_us;
        struct effect *e = effects_add(fx, FX_START_JOB);
        e->job = j->id;
        e->delay_us = strcmp(retry, "later") ? 0 : RETRY_DELAY_US << (j->failures - 1);
        return 0;
    }
    const struct step *s = &a->in->steps[j->step];
    bool import = s->robot->no_input && !j->probe;
    unsigned phase = j->probe ? IGNORE_META : import ? IGNORE_IMPORT | IGNORE_EXECUTE : IGNORE_EXECUTE;
    bool keep = j->probe && json_is_array(json_object_get(s->params, "import_on_errors"));

    if (why.code == ERR_WORKER && j->input_count) {
        /* a file that ends its worker each time is named: who sent it must be able to find it */
        size_t len = strlen(why.msg);

        snprintf(why.msg + len, sizeof why.msg - len, "; the file was '%.200s', tried %d times",
                 j->inputs[0]->name ? j->inputs[0]->name : "", j->failures ? j->failures : 1);
    }
    close_job(a, j, JOB_FAILED, ev->at_us);
    for (int i = 0; i < j->input_count; i++)
        export_done(a, j, j->inputs[i], fx);
    if ((s->ignore & phase) || keep ||
        (j->probe && jbool(a->created, "ignore_upload_meta_data_errors", false))) {
        ignore_error(a, j, &why, j->probe ? "meta" : import ? "import" : "execute", fx);
        if (j->probe) /* the file itself is fine, only its metadata is not known */
            file_ready(a, j->inputs[0], ev->at_us, fx);
        advance(a, ev->at_us, fx);
        return 0;
    }
    fail(a, &why, s->name, j->source >= 0 ? a->in->steps[j->source].name : NULL, ev->at_us, fx);
    return 0;
}

/* ---- the end ---- */

static int on_cancel(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    char date[DATE_LEN + 1];

    if (!assembly_set_state(a, ASSEMBLY_CANCELED, ev->at_us, fx))
        return err_set_named(err, ERR_SATURATED, assembly_code(a), "The Assembly is over already");
    a->cancel_us = ev->at_us;
    date_format(date, ev->at_us);
    a->cancel = json_pack("{s:s,s:b,s:f,s:i,s:i,s:i,s:i,s:i,s:[],s:s?}", "requested", date,
                          "settled", 0, "duration", 0.0, "jobs_dropped", a->jobs_dropped,
                          "jobs_stopped", a->jobs_stopped, "processes_killed", 0,
                          "uploads_stopped", 0, "bytes_freed", 0, "exports_kept", "notification",
                          jstr(a->created, "notify_url") ? "queued" : NULL);
    for (int i = 0; i < a->file_count; i++)
        if (a->files[i]->exported)
            json_array_append_new(json_object_get(a->cancel, "exports_kept"),
                                  jstring(a->files[i]->ssl_url ? a->files[i]->ssl_url
                                                               : a->files[i]->url));
    return 0;
}

static int on_other(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    const json_t *d = ev->data;
    struct err why;
    struct job *j;

    switch (ev->type) {
    case EV_JOB_PROGRESS:
        if (!(j = open_job(a, ev, err)))
            return -1;
        if (jnum(d, "fraction", 0) > j->progress)
            j->progress = jnum(d, "fraction", 0);
        return 0;
    case EV_JOB_UNDO:
        if (!(j = open_job(a, ev, err)))
            return -1;
        json_decref(j->undo);
        j->undo = json_is_object(json_object_get(d, "token")) ? json_incref(json_object_get(d, "token"))
                                                              : NULL;
        return 0;
    case EV_CANCEL_SETTLED:
        if (!a->cancel)
            return err_set(err, ERR_NOT_FOUND, "The Assembly was not canceled");
        json_object_update(a->cancel, json_object_get(d, "receipt"));
        return 0;
    case EV_EXPIRE:
        if (assembly_is_over(a))
            return over(a, err);
        err_set(&why, ERR_EXPIRED, "The Assembly ran out of time.");
        fail(a, &why, NULL, NULL, ev->at_us, fx);
        return 0;
    case EV_FAIL:
        if (assembly_is_over(a))
            return over(a, err);
        stored_error(&why, d, ERR_INTERNAL);
        fail(a, &why, NULL, NULL, ev->at_us, fx);
        return 0;
    case EV_NOTIFY:
        if (!a->notify)
            a->notify = json_object();
        json_object_update(a->notify, (json_t *)d);
        return 0;
    default: return err_set(err, ERR_INTERNAL, "unknown event %d", (int)ev->type);
    }
}

int assembly_apply(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    if (err)
        memset(err, 0, sizeof *err);
    if (ev->type != EV_CREATED && a->state == ASSEMBLY_NEW)
        return err_set(err, ERR_ASSEMBLY_NOT_FOUND, "The Assembly does not exist");
    switch (ev->type) {
    case EV_CREATED:
        if (on_created(a, ev, fx, err) < 0)
            return -1;
        if (a->in)
            advance(a, ev->at_us, fx);
        return 0;
    case EV_FORM_FIELDS:
    case EV_BODY_DONE:
    case EV_BODY_CUT: return on_body(a, ev, fx, err);
    case EV_BODY_BYTES: return on_body_bytes(a, ev, err);
    case EV_UPLOAD_CREATED: return on_upload_created(a, ev, fx, err);
    case EV_UPLOAD_LENGTH: return on_upload_length(a, ev, fx, err);
    case EV_UPLOAD_OFFSET: return on_upload_offset(a, ev, fx, err);
    case EV_UPLOAD_REMOVED: return on_upload_removed(a, ev, fx, err);
    case EV_FILE_RESERVED:
    case EV_FILE_ADDED: return on_elsewhere(a, ev, fx, err);
    case EV_FILE_UPLOADED: return on_file_uploaded(a, ev, fx, err);
    case EV_JOB_STARTED: return on_job_started(a, ev, fx, err);
    case EV_JOB_OUTPUT: return on_job_output(a, ev, fx, err);
    case EV_JOB_DONE: return on_job_done(a, ev, fx, err);
    case EV_JOB_FAILED: return on_job_failed(a, ev, fx, err);
    case EV_CANCEL: return on_cancel(a, ev, fx, err);
    default: return on_other(a, ev, fx, err);
    }
}

void assembly_recover(struct assembly *a, struct effects *fx)
{
    if (assembly_is_over(a))
        return;
    a->running_count = 0;
    for (int i = 0; i < a->job_count; i++) {
        struct job *j = a->jobs[i];

        if (j->state != JOB_RUNNING && j->state != JOB_QUEUED)
            continue;
        j->state = JOB_QUEUED;
        effects_add(fx, FX_START_JOB)->job = i;
    }
}

int64_t assembly_deadline(const struct assembly *a, int64_t upload_us, int64_t execution_us)
{
    if (assembly_is_over(a))
        return 0;
    return a->state == ASSEMBLY_EXECUTING ? (execution_us ? a->execution_us + execution_us : 0)
           : upload_us                    ? a->created_us + upload_us
                                          : 0;
}

/* "a30bd077..." -> "a3/0bd077..." (api-instructions.md 4.1) */
static char *prefix_of(const char *id) { return mem_printf("%.2s/%s", id, id + 2); }

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

const struct robot *job_robot(const struct assembly *a, const struct job *j)
{
    return j->fetch ? robot_find("/http/import")
                    : a->in->steps[j->probe ? STEP_ORIGINAL : j->step].robot;
}

int assembly_job_params(json_t **out, const struct assembly *a, const struct job *j,
                        const char *region, struct err *err)
{
    const struct step *s = &a->in->steps[j->step];
    const struct file *f = j->input_count ? j->inputs[0] : NULL;
    AUTO(json_unref) json_t *file = f ? file_object(f) : NULL;
    AUTO(mem_free) char *prefix = f ? prefix_of(f->id) : NULL;
    AUTO(mem_free) char *original =
        f ? prefix_of(json_string_value(json_array_get(f->original_ids, 0))) : NULL;
    const struct variables v = {
        .assembly_id = a->id,
        .parent_id = jstr(a->created, "parent_id"),
        .region = region,
        .unique_prefix = prefix,
        .unique_original_prefix = original,
        .previous_step = f ? a->in->steps[j->source >= 0 ? j->source : f->step].name : NULL,
        .file = file,
        .fields = a->fields,
    };
    AUTO(arena_free) struct arena *arena = arena_new();
    AUTO(json_unref) json_t *params = NULL;
    AUTO(json_unref) json_t *with_defaults = NULL;
    void *opts;

    if (j->fetch) {
        *out = json_pack("{s:s,s:[s],s:s,s:s*}", "robot", "/http/import", "url",
                         jstr_or(j->fetch, "url", ""), "url_delimiter", "", "force_name",
                         jstr(j->fetch, "filename"));
        return 0;
    }
    if (j->probe) {
        const json_t *p = s->params;

        *out = json_pack("{s:s,s:O?}", "robot", "/upload/handle", "output_meta",
                         json_object_get(p, "output_meta"));
        return 0;
    }
    with_defaults = json_copy(s->params);
    /* texts with variables that are defaults in the Robot's table are substituted like given ones */
    for (const struct option *o = s->robot->options; o && o->type != OPT_TYPE_END; o++)
        if (o->def_str && strstr(o->def_str, "${") && !json_object_get(with_defaults, o->name))
            json_object_set_new(with_defaults, o->name,
                                o->type == OPT_TYPE_STR ? json_string(o->def_str)
                                                        : json_loads(o->def_str, 0, NULL));
    if (variables_apply(&params, with_defaults, &v, err) < 0 ||
        robot_options(&opts, arena, s->robot, params, /* partial= */ false, err) < 0) {
        if (err->code == ERR_ROBOT_VALIDATION && !err->name[0])
            snprintf(err->name, sizeof err->name, "%s", s->robot->validation_code);
        return -1;
    }
    *out = take(params);
    return 0;
}

double assembly_progress(const struct assembly *a)
{
    double done = a->job_count - a->jobs_open;

    if (a->state == ASSEMBLY_COMPLETED)
        return 1;
    for (int i = 0; i < a->running_count; i++)
        done += a->jobs[a->running[i]]->progress;
    return a->job_count ? done / a->job_count : 0;
}
