/* opening.h - which Assembly is being read from the store right now, written down where the end of
 * this process leaves it. Who begins next knows then at which one its predecessor died; one that
 * several died at, one after the other, is not read again, else it would end every start.
 *
 * A file of its own and not the database: it costs a write of 64 bytes an Assembly, without a
 * flush. It need outlive the process only, not the machine. */
#pragma once
#include "base/err.h"

#include <stdbool.h>

#define OPENING_DEATHS_MOST 3

struct opening;

/* path: of the file; made when it is not there. What can't be read of it counts as nothing. Errors:
 * ERR_IO. */
MUST_CHECK int opening_open(struct opening **out, const char *path, struct err *err);
void opening_close(struct opening *o); /* NULL is fine, as for all below: then nothing is counted */

void opening_begin(struct opening *o, const char *id);
void opening_end(struct opening *o); /* it was read: its deaths are forgotten */
/* How many processes have died while they read it, since it was last read to its end. */
int opening_deaths(const struct opening *o, const char *id);
