/* Workspaces: how many Assemblies each has open, and what its jobs occupy. */
#include "conductor/private.h"

#include <stdio.h>
#include <string.h>

struct tenant *tenant_of(struct conductor *c, const char *workspace)
{
    struct tenant *t = map_get(&c->tenants, workspace);

    if (t)
        return t;
    t = mem_zalloc(sizeof *t);
    for (int role = 0; role < 2; role++)
        for (int batch = 0; batch < 2; batch++)
            t->lanes[role][batch] = (struct fair_lane){.queue = &c->queues[role][batch],
                                                       .limit = batch ? 0 : c->conf.job_slots};
    map_put(&c->tenants, workspace, t);
    return t;
}

void tenant_follow(struct conductor *c, struct live *l)
{
    bool open = l->a->state != ASSEMBLY_NEW && !assembly_is_over(l->a);

    if (!l->tenant && l->a->workspace)
        l->tenant = tenant_of(c, l->a->workspace);
    if (l->tenant && open != l->counted) {
        l->tenant->open += open ? 1 : -1;
        l->counted = open;
    }
}

void tenants_done(struct conductor *c)
{
    for (struct map_iter i = {0}; map_next(&c->tenants, &i);)
        free(i.value);
    map_done(&c->tenants);
    for (int role = 0; role < 2; role++)
        for (int batch = 0; batch < 2; batch++)
            fair_queue_done(&c->queues[role][batch]);
}

/* ---- job slots ---- */

static json_t *member(json_t *o, const char *name)
{
    json_t *v = json_object_get(o, name);

    if (!v)
        json_object_set_new(o, name, v = json_object());
    return v;
}

void slots_answer(struct conductor *c, const struct news *n)
{
    struct tenant *t = tenant_of(c, n->upload_id);
    json_t *slots = json_object();
    int64_t count = 0;

    for (const struct run *r = t->taken; r; r = r->next_taken) {
        const struct assembly *a = r->live->a;

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

void conductor_job_slots(struct conductor *c, const char *workspace, json_t *out,
                         conductor_reply reply, void *ctx)
{
    struct news *n = mem_zalloc(sizeof *n);

    n->type = NEWS_SLOTS;
    n->upload_id = mem_strdup(workspace);
    n->data = json_incref(out);
    n->reply = reply;
    n->ctx = ctx;
    post_news(c, n);
}
