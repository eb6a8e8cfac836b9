/* str.h - a growing byte string, and the small text jobs that every room has. */
#pragma once
#include "base/auto.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    char *s;    /* NUL-terminated once anything was added; NULL before */
    size_t len; /* without the NUL */
    size_t cap;
};

void str_add(struct str *b, const void *data, size_t len);
void str_puts(struct str *b, const char *s);
static inline void str_putc(struct str *b, char c)
{
    if (b->len + 2 > b->cap) {
        str_add(b, &c, 1);
        return;
    }
    b->s[b->len++] = c;
    b->s[b->len] = 0;
}
void str_room(struct str *b, size_t bytes); /* so many more fit without another look for memory */
void str_add_int(struct str *b, int64_t v);
void str_addf(struct str *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* s as a JSON string literal with quotes; NULL becomes null. Bytes that are not UTF-8 become U+FFFD, and what json.c
 * keeps as characters of its own becomes an escape again. */
void str_add_double(struct str *b, double v); /* the shortest text that is read as the same double again */
void str_add_json(struct str *b, const char *s);
/* The name of an object's next member, with what is between it and the one before, and its value. */
void str_add_json_key(struct str *b, const char *name);
/* Percent-encode everything outside A-Za-z0-9-_.~ and the characters in keep. */
void str_add_urlencoded(struct str *b, const char *s, const char *keep);
void str_reset(struct str *b); /* length 0, memory kept */
void str_done(struct str b);
DEFINE_AUTO(struct str, str_done)
/* The text itself, "" when nothing was added. The caller frees it; b is empty afterwards. */
char *str_take(struct str *b);

/* Percent- and optionally plus-decoding in place; returns the new length, or -1 on a bad escape. */
ptrdiff_t url_decode(char *s, size_t len, bool plus_is_space);

/* Standard base64 that tolerates missing padding. Returns the length written to out (which holds at
 * least len / 4 * 3 + 3 bytes) or -1. */
ptrdiff_t base64_decode(unsigned char *out, const char *s, size_t len);

void hex_encode(char *out, const void *data, size_t len); /* lower case, NUL-terminated */
bool hex_is(const char *s, size_t digits);               /* exactly that many lower-case digits */

static inline bool str_given(const char *s) { return s && *s; } /* neither NULL nor empty */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Is s valid UTF-8 (no overlong forms, no surrogates)? */
size_t utf8_length(const char *s, size_t left); /* bytes of the character at s; 0: it is none */
bool utf8_valid(const char *s, size_t len);
/* Text whose character set nobody names, as UTF-8: what is valid UTF-8 is that (a last character that was cut in two
 * goes), anything else is Windows-1252, which has Latin-1 in it. The caller frees. */
char *utf8_from_unknown(const char *s, size_t len);
/* Text that is meant to be UTF-8: what is no character, and the NUL that would end it in many a program that gets to
 * see it, becomes U+FFFD. */
void str_add_utf8(struct str *b, const char *s, size_t len);
/* A file's name made of one from outside: the last part of a path, no control characters, at most 255 bytes, never
 * empty. */
void str_file_name(char out[static 256], const char *name);
