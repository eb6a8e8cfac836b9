/* Create requests that want to be answered at the end. */
#include "conductor/private.h"

#include <string.h>

static bool is_awaited(const struct live *l, bool notified)
{
    const char *status = jstr_or(l->a->notify, "notify_status", "");

    return assembly_is_over(l->a) && (!notified || !jstr(l->a->created, "notify_url") ||
                                      !strcmp(status, "successful") || !strcmp(status, "failed"));
}

void await_answer(struct conductor *c, struct live *l, bool all)
{
    for (struct waiter **p = &l->awaiters, *w; (w = *p);) {
        if (!all && !is_awaited(l, w->notified)) {
            p = &w->next;
            continue;
        }
        turn_answer(c, w->reply, w->ctx, NULL, l);
        *p = w->next;
        free(w);
    }
}

void await_begin(struct conductor *c, struct live *l, const struct news *n)
{
    bool notified = n->type == NEWS_AWAIT_NOTIFIED;
    struct err err;

    if (!l || is_awaited(l, notified) || c->draining) {
        err_set(&err, ERR_ASSEMBLY_NOT_FOUND, "The Assembly does not exist");
        turn_answer(c, n->reply, n->ctx, l ? NULL : &err, l);
        return;
    }
    struct waiter *w = mem_zalloc(sizeof *w);
    *w = (struct waiter){
        .next = l->awaiters, .notified = notified, .reply = n->reply, .ctx = n->ctx};
    l->awaiters = w;
}

void conductor_await(struct conductor *c, const char *assembly_id, bool notified,
                     conductor_reply reply, void *ctx)
{
    news_ask(c, notified ? NEWS_AWAIT_NOTIFIED : NEWS_AWAIT, assembly_id, reply, ctx);
}
