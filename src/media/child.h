/* child.h - run a tool (ffprobe, pdfinfo) and read what it prints. For use inside the jail: no
 * shell, pipes only, no signals are sent and no process group is made; a child that is too slow is
 * left to its CPU limit and to the host, which ends the whole group of a worker that failed. */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct child_limits {
    int timeout_ms;
    size_t max_output; /* bytes of stdout */
};

/* Run argv[0] (searched in PATH) and append its stdout to *out. Blocks for at most timeout_ms.
 * Errors: ERR_TIMEOUT; ERR_COMMAND with the tail of stderr in err->detail when it could not start,
 * printed too much, or ended with anything but 0. */
MUST_CHECK int child_run(struct str *out, const char *const argv[], const struct child_limits *lim,
                         struct err *err);
