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

static int inject_one(json_t *params, const struct robot *robot, const char *name,
                      const struct credential_source *source, struct err *err)
{
    AUTO(json_unref) json_t *content = NULL;
    char type[CREDENTIAL_TYPE_MAX];

    return source->find(source->ctx, &content, type, name, err) < 0
               ? -1
               : credential_inject(params, robot, name, type, content, err);
}

/* Stored credentials take the place of their name, or of their names: then the first that has a key counts. What the
 * step gives itself wins. */
static int inject(json_t *params, const struct robot *robot, const struct credential_source *source, struct err *err)
{
    AUTO(json_unref) json_t *given = json_incref(json_object_get(params, "credentials"));
    const struct option *row = option_find(robot->options, "credentials");
    json_t *name;
    size_t i;

    if (!source)
        return 0;
    if (json_is_string(given))
        return inject_one(params, robot, json_string_value(given), source, err);
    if (!row || row->type != OPT_TYPE_JSON)
        return 0;
    json_array_foreach (given, i, name)
        if (json_is_string(name) && inject_one(params, robot, json_string_value(name), source, err) < 0)
            return -1;
    return 0;
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

/* What ${...} sees, and the parameters with defaults that hold one. */
static void job_variables(struct file_variables *fv, const struct assembly *a, const struct job *j, const char *region)
{
    const struct file *f = j->input_count ? j->inputs[0] : NULL;

    file_variables_fill(fv, a, f, j->source >= 0 || !f ? j->source : f->step);
    fv->v.region = region;
    fv->v.values = json_array_get(j->values, 0);
}

static json_t *params_with_defaults(const struct step *s)
{
    json_t *all = json_copy(s->params);
    const struct option *o;

    json_object_del(all, "user_meta"); /* says something of what comes out: file_variables.h */
    /* texts with variables that are defaults in the Robot's table are substituted like given ones */
    for (struct opt_walk w = opt_walk(s->robot->options); (o = opt_next(&w));)
        if (o->def_str && strstr(o->def_str, "${") && !json_object_get(all, o->name))
            json_object_set_new(all, o->name,
                                o->type == OPT_TYPE_STR ? json_string(o->def_str) : json_loads(o->def_str, 0, NULL));
    return all;
}

json_t *assembly_job_variables(const struct assembly *a, const struct job *j, const char *region)
{
    AUTO(file_variables_done) struct file_variables fv = {0};

    job_variables(&fv, a, j, region);
    return variables_json(&fv.v);
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

/* What ${...} sees where a parameter is filled in for each input. */
static void input_variables(struct file_variables *fv, const struct assembly *a, const struct job *j, int input,
                            const char *region)
{
    file_variables_fill(fv, a, j->inputs[input], j->inputs[input]->step);
    fv->v.region = region;
    fv->v.values = json_array_get(j->values, (size_t)input + 1);
}

/* What is being asked for: see assembly_job_asks(). */
struct asking {
    json_t *expressions, *counts, *inputs;
};

/* Those of params, of the job (input -1) or for one of its inputs. */
static void ask(struct asking *all, const json_t *params, const struct step *s, const struct variables *v, int input)
{
    AUTO(json_unref) json_t *asked = variables_ask(params, s->robot->options, v);
    json_t *e;
    size_t i;

    json_array_append_new(all->counts, json_integer((json_int_t)json_array_size(asked)));
    json_array_foreach (asked, i, e) {
        if (input >= 0)
            json_object_set_new(e, "of", json_integer(input));
        json_array_append(all->expressions, e);
    }
}

static void ask_for_each(struct asking *all, const struct assembly *a, const struct job *j, const char *region)
{
    const struct step *s = &a->in->steps[j->step];
    AUTO(json_unref) json_t *each = j->input_count < 2 ? NULL : each_of(s);

    for (int i = 0; options_have_expression(each) && i < j->input_count; i++) {
        AUTO(file_variables_done) struct file_variables fv = {0};

        input_variables(&fv, a, j, i, region);
        ask(all, each, s, &fv.v, i);
        json_t *own = variables_json(&fv.v);
        json_object_del(own, "fields"); /* are those of all */
        json_array_append_new(all->inputs, own);
    }
}

/* Of a note. There always is something, or it would not have been made. */
static json_t *note_asks(const struct assembly *a, const struct job *j, const char *region)
{
    AUTO(json_unref) json_t *given = step_user_meta(&a->in->steps[j->step]), *asked = NULL;
    AUTO(file_variables_done) struct file_variables fv = {0};

    file_variables_fill(&fv, a, j->inputs[0], j->step);
    fv.v.region = region;
    fv.v.file = j->about;
    asked = variables_ask(given, NULL, &fv.v);
    return json_pack("{s:o,s:[I],s:[],s:o}", "expressions", asked ? json_incref(asked) : json_array(), "counts",
                     (json_int_t)json_array_size(asked), "inputs", "variables", variables_json(&fv.v));
}

json_t *assembly_job_asks(const struct assembly *a, const struct job *j, const char *region)
{
    const struct step *s = &a->in->steps[j->step];
    AUTO(file_variables_done) struct file_variables fv = {0};
    AUTO(json_unref) json_t *params = NULL, *asks = NULL;
    struct asking all;

    if (j->note)
        return note_asks(a, j, region);
    if (j->fetch || j->probe || j->values || !s->has_expression)
        return NULL;
    all = (struct asking){json_array(), json_array(), json_array()};
    params = params_with_defaults(s);
    job_variables(&fv, a, j, region);
    ask(&all, params, s, &fv.v, -1);
    ask_for_each(&all, a, j, region);
    asks = json_pack("{s:o,s:o,s:o,s:o}", "expressions", all.expressions, "counts", all.counts, "inputs", all.inputs,
                     "variables", variables_json(&fv.v));
    return json_array_size(all.expressions) ? take(asks) : NULL;
}

json_t *assembly_job_values(const json_t *counts, const json_t *values)
{
    json_t *groups = json_array(), *count;
    size_t i, at = 0;

    json_array_foreach (counts, i, count) {
        json_t *group = json_array();

        for (json_int_t n = json_integer_value(count); n > 0; n--)
            json_array_append(group, json_array_get(values, at++));
        json_array_append_new(groups, group);
    }
    return groups;
}

/* A stub has nothing to work on. */
static int check_stubs(const struct robot *robot, const struct job *j, struct err *err)
{
    for (int i = 0; i < j->input_count; i++)
        if (j->inputs[i]->is_stub && !(robot->flags & ROBOT_TAKES_STUBS))
            return err_set(err, ERR_ROBOT_VALIDATION,
                           "'%.100s' is a stub (return_file_stubs): there is only its address, and %s needs the file",
                           j->inputs[i]->name, robot->name);
    return 0;
}

/* Does a step need the files of this one, even where it was told to give stubs? */
static bool is_filled(const struct assembly *a, int step)
{
    for (int t = 1; t < a->in->count; t++) {
        const struct step *s = &a->in->steps[t];

        for (int u = 0; s->robot->flags & ROBOT_FILLS_STUBS && u < s->use_count; u++)
            if (s->uses[u].step == step)
                return true;
    }
    return false;
}

int assembly_job_params(json_t **out, const struct assembly *a, const struct job *j,
                        const char *region, const struct credential_source *credentials, struct err *err)
{
    const struct step *s = &a->in->steps[j->step];
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
    if (check_stubs(s->robot, j, err) < 0)
        return refused(s->robot, err);
    job_variables(&fv, a, j, region);
    with_defaults = params_with_defaults(s);
    if (variables_apply(&params, with_defaults, s->robot->options, &fv.v, err) < 0)
        return refused(s->robot, err);
    if (is_filled(a, j->step))
        json_object_del(params, "return_file_stubs");
    if (inject(params, s->robot, credentials, err) < 0 || checked(arena, s->robot, params, with_defaults, err) < 0)
        return refused(s->robot, err);
    *out = take(params);
    return 0;
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
    input_variables(&fv, a, j, input, region);
    if (variables_apply(out, each, s->robot->options, &fv.v, err) < 0)
        return refused(s->robot, err);
    options_fill_undefined(*out, s->robot->options, each);
    json_object_del(*out, "interpolate");
    return 0;
}
