/* host.h - runs one Robot in this process, without jail and server: files in, files out. */
#pragma once
#include "robot/robot.h"

struct robot_job;

struct host_output {
    char path[512], name[256], ext[32], mime[128];
    json_t *meta; /* owned by the host */
    bool same, stored;
};

/* dir: an existing, empty directory for outputs. */
struct robot_job *host_new(const char *dir);
void host_free(struct robot_job *h);
void host_add_input(struct robot_job *h, const char *path, const char *mime);
/* params: JSON text of the step's parameters. What Robot.run returned, or -1 when they are invalid. */
int host_run(struct robot_job *h, const char *robot, const char *params, struct err *err);
int host_output_count(const struct robot_job *h);
const struct host_output *host_output(const struct robot_job *h, int i);
