/* `workcell check`: what this server would say of Assembly Instructions, and where it stands in them. */
#include "admin.h"
#include "assembly/lint.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK_DEPTH 200

struct check {
    const char *name; /* of the file or the Template */
    const char *text;
    size_t len;
    struct arena *arena;
    struct line {
        struct json_place at;
        const char *text;
    } *lines; /* in the order in which they were found */
    int count, differs;
};

static void check_note(void *ctx, const struct finding *f)
{
    static const char *const kinds[] = {[FINDING_REFUSED] = "refused", [FINDING_DIFFERS] = "differs"};
    struct check *c = ctx;
    struct line *line;

    if ((c->count & (c->count - 1)) == 0)
        c->lines = mem_realloc(c->lines, (size_t)(c->count ? c->count * 2 : 1) * sizeof *c->lines);
    line = &c->lines[c->count++];
    const char *const path[] = {"steps", f->step, f->param, NULL};
    json_where(&line->at, c->text, c->len, path, !f->param || f->at_name);
    line->text = arena_printf(c->arena, "%s: %s%s%s%s%s%s%s", kinds[f->kind], f->step ? "step '" : "",
                              f->step ? f->step : "", f->step ? "': " : "", f->text,
                              *f->code ? " [" : "", f->code, *f->code ? "]" : "");
    c->differs += f->kind == FINDING_DIFFERS;
}

static int by_place(const void *x, const void *y)
{
    const struct line *a = x, *b = y;

    return a->at.line != b->at.line       ? a->at.line - b->at.line
           : a->at.column != b->at.column ? a->at.column - b->at.column
                                          : strcmp(a->text, b->text);
}

/* The place that the reader named is put before what it said. */
static int check_no_json(const struct check *c, const struct err *err)
{
    const char *place = strrchr(err->msg, '(');
    int line = 1, column = 1;

    if (place)
        (void)!sscanf(place, "(line %d, column %d)", &line, &column);
    printf("%s:%d:%d: refused: %.*s [%s]\n", c->name, line, column, (int)(place ? place - err->msg - 1 : 511), err->msg,
           err_name(err));
    return 1;
}

static int check_text(struct check *c)
{
    struct err err;
    AUTO(json_unref) json_t *params = json_parse(c->text, c->len, CHECK_DEPTH, &err);

    if (!params)
        return check_no_json(c, &err);
    AUTO(arena_free) struct arena *arena = arena_new();
    c->arena = arena;
    int refused = instructions_lint(json_object_get(params, "steps"), check_note, c);
    if (c->count)
        qsort(c->lines, (size_t)c->count, sizeof *c->lines, by_place);
    for (int i = 0; i < c->count; i++)
        printf("%s:%d:%d: %s\n", c->name, c->lines[i].at.line, c->lines[i].at.column, c->lines[i].text);
    free(c->lines);
    fprintf(stderr, "%s: %d refused, %d done otherwise than by the hosted service\n", c->name, refused, c->differs);
    return refused > 0;
}

static int check_template(struct admin *a, struct err *err)
{
    AUTO(json_unref) json_t *content = admin_template(a, a->words[1], err);

    if (!content)
        return -1;
    AUTO(mem_free) char *text = json_dumps(content, JSON_INDENT(2));
    struct check c = {.name = a->words[1], .text = text, .len = strlen(text)};
    return check_text(&c);
}

static int check_file(const char *path)
{
    AUTO(str_done) struct str text = {0};
    struct err err;

    if (json_file(&text, path, &err) < 0)
        return admin_fail(&err), EXIT_USAGE;
    struct check c = {.name = strcmp(path, "-") ? path : "stdin", .text = text.s, .len = text.len};
    return check_text(&c);
}

int command_check(int argc, char **argv)
{
    static const struct verb verbs[] = {{"template", 1, 1, false, check_template}, {0}};
    char *words[64] = {argv[0], "template"};

    bool is_file = argc > 1 && (!strcmp(argv[1], "-") || access(argv[1], F_OK) == 0);

    if (argc < 2 || argc > 60 || (is_file && argc > 2)) {
        command_usage("check", stderr);
        return EXIT_USAGE;
    }
    if (is_file)
        return check_file(argv[1]);
    memcpy(words + 2, argv + 1, (size_t)(argc - 1) * sizeof *argv);
    return admin_run("check", verbs, argc + 1, words);
}
