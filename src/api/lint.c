/* POST /instructions/check: would an Assembly with these params be taken? Nothing is made. Ours:
 * the contract's create request stops at the first fault, an editor wants all of them. With `text` it is what somebody
 * typed that is looked at, JSON or not, each finding with its place: `workcell check` over HTTP. */
#include "api/call.h"
#include "api/jobs.h"
#include "api/notifications.h"
#include "api/routes.h"
#include "api/template_use.h"
#include "assembly/check_text.h"

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

static void tell_line(struct call *c, const struct check_line *l)
{
    json_t *findings = json_object_get(c->body, "findings"), *problems = json_object_get(c->body, "problems");
    json_t *f = json_pack("{s:s,s:o,s:i,s:i}", "kind", check_kind_name(l->kind), "message", jstring(l->text), "line",
                          l->line, "column", l->column);

    json_object_set_new(f, "step", l->step ? jstring(l->step) : json_null());
    if (l->help)
        json_object_set_new(f, "help", jstring(l->help));
    if (*l->code)
        json_object_set_new(f, "error", json_string(l->code));
    json_array_append_new(findings, f);
    if (l->kind != CHECK_REFUSED)
        return;
    json_array_append_new(problems, json_pack("{s:s,s:O,s:O,s:i,s:i}", "error", l->code, "message",
                                              json_object_get(f, "message"), "step", json_object_get(f, "step"), "line",
                                              l->line, "column", l->column));
}

/* What is typed may name a Template, whose Steps are looked at with it. */
static json_t *typed_params(struct call *c, struct check_lines *lines, const json_t *typed)
{
    const char *id = jstr(typed, "template_id"), *at = id ? "template_id" : NULL;
    struct template_use *template = NULL;
    json_t *merged = NULL;
    struct err why = {0};

    if (!id)
        return json_incref((json_t *)typed);
    if (template_load(&template, c->app, c->auth.key->workspace, id, &why) < 0 ||
        template_merge(&merged, template, typed, &why) < 0)
        check_whole(lines, at, &why);
    template_use_free(template);
    return merged;
}

static void text_check(struct call *c, const char *text, size_t len)
{
    AUTO(instructions_free) struct instructions *in = NULL;
    struct check_lines lines;
    AUTO(json_unref) json_t *typed = check_read(&lines, text, len);
    AUTO(json_unref) json_t *params = typed ? typed_params(c, &lines, typed) : NULL;
    const char *bad_step;
    struct err why = {0};

    if (params && notify_url_check(json_object_get(params, "notify_url"), &why) < 0)
        check_whole(&lines, "notify_url", &why);
    if (params)
        check_steps(&lines, params);
    if (params && instructions_parse(&in, json_object_get(params, "steps"), &bad_step, &why) < 0)
        in = NULL;
    check_sort(&lines);
    json_object_set_new(c->body, "problems", json_array());
    json_object_set_new(c->body, "findings", json_array());
    for (int i = 0; i < lines.count; i++)
        tell_line(c, &lines.v[i]);
    json_object_set_new(c->body, "more", json_boolean(lines.gave_up));
    json_object_set_new(c->body, "steps", in ? steps_describe(in) : json_array());
    check_done(&lines);
}

int instructions_check(struct call *c, struct err *err)
{
    const json_t *text = json_object_get(c->params, "text");
    struct template_use *template = NULL;
    AUTO(instructions_free) struct instructions *in = NULL;
    AUTO(json_unref) json_t *merged = NULL;
    json_t *problems = json_array(), *id = json_object_get(c->params, "template_id");
    const char *bad_step = NULL;
    struct err why = {0};
    int rc = 0;

    (void)err;
    if (json_is_string(text)) {
        json_decref(problems);
        text_check(c, json_string_value(text), json_string_length(text));
        return 0;
    }
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
