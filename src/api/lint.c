/* POST /instructions/check: would an Assembly with these params be taken? Nothing is made. Ours:
 * the contract's create request stops at the first fault, an editor wants all of them. */
#include "api/call.h"
#include "api/jobs.h"
#include "api/notifications.h"
#include "api/routes.h"
#include "api/template_use.h"

#include <string.h>

static void add(json_t *problems, const char *step, const struct err *err)
{
    json_t *p = json_pack("{s:s,s:o}", "error", err_name(err), "message", jstring(err->msg));

    json_object_set_new(p, "step", step ? jstring(step) : json_null());
    json_array_append_new(problems, p);
}

/* Faults of single steps, beside the one that is known already. */
static void check_others(json_t *problems, const json_t *steps, const char *known)
{
    const char *name;
    json_t *v;

    json_object_foreach ((json_t *)steps, name, v) {
        AUTO(arena_free) struct arena *a = arena_new();
        const char *robot_name = jstr(v, "robot");
        const struct robot *robot = robot_name ? robot_find(robot_name) : NULL;
        struct err err = {0};
        void *opts;

        if (known && !strcmp(name, known))
            continue;
        if (robot_name && !robot)
            robot_unknown(&err, robot_name);
        else if (robot && robot_options(&opts, a, robot, v, /* partial= */ true, &err) == 0)
            err.code = 0;
        if (err.code)
            add(problems, name, &err);
    }
}

int instructions_check(struct call *c, struct err *err)
{
    struct template_use *template = NULL;
    AUTO(instructions_free) struct instructions *in = NULL;
    AUTO(json_unref) json_t *merged = NULL;
    json_t *problems = json_array(), *id = json_object_get(c->params, "template_id");
    const char *bad_step = NULL;
    struct err why = {0};
    int rc = 0;

    (void)err;
    json_object_set_new(c->body, "problems", problems);
    if (json_is_string(id))
        rc = template_load(&template, c->app, c->auth.key->workspace, json_string_value(id), &why);
    if (rc == 0 && template)
        rc = template_merge(&merged, template, c->params, &why);
    template_use_free(template);
    const json_t *params = merged ? merged : c->params;
    json_t *steps = json_object_get(params, "steps");
    if (rc == 0)
        rc = notify_url_check(json_object_get(params, "notify_url"), &why);
    if (rc == 0)
        rc = instructions_parse(&in, steps, &bad_step, &why);
    json_object_set_new(c->body, "steps", in ? steps_describe(in) : json_array());
    if (rc == 0)
        return 0;
    add(problems, bad_step, &why);
    check_others(problems, steps, bad_step);
    return 0;
}
