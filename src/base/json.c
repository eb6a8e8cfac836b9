#include "base/json.h"

#include <stdio.h>
#include <string.h>

json_t *json_parse(const char *text, size_t len, int max_depth, struct err *err)
{
    json_error_t je;
    int depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < len; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = false;
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > max_depth) {
                err_set(err, ERR_INVALID_PARAMS, "JSON is nested more than %d levels deep",
                        max_depth);
                return NULL;
            }
        } else if (text[i] == '}' || text[i] == ']') {
            depth--;
        }
    }
    json_t *j = json_loadb(text, len, JSON_DECODE_ANY, &je);
    if (!j)
        err_set(err, ERR_INVALID_PARAMS, "not JSON: %s (line %d, column %d)", je.text, je.line,
                je.column);
    return j;
}

json_t *json_read_object(const char *path, struct err *err)
{
    AUTO(str_done) struct str text = {0};
    char buf[16384];
    size_t n;
    FILE *f = strcmp(path, "-") ? fopen(path, "r") : stdin;

    if (!f) {
        err_errno(err, "open '%s'", path);
        return NULL;
    }
    while ((n = fread(buf, 1, sizeof buf, f)) > 0 && text.len < (8u << 20))
        str_add(&text, buf, n);
    if (f != stdin)
        fclose(f);
    json_t *j = json_parse(text.s ? text.s : "", text.len, 200, err);
    if (j && !json_is_object(j)) {
        json_decref(j);
        err_set(err, ERR_CONFIG, "'%s' holds no JSON object", path);
        return NULL;
    }
    return j;
}

const char *jstr(const json_t *obj, const char *key)
{
    return json_string_value(json_object_get(obj, key));
}

const char *jstr_or(const json_t *obj, const char *key, const char *def)
{
    const char *s = jstr(obj, key);

    return s ? s : def;
}

int64_t jint(const json_t *obj, const char *key, int64_t def)
{
    const json_t *v = json_object_get(obj, key);

    return json_is_integer(v) ? json_integer_value(v)
           : json_is_real(v)  ? (int64_t)json_real_value(v)
                              : def;
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
    return json_loadb(b.s, b.len, JSON_DECODE_ANY, NULL);
}

void jset(json_t *obj, const char *key, const char *s)
{
    if (s)
        json_object_set_new(obj, key, jstring(s));
}

static int add_chunk(const char *data, size_t len, void *b)
{
    str_add(b, data, len);
    return 0;
}

#define DUMP_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))

void str_add_json_value(struct str *b, const json_t *j)
{
    if (!j || json_dump_callback(j, add_chunk, b, DUMP_FLAGS) < 0)
        str_puts(b, "null");
}

char *json_text(const json_t *j)
{
    struct str b = {0};

    str_add_json_value(&b, j);
    return str_take(&b);
}

static void *alloc(size_t n) { return mem_alloc(n); }

void json_setup(void) { json_set_alloc_funcs(alloc, free); }
