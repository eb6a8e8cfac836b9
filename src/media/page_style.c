#include "media/page_style.h"
#include "media/text_file.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEAD_LOOK 4096 /* bytes in which its head begins */

/* word is in lower case. */
static const char *page_find(const char *s, size_t len, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= len; i++)
        if (!strncasecmp(s + i, word, n))
            return s + i;
    return NULL;
}

/* Behind <head ...>, else behind <html ...>, else behind what must come first. */
static size_t page_place(const char *html, size_t len)
{
    static const char *const tags[] = {"<head", "<html", "<!doctype", "<?xml"};
    size_t look = len < HEAD_LOOK ? len : HEAD_LOOK;

    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        const char *at = page_find(html, look, tags[i]), *end;
        size_t n = strlen(tags[i]);

        if (!at || at + n >= html + len || isalnum((unsigned char)at[n])) /* <header> is none */
            continue;
        if ((end = memchr(at, '>', len - (size_t)(at - html))))
            return (size_t)(end - html) + 1;
    }
    return 0;
}

void page_style_add(struct str *out, const char *html, size_t len, const struct page_style *style)
{
    size_t wide_len = 0;
    AUTO(mem_free) char *wide = text_from_utf16(&wide_len, html, len);

    if (wide) {
        html = wide;
        len = wide_len;
    } else if (len > 2 && !memcmp(html, "\xEF\xBB\xBF", 3)) {
        html += 3;
        len -= 3;
        wide_len = 1; /* it has said that it is UTF-8 */
    }
    size_t at = page_place(html, len);
    str_add(out, html, at);
    if (wide_len ||
        (!page_find(html, len < HEAD_LOOK ? len : HEAD_LOOK, "charset") && utf8_valid(html, len)))
        str_puts(out, "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\" />");
    if (style)
        str_addf(out, "<style>@page{size:%.2fmm %.2fmm;margin:%.2fmm %.2fmm %.2fmm %.2fmm}</style>",
                 style->w_mm, style->h_mm, style->margin_mm[0], style->margin_mm[1],
                 style->margin_mm[2], style->margin_mm[3]);
    str_add(out, html + at, len - at);
}

void page_without_declaration(struct str *out, const char *xml, size_t len)
{
    const char *end = len > 5 && !memcmp(xml, "<?xml", 5) ? memchr(xml, '>', len) : NULL;
    size_t skip = end ? (size_t)(end - xml) + 1 : 0;

    while (skip < len && (xml[skip] == '\n' || xml[skip] == '\r'))
        skip++;
    str_add(out, xml + skip, len - skip);
}

void page_svg_sized(struct str *out, const char *svg, size_t len)
{
    const char *root = page_find(svg, len < HEAD_LOOK ? len : HEAD_LOOK, "<svg");
    const char *end = root ? memchr(root, '>', len - (size_t)(root - svg)) : NULL;
    const char *box = end ? page_find(root, (size_t)(end - root), "viewbox=\"0 0 ") : NULL;
    size_t at = root ? (size_t)(root - svg) + strlen("<svg") : 0;
    int w, h;

    if (!box || page_find(root, (size_t)(end - root), " width=") ||
        sscanf(box + strlen("viewbox=\"0 0 "), "%7d %7d\"", &w, &h) != 2 || w < 1 || h < 1) {
        str_add(out, svg, len);
        return;
    }
    str_add(out, svg, at);
    str_addf(out, " width=\"%.2fmm\" height=\"%.2fmm\"", w / 100.0, h / 100.0);
    str_add(out, svg + at, len - at);
}
