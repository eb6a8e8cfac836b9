/* What jobs of a workspace occupy, and what runs where. */
#include "conductor/private.h"

#include <stdio.h>
#include <string.h>

/* ---- job slots ---- */

static json_t *member(json_t *o, const char *name)
{
    json_t *v = json_object_get(o, name);

    if (!v)
        json_object_set_new(o, name, v = json_object());
    return v;
}

void slots_answer(struct conductor *c, struct entry *none, struct news *n)
{
    struct tenant *t = tenant_of(c, n->workspace);
    json_t *slots = json_object();
    int64_t count = 0;

    for (const struct run *r = t->taken; r; r = r->next_taken) {
        const struct assembly *a = r->entry->a;

        if (r->forsaken) /* of a turn that was lost: its job may not exist any more */
            continue;
        const struct job *j = a->jobs[r->job];
        int occupied = job_robot(a, j)->slots;
        char id[24];

        if (a->in->steps[j->step].batch || r->undo)
            continue;
        snprintf(id, sizeof id, "%d", r->job);
        json_object_set_new(member(member(slots, a->id), a->in->steps[j->step].name), id,
                            json_integer(occupied));
        count += occupied;
    }
    json_object_set_new(n->data, "count", json_integer(count));
    json_object_set_new(n->data, "slots", slots);
    turn_answer(c, n->reply, n->ctx, NULL, NULL);
}

/* ---- what is running where ---- */

struct look {
    const struct conductor *c;
    const char *workspace;
    json_t *workers;
};

static void see_worker(void *ctx, const struct pool_worker *w)
{
    struct look *look = ctx;
    const struct run *r = w->owner;
    bool own = w->workspace && !strcmp(w->workspace, look->workspace);
    json_t *o = json_pack("{s:s,s:I,s:s,s:b}", "role", role_name(w->role), "id", (json_int_t)w->id,
                          "state", w->state, "own", own);

    json_array_append_new(look->workers, o);
    if (!own) /* what others do is not told */
        return;
    json_object_set_new(o, "jobs", json_integer(w->jobs));
    if (!r || r->forsaken)
        return;
    const struct assembly *a = r->entry->a;
    json_object_update_new(o, json_pack("{s:s,s:i,s:o,s:s,s:b,s:f}", "assembly_id", a->id, "job",
                                        r->job, "step",
                                        jstring(a->in->steps[a->jobs[r->job]->step].name), "robot",
                                        job_robot(a, a->jobs[r->job])->name, "undo", r->undo,
                                        "seconds", (double)(clock_mono_us() - r->taken_us) / 1e6));
}

void work_answer(struct conductor *c, struct entry *none, struct news *n)
{
    const struct tenant *t = tenant_of(c, n->workspace);
    json_t *workers = json_array(), *queues = json_object();
    struct look look = {c, n->workspace, workers};

    pool_list(c->pool, see_worker, &look);
    for (int role = 0; role < ROLE_COUNT; role++)
        if (c->conf.workers[role])
            json_object_set_new(queues, role_name(role),
                                json_pack("{s:i,s:i,s:i}", "live", t->lanes[role][0].waiting,
                                          "batch", t->lanes[role][1].waiting, "workers",
                                          c->conf.workers[role]));
    json_object_set_new(n->data, "workers", workers);
    json_object_set_new(n->data, "queues", queues);
    json_object_set_new(n->data, "open_assemblies", json_integer(t->open));
    json_object_set_new(n->data, "waits_for_space", json_boolean(c->no_space));
    turn_answer(c, n->reply, n->ctx, NULL, NULL);
}

void conductor_work(struct conductor *c, const char *workspace, json_t *out, conductor_reply reply,
                    void *ctx)
{
    inbox_ask_about(c, NEWS_WORK, workspace, out, reply, ctx);
}

void conductor_job_slots(struct conductor *c, const char *workspace, json_t *out,
                         conductor_reply reply, void *ctx)
{
    inbox_ask_about(c, NEWS_SLOTS, workspace, out, reply, ctx);
}
