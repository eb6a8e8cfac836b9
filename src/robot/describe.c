#include "robot/robot.h"
#include "base/str.h"

#include <string.h>

static json_t *describe_option(const struct option *o)
{
    static const char *const types[] = {"",       "integer", "number", "boolean",
                                        "choice", "text",    "json"};
    json_t *d = json_pack("{s:s,s:s,s:b}", "name", o->name, "type", types[o->type], "required",
                          o->required);

    if (o->min != 0 || o->max != 0)
        json_object_update_new(d, json_pack("{s:f,s:f}", "min", o->min, "max", o->max));
    jset(d, "unit", o->unit);
    jset(d, "help", o->help);
    if (o->choices) {
        json_t *names = json_array();

        for (const struct opt_choice *ch = o->choices; ch->name; ch++)
            json_array_append_new(names, json_string(ch->name));
        json_object_set_new(d, "choices", names);
    }
    return d;
}

json_t *robots_describe(void)
{
    json_t *all = json_array();

    for (const struct robot *const *r = robot_table; *r; r++) {
        json_t *options = json_array(), *refused = json_array();

        const struct option *o;

        for (struct opt_walk w = opt_walk((*r)->options); (o = opt_next(&w));)
            if (o->unsupported)
                json_array_append_new(refused, json_string(o->name));
            else
                json_array_append_new(options, describe_option(o));
        json_t *d = json_pack("{s:s,s:s,s:b,s:b,s:o,s:o}", "name", (*r)->name, "summary",
                              (*r)->summary, "no_input", (*r)->no_input, "export", (*r)->is_store,
                              "options", options, "not_built", refused);
        if ((*r)->accepts)
            json_object_set_new(d, "accepts", json_stringn((*r)->accepts, strlen((*r)->accepts) -
                                                                              str_ends((*r)->accepts, "|")));
        if ((*r)->example)
            json_object_set_new(d, "example", json_reads((*r)->example));
        json_array_append_new(all, d);
    }
    return all;
}
