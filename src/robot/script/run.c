/* /script/run: a client's program over what is known of a file; its last value goes into the file's meta. */
#include "robot/robot.h"
#include "script/engine.h"

struct run_opts {
    const char *script, *contextJSON;
};
#define T struct run_opts
static const struct option options[] = {
    OPT_STR(T, script, .required = true, .literal = true,
            .help =
                "JavaScript: an expression or a program, whose last value is the result. A ${...} in it is its own, "
                "unless interpolate says otherwise."),
    OPT_STR(T, contextJSON, .help = "JSON that the script sees as the variable context.",
            .example = "\"{\\\"a\\\":1}\""),
    OPT_END,
};
#undef T

static json_t *context_of(const struct run_opts *o, struct err *err)
{
    struct err why = {0};
    json_t *v = json_parse(o->contextJSON, strlen(o->contextJSON), SCRIPT_DEPTH, &why);

    if (!v)
        err_set(err, ERR_ROBOT_VALIDATION, "'contextJSON' can't be read: %s", why.msg);
    return v;
}

static int run_check(const void *opts, bool partial, struct err *err)
{
    const struct run_opts *o = opts;
    AUTO(json_unref) json_t *context = o->contextJSON ? context_of(o, err) : NULL;

    return o->contextJSON && !context ? -1 : 0;
}

static json_t *run_variables(const struct robot_job *job, const struct run_opts *o)
{
    const json_t *given = robot_variables(job);
    json_t *all = given ? json_copy((json_t *)given) : json_object();

    if (o->contextJSON)
        json_object_set_new(all, "context", context_of(o, NULL));
    return all;
}

/* What the script says, or why it could not. Only the second is a failure of ours. */
static int run_script(json_t **meta, const struct robot_job *job, const struct run_opts *o, struct err *err)
{
    AUTO(json_unref) json_t *variables = run_variables(job, o), *values = NULL;
    struct script_work work = {
        .program = o->script, .variables = variables, .memory_bytes = jint(robot_settings(job), "script_memory", 0)};
    bool failed = script_evaluate(&values, &work, err) < 0;

    if (failed && err->code != ERR_ROBOT_VALIDATION)
        return -1;
    json_t *result = failed ? jstring(err->msg) : json_incref(json_array_get(values, 0));
    *meta = json_pack("{s:o,s:b,s:b}", "result", result, "isError", failed, "isFree", 0);
    return 0;
}

static int run_run(struct robot_job *job, const void *opts, struct err *err)
{
    AUTO(json_unref) json_t *meta = NULL;

    if (run_script(&meta, job, opts, err) < 0)
        return -1;
    for (int i = 0; i < robot_input_count(job); i++)
        if (robot_emit_same(job, i, json_incref(meta), err) < 0)
            return -1;
    return 0;
}

const struct robot robot_script_run = {
    .name = "/script/run",
    .summary = "Run JavaScript over what is known of a file",
    .role = ROLE_SCRIPT,
    .flags = ROBOT_SEES_VARIABLES,
    .passes_input = true,
    .price_factor = 10,
    .slots = 5,
    .timeout_s = 60,
    .opts_size = sizeof(struct run_opts),
    .options = options,
    .example = "{\"script\":\"file.name\"}",
    .check = run_check,
    .run = IN_WORKER(run_run),
};
