/* fence.h - the browser's own walls inside the worker's: no socket but pairs, no TCP, and of the files what it is
 * made of, its fonts, and one directory of its own. What it wants from the network it must ask us for. */
#pragma once
#include "base/err.h"

#include <linux/filter.h>

struct fence {
    struct sock_fprog filter;
    int ruleset; /* of Landlock; -1: this kernel has none */
};
/* dir: where it may write. Errors: ERR_IO, ERR_CONFIG. */
MUST_CHECK int fence_prepare(struct fence *c, const char *dir, struct err *err);
/* Between fork and exec: allocates nothing. False: it is not confined, and must not go on. */
bool fence_enter(const struct fence *c);
void fence_done(struct fence c);
DEFINE_AUTO(struct fence, fence_done)
