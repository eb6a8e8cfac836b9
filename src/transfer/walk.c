#include "transfer/walk.h"

#include <stdio.h>
#include <string.h>

#define ENTRIES_MOST 200000
#define BYTES_MOST (32 << 20)
#define PAUSE_MS 500

/* ---- bytes and text ---- */

enum { AREA = 0xf700, AREA_FROM = 0xf780, AREA_TO = 0xf7ff };

/* U+F780 to U+F7FF are EF 9E 80 to EF 9F BF. */
static bool is_in_area(const unsigned char *p)
{
    return p[0] == 0xef && (p[1] == 0x9e || p[1] == 0x9f);
}

static void put_byte(struct str *out, unsigned char c)
{
    unsigned u = AREA + c;
    const char utf8[] = {(char)(0xe0 | u >> 12), (char)(0x80 | (u >> 6 & 0x3f)),
                         (char)(0x80 | (u & 0x3f))};

    str_add(out, utf8, sizeof utf8);
}

char *walk_place(const char *path, size_t len)
{
    AUTO(str_done) struct str out = {0};

    for (size_t i = 0, n; i < len; i += n) {
        const unsigned char *p = (const unsigned char *)path + i;

        n = utf8_length(path + i, len - i);
        if (n && !(n == 3 && is_in_area(p))) {
            str_add(&out, p, n);
            continue;
        }
        n = n ? n : 1;
        for (size_t k = 0; k < n; k++)
            put_byte(&out, p[k]);
    }
    return str_take(&out);
}

char *walk_path(const char *place)
{
    AUTO(str_done) struct str out = {0};

    for (const unsigned char *p = (const unsigned char *)place; *p;) {
        if (is_in_area(p) && p[2]) {
            str_putc(&out, (char)(((p[1] & 0x3f) << 6 | (p[2] & 0x3f)) & 0xff));
            p += 3;
        } else {
            str_putc(&out, (char)*p++);
        }
    }
    return str_take(&out);
}

const char *walk_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* ---- the walk ---- */

static void forget_from(struct walk *w, size_t count)
{
    while (w->count > count)
        free(w->dirs[--w->count]);
}

void walk_done(struct walk *w)
{
    forget_from(w, 0);
    free(w->dirs);
    w->dirs = NULL;
    w->cap = 0;
}

static void push(struct walk *w, char *dir)
{
    if (w->count == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 16;
        w->dirs = mem_realloc(w->dirs, w->cap * sizeof *w->dirs);
    }
    w->dirs[w->count++] = dir;
}

/* The directory to list now; the caller frees. NULL: there is none. */
static char *next_directory(struct walk *w, const struct remote_page *page)
{
    if (!page->after) {
        forget_from(w, 0);
        w->seen = w->bytes = 0;
        push(w, walk_path(page->place));
    }
    if (!w->count)
        return NULL;
    w->count--;
    return take(w->dirs[w->count]);
}

int walk_list(struct walk *w, struct remote_page *page, walk_read *read, void *ctx, struct err *err)
{
    AUTO(mem_free) char *dir = next_directory(w, page);
    size_t count = w->count, seen = w->seen, bytes = w->bytes;

    for (int attempt = 1; dir; attempt++) {
        bool again = false;

        if (read(ctx, dir, page, &again, err) == 0)
            break;
        forget_from(w, count);
        w->seen = seen;
        w->bytes = bytes;
        json_array_clear(page->places);
        if (!again || attempt == REMOTE_ATTEMPTS)
            return -1;
        remote_pause(w->job, attempt, PAUSE_MS);
    }
    if (w->count)
        page->next = mem_printf("%lld", (long long)++w->page);
    return 0;
}

static int depth_of(const char *dir)
{
    int n = 0;

    for (; *dir; dir++)
        n += *dir == '/';
    return n;
}

static int too_much(const struct walk *w, const char *dir, const char *what, struct err *err)
{
    AUTO(mem_free) char *shown = walk_place(dir, strlen(dir));

    return remote_fail(w->job, REMOTE_FAILED, err, "'%.150s' at '%.100s' %s", shown, w->host, what);
}

int walk_add(struct walk *w, struct remote_page *page, const char *dir, const char *name,
             size_t len, enum walk_kind kind, struct err *err)
{
    size_t all = strlen(dir) + len;

    if (++w->seen > ENTRIES_MOST || (w->bytes += all) > BYTES_MOST)
        return too_much(w, dir, "holds more entries than are looked at", err);
    if (!len || (len <= 2 && !strncmp(name, "..", len)))
        return 0;
    if (memchr(name, '/', len) || memchr(name, 0, len))
        return too_much(w, dir, "holds a name with a slash in it: no honest server says that", err);
    if (kind == WALK_OTHER || (kind == WALK_DIRECTORY && !w->recursive))
        return 0;
    if (all + 1 > WALK_PATH_MOST)
        return too_much(w, dir, "holds a path that is too long", err);
    AUTO(mem_free)
    char *path = mem_printf("%s%.*s%s", dir, (int)len, name, kind == WALK_DIRECTORY ? "/" : "");
    if (kind == WALK_DIRECTORY) {
        if (depth_of(path) > WALK_DEPTH_MOST)
            return too_much(w, dir, "holds directories that are too deep", err);
        push(w, take(path));
        return 0;
    }
    if (json_array_size(page->places) > REMOTE_IMPORT_MAX)
        return 0; /* one too many is said when it is imported */
    AUTO(mem_free) char *place = walk_place(path, strlen(path));
    json_array_append_new(page->places, json_string(place));
    return 0;
}
