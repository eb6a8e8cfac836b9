/* /document/convert: what needs no LibreOffice; the rest is in tests/e2e/office.test.mjs, in the
 * real jail. */
#include "../../unit/unit.h"
#include "../papers.h"
#include "base/str.h"
#include "media/document_type.h"
#include "media/flat_sheet.h"
#include "media/office.h"
#include "media/page_style.h"
#include "media/text_file.h"

#include <stdio.h>
#include <string.h>

static const struct host_output *convert(struct robot_job *job, const char *step, const char *path)
{
    struct err err = {0};

    if (host_run_on(job, "/document/convert", step, path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return host_output(job, 0);
}

static void refused(struct robot_job *job, const char *step, const char *path, const char *code,
                    const char *words)
{
    struct err err = {0};

    if (host_run_on(job, "/document/convert", step, path, &err) == 0)
        fail_msg("%s of %s is taken", step, path);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, words))
        fail_msg("%s: %s: %s", path, err_name(&err), err.msg);
}

static const char *file(struct robot_job *job, const char *name, const char *text)
{
    return paper_file(job, name, text, strlen(text));
}

static char *contents(const struct host_output *out)
{
    struct err err;
    size_t len;
    char *text;

    if (text_file_bytes(&text, &len, out->path, 1 << 20, &err) < 0)
        fail_msg("%s", err.msg);
    return text;
}

/* ---- Markdown ---- */

static void made(const char *step, const char *const has[], const char *const lacks[])
{
    static const char text[] =
        "# A & B\n\n| a | b |\n|---|---|\n| 1 | ~~2~~ |\n\n- [x] done\n\nhttp://example.com\n\n"
        "<script>x()</script>\n\n\xE4\n";
    AUTO(host_free) struct robot_job *job = host_new();
    const struct host_output *out = convert(job, step, file(job, "t.md", text));
    AUTO(mem_free) char *page = contents(out);

    for (; *has; has++)
        if (!strstr(page, *has))
            fail_msg("%s: no '%s' in %s", step, *has, page);
    for (; *lacks; lacks++)
        if (strstr(page, *lacks))
            fail_msg("%s: '%s' in %s", step, *lacks, page);
}

static void markdown_has_the_dialect_and_the_looks_that_were_asked_for(void **state)
{
    made("{\"format\": \"html\"}",
         (const char *const[]){"<h1>A &amp; B</h1>", "<table>", "<del>2</del>", "checkbox",
                               "href=\"http://example.com\"", "&lt;script>", "<style>", "\xC3\xA4",
                               "<title>t</title>", NULL},
         (const char *const[]){"<script>", NULL});
    made(
        "{\"format\": \"html\", \"markdown_format\": \"commonmark\", \"markdown_theme\": \"bare\"}",
        (const char *const[]){"<h1>", "| a | b |", "~~2~~", "<script>", NULL},
        (const char *const[]){"<table>", "<style>", "checkbox", NULL});
    made("{\"format\": \"xhtml\"}", (const char *const[]){"<?xml", "xmlns=", "<table>", NULL},
         (const char *const[]){"script>", NULL});
}

/* ---- programs and libraries ---- */

static void subtitles_become_the_other_kind(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *srt = file(job, "a.srt", "1\n00:00:01,000 --> 00:00:02,500\nHi <i>there</i>\n");
    const struct host_output *out = convert(job, "{\"format\": \"vtt\"}", srt);
    AUTO(mem_free) char *text = contents(out);

    assert_true(str_starts(text, "WEBVTT"));
    assert_non_null(strstr(text, "00:01.000 --> 00:00:02.500") ? text
                                                               : strstr(text, "01.000 --> "));
    assert_non_null(strstr(text, "<i>there</i>"));
    refused(job, "{\"format\": \"png\"}", srt, "DOCUMENT_CONVERT_UNSUPPORTED_CONVERSION",
            "no png can be made");
}

static void postscript_is_drawn(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *eps =
        file(job, "a.eps",
             "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 200 100\n/Helvetica findfont 24 "
             "scalefont setfont 10 40 moveto (Words) show showpage\n");
    const struct host_output *out = convert(job, "{\"format\": \"pdf\"}", eps);

    assert_string_equal(paper_widths(job, out->path), "200");
    assert_non_null(strstr(paper_say(job, "f() { pdftotext \"$1\" -; }; f", out->path), "Words"));
    out = convert(job, "{\"format\": \"png\"}", eps);
    assert_int_equal(json_integer_value(json_object_get(out->meta, "width")), 417);
    out = convert(job, "{\"format\": \"eps\"}", eps);
    assert_string_equal(out->mime, "application/postscript");
    refused(job, "{\"format\": \"pdf\"}", file(job, "b.ps", "%!PS\n(/etc/hostname) (r) file\n"),
            "INTERNAL_COMMAND_ERROR", "gs");
}

static void drawings_and_pictures_become_pages(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *svg =
        file(job, "a.svg",
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"160\" height=\"80\"><rect "
             "width=\"160\" height=\"80\" fill=\"red\"/><text x=\"9\" y=\"40\">Words</text></svg>");
    const struct host_output *out = convert(job, "{\"format\": \"pdf\"}", svg);

    assert_string_equal(paper_widths(job, out->path), "120");
    assert_non_null(strstr(paper_say(job, "f() { pdftotext \"$1\" -; }; f", out->path), "Words"));
    out = convert(job, "{\"format\": \"eps\"}", svg);
    assert_string_equal(out->mime, "application/postscript");
    out = convert(job, "{\"format\": \"jpg\"}", svg);
    assert_string_equal(out->name, "a.jpg");
    const char *jpg = file(job, "copy.jpg", "");
    paper_say(job, arena_printf(robot_arena(job), "f() { cp \"$1\" '%s'; }; f", jpg), out->path);
    int64_t size = out->size;
    out = convert(job, "{\"format\": \"pdf\"}", jpg);
    assert_string_equal(paper_widths(job, out->path), "120");
    assert_non_null(strstr(paper_say(job, "pdfimages -list", out->path), "jpeg")); /* as it was */
    assert_true(out->size < size + 2000);
}

static void what_can_not_be_is_refused_by_name(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *page = file(job, "a.html", "<html><body>x</body></html>");

    refused(job, "{\"format\": \"docx\"}", paper_row(job, "a.pdf", 1),
            "DOCUMENT_CONVERT_UNSUPPORTED_CONVERSION", "application/pdf");
    refused(job, "{\"format\": \"pdf\"}", file(job, "noise.docx", "\x01\x02\xFF\xFE\x03 noise"),
            "DOCUMENT_CONVERT_UNSUPPORTED_CONVERSION", "noise.docx");
    refused(job, "{\"format\": \"xlsx\"}", page, "DOCUMENT_CONVERT_UNSUPPORTED_CONVERSION", "xlsx");
    refused(job, "{\"format\": \"pdf\", \"pdf_margin\": \"6in,1mm,6in,1mm\"}", page,
            "DOCUMENT_CONVERT_VALIDATION", "leaves nothing");
    refused(job, "{\"format\": \"pdf\", \"pdf_margin\": \"1,2\"}", page,
            "DOCUMENT_CONVERT_VALIDATION", "pdf_margin");
    refused(job, "{\"format\": \"pdf\", \"pdf_display_header_footer\": true}", page,
            "DOCUMENT_CONVERT_VALIDATION", "pdf_display_header_footer");
}

static void without_libreoffice_that_is_said_and_the_rest_goes_on(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *usual = office_programs;

    office_programs = "/nonexistent";
    refused(job, "{\"format\": \"pdf\"}", file(job, "a.html", "<p>x"), "INTERNAL_COMMAND_ERROR",
            "not installed");
    convert(job, "{\"format\": \"html\"}", file(job, "a.md", "some *words*\n"));
    office_programs = usual;
}

/* ---- tables ---- */

static char *sheet(const char *csv, struct flat_sheet *facts)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    struct err err;

    if (flat_sheet_write(facts, f, csv, strlen(csv), &err) < 0)
        fail_msg("%s", err.msg);
    fclose(f);
    return text;
}

static void a_table_keeps_digits_texts_and_formulas_as_they_are(void **state)
{
    static const char *const separated[] = {
        "a,b\n1.50,\"x,\"\"y\"\"\nz\"\n", "a;b\r\n1.50;\"x,\"\"y\"\"\nz\"\r\n",
        "sep=|\na|b\n1.50|\"x,\"\"y\"\"\nz\"", "a\tb\n1.50\t\"x,\"\"y\"\"\nz\""};
    struct flat_sheet facts;

    for (size_t i = 0; i < ARRAY_LEN(separated); i++) {
        AUTO(mem_free) char *text = sheet(separated[i], &facts);

        assert_int_equal(facts.rows, 2);
        assert_int_equal(facts.columns, 2);
        assert_non_null(
            strstr(text, "style-name=\"c2\" office:value-type=\"float\" office:value=\"1.50\""));
        assert_non_null(strstr(text, "<text:p>x,\"y\"</text:p><text:p>z</text:p>"));
    }
    AUTO(mem_free) char *texts = sheet("007,=1+1,\"5\",1e5,-,<&>\x01,1234567890123456", &facts);
    assert_null(strstr(texts, "float\" office:value"));
    assert_non_null(strstr(texts, "<text:p>=1+1</text:p>"));
    assert_non_null(strstr(texts, "<text:p>&lt;&amp;&gt;</text:p>"));
    assert_null(strstr(texts, "table:formula"));
    AUTO(mem_free) char *none = sheet("", &facts);
    assert_int_equal(facts.rows, 0);
    assert_non_null(strstr(none, "<table:table-row>"));
}

static void a_table_of_too_many_columns_is_refused(void **state)
{
    AUTO(mem_free) char *wide = mem_alloc(FLAT_SHEET_COLUMNS_MAX + 2);
    FILE *f = fopen("/dev/null", "we");
    struct flat_sheet facts;
    struct err err = {0};

    memset(wide, ',', FLAT_SHEET_COLUMNS_MAX + 1);
    assert_int_equal(flat_sheet_write(&facts, f, wide, FLAT_SHEET_COLUMNS_MAX + 1, &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
    fclose(f);
}

/* ---- pages ---- */

static void a_page_gets_its_paper_where_its_head_begins(void **state)
{
    const struct page_style style = {210, 297, {1, 2, 3, 4}};
    AUTO(str_done) struct str out = {0}, wide = {0};

    page_style_add(&out, "<!DOCTYPE html><html><head lang=x><header>", 42, &style);
    assert_string_equal(
        out.s,
        "<!DOCTYPE html><html><head lang=x><meta http-equiv=\"Content-Type\" "
        "content=\"text/html; charset=utf-8\" /><style>@page{size:210.00mm 297.00mm;margin:1.00mm "
        "2.00mm 3.00mm 4.00mm}</style><header>");
    page_style_add(&wide, "\xFF\xFE<\0p\0>\0\xE4\0\x00\xD8", 12, NULL);
    assert_non_null(strstr(wide.s, "<p>\xC3\xA4"));
}

static void an_old_file_that_says_nothing_is_what_its_name_says(void **state)
{
    struct robot_input in = {
        .mime = "application/x-ole-storage", .ext = "XLS", .path = "/nonexistent"};

    assert_int_equal(document_type(&in).kind, DOC_TABLE);
    in.ext = "exe";
    assert_int_equal(document_type(&in).kind, 0);
    in = (struct robot_input){.mime = "application/pdf", .ext = "ai", .path = "/nonexistent"};
    assert_int_equal(document_type(&in).kind, DOC_POSTSCRIPT);
    in.ext = "pdf";
    assert_int_equal(document_type(&in).kind, 0);
}

static void programs_are_started_by_media_workers_alone(void **state)
{
    static const char *const media[] = {
        "image/png",       "image/svg+xml", "application/postscript",
        "application/pdf", "text/vtt",      "application/x-subrip",
        "text/x-tex"};
    const struct robot *r = robot_find("/document/convert");

    for (size_t i = 0; i < ARRAY_LEN(media); i++)
        assert_int_equal(robot_role_for(r, media[i]), ROLE_MEDIA);
    assert_int_equal(robot_role_for(r, "text/html"), ROLE_OFFICE);
    assert_int_equal(robot_role_for(r, "application/msword"), ROLE_OFFICE);
    assert_int_equal(robot_role_for(r, NULL), ROLE_OFFICE);
    assert_int_equal(robot_role_for(robot_find("/image/resize"), "text/html"), ROLE_MEDIA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markdown_has_the_dialect_and_the_looks_that_were_asked_for),
        cmocka_unit_test(subtitles_become_the_other_kind),
        cmocka_unit_test(postscript_is_drawn),
        cmocka_unit_test(drawings_and_pictures_become_pages),
        cmocka_unit_test(what_can_not_be_is_refused_by_name),
        cmocka_unit_test(without_libreoffice_that_is_said_and_the_rest_goes_on),
        cmocka_unit_test(a_table_keeps_digits_texts_and_formulas_as_they_are),
        cmocka_unit_test(a_table_of_too_many_columns_is_refused),
        cmocka_unit_test(a_page_gets_its_paper_where_its_head_begins),
        cmocka_unit_test(programs_are_started_by_media_workers_alone),
        cmocka_unit_test(an_old_file_that_says_nothing_is_what_its_name_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
