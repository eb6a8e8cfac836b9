/* budget.h - bytes that many share: each takes what it holds and gives it back. Thread-safe. */
#pragma once
#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>

struct budget {
    int64_t limit; /* 0: none */
    _Atomic(int64_t) used;
    _Atomic(bool) is_short; /* somebody was refused since this was reset: who has held theirs for long should go */
};

/* What one of them holds; belongs to one thread at a time. */
struct share {
    struct budget *budget; /* NULL: nothing is counted */
    int64_t held;
};

/* Hold n bytes more: at most half of the budget is anyone's, and who holds much (64 KB) gets nothing of the last half,
 * so that there is some for the many who need little. Errors: ERR_FORM (it asks for too much by itself), ERR_BUSY (the
 * others hold the rest). */
MUST_CHECK int share_take(struct share *s, int64_t n, struct err *err);
/* Give all of it back; from then on nothing is counted. */
void share_end(struct share *s);
