#include "assembly/check_text.h"
#include "base/near.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_DEPTH 200

const char *check_kind_name(enum check_kind kind)
{
    static const char *const names[] = {
        [CHECK_REFUSED] = "refused", [CHECK_DIFFERS] = "differs", [CHECK_DOUBTFUL] = "doubtful"};

    return names[kind];
}

static struct check_line *check_add(struct check_lines *c, enum check_kind kind)
{
    struct check_line *line;

    if ((c->count & (c->count - 1)) == 0)
        c->v = mem_realloc(c->v, (size_t)(c->count ? c->count * 2 : 1) * sizeof *c->v);
    line = &c->v[c->count++];
    *line = (struct check_line){.kind = kind, .code = ""};
    c->of_kind[kind]++;
    return line;
}

static const char *code_of(enum err_code code) { return err_name(&(struct err){.code = code}); }

static const char *check_keep(struct check_lines *c, const char *text)
{
    return text ? arena_strdup(c->arena, text) : NULL;
}

/* How long the name or value is that begins there: brackets alone. */
static size_t check_length(const struct check_lines *c, size_t at)
{
    const char *p = c->text + at, *end = c->text + c->len, *from = p;

    if (p >= end)
        return 1;
    if (*p == '"') {
        for (p++; p < end && *p != '"' && *p != '\n'; p++)
            p += *p == '\\' && p + 1 < end;
        return (size_t)(p - from) + (p < end && *p == '"');
    }
    while (p < end && *p && !strchr(" \t\r\n,:{}[]\"", *p))
        p++;
    return p > from ? (size_t)(p - from) : 1;
}

/* path: in what was probably meant. */
static void check_place(struct check_lines *c, struct check_line *line, const char *const *path,
                        bool at_name)
{
    struct json_place at;

    json_where(&at, c->mended.text.s, c->mended.text.len, path, at_name);
    line->at = json_mended_origin(&c->mended, at.at);
    line->len = check_length(c, line->at);
}

/* ---- reading ---- */

static void say_faults(struct check_lines *c)
{
    for (int i = 0; i < c->mended.count; i++) {
        const struct json_fault *f = &c->mended.faults[i];
        struct check_line *line = check_add(c, f->is_doubtful ? CHECK_DOUBTFUL : CHECK_REFUSED);

        line->at = f->at;
        line->len = f->len;
        line->code = f->is_doubtful ? "" : code_of(ERR_INVALID_PARAMS);
        line->text = f->is_doubtful ? f->text : arena_printf(c->arena, "not JSON: %s", f->text);
        line->help = f->help;
    }
}

json_t *check_read(struct check_lines *out, const char *text, size_t len)
{
    struct err err;
    json_t *params;

    *out = (struct check_lines){.text = text, .len = len, .arena = arena_new()};
    json_mend(&out->mended, text, len);
    out->gave_up = out->mended.gave_up;
    say_faults(out);
    if (out->gave_up)
        return NULL;
    params = json_parse(out->mended.text.s, out->mended.text.len, CHECK_DEPTH, &err);
    if (!params)
        check_whole(out, NULL, &err); /* it has too many values */
    return params;
}

/* ---- what is said of it ---- */

void check_whole(struct check_lines *out, const char *param, const struct err *err)
{
    struct check_line *line = check_add(out, CHECK_REFUSED);
    const char *const path[] = {param, NULL};

    line->param = check_keep(out, param);
    line->code = check_keep(out, err_name(err));
    line->text = check_keep(out, err->msg);
    check_place(out, line, path, /* at_name= */ false);
}

static void on_finding(void *ctx, const struct finding *f)
{
    struct check_lines *c = ctx;
    struct check_line *line =
        check_add(c, f->kind == FINDING_REFUSED ? CHECK_REFUSED : CHECK_DIFFERS);
    const char *const path[] = {"steps", f->step, f->param, NULL};

    line->step = check_keep(c, f->step);
    line->param = check_keep(c, f->param);
    line->code = check_keep(c, f->code);
    line->text = check_keep(c, f->text);
    check_place(c, line, path, !f->param || f->at_name);
}

static bool is_step(const json_t *v) { return jstr(v, "robot") != NULL; }

/* Instructions without "steps": are there Steps all the same, somewhere else? That is said then. */
static bool misplaced(struct check_lines *c, const json_t *params)
{
    struct near near = near_to("steps");
    struct check_line *line;
    const char *name, *found = NULL;
    json_t *v;
    bool bare = false;

    json_object_foreach ((json_t *)params, name, v) {
        bare |= is_step(v);
        near_try(&near, name);
        if (json_is_object(json_object_get(v, "steps")) && !found)
            found = name;
    }
    if (!bare && !near.name && !found)
        return false;
    line = check_add(c, CHECK_REFUSED);
    line->code = code_of(ERR_NO_STEPS);
    const char *const path[] = {bare ? NULL : near.name ? near.name : found, NULL};
    check_place(c, line, path, true);
    if (bare) {
        line->text = "there is no `steps`, though what is here looks like Steps";
        line->help = "put them into one: {\"steps\": {...}}";
        return true;
    }
    line->param = check_keep(c, path[0]);
    line->text = arena_printf(c->arena, "there is no `steps`, but '%s'", path[0]);
    line->help = near.name ? "did you mean 'steps'?"
                           : "Instructions begin with what is in it: {\"steps\": {...}}";
    return true;
}

void check_steps(struct check_lines *out, const json_t *params)
{
    const json_t *steps = json_object_get(params, "steps");

    if (json_is_object(params) && !steps && misplaced(out, params))
        return;
    instructions_lint((json_t *)steps, on_finding, out);
    out->gave_up |= out->of_kind[CHECK_REFUSED] >= LINT_MOST;
}

/* ---- places ---- */

static int check_order(const void *x, const void *y)
{
    const struct check_line *a = x, *b = y;

    return a->at != b->at ? (a->at < b->at ? -1 : 1) : strcmp(a->text, b->text);
}

void check_sort(struct check_lines *out)
{
    const char *p = out->text;
    int line = 1, column = 1;

    if (out->count)
        qsort(out->v, (size_t)out->count, sizeof *out->v, check_order);
    for (int i = 0; i < out->count; i++) {
        for (; p < out->text + out->v[i].at && p < out->text + out->len; p++) {
            column += (*p & 0xc0) != 0x80;
            if (*p == '\n') {
                line++;
                column = 1;
            }
        }
        out->v[i].line = line;
        out->v[i].column = column;
    }
}

void check_done(struct check_lines *out)
{
    json_mended_done(&out->mended);
    arena_free(out->arena);
    free(out->v);
    *out = (struct check_lines){0};
}
