#include "media/markdown.h"

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm.h>
#include <string.h>

/* A look of our own, with the measures that readers know from there. */
static const char sheet[] =
    "body{font-family:\"Liberation "
    "Sans\",Arial,Helvetica,sans-serif;font-size:16px;line-height:1.5;color:#1f2328;"
    "background:#fff;max-width:980px;margin:0 auto;padding:32px}\n"
    "h1,h2,h3,h4,h5,h6{font-weight:bold;line-height:1.25;margin:24px 0 16px}\n"
    "h1{font-size:32px;border-bottom:1px solid #d1d9e0;padding-bottom:9px}\n"
    "h2{font-size:24px;border-bottom:1px solid #d1d9e0;padding-bottom:7px}\n"
    "h3{font-size:20px}h4{font-size:16px}h5{font-size:14px}h6{font-size:13px;color:#59636e}\n"
    "p,ul,ol,table,pre,blockquote{margin:0 0 16px}\n"
    "a{color:#0969da;text-decoration:none}\n"
    "code,pre{font-family:\"Liberation "
    "Mono\",Consolas,monospace;font-size:13px;background:#f6f8fa}\n"
    "code{padding:2px 5px;border-radius:6px}pre{padding:16px;border-radius:6px;overflow:auto}pre "
    "code{padding:0}\n"
    "blockquote{color:#59636e;border-left:4px solid #d1d9e0;padding:0 16px}\n"
    "table{border-collapse:collapse}th,td{border:1px solid #d1d9e0;padding:6px "
    "13px}th{font-weight:bold}\n"
    "tr:nth-child(2n){background:#f6f8fa}\n"
    "img{max-width:100%}hr{height:4px;border:0;background:#d1d9e0;margin:24px 0}\n";

static void markdown_escape(struct str *out, const char *s)
{
    for (; *s; s++)
        if (*s == '&' || *s == '<' || *s == '>')
            str_puts(out, *s == '&' ? "&amp;" : *s == '<' ? "&lt;" : "&gt;");
        else if ((unsigned char)*s >= 0x20)
            str_putc(out, *s);
}

static void markdown_head(struct str *out, const struct markdown *how)
{
    if (how->xhtml)
        str_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    str_puts(out, "<!DOCTYPE html>\n<html");
    if (how->xhtml)
        str_puts(out, " xmlns=\"http://www.w3.org/1999/xhtml\"");
    str_puts(out, ">\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html; "
                  "charset=utf-8\" />\n<title>");
    markdown_escape(out, how->title ? how->title : "");
    str_puts(out, "</title>\n");
    if (!how->bare)
        str_addf(out, "<style>\n%s</style>\n", sheet);
    str_puts(out, "</head>\n<body>\n");
}

int markdown_page(struct str *out, const char *text, size_t len, const struct markdown *how,
                  struct err *err)
{
    static const char *const extensions[] = {"table", "strikethrough", "autolink", "tagfilter",
                                             "tasklist"};
    int options = CMARK_OPT_VALIDATE_UTF8 | (how->xhtml ? 0 : CMARK_OPT_UNSAFE);

    if (len > MARKDOWN_BYTES_MAX)
        return err_set(err, ERR_INPUT, "the text has %zu bytes, at most %d of Markdown are taken",
                       len, MARKDOWN_BYTES_MAX);
    cmark_gfm_core_extensions_ensure_registered();
    cmark_parser *parser = cmark_parser_new(options);
    for (size_t i = 0; how->gfm && i < ARRAY_LEN(extensions); i++) {
        cmark_syntax_extension *e = cmark_find_syntax_extension(extensions[i]);

        if (e)
            cmark_parser_attach_syntax_extension(parser, e);
    }
    cmark_parser_feed(parser, text, len);
    cmark_node *root = cmark_parser_finish(parser);
    char *html = cmark_render_html(root, options, cmark_parser_get_syntax_extensions(parser));
    size_t n = strlen(html);
    if (n <= MARKDOWN_HTML_MAX) {
        markdown_head(out, how);
        str_add(out, html, n);
        str_puts(out, "</body>\n</html>\n");
    }
    free(html);
    cmark_node_free(root);
    cmark_parser_free(parser);
    return n <= MARKDOWN_HTML_MAX
               ? 0
               : err_set(err, ERR_INPUT, "the page would have %zu bytes, at most %d are made", n,
                         MARKDOWN_HTML_MAX);
}
