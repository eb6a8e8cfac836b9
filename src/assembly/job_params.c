/* What a job's Robot gets: the step's parameters, with what its files and the Assembly fill in. */
#include "assembly/assembly.h"
#include "assembly/credentials.h"
#include "assembly/file_variables.h"

#include <stdio.h>
#include <string.h>

const struct robot *job_robot(const struct assembly *a, const struct job *j)
{
    return j->fetch ? robot_that(ROBOT_FETCHES)
                    : a->in->steps[j->probe ? STEP_ORIGINAL : j->step].robot;
}

/* Stored credentials take the place of their name. What the step gives itself wins. */
static int inject(json_t *params, const struct robot *robot, const struct credential_source *source, struct err *err)
{
    AUTO(mem_free) char *name = jstr(params, "credentials") ? mem_strdup(jstr(params, "credentials")) : NULL;
    AUTO(json_unref) json_t *content = NULL;
    char type[CREDENTIAL_TYPE_MAX];

    if (!name || !source)
        return 0;
    return source->find(source->ctx, &content, type, name, err) < 0
               ? -1
               : credential_inject(params, robot, name, type, content, err);
}

/* params: given, with every ${...} replaced. */
static int checked(struct arena *arena, const struct robot *robot, json_t *params, const json_t *given, struct err *err)
{
    void *opts;

    options_fill_undefined(params, robot->options, given);
    return robot_options(&opts, arena, robot, params, /* partial= */ false, err);
}

/* -1, with the code of the Robot. */
static int refused(const struct robot *robot, struct err *err)
{
    if (err->code == ERR_ROBOT_VALIDATION && !err->name[0])
        robot_code_invalid(err->name, robot);
    return -1;
}

int assembly_job_params(json_t **out, const struct assembly *a, const struct job *j,
                        const char *region, const struct credential_source *credentials, struct err *err)
{
    const struct step *s = &a->in->steps[j->step];
    const struct file *f = j->input_count ? j->inputs[0] : NULL;
    AUTO(file_variables_done) struct file_variables fv = {0};
    AUTO(arena_free) struct arena *arena = arena_new();
    AUTO(json_unref) json_t *params = NULL;
    AUTO(json_unref) json_t *with_defaults = NULL;

    if (j->fetch) {
        *out = json_pack("{s:s,s:[s],s:s,s:s*}", "robot", job_robot(a, j)->name, "url",
                         jstr_or(j->fetch, "url", ""), "url_delimiter", "", "force_name",
                         jstr(j->fetch, "filename"));
        return 0;
    }
    if (j->probe) {
        const json_t *p = s->params;

        *out = json_pack("{s:s,s:O?}", "robot", job_robot(a, j)->name, "output_meta",
                         json_object_get(p, "output_meta"));
        return 0;
    }
    file_variables_fill(&fv, a, f, j->source >= 0 || !f ? j->source : f->step);
    fv.v.region = region;
    with_defaults = json_copy(s->params);
    json_object_del(with_defaults, "user_meta"); /* says something of what comes out: file_variables.h */
    /* texts with variables that are defaults in the Robot's table are substituted like given ones */
    const struct option *o;
    for (struct opt_walk w = opt_walk(s->robot->options); (o = opt_next(&w));)
        if (o->def_str && strstr(o->def_str, "${") && !json_object_get(with_defaults, o->name))
            json_object_set_new(with_defaults, o->name,
                                o->type == OPT_TYPE_STR ? json_string(o->def_str)
                                                        : json_loads(o->def_str, 0, NULL));
    if (variables_apply(&params, with_defaults, &fv.v, err) < 0 || inject(params, s->robot, credentials, err) < 0 ||
        checked(arena, s->robot, params, with_defaults, err) < 0)
        return refused(s->robot, err);
    *out = take(params);
    return 0;
}

/* The rows that are filled in for each input, of this one. */
static json_t *each_of(const struct step *s)
{
    json_t *each = json_object();
    const struct option *o;

    for (struct opt_walk w = opt_walk(s->robot->options); (o = opt_next(&w));)
        if (o->each && json_object_get(s->params, o->name))
            json_object_set(each, o->name, json_object_get(s->params, o->name));
    if (json_object_size(each) && json_object_get(s->params, "interpolate"))
        json_object_set(each, "interpolate", json_object_get(s->params, "interpolate"));
    return each;
}

int assembly_input_params(json_t **out, const struct assembly *a, const struct job *j, int input, const char *region,
                          struct err *err)
{
    const struct step *s = &a->in->steps[j->step];
    AUTO(file_variables_done) struct file_variables fv = {0};
    AUTO(json_unref) json_t *each = j->fetch || j->probe || j->input_count < 2 ? NULL : each_of(s);

    *out = NULL;
    if (!json_object_size(each))
        return 0;
    file_variables_fill(&fv, a, j->inputs[input], j->inputs[input]->step);
    fv.v.region = region;
    if (variables_apply(out, each, &fv.v, err) < 0)
        return refused(s->robot, err);
    options_fill_undefined(*out, s->robot->options, each);
    json_object_del(*out, "interpolate");
    return 0;
}
