/* Execution progress: told to streams every two seconds, and to whoever asks. */
#include "conductor/private.h"

#include <string.h>

static bool is_enabled(const struct live *l)
{
    return jbool(l->a->created, "emit_execution_progress", false);
}

void report_tick(struct live *l)
{
    if (l->a->state != ASSEMBLY_EXECUTING || !is_enabled(l))
        return;
    char *text = progress_json(l->a);
    AUTO(mem_free) char *before = published_report(l->published);

    if (!before || strcmp(before, text))
        published_tell_passing(l->published, "assembly_execution_progress", text);
    published_set_report(l->published, text);
}

void report_answer(struct conductor *c, struct live *l, const struct news *n)
{
    struct err err;

    err_set(&err, ERR_ASSEMBLY_NOT_FOUND, "The Assembly does not exist");
    if (l && is_enabled(l))
        published_set_report(l->published, progress_json(l->a));
    turn_answer(c, n->reply, n->ctx, l ? NULL : &err, l);
}

void conductor_report(struct conductor *c, const char *assembly_id, conductor_reply reply,
                      void *ctx)
{
    news_ask(c, NEWS_REPORT, assembly_id, reply, ctx);
}
