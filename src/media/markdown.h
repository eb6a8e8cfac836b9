/* markdown.h - Markdown as a page of HTML, by cmark-gfm. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum { MARKDOWN_BYTES_MAX = 8 << 20, MARKDOWN_HTML_MAX = 64 << 20 };

struct markdown {
    bool gfm;   /* tables, tasks, struck out words, bare addresses; else CommonMark alone */
    bool bare;  /* no style sheet */
    bool xhtml; /* the page says that it is XML, and is */
    const char *title;
};

/* text[len], UTF-8, becomes a page that is appended to *out. What is HTML in it stays, but for what
 * GitHub takes out (scripts, frames) with gfm. Errors: ERR_INPUT: over a limit. */
MUST_CHECK int markdown_page(struct str *out, const char *text, size_t len,
                             const struct markdown *how, struct err *err);
