#include "transfer/ai_schema.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define SCHEMA_DEEP 32
#define SCHEMA_VALUES 5000
#define STEPS_MAX 1000000 /* values held against schemas: alternatives of alternatives multiply */
#define PATH_MAX_BYTES 200

static const char *const type_names[] = {"null",   "boolean", "integer", "number",
                                         "string", "array",   "object",  NULL};

/* ---- reading ---- */

static int schema_odd(struct err *err, const char *keyword, const char *what)
{
    return err_set(err, ERR_ROBOT_VALIDATION, "'schema': '%s' %s", keyword, what);
}

static int schema_look(const json_t *s, struct err *err);

static bool is_type_name(const json_t *v)
{
    for (const char *const *name = type_names; json_is_string(v) && *name; name++)
        if (!strcmp(*name, json_string_value(v)))
            return true;
    return false;
}

static bool is_list_of(const json_t *list, bool (*is)(const json_t *))
{
    const json_t *v;
    size_t i;

    json_array_foreach (list, i, v)
        if (!is(v))
            return false;
    return json_is_array(list);
}

static bool is_text(const json_t *v) { return json_is_string(v); }

static int look_map(const json_t *s, const char *keyword, struct err *err)
{
    const json_t *map = json_object_get(s, keyword);
    const char *key;
    json_t *v;

    if (map && !json_is_object(map))
        return schema_odd(err, keyword, "is no object");
    json_object_foreach ((json_t *)map, key, v)
        if (schema_look(v, err) < 0)
            return -1;
    return 0;
}

static int look_list(const json_t *s, const char *keyword, struct err *err)
{
    const json_t *list = json_object_get(s, keyword), *v;
    size_t i;

    if (list && !json_array_size(list))
        return schema_odd(err, keyword, "is no list of schemas");
    json_array_foreach (list, i, v)
        if (schema_look(v, err) < 0)
            return -1;
    return 0;
}

static int look_one(const json_t *s, const char *keyword, struct err *err)
{
    const json_t *v = json_object_get(s, keyword);

    return v ? schema_look(v, err) : 0;
}

/* "#", "#/$defs/NAME": parts that are looked at in any case. */
static bool is_reference(const char *ref)
{
    const char *name = str_starts(ref, "#/$defs/")         ? ref + strlen("#/$defs/")
                       : str_starts(ref, "#/definitions/") ? ref + strlen("#/definitions/")
                                                           : NULL;

    return !strcmp(ref, "#") || (str_given(name) && !strchr(name, '/'));
}

static int look_words(const json_t *s, struct err *err)
{
    static const char *const numbers[] = {"minItems",  "maxItems", "minLength",
                                          "maxLength", "minimum",  "maximum"};
    const json_t *type = json_object_get(s, "type"), *needed = json_object_get(s, "required");
    const json_t *choice = json_object_get(s, "enum"), *ref = json_object_get(s, "$ref");

    if (type && !is_type_name(type) && !(json_array_size(type) && is_list_of(type, is_type_name)))
        return schema_odd(err, "type", "is neither a type's name nor a list of such");
    if (needed && !is_list_of(needed, is_text))
        return schema_odd(err, "required", "is no list of names");
    if (choice && !json_array_size(choice))
        return schema_odd(err, "enum", "is no list of values");
    if (ref && (!json_is_string(ref) || !is_reference(json_string_value(ref))))
        return schema_odd(err, "$ref", "must be '#', '#/$defs/NAME' or '#/definitions/NAME'");
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (json_object_get(s, numbers[i]) && !json_is_number(json_object_get(s, numbers[i])))
            return schema_odd(err, numbers[i], "is no number");
    return 0;
}

/* s is of bounded depth. */
static int schema_look(const json_t *s, struct err *err)
{
    static const char *const maps[] = {"properties", "$defs", "definitions"};
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    static const char *const ones[] = {"items", "additionalProperties"};

    if (json_is_boolean(s))
        return 0;
    if (!json_is_object(s))
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "'schema': a schema is an object, or true or false");
    if (look_words(s, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        if (look_map(s, maps[i], err) < 0)
            return -1;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (look_list(s, lists[i], err) < 0)
            return -1;
    for (size_t i = 0; i < ARRAY_LEN(ones); i++)
        if (look_one(s, ones[i], err) < 0)
            return -1;
    return 0;
}

json_t *ai_schema_read(const char *text, struct err *err)
{
    size_t len = strlen(text);
    struct err why;

    if (len > AI_SCHEMA_MAX) {
        err_set(err, ERR_ROBOT_VALIDATION, "'schema' has %zu bytes, the most is %d", len,
                AI_SCHEMA_MAX);
        return NULL;
    }
    AUTO(json_unref)
    json_t *s = json_parse_within(
        text, len, &(struct json_bounds){.depth = SCHEMA_DEEP, .values = SCHEMA_VALUES}, &why);
    if (!s) {
        err_set(err, ERR_ROBOT_VALIDATION, "'schema' can't be read: %s", why.msg);
        return NULL;
    }
    if (!json_is_object(s)) {
        err_set(err, ERR_ROBOT_VALIDATION, "'schema' is no JSON object");
        return NULL;
    }
    return schema_look(s, err) < 0 ? NULL : json_incref(s);
}

/* ---- holding a value against it ---- */

struct fitting {
    const json_t *root;
    char *why;
    size_t n;
    int steps, deep;
    char path[PATH_MAX_BYTES]; /* of the value looked at: "items[2].price" */
};

static bool fits(struct fitting *f, const json_t *s, const json_t *v);

static bool misfit(struct fitting *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool misfit(struct fitting *f, const char *fmt, ...)
{
    char text[200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(f->why, f->n, "%s %s", *f->path ? f->path : "it", text);
    return false;
}

static const char *type_of(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
        return "integer";
    case JSON_REAL:
        return "number";
    case JSON_NULL:
        return "null";
    default:
        return "boolean";
    }
}

static bool is_of(const json_t *v, const char *type)
{
    if (!strcmp(type, "number"))
        return json_is_number(v);
    if (!strcmp(type, "integer"))
        return json_is_integer(v) ||
               (json_is_real(v) && floor(json_real_value(v)) == json_real_value(v));
    return !strcmp(type, type_of(v));
}

static bool fits_type(struct fitting *f, const json_t *type, const json_t *v)
{
    const json_t *one;
    size_t i;

    if (json_is_string(type))
        return is_of(v, json_string_value(type)) ||
               misfit(f, "is of type %s, not %s", type_of(v), json_string_value(type));
    json_array_foreach (type, i, one)
        if (is_of(v, json_string_value(one)))
            return true;
    return misfit(f, "is of type %s, which is none of those allowed", type_of(v));
}

static bool same_value(const json_t *a, const json_t *b)
{
    return json_is_number(a) && json_is_number(b) ? json_number_value(a) == json_number_value(b)
                                                  : json_equal(a, b);
}

static bool fits_choice(struct fitting *f, const json_t *s, const json_t *v)
{
    const json_t *choice = json_object_get(s, "enum"), *only = json_object_get(s, "const"), *one;
    size_t i;

    if (only && !same_value(only, v))
        return misfit(f, "is not the one value that it may be");
    if (!choice)
        return true;
    json_array_foreach (choice, i, one) {
        f->steps++;
        if (same_value(one, v))
            return true;
    }
    return misfit(f, "is none of the values that it may be");
}

static bool fits_amount(struct fitting *f, const json_t *s, const char *least, const char *most,
                        double is, const char *what)
{
    const json_t *a = json_object_get(s, least), *b = json_object_get(s, most);

    if (a && is < json_number_value(a))
        return misfit(f, "%s %g, the least is %g", what, is, json_number_value(a));
    if (b && is > json_number_value(b))
        return misfit(f, "%s %g, the most is %g", what, is, json_number_value(b));
    return true;
}

static double count_characters(const char *s)
{
    double n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

/* A part of v, under a longer path. */
static bool fits_part(struct fitting *f, const json_t *s, const json_t *v, const char *name,
                      size_t index)
{
    size_t was = strlen(f->path);

    if (name)
        snprintf(f->path + was, sizeof f->path - was, "%s%.60s", was ? "." : "", name);
    else
        snprintf(f->path + was, sizeof f->path - was, "[%zu]", index);
    bool good = fits(f, s, v);
    f->path[was] = 0;
    return good;
}

static bool fits_array(struct fitting *f, const json_t *s, const json_t *v)
{
    const json_t *items = json_object_get(s, "items"), *one;
    size_t i;

    if (!fits_amount(f, s, "minItems", "maxItems", (double)json_array_size(v),
                     "has a number of entries of"))
        return false;
    if (!items)
        return true;
    json_array_foreach (v, i, one)
        if (!fits_part(f, items, one, NULL, i))
            return false;
    return true;
}

static bool fits_object(struct fitting *f, const json_t *s, const json_t *v)
{
    const json_t *rows = json_object_get(s, "properties"),
                 *other = json_object_get(s, "additionalProperties");
    const json_t *needed = json_object_get(s, "required"), *name;
    const char *key;
    json_t *one;
    size_t i;

    json_array_foreach (needed, i, name) {
        f->steps++;
        if (!json_object_get(v, json_string_value(name)))
            return misfit(f, "has no '%.60s'", json_string_value(name));
    }
    json_object_foreach ((json_t *)v, key, one) {
        const json_t *row = json_object_get(rows, key);

        if (!row && json_is_false(other))
            return misfit(f, "has a '%.60s', which it may not have", key);
        if ((row || other) && !fits_part(f, row ? row : other, one, key, 0))
            return false;
    }
    return true;
}

static bool fits_alternatives(struct fitting *f, const json_t *s, const json_t *v)
{
    const json_t *all = json_object_get(s, "allOf"), *any = json_object_get(s, "anyOf");
    const json_t *single = json_object_get(s, "oneOf"), *one;
    int fine = 0;
    size_t i;

    json_array_foreach (all, i, one)
        if (!fits(f, one, v))
            return false;
    json_array_foreach (any, i, one)
        if (fits(f, one, v) && ++fine)
            break;
    if (any && !fine)
        return misfit(f, "fits none of the forms that it may have");
    fine = 0;
    json_array_foreach (single, i, one)
        fine += fits(f, one, v);
    return !single || fine == 1 ||
           misfit(f, "fits %s of the forms that it may have", fine ? "several" : "none");
}

/* "#", or names of members with / in front of each. NULL: there is no such part. */
static const json_t *referred(const struct fitting *f, const char *ref)
{
    AUTO(mem_free) char *copy = mem_strdup(ref + 1);
    char *rest = copy, *name;
    const json_t *at = f->root;

    (void)strsep(&rest, "/");
    while (at && (name = strsep(&rest, "/")))
        at = json_is_object(at) ? json_object_get(at, name) : NULL;
    return at;
}

static bool fits_words(struct fitting *f, const json_t *s, const json_t *v)
{
    const char *ref = jstr(s, "$ref");
    const json_t *type = json_object_get(s, "type"), *there = ref ? referred(f, ref) : NULL;

    if (ref && !json_is_object(there) && !json_is_boolean(there))
        return misfit(f, "should be as '%.60s' says, which is not in the schema", ref);
    if (there && !fits(f, there, v))
        return false;
    if ((type && !fits_type(f, type, v)) || !fits_choice(f, s, v) || !fits_alternatives(f, s, v))
        return false;
    if (json_is_object(v))
        return fits_object(f, s, v);
    if (json_is_array(v))
        return fits_array(f, s, v);
    if (json_is_string(v))
        return fits_amount(f, s, "minLength", "maxLength", count_characters(json_string_value(v)),
                           "has a number of characters of");
    return !json_is_number(v) ||
           fits_amount(f, s, "minimum", "maximum", json_number_value(v), "is");
}

static bool fits(struct fitting *f, const json_t *s, const json_t *v)
{
    if (++f->steps > STEPS_MAX || f->deep >= 4 * SCHEMA_DEEP)
        return misfit(f, "is too deep, or takes too long to look at");
    if (json_is_boolean(s))
        return json_is_true(s) || misfit(f, "may not be there");
    f->deep++;
    bool good = fits_words(f, s, v);
    f->deep--;
    return good;
}

bool ai_schema_fits(const json_t *schema, const json_t *value, char *why, size_t n)
{
    struct fitting f = {.root = schema, .why = why, .n = n};

    *why = 0;
    return fits(&f, schema, value);
}
