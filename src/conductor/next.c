/* What a probe's worker does next. Before it decodes a picture, which it would do for the mean colour alone, it asks;
 * the first job that the picture has begun then goes to it, and tells the probe what it finds on the way. Each stays a
 * job of its own, as those of mates.c do. What an Assembly is does not depend on who decodes: there is no event for it,
 * and after a restart, or alone, both run as if nobody had asked. */
#include "conductor/private.h"

static const struct job *next_job(const struct run *r) { return r->entry->a->jobs[r->job]; }

/* Jobs of this step may do it. */
static bool may_decode(const struct step *s)
{
    bool of_uploads = false;

    for (int u = 0; u < s->use_count; u++)
        of_uploads |= s->uses[u].step == STEP_ORIGINAL;
    return of_uploads && !s->bundle && !s->needs_engine && s->robot->measures;
}

/* Nothing else waits for all of the metadata, and it is not known yet that this file is trouble. */
bool next_may_be_asked(const struct run *r)
{
    const struct assembly *a = r->entry->a;
    const struct job *j = next_job(r);
    bool any = false;

    if (!j->probe || j->step != STEP_ORIGINAL || j->input_count != 1 || j->attempts || j->alone || r->undo ||
        a->in->needs_meta)
        return false;
    for (int t = 1; t < a->in->count && !any; t++)
        any = may_decode(&a->in->steps[t]);
    return any;
}

void next_on_asks(void *ctx, void *owner, struct pool_run *run)
{
    struct run *r = owner;
    struct conductor *c = ctx;

    (void)run;
    asks_add(c, r);
    entry_touch(&c->entries, r->entry); /* also of one that says again what is known: the turn must be committed */
}

/* ---- what it is answered ---- */

/* It waits, has not failed, and needs nothing but its one input, which that probe has. */
static bool could_follow(const struct run *r, const struct run *probe)
{
    const struct job *j = next_job(r);

    return r->waiting.lane && !r->undo && !r->evaluates && !r->alone && !r->forsaken && !j->note && !j->probe &&
           !j->fetch && j->input_count == 1 && j->inputs[0] == next_job(probe)->inputs[0] && !*j->labels[0] &&
           !j->attempts && r->role == probe->role && may_decode(&r->entry->a->in->steps[j->step]);
}

static bool measures(const struct robot *robot, const json_t *params)
{
    AUTO(arena_free) struct arena *a = arena_new();
    struct err err;
    void *opts;

    return robot_options(&opts, a, robot, params, false, &err) == 0 && robot->measures(opts);
}

/* All that the job is given. False: it is not one for this. */
static bool next_task(struct pool_task *task, struct conductor *c, const struct run *r)
{
    const struct assembly *a = r->entry->a;
    const struct job *j = next_job(r);
    const struct robot *robot = job_robot(a, j);
    AUTO(json_unref) json_t *asks = assembly_job_asks(a, j, c->conf.region), *params = NULL, *inputs = NULL;
    struct err err;

    if (asks || assembly_job_params(&params, a, j, c->conf.region, NULL, &err) < 0 || !measures(robot, params) ||
        !(inputs = given_inputs(c, a, j, &err)) || json_object_get(json_array_get(inputs, 0), "params"))
        return false;
    *task = (struct pool_task){.role = r->role, .workspace = a->workspace, .assembly_id = a->id, .robot = robot->name,
                               .keys = robot->keys, .params = take(params), .inputs = take(inputs),
                               .timeout_s = robot->timeout_s};
    return true;
}

/* The one that has waited longest. */
static struct run *find_next(struct pool_task *task, struct conductor *c, const struct run *probe)
{
    struct run *found = NULL;

    if (c->draining || c->no_space || assembly_is_over(probe->entry->a))
        return NULL;
    for (struct run *r = probe->entry->runs; r; r = r->sibling)
        if (could_follow(r, probe) && (!found || r->job < found->job))
            found = r;
    return found && next_task(task, c, found) ? found : NULL;
}

/* The worker's time is this job's from now on: it takes the probe's place. */
static bool take_place(struct conductor *c, struct run *probe, struct run *r)
{
    struct fair_lane *lane = r->waiting.lane, *was = probe->lane;
    struct err err;
    int64_t charged;

    if (lane != was && lane->limit && lane->running >= lane->limit)
        return false;
    run_left(probe);
    if (!fair_take_this(&charged, &r->waiting)) /* what the probe left is enough */
        return false;
    run_taken(r, lane, charged);
    if (run_started(c, r, &err) == 0)
        return true;
    run_free(c, r); /* the turn is lost, and it is read again */
    return false;
}

static void answer_one(struct conductor *c, struct run *probe)
{
    struct pool_task task;
    struct run *r = find_next(&task, c, probe);

    if (r && !take_place(c, probe, r)) {
        json_decref(task.params);
        json_decref(task.inputs);
        r = NULL;
    }
    if (r)
        r->shares = probe->shares = true;
    struct pool_run *run = pool_next(probe->pool, r ? &task : NULL, r);
    if (r)
        r->pool = run;
}

void next_answer(struct conductor *c, bool ok)
{
    for (struct run *r; (r = c->turn.asking);) {
        c->turn.asking = r->next_asking;
        if (ok && r->pool && !r->forsaken)
            answer_one(c, r);
    }
}
