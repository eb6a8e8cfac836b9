#include "robot/text_overlay.h"
#include "robot/values.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define bad_field(err, ...) value_refuse(err, "INVALID_TEXT_OBJECT_VALUE", __VA_ARGS__)

/* Whole numbers, also as a text of digits. */
static int whole_number(int64_t *out, const json_t *o, const char *key, int64_t def, int64_t min,
                        int64_t max, struct err *err)
{
    const json_t *v = json_object_get(o, key);
    const char *s = json_string_value(v);
    double n = json_number_value(v);
    char *end = "";

    *out = def;
    if (!v || json_is_null(v))
        return 0;
    if (s)
        n = *s ? strtod(s, &end) : NAN;
    if ((!s && !json_is_number(v)) || (*end && strcmp(end, "px")) ||
        !(n >= (double)min && n <= (double)max) || n != floor(n))
        return bad_field(err, "'text.%s' must be a whole number from %lld to %lld", key,
                         (long long)min, (long long)max);
    *out = (int64_t)n;
    return 0;
}

static int text_color(struct color *out, const json_t *o, const char *key, const char *def,
                      struct err *err)
{
    const json_t *v = json_object_get(o, key);
    const char *s = v && !json_is_null(v) ? json_string_value(v) : def;

    if (!s || strchr(s, ',') || !color_parse(out, s))
        return bad_field(err, "'text.%s' must be a colour such as \"#ff0000\" or \"red\"", key);
    return 0;
}

static int text_anchor(int *out, const json_t *o, const char *key, const char *first,
                       const char *last, struct err *err)
{
    const json_t *v = json_object_get(o, key);
    const char *s = v && !json_is_null(v) ? json_string_value(v) : "center";

    *out = s && !strcmp(s, first) ? 0 : s && !strcmp(s, last) ? 2 : 1;
    if (!s || (*out == 1 && strcmp(s, "center") != 0))
        return bad_field(err, "'text.%s' must be %s, center or %s", key, first, last);
    return 0;
}

static int known_keys(const json_t *o, struct err *err)
{
    static const char *const keys[] = {
        "text",         "font",         "size",  "rotate", "color",    "background_color",
        "stroke_width", "stroke_color", "align", "valign", "x_offset", "y_offset"};
    const char *key;
    json_t *v;

    json_object_foreach ((json_t *)o, key, v) {
        size_t i = 0;

        while (i < ARRAY_LEN(keys) && strcmp(keys[i], key) != 0)
            i++;
        if (i == ARRAY_LEN(keys))
            return bad_field(err, "'text' has an unknown key '%.50s'", key);
    }
    return 0;
}

/* What is written and in which font: bounded, as each byte costs time. */
static int text_words(struct text_overlay *t, const json_t *o, struct err *err)
{
    const json_t *font = json_object_get(o, "font");

    t->text = jstr(o, "text");
    if (!t->text || !*t->text || strlen(t->text) > TEXT_BYTES_MAX)
        return bad_field(err, "'text.text' must be a text of 1 to %d bytes", TEXT_BYTES_MAX);
    t->font = font && !json_is_null(font) ? json_string_value(font) : "Arial";
    bool good = t->font && *t->font && strlen(t->font) <= 100;
    for (const char *c = t->font; good && *c; c++)
        good = (unsigned char)*c >= 0x20 && *c != 0x7f;
    return good ? 0 : bad_field(err, "'text.font' must be the name of a font, of 1 to 100 bytes");
}

static int text_read(struct text_overlay *t, const json_t *o, struct err *err)
{
    enum { FAR = 25000 }; /* px */
    int64_t size, stroke, turn;

    if (known_keys(o, err) < 0 || text_words(t, o, err) < 0 ||
        whole_number(&size, o, "size", 12, 1, TEXT_SIZE_MAX, err) < 0 ||
        whole_number(&stroke, o, "stroke_width", 0, 0, TEXT_STROKE_MAX, err) < 0 ||
        whole_number(&turn, o, "rotate", 0, -1000000, 1000000, err) < 0 ||
        whole_number(&t->x, o, "x_offset", 0, -FAR, FAR, err) < 0 ||
        whole_number(&t->y, o, "y_offset", 0, -FAR, FAR, err) < 0 ||
        text_color(&t->color, o, "color", "#000000", err) < 0 ||
        text_color(&t->background, o, "background_color", "transparent", err) < 0 ||
        text_color(&t->stroke_color, o, "stroke_color", "transparent", err) < 0 ||
        text_anchor(&t->column, o, "align", "left", "right", err) < 0 ||
        text_anchor(&t->row, o, "valign", "top", "bottom", err) < 0)
        return -1;
    t->size = (int)size;
    t->stroke = (int)stroke;
    t->rotate = (int)turn;
    return 0;
}

int text_overlays(struct text_overlay out[TEXTS_MAX], const json_t *v, struct err *err)
{
    bool list = json_is_array(v);
    size_t n = !v || json_is_null(v) ? 0 : list ? json_array_size(v) : 1;
    struct text_overlay one;

    if (n > TEXTS_MAX)
        return value_refuse(err, "INVALID_TEXT_VALUE", "'text' has %zu entries, the limit is %d", n,
                            TEXTS_MAX);
    for (size_t i = 0; i < n; i++) {
        const json_t *o = list ? json_array_get(v, i) : v;

        if (!json_is_object(o) || !json_object_size(o))
            return value_refuse(err, "INVALID_TEXT_VALUE",
                                "'text' must be an object with a text, or a list of them");
        if (text_read(out ? &out[i] : &one, o, err) < 0)
            return -1;
    }
    return (int)n;
}
