/* workcell-script: programs of clients. The engine is loaded by the zygote, so its workers open no file at all. */
#include "robot/robot.h"
#include "script/engine.h"
#include "worker/role.h"

static int script_values(json_t **values, const json_t *work, const json_t *settings, struct err *err)
{
    struct script_work w = {.expressions = json_object_get(work, "expressions"),
                            .variables = json_object_get(work, "variables"),
                            .inputs = json_object_get(work, "inputs"),
                            .memory_bytes = jint(settings, "script_memory", 0)};

    return script_evaluate(values, &w, err);
}

static void script_describe(json_t *out)
{
    AUTO(json_unref)
    json_t *expressions = json_pack("[{s:s,s:b}]", "code", "`${[6, 7].reduce((a, b) => a * b)}`", "text", 0);
    AUTO(json_unref) json_t *variables = json_object(), *values = NULL;
    struct script_work w = {.expressions = expressions, .variables = variables};
    struct err err = {0};

    if (script_evaluate(&values, &w, &err) < 0)
        json_object_set_new(out, "engine_error", jstring(err.msg));
    else
        json_object_set_new(out, "answer", json_incref(json_array_get(values, 0)));
}

const struct role_program role_program = {.role = ROLE_SCRIPT,
                                          .preload = script_begin,
                                          .warm = script_ready,
                                          .rest = script_ready,
                                          .evaluate = script_values,
                                          .describe_inside = script_describe};
