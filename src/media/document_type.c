#include "media/document_type.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define OOXML "application/vnd.openxmlformats-officedocument."
#define ODF "application/vnd.oasis.opendocument."
/* The first that the type begins with; ext: as LibreOffice is told. */
static const struct document_type types[] = {
    {OOXML "wordprocessingml", "docx", DOC_TEXT},
    {OOXML "spreadsheetml", "xlsx", DOC_TABLE},
    {OOXML "presentationml", "pptx", DOC_SLIDES},
    {ODF "text-template", "ott", DOC_TEXT},
    {ODF "text", "odt", DOC_TEXT},
    {ODF "spreadsheet-template", "ots", DOC_TABLE},
    {ODF "spreadsheet", "ods", DOC_TABLE},
    {ODF "presentation-template", "otp", DOC_SLIDES},
    {ODF "presentation", "odp", DOC_SLIDES},
    {ODF "graphics", "odg", DOC_DRAWING},
    {"application/msword", "doc", DOC_TEXT},
    {"application/vnd.ms-excel", "xls", DOC_TABLE},
    {"application/vnd.ms-powerpoint", "ppt", DOC_SLIDES},
    {"application/rtf", "rtf", DOC_TEXT},
    {"text/rtf", "rtf", DOC_TEXT},
    {"text/richtext", "rtf", DOC_TEXT},
    {"text/html", "html", DOC_HTML},
    {"application/xhtml+xml", "html", DOC_HTML},
    {"text/vtt", "", DOC_SUBTITLES},
    {"application/x-subrip", "", DOC_SUBTITLES},
    {"application/postscript", "", DOC_POSTSCRIPT},
    {"text/x-tex", "", DOC_TEX},
    {"image/svg+xml", "", DOC_SVG},
    {"image/", "", DOC_PICTURE},
    {"text/csv", "fods", DOC_CSV},
    {"application/csv", "fods", DOC_CSV},
    {"text/markdown", "html", DOC_MARKDOWN},
    {"text/", "txt", DOC_PLAIN},
};
/* Old Microsoft files in which nothing says which program wrote them, and new ones that are
 * encrypted: by their name. */
static const struct document_type old_types[] = {
    {"doc", "doc", DOC_TEXT},    {"dot", "doc", DOC_TEXT},    {"xls", "xls", DOC_TABLE},
    {"xla", "xls", DOC_TABLE},   {"xlt", "xls", DOC_TABLE},   {"ppt", "ppt", DOC_SLIDES},
    {"pps", "ppt", DOC_SLIDES},  {"pot", "ppt", DOC_SLIDES},  {"docx", "docx", DOC_TEXT},
    {"xlsx", "xlsx", DOC_TABLE}, {"pptx", "pptx", DOC_SLIDES}};

/* Texts of which only the name tells what they are. */
static enum document_kind document_by_name(const char *ext, enum document_kind kind)
{
    if (kind == DOC_PLAIN || kind == DOC_HTML || kind == DOC_CSV)
        return !strcasecmp(ext, "md") || !strcasecmp(ext, "markdown") ? DOC_MARKDOWN
               : kind == DOC_PLAIN && (!strcasecmp(ext, "csv") || !strcasecmp(ext, "tsv")) ? DOC_CSV
               : kind == DOC_CSV && (!strcasecmp(ext, "txt") || !strcasecmp(ext, "text"))
                   ? DOC_PLAIN
                   : kind;
    return kind;
}

/* Flat OpenDocument says in its root what it is; any other XML is a text. */
static void document_xml(struct document_type *type, const char *path)
{
    static const struct document_type flat[] = {{ODF "text\"", "fodt", DOC_TEXT},
                                                {ODF "spreadsheet\"", "fods", DOC_TABLE},
                                                {ODF "presentation\"", "fodp", DOC_SLIDES},
                                                {ODF "graphics\"", "fodg", DOC_DRAWING}};
    char head[8192];
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(head, 1, sizeof head - 1, f) : 0;
    const char *at;

    if (f)
        fclose(f);
    head[n] = 0;
    if (!strstr(head, "<office:document") || !(at = strstr(head, "office:mimetype=\"")))
        return;
    for (size_t i = 0; i < ARRAY_LEN(flat); i++)
        if (str_starts(at + strlen("office:mimetype=\""), flat[i].mime))
            *type = flat[i];
}

static bool document_is_ole(const char *mime)
{
    static const char *const names[] = {"application/x-ole-storage", "application/cdfv2",
                                        "application/vnd.ms-office", "application/encrypted",
                                        "application/x-ole"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strncasecmp(mime, names[i], strlen(names[i])))
            return true;
    return false;
}

struct document_type document_type(const struct robot_input *in)
{
    struct document_type none = {0};

    if (!strcmp(in->mime, "application/pdf") &&
        !strcasecmp(in->ext, "ai")) /* as Illustrator has written them since 2000 */
        return (struct document_type){in->mime, "", DOC_POSTSCRIPT};
    for (size_t i = 0; document_is_ole(in->mime) && i < ARRAY_LEN(old_types); i++)
        if (!strcasecmp(in->ext, old_types[i].mime))
            return old_types[i];
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (!strncasecmp(in->mime, types[i].mime, strlen(types[i].mime))) {
            struct document_type t = types[i];

            t.kind = document_by_name(in->ext, t.kind);
            if (!strcmp(in->mime, "text/xml"))
                document_xml(&t, in->path);
            return t;
        }
    return none;
}
