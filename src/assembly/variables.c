#include "assembly/variables.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* End of the expression that begins at s (just behind "${"), or NULL: braces nest, and texts and
 * template literals may hold any brace. */
static const char *expression_end(const char *s)
{
    int depth = 1;
    char quote = 0;

    for (; *s; s++) {
        if (quote) {
            if (*s == '\\' && s[1])
                s++;
            else if (*s == quote)
                quote = 0;
        } else if (*s == '"' || *s == '\'' || *s == '`') {
            quote = *s;
        } else if (*s == '{') {
            depth++;
        } else if (*s == '}' && --depth == 0) {
            return s;
        }
    }
    return NULL;
}

static bool is_name_start(char c) { return isalpha((unsigned char)c) || c == '_' || c == '$'; }
static bool is_name(char c) { return is_name_start(c) || isdigit((unsigned char)c); }

static json_t *root_value(const struct variables *v, const char *name)
{
    if (!strcmp(name, "assembly"))
        return json_pack("{s:s,s:s,s:s}", "id", v->assembly_id, "region", v->region, "parent_id",
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

static int needs_engine(struct err *err, const char *expr, size_t len)
{
    return err_set(err, ERR_ROBOT_VALIDATION,
                   "the expression ${%.*s} needs JavaScript evaluation, which this server does not "
                   "have yet; plain lookups such as ${file.meta.width} work",
                   (int)(len > 200 ? 200 : len), expr);
}

/* *out: the value, or NULL when it is undefined. */
static int lookup(json_t **out, const char *expr, size_t len, const struct variables *v,
                  struct err *err)
{
    const char *p = expr, *end = expr + len;
    AUTO(json_unref) json_t *at = NULL;
    char name[256];
    bool first = true;

    while (p < end && isspace((unsigned char)*p))
        p++;
    while (end > p && isspace((unsigned char)end[-1]))
        end--;
    while (p < end) {
        json_t *next = NULL;
        size_t n = 0;

        if (first || *p == '.') {
            p += !first;
            if (p == end || !is_name_start(*p))
                return needs_engine(err, expr, len);
            while (p < end && is_name(*p) && n < sizeof name - 1)
                name[n++] = *p++;
            name[n] = 0;
            next = first ? root_value(v, name) : json_incref(json_object_get(at, name));
            if (first && !next && strcmp(name, "file") && strcmp(name, "fields") &&
                strncmp(name, "unique", 6) && strcmp(name, "previous_step") &&
                strcmp(name, "account") && strcmp(name, "template"))
                return needs_engine(err, expr, len);
        } else if (*p == '[') {
            char quote = *++p;

            if (quote == '"' || quote == '\'') {
                for (p++; p < end && *p != quote && n < sizeof name - 1;)
                    name[n++] = *p++;
                name[n] = 0;
                p++;
                next = json_incref(json_object_get(at, name));
            } else if (p < end && isdigit((unsigned char)*p)) {
                next = json_incref(json_array_get(at, strtoul(p, (char **)&p, 10)));
            } else {
                return needs_engine(err, expr, len);
            }
            if (p >= end || *p++ != ']') {
                json_decref(next);
                return needs_engine(err, expr, len);
            }
        } else {
            return needs_engine(err, expr, len);
        }
        first = false;
        json_decref(at);
        at = next;
    }
    if (first)
        return needs_engine(err, expr, len);
    *out = at && !json_is_null(at) ? json_incref(at) : NULL;
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
static int apply_text(json_t **out, const char *s, const struct variables *v, struct err *err)
{
    const char *open = strstr(s, "${");

    if (!open) {
        *out = json_string(s);
        return 0;
    }
    const char *close = expression_end(open + 2);
    if (open == s && close && !close[1])
        return lookup(out, s + 2, (size_t)(close - s - 2), v, err);

    AUTO(str_done) struct str b = {0};
    while (open && (close = expression_end(open + 2))) {
        AUTO(json_unref) json_t *value = NULL;

        str_add(&b, s, (size_t)(open - s));
        if (lookup(&value, open + 2, (size_t)(close - open - 2), v, err) < 0)
            return -1;
        add_as_text(&b, value);
        s = close + 1;
        open = strstr(s, "${");
    }
    str_puts(&b, s);
    *out = jstring(b.s);
    return 0;
}

static int apply(json_t **out, const json_t *in, const struct variables *v, const json_t *switches,
                 const char *path, struct err *err);

static int apply_object(json_t **out, const json_t *in, const struct variables *v,
                        const json_t *switches, const char *path, struct err *err)
{
    AUTO(json_unref) json_t *copy = json_object();
    const char *key;
    json_t *item;

    json_object_foreach ((json_t *)in, key, item) {
        AUTO(mem_free) char *below = *path ? mem_printf("%s.%s", path, key) : mem_strdup(key);
        json_t *value = NULL;

        if (apply(&value, item, v, switches, below, err) < 0)
            return -1;
        if (value)
            json_object_set_new(copy, key, value);
    }
    *out = take(copy);
    return 0;
}

static int apply(json_t **out, const json_t *in, const struct variables *v, const json_t *switches,
                 const char *path, struct err *err)
{
    json_t *item;
    size_t i;

    if (json_is_false(json_object_get(switches, path))) {
        *out = json_deep_copy(in);
        return 0;
    }
    if (json_is_string(in))
        return apply_text(out, json_string_value(in), v, err);
    if (json_is_object(in))
        return apply_object(out, in, v, switches, path, err);
    if (!json_is_array(in)) {
        *out = json_deep_copy(in);
        return 0;
    }
    AUTO(json_unref) json_t *copy = json_array();
    json_array_foreach (in, i, item) {
        json_t *value = NULL;

        if (apply(&value, item, v, switches, path, err) < 0)
            return -1;
        json_array_append_new(copy, value ? value : json_string(""));
    }
    *out = take(copy);
    return 0;
}

int variables_apply(json_t **out, const json_t *params, const struct variables *v, struct err *err)
{
    static const char *const literal[] = {"robot", "use", "interpolate", "result"};
    const json_t *switches = json_object_get(params, "interpolate");
    AUTO(json_unref) json_t *copy = json_object();
    const char *key;
    json_t *item;

    json_object_foreach ((json_t *)params, key, item) {
        json_t *value = NULL;
        size_t l = 0;

        while (l < ARRAY_LEN(literal) && strcmp(literal[l], key))
            l++;
        if (l < ARRAY_LEN(literal) || json_is_false(switches))
            value = json_deep_copy(item);
        else if (apply(&value, item, v, switches, key, err) < 0)
            return -1;
        if (value)
            json_object_set_new(copy, key, value);
    }
    *out = take(copy);
    return 0;
}

/* ASCII stand-ins for Latin-1 Supplement letters; everything else outside ASCII becomes "_". */
static const char *ascii_of(unsigned cp)
{
    static const char *const latin[] = {
        "A", "A", "A", "A", "A", "A", "AE", "C", "E", "E", "E", "E", "I", "I", "I", "I",
        "D", "N", "O", "O", "O", "O", "O", "_", "O", "U", "U", "U", "U", "Y", "TH", "ss",
        "a", "a", "a", "a", "a", "a", "ae", "c", "e", "e", "e", "e", "i", "i", "i", "i",
        "d", "n", "o", "o", "o", "o", "o", "_", "o", "u", "u", "u", "u", "y", "th", "y"};

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
