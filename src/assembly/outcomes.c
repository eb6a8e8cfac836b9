/* What jobs say: begun, found out, made, stored, done, failed. */
#include "assembly/file_variables.h"
#include "assembly/private.h"
#include "base/clock.h"
#include "base/filetype.h"

#include <string.h>

#define MAX_IGNORED_ERRORS 100
#define RETRY_DELAY_US SECOND_US
#define DEATHS_A_TRY 3

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

int job_deaths(const struct job *j, int64_t boot) { return j->deaths + (j->boot && j->boot != boot); }

bool job_is_deadly(const struct assembly *a, const struct job *j, int64_t boot)
{
    return job_deaths(j, boot) >= DEATHS_A_TRY * (a->max_attempts > 0 ? a->max_attempts : 1);
}

static int on_job_interrupted(struct assembly *a, const struct event *ev, struct err *err)
{
    struct job *j = open_job(a, ev, err);

    if (!j)
        return -1;
    stop_running(a, j);
    j->state = JOB_QUEUED;
    j->boot = 0;
    return 0;
}

static int on_job_started(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    struct job *j = open_job(a, ev, err);

    if (!j)
        return -1;
    stop_running(a, j); /* it was running when the process ended: no event says that it stopped */
    j->deaths = job_deaths(j, jint(ev->data, "boot", 0));
    j->boot = jint(ev->data, "boot", 0);
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
        effects_fragment(fx, LIST_STARTED, 0, a->started_count++, str_take(&json));
    }
    return 0;
}

static int on_job_progress(struct assembly *a, const struct event *ev, struct err *err)
{
    struct job *j = open_job(a, ev, err);

    if (!j)
        return -1;
    double now = jnum(ev->data, "fraction", 0);

    if (now > j->progress)
        j->progress = now < 1 ? now : 1;
    return 0;
}

static int on_job_undo(struct assembly *a, const struct event *ev, struct err *err)
{
    struct job *j = open_job(a, ev, err);
    json_t *token = json_object_get(ev->data, "token");

    if (!j)
        return -1;
    json_decref(j->undo);
    j->undo = json_is_object(token) ? json_incref(token) : NULL;
    j->undo_failed = false;
    return 0;
}

/* Of a job that is over as well: that is when most is taken back. */
static int on_job_undone(struct assembly *a, const struct event *ev, struct err *err)
{
    int64_t id = jint(ev->data, "job", -1);
    struct job *j = id >= 0 && id < a->job_count ? a->jobs[id] : NULL;

    if (!j || !j->undo)
        return err_set(err, ERR_NOT_FOUND, "There is nothing to take back");
    if (jstr(ev->data, "failed")) {
        j->undo_failed = true;
        a->left_elsewhere++;
    } else {
        json_decref(take(j->undo));
    }
    return 0;
}

bool job_leaves(const struct job *j) { return j->undo && !j->undo_failed && j->state != JOB_DONE; }

bool assembly_leaves(const struct assembly *a)
{
    for (int i = 0; i < a->job_count; i++)
        if (job_leaves(a->jobs[i]))
            return true;
    return false;
}

static void note_end(struct assembly *a, struct job *j, const json_t *values, const char *why, int64_t at_us,
                     struct effects *fx);

/* Its expressions are evaluated: now it can begin. Not before this is durable, so that what it does at somebody else's
 * is not done twice with other values. */
static int on_job_values(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    struct job *j = open_job(a, ev, err);
    json_t *values = json_object_get(ev->data, "values");

    if (!j)
        return -1;
    if (j->note) {
        note_end(a, j, json_array_get(values, 0), NULL, ev->at_us, fx);
        return 0;
    }
    if (!j->values && json_is_array(values))
        j->values = json_incref(values);
    stop_running(a, j);
    j->state = JOB_QUEUED;
    j->boot = 0;
    j->queued_us = ev->at_us;
    effects_add(fx, FX_START_JOB)->job = j->id;
    return 0;
}

static void merge_meta(struct file *f, const json_t *meta)
{
    if (json_is_object(meta) && json_object_size(meta)) {
        json_t *merged =
            json_copy(f->meta); /* a rendered fragment never shares it, but inputs may */

        json_object_update(merged, (json_t *)meta);
        json_decref(f->meta);
        f->meta = merged;
    }
}

/* What the status says under `type`. Bytes alone make a picture, a film or a sound of a file, so that steps get it; for
 * a document to be one, a reader must have opened it (a PDF that is locked has none). */
static const char *type_of(const char *mime, bool read)
{
    const char *kind = filetype_kind(mime);

    return read || !str_starts(mime, "application/") ? kind : NULL;
}

/* The input that an output is about; NULL: the job has none such. Nothing that a worker can say leads here with
 * another, but a store may hold what an older version took. */
static struct file *input_of(const struct job *j, const json_t *d)
{
    int64_t i = jint(d, "input", 0);

    return i >= 0 && i < j->input_count ? j->inputs[i] : NULL;
}

/* The step's `user_meta` joins that of the file. Where the engine has to evaluate it, a job of its own does, and what
 * follows waits: returns true, and note_end() goes on. */
static bool note(struct assembly *a, const struct job *j, struct file *f, enum job_note then, int64_t at_us,
                 struct effects *fx)
{
    json_t *about = file_user_meta_about(a, f, j->step);

    if (about)
        graph_add_note(a, f, j, then, about, at_us, fx);
    else
        file_add_user_meta(a, f, j->step, NULL, NULL);
    return about != NULL;
}

/* What a probe found out about a file. */
static void learn(struct assembly *a, struct job *j, const json_t *d, int64_t at_us, struct effects *fx)
{
    struct file *f = input_of(j, d);
    const char *mime = jstr(d, "mime"), *ext = jstr(d, "ext");

    if (!f)
        return;
    if (mime && *mime) {
        file_set_text(&f->mime, mime);
        file_set_text(&f->type, type_of(mime, json_is_object(json_object_get(d, "meta"))));
    }
    if (ext && *ext && !*f->ext)
        file_set_text(&f->ext, ext);
    merge_meta(f, json_object_get(d, "meta"));
    note(a, j, f, NOTE_THEN_READY, at_us, fx);
    f->queue_us = j->queue_us;
    f->exec_us = at_us > j->started_us ? at_us - j->started_us : 0;
    f->cost = robot_cost(a->in->steps[STEP_ORIGINAL].robot, 2 * f->size);
    file_refresh(a, f, fx);
    if (j->input_count > 1)
        file_is_ready(a, f, at_us, fx); /* not when all of them are known */
    else if (jbool(d, "early", false) && !a->in->needs_meta)
        file_start_consumers(a, f, at_us, fx);
}

/* Of several files, in their order; what an earlier attempt gave is passed over. */
static void learn_all(struct assembly *a, struct job *j, const struct event *ev, struct effects *fx)
{
    int64_t index = jint(ev->data, "index", j->outputs);
    const json_t *d;
    size_t i;

    json_array_foreach (json_object_get(ev->data, "found"), i, d)
        if (index + (int64_t)i == j->outputs && !assembly_is_over(a)) {
            j->outputs++;
            learn(a, j, d, ev->at_us, fx);
        }
}

/* Every step that the file counts as a result of, when no export will move it any more: that which made it, and that
 * which passed it on to this job. */
static void list_exported(struct assembly *a, const struct job *j, struct file *f, struct effects *fx)
{
    file_list_if_due(a, f, fx);
    if (j->source >= 0 && a->in->steps[j->source].robot->passes_input)
        file_list_passed(a, f, j->source, fx);
}

static void export_done(struct assembly *a, struct job *j, struct file *f, struct effects *fx)
{
    if (f->exports_open > 0 && a->is_export[j->step] && !--f->exports_open)
        list_exported(a, j, f, fx);
}

static void after_store(struct assembly *a, struct job *j, struct file *f, int64_t at_us, struct effects *fx)
{
    if (f->exports_open > 0)
        f->exports_open--;
    list_exported(a, j, f, fx);
    if (a->in->steps[j->step].result && !file_is_listed(f, j->step))
        file_list(a, f, j->step, fx);
    graph_file_ready(a, f, j->step, at_us, fx); /* it goes on under the store step's name */
}

static void stored(struct assembly *a, struct job *j, const json_t *d, int64_t at_us, struct effects *fx)
{
    struct file *f = input_of(j, d);

    if (!f || !jstr(d, "url"))
        return;
    file_set_text(&f->url, jstr(d, "url"));
    file_set_text(&f->ssl_url, jstr(d, "ssl_url"));
    if (json_is_object(json_object_get(d, "extra"))) {
        if (!f->extra)
            f->extra = json_object();
        json_object_update(f->extra, json_object_get(d, "extra"));
    }
    merge_meta(f, json_object_get(d, "meta"));
    f->exported = true;
    bool waits = note(a, j, f, NOTE_THEN_STORED, at_us, fx);
    file_refresh(a, f, fx);
    if (!waits)
        after_store(a, j, f, at_us, fx);
}

static void after_pass(struct assembly *a, const struct job *j, struct file *f, int64_t at_us, struct effects *fx)
{
    graph_file_ready(a, f, j->step, at_us, fx);
    file_list_passed(a, f, j->step, fx);
}

/* The input goes on under the name of this step, as it is. */
static void passed(struct assembly *a, struct job *j, const json_t *d, int64_t at_us, struct effects *fx)
{
    struct file *f = input_of(j, d);

    if (!f)
        return;
    bool waits = note(a, j, f, NOTE_THEN_PASSED, at_us, fx);
    if (json_object_get(a->in->steps[j->step].params, "user_meta"))
        file_refresh(a, f, fx);
    if (!waits)
        after_pass(a, j, f, at_us, fx);
}

/* The file of a fetch job is an upload. Its length was what somebody said. */
static void fetched(struct assembly *a, struct job *j, const json_t *d, int64_t at_us,
                    struct effects *fx, struct err *err)
{
    int64_t size = jint(d, "size", 0), said = jint(j->fetch, "size", 0);

    if (!id_valid(jstr_or(d, "id", "")) || a->fetched >= a->reserved ||
        assembly_too_big(a, size, jstr_or(d, "name", ""), at_us, fx, err))
        return;
    AUTO(json_unref) json_t *record = json_copy((json_t *)d);
    jset(record, "field", jstr(j->fetch, "fieldname"));
    if (jstr(j->fetch, "filename"))
        jset(record, "name", jstr(j->fetch, "filename"));
    a->tus_expected -= said > 0 && said < a->tus_expected ? said : said > 0 ? a->tus_expected : 0;
    assembly_expect(a, size);
    a->tus_received += size;
    a->fetched++;
    a->finished_uploads++;
    assembly_add_upload(a, record, NULL, at_us, fx);
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
    effects_fragment(fx, LIST_IGNORED, 0, a->ignored_count - 1, str_take(&json));
}

static bool about_later(const struct assembly *a, const struct file *f, int step)
{
    AUTO(json_unref) json_t *about = file_user_meta_about(a, f, step);

    return about != NULL;
}

static void made(struct assembly *a, struct job *j, const json_t *d, int64_t at_us,
                 struct effects *fx, struct err *err)
{
    int64_t i = jint(d, "input", -1);
    const struct robot *r = a->in->steps[j->step].robot;
    const struct file *from = i >= 0 && i < j->input_count ? j->inputs[i] : NULL;
    struct file *f;

    if (!id_valid(jstr_or(d, "id", "")) || (!from && !j->hidden && assembly_too_many(a, 1, at_us, fx, err)))
        return;
    f = file_add(a, jstr_or(d, "id", ""), jstr_or(d, "name", "unnamed"), j->step);
    f->size = jint(d, "size", 0) > 0 ? jint(d, "size", 0) : 0;
    f->md5 = text_or_null(jstr(d, "md5"));
    f->mime = text_or_null(jstr(d, "mime"));
    f->type = text_or_null(f->mime ? filetype_kind(f->mime) : NULL);
    if (jstr(d, "stub")) {
        file_set_text(&f->url, jstr(d, "stub"));
        file_set_text(&f->ssl_url, str_starts(f->url, "https://") ? f->url : "");
        f->is_stub = true;
    }
    f->batch = a->in->steps[j->step].batch;
    f->queue_us = j->queue_us;
    f->exec_us = at_us > j->started_us ? at_us - j->started_us : 0;
    if (json_is_object(json_object_get(d, "meta")))
        merge_meta(f, json_object_get(d, "meta"));
    if (from) {
        file_inherit(a, f, j, from);
    } else {
        file_be_original(f, jstr_or(json_object_get(d, "extra"), "original_path", "/"));
        a->import_count += !j->hidden;
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
    f->cost = robot_cost(r, f->size + (from ? from->size : 0));
    j->out_bytes += f->size;
    if (jstr(d, "unread")) {
        struct err why = {.code = ERR_META};

        snprintf(why.msg, sizeof why.msg, "%s", jstr(d, "unread"));
        ignore_error(a, j, &why, "meta", fx);
    }
    if (f->mime)
        note(a, j, f, NOTE_THEN_READY, at_us, fx);
    else if (!about_later(a, f, j->step)) /* what needs the engine waits for the probe */
        file_add_user_meta(a, f, j->step, NULL, NULL);
    if (f->mime)
        file_is_ready(a, f, at_us, fx);
    else
        graph_add_probe(a, f, j->step, at_us, fx); /* imports have no media library to look with */
}

static int on_job_output(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    struct job *j = open_job(a, ev, err);
    const json_t *d;

    if (!j)
        return -1;
    if (!json_object_get(ev->data, "found") && jint(ev->data, "index", j->outputs) < j->outputs)
        return 0; /* an earlier attempt gave this one already */
    if (j->note)
        return err_set(err, ERR_WORKER, "an evaluation gives no files");
    j->outputs += !json_object_get(ev->data, "found");
    j->deaths = 0;
    learn_all(a, j, ev, fx);
    if ((d = json_object_get(ev->data, "same")))
        learn(a, j, d, ev->at_us, fx);
    else if ((d = json_object_get(ev->data, "stored")))
        stored(a, j, d, ev->at_us, fx);
    else if ((d = json_object_get(ev->data, "passed")))
        passed(a, j, d, ev->at_us, fx);
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

/* A note is made, or (values NULL) can't be: the file goes on as it would have without. */
static void note_end(struct assembly *a, struct job *j, const json_t *values, const char *why, int64_t at_us,
                     struct effects *fx)
{
    struct file *f = j->inputs[0];

    close_job(a, j, values ? JOB_DONE : JOB_FAILED, at_us);
    if (values)
        file_add_user_meta(a, f, j->step, j->about, values);
    else
        file_warn_user_meta(a, j->step, why ? why : "its expressions have no values");
    file_refresh(a, f, fx);
    if (j->note == NOTE_THEN_READY) {
        f->is_noted = false;
        file_is_ready(a, f, at_us, fx);
    } else if (j->note == NOTE_THEN_STORED) {
        after_store(a, j, f, at_us, fx);
    } else {
        after_pass(a, j, f, at_us, fx);
    }
    assembly_advance(a, at_us, fx);
}

/* For its first n uploads, each as if it had been alone. */
static void charge_probe(struct assembly *a, const struct job *j, int n)
{
    for (int i = 0; i < n && i < j->input_count && j->probe && j->step == STEP_ORIGINAL; i++)
        a->bytes_usage += robot_cost(a->in->steps[STEP_ORIGINAL].robot, j->inputs[i]->size);
}

static int on_job_done(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    struct job *j = open_job(a, ev, err);
    int64_t bytes = 0;

    if (!j)
        return -1;
    if (j->note) { /* without having given values */
        note_end(a, j, NULL, NULL, ev->at_us, fx);
        return 0;
    }
    learn_all(a, j, ev, fx);
    if (assembly_is_over(a))
        return 0;
    for (int i = 0; i < j->input_count; i++)
        bytes += j->inputs[i]->size;
    if (!j->probe && !j->fetch && !j->hidden)
        a->bytes_usage += robot_cost(a->in->steps[j->step].robot, bytes + j->out_bytes);
    charge_probe(a, j, j->input_count);
    close_job(a, j, JOB_DONE, ev->at_us);
    if (j->probe && j->input_count == 1)
        file_is_ready(a, j->inputs[0], ev->at_us, fx);
    assembly_advance(a, ev->at_us, fx);
    return 0;
}

/* It waits for another try. retry: "now" or "later". */
static void try_again(struct assembly *a, struct job *j, const char *retry, int64_t at_us, struct effects *fx)
{
    stop_running(a, j);
    j->state = JOB_QUEUED;
    j->boot = 0;
    j->queued_us = at_us;
    struct effect *e = effects_add(fx, FX_START_JOB);
    e->job = j->id;
    e->delay_us = strcmp(retry, "later") ? 0 : RETRY_DELAY_US << (j->failures - 1);
}

/* A file that ends its worker each time is named: who sent it must be able to find it. */
static void name_file(struct err *why, const struct job *j)
{
    const char *name = j->input_count && j->inputs[0]->name ? j->inputs[0]->name : "";
    size_t len = strlen(why->msg);

    if (!j->input_count)
        return;
    if (why->code == ERR_CRASHED)
        snprintf(why->msg + len, sizeof why->msg - len, "; the file was '%.200s'", name);
    if (why->code == ERR_WORKER)
        snprintf(why->msg + len, sizeof why->msg - len, "; the file was '%.200s', tried %d times", name,
                 j->failures ? j->failures : 1);
}

/* It has failed for good: the Assembly goes on without it, or fails too. */
static void give_up(struct assembly *a, struct job *j, const struct err *why, int64_t at_us, struct effects *fx)
{
    const struct step *s = &a->in->steps[j->step];
    bool import = s->robot->no_input && !j->probe;
    unsigned phase = j->probe ? IGNORE_META : import ? IGNORE_IMPORT | IGNORE_EXECUTE : IGNORE_EXECUTE;
    bool keep = j->probe && json_is_array(json_object_get(s->params, "import_on_errors"));

    close_job(a, j, JOB_FAILED, at_us);
    for (int i = 0; i < j->input_count; i++)
        export_done(a, j, j->inputs[i], fx);
    if (!(s->ignore & phase) && !keep && !(j->probe && a->begun.ignores_meta_errors)) {
        assembly_fail(a, why, s->name, j->source >= 0 ? a->in->steps[j->source].name : NULL, at_us, fx);
        return;
    }
    ignore_error(a, j, why, j->probe ? "meta" : import ? "import" : "execute", fx);
    if (j->probe && j->input_count) /* the file itself is fine, only its metadata is not known */
        file_is_ready(a, j->inputs[0], at_us, fx);
    assembly_advance(a, at_us, fx);
}

static int on_job_failed(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    struct job *j = open_job(a, ev, err);
    const char *retry = jstr_or(ev->data, "retry", "never");
    struct err why;

    if (!j)
        return -1;
    assembly_stored_failure(&why, ev->data);
    if (j->probe && j->input_count > 1) {
        close_job(a, j, JOB_DONE, ev->at_us);
        charge_probe(a, j, j->outputs);
        graph_split_probe(a, j, ev->at_us, fx);
        assembly_advance(a, ev->at_us, fx);
    } else if (strcmp(retry, "never") && ++j->failures < a->max_attempts) {
        try_again(a, j, retry, ev->at_us, fx);
    } else if (j->note) {
        note_end(a, j, NULL, why.msg, ev->at_us, fx);
    } else {
        name_file(&why, j);
        give_up(a, j, &why, ev->at_us, fx);
    }
    return 0;
}

int outcomes_apply(struct assembly *a, const struct event *ev, struct effects *fx, struct err *err)
{
    switch (ev->type) {
    case EV_JOB_STARTED:
        return on_job_started(a, ev, fx, err);
    case EV_JOB_INTERRUPTED:
        return on_job_interrupted(a, ev, err);
    case EV_JOB_PROGRESS:
        return on_job_progress(a, ev, err);
    case EV_JOB_UNDO:
        return on_job_undo(a, ev, err);
    case EV_JOB_UNDONE:
        return on_job_undone(a, ev, err);
    case EV_JOB_VALUES:
        return on_job_values(a, ev, fx, err);
    case EV_JOB_OUTPUT:
        return on_job_output(a, ev, fx, err);
    case EV_JOB_DONE:
        return on_job_done(a, ev, fx, err);
    default:
        return on_job_failed(a, ev, fx, err);
    }
}
