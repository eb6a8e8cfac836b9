#include "media/icon.h"
#include "base/str.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 200, SHEET_H = 240, MOST_TEXT = 16 /* characters */ };

/* Signs in a field of 100 x 100, in the colour that `fill` and `stroke` have around them. */
static const struct sign {
    const char *kind, *color, *paths;
} signs[] = {
    {"image", "#3b82c4",
     "<path fill='none' d='M10 18h80v64H10z'/><circle cx='33' cy='40' r='8' stroke='none'/>"
     "<path stroke='none' d='M16 76l24-24 12 12 18-20 18 22v10z'/>"},
    {"video", "#c4473b",
     "<rect x='8' y='20' width='84' height='60' rx='8' fill='none'/>"
     "<path stroke='none' d='M40 34v32l28-16z'/>"},
    {"audio", "#8a4fc4",
     "<path fill='none' d='M10 44v12M24 32v36M38 18v64M52 38v24M66 26v48M80 36v28M92 46v8'/>"},
    {"document", "#3f9a5f", "<path fill='none' d='M14 22h72M14 42h72M14 62h72M14 82h44'/>"},
    {"archive", "#c4923b",
     "<path fill='none' d='M14 34h72v50H14zM8 16h84v18H8z'/>"
     "<path fill='none' d='M42 50h16v14H42z'/>"},
    {"webpage", "#2f9aa0",
     "<g fill='none'><circle cx='50' cy='50' r='40'/><ellipse cx='50' cy='50' rx='17' ry='40'/>"
     "<path d='M10 50h80M16 30h68M16 70h68'/></g>"},
    {NULL, "#7a8594",
     "<g stroke='none'><circle cx='22' cy='50' r='9'/><circle cx='50' cy='50' r='9'/>"
     "<circle cx='78' cy='50' r='9'/></g>"},
};

static const struct sign *sign_of(const char *kind)
{
    const struct sign *s = signs;

    while (s->kind && strcmp(s->kind, kind) != 0)
        s++;
    return s;
}

void icon_natural_size(int64_t *w, int64_t *h, bool square)
{
    *w = SIDE;
    *h = square ? SIDE : SHEET_H;
}

/* Capitals, and nothing that means something in XML; what is no character is left out. */
static int icon_text(struct str *b, const char *text)
{
    int count = 0;

    for (size_t left = strlen(text), n; left && count < MOST_TEXT;
         text += n ? n : 1, left -= n ? n : 1) {
        n = utf8_length(text, left);
        if (!n || (unsigned char)*text < 0x20 || strchr("<>&'\"\x7f", *text))
            continue;
        if (n == 1)
            str_putc(b, (char)toupper((unsigned char)*text));
        else
            str_add(b, text, n);
        count++;
    }
    return count;
}

static void add_sign(struct str *b, const struct sign *s, double x, double y, double size)
{
    str_addf(b,
             "<g transform='translate(%g %g) scale(%g)' fill='%s' stroke='%s' stroke-width='7' "
             "stroke-linejoin='round' stroke-linecap='round'>%s</g>",
             x, y, size / 100, s->color, s->color, s->paths);
}

/* Centred at x, its line at y; no wider than width. */
static void add_label(struct str *b, const struct icon *icon, const char *text, int count, double y,
                      double size, double width)
{
    double fits = width / (0.72 * count);
    const struct color *c = &icon->color;

    size = fits < size ? fits : size;
    str_addf(b,
             "<text x='%d' y='%g' text-anchor='middle' font-size='%g' font-weight='bold' "
             "font-family=\"'%s', Roboto, 'DejaVu Sans', sans-serif\" fill='#%02x%02x%02x' "
             "fill-opacity='%g'>%s</text>",
             SIDE / 2, y + size * 0.36, size, icon->font, c->r, c->g, c->b, c->a / 255.0, text);
}

static void add_tile(struct str *b, const struct icon *icon, const char *text, int count)
{
    str_puts(b, "<rect x='6' y='6' width='188' height='188' rx='26' fill='#f3f5f8' "
                "stroke='#d5dae1' stroke-width='4'/>");
    if (count)
        add_label(b, icon, text, count, 160, 40, 164);
    add_sign(b, sign_of(icon->kind), count ? 50 : 40, count ? 28 : 40, count ? 100 : 120);
}

/* The box is there without a text as well: somebody else may write into it. */
static void add_sheet(struct str *b, const struct icon *icon, const char *text, int count)
{
    str_puts(b,
             "<path d='M36 8h88l40 40v138H36z' fill='#ffffff' stroke='#c3cad4' stroke-width='5' "
             "stroke-linejoin='round'/>"
             "<path d='M124 8v40h40z' fill='#e6eaf0' stroke='#c3cad4' stroke-width='5' "
             "stroke-linejoin='round'/>"
             "<rect x='14' y='192' width='172' height='44' rx='10' fill='#f3f5f8' stroke='#d5dae1' "
             "stroke-width='3'/>");
    add_sign(b, sign_of(icon->kind), 60, 72, 80);
    if (count)
        add_label(b, icon, text, count, 214, 32, 156);
}

static int write_drawing(const char *path, const struct icon *icon, struct err *err)
{
    AUTO(str_done) struct str b = {0}, text = {0};
    int count = icon->text ? icon_text(&text, icon->text) : 0;

    str_addf(
        &b,
        "<svg xmlns='http://www.w3.org/2000/svg' width='%lld' height='%lld' viewBox='0 0 %d %d' "
        "preserveAspectRatio='none'>",
        (long long)icon->w, (long long)icon->h, SIDE, icon->square ? SIDE : SHEET_H);
    (icon->square ? add_tile : add_sheet)(&b, icon, text.s ? text.s : "", count);
    str_puts(&b, "</svg>");
    FILE *f = fopen(path, "we");
    if (!f)
        return err_errno(err, "create '%s'", path);
    fputs(b.s, f);
    return fclose(f) != 0 ? err_errno(err, "write '%s'", path) : 0;
}

int icon_draw(struct image **out, const struct icon *icon, const char *path, struct err *err)
{
    const struct image_load how = {.limits = {.max_pixels = INT64_MAX, .max_frames = 1}};
    AUTO(image_free) struct image *img = NULL;
    int rc = write_drawing(path, icon, err);

    if (rc == 0 && (image_open(&img, path, &how, err) < 0 || image_to_srgb(img, err) < 0 ||
                    image_render(img, err) < 0))
        rc = -1;
    unlink(path);
    if (rc == 0)
        *out = take(img);
    return rc;
}
