#include "assembly/private.h"
#include "base/clock.h"

#include <string.h>

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
    free(a->offers);
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

void effects_tell(struct effects *fx, const char *name, char *text)
{
    struct effect *e = effects_add(fx, FX_TELL);

    e->name = name;
    e->text = text;
}

void effects_fragment(struct effects *fx, enum doc_list list, int step, int index, char *text)
{
    struct effect *e = effects_add(fx, FX_FRAGMENT);

    e->list = list;
    e->step = step;
    e->index = index;
    e->text = text;
}

void assembly_say(struct assembly *a, const char *level, const char *text)
{
    if (json_array_size(a->warnings) < 100)
        json_array_append_new(a->warnings, json_pack("{s:s,s:o}", "level", level, "msg", jstring(text)));
}

void assembly_warn(struct assembly *a, const char *text) { assembly_say(a, "warning", text); }

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
bool assembly_set_state(struct assembly *a, enum assembly_state to, int64_t at_us,
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
        effects_tell(fx, "assembly_error", error_event(a));
    if (to == ASSEMBLY_COMPLETED && a->begun.tells_progress)
        effects_tell(fx, "assembly_execution_progress", progress_json(a));
    if (to != ASSEMBLY_FAILED)
        effects_tell(fx, "assembly_finished", NULL);
    effects_add(fx, FX_END);
    return true;
}

void assembly_fail(struct assembly *a, const struct err *err, const char *step,
                   const char *previous, int64_t at_us, struct effects *fx)
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
void assembly_advance(struct assembly *a, int64_t at_us, struct effects *fx)
{
    if (assembly_is_over(a))
        return;
    if (!a->uploading_finished && a->body_done && a->finished_uploads >= a->expected_uploads) {
        a->uploading_finished = true;
        a->uploaded_us = at_us;
        assembly_set_state(a, ASSEMBLY_EXECUTING, at_us, fx);
        effects_tell(fx, "assembly_uploading_finished", NULL);
    }
    if (a->uploading_finished && !a->meta_extracted && !a->step_open[STEP_ORIGINAL]) {
        a->meta_extracted = true;
        effects_tell(fx, "assembly_upload_meta_data_extracted", NULL);
    }
    graph_flush_bundles(a, at_us, fx);
    if (a->meta_extracted && !a->jobs_open) {
        if (a->state == ASSEMBLY_EXECUTING)
            silence_tell(a);
        assembly_set_state(a, ASSEMBLY_COMPLETED, at_us, fx);
    }
}

/* ---- events ---- */

int assembly_refuse_over(const struct assembly *a, struct err *err)
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
    a->offers = mem_zalloc(n * sizeof *a->offers);
    a->step_open = mem_zalloc(n * sizeof *a->step_open);
    a->is_export = mem_zalloc(n * sizeof *a->is_export);
    for (size_t i = 0; i < n; i++)
        a->is_export[i] = a->in->steps[i].robot->is_store;
}

static int on_created(struct assembly *a, const struct event *ev, struct effects *fx,
                      struct err *err)
{
    const struct created *c = &a->begun;
    struct err why = {0};
    const char *bad_step = NULL;

    if (a->state != ASSEMBLY_NEW)
        return err_set(err, ERR_EXISTS, "The Assembly id is in use already");
    a->created = json_incref(ev->data);
    a->created_us = ev->at_us;
    created_read(&a->begun, a->created);
    a->workspace = mem_strdup(c->workspace ? c->workspace : "");
    a->key_id = text_or_null(c->key_id);
    a->base_url = mem_strdup(c->base_url ? c->base_url : "");
    a->expected_uploads = c->expected;
    a->body_done = c->body_done;
    a->body_bytes = c->body_bytes;
    a->body_expected = c->body_expected;
    a->max_size = c->max_size;
    a->max_files = c->max_files;
    a->max_attempts = c->max_attempts;
    if (c->fields)
        json_object_update(a->fields, c->fields);
    assembly_set_state(a, ASSEMBLY_UPLOADING, ev->at_us, fx);

    if (c->refusal) {
        why.code = err_code_by_name(jstr_or(c->refusal, "code", ""));
        snprintf(why.name, sizeof why.name, "%s", jstr_or(c->refusal, "code", ""));
        snprintf(why.msg, sizeof why.msg, "%s", jstr_or(c->refusal, "msg", ""));
        bad_step = jstr(c->refusal, "step");
        assembly_fail(a, &why, bad_step, NULL, ev->at_us, fx);
        if (err)
            *err = why;
        return 0;
    }
    if (instructions_parse(&a->in, c->steps, &bad_step, &why) < 0) {
        assembly_fail(a, &why, bad_step, NULL, ev->at_us, fx);
        if (err)
            *err = why;
        return 0;
    }
    index_steps(a);
    graph_start_sources(a, ev->at_us, fx);
    const json_t *input;
    size_t i;
    json_array_foreach (c->inputs, i, input)
        assembly_add_upload(a, input, NULL, ev->at_us, fx);
    return 0;
}

/* ---- the end ---- */

/* The public name counts: numbers of codes are not the same in every version. */
void assembly_stored_error(struct err *why, const json_t *d, enum err_code otherwise)
{
    const char *name = jstr_or(d, "name", "");
    int64_t code = jint(d, "code", otherwise);

    if (code <= ERR_OK || code >= ERR_COUNT)
        code = otherwise;
    if (*name && err_code_by_name(name) != ERR_INTERNAL)
        code = err_code_by_name(name);
    err_set_named(why, (enum err_code)code, name, "%s", jstr_or(d, "msg", ""));
}

static int on_cancel(struct assembly *a, const struct event *ev, struct effects *fx,
                     struct err *err)
{
    char date[DATE_LEN + 1];

    if (!assembly_set_state(a, ASSEMBLY_CANCELED, ev->at_us, fx))
        return err_set_named(err, ERR_SATURATED, assembly_code(a), "The Assembly is over already");
    a->cancel_us = ev->at_us;
    date_format(date, ev->at_us);
    /* null: not counted yet, which is not 0; EV_CANCEL_SETTLED has them */
    a->cancel =
        json_pack("{s:s,s:b,s:n,s:i,s:i,s:n,s:n,s:n,s:[],s:s?}", "requested", date, "settled", 0,
                  "duration", "jobs_dropped", a->jobs_dropped, "jobs_stopped", a->jobs_stopped,
                  "processes_killed", "uploads_stopped", "bytes_freed", "exports_kept",
                  "notification", a->begun.notify_url ? "queued" : NULL);
    for (int i = 0; i < a->file_count; i++)
        if (a->files[i]->exported)
            json_array_append_new(
                json_object_get(a->cancel, "exports_kept"),
                jstring(a->files[i]->ssl_url ? a->files[i]->ssl_url : a->files[i]->url));
    return 0;
}

static int on_other(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    const json_t *d = ev->data;
    struct err why;

    switch (ev->type) {
    case EV_CANCEL_SETTLED:
        if (!a->cancel)
            return err_set(err, ERR_NOT_FOUND, "The Assembly was not canceled");
        json_object_update(a->cancel, json_object_get(d, "receipt"));
        return 0;
    case EV_EXPIRE:
        if (assembly_is_over(a))
            return assembly_refuse_over(a, err);
        err_set(&why, ERR_EXPIRED, "The Assembly ran out of time.");
        assembly_fail(a, &why, NULL, NULL, ev->at_us, fx);
        return 0;
    case EV_FAIL:
        if (assembly_is_over(a))
            return assembly_refuse_over(a, err);
        assembly_stored_error(&why, d, ERR_INTERNAL);
        assembly_fail(a, &why, NULL, NULL, ev->at_us, fx);
        return 0;
    case EV_NOTIFY:
        if (!a->notify)
            a->notify = json_object();
        json_object_update(a->notify, (json_t *)d);
        return 0;
    default:
        return err_set(err, ERR_INTERNAL, "unknown event %d", (int)ev->type);
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
            assembly_advance(a, ev->at_us, fx);
        return 0;
    case EV_FORM_FIELDS:
    case EV_BODY_DONE:
    case EV_BODY_CUT:
    case EV_BODY_BYTES:
    case EV_UPLOAD_CREATED:
    case EV_UPLOAD_LENGTH:
    case EV_UPLOAD_OFFSET:
    case EV_UPLOAD_REMOVED:
    case EV_FILE_RESERVED:
    case EV_FILE_ADDED:
    case EV_FILE_UPLOADED:
        return arrivals_apply(a, ev, fx, err);
    case EV_JOB_STARTED:
    case EV_JOB_INTERRUPTED:
    case EV_JOB_PROGRESS:
    case EV_JOB_UNDO:
    case EV_JOB_OUTPUT:
    case EV_JOB_DONE:
    case EV_JOB_FAILED:
        return outcomes_apply(a, ev, fx, err);
    case EV_CANCEL:
        return on_cancel(a, ev, fx, err);
    default:
        return on_other(a, ev, fx, err);
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

double assembly_progress(const struct assembly *a)
{
    double done = a->job_count - a->jobs_open;

    if (a->state == ASSEMBLY_COMPLETED)
        return 1;
    for (int i = 0; i < a->running_count; i++)
        done += a->jobs[a->running[i]]->progress;
    return a->job_count ? done / a->job_count : 0;
}
