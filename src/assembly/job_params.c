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

int assembly_job_params(json_t **out, const struct assembly *a, const struct job *j,
                        const char *region, const struct credential_source *credentials, struct err *err)
{
    const struct step *s = &a->in->steps[j->step];
    const struct file *f = j->input_count ? j->inputs[0] : NULL;
    AUTO(file_variables_done) struct file_variables fv = {0};
    AUTO(arena_free) struct arena *arena = arena_new();
    AUTO(json_unref) json_t *params = NULL;
    AUTO(json_unref) json_t *with_defaults = NULL;
    void *opts;

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
        robot_options(&opts, arena, s->robot, params, /* partial= */ false, err) < 0) {
        if (err->code == ERR_ROBOT_VALIDATION && !err->name[0])
            robot_code(err->name, s->robot, "VALIDATION");
        return -1;
    }
    *out = take(params);
    return 0;
}
