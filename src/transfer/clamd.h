/* clamd.h - ask ClamAV's daemon whether there is something bad in a file. The file is sent to it
 * (INSTREAM), so it may run elsewhere and needs no access to ours.
 *
 * Its word counts only when it is whole and one of two: what breaks off, comes too early, or says
 * anything else is a failure of the scan, never a clean file. */
#pragma once
#include "robot/robot.h"

#define CLAMD_KEYS "clamd" /* for the Robot's record: see value_socket() */
#define CLAMD_NAME_MAX 100 /* bytes of what was found */

struct clamd_verdict {
    bool infected;
    char name[CLAMD_NAME_MAX + 1]; /* what was found; "" when nothing was */
};

/* Look into one input of the job; from and share: of its progress. Blocks until the scan is over,
 * but for at most 150 s without a sign of life (setting clamd_wait_ms: another time).
 * Errors: ERR_CONFIG when the server has no clamd; ERR_COMMAND, all under the name
 * WORKER_JOB_ERROR: out of reach (it is tried some times), silent, it refuses the file for its
 * size, or its answer is none; ERR_INPUT, ERR_IO: the file. */
MUST_CHECK int clamd_scan(struct clamd_verdict *out, struct robot_job *job,
                          const struct robot_input *in, double from, double share, struct err *err);
