#include "media/archive_name.h"
#include "base/map.h"
#include "base/str.h"

#include <iconv.h>
#include <string.h>

/* ---- character sets ---- */

/* NULL: it is not that. */
static char *decoded(const char *charset, const char *raw, size_t len)
{
    iconv_t cd = iconv_open("UTF-8", charset);
    size_t room = len * 4 + 1, left = room;
    char *out = mem_alloc(room + 1), *to = out, *from = (char *)raw;
    bool ok = cd != (iconv_t)-1 && iconv(cd, &from, &len, &to, &left) != (size_t)-1 && !len;

    if (cd != (iconv_t)-1)
        iconv_close(cd);
    if (!ok) {
        free(out);
        return NULL;
    }
    *to = 0;
    return out;
}

/* Code point of the valid UTF-8 at s. */
static unsigned code_point(const unsigned char *s)
{
    return *s < 0x80   ? *s
           : *s < 0xE0 ? (*s & 0x1Fu) << 6 | (s[1] & 0x3Fu)
           : *s < 0xF0 ? (*s & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu)
                       : 0x10000;
}

/* Western names of CP437 have pairs of bytes that are a kanji, too ("oess" in "Groesse" with its umlauts). So it
 * counts as Japanese when there is kana, or kanji is the most of it, and nothing else from outside ASCII but
 * punctuation. */
static bool is_japanese(const char *text)
{
    int kana = 0, kanji = 0, letters = 0;

    for (const unsigned char *s = (const unsigned char *)text; *s; s += utf8_length((const char *)s, 4)) {
        unsigned c = code_point(s);

        if (c >= 0x3041 && c <= 0x30FE)
            kana++;
        else if (c >= 0x4E00 && c <= 0x9FFF)
            kanji++;
        else if (c >= 0x80 && !(c >= 0x3000 && c <= 0x303F) && !(c >= 0xFF00 && c <= 0xFF5E))
            return false;
        else if ((c | 32) >= 'a' && (c | 32) <= 'z')
            letters++;
    }
    return kana || (kanji > 1 && kanji * 2 > letters);
}

char *archive_name_text(const char *raw, size_t len)
{
    if (utf8_valid(raw, len))
        return mem_strndup(raw, len);
    char *text = decoded("CP932", raw, len);
    if (text && is_japanese(text))
        return text;
    free(text);
    return (text = decoded("CP437", raw, len)) ? text : utf8_from_unknown(raw, len);
}

/* ---- paths ---- */

static bool is_drive(const char *s)
{
    return ((*s | 32) >= 'a' && (*s | 32) <= 'z') && s[1] == ':' && s[2] && strchr("/\\", s[2]);
}

/* The next name of a path, not empty; NULL: there is none. */
static const char *next_name(size_t *len, const char *at)
{
    at += strspn(at, "/\\");
    *len = strcspn(at, "/\\");
    return *len ? at : NULL;
}

static bool says(const char *name, size_t len, const char *what)
{
    return len == strlen(what) && !memcmp(name, what, len);
}

enum archive_path archive_path_clean(char **out, int *depth, const char *path)
{
    AUTO(str_done) struct str clean = {0};
    size_t len;

    *out = NULL;
    *depth = 0;
    if (*path == '/' || *path == '\\' || is_drive(path))
        return ARCHIVE_PATH_ABSOLUTE;
    for (const char *s = path; (s = next_name(&len, s)); s += len) {
        char name[256];

        if (says(s, len, ".."))
            return ARCHIVE_PATH_UP;
        if (says(s, len, "."))
            continue;
        AUTO(mem_free) char *one = mem_strndup(s, len);
        str_file_name(name, one);
        str_addf(&clean, "%s%s", clean.len ? "/" : "", name);
        ++*depth;
        if (clean.len > ARCHIVE_PATH_MAX)
            return ARCHIVE_PATH_LONG;
    }
    if (!clean.len)
        str_puts(&clean, "unnamed");
    *out = str_take(&clean);
    return ARCHIVE_PATH_GOOD;
}

bool archive_link_stays(const char *path, const char *target)
{
    int depth = 0;
    size_t len;

    if (*target == '/' || *target == '\\' || is_drive(target))
        return false;
    for (const char *s = path; (s = strchr(s, '/')); s++)
        depth++;
    for (const char *s = target; (s = next_name(&len, s)); s += len)
        if (says(s, len, "..") ? --depth < 0 : !says(s, len, ".") && ++depth < 0)
            return false;
    return true;
}

/* ---- names that differ ---- */

struct archive_names {
    struct map taken;   /* paths of files and of directories; the value is not looked at */
    struct map numbers; /* by path: how far its numbers have gone, as a pointer */
};

struct archive_names *archive_names_new(void) { return mem_zalloc(sizeof(struct archive_names)); }

void archive_names_free(struct archive_names *n)
{
    if (!n)
        return;
    map_done(&n->taken);
    map_done(&n->numbers);
    free(n);
}

void archive_names_expect(struct archive_names *n, const char *path)
{
    for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
        AUTO(mem_free) char *dir = mem_strndup(path, (size_t)(slash - path));

        map_put(&n->taken, dir, n);
    }
}

/* "a/b.tar.gz" and 2: "a/b_2.tar.gz" would be guessing; "a/b.tar_2.gz" it is, as of any other extension. */
static char *numbered(const char *path, size_t number)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    size_t stem = dot && dot > name ? (size_t)(dot - path) : strlen(path);

    return mem_printf("%.*s_%zu%s", (int)stem, path, number, path + stem);
}

char *archive_names_pick(struct archive_names *n, const char *path)
{
    char *name = mem_strdup(path);

    while (map_get(&n->taken, name)) {
        size_t number = (size_t)map_get(&n->numbers, path) + 1;

        map_put(&n->numbers, path, (void *)number);
        free(name);
        name = numbered(path, number);
    }
    map_put(&n->taken, name, n);
    return name;
}
