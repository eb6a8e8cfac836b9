#include "assembly/expression.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define DEPTH_MOST 200 /* of braces and template literals */

/* What is open at s: '{', a brace; '`', a template literal. */
struct scan {
    const char *s;
    char open[DEPTH_MOST];
    int depth;
    bool member; /* a point came last: a name follows, whatever word it is */
    bool value;  /* what came last is a value: a slash divides it, where else a regular expression would begin */
};

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80; }

/* Behind these a value begins. */
static bool is_operator_word(const char *word, size_t len)
{
    static const char *const words[] = {"return", "typeof", "instanceof", "in", "of",   "new",   "delete",
                                        "void",   "throw",  "case",       "do", "else", "yield", "await"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == len && !strncmp(words[i], word, len))
            return true;
    return false;
}

static bool scan_push(struct scan *x, char c)
{
    if (x->depth == DEPTH_MOST)
        return false;
    x->open[x->depth++] = c;
    return true;
}

/* Behind the quote that ends the text at s; NULL: it does not end. */
static const char *skip_text(const char *s, char quote)
{
    for (; *s && *s != quote; s++)
        if (*s == '\\' && !*++s)
            return NULL;
    return *s ? s + 1 : NULL;
}

/* Behind the slash that ends a regular expression. One does not go over lines. */
static const char *skip_regex(const char *s)
{
    bool in_class = false;

    for (; *s && *s != '\n' && (in_class || *s != '/'); s++) {
        if (*s == '\\') {
            if (!*++s)
                return NULL;
        } else if (*s == '[' || *s == ']') {
            in_class = *s == '[';
        }
    }
    return *s == '/' ? s + 1 : NULL;
}

static const char *skip_comment(const char *s)
{
    if (s[1] == '/')
        return s + strcspn(s, "\n");
    const char *end = strstr(s + 2, "*/");
    return end ? end + 2 : NULL;
}

/* Inside of a template literal: up to its end, or to where an expression of its own begins. */
static bool in_template(struct scan *x)
{
    for (; *x->s; x->s++) {
        if (*x->s == '\\') {
            if (!*++x->s)
                return false;
        } else if (*x->s == '`') {
            x->s++;
            x->depth--;
            x->value = true;
            return true;
        } else if (*x->s == '$' && x->s[1] == '{') {
            x->s += 2;
            x->value = false;
            return scan_push(x, '{');
        }
    }
    return false;
}

static void word(struct scan *x)
{
    const char *begin = x->s;

    while (is_word(*x->s))
        x->s++;
    x->value = x->member || !is_operator_word(begin, (size_t)(x->s - begin));
    x->member = false;
}

/* One piece of the program. False: the expression can't end. */
static bool in_program(struct scan *x)
{
    char c = *x->s;

    if (is_word(c)) {
        word(x);
    } else if (c == '"' || c == '\'') {
        x->s = skip_text(x->s + 1, c);
        x->value = true;
    } else if (c == '`') {
        x->s++;
        return scan_push(x, '`');
    } else if (c == '/' && (x->s[1] == '/' || x->s[1] == '*')) {
        x->s = skip_comment(x->s);
    } else if (c == '/' && !x->value) {
        x->s = skip_regex(x->s + 1);
        x->value = true;
    } else if (c == '{') {
        x->s++;
        x->value = false;
        return scan_push(x, '{');
    } else {
        if (c == '}')
            x->depth--;
        if (!isspace((unsigned char)c))
            x->value = c == ')' || c == ']' || c == '}' || ((c == '+' || c == '-') && x->s[1] == c && x->value);
        if ((c == '+' || c == '-') && x->s[1] == c)
            x->s++;
        x->member = c == '.';
        x->s++;
    }
    return x->s != NULL;
}

const char *expression_end(const char *s)
{
    struct scan x = {.s = s, .open = {'{'}, .depth = 1};

    while (*x.s) {
        if (*x.s == '}' && x.depth == 1 && x.open[0] == '{')
            return x.s;
        if (!(x.open[x.depth - 1] == '`' ? in_template(&x) : in_program(&x)))
            return NULL;
    }
    return NULL;
}
