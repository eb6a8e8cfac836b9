/* What run() calls. Not in the daemon. */
#include "robot/order.h"
#include "base/str.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct placed {
    const char *name;
    long number; /* of its `as` */
    size_t input;
};

static int by_place(const void *a, const void *b)
{
    const struct placed *p = a, *q = b;
    int differ = p->number != q->number ? (p->number > q->number) - (p->number < q->number)
                                        : strverscmp(p->name, q->name);

    return differ ? differ : p->input < q->input ? -1 : 1;
}

void order_inputs(size_t *out, struct robot_job *job, const char *prefix, bool by_basename)
{
    size_t n = (size_t)robot_input_count(job);
    struct placed *all = arena_alloc(robot_arena(job), n * sizeof *all);

    for (size_t i = 0; i < n; i++) {
        const struct robot_input *in = robot_input(job, (int)i);
        bool numbered = str_starts(in->as, prefix);

        all[i] =
            (struct placed){by_basename ? in->basename : "",
                            numbered ? strtol(in->as + strlen(prefix), NULL, 10) : LONG_MAX, i};
    }
    qsort(all, n, sizeof *all, by_place);
    for (size_t i = 0; i < n; i++)
        out[i] = all[i].input;
}
