/* json_mend.h - a text that somebody typed and meant to be JSON: all that is wrong with it, each with its place and in
 * words, and the JSON that was probably meant, so that what it says can be looked at in the same run.
 * For people who look for their mistakes; what a client sends is read by json_parse(), or refused. Pure, and linear in
 * the length of the text. */
#pragma once
#include "base/arena.h"
#include "base/str.h"

#define JSON_FAULTS_MOST 50

struct json_fault {
    size_t at, len;          /* bytes of the text; len is at least 1, and may reach one byte beyond its end */
    bool is_doubtful;        /* it is JSON all the same, but hardly what was meant */
    const char *text, *help; /* what is wrong; what to do about it, or NULL */
};

struct json_mended {
    struct json_fault faults[JSON_FAULTS_MOST]; /* by their places */
    int count;
    bool gave_up;    /* there are too many, or it is something else altogether: text is empty */
    struct str text; /* JSON; the very same bytes where there is nothing to mend */
    struct arena *arena; /* the faults' texts */
    struct json_shift *shifts;
    size_t shift_count;
};

/* *out: the caller's, to be given to json_mended_done(). */
void json_mend(struct json_mended *out, const char *text, size_t len);
/* Where the byte at `at` of out->text stands in the text that was typed. */
size_t json_mended_origin(const struct json_mended *m, size_t at);
void json_mended_done(struct json_mended *m);
