/* Access tokens that were renewed for a job and are refused before it ends: it is longer than their life, or the other
 * side has forgotten them. Its worker waits for another. */
#include "assembly/credentials.h"
#include "conductor/private.h"
#include "conductor/timer.h"

#include <string.h>

#define LOOK_US (SECOND_US / 10)

static void tokens_look(struct conductor *c, struct run *r);

static void look_again(uv_timer_t *t)
{
    struct run *r = t->data;
    struct conductor *c = t->loop->data;

    timer_drop(&r->delay);
    tokens_look(c, r);
}

void tokens_forget(struct run *r)
{
    if (r->refused)
        explicit_bzero(r->refused, strlen(r->refused));
    free(take(r->refused));
    free(take(r->host_key));
}

/* Asked for like those of a job that begins: the credentials may be others by now. */
static void tokens_look(struct conductor *c, struct run *r)
{
    const struct assembly *a = r->entry->a;
    const struct job *j = a->jobs[r->job];
    struct given_owner owner = {c, a, job_robot(a, j), &r->renewing_us, .refused = r->refused};
    struct credential_source credentials = {given_credentials, &owner};
    AUTO(json_unref) json_t *params = NULL;
    struct err err = {0};

    if (assembly_job_params(&params, a, j, c->conf.region, &credentials, &err) < 0 && owner.waits) {
        r->delay = timer_new(&c->loop, LOOK_US, look_again, r);
        return;
    }
    tokens_forget(r);
    pool_token_is(r->pool, jstr(params, "access_token"), err.msg);
}

void tokens_on_token(void *ctx, void *owner, struct pool_run *run, const char *refused)
{
    struct run *r = owner;

    (void)run;
    tokens_forget(r);
    r->refused = mem_strdup(refused);
    r->renewing_us = 0;
    tokens_look(ctx, r);
}
