/* job_settings.h - what the operator's settings say to jobs, for whoever starts some: the server, and the commands that
 * try something as a job would. */
#pragma once
#include "base/json.h"

struct config;

struct job_settings {
    json_t *settings; /* that every job is told */
    json_t *keys;     /* of Robots that name them in their record (struct robot, keys) */
};
/* Reads the files that it takes. Errors: ERR_CONFIG. */
MUST_CHECK int job_settings_read(struct job_settings *out, const struct config *c, struct err *err);
void job_settings_done(struct job_settings s);
DEFINE_AUTO(struct job_settings, job_settings_done)
