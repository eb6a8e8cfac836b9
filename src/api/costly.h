/* costly.h - reads that take long (searches, histories) on a thread of their own, one after the other, so that no
 * number of them keeps the threads of the HTTP server from answering what is quick. */
#pragma once
#include "base/err.h"

struct costly;

MUST_CHECK int costly_start(struct costly **out, struct err *err);
/* run(ctx) on that thread, soon. Errors: ERR_RATE_429, too many of this workspace, or of all, wait already. */
MUST_CHECK int costly_post(struct costly *c, const char *workspace, void (*run)(void *ctx), void *ctx, struct err *err);
