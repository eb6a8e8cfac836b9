/* Execution progress: told to streams every two seconds, and to whoever asks. */
#include "conductor/private.h"

#include <string.h>

void report_tick(struct entry *e)
{
    char *text = progress_json(e->a);
    AUTO(mem_free) char *before = published_report(e->published);

    if (!before || strcmp(before, text))
        published_tell_passing(e->published, "assembly_execution_progress", text);
    published_set_report(e->published, text);
}

void report_answer(struct conductor *c, struct entry *e, struct news *n)
{
    if (e->a->begun.tells_progress && !e->rests)
        published_set_report(e->published, progress_json(e->a));
    turn_answer(c, n->reply, n->ctx, NULL, e);
}

void conductor_report(struct conductor *c, const char *assembly_id, conductor_reply reply,
                      void *ctx)
{
    inbox_ask(c, NEWS_REPORT, assembly_id, reply, ctx);
}
