/* Jobs that one worker does together: several results of one file, which is read once. Each stays a job of its own,
 * with its events, outputs, progress and end.
 *
 * Whatever ends such a worker, or goes wrong with one of them, proves nothing of a single job: each of those that have
 * failed is run again, alone, and loses no try. */
#include "conductor/private.h"

#include <string.h>

/* Where each alone would have as many threads, they are done side by side: one reader would hold them up. */
#define MATES_THREADS 4

static const struct job *mates_job(const struct run *r) { return r->entry->a->jobs[r->job]; }

/* One that has not failed, and needs nothing but its one input and its worker. */
static bool is_plain(const struct run *r)
{
    const struct job *j = mates_job(r);

    return !r->undo && !r->evaluates && !r->alone && !r->forsaken && !j->note && !j->probe && !j->fetch &&
           j->input_count == 1 && !j->failures && !j->deaths;
}

static bool is_about_the_same(const struct run *a, const struct run *b)
{
    const struct job *x = mates_job(a), *y = mates_job(b);

    return job_robot(a->entry->a, x) == job_robot(b->entry->a, y) && x->inputs[0] == y->inputs[0] &&
           !strcmp(x->labels[0], y->labels[0]);
}

static bool joins(const struct robot *robot, const json_t *params)
{
    AUTO(arena_free) struct arena *a = arena_new();
    struct err err;
    void *opts;

    return robot_options(&opts, a, robot, params, false, &err) == 0 && robot->joins(opts);
}

/* NULL: it can't be one. */
static json_t *mate_params(const struct conductor *c, const struct run *r)
{
    const struct assembly *a = r->entry->a;
    AUTO(json_unref) json_t *asks = assembly_job_asks(a, mates_job(r), c->conf.region), *each = NULL, *params = NULL;
    struct err err;

    if (asks || assembly_input_params(&each, a, mates_job(r), 0, c->conf.region, &err) < 0 || each ||
        assembly_job_params(&params, a, mates_job(r), c->conf.region, NULL, &err) < 0 ||
        !joins(job_robot(a, mates_job(r)), params))
        return NULL;
    return take(params);
}

int mates_take(struct run_mate out[static ROBOT_TOGETHER_MAX - 1], struct conductor *c, struct run *r,
               const json_t *params, const json_t *inputs)
{
    const struct robot *robot = job_robot(r->entry->a, mates_job(r));
    int n = 0;

    if (!robot->joins || !is_plain(r) || json_object_get(json_array_get(inputs, 0), "params") ||
        pool_threads(c->pool, robot->role, jobs_waiting(c, robot->role)) >= MATES_THREADS || !joins(robot, params))
        return 0;
    for (struct run *m = r->entry->runs; m && n < ROBOT_TOGETHER_MAX - 1; m = m->sibling) {
        int64_t charged;
        json_t *theirs;

        if (m->waiting.lane != r->lane || !is_plain(m) || !is_about_the_same(r, m) || !(theirs = mate_params(c, m)))
            continue;
        if (!fair_take_this(&charged, &m->waiting)) {
            json_decref(theirs);
            break;
        }
        run_taken(m, r->lane, charged);
        out[n++] = (struct run_mate){m, theirs};
    }
    r->together = n ? n + 1 : 0;
    for (int i = 0; i < n; i++)
        out[i].run->together = n + 1;
    return n;
}
