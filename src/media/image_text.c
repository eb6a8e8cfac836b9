#include "media/image_text.h"
#include "media/surface.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- the font ----
 *
 * Fontconfig has an answer to every name, and for one that it does not know that may be a script
 * face or dingbats. So what it gives is only taken if it is what was asked for, or known to stand
 * for it. */

static const char *const stand_ins[][8] = {
    {"Arial", "Helvetica", "Liberation Sans", "Arimo", "Nimbus Sans", "Nimbus Sans L", "FreeSans"},
    {"Arial Narrow", "Helvetica Narrow", "Liberation Sans Narrow", "Nimbus Sans Narrow"},
    {"Times New Roman", "Times", "Liberation Serif", "Tinos", "Nimbus Roman", "Nimbus Roman No9 L",
     "FreeSerif"},
    {"Courier New", "Courier", "Liberation Mono", "Cousine", "Nimbus Mono PS", "Nimbus Mono L",
     "FreeMono"},
    {"Calibri", "Carlito"},
    {"Cambria", "Caladea"},
    {"Georgia", "Gelasio"},
    {"Palatino", "Palatino Linotype", "Book Antiqua", "P052", "URW Palladio L"},
};
static const char *const generic[] = {"sans", "sans-serif", "serif",
                                      "mono", "monospace",  "system-ui"};

/* Names of one family differ in case, and in how its words are parted. */
static bool same_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, " -");
        b += strspn(b, " -");
        if (g_ascii_tolower(*a) != g_ascii_tolower(*b))
            return false;
        if (!*a)
            return true;
    }
}

static bool stands_for(const char *asked, const char *got)
{
    if (same_name(asked, got))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(generic); i++)
        if (same_name(asked, generic[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(stand_ins); i++) {
        bool has_asked = false, has_got = false;

        for (size_t k = 0; k < ARRAY_LEN(stand_ins[i]) && stand_ins[i][k]; k++) {
            has_asked |= same_name(asked, stand_ins[i][k]);
            has_got |= same_name(got, stand_ins[i][k]);
        }
        if (has_asked && has_got)
            return true;
    }
    return false;
}

static bool is_there(PangoContext *context, const PangoFontDescription *d)
{
    const char *asked = pango_font_description_get_family(d);
    PangoFont *font = asked ? pango_context_load_font(context, d) : NULL;
    PangoFontDescription *got = font ? pango_font_describe(font) : NULL;
    bool yes = got && stands_for(asked, pango_font_description_get_family(got));

    if (got)
        pango_font_description_free(got);
    if (font)
        g_object_unref(font);
    return yes;
}

/* `name` up to its byte n as the family, the rest as weight and style. NULL: the rest says
 * something else, or there is no such family. */
static PangoFontDescription *font_split(PangoContext *context, const char *name, size_t n)
{
    AUTO(mem_free) char *text = mem_printf("%.*s,%s", (int)n, name, name + n);
    PangoFontDescription *d = pango_font_description_from_string(text);
    const char *family = pango_font_description_get_family(d);

    pango_font_description_unset_fields(d, PANGO_FONT_MASK_SIZE | PANGO_FONT_MASK_VARIATIONS);
    if (family && strlen(family) == n && !strncmp(family, name, n) && is_there(context, d))
        return d;
    pango_font_description_free(d);
    return NULL;
}

/* "Times New Roman Bold Italic", or the same with hyphens. The longest family that there is, as
 * Pango alone would take "Roman" for a style. The caller frees it. */
static PangoFontDescription *font_named(PangoContext *context, const char *name, int size)
{
    AUTO(mem_free) char *words = mem_strdup(name);
    PangoFontDescription *d = NULL;

    for (char *c = words; *c; c++)
        if (strchr(",@#-",
                   *c)) /* Pango's own signs; what stands behind them would be more than a name */
            *c = ' ';
    g_strstrip(words);
    for (size_t n = strlen(words); n && !d; n--)
        if (!words[n] || words[n] == ' ')
            d = font_split(context, words, n);
    if (!d) {
        d = pango_font_description_from_string(words);
        pango_font_description_set_family(d, "Sans");
        pango_font_description_unset_fields(d, PANGO_FONT_MASK_VARIATIONS);
    }
    pango_font_description_set_absolute_size(d, (double)size * PANGO_SCALE);
    return d;
}

void image_text_font(struct text_font *out, const char *name)
{
    cairo_surface_t *none = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
    cairo_t *cr = cairo_create(none);
    PangoLayout *l = pango_cairo_create_layout(cr);
    PangoFontDescription *asked = font_named(pango_layout_get_context(l), name, 16), *got = NULL;
    PangoFont *font = pango_context_load_font(pango_layout_get_context(l), asked);
    const char *family = NULL;

    if (font && (got = pango_font_describe(font)))
        family = pango_font_description_get_family(got);
    snprintf(out->family, sizeof out->family, "%s", family ? family : "Sans");
    out->bold = pango_font_description_get_weight(asked) >= PANGO_WEIGHT_SEMIBOLD;
    out->italic = pango_font_description_get_style(asked) != PANGO_STYLE_NORMAL;
    if (got)
        pango_font_description_free(got);
    if (font)
        g_object_unref(font);
    pango_font_description_free(asked);
    g_object_unref(l);
    cairo_destroy(cr);
    cairo_surface_destroy(none);
}

/* ---- drawing ---- */

/* Without control characters, of which only the end of a line and the tab mean anything here. The
 * caller frees it. */
static char *plain_text(const char *text)
{
    AUTO(mem_free) char *valid = utf8_from_unknown(text, strlen(text));
    char *to = valid;

    for (const char *c = valid; *c; c++)
        if ((unsigned char)*c >= 0x20 ? *c != 0x7f : *c == '\n' || *c == '\t')
            *to++ = *c;
    *to = 0;
    return take(valid);
}

static PangoLayout *layout_of(cairo_t *cr, const struct text_overlay *t)
{
    static const PangoAlignment lines[] = {PANGO_ALIGN_LEFT, PANGO_ALIGN_CENTER, PANGO_ALIGN_RIGHT};
    PangoLayout *l = pango_cairo_create_layout(cr);
    PangoFontDescription *d = font_named(pango_layout_get_context(l), t->font, t->size);
    AUTO(mem_free) char *text = plain_text(t->text);

    pango_layout_set_font_description(l, d);
    pango_font_description_free(d);
    pango_layout_set_alignment(l, lines[t->column]);
    pango_layout_set_text(l, text, -1);
    return l;
}

/* Where letters and lines are, and the outline around them: px. */
static PangoRectangle box_of(PangoLayout *l, int stroke)
{
    PangoRectangle ink, box;

    pango_layout_get_pixel_extents(l, &ink, &box);
    int x1 = MIN(ink.x, box.x), y1 = MIN(ink.y, box.y);
    int x2 = MAX(ink.x + ink.width, box.x + box.width),
        y2 = MAX(ink.y + ink.height, box.y + box.height);
    int more = (stroke + 1) / 2;
    return (PangoRectangle){x1 - more, y1 - more, MAX(x2 - x1, 1) + 2 * more,
                            MAX(y2 - y1, 1) + 2 * more};
}

static void draw(cairo_t *cr, PangoLayout *l, const PangoRectangle *box,
                 const struct text_overlay *t)
{
    if (t->background.a) {
        surface_color(cr, t->background);
        cairo_paint(cr);
    }
    cairo_translate(cr, -box->x, -box->y);
    if (t->color.a) {
        surface_color(cr, t->color);
        pango_cairo_show_layout(cr, l);
    }
    if (t->stroke && t->stroke_color.a) {
        surface_color(cr, t->stroke_color);
        cairo_set_line_width(cr, t->stroke);
        cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
        cairo_new_path(cr);
        pango_cairo_layout_path(cr, l);
        cairo_stroke(cr);
    }
}

/* What is needed to measure a text before there is a surface of its size. */
static PangoRectangle measure(const struct text_overlay *t)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, 1, 1);
    cairo_t *cr = cairo_create(s);
    PangoLayout *l = layout_of(cr, t);
    PangoRectangle box = box_of(l, t->stroke);

    g_object_unref(l);
    cairo_destroy(cr);
    cairo_surface_destroy(s);
    return box;
}

int image_text(struct image **out, const struct text_overlay *t, int64_t most, struct err *err)
{
    static const struct color nothing = {0, 0, 0, 0};
    AUTO(image_free) struct image *img = NULL;

    if (media_init(err) < 0)
        return -1;
    PangoRectangle box = measure(t);
    if (box.width > SURFACE_SIDE_MAX || box.height > SURFACE_SIDE_MAX || (int64_t)box.width * box.height > most)
        return err_set(err, ERR_COMMAND,
                       "a text would have %dx%d pixels, the limits are %d a side and %" PRId64
                       " on this picture",
                       box.width, box.height, SURFACE_SIDE_MAX, most);
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, box.width, box.height);
    cairo_t *cr = cairo_create(s);
    PangoLayout *l = layout_of(cr, t);
    draw(cr, l, &box, t);
    int rc = cairo_status(cr) ? err_set(err, ERR_COMMAND, "cannot draw a text: %s",
                                        cairo_status_to_string(cairo_status(cr)))
                              : surface_image(&img, s, err);
    g_object_unref(l);
    cairo_destroy(cr);
    cairo_surface_destroy(s);
    if (rc < 0 || image_rotate(img, t->rotate, nothing, err) < 0)
        return -1;
    *out = take(img);
    return 0;
}
