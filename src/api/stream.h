/* stream.h - listeners of an Assembly's events, live or over. */
#pragma once
#include "conductor/publish.h"

struct app;

/* Has make()'s listener hear the Assembly's events (published_listen()). *live (may be NULL): the document it hangs on
 * now, NULL when the Assembly is in the store only. make() is not called on failure. Errors: ERR_ASSEMBLY_NOT_FOUND,
 * ERR_BUSY. */
MUST_CHECK int stream_listen(struct published **live, struct app *app, const char *id, int64_t last_id,
                             struct listener *(*make)(void *ctx), void *ctx, struct err *err);
