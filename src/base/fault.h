/* fault.h - calls that fail when a test says so, once or from then on (dev/faults): the n-th at a place, or those that
 * come from one site. A site is a way to the call: the functions that led there, as deep as the place needs to tell
 * them apart. Compiled in by -Dfaults=true alone; otherwise FAULT() is the constant false.
 *
 * WORKCELL_FAULT=PLACE:N:once|always or PLACE:@SITE:once|always in the environment. WORKCELL_FAULT_COUNTS=FILE gets how
 * often each place was passed and, with WORKCELL_FAULT_SITES, each site: "PLACE@SITE COUNT ADDRESS..." (in the
 * program). */
#pragma once
#include <stdbool.h>

/* X(enum, name, frames of a site) */
#define FAULT_PLACES                                                                               \
    X(STORE, "store", 6) X(BLOB, "blob", 4) X(SPOOL, "spool", 4) X(WIRE, "wire", 6)                \
    X(ALLOC, "alloc", 4) X(SQLITE, "sqlite", 9) X(REPLAY, "replay", 4)

enum fault_place {
#define X(id, name, frames) FAULT_##id,
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
