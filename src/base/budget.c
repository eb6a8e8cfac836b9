#include "base/budget.h"

#define LITTLE (64 * 1024)

int share_take(struct share *s, int64_t n, struct err *err)
{
    struct budget *b = s->budget;

    if (!b || !b->limit)
        return 0;
    if (n > b->limit / 2 - s->held)
        return err_set(
            err, ERR_FORM,
            "More than %lld bytes came before it was clear who sends them: send params and signature before files",
            (long long)(b->limit / 2));
    int64_t most = s->held + n > LITTLE ? b->limit / 2 + LITTLE : b->limit;
    if (atomic_fetch_add(&b->used, n) > most - n) {
        atomic_fetch_sub(&b->used, n);
        b->is_short = true;
        return err_set(err, ERR_BUSY, "Too many clients send too much before it is clear who they are; try again");
    }
    s->held += n;
    return 0;
}

void share_end(struct share *s)
{
    if (s->budget) {
        atomic_fetch_sub(&s->budget->used, s->held);
        mem_freed((size_t)s->held);
    }
    *s = (struct share){0};
}
