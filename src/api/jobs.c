/* GET /assemblies/{id}/jobs: what was done when, job by job. Ours: the contract has no such list.
 */
#include "api/jobs.h"
#include "api/call.h"
#include "api/routes.h"
#include "base/clock.h"

#define DEFAULT_LIMIT 500

static json_t *seconds(int64_t us)
{
    return us ? json_real((double)(us / 1000) / 1000) : json_null();
}

/* ---- when jobs ran ---- */

struct runs {
    json_t *by_job; /* array of arrays of {started, ended} */
};

static json_t *runs_of(struct runs *r, int job)
{
    while ((int)json_array_size(r->by_job) <= job)
        json_array_append_new(r->by_job, json_array());
    return json_array_get(r->by_job, (size_t)job);
}

static void end_run(json_t *runs, int64_t at_us)
{
    json_t *last = json_array_get(runs, json_array_size(runs) - 1); /* NULL for an empty one */

    if (last && json_is_null(json_object_get(last, "ended")))
        json_object_set_new(last, "ended", seconds(at_us));
}

static void note(void *ctx, const struct assembly *a, const struct event *ev)
{
    struct runs *r = ctx;
    int job = (int)jint(ev->data, "job", -1);

    if (job < 0 || job >= a->job_count)
        return;
    if (ev->type == EV_JOB_STARTED) {
        json_t *runs = runs_of(r, job);

        end_run(runs, ev->at_us); /* the server ended during the one before */
        json_array_append_new(runs, json_pack("{s:o,s:n}", "started", seconds(ev->at_us), "ended"));
    } else if (ev->type == EV_JOB_DONE || ev->type == EV_JOB_FAILED) {
        end_run(runs_of(r, job), ev->at_us);
    }
}

/* ---- what is shown ---- */

static const char *state_of(const struct assembly *a, const struct job *j, const json_t *runs)
{
    static const char *const names[] = {"queued", "running", "done", "failed", "dropped"};
    bool open = j->state == JOB_QUEUED || j->state == JOB_RUNNING || j->state == JOB_DROPPED;

    if (assembly_is_over(a) && open)
        return json_array_size(runs) ? "stopped" : "dropped";
    return names[j->state];
}

static json_t *describe_job(const struct assembly *a, const struct job *j, json_t *runs)
{
    const struct step *s = &a->in->steps[j->step];
    const char *kind = j->fetch || (j->hidden && !j->probe) ? "download"
                       : j->probe || j->note ? "metadata"
                       : s->robot->is_store ? "export"
                                            : "work";
    json_t *o = json_pack("{s:i,s:o,s:s,s:s,s:i,s:i,s:i,s:i,s:o,s:O,s:b}", "id", j->id, "step",
                          jstring(s->name), "kind", kind, "state", state_of(a, j, runs), "attempts",
                          j->attempts, "failures", j->failures, "inputs", j->input_count, "outputs",
                          j->outputs, "queued", seconds(j->queued_us), "runs", runs, "undo",
                          j->undo != NULL);

    if (j->source >= 0)
        json_object_set_new(o, "source", jstring(a->in->steps[j->source].name));
    if (j->input_count)
        json_object_set_new(o, "file", jstring(j->inputs[0]->name));
    return o;
}

static json_t *describe_step(const struct step *s, const struct instructions *in)
{
    json_t *uses = json_array();

    for (int i = 0; i < s->use_count - step_sides(s); i++) /* those stand behind the others */
        json_array_append_new(uses, jstring(in->steps[s->uses[i].step].name));
    return json_pack("{s:o,s:s,s:o,s:b,s:b,s:b,s:{}}", "name", jstring(s->name), "robot",
                     s->robot->name, "use", uses, "export", s->robot->is_store, "declared",
                     s->declared, "bundle", s->bundle, "jobs");
}

json_t *steps_describe(const struct instructions *in)
{
    json_t *steps = json_array();

    for (int i = 0; i < in->count; i++)
        if (!in->steps[i].hidden)
            json_array_append_new(steps, describe_step(&in->steps[i], in));
    return steps;
}

static void count(json_t *step, const char *state)
{
    json_t *counts = json_object_get(step, "jobs");

    json_object_set_new(counts, state, json_integer(jint(counts, state, 0) + 1));
}

int assembly_jobs(struct call *c, struct err *err)
{
    AUTO(assembly_free) struct assembly *a = NULL;
    AUTO(json_unref) json_t *by_job = json_array();
    struct runs runs = {by_job};
    json_t *steps, *jobs = json_array();
    int64_t limit;

    json_object_set_new(c->body, "jobs", jobs);
    if (call_int(&limit, c, "limit", DEFAULT_LIMIT, 0, 100000, ERR_FORM, err) < 0)
        return -1;
    if (history_load(&a, c, http_path_arg(c->req, 0), note, &runs, err) < 0)
        return err->code == ERR_NOT_REPLAYABLE
                   ? err_set_named(err, ERR_NOT_FOUND, "ASSEMBLY_JOBS_NOT_FOUND",
                                   "The Assembly is too old: only its status is kept")
                   : -1;
    steps = a->in ? steps_describe(a->in) : json_array(); /* they may have been refused */
    json_object_set_new(c->body, "steps", steps);
    for (int i = 0; i < a->job_count; i++) {
        const struct job *j = a->jobs[i];
        json_t *r = runs_of(&runs, i);

        if (assembly_is_over(a))
            end_run(r, a->ended_us);
        if (!job_is_hidden(j))
            count(json_array_get(steps, (size_t)j->step), state_of(a, j, r));
        if ((int64_t)json_array_size(jobs) < limit)
            json_array_append_new(jobs, describe_job(a, j, r));
    }
    json_object_set_new(c->body, "count", json_integer(a->job_count));
    json_object_set_new(c->body, "now", seconds(clock_now_us()));
    json_object_set_new(c->body, "created", seconds(a->created_us));
    json_object_set_new(c->body, "uploaded", seconds(a->uploaded_us));
    json_object_set_new(c->body, "execution_started", seconds(a->execution_us));
    json_object_set_new(c->body, "ended", seconds(a->ended_us));
    call_say(c, "The jobs of the Assembly were found.");
    return 0;
}
