#include "robot/robot.h"

#include <string.h>
#include <strings.h>

const struct robot *robot_find(const char *name)
{
    for (const struct robot *const *r = robot_table; *r; r++)
        if (!strcmp((*r)->name, name))
            return *r;
    return NULL;
}

bool robots_have_role(enum robot_role role)
{
    for (const struct robot *const *r = robot_table; *r; r++)
        if ((*r)->role == role)
            return true;
    return false;
}

int robot_options(void **opts, struct arena *a, const struct robot *r, const json_t *step,
                  bool partial, struct err *err)
{
    void *o = arena_alloc(a, r->opts_size);

    /* with nothing left to substitute, what is missing now will be missing then */
    partial = partial && options_have_expression(step);
    if (options_fill(o, a, r->options, step, partial, err) < 0 ||
        (r->check && r->check(o, partial, err) < 0)) {
        if (err && err->code == ERR_ROBOT_VALIDATION && !err->name[0] && r->validation_code)
            strncpy(err->name, r->validation_code, sizeof err->name - 1);
        return -1;
    }
    *opts = o;
    return 0;
}

bool robot_accepts(const struct robot *r, const char *mime)
{
    const char *p = r->accepts;

    if (!p)
        return true;
    while (*p) {
        size_t n = strcspn(p, "|");

        if (!strncasecmp(mime, p, n))
            return true;
        p += n + (p[n] == '|');
    }
    return false;
}
