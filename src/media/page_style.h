/* page_style.h - a page of HTML gets the paper that it is to be printed on, and what LibreOffice
 * writes gets into shape. Pure. */
#pragma once
#include "base/str.h"

struct page_style {
    double w_mm, h_mm;
    double margin_mm[4]; /* top, right, bottom, left */
};

/* html[len] with that in its head, appended to *out; UTF-16 becomes UTF-8. Where it does not say
 * which characters it has, but is UTF-8, it says so then. style NULL: nothing but that. */
void page_style_add(struct str *out, const char *html, size_t len, const struct page_style *style);
/* XML without the line that says so, as HTML is written. */
void page_without_declaration(struct str *out, const char *xml, size_t len);
/* A drawing of LibreOffice's, in hundredths of a millimetre, says how large it is. */
void page_svg_sized(struct str *out, const char *svg, size_t len);
