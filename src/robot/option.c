#include "robot/option.h"
#include "base/near.h"
#include "base/str.h"

#include <ctype.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define MATCHED_MAX 4096 /* bytes of a text that must have a form */

/* Parameters that every Robot shares; the instructions room reads them (robots.md section 3.1). */
static const char *const shared[] = {"robot",        "use",         "result",        "queue",
                                     "output_meta",  "force_accept", "ignore_errors", "interpolate", "user_meta"};

struct opt_walk opt_walk(const struct option *table) { return (struct opt_walk){.at = {table}}; }

const struct option *opt_next(struct opt_walk *w)
{
    for (;;) {
        const struct option *o = w->at[w->depth];

        if (o->type == OPT_TYPE_END) {
            if (!w->depth)
                return NULL;
            w->depth--;
            continue;
        }
        w->at[w->depth]++;
        if (o->type != OPT_TYPE_GROUP) {
            w->offset = w->base[w->depth] + o->offset;
            return o;
        }
        if (w->depth + 1 == OPT_DEPTH)
            abort(); /* our own table */
        w->base[w->depth + 1] = w->base[w->depth] + o->offset;
        w->at[++w->depth] = o->group;
    }
}

const struct option *option_find(const struct option *table, const char *name)
{
    const struct option *o;

    for (struct opt_walk w = opt_walk(table); (o = opt_next(&w));)
        if (!strcmp(o->name, name))
            return o;
    return NULL;
}

static bool is_shared(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(shared); i++)
        if (!strcmp(shared[i], name))
            return true;
    return false;
}

bool options_have_expression(const json_t *v)
{
    const char *key;
    json_t *item;
    size_t i;

    if (json_is_string(v))
        return strstr(json_string_value(v), "${") != NULL;
    json_array_foreach (v, i, item)
        if (options_have_expression(item))
            return true;
    json_object_foreach ((json_t *)v, key, item)
        if (options_have_expression(item))
            return true;
    return false;
}

static int refuse(struct err *err, const struct option *o, const json_t *v, const char *want)
{
    AUTO(mem_free) char *text = o->secret ? mem_strdup("**** (not shown)") : json_text(v);

    if (strlen(text) > 80)
        strcpy(text + 77, "...");
    return err_set_named(err, ERR_ROBOT_VALIDATION, o->code ? o->code : "", "'%s' is %s, but must be %s", o->name, text, want);
}

/* A number, or a text that holds one ("300", "1.5", and with px_suffix "300px"). */
static bool as_number(double *out, const struct option *o, const json_t *v)
{
    if (json_is_number(v)) {
        *out = json_number_value(v);
        return true;
    }
    const char *s = json_string_value(v);
    char *end;
    if (!s || !(isdigit((unsigned char)*s) || ((*s == '-' || *s == '.') && s[1])))
        return false;
    *out = strtod(s, &end);
    if (end == s || strpbrk(s, "xXnN"))
        return o->px_suffix && end != s && !strcasecmp(end, "px") && *s != '0';
    return !*end || o->px_suffix;
}

static int fill_number(void *field, const struct option *o, const json_t *v, struct err *err)
{
    char want[160];
    double n;
    bool limited = o->min != 0 || o->max != 0, integer = o->type == OPT_TYPE_INT;

    int w = snprintf(want, sizeof want, "%s", integer ? "a whole number" : "a number");
    if (limited)
        snprintf(want + w, sizeof want - (size_t)w, " from %.10g to %.10g%s%s", o->min, o->max,
                 o->unit ? " " : "", o->unit ? o->unit : "");
    if (!as_number(&n, o, v) || !isfinite(n) || fabs(n) > 9e15)
        return refuse(err, o, v, want);
    if (integer && o->px_suffix)
        n = floor(n);
    if ((integer && n != floor(n)) || (limited && (n < o->min || n > o->max)))
        return refuse(err, o, v, want);
    if (integer)
        *(int64_t *)field = (int64_t)n;
    else
        *(double *)field = n;
    return 0;
}

static int fill_bool(bool *field, const struct option *o, const json_t *v, struct err *err)
{
    const char *s = json_string_value(v);

    if (json_is_boolean(v))
        *field = json_is_true(v);
    else if (s && (!strcmp(s, "true") || !strcmp(s, "false")))
        *field = *s == 't';
    else
        return refuse(err, o, v, "true or false");
    return 0;
}

/* The same name? _: what counts as a dash as well. */
static bool is_choice(const struct option *o, const char *name, const char *s)
{
    for (; *name && (*name == *s || (o->dashes && *name == '-' && *s == '_')); name++)
        s++;
    return !*name && !*s;
}

static int fill_enum(int *field, const struct option *o, const json_t *v, struct err *err)
{
    AUTO(mem_free) char *number = json_is_integer(v) || json_is_boolean(v) ? json_text(v)
                                                                          : NULL; /* {"90", 90}: rotations */
    const char *s = number ? number : json_string_value(v);
    AUTO(str_done) struct str want = {0};

    for (const struct opt_choice *c = o->choices; c->name; c++) {
        if (s && is_choice(o, c->name, s)) {
            *field = c->value;
            return 0;
        }
        str_addf(&want, "%s\"%s\"", c == o->choices ? "one of " : ", ", c->name);
    }
    return refuse(err, o, v, want.s);
}

static int fill_str(const char **field, struct arena *a, const struct option *o, const json_t *v,
                    struct err *err)
{
    if (json_is_integer(v))
        *field = arena_printf(a, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        *field = arena_printf(a, "%.15g", json_real_value(v));
    else if (json_is_string(v))
        *field = arena_strdup(a, json_string_value(v));
    else
        return refuse(err, o, v, "a text");
    if (o->pattern) {
        regex_t re;

        if (regcomp(&re, o->pattern, REG_EXTENDED | REG_NOSUB))
            abort(); /* a pattern in our own table */
        /* the text is a client's: regexec() takes a multiple of its length */
        int miss = strlen(*field) > MATCHED_MAX || regexec(&re, *field, 0, NULL, 0);
        regfree(&re);
        if (miss) {
            char want[200];

            snprintf(want, sizeof want, "a text of the form %s", o->pattern);
            return refuse(err, o, v, want);
        }
    }
    return 0;
}

static void unref(void *j) { json_decref(j); }

static void fill_default(void *field, struct arena *a, const struct option *o)
{
    switch (o->type) {
    case OPT_TYPE_INT: *(int64_t *)field = o->def; break;
    case OPT_TYPE_NUM: *(double *)field = o->def_num; break;
    case OPT_TYPE_BOOL: *(bool *)field = o->def; break;
    case OPT_TYPE_ENUM: *(int *)field = (int)o->def; break;
    case OPT_TYPE_STR: *(const char **)field = o->def_str ? arena_strdup(a, o->def_str) : NULL; break;
    case OPT_TYPE_JSON:
        *(json_t **)field = o->def_str ? json_loads(o->def_str, JSON_DECODE_ANY, NULL) : NULL;
        if (*(json_t **)field)
            arena_defer(a, unref, *(json_t **)field);
        break;
    case OPT_TYPE_GROUP:
    case OPT_TYPE_END: break;
    }
}

static bool asks_for_nothing(const struct option *o, const json_t *v, const json_t *step)
{
    AUTO(json_unref) json_t *idle = o->def_str ? json_loads(o->def_str, JSON_DECODE_ANY, NULL) : NULL;

    if (json_is_null(v) || (idle && json_equal(v, idle)))
        return true;
    if (!o->part_of)
        return false;
    v = json_object_get(step, o->part_of);
    return !v || json_is_null(v);
}

static int refuse_unknown(struct err *err, const struct option *table, const char *key)
{
    struct near near = near_to(key);

    const struct option *o;

    for (struct opt_walk w = opt_walk(table); (o = opt_next(&w));)
        near_try(&near, o->name);
    for (size_t i = 0; i < ARRAY_LEN(shared); i++)
        near_try(&near, shared[i]);
    err_set(err, ERR_ROBOT_VALIDATION, "unknown parameter '%.100s'", key);
    return near_say(err, &near, "");
}

static int fill(void *field, struct arena *a, const struct option *o, const json_t *step, bool partial, struct err *err)
{
    json_t *v = json_object_get(step, o->name);

    fill_default(field, a, o);
    if (o->null_is && json_is_null(v)) {
        AUTO(json_unref) json_t *meant = json_string(o->null_is);

        return fill_enum(field, o, meant, err);
    }
    if (!v || (json_is_null(v) && (o->nullable || !o->required))) {
        if (o->required)
            return err_set(err, ERR_ROBOT_VALIDATION, "'%s' is required", o->name);
        return v && !o->nullable ? refuse(err, o, v, "left out rather than null") : 0;
    }
    if (partial && options_have_expression(v) && !(o->script && json_is_array(v)))
        return 0;
    switch (o->type) {
    case OPT_TYPE_INT:
    case OPT_TYPE_NUM: return fill_number(field, o, v, err);
    case OPT_TYPE_BOOL: return fill_bool(field, o, v, err);
    case OPT_TYPE_ENUM: return fill_enum(field, o, v, err);
    case OPT_TYPE_STR: return fill_str(field, a, o, v, err);
    case OPT_TYPE_JSON: *(json_t **)field = v; break;
    case OPT_TYPE_GROUP:
    case OPT_TYPE_END: break;
    }
    return 0;
}

/* Is it a parameter of this Robot, and one that is built? */
static int check_known(const struct option *table, const char *key, const json_t *v, const json_t *step,
                       struct err *err)
{
    const struct option *o = option_find(table, key);

    if (!o)
        return refuse_unknown(err, table, key);
    if (o->unsupported && !asks_for_nothing(o, v, step))
        return err_set(err, ERR_ROBOT_VALIDATION, "parameter '%s' is not supported by this server%s%s", key,
                       o->instead ? ": " : "", o->instead ? o->instead : "");
    return 0;
}

int option_try(const struct option *table, const char *key, const json_t *step, bool partial, struct err *err)
{
    AUTO(arena_free) struct arena *a = arena_new();
    const json_t *v = json_object_get(step, key);
    const struct option *o = option_find(table, key);
    union {
        int64_t n;
        double d;
        void *p;
    } field;

    if (!o && (!v || is_shared(key)))
        return 0;
    if (v && check_known(table, key, v, step, err) < 0)
        return -1;
    if (o->unsupported)
        return o->required && !v ? err_set(err, ERR_ROBOT_VALIDATION, "'%s' is required", key) : 0;
    return fill(&field, a, o, step, partial, err);
}

int options_fill(void *opts, struct arena *a, const struct option *table, const json_t *step,
                 bool partial, struct err *err)
{
    const char *key;
    json_t *v;

    json_object_foreach ((json_t *)step, key, v) {
        if (!is_shared(key) && check_known(table, key, v, step, err) < 0)
            return -1;
    }
    const struct option *o;

    for (struct opt_walk w = opt_walk(table); (o = opt_next(&w));) {
        if (o->unsupported && o->required && !json_object_get(step, o->name))
            return err_set(err, ERR_ROBOT_VALIDATION, "'%s' is required", o->name);
        if (!o->unsupported && fill((char *)opts + w.offset, a, o, step, partial, err) < 0)
            return -1;
    }
    return 0;
}

static bool is_one_expression(const char *s)
{
    size_t len = strlen(s);

    return len > 3 && str_starts(s, "${") && s[len - 1] == '}';
}

int options_check_scripts(const struct option *table, const json_t *step, struct err *err)
{
    const struct option *o;

    for (struct opt_walk w = opt_walk(table); (o = opt_next(&w));) {
        const json_t *v = o->script ? json_object_get(step, o->name) : NULL;

        if (v && !json_is_null(v) && !json_is_array(v) &&
            !(json_is_string(v) && is_one_expression(json_string_value(v))))
            return refuse(err, o, v, "null, a list of conditions, or one ${...}");
    }
    return 0;
}

void options_fill_undefined(json_t *filled, const struct option *table, const json_t *step)
{
    const struct option *o;

    for (struct opt_walk w = opt_walk(table); (o = opt_next(&w));)
        if (o->undefined && json_object_get(step, o->name) && !json_object_get(filled, o->name))
            json_object_set_new(filled, o->name, json_loads(o->undefined, JSON_DECODE_ANY, NULL));
}
