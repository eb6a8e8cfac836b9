/* json_read.c - reading as JSON.parse does.
 *
 * One pass over the text checks it and counts its values, with no more memory than a bit for each level; it notes
 * whether there is anything that jansson would refuse. Only such a text is written anew before jansson gets it. */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MOST 1024

/* U+0000 and half a surrogate pair have no place in a C string of UTF-8. They are kept as characters at the end of a
 * private plane, and those characters themselves, should they come, behind a mark. */
#define KEPT_MARK 0x10D7FEu
#define KEPT_NUL 0x10D7FFu
#define KEPT_BASE 0x100000u /* + 0xD800 to 0xDFFF: that half */
#define KEPT_LAST 0x10DFFFu

struct scan {
    const char *p, *end;
    struct json_bounds most;
    size_t values;
    bool is_odd; /* jansson would refuse it, or read it as something else */
    unsigned char in_object[DEPTH_MOST / 8];
    int depth;
    const char *what; /* is wrong, and p is where */
    /* json_look() */
    const char *const *names;
    struct slice {
        const char *at;
        size_t len;
    } *found;
};

static bool fail(struct scan *s, const char *what)
{
    s->what = what;
    return false;
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The four digits of \uXXXX at p, or -1. */
static int hex_unit(const char *p, const char *end)
{
    int unit = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(p[i]);

        if (d < 0)
            return -1;
        unit = unit * 16 + d;
    }
    return unit;
}

/* An escape at p (the backslash): its character, the bytes it takes in *len; half a pair as it is. -1: it is none. */
static int32_t read_escape(const char *p, const char *end, size_t *len)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *simple;
    int unit, low;

    *len = 2;
    if (end - p < 2)
        return -1;
    if (p[1] != 'u')
        return p[1] && (simple = strchr(from, p[1])) ? to[simple - from] : -1;
    if ((unit = hex_unit(p + 2, end)) < 0)
        return -1;
    *len = 6;
    if (unit < 0xD800 || unit > 0xDBFF || end - p < 12 || p[6] != '\\' || p[7] != 'u' ||
        (low = hex_unit(p + 8, end)) < 0xDC00 || low > 0xDFFF)
        return unit;
    *len = 12;
    return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

static bool is_kept_char(uint32_t c) { return c >= KEPT_MARK && c <= KEPT_LAST; }

static bool scan_string(struct scan *s) /* p: behind the quote */
{
    while (s->p < s->end) {
        unsigned char c = (unsigned char)*s->p;
        size_t n;

        if (c == '"') {
            s->p++;
            return true;
        }
        if (c < 0x20)
            return fail(s, "a control character in a text");
        if (c == '\\') {
            int32_t ch = read_escape(s->p, s->end, &n);

            if (ch < 0)
                return fail(s, "an escape that does not exist");
            s->is_odd |= ch == 0 || (ch >= 0xD800 && ch <= 0xDFFF) || is_kept_char((uint32_t)ch);
        } else if ((n = c < 0x80 ? 1 : utf8_length(s->p, (size_t)(s->end - s->p))) == 0) {
            s->is_odd = true; /* not UTF-8 */
            n = 1;
        } else if (n == 4 && c == 0xF4 && (unsigned char)s->p[1] == 0x8D) {
            s->is_odd = true;
        }
        s->p += n;
    }
    return fail(s, "a text that does not end");
}

/* Is [from, to) a number that jansson reads as JSON.parse does? */
static bool is_plain_number(const char *from, const char *to, bool is_real)
{
    size_t digits = (size_t)(to - from) - (*from == '-');
    const char *e;

    if (!is_real)
        return digits <= 18;
    if (digits > 64)
        return false;
    for (e = from; e < to && *e != 'e' && *e != 'E'; e++)
        ;
    return to - e <= 3; /* e99 at most, and at most 64 digits before it */
}

static bool scan_digits(struct scan *s)
{
    const char *from = s->p;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return s->p > from || fail(s, "a number without digits");
}

static bool scan_number(struct scan *s)
{
    const char *from = s->p;
    bool is_real = false;

    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0')
        s->p++;
    else if (!scan_digits(s))
        return false;
    if (s->p < s->end && *s->p == '.') {
        is_real = true;
        s->p++;
        if (!scan_digits(s))
            return false;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        is_real = true;
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        if (!scan_digits(s))
            return false;
    }
    s->is_odd |= !is_plain_number(from, s->p, is_real);
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
        return fail(s, "something that is no value");
    s->p += n;
    return true;
}

/* Is the text in [at, at + len), without its quotes, this name? */
static bool is_name(const char *at, size_t len, const char *name)
{
    const char *end = at + len;

    for (size_t n = 1; at < end; at += n, n = 1) {
        int32_t c = *at == '\\' ? read_escape(at, end, &n) : (unsigned char)*at;

        if (!*name || c != (unsigned char)*name++)
            return false;
    }
    return !*name;
}

/* Which of the outermost names is this? NULL: none. */
static struct slice *slice_of(struct scan *s, const char *key, size_t len)
{
    for (int i = 0; s->names && s->depth == 1 && s->names[i]; i++)
        if (is_name(key, len, s->names[i]))
            return &s->found[i];
    return NULL;
}

static bool scan_key(struct scan *s, struct slice **slice)
{
    const char *key;

    skip_space(s);
    if (s->p == s->end || *s->p != '"')
        return fail(s, "a member without a name");
    key = ++s->p;
    if (!scan_string(s))
        return false;
    *slice = slice_of(s, key, (size_t)(s->p - key) - 1);
    skip_space(s);
    if (s->p == s->end || *s->p != ':')
        return fail(s, "a member without a colon");
    s->p++;
    return true;
}

static bool in_object(const struct scan *s) { return s->in_object[s->depth / 8] >> s->depth % 8 & 1; }

/* p: the bracket. *opened: something is to come in it. */
static bool scan_open(struct scan *s, bool *opened)
{
    char close = *s->p == '{' ? '}' : ']';

    if (++s->depth > s->most.depth || s->depth >= DEPTH_MOST)
        return fail(s, "too many levels");
    s->in_object[s->depth / 8] &= (unsigned char)~(1u << s->depth % 8);
    s->in_object[s->depth / 8] |= (unsigned char)((unsigned)(close == '}') << s->depth % 8);
    s->p++;
    skip_space(s);
    *opened = s->p == s->end || *s->p != close;
    if (!*opened) {
        s->p++;
        s->depth--;
    }
    return true;
}

static bool scan_value(struct scan *s, bool *opened)
{
    skip_space(s);
    if (s->p == s->end)
        return fail(s, "the text ends too early");
    if (++s->values > s->most.values)
        return fail(s, "too many values");
    switch (*s->p) {
    case '{':
    case '[':
        return scan_open(s, opened);
    case '"':
        s->p++;
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        return *s->p == '-' || (*s->p >= '0' && *s->p <= '9') ? scan_number(s) : fail(s, "something that is no value");
    }
}

static bool scan_all(struct scan *s)
{
    struct slice *slice = NULL;
    const char *slice_from = NULL;

    for (;;) {
        bool opened = false;

        skip_space(s);
        if (slice && s->depth == 1)
            slice_from = s->p;
        if (!scan_value(s, &opened))
            return false;
        while (!opened && s->depth) {
            if (slice && s->depth == 1) { /* the last one of a name counts */
                *slice = (struct slice){slice_from, (size_t)(s->p - slice_from)};
                slice = NULL;
            }
            skip_space(s);
            if (s->p == s->end)
                return fail(s, "the text ends too early");
            if (*s->p == ',') {
                s->p++;
                break;
            }
            if (*s->p != (in_object(s) ? '}' : ']'))
                return fail(s, "neither a comma nor the closing bracket");
            s->p++;
            s->depth--;
        }
        if (!s->depth)
            break;
        struct slice *next = NULL;
        if (in_object(s) && !scan_key(s, &next))
            return false;
        if (s->depth == 1)
            slice = next;
    }
    skip_space(s);
    return s->p == s->end || fail(s, "more than one value");
}

static int check(struct scan *s, const char *text, size_t len, struct err *err)
{
    int line = 1;
    const char *start = text;

    s->p = text;
    s->end = text + len;
    if (scan_all(s))
        return 0;
    if (s->depth > s->most.depth)
        return err_set(err, ERR_INVALID_PARAMS, "JSON is nested more than %d levels deep", s->most.depth);
    if (s->values > s->most.values)
        return err_set(err, ERR_INVALID_PARAMS, "JSON has more than %zu values", s->most.values);
    for (const char *p = text; p < s->p; p++)
        if (*p == '\n') {
            line++;
            start = p + 1;
        }
    return err_set(err, ERR_INVALID_PARAMS, "not JSON: %s (line %d, column %td)", s->what, line, s->p - start + 1);
}

/* ---- writing it anew ---- */

static void add_char(struct str *b, uint32_t c)
{
    char out[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = n - 1; i; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(n == 1 ? c : (0xF00u >> n & 0xFF) | c);
    str_add(b, out, n);
}

static void add_kept(struct str *b, uint32_t c)
{
    if (c == 0)
        c = KEPT_NUL;
    else if (c >= 0xD800 && c <= 0xDFFF)
        c += KEPT_BASE;
    else if (is_kept_char(c))
        add_char(b, KEPT_MARK);
    add_char(b, c);
}

/* A text of the checked input, p behind the quote; returns where it ends, behind the other one. */
static const char *rewrite_string(struct str *b, const char *p, const char *end)
{
    str_putc(b, '"');
    for (size_t n; *p != '"'; p += n) {
        int32_t c = -1;

        if (*p == '\\')
            c = read_escape(p, end, &n);
        else if ((unsigned char)*p < 0x80)
            n = 1;
        else if ((n = utf8_length(p, (size_t)(end - p))) == 0) {
            str_puts(b, "\xEF\xBF\xBD");
            n = 1;
            continue;
        } else if (n == 4)
            c = (p[0] & 7) << 18 | (p[1] & 0x3F) << 12 | (p[2] & 0x3F) << 6 | (p[3] & 0x3F);
        if (c == 0 || (c >= 0xD800 && c <= 0xDFFF) || (c >= 0 && is_kept_char((uint32_t)c)))
            add_kept(b, (uint32_t)c);
        else
            str_add(b, p, n);
    }
    str_putc(b, '"');
    return p + 1;
}

static const char *rewrite_number(struct str *b, const char *p, const char *end)
{
    const char *from = p;
    bool is_real = false;

    for (; p < end && (*p == '-' || *p == '+' || *p == '.' || *p == 'e' || *p == 'E' || (*p >= '0' && *p <= '9')); p++)
        is_real |= *p == '.' || *p == 'e' || *p == 'E';
    if (is_plain_number(from, p, is_real)) {
        str_add(b, from, (size_t)(p - from));
        return p;
    }
    AUTO(mem_free) char *text = mem_strndup(from, (size_t)(p - from));
    errno = 0;
    long long whole = strtoll(text, NULL, 10);
    if (!is_real && !errno) { /* 19 digits that fit after all */
        str_addf(b, "%lld", whole);
        return p;
    }
    double v = strtod(text, NULL);
    if (isinf(v))
        str_puts(b, "null");
    else
        str_add_double(b, v);
    return p;
}

/* For jansson: what it would refuse is written as it has it. The text was checked. */
static void rewrite(struct str *b, const char *p, const char *end)
{
    while (p < end) {
        if (*p == '"')
            p = rewrite_string(b, p + 1, end);
        else if (*p == '-' || (*p >= '0' && *p <= '9'))
            p = rewrite_number(b, p, end);
        else
            str_putc(b, *p++);
    }
}

static json_t *make(const struct scan *s, const char *text, size_t len, struct err *err)
{
    AUTO(str_done) struct str anew = {0};
    json_error_t je;

    if (s->is_odd) {
        rewrite(&anew, text, text + len);
        text = anew.s;
        len = anew.len;
    }
    json_t *j = json_loadb(text, len, JSON_DECODE_ANY, &je);
    if (!j)
        err_set(err, ERR_INVALID_PARAMS, "not JSON: %s (line %d, column %d)", je.text, je.line, je.column);
    return j;
}

json_t *json_parse_within(const char *text, size_t len, const struct json_bounds *most, struct err *err)
{
    struct scan s = {.most = *most};

    return check(&s, text, len, err) < 0 ? NULL : make(&s, text, len, err);
}

json_t *json_parse(const char *text, size_t len, int max_depth, struct err *err)
{
    return json_parse_within(text, len, &(struct json_bounds){.depth = max_depth, .values = JSON_MOST_VALUES}, err);
}

json_t *json_look(const char *text, size_t len, const char *const *names, size_t max_bytes,
                  const struct json_bounds *most, struct err *err)
{
    struct slice found[8] = {0};
    struct scan s = {.most = {.depth = most->depth, .values = most->passed ? most->passed : SIZE_MAX},
                     .names = names,
                     .found = found};
    const char *first = text;

    if (check(&s, text, len, err) < 0)
        return NULL;
    while (strchr(" \n\r\t", *first))
        first++;
    if (*first != '{')
        return json_null();
    AUTO(json_unref) json_t *all = json_object();
    for (size_t i = 0; i < ARRAY_LEN(found) && names[i]; i++) {
        json_t *value;

        if (!found[i].at)
            continue;
        if (found[i].len > max_bytes) {
            err_set(err, ERR_INVALID_PARAMS, "`%s` is longer than %zu bytes", names[i], max_bytes);
            return NULL;
        }
        if (!(value = json_parse_within(found[i].at, found[i].len, most, err)))
            return NULL;
        json_object_set_new(all, names[i], value);
    }
    return json_incref(all);
}

json_t *json_read(const char *text, size_t len)
{
    struct scan s = {.most = {.depth = DEPTH_MOST, .values = SIZE_MAX}};
    json_t *j;

    /* what we wrote is hardly ever odd: a second look only when jansson refuses it, or could read it otherwise */
    if (!memmem(text, len, "\xF4\x8D", 2) && !memmem(text, len, "\\udbf", 5) &&
        (j = json_loadb(text, len, JSON_DECODE_ANY, NULL)))
        return j;
    return check(&s, text, len, NULL) < 0 ? NULL : make(&s, text, len, NULL);
}

int json_file(struct str *text, const char *path, struct err *err)
{
    char buf[16384];
    size_t n;
    FILE *f = strcmp(path, "-") ? fopen(path, "r") : stdin;

    if (!f)
        return err_errno(err, "open '%s'", path);
    str_puts(text, "");
    while ((n = fread(buf, 1, sizeof buf, f)) > 0 && text->len < JSON_FILE_MOST)
        str_add(text, buf, n);
    bool failed = ferror(f);
    if (f != stdin)
        fclose(f);
    return failed ? err_set(err, ERR_IO, "'%s' can't be read", path) : 0;
}

json_t *json_read_object(const char *path, struct err *err)
{
    AUTO(str_done) struct str text = {0};

    if (json_file(&text, path, err) < 0)
        return NULL;
    json_t *j = json_parse(text.s, text.len, 200, err);
    if (j && !json_is_object(j)) {
        json_decref(j);
        err_set(err, ERR_CONFIG, "'%s' holds no JSON object", path);
        return NULL;
    }
    return j;
}
