/* init.h - a cell: the init of a PID namespace and, below it, one worker and whatever that starts. The init is a few
 * lines that parse nothing and run no foreign byte. It is the only process of a cell that the zygote knows, and the
 * cell ends with it: the kernel kills all others before it can be reaped, whatever they did to sessions, groups and
 * death signals. Where there are no PID namespaces it is the subreaper of its worker, which is nearly as much.
 *
 * It kills and counts when it is told to or its worker has ended, when the zygote or the daemon is gone, and when all
 * processes together hold more than the limits say. */
#pragma once
#include "worker/jail.h"

#include <sys/types.h>

/* Why a cell ended; told to the pool as `over` of `gone`. */
enum cell_over { CELL_OVER_NOTHING, CELL_OVER_MEMORY, CELL_OVER_SCRATCH, CELL_OVER_FILES };

/* What an init says before it ends. */
struct cell_report {
    int killed; /* processes that a SIGKILL ended */
    int status; /* of the worker, as waitpid() gives it */
    int over;   /* enum cell_over */
};

struct cell {
    const struct role *role;
    const struct jail_limits *limits;
    const char *dir; /* absolute, without links; has in/ and out/ */
    int64_t worker;  /* its number */
    /* Runs in the worker, behind the walls; does not return. why: NULL, or what stands in the way. */
    void (*work)(void *ctx, const struct err *why);
    void *ctx;
    int keep; /* a descriptor that the worker keeps, beside 0, 1 and 2 */
};

/* In the zygote, when the init is reaped: what it said. false: it did not live to say it. */
bool cell_report_read(struct cell_report *out, int control);

/* Start one. *control is the caller's: any byte written to it ends the cell, closing it as well. Returns the init's
 * pid, -1 with err. */
pid_t cell_start(int *control, const struct cell *cell, struct err *err);
