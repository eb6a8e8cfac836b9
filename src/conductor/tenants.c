/* Workspaces: how many Assemblies each has open, and its lanes in the queues. */
#include "conductor/private.h"

struct tenant *tenant_of(struct conductor *c, const char *workspace)
{
    struct tenant *t = map_get(&c->tenants, workspace);

    if (t)
        return t;
    t = mem_zalloc(sizeof *t);
    for (int role = 0; role < ROLE_COUNT; role++)
        for (int batch = 0; batch < 2; batch++)
            t->lanes[role][batch] = (struct fair_lane){.queue = &c->queues[role][batch],
                                                       .limit = batch ? 0 : c->conf.job_slots};
    map_put(&c->tenants, workspace, t);
    return t;
}

void tenant_follow(struct conductor *c, struct entry *e)
{
    bool open = e->a->state != ASSEMBLY_NEW && !assembly_is_over(e->a);

    if (!e->tenant && e->a->workspace)
        e->tenant = tenant_of(c, e->a->workspace);
    if (e->tenant && open != e->counted) {
        e->tenant->open += open ? 1 : -1;
        e->counted = open;
    }
}

void tenants_done(struct conductor *c)
{
    for (struct map_iter i = {0}; map_next(&c->tenants, &i);)
        free(i.value);
    map_done(&c->tenants);
    for (int role = 0; role < ROLE_COUNT; role++)
        for (int batch = 0; batch < 2; batch++)
            fair_queue_done(&c->queues[role][batch]);
}
