#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(struct str *b, size_t more)
{
    if (b->len + more + 1 <= b->cap)
        return;
    size_t cap = b->cap ? b->cap * 2 : 64;
    if (cap < b->len + more + 1)
        cap = b->len + more + 1;
    b->s = mem_realloc(b->s, cap);
    b->cap = cap;
}

void str_add(struct str *b, const void *data, size_t len)
{
    reserve(b, len);
    if (len)
        memcpy(b->s + b->len, data, len);
    b->len += len;
    b->s[b->len] = 0;
}

void str_puts(struct str *b, const char *s) { str_add(b, s, strlen(s)); }
void str_room(struct str *b, size_t bytes) { reserve(b, bytes); }

void str_addf(struct str *b, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    reserve(b, 63); /* most fit at once */
    size_t room = b->cap - b->len;
    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(b->s + b->len, room, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n >= room) {
        reserve(b, (size_t)n);
        vsnprintf(b->s + b->len, (size_t)n + 1, fmt, again);
    }
    b->len += n > 0 ? (size_t)n : 0;
    b->s[b->len] = 0;
    va_end(again);
}

void str_add_int(struct str *b, int64_t v)
{
    char text[20], *at = text + sizeof text;
    uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;

    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (v < 0)
        str_putc(b, '-');
    str_add(b, at, (size_t)(text + sizeof text - at));
}

/* Length of the valid UTF-8 sequence at s, or 0. */
static size_t utf8_seq(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : s[0] >= 0xC2 ? 2 : 0;
    if (!n || s[0] > 0xF4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] >= 0xA0) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] >= 0x90))
        return 0;
    return n;
}

size_t utf8_length(const char *s, size_t left) { return left ? utf8_seq((const unsigned char *)s, left) : 0; }

bool utf8_valid(const char *s, size_t len)
{
    for (size_t i = 0, n; i < len; i += n)
        if (!(n = utf8_seq((const unsigned char *)s + i, len - i)))
            return false;
    return true;
}

void str_add_utf8(struct str *b, const char *s, size_t len)
{
    for (size_t i = 0, n; i < len; i += n ? n : 1) {
        n = s[i] ? utf8_length(s + i, len - i) : 0;
        str_add(b, n ? s + i : "\xEF\xBF\xBD", n ? n : 3);
    }
}

static void add_utf8(struct str *b, unsigned c)
{
    if (c < 0x80) {
        str_putc(b, (char)c);
        return;
    }
    if (c >= 0x800)
        str_putc(b, (char)(0xE0 | c >> 12));
    str_putc(b, (char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3F) : 0xC0 | c >> 6));
    str_putc(b, (char)(0x80 | (c & 0x3F)));
}

/* Does s, short of its last character, hold non-ASCII that is all valid UTF-8? Then *len is without the rest. */
static bool cut_utf8(const char *s, size_t *len)
{
    bool wide = false;
    size_t i = 0, n;

    for (; i < *len && (n = utf8_seq((const unsigned char *)s + i, *len - i)); i += n)
        wide = wide || n > 1;
    unsigned char lead = i < *len ? (unsigned char)s[i] : 0;
    size_t whole = lead < 0xC2 || lead > 0xF4 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (!wide || *len - i >= whole)
        return false;
    for (size_t k = i + 1; k < *len; k++)
        if (((unsigned char)s[k] & 0xC0) != 0x80)
            return false;
    *len = i;
    return true;
}

char *utf8_from_unknown(const char *s, size_t len)
{
    static const uint16_t upper[32] = {/* 0x80 to 0x9F of Windows-1252; five are not assigned */
                                       0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                       0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                       0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                       0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};
    struct str out = {0};

    if (utf8_valid(s, len) || cut_utf8(s, &len))
        return mem_strndup(s, len);
    for (size_t i = 0; i < len; i++) {
        unsigned c = (unsigned char)s[i];

        add_utf8(&out, c >= 0x80 && c < 0xA0 ? upper[c - 0x80] : c);
    }
    return str_take(&out);
}

/* A character of json.c's own at s, which stands for what UTF-8 can't say? Returns its bytes, 0: it is
 * an ordinary one. */
static size_t str_add_kept(struct str *b, const unsigned char *s, size_t left)
{
    uint32_t c;

    if (left < 4 || s[0] != 0xF4 || s[1] != 0x8D)
        return 0;
    c = 0x10D000u | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
    if (c < 0x10D7FE)
        return 0;
    if (c == 0x10D7FE && left >= 8 && s[4] == 0xF4 && s[5] == 0x8D) {
        /* the next one is meant as it is; as an escape, so that no text of ours has such a character
         * in another sense */
        c = (0x10D000u | (s[6] & 0x3Fu) << 6 | (s[7] & 0x3Fu)) - 0x10000;
        str_addf(b, "\\u%04x\\u%04x", 0xD800 | c >> 10, 0xDC00 | (c & 0x3FF));
        return 8;
    }
    if (c == 0x10D7FE)
        return 0;
    str_addf(b, "\\u%04x", c == 0x10D7FF ? 0 : (unsigned)(c - 0x100000));
    return 4;
}

/* Of s, how many bytes at its beginning stand in a JSON string as they are. */
static size_t plain(const unsigned char *s, size_t len)
{
    const uint64_t ones = 0x0101010101010101, tops = ones << 7;
    size_t n = 0;

    /* eight at a time: no top bit, none below 0x20, neither mark */
    for (uint64_t w; len - n >= sizeof w; n += sizeof w) {
        memcpy(&w, s + n, sizeof w);
        uint64_t quote = w ^ ones * '"', back = w ^ ones * '\\';

        if (((w | (w - ones * 0x20) | (quote - ones) | (back - ones)) & tops))
            break;
    }
    while (n < len && s[n] >= 0x20 && s[n] < 0x80 && s[n] != '"' && s[n] != '\\')
        n++;
    return n;
}

void str_add_json(struct str *b, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    if (!s) {
        str_add(b, "null", 4);
        return;
    }
    size_t left = strlen(text);
    reserve(b, left + 2);
    str_putc(b, '"');
    while (left) {
        size_t n = plain(s, left), kept;

        if (n) {
            str_add(b, s, n);
            s += n;
            left -= n;
            continue;
        }
        n = utf8_seq(s, left);

        if (!n) {
            str_add(b, "\xEF\xBF\xBD", 3);
            n = 1;
        } else if (n == 4 && (kept = str_add_kept(b, s, left))) {
            n = kept;
        } else if (*s == '"' || *s == '\\') {
            char esc[2] = {'\\', (char)*s};
            str_add(b, esc, 2);
        } else if (*s == '\n') {
            str_add(b, "\\n", 2);
        } else if (*s < 0x20) {
            str_addf(b, "\\u%04x", *s);
        } else {
            str_add(b, s, n);
        }
        s += n;
        left -= n;
    }
    str_putc(b, '"');
}

void str_add_json_key(struct str *b, const char *name)
{
    size_t len = strlen(name);

    if (b->len && b->s[b->len - 1] != '{')
        str_putc(b, ',');
    if (plain((const unsigned char *)name, len) == len) {
        reserve(b, len + 3);
        char *at = b->s + b->len;
        *at++ = '"';
        memcpy(at, name, len);
        memcpy(at + len, "\":", 3); /* and its NUL */
        b->len += len + 3;
    } else {
        str_add_json(b, name);
        str_putc(b, ':');
    }
}

void str_add_urlencoded(struct str *b, const char *s, const char *keep)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (isalnum(c) || strchr("-_.~", c) || strchr(keep, c))
            str_putc(b, (char)c);
        else
            str_addf(b, "%%%02X", c);
    }
}

void str_reset(struct str *b)
{
    b->len = 0;
    if (b->s)
        b->s[0] = 0;
}

void str_done(struct str b) { free(b.s); }

char *str_take(struct str *b)
{
    char *s = b->s ? b->s : mem_strdup("");

    *b = (struct str){0};
    return s;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

ptrdiff_t url_decode(char *s, size_t len, bool plus_is_space)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '%') {
            if (i + 2 >= len || hex_value(s[i + 1]) < 0 || hex_value(s[i + 2]) < 0)
                return -1;
            s[out++] = (char)(hex_value(s[i + 1]) * 16 + hex_value(s[i + 2]));
            i += 2;
        } else {
            s[out++] = s[i] == '+' && plus_is_space ? ' ' : s[i];
        }
    }
    return (ptrdiff_t)out;
}

ptrdiff_t base64_decode(unsigned char *out, const char *s, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int have = 0;
    ptrdiff_t n = 0;

    while (len && s[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        const char *d = s[i] ? strchr(digits, s[i]) : NULL;

        if (!d)
            return -1;
        bits = bits << 6 | (uint32_t)(d - digits);
        if ((have += 6) >= 8)
            out[n++] = (unsigned char)(bits >> (have -= 8));
    }
    return len % 4 == 1 ? -1 : n;
}

void hex_encode(char *out, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * len] = 0;
}

bool hex_is(const char *s, size_t digits)
{
    size_t i = 0;

    for (; s[i]; i++)
        if (i == digits || !((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
            return false;
    return i == digits;
}

bool str_starts(const char *s, const char *prefix) { return !strncmp(s, prefix, strlen(prefix)); }

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && !strcmp(s + n - m, suffix);
}

void str_file_name(char out[static 256], const char *name)
{
    const char *slash = strrchr(name, '/'), *back = strrchr(name, '\\');
    const char *s = slash && (!back || slash > back) ? slash + 1 : back ? back + 1 : name;
    size_t n = 0;

    for (; *s && n < 255; s++)
        if ((unsigned char)*s >= 0x20 && *s != 0x7f)
            out[n++] = *s;
    while (n && !utf8_valid(out, n) && (out[n - 1] & 0x80))
        n--; /* a character cut in two by the limit */
    out[n] = 0;
    if (!n || !strcmp(out, ".") || !strcmp(out, ".."))
        strcpy(out, "unnamed");
}

void str_add_double(struct str *b, double v)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    str_puts(b, text);
    if (!strpbrk(text, ".e"))
        str_puts(b, ".0"); /* a double stays one when it is read again */
}
