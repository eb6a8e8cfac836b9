/* `workcell check`: what this server would say of Assembly Instructions, and where it stands in
 * them. */
#include "admin.h"
#include "assembly/check_text.h"
#include "base/json.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#define SHOWN_COLUMNS 100 /* of a line */
#define SHOWN_BEFORE 60   /* of them before what is shown, where the line is longer */

/* ---- the line itself, with a caret below ---- */

/* The character at p as a terminal may have it: what would move the cursor, turn the direction of
 * writing, or is no text at all becomes U+FFFD. Its columns in *columns. */
static size_t shown_char(struct str *to, const char *p, const char *end, int *columns)
{
    size_t n = (unsigned char)*p < 0x80 ? 1 : utf8_length(p, (size_t)(end - p));
    mbstate_t state = {0};
    wchar_t c = 0;

    *columns = 1;
    if (*p == '\t') {
        str_putc(to, ' ');
        return 1;
    }
    if (n && mbrtowc(&c, p, n, &state) == n && iswprint((wint_t)c) && wcwidth(c) >= 0 &&
        !(c >= 0x200b && c <= 0x200f) && !(c >= 0x202a && c <= 0x202e) &&
        !(c >= 0x2060 && c <= 0x206f) && c != 0xfeff) {
        *columns = wcwidth(c);
        str_add(to, p, n);
        return n;
    }
    str_puts(to, "\xef\xbf\xbd");
    return n ? n : 1;
}

static int columns_of(const char *from, const char *to)
{
    AUTO(str_done) struct str none = {0};
    int all = 0, one;

    for (const char *p = from; p < to;) {
        p += shown_char(&none, p, to, &one);
        all += one;
        str_reset(&none);
    }
    return all;
}

static void show_text(const char *text)
{
    AUTO(str_done) struct str b = {0};
    const char *end = text + strlen(text);
    int ignored;

    while (text < end)
        text += shown_char(&b, text, end, &ignored);
    fwrite(b.s ? b.s : "", 1, b.len, stdout);
}

/* Of a long line the part around the place. */
static void show_line(const struct check_lines *c, const struct check_line *l)
{
    const char *at = c->text + l->at, *end = c->text + c->len, *from = at, *to = at, *p;
    AUTO(str_done) struct str line = {0};
    int column = 0, wide = 0, one;

    while (from > c->text && from[-1] != '\n' && at - from < SHOWN_BEFORE * 4)
        from--;
    while (from < at && (*from & 0xc0) == 0x80)
        from++;
    bool cut = from > c->text && from[-1] != '\n';
    for (p = from; p < at && columns_of(p, at) > SHOWN_BEFORE; cut = true)
        p += (size_t)shown_char(&line, p, at, &one);
    str_reset(&line);
    while (to < end && *to != '\n' && *to != '\r')
        to++;
    str_puts(&line, cut ? "..." : "");
    column = wide = cut ? 3 : 0;
    for (; p < to && wide < SHOWN_COLUMNS && line.len < 8 * SHOWN_COLUMNS; wide += one) {
        bool before = p < at;

        p += shown_char(&line, p, to, &one);
        column += before ? one : 0;
    }
    int marks = l->len && at < to ? columns_of(at, at + l->len < to ? at + l->len : to) : 1;
    if (marks > SHOWN_COLUMNS - column)
        marks = SHOWN_COLUMNS - column;
    printf("%7d | %s%s\n        | %*s^", l->line, line.s, p < to ? "..." : "", column, "");
    for (int i = 1; i < marks; i++)
        putchar('~');
    if (l->help) {
        putchar(' ');
        show_text(l->help);
    }
    putchar('\n');
}

static void show_lines(const struct check_lines *c, const char *name)
{
    for (int i = 0; i < c->count; i++) {
        const struct check_line *l = &c->v[i];

        printf("%s:%d:%d: %s: ", name, l->line, l->column, check_kind_name(l->kind));
        if (l->step) {
            printf("step '");
            show_text(l->step);
            printf("': ");
        }
        show_text(l->text);
        if (*l->code)
            printf(" [%s]", l->code);
        putchar('\n');
        bool same = i + 1 < c->count && l[1].line == l->line && !strcmp(l[1].text, l->text);
        if (!same) /* of equal ones in a line, the line once */
            show_line(c, l);
    }
}

/* ---- the command ---- */

static int check_show(const char *name, const char *text, size_t len)
{
    struct check_lines c;
    AUTO(json_unref) json_t *params = check_read(&c, text, len);

    setlocale(LC_CTYPE, "C.UTF-8");
    bool was_json = !c.of_kind[CHECK_REFUSED];
    if (params)
        check_steps(&c, params);
    check_sort(&c);
    show_lines(&c, name);
    int refused = c.of_kind[CHECK_REFUSED];
    fflush(stdout);
    if (!c.count)
        fprintf(stderr, "%s: the server would take it\n", name);
    else
        fprintf(stderr, "%s: %d refused, %d done otherwise than by the hosted service%s\n", name,
                refused, c.of_kind[CHECK_DIFFERS],
                c.gave_up   ? "; there may be more"
                : !was_json ? "; read as it was probably meant"
                            : "");
    check_done(&c);
    return refused > 0;
}

static int check_template(struct admin *a, struct err *err)
{
    AUTO(json_unref) json_t *content = admin_template(a, a->words[1], err);

    if (!content)
        return -1;
    AUTO(mem_free) char *text = json_dumps(content, JSON_INDENT(2));
    return check_show(a->words[1], text, strlen(text));
}

static int check_file(const char *path)
{
    AUTO(str_done) struct str text = {0};
    struct err err;

    if (json_file(&text, path, &err) < 0)
        return admin_fail(&err), EXIT_USAGE;
    return check_show(strcmp(path, "-") ? path : "stdin", text.s, text.len);
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
