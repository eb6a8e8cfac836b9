/* The order of things: who follows whom, what is missing between them and what is too many. What a
 * single name, text, number or comment may look like is in json_token.c. */
#include "base/json_mend.h"
#include "base/json_token.h"
#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum mend_state {
    FIRST,
    NEXT,
    COLON,
    VALUE,
    AFTER
}; /* what comes: after the bracket, a comma, a name, a colon, a value */

struct level {
    const char *at; /* of its bracket; NULL: it was not there */
    enum mend_state state;
    char open;        /* 0: outside of everything */
    long indent;      /* of the line that it stands in */
    struct map names; /* of the uppermost levels */
};

struct mend {
    struct json_scanner in;
    struct level levels[JSON_MEND_DEPTH + 1];
    int depth;
    const char *comma;              /* one that waits for what follows it; NULL: none */
    const char *last_end;           /* behind the last thing that was read */
    const char *name_at, *name_end; /* the last name */
    const char *stray;              /* the bracket that is left open, as far as indentation tells */
    bool is_over;
};

static struct level *mend_top(struct mend *m) { return &m->levels[m->depth]; }
static char closes(char open) { return open == '{' ? '}' : ']'; }

static int line_at(const struct mend *m, const char *at)
{
    int line = 1;

    for (const char *c = m->in.text; c < at; c++)
        line += *c == '\n';
    return line;
}

/* ---- levels ---- */

static void mend_open(struct mend *m, const char *at, char open, long indent)
{
    if (m->depth == JSON_MEND_DEPTH) {
        json_give_up(&m->in, at, 1, "it is nested too deeply", NULL);
        return;
    }
    mend_top(m)->state = AFTER; /* once this is closed */
    m->levels[++m->depth] =
        (struct level){.at = at, .state = FIRST, .open = open, .indent = indent};
    json_out(&m->in, at, &open, 1);
}

static void mend_pop(struct mend *m, const char *at)
{
    char c = closes(mend_top(m)->open);

    json_out(&m->in, at, &c, 1);
    map_done(&mend_top(m)->names);
    m->depth--;
}

/* Before something that may only follow a whole member: the comma, the colon or the value that is
 * not there. */
static void mend_complete(struct mend *m, const char *at)
{
    struct level *l = mend_top(m);

    if (l->state == COLON || l->state == VALUE)
        json_say(&m->in, m->last_end, 1,
                 l->state == COLON ? "a colon and a value are missing after the name %s"
                                   : "a value is missing after %s",
                 json_shown(&m->in, m->name_at, m->name_end));
    if (l->state == COLON)
        json_out(&m->in, at, ":", 1);
    if (l->state == COLON || l->state == VALUE) {
        json_out(&m->in, at, "null", 4);
        l->state = AFTER;
    }
}

static void trailing_comma(struct mend *m, const char *before)
{
    if (!m->comma)
        return;
    struct json_fault *f =
        json_say(&m->in, m->comma, 1, "a comma too many: nothing follows it before %s", before);
    if (f)
        f->help = "take it away";
    m->comma = NULL;
}

/* ---- what comes ---- */

static void nothing_may_follow(struct mend *m, const struct json_token *t)
{
    bool bracket = t->kind == '}' || t->kind == ']';

    if (mend_top(m)->state == VALUE) {
        json_give_up(&m->in, t->from, 1,
                     arena_printf(m->in.out->arena, "it begins with '%c'", t->kind),
                     "Instructions are JSON: they begin with {");
        return;
    }
    struct json_fault *f =
        json_say(&m->in, t->from, bracket ? 1 : (size_t)(t->to - t->from),
                 bracket ? "%s too many" : "nothing may follow the end, but %s does",
                 json_shown(&m->in, t->from, bracket ? t->from + 1 : t->to));

    if (f)
        f->help = bracket ? "everything that was opened is closed already"
                          : "is a bracket before this closed too early?";
    m->is_over = true;
}

static void on_comma(struct mend *m, const struct json_token *t)
{
    struct level *l = mend_top(m);

    if (t->kind == ';' && m->depth)
        json_say(&m->in, t->from, 1, "a comma belongs here, not ';'");
    if (!m->depth) {
        nothing_may_follow(m, t);
        return;
    }
    mend_complete(m, t->from);
    if (l->state != AFTER) {
        struct json_fault *f =
            json_say(&m->in, t->from, 1, "a comma too many: nothing stands before it");
        if (f)
            f->help = "take it away";
        return;
    }
    m->comma = t->from;
    l->state = NEXT;
}

static void on_colon(struct mend *m, const struct json_token *t)
{
    struct level *l = mend_top(m);

    if (l->state == COLON) {
        json_out(&m->in, t->from, ":", 1);
        l->state = VALUE;
    } else if (m->depth && l->state == VALUE && l->open == '{') {
        json_say(&m->in, t->from, 1, "a colon too many");
    } else if (!m->depth) {
        nothing_may_follow(m, t);
    } else {
        struct json_fault *f = json_say(&m->in, t->from, 1, "a colon does not belong here");
        if (f && l->open == '[')
            f->help = "members with names stand between { and }, not in a list";
    }
}

/* Is there an open bracket below the uppermost one that this closes? */
static bool closes_one_below(struct mend *m, char c)
{
    for (int i = m->depth - 1; i > 0; i--)
        if (closes(m->levels[i].open) == c)
            return true;
    return false;
}

/* A bracket that is not that of the uppermost level: those above its own have none, or it is the
 * wrong kind. */
static void wrong_bracket(struct mend *m, const struct json_token *t)
{
    bool below = closes_one_below(m, t->kind);

    do {
        struct level *l = mend_top(m);
        int line = l->at ? line_at(m, l->at) : 1;

        if (below)
            json_say(&m->in, t->from, 1,
                     "'%c' is missing before this '%c': that of the '%c' in line %d",
                     closes(l->open), t->kind, l->open, line);
        else
            json_say(&m->in, t->from, 1,
                     "'%c' belongs here, not '%c': it closes the '%c' in line %d", closes(l->open),
                     t->kind, l->open, line);
        if (!below)
            return;
        mend_pop(m, t->from);
    } while (closes(mend_top(m)->open) != t->kind);
}

static void on_close(struct mend *m, const struct json_token *t)
{
    const char before[] = {'\'', t->kind, '\'', 0};

    if (!m->depth) {
        nothing_may_follow(m, t);
        return;
    }
    trailing_comma(m, before);
    mend_complete(m, t->from);
    if (closes(mend_top(m)->open) != t->kind)
        wrong_bracket(m, t);
    struct level *l = mend_top(m);
    if (!m->stray && l->at && t->is_first && t->indent < l->indent)
        m->stray = l->at; /* what is indented more should have been closed before */
    mend_pop(m, t->from);
}

/* Was the name given before? Only of the upper levels, where Steps and their parameters are. */
static void look_twice(struct mend *m, const struct json_token *t)
{
    struct level *l = mend_top(m);

    if (m->depth > 3)
        return;
    AUTO(mem_free) char *name = mem_strndup(t->inner, (size_t)(t->inner_end - t->inner));
    const char *first = map_put(&l->names, name, (void *)t->from);
    if (!first)
        return;
    struct json_fault *f =
        json_say(&m->in, t->from, (size_t)(t->to - t->from),
                 "%s is here twice, and only this one counts", json_shown(&m->in, t->from, t->to));
    if (f) {
        f->is_doubtful = true;
        f->help =
            arena_printf(m->in.out->arena, "the first one stands in line %d", line_at(m, first));
    }
}

/* What may stand before a name or a value, and does not. */
static void mend_before(struct mend *m, const struct json_token *t)
{
    struct level *l = mend_top(m);

    if (l->state == AFTER) {
        struct json_fault *f = json_say(&m->in, m->last_end, 1, "a comma is missing before %s",
                                        json_shown(&m->in, t->from, t->to));
        if (f)
            f->help = "put it here";
        json_out(&m->in, t->from, ",", 1);
        l->state = NEXT;
    } else if (l->state == COLON) {
        struct json_fault *f =
            json_say(&m->in, m->last_end, 1, "a colon is missing after the name %s",
                     json_shown(&m->in, m->name_at, m->name_end));
        if (f)
            f->help = "put it here";
        json_out(&m->in, t->from, ":", 1);
        l->state = VALUE;
    }
    if (m->comma)
        json_out(&m->in, t->from, ",", 1);
    m->comma = NULL;
}

/* "steps": {...} without the braces around it. */
static bool braces_are_missing(struct mend *m, const struct json_token *t)
{
    return !m->depth && mend_top(m)->state == VALUE && (t->kind == '"' || t->kind == 'w') &&
           json_colon_follows(&m->in, t);
}

static void on_name(struct mend *m, struct json_token *t)
{
    json_token_name(&m->in, t);
    json_out_token(&m->in, t);
    look_twice(m, t);
    m->name_at = t->from;
    m->name_end = t->to;
    mend_top(m)->state = COLON;
}

static bool is_equals(const struct json_token *t) { return t->kind == 'w' && *t->from == '='; }

static void on_thing(struct mend *m, struct json_token *t)
{
    bool bracket = t->kind == '{' || t->kind == '[';

    if (mend_top(m)->state == COLON && is_equals(t)) {
        json_say(&m->in, t->from, 1, "a colon belongs here, not '='");
        m->in.p = t->from + 1 + (t->from + 1 < m->in.end && t->from[1] == '>');
        json_out(&m->in, t->from, ":", 1);
        mend_top(m)->state = VALUE;
        return;
    }
    if (!m->depth && mend_top(m)->state == AFTER) {
        nothing_may_follow(m, t);
        return;
    }
    if (braces_are_missing(m, t)) {
        struct json_fault *f = json_say(&m->in, t->from, 1, "braces around it all are missing");
        if (f)
            f->help = "begin with { and end with }";
        mend_open(m, t->from, '{', 0);
        mend_top(m)->at = NULL;
    }
    mend_before(m, t);
    struct level *l = mend_top(m);
    bool named = l->open == '{' && (l->state == FIRST || l->state == NEXT);
    if (named && !bracket) {
        on_name(m, t);
        return;
    }
    if (named) {
        json_say(&m->in, t->from, 1,
                 "a name in double quotes, and a colon, are missing before '%c'", t->kind);
        json_out(&m->in, t->from, "\"?\":", 4);
    }
    if (bracket) {
        mend_open(m, t->from, t->kind, t->indent);
        return;
    }
    json_token_value(&m->in, t);
    json_out_token(&m->in, t);
    mend_top(m)->state = AFTER;
}

/* ---- the end ---- */

static void say_open(struct mend *m)
{
    const char *at = NULL;
    struct json_fault *f;
    int open = 0;

    for (int i = m->depth; i > 0; i--)
        if (m->levels[i].at) {
            at = at ? at : m->levels[i].at;
            open++;
        }
    if (!open)
        return;
    if (m->stray)
        at = m->stray;
    f = json_say(&m->in, at, 1,
                 open == 1 ? "'%c' is never closed"
                           : "'%c' is never closed, and neither are others: %d in all",
                 *at, open);
    if (f)
        f->help = m->stray ? "by the indentation its end is missing" : "the text ends before";
}

static void mend_end(struct mend *m)
{
    if (m->in.gave_up)
        return;
    if (!m->depth && mend_top(m)->state == VALUE && !m->is_over) {
        json_give_up(&m->in, m->in.text, 1, "there is nothing in it", NULL);
        return;
    }
    if (!m->is_over) {
        trailing_comma(m, "the end");
        say_open(m);
    }
    while (m->depth && !m->in.gave_up) {
        mend_complete(m, m->in.end);
        mend_pop(m, m->in.end);
    }
}

static int by_at(const void *x, const void *y)
{
    const struct json_fault *a = x, *b = y;

    return a->at < b->at ? -1 : a->at > b->at;
}

void json_mend(struct json_mended *out, const char *text, size_t len)
{
    struct mend *m = mem_zalloc(sizeof *m);
    struct json_token t;

    *out = (struct json_mended){.arena = arena_new()};
    json_scan_begin(&m->in, out, text, len);
    m->levels[0].state = VALUE;
    m->last_end = text;
    while (!m->in.gave_up && !m->is_over) {
        bool is_value = m->depth && (mend_top(m)->state == VALUE || mend_top(m)->open == '[');

        json_token_next(&t, &m->in, is_value);
        if (!t.kind)
            break;
        if (t.kind == ',' || t.kind == ';')
            on_comma(m, &t);
        else if (t.kind == ':')
            on_colon(m, &t);
        else if (t.kind == '}' || t.kind == ']')
            on_close(m, &t);
        else
            on_thing(m, &t);
        m->last_end = t.kind == 'w' && is_equals(&t) ? m->in.p : t.to;
    }
    mend_end(m);
    for (; m->depth; m->depth--)
        map_done(&mend_top(m)->names);
    map_done(&m->levels[0].names);
    out->gave_up = m->in.gave_up;
    free(m);
    if (out->gave_up)
        str_reset(&out->text);
    qsort(out->faults, (size_t)out->count, sizeof *out->faults, by_at);
}

void json_mended_done(struct json_mended *m)
{
    str_done(m->text);
    arena_free(m->arena);
    free(m->shifts);
    *m = (struct json_mended){0};
}
