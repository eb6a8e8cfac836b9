#include "transfer/ftp_list.h"

#include <string.h>
#include <strings.h>

/* ---- MLSD ---- */

static bool is_fact(const char *fact, size_t len, const char *name)
{
    size_t n = strlen(name);

    return len > n && fact[n] == '=' && !strncasecmp(fact, name, n);
}

static bool is_value(const char *value, size_t len, const char *what)
{
    return len == strlen(what) && !strncasecmp(value, what, len);
}

/* "type=file;size=5; a name" */
int ftp_list_mlsd(struct ftp_entry *out, const char *line, size_t len)
{
    const char *end = line + len, *space = memchr(line, ' ', len);
    bool typed = false;

    if (!len)
        return 0;
    if (!space || space + 1 == end)
        return -1;
    *out =
        (struct ftp_entry){.kind = WALK_OTHER, .name = space + 1, .len = (size_t)(end - space - 1)};
    for (const char *at = line; at < space;) {
        const char *semicolon = memchr(at, ';', (size_t)(space - at));
        size_t n = (size_t)((semicolon ? semicolon : space) - at);

        if (is_fact(at, n, "type")) {
            typed = true;
            if (is_value(at + 5, n - 5, "file"))
                out->kind = WALK_FILE;
            else if (is_value(at + 5, n - 5, "dir"))
                out->kind = WALK_DIRECTORY;
            else if (is_value(at + 5, n - 5, "cdir") || is_value(at + 5, n - 5, "pdir"))
                return 0;
        }
        at += n + 1;
    }
    return typed ? 1 : -1;
}

/* ---- LIST ---- */

struct words {
    const char *at, *end;
};

/* The next word; of length 0 at the end. */
static size_t next_word(const char **word, struct words *w)
{
    while (w->at < w->end && (*w->at == ' ' || *w->at == '\t'))
        w->at++;
    *word = w->at;
    while (w->at < w->end && *w->at != ' ' && *w->at != '\t')
        w->at++;
    return (size_t)(w->at - *word);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Digits where the pattern has 9, else its characters. */
static bool looks_like(const char *s, size_t len, const char *pattern)
{
    if (len != strlen(pattern))
        return false;
    for (size_t i = 0; i < len; i++)
        if (pattern[i] == '9' ? !is_digit(s[i]) : s[i] != pattern[i])
            return false;
    return true;
}

static bool is_month(const char *s, size_t len)
{
    static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (const char *m = months; len == 3 && *m; m += 3)
        if (!strncasecmp(s, m, 3))
            return true;
    return false;
}

static bool is_day(const char *s, size_t len)
{
    return looks_like(s, len, "9") || looks_like(s, len, "99");
}

static bool is_time_or_year(const char *s, size_t len)
{
    return looks_like(s, len, "9999") || looks_like(s, len, "99:99") ||
           looks_like(s, len, "9:99") || looks_like(s, len, "99:99:99");
}

/* Behind "Jan 31 12:00" or "2031-01-31 12:00", wherever that begins: whether there is a group, and
 * what it is called, nobody knows. NULL: there is no date. */
static const char *behind_date(struct words w)
{
    const char *word;
    size_t n;

    while ((n = next_word(&word, &w))) {
        struct words rest = w;
        const char *day, *time;
        size_t d = next_word(&day, &rest);

        if (looks_like(word, n, "9999-99-99") && is_time_or_year(day, d))
            return rest.at;
        size_t t = next_word(&time, &rest);
        if ((is_month(word, n) && is_day(day, d) && is_time_or_year(time, t)) ||
            (is_day(word, n) && is_month(day, d) && is_time_or_year(time, t)))
            return rest.at;
    }
    return NULL;
}

/* "-rw-r--r--   1 user group   5 Jan 31 12:00 a name" */
static int unix_line(struct ftp_entry *out, const char *line, size_t len)
{
    struct words w = {line, line + len};
    const char *mode, *name;

    if (next_word(&mode, &w) < 10 || !strchr("-dlbcpsD", *mode))
        return -1;
    for (int i = 1; i < 10; i++)
        if (!strchr("-rwxsStTl", mode[i]))
            return -1;
    name = behind_date(w);
    if (!name || name >= line + len ||
        ++name >= line + len) /* one blank: a name may begin with others */
        return -1;
    *out = (struct ftp_entry){.kind = *mode == '-'   ? WALK_FILE
                                      : *mode == 'd' ? WALK_DIRECTORY
                                                     : WALK_OTHER,
                              .name = name,
                              .len = (size_t)(line + len - name)};
    const char *arrow = *mode == 'l' ? memmem(name, out->len, " -> ", 4) : NULL;
    if (arrow && arrow > name)
        out->len = (size_t)(arrow - name);
    return 1;
}

static bool is_dos_date(const char *s, size_t len)
{
    return looks_like(s, len, "99-99-99") || looks_like(s, len, "99-99-9999");
}

static bool is_dos_time(const char *s, size_t len)
{
    return looks_like(s, len, "99:99AM") || looks_like(s, len, "99:99PM") ||
           looks_like(s, len, "99:99");
}

/* "01-31-31  12:00PM       <DIR>          a name" */
static int dos_line(struct ftp_entry *out, const char *line, size_t len)
{
    struct words w = {line, line + len};
    const char *word;
    size_t n = next_word(&word, &w);

    if (!is_dos_date(word, n))
        return -1;
    n = next_word(&word, &w);
    if (!is_dos_time(word, n))
        return -1;
    n = next_word(&word, &w);
    bool dir = n == 5 && !strncasecmp(word, "<DIR>", 5);
    bool file = n > 0;
    for (size_t i = 0; i < n; i++)
        file = file && is_digit(word[i]);
    /* a directory's name has ten blanks before it, a file's one */
    for (int blanks = dir ? 10 : 1; w.at < w.end && *w.at == ' ' && blanks; blanks--)
        w.at++;
    if (w.at == w.end)
        return -1;
    *out = (struct ftp_entry){.kind = dir    ? WALK_DIRECTORY
                                      : file ? WALK_FILE
                                             : WALK_OTHER,
                              .name = w.at,
                              .len = (size_t)(w.end - w.at)};
    return 1;
}

int ftp_list_line(struct ftp_entry *out, const char *line, size_t len)
{
    struct words w = {line, line + len};
    const char *word;
    size_t n = next_word(&word, &w);

    if (!n || (n == 5 && !strncasecmp(word, "total", 5)))
        return 0;
    return is_digit(*word) ? dos_line(out, line, len) : unix_line(out, line, len);
}
