#include "assembly/variables.h"
#include "assembly/expression.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- plain lookups ---- */

static bool is_name_start(char c) { return isalpha((unsigned char)c) || c == '_' || c == '$'; }
static bool is_name(char c) { return is_name_start(c) || isdigit((unsigned char)c); }

static json_t *root_value(const struct variables *v, const char *name)
{
    if (!strcmp(name, "assembly"))
        return json_pack("{s:s,s:s,s:s}", "id", v->assembly_id, "region", v->region ? v->region : "", "parent_id",
                         v->parent_id ? v->parent_id : "");
    if (!strcmp(name, "unique_prefix"))
        return v->unique_prefix ? json_string(v->unique_prefix) : NULL;
    if (!strcmp(name, "unique_original_prefix"))
        return v->unique_original_prefix ? json_string(v->unique_original_prefix) : NULL;
    if (!strcmp(name, "previous_step"))
        return v->previous_step ? json_pack("{s:s}", "name", v->previous_step) : NULL;
    if (!strcmp(name, "file"))
        return json_incref((json_t *)v->file);
    if (!strcmp(name, "fields"))
        return json_incref((json_t *)v->fields);
    return NULL;
}

/* account and template are always empty. */
static const char *const roots[] = {"assembly",      "file",    "fields",  "unique_prefix", "unique_original_prefix",
                                    "previous_step", "account", "template"};

json_t *variables_json(const struct variables *v)
{
    json_t *all = json_object();

    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        json_t *value = root_value(v, roots[i]);

        if (value)
            json_object_set_new(all, roots[i], value);
    }
    return all;
}

/* The name that a lookup begins with. False: none of ours. */
static bool take_root(json_t **at, const char **p, const char *end, const struct variables *v)
{
    char name[32];
    size_t n = 0;

    if (*p == end || !is_name_start(**p))
        return false;
    while (*p < end && is_name(**p) && n < sizeof name - 1)
        name[n++] = *(*p)++;
    name[n] = 0;
    for (size_t i = 0; i < ARRAY_LEN(roots); i++)
        if (!strcmp(name, roots[i])) {
            *at = root_value(v, name);
            return true;
        }
    return false;
}

/* `.name`, `["name"]` or `[0]` at p: its key. False: something else. */
static bool take_key(char key[static 256], bool *is_index, const char **p, const char *end)
{
    const char *s = *p + 1;
    char quote = *s;
    size_t n = 0;

    *is_index = false;
    if (**p == '.') {
        if (s >= end || !is_name_start(*s))
            return false;
        while (s < end && is_name(*s) && n < 255)
            key[n++] = *s++;
    } else if (**p == '[' && (quote == '"' || quote == '\'')) {
        for (s++; s < end && *s != quote && *s != '\\' && n < 255;)
            key[n++] = *s++;
        if (end - s < 2 || *s++ != quote || *s++ != ']')
            return false;
    } else if (**p == '[') {
        *is_index = true;
        while (s < end && isdigit((unsigned char)*s) && n < 9)
            key[n++] = *s++;
        if (!n || (n > 1 && *key == '0') || s >= end || *s++ != ']')
            return false;
    } else {
        return false;
    }
    key[n] = 0;
    *p = s;
    return n > 0;
}

/* The value of a lookup that JavaScript would see as we do, NULL: undefined. False: it needs the engine. What is not
 * there has nothing below it either, where JavaScript would throw. */
static bool plain_lookup(json_t **out, const char *expr, size_t len, const struct variables *v)
{
    const char *p = expr, *end = expr + len;
    AUTO(json_unref) json_t *at = NULL;
    char key[256];
    bool is_index;

    while (p < end && isspace((unsigned char)*p))
        p++;
    while (end > p && isspace((unsigned char)end[-1]))
        end--;
    if (!take_root(&at, &p, end, v))
        return false;
    while (p < end) {
        json_t *next;

        if (!take_key(key, &is_index, &p, end))
            return false;
        if (json_is_object(at))
            next = json_object_get(at, key);
        else if (json_is_array(at) && is_index)
            next = json_array_get(at, strtoul(key, NULL, 10));
        else if (!at || json_is_null(at))
            next = NULL;
        else
            return false; /* a method, a length, a character */
        json_incref(next);
        json_decref(at);
        at = next;
    }
    *out = at && !json_is_null(at) ? json_incref(at) : NULL;
    return true;
}

/* ---- the walk over parameters ---- */

struct walk {
    const struct variables *v;
    const json_t *switches; /* `interpolate` of the Step */
    json_t *asked;          /* array: expressions for the engine are put here, and nothing else is wanted; or NULL */
    size_t next;            /* of v->values */
};

/* *out: the value, or NULL when it is undefined. among: it stands between other text. */
static int value_of(json_t **out, struct walk *w, const char *expr, size_t len, bool among, struct err *err)
{
    if (plain_lookup(out, expr, len, w->v))
        return 0;
    if (w->asked) {
        AUTO(mem_free) char *code = mem_strndup(expr, len);

        json_array_append_new(w->asked, json_pack("{s:s,s:b}", "code", code, "text", among));
        *out = NULL;
        return 0;
    }
    if (!w->v->values)
        return err_set(err, ERR_ROBOT_VALIDATION,
                       "the expression ${%.*s} needs JavaScript, which is not evaluated here; plain lookups such as "
                       "${file.meta.width} work",
                       (int)(len > 200 ? 200 : len), expr);
    json_t *v = json_array_get(w->v->values, w->next++);
    *out = json_is_null(v) ? NULL : json_incref(v);
    return 0;
}

static void add_as_text(struct str *b, const json_t *v)
{
    if (json_is_string(v))
        str_puts(b, json_string_value(v));
    else if (v)
        str_add_json_value(b, v);
}

/* *out NULL: the value is undefined, leave the parameter out. */
static int apply_text(json_t **out, struct walk *w, const char *s, struct err *err)
{
    const char *open = strstr(s, "${");

    if (!open) {
        *out = json_string(s);
        return 0;
    }
    const char *close = expression_end(open + 2);
    if (open == s && close && !close[1])
        return value_of(out, w, s + 2, (size_t)(close - s - 2), false, err);

    AUTO(str_done) struct str b = {0};
    while (open && (close = expression_end(open + 2))) {
        AUTO(json_unref) json_t *value = NULL;

        str_add(&b, s, (size_t)(open - s));
        if (value_of(&value, w, open + 2, (size_t)(close - open - 2), true, err) < 0)
            return -1;
        add_as_text(&b, value);
        s = close + 1;
        open = strstr(s, "${");
    }
    str_puts(&b, s);
    *out = jstring(b.s);
    return 0;
}

/* 1 or 0 when `interpolate` says so of this path, else -1. */
static int switched(const json_t *v)
{
    const char *s = json_string_value(v);

    if (json_is_boolean(v))
        return json_is_true(v);
    return s && !strcmp(s, "true") ? 1 : s && !strcmp(s, "false") ? 0 : -1;
}

static int apply(json_t **out, struct walk *w, const json_t *in, const char *path, bool literal, struct err *err);

static int apply_object(json_t **out, struct walk *w, const json_t *in, const char *path, bool literal,
                        struct err *err)
{
    AUTO(json_unref) json_t *copy = json_object();
    const char *key;
    json_t *item;

    json_object_foreach((json_t *)in, key, item)
    {
        AUTO(mem_free) char *below = mem_printf("%s.%s", path, key);
        json_t *value = NULL;

        if (apply(&value, w, item, below, literal, err) < 0)
            return -1;
        if (value)
            json_object_set_new(copy, key, value);
    }
    *out = take(copy);
    return 0;
}

static int apply(json_t **out, struct walk *w, const json_t *in, const char *path, bool literal, struct err *err)
{
    int on = switched(json_object_get(w->switches, path));
    json_t *item;
    size_t i;

    literal = on < 0 ? literal : !on;
    if (json_is_string(in) && !literal)
        return apply_text(out, w, json_string_value(in), err);
    if (json_is_object(in))
        return apply_object(out, w, in, path, literal, err);
    if (!json_is_array(in)) {
        *out = json_deep_copy(in);
        return 0;
    }
    AUTO(json_unref) json_t *copy = json_array();
    json_array_foreach(in, i, item)
    {
        json_t *value = NULL;

        if (apply(&value, w, item, path, literal, err) < 0)
            return -1;
        json_array_append_new(copy, value ? value : json_string(""));
    }
    *out = take(copy);
    return 0;
}

static bool never_interpolated(const char *key)
{
    static const char *const names[] = {"robot", "use", "interpolate", "result"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i], key))
            return true;
    return false;
}

static int walk_params(json_t **out, struct walk *w, const json_t *params, const struct option *table,
                       struct err *err)
{
    AUTO(json_unref) json_t *copy = json_object();
    const char *key;
    json_t *item;

    w->switches = json_object_get(params, "interpolate");
    int all = switched(w->switches);
    json_object_foreach((json_t *)params, key, item)
    {
        const struct option *o = table ? option_find(table, key) : NULL;
        json_t *value = NULL;

        if (never_interpolated(key))
            value = json_deep_copy(item);
        else if (apply(&value, w, item, key, all < 0 ? o && o->literal : !all, err) < 0)
            return -1;
        if (value)
            json_object_set_new(copy, key, value);
    }
    *out = take(copy);
    return 0;
}

int variables_apply(json_t **out, const json_t *params, const struct option *table, const struct variables *v,
                    struct err *err)
{
    struct walk w = {.v = v};
    AUTO(json_unref) json_t *done = NULL;

    if (walk_params(&done, &w, params, table, err) < 0)
        return -1;
    if (v->values && w.next != json_array_size(v->values))
        return err_set(err, ERR_ROBOT_VALIDATION, "the values of the expressions are those of other parameters");
    *out = take(done);
    return 0;
}

json_t *variables_ask(const json_t *params, const struct option *table, const struct variables *v)
{
    struct walk w = {.v = v, .asked = json_array()};
    AUTO(json_unref) json_t *none = NULL;
    struct err err;

    if (walk_params(&none, &w, params, table, &err) == 0 && json_array_size(w.asked))
        return w.asked;
    json_decref(w.asked);
    return NULL;
}

/* ASCII stand-ins for Latin-1 Supplement letters; everything else outside ASCII becomes "_". */
static const char *ascii_of(unsigned cp)
{
    static const char *const latin[] = {"A", "A", "A", "A", "A",  "A",  "AE", "C", "E", "E", "E",  "E", "I",
                                        "I", "I", "I", "D", "N",  "O",  "O",  "O", "O", "O", "_",  "O", "U",
                                        "U", "U", "U", "Y", "TH", "ss", "a",  "a", "a", "a", "a",  "a", "ae",
                                        "c", "e", "e", "e", "e",  "i",  "i",  "i", "i", "d", "n",  "o", "o",
                                        "o", "o", "o", "_", "o",  "u",  "u",  "u", "u", "y", "th", "y"};

    return cp >= 0xC0 && cp <= 0xFF ? latin[cp - 0xC0] : "_";
}

static void add_slug(struct str *b, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t start = b->len;

    while (*s) {
        char one[2] = {(char)*s, 0};
        const char *put = one;

        if (*s == ' ') {
            put = "-";
            s++;
        } else if (isalnum(*s) || strchr("_.-", *s)) {
            s++;
        } else if ((*s & 0xE0) == 0xC0 && (s[1] & 0xC0) == 0x80) {
            put = ascii_of((*s & 0x1Fu) << 6 | (s[1] & 0x3Fu));
            s += 2;
        } else {
            put = "_";
            for (s++; (*s & 0xC0) == 0x80; s++)
                ;
        }
        /* runs collapse; no leading dot, so no hidden file and no ".." */
        if ((*put == '_' || *put == '-') && b->len > start && b->s[b->len - 1] == *put)
            continue;
        if (*put == '.' && (b->len == start || b->s[b->len - 1] == '.'))
            continue;
        str_puts(b, put);
    }
}

char *variables_slug(const char *basename, const char *ext)
{
    struct str b = {0};

    add_slug(&b, basename);
    if (!b.len)
        str_puts(&b, "file");
    if (*ext) {
        size_t dot = b.len;

        str_putc(&b, '.');
        add_slug(&b, ext);
        if (b.len == dot + 1)
            b.s[--b.len] = 0;
    }
    return str_take(&b);
}
