#include "base/json_token.h"
#include "base/map.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SHOWN_MOST 40 /* bytes */

struct json_shift {
    size_t out, in; /* from here on they go along with each other */
};

/* ---- what goes out ---- */

void json_out(struct json_scanner *s, const char *at, const char *bytes, size_t len)
{
    struct json_mended *m = s->out;
    size_t in = (size_t)(at - s->text), n = m->shift_count;
    size_t expected = json_mended_origin(m, m->text.len);

    if (in != expected) {
        if ((n & (n - 1)) == 0)
            m->shifts = mem_realloc(m->shifts, (n ? n * 2 : 1) * sizeof *m->shifts);
        m->shifts[m->shift_count++] = (struct json_shift){m->text.len, in};
    }
    str_add(&m->text, bytes, len);
}

size_t json_mended_origin(const struct json_mended *m, size_t at)
{
    size_t low = 0, high = m->shift_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (m->shifts[middle].out > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low ? m->shifts[low - 1].in + (at - m->shifts[low - 1].out) : at;
}

static bool is_escape(const char *p, const char *end, size_t *len)
{
    *len = 2;
    if (end - p < 2)
        return false;
    if (p[1] != 'u')
        return p[1] && strchr("\"\\/bfnrt", p[1]);
    *len = 6;
    for (int i = 2; i < 6; i++)
        if (p + i >= end || !isxdigit((unsigned char)p[i]))
            return false;
    return true;
}

void json_out_token(struct json_scanner *s, const struct json_token *t)
{
    AUTO(str_done) struct str b = {0};
    size_t n;

    if (t->as_it_is) {
        json_out(s, t->from, t->from, (size_t)(t->to - t->from));
        return;
    }
    if (t->value) {
        json_out(s, t->from, t->value, strlen(t->value));
        return;
    }
    str_putc(&b, '"');
    for (const char *c = t->inner; c < t->inner_end; c++)
        if (*c == '\\' && is_escape(c, t->inner_end, &n)) {
            str_add(&b, c, n);
            c += n - 1;
        } else if (*c == '\\') {
            if (c + 1 == t->inner_end || c[1] != '\'') /* which only JavaScript escapes */
                str_puts(&b, "\\\\");
        } else if (*c == '"') {
            str_puts(&b, "\\\"");
        } else if ((unsigned char)*c < 0x20) {
            str_addf(&b, "\\u%04x", (unsigned)*c);
        } else {
            str_putc(&b, *c);
        }
    str_putc(&b, '"');
    json_out(s, t->from, b.s, b.len);
}

/* ---- what is said ---- */

struct json_fault *json_say(struct json_scanner *s, const char *at, size_t len, const char *fmt,
                            ...)
{
    struct json_mended *m = s->out;
    char text[256];
    va_list ap;

    if (s->gave_up)
        return NULL;
    if (m->count == JSON_FAULTS_MOST) {
        s->gave_up = true;
        return NULL;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct json_fault *f = &m->faults[m->count++];
    *f = (struct json_fault){
        .at = (size_t)(at - s->text), .len = len ? len : 1, .text = arena_strdup(m->arena, text)};
    return f;
}

void json_give_up(struct json_scanner *s, const char *at, size_t len, const char *text,
                  const char *help)
{
    struct json_fault *f;

    if (s->out->count == JSON_FAULTS_MOST)
        s->out->count--;
    if ((f = json_say(s, at, len, "%s", text)))
        f->help = help;
    s->gave_up = true;
}

const char *json_shown(struct json_scanner *s, const char *from, const char *to)
{
    const char *end = from;

    for (size_t n; end < to && *end != '\n' && *end != '\r'; end += n ? n : 1) {
        n = (unsigned char)*end < 0x80 ? 1 : utf8_length(end, (size_t)(to - end));
        if (end + n > from + SHOWN_MOST)
            break;
    }
    if (end > from && *from == '"' && end == to) /* has its own quotes */
        return arena_printf(s->out->arena, "%.*s", (int)(end - from), from);
    return arena_printf(s->out->arena, "'%.*s%s'", (int)(end - from), from, end < to ? "..." : "");
}

static void say_help(struct json_fault *f, const char *help)
{
    if (f)
        f->help = help;
}

/* ---- the begin: something else altogether? ---- */

static bool looks_like_yaml(const char *p, const char *end)
{
    const char *c = p;

    if (end - p > 3 && !memcmp(p, "---", 3))
        return true;
    while (c < end &&
           (*c == '_' || *c == '-' || (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z')))
        c++;
    if (c == p || c == end || *c != ':')
        return false;
    for (c++; c < end && (*c == ' ' || *c == '\r'); c++)
        ;
    return c < end && *c == '\n' && c + 1 < end && c[1] == ' ' && !memchr(p, '{', (size_t)(c - p));
}

static bool begins(const char *p, const char *end, const char *with)
{
    size_t n = strlen(with);

    return (size_t)(end - p) >= n && !memcmp(p, with, n);
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* const steps = {...}; where the brace is, or p. */
static const char *past_script(const char *p, const char *end)
{
    static const char *const words[] = {"const ", "let ", "var ", "module.exports",
                                        "export default"};
    const char *line = memchr(p, '\n', (size_t)(end - p)),
               *brace = memchr(p, '{', (size_t)((line ? line : end) - p));

    for (size_t i = 0; brace && i < ARRAY_LEN(words); i++)
        if (begins(p, end, words[i]))
            return brace;
    return p;
}

void json_scan_begin(struct json_scanner *s, struct json_mended *out, const char *text, size_t len)
{
    const char *p;

    *s = (struct json_scanner){
        .text = text, .p = text, .end = text + len, .is_first = true, .out = out};
    if (len >= 2 && (begins(text, s->end, "\xff\xfe") || begins(text, s->end, "\xfe\xff") ||
                     !text[0] || !text[1])) {
        json_give_up(s, text, 1, "this is UTF-16, or no text at all", "save it as UTF-8");
        return;
    }
    if (begins(text, s->end, "\xef\xbb\xbf")) {
        say_help(json_say(s, text, 3, "there is a byte order mark before the text"),
                 "save it as UTF-8 without one");
        s->p += 3;
    }
    for (p = s->p; p < s->end && (is_blank(*p) || *p == '\n'); p++)
        ;
    if (looks_like_yaml(p, s->end))
        json_give_up(s, p, 1, "this looks like YAML", "Instructions are JSON: they begin with {");
    else if (p < s->end && *p == '<')
        json_give_up(s, p, 1, "this looks like HTML or XML",
                     "Instructions are JSON: they begin with {");
    else if (begins(p, s->end, "PK\3\4"))
        json_give_up(s, p, 1, "this is an archive, and no text", NULL);
    else if (past_script(p, s->end) > p) {
        say_help(json_say(s, p, (size_t)(past_script(p, s->end) - p), "this looks like JavaScript"),
                 "JSON begins with the { itself");
        s->p = past_script(p, s->end);
    }
}

/* ---- blanks and comments ---- */

/* Blanks of other alphabets and of word processors; their bytes. */
static size_t odd_blank(const char *p, const char *end)
{
    static const char *const blanks[] = {"\xc2\xa0",     "\xef\xbb\xbf", "\xe2\x80\x8b",
                                         "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe3\x80\x80",
                                         "\xe2\x80\xaf", "\xe2\x81\xa0"};

    for (size_t i = 0; i < ARRAY_LEN(blanks); i++)
        if (begins(p, end, blanks[i]))
            return strlen(blanks[i]);
    return 0;
}

/* Behind the comment at p; p itself: there is none. */
static const char *comment_end(const char *p, const char *end)
{
    const char *c;

    if (*p == '#' || begins(p, end, "//"))
        return (c = memchr(p, '\n', (size_t)(end - p))) ? c : end;
    if (begins(p, end, "/*"))
        return (c = memmem(p + 2, (size_t)(end - p - 2), "*/", 2)) ? c + 2 : end;
    return p;
}

static void new_line(struct json_scanner *s)
{
    s->indent = 0;
    s->is_first = true;
}

static void pass_comment(struct json_scanner *s, const char *to)
{
    say_help(json_say(s, s->p, (size_t)(to - s->p), "JSON has no comments"), "take it away");
    for (; s->p < to; s->p++)
        if (*s->p == '\n')
            new_line(s);
}

static void pass_blanks(struct json_scanner *s)
{
    while (s->p < s->end && !s->gave_up) {
        const char *comment = comment_end(s->p, s->end);
        size_t odd = odd_blank(s->p, s->end);

        if (*s->p == '\n') {
            json_out(s, s->p, s->p, 1);
            s->p++;
            new_line(s);
        } else if (is_blank(*s->p)) {
            const char *from = s->p;

            while (s->p < s->end && is_blank(*s->p))
                s->p++;
            json_out(s, from, from, (size_t)(s->p - from));
            s->indent += s->is_first ? s->p - from : 0;
        } else if (comment > s->p) {
            pass_comment(s, comment);
        } else if (odd) {
            say_help(json_say(s, s->p, 1, "this looks like a blank, but is another character"),
                     "put a plain blank here");
            s->p += odd;
        } else {
            return;
        }
    }
}

/* ---- texts in quotes ---- */

struct quote {
    const char *open, *close; /* closed by any character of close */
};

/* The quote that begins at p, NULL: none. */
static const struct quote *quote_at(const char *p, const char *end)
{
    static const struct quote quotes[] = {{"\"", "\""},
                                          {"'", "'"},
                                          {"`", "`"},
                                          {"\xe2\x80\x9c", "\xe2\x80\x9d"},
                                          {"\xe2\x80\x9d", "\xe2\x80\x9d"},
                                          {"\xe2\x80\x9e", "\xe2\x80\x9c"},
                                          {"\xe2\x80\x98", "\xe2\x80\x99"},
                                          {"\xc2\xab", "\xc2\xbb"}};

    for (size_t i = 0; i < ARRAY_LEN(quotes); i++)
        if (begins(p, end, quotes[i].open))
            return &quotes[i];
    return NULL;
}

/* Where the text that begins at p is closed, or, on this line, nowhere: NULL. */
static const char *quote_end(const char *p, const char *end, const struct quote *q)
{
    for (; p < end && (*p != '\n' || *q->close == '`'); p++) {
        if (*p == '\\' && p + 1 < end && p[1] != '\n')
            p++;
        else if (begins(p, end, q->close))
            return p;
    }
    return NULL;
}

/* Where one that is not closed on its line probably ends: before the comma and brackets at the
 * line's end. */
static const char *probable_end(const char *p, const char *end)
{
    const char *line = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL, *c = line ? line : end;

    while (c > p && strchr(" \t\r", c[-1]))
        c--;
    const char *whole = c;
    while (c > p && strchr(",}] \t", c[-1]))
        c--;
    return c > p ? c : whole;
}

static void look_inside(struct json_scanner *s, struct json_token *t)
{
    size_t n;

    for (const char *c = t->inner; c < t->inner_end; c++)
        if (*c == '\\' && is_escape(c, t->inner_end, &n)) {
            c += n - 1;
        } else if (*c == '\\') {
            if (t->as_it_is || c + 1 == t->inner_end || c[1] != '\'')
                say_help(json_say(s, c, 2, "%s is no escape of JSON",
                                  json_shown(s, c, c + 1 < t->inner_end ? c + 2 : c + 1)),
                         "a backslash itself is written \\\\");
            t->as_it_is = false;
        } else if ((unsigned char)*c < 0x20) {
            say_help(json_say(s, c, 1,
                              *c == '\t'   ? "a tab within a text"
                              : *c == '\n' ? "a line's end within a text"
                                           : "a control character within a text"),
                     *c == '\t'   ? "it is written \\t"
                     : *c == '\n' ? "it is written \\n"
                                  : "it is written \\u and four digits");
            t->as_it_is = false;
        }
}

static void token_text(struct json_token *t, struct json_scanner *s, const struct quote *q)
{
    const char *inner = s->p + strlen(q->open), *close = quote_end(inner, s->end, q);
    bool plain = *q->open == '"';

    *t = (struct json_token){.kind = '"', .from = s->p, .inner = inner, .as_it_is = plain && close};
    t->inner_end = close ? close : probable_end(inner, s->end);
    t->to = close ? close + strlen(q->close) : t->inner_end;
    if (!close)
        say_help(json_say(s, s->p, (size_t)(t->to - s->p), "this text has no closing quote"),
                 "put it where the text ends");
    else if (!plain)
        say_help(json_say(s, s->p, (size_t)(t->to - s->p),
                          strlen(q->open) > 1 ? "typographic quotes"
                          : *q->open == '`'   ? "a text in backticks"
                                              : "single quotes"),
                 "JSON has double quotes only: \"");
    s->p = t->to;
    look_inside(s, t);
}

/* ---- words ---- */

static bool is_word_end(const char *p, bool is_value)
{
    return !*p || strchr(" \t\r\n,:{}[]\"'`;", *p) || (!is_value && *p == '=');
}

static bool is_number(const char *from, const char *to)
{
    const char *c = from + (*from == '-'), *digits = c;

    while (c < to && *c >= '0' && *c <= '9')
        c++;
    if (c == digits || (*digits == '0' && c - digits > 1))
        return false;
    if (c < to && *c == '.') {
        for (digits = ++c; c < to && *c >= '0' && *c <= '9'; c++)
            ;
        if (c == digits)
            return false;
    }
    if (c < to && (*c == 'e' || *c == 'E')) {
        c += 1 + (c + 1 < to && (c[1] == '+' || c[1] == '-'));
        for (digits = c; c < to && *c >= '0' && *c <= '9'; c++)
            ;
        if (c == digits)
            return false;
    }
    return c == to;
}

static bool is_literal(const char *from, const char *to)
{
    size_t n = (size_t)(to - from);

    return is_number(from, to) ||
           (n == 4 && (!memcmp(from, "true", 4) || !memcmp(from, "null", 4))) ||
           (n == 5 && !memcmp(from, "false", 5));
}

static const char *other_word(const char *from, const char *to)
{
    static const char *const words[][2] = {
        {"true", "true"}, {"yes", "true"},       {"on", "true"},   {"false", "false"},
        {"no", "false"},  {"off", "false"},      {"null", "null"}, {"none", "null"},
        {"nil", "null"},  {"undefined", "null"}, {"nan", "null"}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i][0]) == (size_t)(to - from) &&
            !strncasecmp(words[i][0], from, (size_t)(to - from)))
            return words[i][1];
    return NULL;
}

/* A text without quotes goes on to the end of its member: it may hold an address, blanks, `${...}`.
 */
static const char *long_word_end(const char *p, const char *end)
{
    const char *last = p, *line = memchr(p, '\n', (size_t)(end - p));
    bool may_close = true; /* looked for once too often takes the square of the time */

    if (line)
        end = line;
    for (; p < end && !strchr("\r,}]", *p); p++) {
        if (may_close && begins(p, end, "${")) {
            const char *close = memchr(p, '}', (size_t)(end - p));

            may_close = close != NULL;
            p = close ? close : p;
        }
        if (*p != ' ' && *p != '\t')
            last = p + 1;
    }
    return last;
}

static void token_word(struct json_token *t, struct json_scanner *s, bool is_value)
{
    const char *to = s->p + 1;

    while (to < s->end && !is_word_end(to, is_value))
        to++;
    if (*s->p == '=')
        to = s->p + 1;
    else if (is_value && !is_literal(s->p, to) && !other_word(s->p, to) &&
             !strchr("+-.0123456789", *s->p))
        to = long_word_end(s->p, s->end);
    if (to == s->p)
        to++;
    *t = (struct json_token){.kind = 'w', .from = s->p, .to = to, .inner = s->p, .inner_end = to};
    s->p = to;
}

void json_token_next(struct json_token *t, struct json_scanner *s, bool is_value)
{
    const struct quote *q;

    pass_blanks(s);
    long indent = s->indent;
    bool is_first = s->is_first;
    if (s->p == s->end || s->gave_up) {
        *t = (struct json_token){.from = s->end, .to = s->end};
    } else if (*s->p && strchr("{}[]:,;", *s->p)) {
        *t = (struct json_token){.kind = *s->p, .from = s->p, .to = s->p + 1};
        s->p++;
    } else if ((q = quote_at(s->p, s->end))) {
        token_text(t, s, q);
    } else {
        token_word(t, s, is_value);
    }
    t->indent = indent;
    t->is_first = is_first;
    s->is_first = false;
}

bool json_colon_follows(const struct json_scanner *s, const struct json_token *t)
{
    const char *p = t->to;

    while (p < s->end && strchr(" \t\r\n", *p) && *p)
        p++;
    return p < s->end && *p == ':';
}

/* "width: 3 - the quote that is missing belongs before the colon in it. */
static void name_without_end(struct json_scanner *s, struct json_token *t)
{
    const char *colon = memchr(t->inner, ':', (size_t)(t->inner_end - t->inner));

    if (*t->from != '"' || !colon || json_colon_follows(s, t) ||
        memchr(t->inner, '/', (size_t)(colon - t->inner)))
        return;
    if (t->as_it_is)
        say_help(json_say(s, t->from, (size_t)(colon - t->from), "this name has no closing quote"),
                 "put it before the colon");
    t->inner_end = t->to = s->p = colon;
    t->as_it_is = false;
}

void json_token_name(struct json_scanner *s, struct json_token *t)
{
    if (t->kind == '"') {
        name_without_end(s, t);
        return;
    }
    if (t->to < s->end && *t->to == '"' && t->to[-1] != '"') { /* width": 3 */
        s->p = ++t->to;
        say_help(json_say(s, t->from, (size_t)(t->to - t->from), "this name has no opening quote"),
                 "put it before the name");
        return;
    }
    say_help(json_say(s, t->from, (size_t)(t->to - t->from), "the name %s needs double quotes",
                      json_shown(s, t->from, t->to)),
             arena_printf(s->out->arena, "\"%.*s\"",
                          (int)(t->to - t->from < SHOWN_MOST ? t->to - t->from : SHOWN_MOST),
                          t->from));
}

/* .5, +5, 5., 007, 0x10: as a number that JSON has. NULL: it is none. */
static const char *plain_number(struct json_scanner *s, const struct json_token *t)
{
    char *text = arena_printf(s->out->arena, "%.*s",
                              (int)(t->to - t->from < 40 ? t->to - t->from : 40), t->from),
         *end;
    bool hex = strchr(text, 'x') || strchr(text, 'X');
    double v = hex ? (double)strtoll(text, &end, 16) : strtod(text, &end);

    if (end == text || *end || t->to - t->from > 40 || v != v || v > 1e15 || v < -1e15)
        return NULL;
    return arena_printf(s->out->arena, "%.15g", v);
}

void json_token_value(struct json_scanner *s, struct json_token *t)
{
    size_t len = (size_t)(t->to - t->from);

    if (t->kind == '"')
        return;
    if (is_literal(t->from, t->to)) {
        t->as_it_is = true;
        return;
    }
    const char *shown = json_shown(s, t->from, t->to);
    if (len > 1 && t->to[-1] == '"') {
        t->inner_end--;
        say_help(json_say(s, t->from, len, "this text has no opening quote"),
                 "put it before the text");
    } else if ((t->value = other_word(t->from, t->to))) {
        say_help(json_say(s, t->from, len, "%s is no value of JSON", shown),
                 arena_printf(s->out->arena, "did you mean %s?", t->value));
    } else if (strchr("+-.0123456789", *t->from) && (t->value = plain_number(s, t))) {
        say_help(json_say(s, t->from, len, "%s is not how JSON writes a number", shown),
                 arena_printf(s->out->arena, "did you mean %s?", t->value));
    } else {
        say_help(json_say(s, t->from, len, "the text %s needs double quotes", shown), NULL);
    }
}
