#include "media/subtitles_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { COLORS_DEEP = 8, TAG_MAX = 200 };

static const char *const colors[][2] = {
    {"white", "ffffff"}, {"black", "000000"},   {"red", "ff0000"},     {"lime", "00ff00"},
    {"green", "008000"}, {"blue", "0000ff"},    {"yellow", "ffff00"},  {"cyan", "00ffff"},
    {"aqua", "00ffff"},  {"magenta", "ff00ff"}, {"fuchsia", "ff00ff"}, {"silver", "c0c0c0"},
    {"gray", "808080"},  {"grey", "808080"},    {"orange", "ffa500"},  {"pink", "ffc0cb"},
};

struct scan {
    struct cue *c;
    struct str out;
    bool vtt;
    int depth[4];               /* of italic, bold, underline, strike */
    char color[COLORS_DEEP][7]; /* "": the usual one */
    int color_depth;            /* entries that are open; those beyond COLORS_DEEP have no effect */
};

/* ---- styles ---- */

static void open_style(struct scan *s, int which)
{
    if (!s->depth[which]++)
        str_putc(&s->out, (char)(MARK_ITALIC + 2 * which));
}

static void close_style(struct scan *s, int which)
{
    if (s->depth[which] && !--s->depth[which])
        str_putc(&s->out, (char)(MARK_ITALIC_END + 2 * which));
}

static const char *current_color(const struct scan *s)
{
    int n = s->color_depth > COLORS_DEEP ? COLORS_DEEP : s->color_depth;

    return n ? s->color[n - 1] : "";
}

static void say_color(struct scan *s, const char *before)
{
    const char *now = current_color(s);

    if (!strcmp(before, now))
        return;
    if (!*now) {
        str_putc(&s->out, MARK_COLOR_END);
        return;
    }
    str_putc(&s->out, MARK_COLOR);
    str_puts(&s->out, now);
}

/* "" : as before. */
static void open_color(struct scan *s, const char hex[static 7])
{
    char before[7];

    memcpy(before, current_color(s), strlen(current_color(s)) + 1);
    if (s->color_depth < COLORS_DEEP)
        memcpy(s->color[s->color_depth], *hex ? hex : before, 7);
    s->color_depth++;
    say_color(s, before);
}

static void close_color(struct scan *s)
{
    char before[7];

    memcpy(before, current_color(s), strlen(current_color(s)) + 1);
    if (s->color_depth)
        s->color_depth--;
    say_color(s, before);
}

/* The colour that the n bytes name; "": none. */
static void text_color_of(char hex[static 7], const char *name, size_t n)
{
    hex[0] = 0;
    if (n && *name == '#')
        name++, n--;
    for (size_t i = 0; i < ARRAY_LEN(colors); i++)
        if (strlen(colors[i][0]) == n && !strncasecmp(colors[i][0], name, n))
            memcpy(hex, colors[i][1], 7);
    if (*hex || n != 6 || strspn(name, "0123456789abcdefABCDEF") < 6)
        return;
    for (int i = 0; i < 6; i++)
        hex[i] = (char)(name[i] >= 'A' && name[i] <= 'F' ? name[i] | 32 : name[i]);
    hex[6] = 0;
}

/* ---- tags: <i>, <font color="red">, <c.yellow>, <v Name> ---- */

static void font_tag(struct scan *s, const char *tag, size_t n)
{
    char hex[7] = "", copy[TAG_MAX + 1], *at;

    memcpy(copy, tag, n);
    copy[n] = 0;
    if ((at = strcasestr(copy, "color="))) {
        at += strlen("color=");
        at += strspn(at, "\"' ");
        text_color_of(hex, at, strcspn(at, "\"' >/"));
    }
    open_color(s, hex);
}

static void class_tag(struct scan *s, const char *tag, size_t n)
{
    char hex[7] = "";

    for (const char *p = memchr(tag, '.', n); p && !*hex;
         p = memchr(p, '.', n - (size_t)(p - tag))) {
        p++;
        text_color_of(hex, p, strcspn(p, ". >\t"));
    }
    open_color(s, hex);
}

/* The n bytes between < and >. False: that is none of ours. */
static bool style_tag(struct scan *s, const char *tag, size_t n)
{
    bool closes = n && *tag == '/';
    const char *name = tag + closes;
    size_t len = strcspn(name, " .>/\t\n");
    const char *styles = "ibus", *style = len == 1 ? strchr(styles, *name | 32) : NULL;

    if (style && *style) {
        closes ? close_style(s, (int)(style - styles)) : open_style(s, (int)(style - styles));
        return true;
    }
    if ((len == 4 && !strncasecmp(name, "font", 4)) || (s->vtt && len == 1 && *name == 'c')) {
        closes ? close_color(s) : len == 4 ? font_tag(s, tag, n) : class_tag(s, tag, n);
        return true;
    }
    return false;
}

/* Bytes of the tag that p, of `left`, begins with; 0: it is no tag. */
static size_t read_tag(struct scan *s, const char *p, size_t left)
{
    const char *end = memchr(p, '>', left < TAG_MAX ? left : TAG_MAX);
    size_t n = end ? (size_t)(end - p) - 1 : 0;
    const char *name = p + 1 + (n && p[1] == '/');
    bool is_name = (*name | 32) >= 'a' && (*name | 32) <= 'z';

    if (!n || memchr(p + 1, '<', n))
        return 0;
    if (is_name && style_tag(s, p + 1, n))
        return n + 2;
    /* voices, languages, rubies, moments within a cue */
    return is_name || s->vtt ? n + 2 : 0;
}

/* ---- what players take from ASS: {\an8}, {\i1} ---- */

static void set_style(struct scan *s, int which, const char *value)
{
    bool on = *value >= '1' && *value <= '9';

    if (on && !s->depth[which])
        open_style(s, which);
    else if (!on)
        while (s->depth[which])
            close_style(s, which);
}

static void anchor(struct cue *c, int n)
{
    c->column = (n - 1) % 3;
    c->row = 2 - (n - 1) / 3;
}

static void ass_color(struct scan *s, const char *value)
{
    char hex[7] = "", turned[7] = "";

    if (value[0] == '&' && (value[1] | 32) == 'h') { /* blue first */
        text_color_of(hex, value + 2, strspn(value + 2, "0123456789abcdefABCDEF"));
        for (int i = 0; *hex && i < 3; i++)
            memcpy(turned + i * 2, hex + 4 - i * 2, 2);
    }
    while (s->color_depth)
        close_color(s);
    if (*turned)
        open_color(s, turned);
}

/* One command behind its backslash. All others go. */
static void command(struct scan *s, const char *p)
{
    static const char styles[] = "ibus";
    static const char after[] = "\\}0123456789"; /* or else it is a longer name: \shad, \bord */
    const char *style = strchr(styles, *p);

    if (p[0] == 'a' && p[1] == 'n' && p[2] >= '1' && p[2] <= '9')
        anchor(s->c, p[2] - '0');
    else if (*p && style && strchr(after, p[1]))
        set_style(s, (int)(style - styles), p + 1);
    else if (p[0] == 'c' && strchr("&\\}", p[1]))
        ass_color(s, p + 1);
    else if (p[0] == '1' && p[1] == 'c')
        ass_color(s, p + 2);
    else if (p[0] == 'a' && p[1] >= '1' && p[1] <= '9') { /* the older way of counting */
        int n = atoi(p + 1), column = n % 4;

        if (n <= 11 && column)
            s->c->column = column - 1, s->c->row = n > 8 ? 1 : n > 4 ? 0 : 2;
    }
}

/* Bytes of the block that p begins with; 0: it is none, but a brace. */
static size_t read_block(struct scan *s, const char *p, size_t left)
{
    const char *end = left > 1 && p[1] == '\\' ? memchr(p, '}', left) : NULL;

    if (!end || memchr(p, '\n', (size_t)(end - p)))
        return 0;
    for (const char *c = p; c < end; c++)
        if (*c == '\\')
            command(s, c + 1);
    return (size_t)(end - p) + 1;
}

/* ---- letters ---- */

/* Spaces and ends of lines do not gather. */
static void add_space(struct str *out, char c)
{
    while (c == '\n' && out->len && out->s[out->len - 1] == ' ')
        out->s[--out->len] = 0;
    if (out->len && out->s[out->len - 1] != '\n' && (c == '\n' || out->s[out->len - 1] != ' '))
        str_putc(out, c);
}

/* What is no tag and no command must not become one when something between has gone: a sign that
 * nobody sees keeps it apart. */
static void add_letter(struct scan *s, char c)
{
    if (c == '>' && s->out.len >= 2 && !memcmp(s->out.s + s->out.len - 2, "--", 2))
        str_puts(&s->out, WORD_JOINER);
    if (c == '\n' || c == ' ' || c == '\t')
        add_space(&s->out, c == '\t' ? ' ' : c);
    else
        str_putc(&s->out, c);
    if (c == '\\' || c == '<' || c == '{')
        str_puts(&s->out, WORD_JOINER);
}

/* The bytes of one that we, or somebody else, put there already; 0: it is none, or the first. */
static size_t read_joiner(const struct scan *s, const char *p)
{
    size_t n = strlen(WORD_JOINER);

    return str_starts(p, WORD_JOINER) && s->out.len >= n &&
                   !memcmp(s->out.s + s->out.len - n, WORD_JOINER, n)
               ? n
               : 0;
}

static size_t read_entity(struct scan *s, const char *p)
{
    static const char *const entities[][2] = {
        {"&amp;", "&"},
        {"&lt;", "<"},
        {"&gt;", ">"},
        {"&nbsp;", "\xC2\xA0"},
        {"&quot;", "\""},
        {"&apos;", "'"},
        {"&lrm;", "\xE2\x80\x8E"},
        {"&rlm;", "\xE2\x80\x8F"},
        {"&#39;", "'"},
    };

    for (size_t i = 0; i < ARRAY_LEN(entities); i++)
        if (str_starts(p, entities[i][0])) {
            for (const char *c = entities[i][1]; *c; c++)
                add_letter(s, *c);
            return strlen(entities[i][0]);
        }
    return 0;
}

static void close_all(struct scan *s)
{
    while (s->color_depth)
        close_color(s);
    for (int i = 0; i < 4; i++)
        while (s->depth[i])
            close_style(s, i);
}

/* Only marks, which show nothing? */
static bool says_nothing(const char *text)
{
    for (; *text; text++) {
        if (*text == MARK_COLOR)
            text += 6;
        else if ((unsigned char)*text > ' ')
            return false;
    }
    return true;
}

/* Without control characters, of which the marks are some. The caller frees it. */
static char *without_controls(const char *raw, size_t *len)
{
    char *out = mem_alloc(*len + 1), *to = out;

    for (size_t i = 0; i < *len; i++)
        if ((unsigned char)raw[i] >= 0x20 ? raw[i] != 0x7f : raw[i] == '\n' || raw[i] == '\t')
            *to++ = raw[i];
    *to = 0;
    *len = (size_t)(to - out);
    return out;
}

char *subtitles_text(struct cue *c, const char *text_of_file, size_t len, bool vtt)
{
    struct scan s = {.c = c, .vtt = vtt};
    AUTO(mem_free) char *raw = without_controls(text_of_file, &len);
    size_t step;

    for (size_t i = 0; i < len; i += step) {
        const char *p = raw + i;
        size_t left = len - i;

        step = *p == '<'          ? read_tag(&s, p, left)
               : *p == '{'        ? read_block(&s, p, left)
               : *p == '&' && vtt ? read_entity(&s, p)
                                  : read_joiner(&s, p);
        if (step)
            continue;
        add_letter(&s, *p);
        step = 1;
    }
    while (s.out.len && strchr(" \n", s.out.s[s.out.len - 1]))
        s.out.s[--s.out.len] = 0;
    close_all(&s);
    char *text = str_take(&s.out);
    if (says_nothing(text))
        *text = 0;
    return text;
}
