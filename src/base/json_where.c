/* Where in a JSON text a value stands: for people who look for what is wrong with it. */
#include "base/json.h"

#include <string.h>

struct where {
    const char *p, *end;
};

static void where_blanks(struct where *w)
{
    while (w->p < w->end && strchr(" \t\r\n", *w->p) && *w->p)
        w->p++;
}

static void where_text(struct where *w)
{
    for (w->p++; w->p < w->end && *w->p != '"'; w->p++)
        w->p += *w->p == '\\' && w->p + 1 < w->end;
    w->p += w->p < w->end;
}

/* Past the value that begins here. */
static void where_skip(struct where *w)
{
    int depth = 0;

    do {
        where_blanks(w);
        if (w->p == w->end)
            return;
        if (*w->p == '"') {
            where_text(w);
        } else if (strchr("{[", *w->p)) {
            depth++;
            w->p++;
        } else if (strchr("}]", *w->p)) {
            depth--;
            w->p++;
        } else if (strchr(",:", *w->p)) {
            w->p++;
        } else {
            while (w->p < w->end && !strchr(" \t\r\n,:{}[]\"", *w->p))
                w->p++;
        }
        where_blanks(w);
    } while (depth > 0);
}

static bool where_is(const char *name, const char *from, const char *to)
{
    AUTO(json_unref) json_t *said = json_loadb(from, (size_t)(to - from), JSON_DECODE_ANY, NULL);

    return said && !strcmp(json_string_value(said), name);
}

/* In the object that begins at `at`: where the last member of that name, and its value, stand. */
static bool where_member(const char **key, const char **value, const char *at, const char *end, const char *name)
{
    struct where w = {at, end};
    bool found = false;

    where_blanks(&w);
    if (w.p == end || *w.p != '{')
        return false;
    w.p++;
    for (where_blanks(&w); w.p < end && *w.p == '"'; where_blanks(&w)) {
        const char *from = w.p;

        where_text(&w);
        bool same = where_is(name, from, w.p);
        where_blanks(&w);
        w.p += w.p < end; /* the colon */
        where_blanks(&w);
        if (same) {
            *key = from;
            *value = w.p;
            found = true;
        }
        where_skip(&w);
        if (w.p < end && *w.p == ',')
            w.p++;
    }
    return found;
}

bool json_where(struct json_place *at, const char *text, size_t len, const char *const *path, bool key)
{
    const char *end = text + len, *name = text, *value = text;
    bool found = true;

    for (; *path && (found = where_member(&name, &value, value, end, *path)); path++)
        ;
    const char *p = key || !found ? name : value;
    *at = (struct json_place){1, 1, (size_t)(p - text)};
    for (const char *c = text; c < p; c++) {
        at->column += (*c & 0xc0) != 0x80;
        if (*c == '\n')
            *at = (struct json_place){at->line + 1, 1, at->at};
    }
    return found;
}
