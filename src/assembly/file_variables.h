/* file_variables.h - what ${...} may see of an Assembly and one of its files (api-instructions.md 4). */
#pragma once
#include "assembly/assembly.h"
#include "assembly/variables.h"

struct file_variables {
    struct variables v; /* complete but for region */
    json_t *file;
    char *prefix, *original_prefix;
};
/* f NULL: no file. previous: the step that made it, or handed it on; below 0: none. */
void file_variables_fill(struct file_variables *out, const struct assembly *a, const struct file *f, int previous);
void file_variables_done(struct file_variables v);
DEFINE_AUTO(struct file_variables, file_variables_done)

/* The step's `user_meta` joins that of the file, its keys replacing equal ones (newer.md). What can't be evaluated is
 * said as a warning and left out. Again for the same file: the same. */
void file_add_user_meta(struct assembly *a, struct file *f, int step);
