/* calls.h - the system calls of each role: an allow list (calls.def, and the few that depend on their arguments).
 * Whatever else a worker or a program that it starts asks for is refused with EPERM, also calls that newer kernels
 * will have. */
#pragma once
#include "base/err.h"
#include "worker/jail.h"

/* Lay the filter over this process and all that it will start. no_new_privs must be set already.
 * listener: NULL, or where the descriptor comes that answers connect() for this process (broker.h);
 * -1 when the role makes no connections. local: it may make local sockets for streams as well,
 * where a listener decides to whom they connect. Errors: ERR_CONFIG. */
MUST_CHECK int calls_confine(const struct role *role, int *listener, bool local, struct err *err);

/* For tests: is call (a number of this machine's) in the role's list, whatever its arguments? */
bool calls_listed(const struct role *role, int call);
