/* json_token.h - for json_mend.c alone: what the pieces of a text that was meant to be JSON are, and what is wrong with
 * each by itself. */
#pragma once
#include "base/json_mend.h"

#define JSON_MEND_DEPTH 200

struct json_scanner {
    const char *text, *p, *end; /* p: what comes next */
    long indent;                /* blanks at the begin of this line */
    bool is_first;              /* nothing but those came in it so far */
    bool gave_up;
    struct json_mended *out;
};

struct json_token {
    char kind; /* one of "{}[]:,;", '"' a text in quotes of some kind, 'w' a word without them; 0: the end */
    const char *from, *to;           /* to: behind it, its quotes counted */
    const char *inner, *inner_end;   /* without the quotes */
    bool as_it_is;                   /* JSON already: goes out as it stands */
    const char *value;               /* goes out instead; NULL: the inner text, in quotes */
    long indent;                     /* of its line */
    bool is_first;                   /* in its line */
};

/* Says already what something is that is no JSON at all (YAML, UTF-16...). */
void json_scan_begin(struct json_scanner *s, struct json_mended *out, const char *text, size_t len);
/* is_value: a word may be a longer text without quotes. */
void json_token_next(struct json_token *t, struct json_scanner *s, bool is_value);
/* It stands where a name, or a value, must: what is wrong with it is said, and what goes out for it is chosen. */
void json_token_name(struct json_scanner *s, struct json_token *t);
void json_token_value(struct json_scanner *s, struct json_token *t);
bool json_colon_follows(const struct json_scanner *s, const struct json_token *t);

/* What is mended. at: where in the text that stands, or belongs. */
void json_out(struct json_scanner *s, const char *at, const char *bytes, size_t len);
void json_out_token(struct json_scanner *s, const struct json_token *t);

/* NULL: there are too many, and it is over. */
struct json_fault *json_say(struct json_scanner *s, const char *at, size_t len, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The only fault that counts. */
void json_give_up(struct json_scanner *s, const char *at, size_t len, const char *text, const char *help);
/* 'so much of it as fits', lent. */
const char *json_shown(struct json_scanner *s, const char *from, const char *to);
