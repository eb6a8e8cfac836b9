/* check_text.h - all that is to be said of Assembly Instructions as somebody typed them, each with its place: what
 * keeps them from being JSON, then what this server would refuse of what was probably meant, and what it does otherwise
 * than the hosted service. Pure. */
#pragma once
#include "assembly/lint.h"
#include "base/json_mend.h"

enum check_kind { CHECK_REFUSED, CHECK_DIFFERS, CHECK_DOUBTFUL };

struct check_line {
    enum check_kind kind;
    size_t at, len;   /* bytes of the text */
    int line, column; /* from 1, of characters */
    const char *step, *param, *help; /* NULL: none */
    const char *code;                /* "" but for CHECK_REFUSED */
    const char *text;
};

struct check_lines {
    struct check_line *v; /* by their places once check_sort() was called */
    int count;
    int of_kind[CHECK_DOUBTFUL + 1];
    bool gave_up; /* there may be more */
    /* private */
    const char *text;
    size_t len;
    struct json_mended mended;
    struct arena *arena;
};

/* Reads text, which must live as long as *out. Returns the params that were probably meant, which the caller unrefs;
 * NULL: nothing can be made of it. *out: the caller's either way. */
json_t *check_read(struct check_lines *out, const char *text, size_t len);
/* Adds what is to be said of params (or of params that a Template was merged with). */
void check_steps(struct check_lines *out, const json_t *params);
/* Adds one of the whole, or of the outermost member `param`. */
void check_whole(struct check_lines *out, const char *param, const struct err *err);
void check_sort(struct check_lines *out);
void check_done(struct check_lines *out);
const char *check_kind_name(enum check_kind kind);
