/* host.h - runs a Robot in this process: the half of robot.h that run() calls, over a fresh
 * temporary directory. */
#pragma once
#include "base/json.h"
#include "robot/robot.h"

struct host_output {
    char *path, *name, *mime;
    json_t *meta, *extra;
    char *url, *ssl_url; /* of what was stored */
    bool same; /* the input file itself */
    bool passed; /* and its record */
    int64_t size;
    char *stub; /* where it really is; NULL: here */
};

struct robot_job *host_new(void);
void host_free(struct robot_job *job); /* and the directory with everything in it */
DEFINE_AUTO(struct robot_job *, host_free)

const char *host_dir(const struct robot_job *job);
/* A path in the job's directory; lent. */
const char *host_path(struct robot_job *job, const char *name);
/* The file at path is the next input. Its name is the last part of path. */
void host_add_input(struct robot_job *job, const char *path);
/* The last input added came with this `as`; knows this of itself (stolen). */
void host_input_as(struct robot_job *job, const char *as);
void host_input_meta(struct robot_job *job, json_t *meta);
/* All that is known of the last input added, to change; texts are lent until the job is freed. */
struct robot_input *host_input(struct robot_job *job);
json_t *host_settings(struct robot_job *job); /* to change */
void host_variables(struct robot_job *job, json_t *variables); /* stolen; before: none */

/* Calls of robot.h are made for this Robot, without a run. */
void host_be(struct robot_job *job, const char *robot);
/* Read step (JSON text without "robot") by the Robot's table, check and run. */
MUST_CHECK int host_run(struct robot_job *job, const char *robot, const char *step,
                        struct err *err);
/* Several jobs done together, each with its own step; errs come zeroed. */
void host_run_together(struct robot_job *const jobs[], const char *robot, const char *const steps[], int n,
                       struct err errs[]);
/* The same with one input and no care for leftovers of earlier runs. */
MUST_CHECK int host_run_on(struct robot_job *job, const char *robot, const char *step,
                           const char *path, struct err *err);
/* What would be taken back if the run died now; NULL: nothing. And that being done. */
const json_t *host_undo_token(const struct robot_job *job);
/* What it said of what stays; NULL: nothing. */
const char *host_kept(const struct robot_job *job);
MUST_CHECK int host_undo(struct robot_job *job, const char *robot, const char *step, const json_t *token, struct err *err);
/* The next run is asked what a probe would find (robot_asked()); what it said, NULL: nothing. */
void host_ask(struct robot_job *job);
const json_t *host_measured(const struct robot_job *job);
/* How often a Robot told a higher share than ever before on this job; nothing is held back as a worker does. */
int host_progress_steps(const struct robot_job *job);
int host_output_count(const struct robot_job *job);
const struct host_output *host_output(const struct robot_job *job, int i);
