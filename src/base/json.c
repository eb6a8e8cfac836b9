/* Getters that forgive, and JSON as text. */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *jstr(const json_t *obj, const char *key)
{
    return json_string_value(json_object_get(obj, key));
}

const char *jstr_or(const json_t *obj, const char *key, const char *def)
{
    const char *s = jstr(obj, key);

    return s ? s : def;
}

/* What is out of range becomes the nearest that is not: converting it as it is has no meaning in C. */
static int64_t whole(double d)
{
    return d >= 0x1p63 ? INT64_MAX : d <= -0x1p63 ? INT64_MIN : (int64_t)d;
}

int64_t jint(const json_t *obj, const char *key, int64_t def)
{
    const json_t *v = json_object_get(obj, key);

    return json_is_integer(v) ? json_integer_value(v) : json_is_real(v) ? whole(json_real_value(v)) : def;
}

double jnum(const json_t *obj, const char *key, double def)
{
    const json_t *v = json_object_get(obj, key);

    return json_is_number(v) ? json_number_value(v) : def;
}

bool jbool(const json_t *obj, const char *key, bool def)
{
    const json_t *v = json_object_get(obj, key);

    return json_is_boolean(v) ? json_is_true(v) : def;
}

json_t *jstring(const char *s)
{
    json_t *j = json_string(s);

    if (j)
        return j;
    AUTO(str_done) struct str b = {0};
    str_add_json(&b, s);
    return json_read(b.s, b.len);
}

void jset(json_t *obj, const char *key, const char *s)
{
    if (s)
        json_object_set_new(obj, key, jstring(s));
}

/* jansson can't write half a surrogate pair, and rounds doubles to a number of digits: so this is our own. */
void str_add_json_value(struct str *b, const json_t *j)
{
    const char *key, *between = "";
    json_t *v;
    size_t i;

    switch (j ? json_typeof(j) : JSON_NULL) {
    case JSON_OBJECT:
        str_putc(b, '{');
        json_object_foreach ((json_t *)j, key, v) {
            str_add_json_key(b, key);
            str_add_json_value(b, v);
        }
        str_putc(b, '}');
        return;
    case JSON_ARRAY:
        str_putc(b, '[');
        json_array_foreach (j, i, v) {
            str_puts(b, between);
            str_add_json_value(b, v);
            between = ",";
        }
        str_putc(b, ']');
        return;
    case JSON_STRING:
        str_add_json(b, json_string_value(j));
        return;
    case JSON_INTEGER:
        str_add_int(b, json_integer_value(j));
        return;
    case JSON_REAL:
        str_add_double(b, json_real_value(j));
        return;
    case JSON_TRUE:
        str_puts(b, "true");
        return;
    case JSON_FALSE:
        str_puts(b, "false");
        return;
    case JSON_NULL:
        str_puts(b, "null");
    }
}

char *json_text(const json_t *j)
{
    struct str b = {0};

    str_room(&b, 255);
    str_add_json_value(&b, j);
    return str_take(&b);
}

static void *alloc(size_t n) { return mem_alloc(n); }

void json_setup(void) { json_set_alloc_funcs(alloc, free); }
