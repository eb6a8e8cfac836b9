/* Create requests that want to be answered at the end. */
#include "conductor/private.h"

#include <string.h>

static bool is_awaited(const struct entry *e, bool notified)
{
    const char *status = jstr_or(e->a->notify, "notify_status", "");

    return assembly_is_over(e->a) && (!notified || !jstr(e->a->created, "notify_url") ||
                                      !strcmp(status, "successful") || !strcmp(status, "failed"));
}

void await_answer(struct conductor *c, struct entry *e, bool all)
{
    for (struct waiter **p = &e->awaiters, *w; (w = *p);) {
        if (!all && !is_awaited(e, w->notified)) {
            p = &w->next;
            continue;
        }
        turn_answer(c, w->reply, w->ctx, NULL, e);
        *p = w->next;
        free(w);
    }
}

void await_begin(struct conductor *c, struct entry *e, struct news *n)
{
    bool notified = n->kind == NEWS_AWAIT_NOTIFIED;

    if (is_awaited(e, notified) || c->draining) {
        turn_answer(c, n->reply, n->ctx, NULL, e);
        return;
    }
    struct waiter *w = mem_zalloc(sizeof *w);
    *w = (struct waiter){
        .next = e->awaiters, .notified = notified, .reply = n->reply, .ctx = n->ctx};
    e->awaiters = w;
}

void conductor_await(struct conductor *c, const char *assembly_id, bool notified,
                     conductor_reply reply, void *ctx)
{
    inbox_ask(c, notified ? NEWS_AWAIT_NOTIFIED : NEWS_AWAIT, assembly_id, reply, ctx);
}
