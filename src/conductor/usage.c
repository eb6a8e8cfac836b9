/* Jobs that are done go into the ledger, with the event that says so. */
#include "base/clock.h"
#include "conductor/private.h"

#include <time.h>

int usage_save(struct conductor *c, struct live *l, int job, int64_t billed, int64_t at_us,
               struct err *err)
{
    const struct job *j = l->a->jobs[job];
    int64_t raw = j->out_bytes;
    time_t t = (time_t)(at_us / SECOND_US);
    struct tm tm;
    char month[16];

    if (job_is_hidden(j))
        return 0; /* billed with the upload or import it belongs to */
    for (int i = 0; i < j->input_count; i++)
        raw += j->inputs[i]->size;
    gmtime_r(&t, &tm);
    strftime(month, sizeof month, "%Y-%m", &tm);
    return store_ledger_add(c->conf.store,
                            &(struct store_usage){.assembly_id = l->a->id,
                                                  .workspace = l->a->workspace,
                                                  .month = month,
                                                  .robot = job_robot(l->a, j)->name,
                                                  .job = job,
                                                  .raw_bytes = raw,
                                                  .bytes = billed},
                            err);
}
