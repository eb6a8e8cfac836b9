#include "media/png_text.h"
#include "base/str.h"
#include "media/image.h"

#include <string.h>
#include <strings.h>

static void png_text_key(json_t *meta, const char *keyword, const char *text)
{
    static const char *const rows[][2] = {
        {"Title", "title"},         {"Author", "author"},
        {"Artist", "author"},       {"Description", "description"},
        {"Copyright", "copyright"}, {"Software", "device_software"}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!strcasecmp(rows[i][0], keyword) && *text && !json_object_get(meta, rows[i][1])) {
            AUTO(mem_free) char *utf8 = utf8_from_unknown(text, strlen(text));

            jset(meta, rows[i][1], utf8);
        }
}

/* libvips has a field for each, "png-comment-NUMBER-KEYWORD". */
static void *png_text_field(VipsImage *v, const char *field, GValue *value, void *meta)
{
    static const char prefix[] = "png-comment-";
    const char *keyword = str_starts(field, prefix) ? strchr(field + sizeof prefix - 1, '-') : NULL;
    const char *text;

    (void)value;
    if (keyword && !vips_image_get_string(v, field, &text))
        png_text_key(meta, keyword + 1, text);
    return NULL;
}

void meta_add_png_text(json_t *meta, const struct image *img)
{
    vips_image_map(img->frame[0], png_text_field, meta);
}
