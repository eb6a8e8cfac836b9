#include "robot/robot.h"
#include "base/str.h"

#include <string.h>

void option_default(struct str *text, const struct option *o)
{
    if (o->required)
        return;
    switch (o->type) {
    case OPT_TYPE_INT:
        if (o->def)
            str_addf(text, "%lld", (long long)o->def);
        break;
    case OPT_TYPE_NUM: str_addf(text, "%.10g", o->def_num); break;
    case OPT_TYPE_BOOL: str_puts(text, o->def ? "true" : "false"); break;
    case OPT_TYPE_ENUM:
        for (const struct opt_choice *ch = o->choices; ch->name && !text->len; ch++)
            if (ch->value == (int)o->def)
                str_add_json(text, ch->name);
        break;
    case OPT_TYPE_STR:
        if (o->def_str)
            str_add_json(text, o->def_str);
        break;
    case OPT_TYPE_JSON: str_puts(text, o->def_str ? o->def_str : ""); break;
    case OPT_TYPE_GROUP:
    case OPT_TYPE_END: break;
    }
}

static json_t *describe_option(const struct option *o)
{
    static const char *const types[] = {"",       "integer", "number", "boolean",
                                        "choice", "text",    "json"};
    json_t *d = json_pack("{s:s,s:s,s:b}", "name", o->name, "type", types[o->type], "required",
                          o->required);
    AUTO(str_done) struct str def = {0};

    option_default(&def, o);
    if (def.len)
        json_object_set_new(d, "default", json_loads(def.s, JSON_DECODE_ANY, NULL));
    if (o->min != 0 || o->max != 0)
        json_object_update_new(d, json_pack("{s:f,s:f}", "min", o->min, "max", o->max));
    jset(d, "unit", o->unit);
    jset(d, "help", o->help);
    jset(d, "beyond", o->beyond);
    jset(d, "idle", o->idle);
    jset(d, "other_default", o->other_default);
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
