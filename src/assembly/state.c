/* The state of an Assembly: what it may become, what leads there, and what of it is told. */
#include "assembly/private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *code;
    bool over;
    unsigned may_become; /* bits of enum assembly_state */
    const char *message; /* NULL: what the error says */
} states[] = {
    [ASSEMBLY_NEW] = {"ASSEMBLY_UPLOADING", false, 1u << ASSEMBLY_UPLOADING | 1u << ASSEMBLY_FAILED,
                      "Files are still being uploaded."},
    [ASSEMBLY_UPLOADING] = {"ASSEMBLY_UPLOADING", false,
                            1u << ASSEMBLY_EXECUTING | 1u << ASSEMBLY_CANCELED | 1u << ASSEMBLY_ABORTED |
                                1u << ASSEMBLY_FAILED,
                            "Files are still being uploaded."},
    [ASSEMBLY_EXECUTING] = {"ASSEMBLY_EXECUTING", false,
                            1u << ASSEMBLY_COMPLETED | 1u << ASSEMBLY_CANCELED | 1u << ASSEMBLY_FAILED,
                            "Steps are being executed."},
    [ASSEMBLY_COMPLETED] = {"ASSEMBLY_COMPLETED", true, 0, "The Assembly was successfully completed."},
    [ASSEMBLY_CANCELED] = {"ASSEMBLY_CANCELED", true, 0, "Execution was canceled."},
    [ASSEMBLY_ABORTED] = {"REQUEST_ABORTED", true, 0, "The upload request ended before all data arrived."},
    [ASSEMBLY_FAILED] = {"", true, 0, NULL},
};

bool assembly_is_over(const struct assembly *a) { return states[a->state].over; }

const char *assembly_code(const struct assembly *a)
{
    return a->state == ASSEMBLY_FAILED ? err_name(a->error) : states[a->state].code;
}

const char *assembly_message(const struct assembly *a)
{
    const char *message = states[a->state].message;

    return message ? message : a->error->msg;
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

int64_t assembly_bytes_expected(const struct assembly *a)
{
    int64_t sum;

    return __builtin_add_overflow(a->body_expected, a->tus_expected, &sum) ? INT64_MAX : sum;
}

/* ---- moves ---- */

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
    str_add_json(&b, a->error->msg);
    str_puts(&b, ",\"reason\":");
    str_add_json(&b, a->error->msg);
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
    a->error = mem_alloc(sizeof *err);
    *a->error = *err;
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

/* ---- refusals ---- */

int assembly_refuse_over(const struct assembly *a, struct err *err)
{
    return err_set_named(err, ERR_SATURATED, assembly_code(a), "The Assembly is over: %s",
                         assembly_message(a));
}

int assembly_refuse(const struct assembly *a, enum event_type type, struct err *err)
{
    if (a->begun.by_url && (type == EV_FILE_RESERVED || type == EV_FILE_ADDED))
        return err_set(err, ERR_NOT_CAPABLE, "An Assembly of a request by URL takes no files");
    return assembly_refuse_over(a, err);
}

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

void assembly_stored_failure(struct err *why, const json_t *d)
{
    *why = (struct err){0};
    assembly_stored_error(why, d, ERR_WORKER);
    snprintf(why->detail, sizeof why->detail, "%s", jstr_or(d, "detail", ""));
    why->exited = (int)jint(d, "exited", 0);
    why->is_private_address = jbool(d, "private", false);
    snprintf(why->virus, sizeof why->virus, "%s", jstr_or(d, "virus", ""));
    snprintf(why->url, sizeof why->url, "%s", jstr_or(d, "url", ""));
    snprintf(why->url_host, sizeof why->url_host, "%s", jstr_or(d, "url_host", ""));
    snprintf(why->browser_code, sizeof why->browser_code, "%s", jstr_or(d, "browser_code", ""));
}

/* ---- limits ---- */

void assembly_expect(struct assembly *a, int64_t size)
{
    if (size > 0 && __builtin_add_overflow(a->tus_expected, size, &a->tus_expected))
        a->tus_expected = INT64_MAX;
}

int assembly_too_big(struct assembly *a, int64_t size, const char *name, int64_t at_us,
                     struct effects *fx, struct err *err)
{
    struct err why;

    if (!a->max_size || size <= a->max_size)
        return 0;
    err_set(&why, ERR_MAX_SIZE,
            "The file '%.100s' has %" PRId64 " bytes, more than the max_size of %" PRId64, name,
            size, a->max_size);
    assembly_fail(a, &why, NULL, NULL, at_us, fx);
    if (err)
        *err = why;
    return 1;
}

int assembly_too_many(struct assembly *a, int more, int64_t at_us, struct effects *fx,
                      struct err *err)
{
    struct err why;

    if (!a->max_files ||
        a->upload_count + a->import_count + a->open_uploads + a->reserved - a->fetched + more <=
            a->max_files)
        return 0;
    err_set(&why, ERR_MAX_FILES, "More files than the max_number_of_files of %" PRId64,
            a->max_files);
    assembly_fail(a, &why, NULL, NULL, at_us, fx);
    if (err)
        *err = why;
    return 1;
}
