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
 * said as a warning and left out. Again for the same file: the same. values: of its expressions that need the engine,
 * for the file as it was when they were asked for (about); both NULL: there are none. */
void file_add_user_meta(struct assembly *a, struct file *f, int step, const json_t *about, const json_t *values);
/* NULL: no expression in it needs the engine. Else what ${file} is for them; the caller unrefs. */
json_t *file_user_meta_about(const struct assembly *a, const struct file *f, int step);
/* The step's `user_meta` as parameters for variables_ask(); NULL: it has none. The caller unrefs. */
json_t *step_user_meta(const struct step *s);
/* It is left out, and why. */
void file_warn_user_meta(struct assembly *a, int step, const char *why);
