/* instructions_parse() stops at the first thing that is wrong. Here the step at fault is replaced by one that is not,
 * and it is asked again, until it has nothing to say. */
#include "assembly/lint.h"
#include "assembly/instructions.h"
#include "robot/robot.h"

#include <stdio.h>
#include <string.h>

struct lint {
    json_t *steps; /* a copy, that is mended */
    void (*found)(void *ctx, const struct finding *f);
    void *ctx;
    int refused;
};

static void lint_say(struct lint *l, const struct finding *f)
{
    l->refused += f->kind == FINDING_REFUSED;
    l->found(l->ctx, f);
}

static void lint_refused(struct lint *l, const char *step, const char *param, bool at_name, const struct err *err)
{
    lint_say(l, &(struct finding){FINDING_REFUSED, step, param, at_name, err_name(err), err->msg});
}

/* The parameter that a text of a check names, if the step or the table has one: 'width' in "'width' is ...". */
static const char *lint_param_of(const char *text, const json_t *step, const struct option *table)
{
    for (const char *q = strchr(text, '\''), *end; q && (end = strchr(q + 1, '\'')); q = strchr(end + 1, '\'')) {
        AUTO(mem_free) char *name = mem_strndup(q + 1, (size_t)(end - q - 1));
        const struct option *o = option_find(table, name);
        const char *key;
        json_t *v;

        json_object_foreach ((json_t *)step, key, v)
            if (!strcmp(key, name))
                return key;
        if (o)
            return o->name;
    }
    return NULL;
}

static void lint_code(struct err *err, const struct robot *r)
{
    char suffix[sizeof err->name];

    if (!err->name[0]) {
        robot_code_invalid(err->name, r);
        return;
    }
    snprintf(suffix, sizeof suffix, "%s", err->name);
    robot_code(err->name, r, suffix);
}

/* Each wrong parameter of a step. Was one of them what has been said already? If not, that involves several, or is of
 * every Robot. */
static bool lint_params(struct lint *l, const char *name, const json_t *step, const struct robot *r, const char *said)
{
    bool partial = options_have_expression(step);
    const struct option *o;
    const char *key;
    struct err err;
    bool known = false;
    json_t *v;

    json_object_foreach ((json_t *)step, key, v)
        if (option_try(r->options, key, step, partial, &err) < 0) {
            lint_code(&err, r);
            lint_refused(l, name, key, !option_find(r->options, key), &err);
            known |= !strcmp(err.msg, said);
        }
    for (struct opt_walk w = opt_walk(r->options); (o = opt_next(&w));)
        if (!json_object_get(step, o->name) && option_try(r->options, o->name, step, partial, &err) < 0) {
            lint_code(&err, r);
            lint_refused(l, name, NULL, false, &err);
            known |= !strcmp(err.msg, said);
        }
    return known;
}

/* In its place: a step that nobody can refuse, and which files flow through as through this one. */
static void lint_mend(struct lint *l, const char *name)
{
    const json_t *step = json_object_get(l->steps, name);
    json_t *use = json_incref(json_object_get(step, "use")), *good;
    const char *robot = jstr(step, "robot");
    const struct robot *r = robot ? robot_find(robot) : NULL;

    if (!strcmp(name, ":original") || !*name || strlen(name) > 255) {
        json_object_del(l->steps, name);
        json_decref(use);
        return;
    }
    for (const struct robot *const *any = robot_table; !r || r->flags & ROBOT_HANDLES_UPLOADS; any++)
        r = *any;
    good = r->example ? json_reads(r->example) : json_object();
    json_object_set_new(good, "robot", json_string(r->name));
    if (use)
        json_object_set_new(good, "use", use);
    json_object_set_new(l->steps, name, good);
}

/* What instructions_parse() has said. False: there is nothing left to mend. */
static bool lint_error(struct lint *l, const char *bad_step, const struct err *err)
{
    const json_t *step = bad_step ? json_object_get(l->steps, bad_step) : NULL;
    const struct robot *r = step ? robot_find(jstr_or(step, "robot", "")) : NULL;
    bool of_use = err->code == ERR_STEP_INVALID_USE || err->code == ERR_STEP_UNKNOWN_USE ||
                  err->code == ERR_INFINITE || strstr(err->msg, "`as:"); /* a role */
    const char *param = NULL;

    if (!bad_step) {
        lint_refused(l, NULL, NULL, false, err);
        return false;
    }
    if (of_use)
        param = "use";
    else if (err->code == ERR_STEP_UNKNOWN_ROBOT || err->code == ERR_STEP_INVALID_ROBOT)
        param = "robot";
    else if (r && err->code == ERR_ROBOT_VALIDATION)
        param = lint_param_of(err->msg, step, r->options);
    if (of_use || !r || err->code != ERR_ROBOT_VALIDATION || !lint_params(l, bad_step, step, r, err->msg))
        lint_refused(l, bad_step, param, false, err);
    if (of_use)
        json_object_del(json_object_get(l->steps, bad_step), "use");
    else
        lint_mend(l, bad_step);
    return true;
}

static void lint_differs(struct lint *l, const char *step, const char *param, const char *fmt, const char *why)
{
    char text[400];

    snprintf(text, sizeof text, fmt, param, why);
    lint_say(l, &(struct finding){FINDING_DIFFERS, step, param, /* at_name= */ true, "", text});
}

static void lint_differences(struct lint *l, const char *name, const json_t *step)
{
    const struct robot *r = robot_find(jstr_or(step, "robot", ""));
    const struct option *o;

    if (!r)
        return;
    for (struct opt_walk w = opt_walk(r->options); (o = opt_next(&w));) {
        const json_t *v = json_object_get(step, o->name);

        if (v && o->beyond)
            lint_differs(l, name, o->name, "the hosted service does not have '%s': %s", o->beyond);
        if (v && o->idle)
            lint_differs(l, name, o->name, "'%s' changes nothing here: %s", o->idle);
        if (!v && o->other_default)
            lint_differs(l, name, o->name, "'%s', which is left out, has another default here: %s", o->other_default);
    }
}

int instructions_lint(json_t *steps, void (*found)(void *ctx, const struct finding *f), void *ctx)
{
    AUTO(json_unref) json_t *copy = json_deep_copy(steps);
    struct lint l = {copy, found, ctx, 0};
    const char *bad_step, *name;
    json_t *step;
    struct err err;

    /* each turn replaces a step or takes its `use` away */
    for (size_t turns = 0; turns <= 3 * json_object_size(copy) + 1 && l.refused < LINT_MOST; turns++) {
        AUTO(instructions_free) struct instructions *in = NULL;

        if (instructions_parse(&in, copy, &bad_step, &err) == 0)
            break;
        AUTO(mem_free) char *bad = bad_step ? mem_strdup(bad_step) : NULL; /* lent from what is replaced now */
        if (!lint_error(&l, bad, &err))
            break;
        if (!json_object_size(copy))
            break;
    }
    json_object_foreach (steps, name, step)
        lint_differences(&l, name, step);
    return l.refused;
}
