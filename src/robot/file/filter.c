/* /file/filter: files that meet conditions go on as they are, the others stop here. */
#include "base/pattern.h"
#include "base/str.h"
#include "robot/robot.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONDITIONS_MAX 1000 /* of one list */

enum op { OP_LOOSE, OP_STRICT, OP_LESS, OP_MORE, OP_REGEX, OP_INCLUDES, OP_EMPTY };

/* `>=` is what `<` is not, so that of two sides that have no order one of them holds. */
static const struct {
    const char *name;
    enum op op;
    bool negated;
} operators[] = {{"=", OP_LOOSE, false},
                 {"==", OP_LOOSE, false},
                 {"===", OP_STRICT, false},
                 {"!=", OP_LOOSE, true},
                 {"!==", OP_STRICT, true},
                 {"<", OP_LESS, false},
                 {">", OP_MORE, false},
                 {"<=", OP_MORE, true},
                 {">=", OP_LESS, true},
                 {"regex", OP_REGEX, false},
                 {"!regex", OP_REGEX, true},
                 {"includes", OP_INCLUDES, false},
                 {"!includes", OP_INCLUDES, true},
                 {"empty", OP_EMPTY, false},
                 {"!empty", OP_EMPTY, true}};

enum { TYPE_OR, TYPE_AND };
static const struct opt_choice condition_types[] = {{"or", TYPE_OR}, {"and", TYPE_AND}, {0}};

struct filter_opts {
    json_t *accepts, *declines;
    int condition_type; /* TYPE_OR, TYPE_AND */
    bool error_on_decline;
    const char *error_msg;
};
#define T struct filter_opts
#define EXAMPLE "[[\"png\", \"=\", \"png\"]]"
static const struct option options[] = {
    OPT_JSON(T, accepts, .nullable = true, .each = true, .script = true, .undefined = "false", .example = EXAMPLE,
             .help = "What a file must meet to go on: a list of conditions `[left, operator, right]`, or one "
                     "`${...}`. Null: every file does. `[]`: none does."),
    OPT_JSON(T, declines, .nullable = true, .each = true, .script = true, .example = EXAMPLE,
             .help = "What stops a file that was accepted, in the same form. Null or `[]`: nothing does."),
    OPT_ENUM(T, condition_type, condition_types, .def = TYPE_OR,
             .help = "Whether one condition of a list is enough, or all must be met."),
    OPT_BOOL(T, error_on_decline, .help = "A file that does not go on fails the Assembly."),
    OPT_STR(T, error_msg, .def_str = "One of your files was declined", .help = "What the status says then."),
    OPT_END,
};
#undef T

/* ---- the shape of conditions ---- */

static bool is_side(const json_t *v)
{
    json_t *item;
    size_t i;

    json_array_foreach (v, i, item)
        if (json_is_array(item) || json_is_object(item))
            return false;
    return v && !json_is_object(v);
}

static int operator_of(const json_t *condition)
{
    const char *s = json_string_value(json_array_get(condition, 1));
    int i = 0;

    while (i < (int)ARRAY_LEN(operators) && (!s || strcmp(s, operators[i].name) != 0))
        i++;
    return i < (int)ARRAY_LEN(operators) ? i : -1;
}

static int filter_bad_pattern(struct err *err, const char *name, const char *text)
{
    return err_set(err, ERR_ROBOT_VALIDATION, "'%s' has the pattern '%.100s', which is none of RE2, or is too large",
                   name, text);
}

/* ready: no ${...} is left in it. */
static int check_condition(const char *name, const json_t *c, bool ready, struct err *err)
{
    int op = operator_of(c);
    size_t n = json_array_size(c);
    const json_t *right = json_array_get(c, 2);

    if (!json_is_array(c) || n < 2 || n > 3 || !is_side(json_array_get(c, 0)) || (right && !is_side(right)))
        return err_set(err, ERR_ROBOT_VALIDATION, "'%s' must hold conditions of the form [left, operator, right]",
                       name);
    if (op < 0)
        return err_set_named(err, ERR_ROBOT_VALIDATION, "FILE_FILTER_INVALID_OPERATOR",
                             "'%s' has the operator '%.40s', which there is not", name,
                             json_is_string(json_array_get(c, 1)) ? json_string_value(json_array_get(c, 1))
                                                                  : "(no text)");
    if (n < 3 && operators[op].op != OP_EMPTY)
        return err_set(err, ERR_ROBOT_VALIDATION, "'%s' has a condition with the operator '%s' and no right side",
                       name, operators[op].name);
    if (operators[op].op == OP_REGEX && json_is_string(right) && (ready || !options_have_expression(right)) &&
        pattern_find(json_string_value(right), json_string_length(right), NULL, 0) == PATTERN_REFUSED)
        return filter_bad_pattern(err, name, json_string_value(right));
    return 0;
}

static int check_conditions(const char *name, const json_t *list, bool ready, struct err *err)
{
    json_t *c;
    size_t i;

    if (json_array_size(list) > CONDITIONS_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'%s' has more than %d conditions", name, CONDITIONS_MAX);
    json_array_foreach (list, i, c)
        if (check_condition(name, c, ready, err) < 0)
            return -1;
    return 0;
}

static int filter_check(const void *opts, bool partial, struct err *err)
{
    const struct filter_opts *o = opts;

    return check_conditions("accepts", o->accepts, !partial, err) < 0
               ? -1
               : check_conditions("declines", o->declines, !partial, err);
}

/* ---- the sides of one ---- */

/* What it looks like. A list is its members with commas between. */
static void add_side(struct str *out, const json_t *v)
{
    json_t *item;
    size_t i;

    if (json_is_string(v))
        str_add(out, json_string_value(v), json_string_length(v));
    else if (json_is_real(v) && fabs(json_real_value(v)) < 1e15 && floor(json_real_value(v)) == json_real_value(v))
        str_addf(out, "%.0f", json_real_value(v)); /* 12.0 is 12 in JavaScript, too */
    else if (json_is_real(v))
        str_add_double(out, json_real_value(v));
    else if (!json_is_array(v) && v && !json_is_null(v))
        str_add_json_value(out, v);
    json_array_foreach (v, i, item) {
        if (i)
            str_putc(out, ',');
        add_side(out, item);
    }
}

/* Plain decimal notation, with blanks around it; *end: behind it. strtod() alone would know more than numbers. */
static bool read_number(double *out, const char **end, const char *s)
{
    char *stop;

    s += strspn(s, " \t\r\n");
    const char *digits = s + (*s == '-' || *s == '+');
    if (!isdigit((unsigned char)*digits) && !(*digits == '.' && isdigit((unsigned char)digits[1])))
        return false;
    if (*digits == '0' && (digits[1] | 32) == 'x')
        return false;
    *out = strtod(s, &stop);
    *end = stop + strspn(stop, " \t\r\n");
    return isfinite(*out);
}

/* "20mb", "1.5 GiB": in steps of 1024. */
static bool read_size(double *out, const char *s)
{
    static const char steps[] = "kmgtp";
    const char *end;

    if (!read_number(out, &end, s))
        return false;
    char unit = (char)tolower((unsigned char)*end);
    const char *step = unit ? strchr(steps, unit) : NULL;
    if (step) {
        *out *= pow(1024, (double)(step - steps + 1));
        end++;
        end += tolower((unsigned char)*end) == 'i';
        if (tolower((unsigned char)*end) != 'b')
            return false;
    }
    end += tolower((unsigned char)*end) == 'b';
    return !end[strspn(end, " \t\r\n")] && isfinite(*out);
}

/* sizes: a text may have a unit. */
static bool side_number(double *out, const json_t *v, bool sizes)
{
    const char *s = json_string_value(v), *end;

    if (json_is_number(v))
        *out = json_number_value(v);
    else if (json_is_boolean(v))
        *out = json_is_true(v);
    else if (!s || !(sizes ? read_size(out, s) : read_number(out, &end, s) && !*end))
        return false;
    return true;
}

static int compare_text(const json_t *left, const json_t *right)
{
    AUTO(str_done) struct str l = {0}, r = {0};

    add_side(&l, left);
    add_side(&r, right);
    int c = l.len && r.len ? memcmp(l.s, r.s, l.len < r.len ? l.len : r.len) : 0;
    return c ? c : (l.len > r.len) - (l.len < r.len);
}

static bool both_integers(const json_t *left, const json_t *right)
{
    return json_is_integer(left) && json_is_integer(right);
}

/* A number and a text that holds one are equal when the numbers are. Two texts are what they look like. */
static bool is_equal(const json_t *left, const json_t *right)
{
    double l, r;

    if (json_is_null(left) || json_is_null(right))
        return json_is_null(left) && json_is_null(right);
    if (both_integers(left, right))
        return json_integer_value(left) == json_integer_value(right);
    if (!(json_is_string(left) && json_is_string(right)) && side_number(&l, left, false) &&
        side_number(&r, right, false))
        return l == r;
    return !compare_text(left, right);
}

static bool is_same(const json_t *left, const json_t *right)
{
    if (json_is_number(left) && json_is_number(right))
        return both_integers(left, right) ? json_integer_value(left) == json_integer_value(right)
                                          : json_number_value(left) == json_number_value(right);
    return json_equal(left, right);
}

static bool is_less(const json_t *left, const json_t *right)
{
    double l, r;

    if (both_integers(left, right))
        return json_integer_value(left) < json_integer_value(right);
    return side_number(&l, left, true) && side_number(&r, right, true) ? l < r : compare_text(left, right) < 0;
}

static bool holds_one(const json_t *list, const json_t *wanted)
{
    json_t *item;
    size_t i;

    json_array_foreach (list, i, item)
        if (is_equal(item, wanted))
            return true;
    return false;
}

/* Of several wanted ones, any. */
static bool includes(const json_t *where, const json_t *wanted)
{
    AUTO(str_done) struct str text = {0}, part = {0};
    json_t *item;
    size_t i;

    if (json_is_array(wanted)) {
        json_array_foreach (wanted, i, item)
            if (includes(where, item))
                return true;
        return false;
    }
    if (json_is_array(where))
        return holds_one(where, wanted);
    add_side(&text, where);
    add_side(&part, wanted);
    return !part.len || (text.len && memmem(text.s, text.len, part.s, part.len));
}

/* As JavaScript sees it, but that an empty list or object counts for nothing. */
static bool is_empty(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) || (json_is_string(v) && !json_string_length(v)) ||
           (json_is_number(v) && json_number_value(v) == 0) || (json_is_array(v) && !json_array_size(v)) ||
           (json_is_object(v) && !json_object_size(v));
}

/* ---- a file against them ---- */

static int search(bool *yes, const char *name, const json_t *subject, const json_t *pattern, struct err *err)
{
    AUTO(str_done) struct str text = {0}, p = {0};

    add_side(&text, subject);
    add_side(&p, pattern);
    enum pattern_result found = pattern_find(p.s ? p.s : "", p.len, text.s ? text.s : "", text.len);
    if (found == PATTERN_REFUSED && text.len > PATTERN_LONG_MAX)
        return err_set(err, ERR_ROBOT_VALIDATION, "'%s' looks for a pattern in a text of %zu bytes; %d are allowed",
                       name, text.len, PATTERN_LONG_MAX);
    if (found == PATTERN_REFUSED)
        return filter_bad_pattern(err, name, p.s ? p.s : "");
    *yes = found == PATTERN_MATCHES;
    return 0;
}

static int is_met(bool *yes, const char *name, const json_t *c, struct err *err)
{
    int op = operator_of(c);
    const json_t *left = json_array_get(c, 0), *right = json_array_get(c, 2);

    switch (operators[op].op) {
    case OP_LOOSE:
        *yes = is_equal(left, right);
        break;
    case OP_STRICT:
        *yes = is_same(left, right);
        break;
    case OP_LESS:
        *yes = is_less(left, right);
        break;
    case OP_MORE:
        *yes = is_less(right, left);
        break;
    case OP_INCLUDES:
        *yes = includes(left, right);
        break;
    case OP_EMPTY:
        *yes = is_empty(left);
        break;
    case OP_REGEX:
        if (search(yes, name, left, right, err) < 0)
            return -1;
    }
    *yes ^= operators[op].negated;
    return 0;
}

/* An empty list meets nothing, whatever the type. What is no list was a script. */
static int are_met(bool *yes, const char *name, const json_t *v, int type, struct err *err)
{
    bool one = false;
    json_t *c;
    size_t i;

    *yes = json_is_array(v) ? json_array_size(v) && type == TYPE_AND : !is_empty(v);
    json_array_foreach (v, i, c) {
        if (is_met(&one, name, c, err) < 0)
            return -1;
        if (one == (type == TYPE_OR)) {
            *yes = one;
            return 0;
        }
    }
    return 0;
}

/* The list as this input fills it in; an explicit null, or none, is NULL. */
static int of_input(const json_t **out, const struct robot_input *in, const char *name, struct err *err)
{
    const json_t *v = json_object_get(in->params, name);

    *out = json_is_null(v) ? NULL : v;
    return check_conditions(name, *out, true, err);
}

static int goes_on(bool *yes, const struct robot_input *in, int type, struct err *err)
{
    const json_t *accepts, *declines;
    bool declined = false;

    *yes = true;
    if (of_input(&accepts, in, "accepts", err) < 0 || of_input(&declines, in, "declines", err) < 0 ||
        (accepts && are_met(yes, "accepts", accepts, type, err) < 0) ||
        (*yes && declines && are_met(&declined, "declines", declines, type, err) < 0))
        return -1;
    *yes &= !declined;
    return 0;
}

static int filter_run(struct robot_job *job, const void *opts, struct err *err)
{
    const struct filter_opts *o = opts;
    bool yes;

    for (int i = 0; i < robot_input_count(job); i++) {
        if (goes_on(&yes, robot_input(job, i), o->condition_type, err) < 0)
            return -1;
        if (!yes && o->error_on_decline)
            return robot_fail(job, err, ERR_INPUT, "DECLINED_FILE", "%s", o->error_msg);
        if (yes && robot_emit_passed(job, i, err) < 0)
            return -1;
    }
    return 0;
}

const struct robot robot_file_filter = {
    .name = "/file/filter",
    .summary = "Let files pass or drop them by conditions",
    .role = ROLE_MEDIA,
    .nothing = "its conditions were not met",
    .passes_input = true,
    .price_factor = 100,
    .slots = 0,
    .opts_size = sizeof(struct filter_opts),
    .options = options,
    .check = filter_check,
    .run = IN_WORKER(filter_run),
};
