/* What probes have found out about files that stay what they are. While the conductor is busy more of it waits: what
 * has come in a turn is one event a job, and the end of the job says it with its own. */
#include "conductor/private.h"

void found_add(struct conductor *c, struct run *r, const json_t *body)
{
    if (!r->found) {
        r->found = json_array();
        r->found_index = jint(body, "index", 0);
        r->next_found = c->turn.found;
        c->turn.found = r;
    }
    json_array_append(r->found, json_object_get(body, "same"));
}

static void forget(struct conductor *c, struct run *r)
{
    struct run **at = &c->turn.found;

    while (*at && *at != r)
        at = &(*at)->next_found;
    if (*at)
        *at = r->next_found;
}

void found_drop(struct conductor *c, struct run *r)
{
    if (r->found)
        forget(c, r);
    json_decref(take(r->found));
}

void found_into(json_t *data, struct conductor *c, struct run *r)
{
    if (!r->found)
        return;
    json_object_set(data, "found", r->found);
    json_object_set_new(data, "index", json_integer(r->found_index));
    found_drop(c, r);
}

void found_tell(struct conductor *c, struct run *r)
{
    AUTO(json_unref) json_t *data = r->found ? json_pack("{s:i}", "job", r->job) : NULL;
    struct err err;

    if (!data)
        return;
    found_into(data, c, r);
    if (turn_apply(c, r->entry, EV_JOB_OUTPUT, data, &err) < 0)
        log_debug(&r->entry->a->log, "job_output: %s", err.msg);
}

void found_tell_all(struct conductor *c)
{
    while (c->turn.found)
        found_tell(c, c->turn.found);
}
