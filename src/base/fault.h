/* fault.h - calls that fail when a test says so: the n-th at a place, once or from then on (dev/faults). Compiled in by
 * -Dfaults=true alone; otherwise FAULT() is the constant false.
 *
 * WORKCELL_FAULT=PLACE:N:once|always in the environment; WORKCELL_FAULT_COUNTS=FILE gets how often each was passed. */
#pragma once
#include <stdbool.h>

#define FAULT_PLACES X(STORE, "store") X(BLOB, "blob") X(SPOOL, "spool") X(WIRE, "wire") X(ALLOC, "alloc") X(SQLITE, "sqlite")

enum fault_place {
#define X(id, name) FAULT_##id,
    FAULT_PLACES
#undef X
        FAULT_COUNT
};

#ifdef WORKCELL_FAULTS
void fault_setup(void);  /* first thing in main() */
void fault_report(void); /* last thing: the counts, and a look for leaks when built with a sanitizer */
bool fault_hit(enum fault_place place);
#define FAULT(id) fault_hit(FAULT_##id)
#else
static inline void fault_setup(void) {}
static inline void fault_report(void) {}
#define FAULT(id) false
#endif
