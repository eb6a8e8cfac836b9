/* /document/convert: one kind of document into another, by what knows both. Texts, tables and
 * slides are done by LibreOffice in a worker of its own kind, which starts no program; what needs a
 * program or is a picture goes to an ordinary media worker. Which of the two is told by the input's
 * type (robot.h, `instead`). */
#include "base/file.h"
#include "base/str.h"
#include "media/document_type.h"
#include "media/flat_sheet.h"
#include "media/image_emit.h"
#include "media/markdown.h"
#include "media/office.h"
#include "media/page_style.h"
#include "media/pdf_page.h"
#include "media/picture_pdf.h"
#include "media/subtitles.h"
#include "media/text_file.h"
#include "media/tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BY_PROGRAMS                                                                                \
    "image/|application/postscript|application/pdf|text/vtt|application/x-subrip|text/x-tex"
#define HTML_MAX ((size_t)32 << 20)
#define POLISHED_MAX ((size_t)128 << 20)
#define TEXT_MAX ((size_t)16 << 20)
#define XLS_ROWS 65536
#define XLS_COLUMNS 256
#define QUALITY 92
#define PAGE_DPI 150.0
#define MM_PER_INCH 25.4
#define MARGIN_MAX 1000.0 /* mm */
#define MARGIN_FORM "([0-9]{1,5}(\\.[0-9]{1,4})?(px|in|cm|mm)?)"

/* ---- parameters ---- */

enum format {
    F_AI,
    F_CSV,
    F_DOC,
    F_DOCX,
    F_EPS,
    F_GIF,
    F_HTML,
    F_JPEG,
    F_JPG,
    F_LATEX,
    F_MD,
    F_ODA,
    F_ODD,
    F_ODT,
    F_OTT,
    F_PDF,
    F_PNG,
    F_POT,
    F_PPS,
    F_PPT,
    F_PPTX,
    F_PPZ,
    F_PS,
    F_RTF,
    F_RTX,
    F_SRT,
    F_SVG,
    F_TEXT,
    F_TXT,
    F_VTT,
    F_XHTML,
    F_XLA,
    F_XLS,
    F_XLSX,
    F_XML
};
static const struct opt_choice formats[] = {
    {"ai", F_AI},     {"csv", F_CSV},     {"doc", F_DOC},     {"docx", F_DOCX},
    {"eps", F_EPS},   {"gif", F_GIF},     {"html", F_HTML},   {"jpeg", F_JPEG},
    {"jpg", F_JPG},   {"latex", F_LATEX}, {"md", F_MD},       {"oda", F_ODA},
    {"odd", F_ODD},   {"odt", F_ODT},     {"ott", F_OTT},     {"pdf", F_PDF},
    {"png", F_PNG},   {"pot", F_POT},     {"pps", F_PPS},     {"ppt", F_PPT},
    {"pptx", F_PPTX}, {"ppz", F_PPZ},     {"ps", F_PS},       {"rtf", F_RTF},
    {"rtx", F_RTX},   {"srt", F_SRT},     {"svg", F_SVG},     {"text", F_TEXT},
    {"txt", F_TXT},   {"vtt", F_VTT},     {"xhtml", F_XHTML}, {"xla", F_XLA},
    {"xls", F_XLS},   {"xlsx", F_XLSX},   {"xml", F_XML},     {0}};
static const struct opt_choice dialects[] = {{"gfm", true}, {"commonmark", false}, {0}};
static const struct opt_choice themes[] = {{"github", false}, {"bare", true}, {0}};

static const struct {
    double w, h; /* mm */
} papers[] = {{841, 1189},    {594, 841},     {420, 594},    {297, 420},
              {210, 297},     {148, 210},     {105, 148},    {431.8, 279.4},
              {215.9, 355.6}, {215.9, 279.4}, {279.4, 431.8}};
static const struct opt_choice paper_names[] = {
    {"A0", 0}, {"A1", 1},     {"A2", 2},    {"A3", 3},     {"A4", 4},       {"A5", 5},
    {"A6", 6}, {"Ledger", 7}, {"Legal", 8}, {"Letter", 9}, {"Tabloid", 10}, {0}};

struct document_convert_opts {
    int format, markdown_format, markdown_theme, pdf_format;
    const char *pdf_margin;
};
#define T struct document_convert_opts
static const struct option options[] = {
    OPT_ENUM(T, format, formats, .required = true, .help = "What to make of the file."),
    OPT_ENUM(T, markdown_format, dialects, .def = true, .help = "Dialect of a Markdown input."),
    OPT_ENUM(T, markdown_theme, themes, .def = false,
             .help = "Looks of Markdown: a style sheet like that of GitHub, or none."),
    OPT_STR(T, pdf_margin, .def_str = "6.25mm,6.25mm,14.11mm,6.25mm",
            .pattern = "^" MARGIN_FORM "(," MARGIN_FORM "){3}$", .example = "\"1in,2cm,15mm,40px\"",
            .help = "Margins of a PDF made of HTML or Markdown: top, right, bottom, left, in px, "
                    "in, cm or mm."),
    OPT_ENUM(T, pdf_format, paper_names, .def = 9, .help = "Its paper."),
    OPT_UNSUPPORTED("pdf_print_background", .def_str = "true",
                    .help = "Backgrounds are printed in any case."),
    OPT_UNSUPPORTED("pdf_display_header_footer", .def_str = "false"),
    OPT_UNSUPPORTED("pdf_header_template", .part_of = "pdf_display_header_footer"),
    OPT_UNSUPPORTED("pdf_footer_template", .part_of = "pdf_display_header_footer"),
    OPT_END,
};

/* Checked by its pattern. */
static void convert_margins(double mm[static 4], const char *text)
{
    for (int i = 0; i < 4; i++) {
        char *end;
        double v = strtod(text, &end);

        mm[i] = v * (str_starts(end, "in")   ? MM_PER_INCH
                     : str_starts(end, "cm") ? 10
                     : str_starts(end, "mm") ? 1
                                             : MM_PER_INCH / 96);
        text = strchr(end, ',') ? strchr(end, ',') + 1 : "";
    }
}

static int document_convert_check(const void *opts, bool partial, struct err *err)
{
    const T *o = opts;
    double mm[4];

    (void)partial; /* what is not known yet holds its default */
    convert_margins(mm, o->pdf_margin);
    if (mm[0] + mm[2] >= papers[o->pdf_format].h || mm[1] + mm[3] >= papers[o->pdf_format].w)
        return err_set(err, ERR_ROBOT_VALIDATION, "'pdf_margin' leaves nothing of the paper %s",
                       paper_names[o->pdf_format].name);
    return 0;
}

struct convert_work {
    struct robot_job *job;
    const T *o;
    const struct robot_input *in;
    struct document_type type;
    const char *format; /* the client's word */
};

/* ---- by LibreOffice ---- */

static const char *convert_filter(const struct convert_work *w, enum office_kind kind)
{
    static const char *const flat[] = {"fodt", "fods", "fodp", "fodg"};

    switch (w->o->format) {
    case F_XML:
        return flat[kind];
    case F_TEXT:
        return "txt";
    case F_PPS:
        return "ppt";
    case F_RTX:
        return "rtf";
    case F_JPG:
    case F_JPEG:
    case F_GIF:
        return "png"; /* the others are made of that */
    case F_HTML:
        return kind >= OFFICE_SLIDES ? "xhtml" : "html"; /* else many files */
    default:
        return w->format;
    }
}

/* Pictures inside the page; UTF-8; of a table the first sheet as it is shown. No more of these
 * lists than that: LibreOfficeKit drops what is empty in them and puts a blank before the rest,
 * after which a "true" is none. */
static const char *convert_filter_options(const struct convert_work *w, enum office_kind kind)
{
    return w->o->format == F_CSV                             ? "44,34,76,1,1/1,0,false"
           : w->o->format == F_TXT || w->o->format == F_TEXT ? "UTF8"
           : w->o->format == F_HTML && kind == OFFICE_TEXT   ? "EmbedImages"
                                                             : NULL;
}

static enum office_kind convert_office_kind(enum document_kind k)
{
    return k & (DOC_TABLE | DOC_CSV) ? OFFICE_TABLE
           : k == DOC_SLIDES         ? OFFICE_SLIDES
           : k == DOC_DRAWING        ? OFFICE_DRAWING
                                     : OFFICE_TEXT;
}

static int convert_write(const char *path, const struct str *s, struct err *err)
{
    return file_make(path, s->s ? s->s : "", s->len, err);
}

static int convert_sheet(const char **path, struct convert_work *w, struct err *err)
{
    AUTO(mem_free) char *csv = NULL;
    struct flat_sheet sheet;
    size_t len;

    if (text_file_read(&csv, &len, w->in->path, FLAT_SHEET_BYTES_MAX, err) < 0)
        return -1;
    *path = robot_out_path(w->job, "fods");
    FILE *f = fopen(*path, "wxe");
    if (!f)
        return err_errno(err, "open '%s'", *path);
    int rc = flat_sheet_write(&sheet, f, csv, len, err);
    bool whole = !ferror(f);
    if (fclose(f) != 0 || !whole)
        return err_errno(err, "write '%s'", *path);
    if (rc == 0 && w->o->format == F_XLS && (sheet.rows > XLS_ROWS || sheet.columns > XLS_COLUMNS))
        return err_set(err, ERR_INPUT,
                       "an xls has at most %d rows and %d columns, the table has %lld and %lld",
                       XLS_ROWS, XLS_COLUMNS, (long long)sheet.rows, (long long)sheet.columns);
    return rc;
}

static struct markdown convert_markdown_how(const struct convert_work *w)
{
    return (struct markdown){.gfm = w->o->markdown_format,
                             .bare = w->o->markdown_theme,
                             .xhtml = w->o->format == F_XHTML,
                             .title = w->in->basename};
}

static int convert_page(struct str *page, struct convert_work *w, struct err *err)
{
    AUTO(mem_free) char *text = NULL;
    size_t len;
    const struct markdown how = convert_markdown_how(w);

    return text_file_read(&text, &len, w->in->path, MARKDOWN_BYTES_MAX, err) < 0 ||
                   markdown_page(page, text, len, &how, err) < 0
               ? -1
               : 0;
}

/* A page that LibreOffice prints as the client wishes. */
static int convert_html(const char **path, struct convert_work *w, struct err *err)
{
    AUTO(str_done) struct str page = {0}, styled = {0};
    AUTO(mem_free) char *bytes = NULL;
    struct page_style style = {papers[w->o->pdf_format].w, papers[w->o->pdf_format].h, {0}};
    size_t len;

    convert_margins(style.margin_mm, w->o->pdf_margin);
    if (w->type.kind == DOC_MARKDOWN) {
        if (convert_page(&page, w, err) < 0)
            return -1;
    } else {
        if (text_file_bytes(&bytes, &len, w->in->path, HTML_MAX, err) < 0)
            return -1;
        str_add(&page, bytes, len);
    }
    page_style_add(&styled, page.s ? page.s : "", page.len, w->o->format == F_PDF ? &style : NULL);
    *path = robot_out_path(w->job, "html");
    return convert_write(*path, &styled, err);
}

static int convert_plain(const char **path, struct convert_work *w, struct err *err)
{
    AUTO(str_done) struct str text = {0};
    AUTO(mem_free) char *bytes = NULL;
    size_t len;

    if (text_file_read(&bytes, &len, w->in->path, TEXT_MAX, err) < 0)
        return -1;
    str_puts(&text, "\xEF\xBB\xBF");
    str_add(&text, bytes, len);
    *path = robot_out_path(w->job, "txt");
    return convert_write(*path, &text, err);
}

static int convert_emit(struct convert_work *w, const char *path, struct err *err)
{
    return robot_emit(w->job, &(struct robot_output){.path = path, .ext = w->format}, err);
}

static enum image_type convert_image_type(int format)
{
    return format == F_PNG ? IMAGE_PNG : format == F_GIF ? IMAGE_GIF : IMAGE_JPG;
}

/* An open picture becomes the result. */
static int convert_emit_image(struct convert_work *w, struct image *img, struct err *err)
{
    struct image_emit how = {
        .asked = convert_image_type(w->o->format), .save = {.quality = QUALITY}, .told = 0.5};

    how.save.format = image_emit_format(img, how.asked, "png");
    if (image_autorotate(img, err) < 0 || image_to_srgb8(img, err) < 0)
        return -1;
    if (!image_keeps_alpha(how.save.format) && image_has_alpha(img) &&
        image_flatten(img, (struct color){255, 255, 255, 255}, err) < 0)
        return -1;
    return image_emit(w->job, img, &how, err);
}

/* A page is a "web document" for LibreOffice, and would stay one as OpenDocument: flat it becomes a
 * text. */
static int convert_unweb(struct office_work *work, struct convert_work *w, struct err *err)
{
    work->filter = "fodt";
    work->to = robot_out_path(w->job, "fodt");
    if (office_convert(w->job, work, err) < 0)
        return -1;
    work->from = work->to;
    work->ext = "fodt";
    work->filter = w->format;
    return 0;
}

/* What LibreOffice writes and others would stumble over: slides as a page are XML that does not
 * look like a page, and as a drawing have no size; a text has a mark before it, and lines that end
 * as they did on a Macintosh. */
static int convert_emit_polished(struct convert_work *w, const char *from, struct err *err)
{
    AUTO(str_done) struct str out = {0};
    AUTO(mem_free) char *text = NULL;
    const char *path = robot_out_path(w->job, w->format);
    size_t len;

    if (text_file_read(&text, &len, from, POLISHED_MAX, err) < 0)
        return -1;
    if (w->o->format == F_SVG)
        page_svg_sized(&out, text, len);
    else if (w->o->format == F_HTML)
        page_without_declaration(&out, text, len);
    else
        text_lines(&out, text, len);
    unlink(from);
    return convert_write(path, &out, err) < 0 ? -1 : convert_emit(w, path, err);
}

static int by_office(struct convert_work *w, struct err *err)
{
    const enum office_kind kind = convert_office_kind(w->type.kind);
    const char *filter = convert_filter(w, kind);
    bool again = !strcmp(filter, "png") && w->o->format != F_PNG;
    struct office_work work = {.from = w->in->path,
                               .ext = w->type.ext,
                               .kind = kind,
                               .filter = filter,
                               .options = convert_filter_options(w, kind)};
    AUTO(image_free) struct image *img = NULL;

    if (!office_is_there())
        return err_set(err, ERR_COMMAND, "LibreOffice is not installed on this server");
    if (w->type.kind & (DOC_CSV | DOC_HTML | DOC_MARKDOWN | DOC_PLAIN)) {
        work.is_ours = true;
        if ((w->type.kind == DOC_CSV     ? convert_sheet
             : w->type.kind == DOC_PLAIN ? convert_plain
                                         : convert_html)(&work.from, w, err) < 0)
            return -1;
    }
    if (w->type.kind & (DOC_HTML | DOC_MARKDOWN) &&
        (w->o->format == F_ODT || w->o->format == F_OTT) && convert_unweb(&work, w, err) < 0)
        return -1;
    work.to = robot_out_path(w->job, again ? "png" : w->format);
    if (office_convert(w->job, &work, err) < 0)
        return -1;
    if (!again)
        return w->o->format == F_TXT || w->o->format == F_TEXT ||
                       (kind >= OFFICE_SLIDES && (w->o->format == F_HTML || w->o->format == F_SVG))
                   ? convert_emit_polished(w, work.to, err)
                   : convert_emit(w, work.to, err);
    const struct image_load how = {.limits = media_limits(robot_settings(w->job))};
    return image_open(&img, work.to, &how, err) < 0 ? -1 : convert_emit_image(w, img, err);
}

/* ---- by libraries ---- */

static int by_markdown(struct convert_work *w, struct err *err)
{
    AUTO(str_done) struct str page = {0};
    const char *path = robot_out_path(w->job, w->format);

    return convert_page(&page, w, err) < 0 || convert_write(path, &page, err) < 0
               ? -1
               : convert_emit(w, path, err);
}

static int by_subtitles(struct convert_work *w, struct err *err)
{
    AUTO(subtitles_free) struct subtitles *all = NULL;
    AUTO(mem_free) char *data = NULL;
    AUTO(str_done) struct str out = {0};
    const char *path = robot_out_path(w->job, w->format);
    size_t len;

    if (text_file_bytes(&data, &len, w->in->path, SUBTITLES_BYTES_MAX, err) < 0 ||
        subtitles_read(&all, data, len, err) < 0)
        return -1;
    (w->o->format == F_SRT ? subtitles_srt : subtitles_vtt)(&out, all);
    return convert_write(path, &out, err) < 0 ? -1 : convert_emit(w, path, err);
}

static int convert_open_picture(struct image **img, struct convert_work *w, struct err *err)
{
    const struct image_load how = {.limits = media_limits(robot_settings(w->job)),
                                   .all_frames = w->o->format == F_GIF};

    return image_open(img, w->in->path, &how, err);
}

static int by_picture(struct convert_work *w, struct err *err)
{
    AUTO(image_free) struct image *img = NULL;

    return convert_open_picture(&img, w, err) < 0 ? -1 : convert_emit_image(w, img, err);
}

static int by_picture_pdf(struct convert_work *w, struct err *err)
{
    AUTO(image_free) struct image *img = NULL;
    const char *path = robot_out_path(w->job, "pdf");

    if (convert_open_picture(&img, w, err) < 0)
        return -1;
    bool as_it_is = !strcmp(image_format(img), "jpg") && image_orientation(img) <= 1;
    if (image_autorotate(img, err) < 0 || image_to_srgb8(img, err) < 0 ||
        image_render(img, err) < 0)
        return -1;
    robot_progress(w->job, 0.5);
    return picture_pdf(path, img, as_it_is ? w->in->path : NULL, err) < 0
               ? -1
               : convert_emit(w, path, err);
}

/* ---- by programs ---- */

/* It is a program, and gets to see no file but itself. */
static int convert_ghostscript(const char **out, struct convert_work *w, const char *from,
                               const char *ext, struct err *err)
{
    const char *device = !strcmp(ext, "pdf")  ? "pdfwrite"
                         : !strcmp(ext, "ps") ? "ps2write"
                                              : "eps2write";

    *out = robot_out_path(w->job, ext);
    const char *const argv[] = {"gs",
                                "-q",
                                "-dSAFER",
                                "-dBATCH",
                                "-dNOPAUSE",
                                "-dNOPROMPT",
                                "-dEPSCrop",
                                arena_printf(robot_arena(w->job), "-sDEVICE=%s", device),
                                arena_printf(robot_arena(w->job), "-sOutputFile=%s", *out),
                                from,
                                NULL};

    if (tool_run(w->job, &(struct tool){.argv = argv}, err) < 0)
        return -1;
    robot_progress(w->job, 0.5);
    return access(*out, R_OK) == 0 ? 0
                                   : err_set(err, ERR_INPUT, "'%.100s' draws no page", w->in->name);
}

static int by_ghostscript(struct convert_work *w, struct err *err)
{
    const char *path;

    return convert_ghostscript(&path, w, w->in->path, w->format, err) < 0
               ? -1
               : convert_emit(w, path, err);
}

static int by_ghostscript_picture(struct convert_work *w, struct err *err)
{
    const struct media_limits limits = media_limits(robot_settings(w->job));
    const struct pdf_page page = {.limits = &limits, .page = 1, .dpi = PAGE_DPI};
    AUTO(image_free) struct image *img = NULL;
    const char *pdf;

    if (convert_ghostscript(&pdf, w, w->in->path, "pdf", err) < 0)
        return -1;
    int rc = pdf_draw(&img, w->job, pdf, &page, err);
    unlink(pdf);
    return rc < 0 ? -1 : convert_emit_image(w, img, err);
}

/* Lines stay lines. */
static int by_rsvg(struct convert_work *w, struct err *err)
{
    const char *path = robot_out_path(w->job, "pdf"), *drawn = path;
    const char *const argv[] = {"rsvg-convert", "-f", "pdf", "-o", path, w->in->path, NULL};

    if (tool_run(w->job, &(struct tool){.argv = argv}, err) < 0 ||
        (w->o->format != F_PDF && convert_ghostscript(&path, w, drawn, w->format, err) < 0))
        return -1;
    if (path != drawn)
        unlink(drawn);
    return convert_emit(w, path, err);
}

/* Twice: the first run finds out where everything is. */
static int by_pdflatex(struct convert_work *w, struct err *err)
{
    const char *path = robot_out_path(w->job, "pdf"), *slash = strrchr(path, '/');
    struct arena *a = robot_arena(w->job);
    const char *const argv[] = {
        "pdflatex",
        "-no-shell-escape",
        "-interaction=nonstopmode",
        "-halt-on-error",
        arena_printf(a, "-output-directory=%.*s", (int)(slash - path), path),
        arena_printf(a, "-jobname=%.*s", (int)(strlen(slash + 1) - strlen(".pdf")), slash + 1),
        w->in->path,
        NULL};

    if (access("/usr/bin/pdflatex", X_OK) < 0)
        return err_set(err, ERR_COMMAND, "pdflatex is not installed on this server");
    for (int i = 0; i < 2; i++) {
        if (tool_run(w->job, &(struct tool){.argv = argv}, err) < 0)
            return -1;
        robot_progress(w->job, 0.5);
    }
    return access(path, R_OK) == 0 ? convert_emit(w, path, err)
                                   : err_set(err, ERR_INPUT, "'%.100s' has no page", w->in->name);
}

/* ---- the job ---- */

#define IMAGES " png jpg jpeg gif "
/* The first that takes the one and gives the other. */
static const struct route {
    unsigned from;  /* enum document_kind */
    const char *to; /* formats, each between blanks */
    int (*run)(struct convert_work *w, struct err *err);
} routes[] = {
    {DOC_MARKDOWN, " html xhtml ", by_markdown},
    {DOC_SUBTITLES, " srt vtt ", by_subtitles},
    {DOC_PICTURE | DOC_SVG, IMAGES, by_picture},
    {DOC_PICTURE, " pdf ", by_picture_pdf},
    {DOC_SVG, " pdf ps eps ", by_rsvg},
    {DOC_POSTSCRIPT, " pdf ps eps ", by_ghostscript},
    {DOC_POSTSCRIPT, IMAGES, by_ghostscript_picture},
    {DOC_TEX, " pdf ", by_pdflatex},
    {DOC_TEXT | DOC_HTML | DOC_PLAIN | DOC_MARKDOWN,
     " doc docx odt ott rtf rtx txt text html xhtml xml pdf" IMAGES, by_office},
    {DOC_TABLE | DOC_CSV, " csv xls xlsx html xhtml xml pdf" IMAGES, by_office},
    {DOC_SLIDES, " ppt pptx pot pps html xhtml xml svg pdf" IMAGES, by_office},
    {DOC_DRAWING, " html xhtml xml svg pdf" IMAGES, by_office},
};

static int document_convert_run(struct robot_job *job, const void *opts, struct err *err)
{
    struct convert_work w = {.job = job, .o = opts, .in = robot_input(job, 0)};
    char wanted[16];

    w.type = document_type(w.in);
    w.format = formats[w.o->format].name; /* the list is in the order of the enum */
    snprintf(wanted, sizeof wanted, " %s ", w.format);
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (routes[i].from & w.type.kind && strstr(routes[i].to, wanted))
            return routes[i].run(&w, err);
    return robot_fail(job, err, ERR_INPUT, "UNSUPPORTED_CONVERSION",
                      "'%.100s' is of type %.80s, of which no %s can be made", w.in->name,
                      *w.in->mime ? w.in->mime : "unknown", w.format);
}

const struct robot robot_document_convert = {
    .name = "/document/convert",
    .summary = "Convert office and text documents",
    .codes = "UNSUPPORTED_CONVERSION",
    .role = ROLE_OFFICE,
    .instead = {ROLE_MEDIA, BY_PROGRAMS},
    .price_factor = 1,
    .min_charge = 1048576,
    .slots = 12,
    .opts_size = sizeof(T),
    .options = options,
    .example = "{\"format\": \"pdf\"}",
    .check = document_convert_check,
    .run = IN_WORKER(document_convert_run),
};
