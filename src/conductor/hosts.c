/* What workers wait for until a turn is committed; and keys of SSH hosts: the first that a workspace's
 * jobs have seen counts, and is durable before anybody relies on it. */
#include "conductor/private.h"

/* None of r's confirmations stays, however many there are. */
void acks_drop(struct conductor *c, const struct run *r)
{
    int kept = 0;

    for (int i = 0; i < c->turn.ack_count; i++)
        if (c->turn.acks[i] != r)
            c->turn.acks[kept++] = c->turn.acks[i];
    c->turn.ack_count = kept;
}

void acks_add(struct conductor *c, struct run *r)
{
    struct turn *t = &c->turn;

    acks_drop(c, r); /* one at a time */
    t->acks = mem_realloc(t->acks, (size_t)(t->ack_count + 1) * sizeof *t->acks);
    t->acks[t->ack_count++] = r;
}

void asks_drop(struct conductor *c, const struct run *r)
{
    for (struct run **at = &c->turn.asking; *at; at = &(*at)->next_asking)
        if (*at == r) {
            *at = r->next_asking;
            return;
        }
}

void asks_add(struct conductor *c, struct run *r)
{
    r->next_asking = c->turn.asking;
    c->turn.asking = r;
}

/* An undo is asked about as well, which needs no event. */
void hosts_on_host(void *ctx, void *owner, struct pool_run *run, const char *host, int port,
                   const char *key)
{
    struct run *r = owner;
    struct conductor *c = ctx;
    const char *workspace = r->entry->a->workspace;
    AUTO(mem_free) char *known = NULL;
    struct err err;

    if (store_host_get(&known, c->conf.store, workspace, host, port, &err) < 0) {
        pool_host_is(run, NULL);
        return;
    }
    if (known || !*key) {
        pool_host_is(run, known);
        return;
    }
    if (turn_begin(c, &err) < 0 ||
        store_host_add(c->conf.store, workspace, host, port, key, clock_now_us(), &err) < 0 ||
        store_host_get(&known, c->conf.store, workspace, host, port, &err) < 0)
        turn_lost(c, &err);
    r->host_asked = true;
    free(r->host_key);
    r->host_key = take(known);
    acks_add(c, r);
}

/* Of a turn that was lost nothing counts. */
void hosts_committed(struct run *r, bool ok)
{
    r->host_asked = false;
    pool_host_is(r->pool, ok ? r->host_key : NULL);
}
