/* What run() may call and needs no host for. Not in the daemon. */
#include "robot/robot.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int robot_fail(const struct robot_job *job, struct err *err, enum err_code like, const char *suffix, const char *fmt, ...)
{
    va_list args;
    char text[sizeof err->msg];

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    err_set(err, like, "%s", text);
    if (err)
        robot_code(err->name, robot_of_job(job), suffix);
    return -1;
}

const struct robot_input *robot_input_as(const struct robot_job *job, const char *as, int nth)
{
    for (int i = 0; i < robot_input_count(job); i++)
        if (!strcmp(robot_input(job, i)->as, as) && nth-- == 0)
            return robot_input(job, i);
    return NULL;
}
