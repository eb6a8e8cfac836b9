/* jobs.h - the steps of an Assembly as a graph. */
#pragma once
#include "assembly/instructions.h"

/* An array of {name, robot, use, export, declared, bundle, jobs: {}}; a new reference. */
json_t *steps_describe(const struct instructions *in);
