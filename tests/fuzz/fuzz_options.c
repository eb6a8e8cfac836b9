/* The parameters of every Robot, by its table: a line with the Robot's name, and "~" before it for the check of an
 * Assembly that still holds ${...}; then lines of parameters. */
#include "fuzz.h"
#include "assembly/credentials.h"
#include "robot/robot.h"

#include <math.h>
#include <string.h>

/* What run() relies on: what the table promises, it holds. */
static void check_row(const void *field, const struct option *o)
{
    bool limited = o->min != 0 || o->max != 0;
    double n;

    if (o->unsupported)
        return;
    if (o->type == OPT_TYPE_INT || o->type == OPT_TYPE_NUM) {
        bool integer = o->type == OPT_TYPE_INT;

        n = integer ? (double)*(const int64_t *)field : *(const double *)field;
        CHECK(isfinite(n));
        CHECK(!limited || n == (integer ? (double)o->def : o->def_num) || (n >= o->min && n <= o->max));
    } else if (o->type == OPT_TYPE_ENUM) {
        bool is_one = *(const int *)field == (int)o->def;

        for (const struct opt_choice *c = o->choices; c->name; c++)
            is_one |= *(const int *)field == c->value;
        CHECK(is_one);
    } else if (o->type == OPT_TYPE_STR && *(const char *const *)field) {
        (void)strlen(*(const char *const *)field);
    }
}

static void check_step(const struct robot *r, json_t *step, bool partial)
{
    AUTO(arena_free) struct arena *a = arena_new();
    struct err err = {0};
    void *opts = NULL;

    if (robot_options(&opts, a, r, step, partial, &err) < 0) {
        CHECK(err.code && err.msg[0]);
        return;
    }
    const struct option *o;
    for (struct opt_walk w = opt_walk(r->options); (o = opt_next(&w));)
        check_row((const char *)opts + w.offset, o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes b = {data, len};
    AUTO(mem_free) char *name = take_line(&b);
    bool partial = *name == '~';
    const struct robot *r = robot_find(name + partial);
    struct err err;

    if (!r)
        return 0;
    while (b.left) {
        AUTO(json_unref) json_t *step = take_json_line(&b);

        if (!json_is_object(step))
            continue;
        check_step(r, step, partial);
        /* credentials that somebody stored */
        json_t *content = json_object_get(step, "credentials");
        if (json_is_object(content)) {
            AUTO(json_unref) json_t *copy = json_deep_copy(step);
            if (credential_inject(copy, r, "c", "s3", content, &err) == 0)
                check_step(r, copy, false);
        }
    }
    return 0;
}
