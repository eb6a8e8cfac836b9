#include "robot/robot.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct robot *robot_find(const char *name)
{
    for (const struct robot *const *r = robot_table; *r; r++)
        if (!strcmp((*r)->name, name))
            return *r;
    return NULL;
}

const struct robot *robot_that(enum robot_flag flag)
{
    for (const struct robot *const *r = robot_table; *r; r++)
        if ((*r)->flags & flag)
            return *r;
    return NULL;
}

void robot_code(char out[static ROBOT_CODE_MAX], const struct robot *r, const char *suffix)
{
    int n = snprintf(out, ROBOT_CODE_MAX, "%s_%s", r->coded ? r->coded : r->name + 1, suffix);

    for (char *p = out; p < out + n && *p; p++)
        *p = *p == '/' || *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

bool robot_has_code(const struct robot *r, const char *suffix)
{
    size_t n = strlen(suffix);

    for (const char *p = r->codes; p && *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");

        if (len == n && !strncmp(p, suffix, n))
            return true;
        p += len;
    }
    return false;
}

void robot_code_invalid(char out[static ROBOT_CODE_MAX], const struct robot *r)
{
    robot_code(out, r, r->invalid ? r->invalid : "VALIDATION");
}

bool robot_takes(const struct robot *r, const char *as)
{
    for (size_t i = 0; i < ARRAY_LEN(r->takes) && r->takes[i]; i++) {
        size_t n = strcspn(r->takes[i], "*");

        if (!r->takes[i][n] ? !strcmp(as, r->takes[i]) : !strncmp(as, r->takes[i], n) && as[n] && !as[n + strspn(as + n, "0123456789")])
            return true;
    }
    return false;
}

bool robots_have_role(enum robot_role role)
{
    for (const struct robot *const *r = robot_table; *r; r++)
        if ((*r)->role == role || ((*r)->instead.types && (*r)->instead.role == role))
            return true;
    return false;
}

int robot_fill(void **opts, struct arena *a, const struct robot *r, const json_t *step, struct err *err)
{
    *opts = arena_alloc(a, r->opts_size);
    return options_fill(*opts, a, r->options, step, /* partial= */ false, err);
}

int robot_refusal(struct err *err, const struct robot *r)
{
    char suffix[sizeof err->name];

    if (!err || err->code != ERR_ROBOT_VALIDATION)
        return -1;
    if (!err->name[0]) {
        robot_code_invalid(err->name, r);
        return -1;
    }
    snprintf(suffix, sizeof suffix, "%s", err->name);
    robot_code(err->name, r, suffix);
    return -1;
}

int robot_options(void **opts, struct arena *a, const struct robot *r, const json_t *step,
                  bool partial, struct err *err)
{
    void *o = arena_alloc(a, r->opts_size);

    if (partial && options_check_scripts(r->options, step, err) < 0)
        return robot_refusal(err, r);
    /* with nothing left to substitute, what is missing now will be missing then */
    partial = partial && options_have_expression(step);
    if (options_fill(o, a, r->options, step, partial, err) < 0)
        return robot_refusal(err, r);
    if (r->check && r->check(o, partial, err) < 0)
        return err && err->name[0] ? -1 : robot_refusal(err, r);
    *opts = o;
    return 0;
}

/* types: several separated by '|'; NULL: any. */
static bool registry_is_of(const char *mime, const char *types)
{
    const char *p = types;

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

bool robot_accepts(const struct robot *r, const char *as, const char *mime)
{
    return registry_is_of(mime, r->beside.as && !strcmp(as, r->beside.as) ? r->beside.accepts : r->accepts);
}

enum robot_role robot_role_for(const struct robot *r, const char *mime)
{
    return mime && r->instead.types && registry_is_of(mime, r->instead.types) ? r->instead.role : r->role;
}
