/* tool.h - run a program (ffmpeg, pdfinfo, qpdf) inside the jail: no shell, an environment of its
 * own, bounded output and time.
 *
 * Nothing in the jail may send a signal, so a program that hangs can't be ended from here. After
 * that the worker must not go on: tool_is_stuck() is true, every further tool_run() fails, and the
 * worker ends as soon as its job has (worker/host.c); the pool then ends all that it started. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "robot/robot.h"

#define TOOL_LINE_MAX (64 * 1024) /* bytes */
#define TOOL_FDS_MAX 8
#define TOOL_SECRET_MAX 2000 /* bytes */

struct tool {
    const char *const *argv; /* argv[0] is looked for in PATH; NULL at the end */
    const char *input;       /* file that it reads as stdin; NULL: nothing */
    const char *secret;      /* a line that it reads as stdin instead: seen neither as an argument nor in a file */

    /* Where stdout goes. At most one of the three; none: nowhere. */
    struct str *text; /* appended */
    size_t text_max;  /* bytes; more is an error */
    /* Called for each line, without its end; NULs in it have become '?'. A line over TOOL_LINE_MAX
     * is an error, and so is -1. */
    int (*line)(void *ctx, char *line, struct err *err);
    void *line_ctx;
    const char *output; /* file, must not exist yet */

    bool *complained; /* set when it ends: it has said something on stderr; NULL: nobody asks */

    const char *const *env; /* NAME=value on top of the usual ones; NULL: none */
    const int *fds;         /* become 3, 4, ... in the program; NULL: none */
    int fd_count;
    int timeout_ms;       /* 0: the setting timeout_s */
    int cpu_s;            /* of processor time; then the system ends it, ERR_TIMEOUT, and the worker goes on. 0: as above */
    int threads;          /* processor time runs that much faster; 0: 1 */
    bool batch;           /* it takes long: beside others it gets a third of a worker's share of the processor */
    bool clients_options; /* options of the client's are among argv: a failure is the client's */

    /* ffmpeg with TOOL_PROGRESS among its arguments: how much of that many seconds is done, as a
     * share of the job from..to. 0: no progress. The lines go to `line` as well. */
    double progress_s, from, to;
    struct robot_job *const *others; /* jobs that are told the same, done together with this one; NULL: none */
    int other_count;
};
#define TOOL_PROGRESS "-progress", "pipe:1", "-stats_period", "0.2"

/* Blocks for at most the time limit and two seconds more. job may be NULL (then timeout_ms must be
 * given, and nobody hears of progress). Errors: ERR_COMMAND, or ERR_USER_COMMAND with
 * clients_options: it did not end with 0, was ended by a signal, or said too much; ERR_COMMAND:
 * could not be started; ERR_TIMEOUT; what `line` said. The tail of stderr is in err->detail. */
MUST_CHECK int tool_run(struct robot_job *job, const struct tool *t, struct err *err);
/* What argv prints, appended to *out: at most max bytes. */
MUST_CHECK int tool_text(struct str *out, const char *const argv[], int timeout_ms, size_t max,
                         struct err *err);
/* A program did not end although it was told to: the worker must. */
bool tool_is_stuck(void);
