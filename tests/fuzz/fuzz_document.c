/* Texts of strangers that LibreOffice gets from us: what is written of them is what it should be,
 * whatever was in. */
#include "fuzz.h"
#include "media/flat_sheet.h"
#include "media/markdown.h"
#include "media/page_style.h"
#include "media/text_file.h"

#include <libxml/xmlreader.h>
#include <string.h>

/* Well-formed, and as many rows and cells as was said; no formula. */
static void check_sheet(const char *xml, size_t len, const struct flat_sheet *sheet)
{
    xmlTextReader *r = xmlReaderForMemory(xml, (int)len, NULL, NULL,
                                          XML_PARSE_NONET | XML_PARSE_NOERROR |
                                              XML_PARSE_NOWARNING | XML_PARSE_HUGE);
    int64_t rows = 0, columns = 0, most = 0;
    int rc;

    while ((rc = xmlTextReaderRead(r)) == 1) {
        const char *name = (const char *)xmlTextReaderConstLocalName(r);

        if (xmlTextReaderNodeType(r) != XML_READER_TYPE_ELEMENT)
            continue;
        if (!strcmp(name, "table-row")) {
            rows++;
            columns = 0;
        } else if (!strcmp(name, "table-cell")) {
            columns++;
            most = columns > most ? columns : most;
            CHECK(xmlTextReaderMoveToAttribute(r, (const xmlChar *)"table:formula") != 1);
        }
    }
    CHECK(rc == 0);
    CHECK(rows == (sheet->rows ? sheet->rows : 1) && most == (sheet->rows ? sheet->columns : 1));
    xmlFreeTextReader(r);
}

static void try_sheet(const char *text, size_t len)
{
    AUTO(mem_free) char *xml = NULL;
    size_t n;
    FILE *f = open_memstream(&xml, &n);
    struct flat_sheet sheet;
    struct err err = {0};
    int rc = flat_sheet_write(&sheet, f, text, len, &err);

    fclose(f);
    if (rc == 0)
        check_sheet(xml, n, &sheet);
    else
        CHECK(err.code == ERR_INPUT && *err.msg);
}

static void try_page(const char *data, size_t len)
{
    const struct page_style style = {210, 297, {1, 2, 3, 4}};
    AUTO(str_done) struct str page = {0}, plain = {0}, svg = {0}, markdown = {0};
    struct err err;

    page_style_add(&page, data, len, &style);
    CHECK(strstr(page.s, "@page{size:210.00mm 297.00mm;") || memchr(data, 0, len));
    page_style_add(&plain, data, len, NULL);
    CHECK(plain.len < page.len);
    page_svg_sized(&svg, data, len);
    CHECK(svg.len >= len && svg.len <= len + 60);
    CHECK(markdown_page(&markdown, data, len, &(struct markdown){.gfm = true, .title = "<&>"},
                        &err) == 0);
    CHECK(strstr(markdown.s, "<title>&lt;&amp;&gt;</title>") &&
          str_ends(markdown.s, "</body>\n</html>\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t wide_len = 0;
    AUTO(mem_free) char *wide = text_from_utf16(&wide_len, (const char *)data, len);
    AUTO(mem_free) char *text = wide ? NULL : utf8_from_unknown((const char *)data, len);

    if (len > 65536)
        return 0;
    CHECK(!wide || utf8_valid(wide, wide_len));
    try_sheet(wide ? wide : text, wide ? wide_len : strlen(text));
    try_page((const char *)data, len);
    return 0;
}
