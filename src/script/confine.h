/* confine.h - what the child of an evaluation may still do, whatever process it is forked from. */
#pragma once
#include "base/err.h"

#include <stdint.h>

/* Exit statuses of a child that ended itself. */
enum confine_exit { CONFINE_MEMORY = 90, CONFINE_WALL, CONFINE_FAILED };

/* Make the list of system calls ready, and see how large the process is that children are copies of: once, before it
 * has limits of its own. Ends the process when it can't, which is out of memory. */
void confine_prepare(void);

/* In the child: no descriptor but these two, which get other numbers, far from any that the engine believes to have
 * open. Does not return when that fails. */
void confine_keep(int *request, int *answer);

/* In the child, for good: processor time, memory (above what it has now), a timer that ends it, no descriptor but the
 * one to answer by (of confine_keep()), and a list of system calls without any that opens, starts or reaches
 * something. Does not return when a wall is missing. */
void confine_enter(int answer, int cpu_s, int wall_s, int64_t memory_bytes);

/* For tests: is call (a number of this machine's) in the list, whatever its arguments? */
bool confine_allows(int call);
