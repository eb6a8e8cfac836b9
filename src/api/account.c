/* What a workspace occupies and has used: GET /queues/job_slots, GET /bill/{month}. Contract: api-resources.md 3 and 4. */
#include "api/call.h"

#include <string.h>

static void slots_counted(void *ctx, const struct err *err, struct published *p)
{
    (void)p;
    call_answer(ctx, err);
}

int job_slots(struct call *c, struct err *err)
{
    json_t *slots = json_object();

    (void)err;
    json_object_set_new(c->body, "priority_job_slots", slots);
    conductor_job_slots(c->app->conductor, c->auth.key->workspace, slots, slots_counted, c);
    return 0;
}
