/* An Assembly is what its events make of it: this is where they come in. */
#include "assembly/private.h"
#include "base/clock.h"

#include <string.h>

/* ---- memory ---- */

struct assembly *assembly_new(const char *id)
{
    struct assembly *a = mem_zalloc(sizeof *a);

    memcpy(a->id, id, ID_LEN);
    a->log = (struct log){"assembly", a->id, NULL};
    a->warnings = json_array();
    a->fields = json_object();
    return a;
}

static void free_work(struct assembly *a)
{
    for (int i = 0; i < a->file_count; i++)
        file_free(a->files[i]);
    for (int i = 0; i < a->job_count; i++) {
        json_decref(a->jobs[i]->undo);
        json_decref(a->jobs[i]->values);
        json_decref(a->jobs[i]->fetch);
        json_decref(a->jobs[i]->about);
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
    free(a->base_url);
    free(a->error_step);
    free(a->error_previous);
}

void assembly_free(struct assembly *a)
{
    if (!a)
        return;
    free_work(a);
    free(a->workspace);
    free(a->key_id);
    free(a->error);
    free(a);
}

bool assembly_may_rest(const struct assembly *a)
{
    bool may = assembly_is_over(a) && a->body_done && !a->jobs_open && !assembly_leaves(a);

    for (int i = 0; may && i < a->tus_count; i++)
        may = a->tus[i].finished || a->tus[i].removed;
    return may;
}

void assembly_rest(struct assembly *a)
{
    const struct created *begun = &a->begun;
    struct assembly left = {.state = a->state, .workspace = a->workspace, .key_id = a->key_id, .error = a->error,
                            .created_us = a->created_us, .ended_us = a->ended_us, .body_done = true};

    memcpy(left.id, a->id, sizeof left.id);
    left.created = json_pack("{s:s*,s:s*}", "nonce", begun->nonce, "notify_url", begun->notify_url);
    left.begun = (struct created){.nonce = jstr(left.created, "nonce"), .notify_url = jstr(left.created, "notify_url"),
                                  .by_url = begun->by_url, .tells_progress = begun->tells_progress};
    if (a->notify)
        left.notify = json_pack("{s:s*}", "notify_status", jstr(a->notify, "notify_status"));
    if (a->cancel)
        left.cancel = json_object();
    free_work(a);
    *a = left;
    a->log = (struct log){"assembly", a->id, NULL};
}

/* ---- events ---- */

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
                jstring(str_given(a->files[i]->ssl_url) ? a->files[i]->ssl_url : a->files[i]->url));
    return 0;
}

/* One of which the receipt does not know yet: the job was stopped between the last word to the other side and the
 * one to us. Found again by another try to take something back it is no news. */
static int on_job_kept(struct assembly *a, const json_t *d, struct err *err)
{
    json_t *kept = json_object_get(a->cancel, "exports_kept"), *one;
    int64_t id = jint(d, "job", -1), input = jint(d, "input", -1);
    const struct job *j = id >= 0 && id < a->job_count ? a->jobs[id] : NULL;
    size_t i;

    if (!kept || !j || input < 0 || input >= j->input_count)
        return err_set(err, ERR_NOT_FOUND, "There is no receipt, or no such export");
    if (input < j->outputs && j->inputs[input]->exported)
        return 0;
    json_array_foreach (kept, i, one)
        if (!strcmp(json_string_value(one), jstr(d, "url")))
            return 0;
    json_array_append_new(kept, jstring(jstr(d, "url")));
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
    if (event_check(ev, err) < 0)
        return -1;
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
    case EV_JOB_UNDONE:
    case EV_JOB_VALUES:
    case EV_JOB_OUTPUT:
    case EV_JOB_DONE:
    case EV_JOB_FAILED:
        return outcomes_apply(a, ev, fx, err);
    case EV_JOB_KEPT:
        return on_job_kept(a, ev->data, err);
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
