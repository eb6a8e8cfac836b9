/* Every Robot by its table, and its table against the contract's parameters (tests/robot/contract.json): each of them does
 * something, or is refused by its name. Nothing here names a Robot. */
#include "robot/robot.h"
#include "base/str.h"
#include "unit.h"

#include <math.h>
#include <string.h>

/* Read by the server for every Robot; some look at one themselves. */
static const char *const shared[] = {"force_accept", "ignore_errors", "interpolate", "queue", "result", "use", "output_meta", "user_meta"};

static json_t *contract;

static bool is_shared(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(shared); i++)
        if (!strcmp(shared[i], name))
            return true;
    return false;
}

static int load(void **state)
{
    (void)state;
    contract = json_load_file("tests/robot/contract.json", 0, NULL);
    return contract ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(contract);
    return 0;
}

static json_t *text_json(const char *text)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);

    if (!v)
        fail_msg("no JSON: %s", text);
    return v;
}

/* Parameters with which the Robot can be used. */
static json_t *least(const struct robot *r) { return text_json(r->example ? r->example : "{}"); }

static int fill(void **opts, struct arena *a, const struct robot *r, const json_t *step, struct err *err)
{
    *err = (struct err){0};
    return robot_options(opts, a, r, step, false, err);
}

/* A refusal says which parameter, by the Robot's own code, or by that of the parameter's row. */
static void refused(const struct robot *r, json_t *step, const char *said, const char *hidden)
{
    AUTO(arena_free) struct arena *a = arena_new();
    AUTO(json_unref) json_t *given = step;
    AUTO(mem_free) char *text = json_text(given);
    char code[ROBOT_CODE_MAX];
    struct err err;
    void *opts;

    if (fill(&opts, a, r, given, &err) == 0)
        fail_msg("%s takes %s", r->name, text);
    const struct option *o = option_find(r->options, said);
    if (o && o->code)
        robot_code(code, r, o->code);
    else
        robot_code_invalid(code, r);
    assert_string_equal(err_name(&err), code);
    if (!strstr(err.msg, said) || (hidden && strstr(err.msg, hidden)))
        fail_msg("%s says of %s: %s", r->name, text, err.msg);
}

static json_t *with(const struct robot *r, const char *name, json_t *value)
{
    json_t *step = least(r);

    json_object_set_new(step, name, value);
    return step;
}

/* The same parameter of the step and of its default, as the Robot hears them. */
static bool differs(const struct option *o, const void *x, const void *y)
{
    switch (o->type) {
    case OPT_TYPE_INT: return *(const int64_t *)x != *(const int64_t *)y;
    case OPT_TYPE_NUM: return *(const double *)x != *(const double *)y;
    case OPT_TYPE_BOOL: return *(const bool *)x != *(const bool *)y;
    case OPT_TYPE_ENUM: return *(const int *)x != *(const int *)y;
    case OPT_TYPE_STR: {
        const char *s = *(const char *const *)x, *t = *(const char *const *)y;
        return strcmp(s ? s : "", t ? t : "") != 0;
    }
    case OPT_TYPE_JSON: return !json_equal(*(json_t *const *)x, *(json_t *const *)y);
    default: return false;
    }
}

/* By the contract's type: a value that is not its default. */
static json_t *sample_of_contract(const json_t *p)
{
    const char *type = jstr_or(p, "type", "");
    const json_t *def = json_object_get(p, "default"), *choices = json_object_get(p, "enum");
    json_t *choice;
    size_t i;

    if (!strncmp(type, "bool", 4))
        return json_boolean(!json_is_true(def));
    if (!strncmp(type, "int", 3) || !strncmp(type, "num", 3))
        return json_real(json_number_value(def) + 1);
    json_array_foreach (choices, i, choice)
        if (!json_equal(choice, def))
            return json_incref(choice);
    if (!strncmp(type, "map", 3))
        return json_pack("{s:s}", "a", "b");
    if (!strncmp(type, "array", 5))
        return json_pack("[s]", "a");
    return json_string("another");
}

static json_t *sample(const struct robot *r, const struct option *o, const json_t *p)
{
    if (o->example)
        return text_json(o->example);
    if (o->unsupported)
        return sample_of_contract(p);
    switch (o->type) {
    case OPT_TYPE_INT: return json_integer(o->max != 0 || o->min != 0 ? (int64_t)(o->max != (double)o->def ? o->max : o->min) : o->def + 1);
    case OPT_TYPE_NUM: return json_real(o->max != 0 || o->min != 0 ? (o->max != o->def_num ? o->max : o->min) : o->def_num + 1);
    case OPT_TYPE_BOOL: return json_boolean(!o->def);
    case OPT_TYPE_ENUM:
        for (const struct opt_choice *c = o->choices; c->name; c++)
            if (c->value != (int)o->def)
                return json_string(c->name);
        return json_string(o->choices[0].name);
    case OPT_TYPE_STR:
        if (!o->pattern)
            return json_string("another");
        /* fall through */
    default: fail_msg("%s %s needs an .example in its row", r->name, o->name); return NULL;
    }
}

static bool says_ignored(const struct option *o)
{
    return o->help && (strstr(o->help, "ignored") || strstr(o->help, "Ignored") || strstr(o->help, "Old name"));
}

static void check_built(const struct robot *r, const struct option *o, size_t offset, json_t *value)
{
    AUTO(arena_free) struct arena *a = arena_new();
    AUTO(json_unref) json_t *plain = least(r), *step = with(r, o->name, value);
    AUTO(mem_free) char *text = json_text(json_object_get(step, o->name));
    void *before, *after;
    struct err err;

    json_object_del(plain, o->name); /* what the example asks for is no default */
    if (o->required) {
        json_decref(plain);
        plain = json_copy(step);
    }
    if (fill(&after, a, r, step, &err) < 0)
        fail_msg("%s %s %s: %s", r->name, o->name, text, err.msg);
    if (fill(&before, a, r, plain, &err) < 0) /* the check needs it: it is heard, then */
        return;
    if (!o->required && !says_ignored(o) && !differs(o, (char *)before + offset, (char *)after + offset))
        fail_msg("%s %s: %s is as if it was not there", r->name, o->name, text);
}

static void check_unsupported(const struct robot *r, const struct option *o, json_t *value)
{
    json_t *step = with(r, o->name, value);

    if (o->part_of) {
        AUTO(arena_free) struct arena *a = arena_new();
        struct err err;
        void *opts;

        if (fill(&opts, a, r, step, &err) < 0)
            fail_msg("%s %s asks for nothing without %s: %s", r->name, o->name, o->part_of, err.msg);
        json_object_set_new(step, o->part_of, json_string("http://w/"));
        refused(r, step, "not supported by this server", NULL);
        return;
    }
    refused(r, step, o->name, NULL);
}

static void each_parameter_of_the_contract_is_built_or_refused_by_name(void **state)
{
    (void)state;
    for (const struct robot *const *r = robot_table; *r; r++) {
        json_t *rows = json_object_get(contract, (*r)->name), *p;
        const struct option *o;
        const char *name;

        if (!rows)
            fail_msg("%s is not in the contract", (*r)->name);
        json_object_foreach (rows, name, p) {
            o = option_find((*r)->options, name);
            if (!o && !jbool(p, "hidden", false))
                fail_msg("%s has no row for %s", (*r)->name, name);
            if (o && !o->required && jbool(p, "required", false))
                fail_msg("%s %s is required in the contract", (*r)->name, name);
        }
        for (struct opt_walk w = opt_walk((*r)->options); (o = opt_next(&w));) {
            p = json_object_get(rows, o->name);
            if (p && o->beyond)
                fail_msg("%s %s is in the contract, and says why it is not", (*r)->name, o->name);
            if (!p && !is_shared(o->name) && !o->beyond)
                fail_msg("%s %s is not in the contract", (*r)->name, o->name);
            if (!p && is_shared(o->name) && !o->unsupported)
                p = NULL;
            if (o->unsupported)
                check_unsupported(*r, o, sample(*r, o, p));
            else if (!is_shared(o->name) || o->example)
                check_built(*r, o, w.offset, sample(*r, o, p));
        }
    }
}

/* As the contract writes it: null, or left out, is no default. */
static bool default_is(const struct option *o, const json_t *want)
{
    AUTO(json_unref) json_t *is = NULL;

    switch (o->type) {
    case OPT_TYPE_INT: return json_number_value(want) == (double)o->def;
    case OPT_TYPE_NUM: return fabs(json_number_value(want) - o->def_num) < 1e-9;
    case OPT_TYPE_BOOL: return json_is_true(want) == (o->def != 0);
    case OPT_TYPE_STR:
        is = json_is_string(want) ? NULL : json_incref((json_t *)want);
        if (is) {
            AUTO(mem_free) char *text = json_text(is);
            return o->def_str && !strcmp(text, o->def_str);
        }
        return o->def_str ? !strcmp(json_string_value(want), o->def_str) : !*json_string_value(want);
    case OPT_TYPE_JSON:
        is = o->def_str ? json_loads(o->def_str, JSON_DECODE_ANY, NULL) : json_null();
        return json_equal(is, want);
    case OPT_TYPE_ENUM:
        for (const struct opt_choice *c = o->choices; c->name; c++) {
            AUTO(mem_free) char *text = json_is_string(want) ? mem_strdup(json_string_value(want)) : json_text(want);

            if (!strcmp(c->name, text))
                return c->value == (int)o->def;
        }
        return false;
    default: return true;
    }
}

static void defaults_are_those_of_the_contract_or_say_why(void **state)
{
    (void)state;
    for (const struct robot *const *r = robot_table; *r; r++) {
        json_t *rows = json_object_get(contract, (*r)->name);
        const struct option *o;

        for (struct opt_walk w = opt_walk((*r)->options); (o = opt_next(&w));) {
            const json_t *p = json_object_get(rows, o->name), *want = json_object_get(p, "default");

            if (!want || json_is_null(want) || o->unsupported || says_ignored(o) || o->other_default)
                continue;
            if (!default_is(o, want)) {
                AUTO(mem_free) char *text = json_text(want);
                fail_msg("%s %s has another default than the contract's %s, and no row says why", (*r)->name, o->name, text);
            }
        }
    }
}

static void ranges_choices_and_secrets_hold(void **state)
{
    (void)state;
    for (const struct robot *const *r = robot_table; *r; r++) {
        const struct option *o;

        for (struct opt_walk w = opt_walk((*r)->options); (o = opt_next(&w));) {
            bool integer = o->type == OPT_TYPE_INT, limited = (integer || o->type == OPT_TYPE_NUM) && (o->min != 0 || o->max != 0);

            if (o->required) {
                json_t *step = least(*r);

                json_object_del(step, o->name);
                refused(*r, step, o->name, NULL);
            }
            if (o->unsupported)
                continue;
            if (limited) {
                double step = integer ? 1 : 0.01;

                refused(*r, with(*r, o->name, json_real(o->min - step)), o->name, NULL);
                refused(*r, with(*r, o->name, json_real(o->max + step)), o->name, NULL);
            }
            if (integer || o->type == OPT_TYPE_NUM || o->type == OPT_TYPE_BOOL || o->type == OPT_TYPE_ENUM)
                refused(*r, with(*r, o->name, json_string("no value of it")), o->name, NULL);
            if (o->secret)
                refused(*r, with(*r, o->name, json_pack("{s:s}", "a", "hush-hush")), o->name, "hush-hush");
        }
    }
}

static void every_choice_of_the_contract_is_taken_or_refused_by_name(void **state)
{
    (void)state;
    for (const struct robot *const *r = robot_table; *r; r++) {
        json_t *rows = json_object_get(contract, (*r)->name), *choice;
        const struct option *o;
        size_t i;

        for (struct opt_walk w = opt_walk((*r)->options); (o = opt_next(&w));)
            json_array_foreach (json_object_get(json_object_get(rows, o->name), "enum"), i, choice) {
                AUTO(arena_free) struct arena *a = arena_new();
                AUTO(json_unref) json_t *step = with(*r, o->name, json_incref(choice));
                AUTO(mem_free) char *text = json_text(choice);
                struct err err;
                void *opts;

                if (!o->unsupported && fill(&opts, a, *r, step, &err) < 0 && !strstr(err.msg, o->name) && !strstr(err.msg, text) &&
                    !strstr(err.msg, "not supported by this server"))
                    fail_msg("%s %s %s: %s", (*r)->name, o->name, text, err.msg);
                if (o->type == OPT_TYPE_ENUM && json_is_string(choice)) {
                    bool known = false;

                    for (const struct opt_choice *c = o->choices; c->name; c++)
                        known |= !strcmp(c->name, json_string_value(choice));
                    if (!known)
                        fail_msg("%s %s does not know %s", (*r)->name, o->name, text);
                }
            }
    }
}

static void what_the_contract_does_not_have_is_refused_by_name(void **state)
{
    (void)state;
    for (const struct robot *const *r = robot_table; *r; r++)
        refused(*r, with(*r, "wdith", json_integer(5)), "wdith", NULL);
}

static void each_robot_says_what_it_is(void **state)
{
    (void)state;
    for (const struct robot *const *r = robot_table; *r; r++) {
        const struct option *o;

        assert_true((*r)->summary && *(*r)->summary && !str_ends((*r)->summary, "."));
        assert_true(robot_is_known((*r)->name));
        for (struct opt_walk w = opt_walk((*r)->options); (o = opt_next(&w));)
            if (!o->unsupported && (!o->help || !str_ends(o->help, ".")))
                fail_msg("%s %s has no help that ends in a full stop", (*r)->name, o->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_parameter_of_the_contract_is_built_or_refused_by_name),
        cmocka_unit_test(defaults_are_those_of_the_contract_or_say_why),
        cmocka_unit_test(ranges_choices_and_secrets_hold),
        cmocka_unit_test(every_choice_of_the_contract_is_taken_or_refused_by_name),
        cmocka_unit_test(what_the_contract_does_not_have_is_refused_by_name),
        cmocka_unit_test(each_robot_says_what_it_is),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
