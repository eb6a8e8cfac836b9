/* /document/optimize: documents with more in them than is needed in, smaller ones that look the
 * same out. */
#include "../../unit/unit.h"
#include "../papers.h"
#include "base/str.h"
#include "clips.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct host_output *optimize(struct robot_job *job, const char *step, const char *path)
{
    struct err err = {0};

    if (host_run_on(job, "/document/optimize", step, path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return host_output(job, 0);
}

static void refused(struct robot_job *job, const char *path, const char *code, const char *words)
{
    struct err err = {0};

    if (host_run_on(job, "/document/optimize", "{}", path, &err) == 0)
        fail_msg("%s is taken", path);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, words))
        fail_msg("%s: %s: %s", path, err_name(&err), err.msg);
}

/* A page of 2 x 2 inches with a picture of 400 x 400 pixels, stored as wastefully as can be, and a
 * line of text. */
static const char *scan(struct robot_job *job)
{
    static const char page[] = "q 144 0 0 144 0 0 cm /I Do Q BT /F 12 Tf 10 10 Td (Words) Tj ET";
    AUTO(str_done) struct str hex = {0};

    str_addf(
        &hex,
        "<</Type/XObject/Subtype/Image/Width 400/Height 400/ColorSpace/DeviceRGB/BitsPerComponent 8"
        "/Filter/ASCIIHexDecode/Length %d>>stream\n",
        400 * 400 * 6 + 1);
    for (int y = 0; y < 400; y++)
        for (int x = 0; x < 400; x++)
            str_addf(&hex, "%02x%02x%02x", 128 + x / 4, (x * y) % 97, 20 + y / 8);
    str_puts(&hex, ">\nendstream");
    AUTO(mem_free)
    char *content = mem_printf("<</Length %zu>>stream\n%s\nendstream", strlen(page), page);
    const char *const objects[] = {
        "<</Type/Catalog/Pages 2 0 R/Metadata 7 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 144 144]/Contents 4 0 R/Resources<</XObject<</I 5 "
        "0 R>>/Font<</F 6 0 R>>>>>>",
        content,
        hex.s,
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        "<</Type/Metadata/Subtype/XML/Length 16>>stream\n<x>Somebody</x> \nendstream"};
    return paper_objects(job, "scan.pdf", objects, ARRAY_LEN(objects));
}

static const char *look(struct robot_job *job, struct seen *s, const char *path)
{
    const char *png = arena_printf(robot_arena(job), "%s/seen.png", host_dir(job));

    paper_say(job,
              arena_printf(robot_arena(job),
                           "f() { pdftoppm -png -r 72 -singlefile \"$1\" '%s/seen'; }; f",
                           host_dir(job)),
              path);
    clip_see(s, png);
    return png;
}

static void it_is_smaller_and_looks_the_same(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = scan(job);
    struct stat before;
    struct seen a, b;
    (void)state;

    assert_int_equal(stat(path, &before), 0);
    const struct host_output *o = optimize(job, "{}", path);
    assert_true(o->size < before.st_size / 4);
    assert_string_equal(o->name, "scan.pdf");
    look(job, &a, path);
    look(job, &b, o->path);
    assert_true(a.w == b.w && a.h == b.h);
    for (int i = 0; i < 9; i++)
        for (int c = 0; c < 3; c++)
            assert_true(abs(a.at[i][c] - b.at[i][c]) < 60);
    const char *said = paper_say(job, "pdfinfo", o->path);
    assert_non_null(strstr(said, "Optimized:       yes"));
    assert_non_null(strstr(said, "PDF version:     1.7"));
    assert_non_null(strstr(said, "A secret title"));
    assert_true(host_progress_steps(job) >= 2);
}

static int width_of_picture(struct robot_job *job, const char *step, const char *path)
{
    const char *said = paper_say(job, "pdfimages -list", optimize(job, step, path)->path),
               *row = strstr(said, "image ");
    int w = 0;

    assert_true(row && sscanf(row, "image %d", &w) == 1);
    return w;
}

static void pictures_have_the_resolution_asked_for(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = scan(job);
    (void)state;

    assert_in_range(width_of_picture(job, "{\"preset\": \"screen\"}", path), 140, 150);
    assert_int_equal(width_of_picture(job, "{\"preset\": \"printer\"}", path), 400);
    assert_in_range(width_of_picture(job, "{\"image_dpi\": 100}", path), 195, 205);
    assert_in_range(width_of_picture(job, "{\"preset\": \"prepress\", \"image_dpi\": 50}", path),
                    96, 104);
}

static void each_parameter_does_what_it_says(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = scan(job);
    (void)state;

    assert_non_null(
        strstr(paper_say(job, "pdfinfo", optimize(job, "{\"linearize\": false}", path)->path),
               "Optimized:       no"));
    assert_non_null(
        strstr(paper_say(job, "pdfinfo", optimize(job, "{\"compatibility\": \"1.4\"}", path)->path),
               "PDF version:     1.4"));
    assert_non_null(
        strstr(paper_say(job, "pdfinfo", optimize(job, "{\"compatibility\": \"2.0\"}", path)->path),
               "PDF version:     2.0"));
    const char *all =
        paper_say(job, "pdffonts",
                  optimize(job, "{\"preset\": \"prepress\", \"subset_fonts\": false}", path)->path);
    const char *some =
        paper_say(job, "pdffonts", optimize(job, "{\"preset\": \"prepress\"}", path)->path);
    assert_non_null(strstr(some, "yes yes"));
    assert_non_null(strstr(all, "yes no"));
    /* the font is stored as it is, and not packed by whoever comes next */
    static const char packed[] = "f() { grep -a -c 'FlateDecode /Subtype /Type1C' \"$1\"; true; }; f";
    static const char loose[] = "{\"preset\": \"prepress\", \"compress_fonts\": false}";
    const struct host_output *o = optimize(job, "{\"preset\": \"prepress\"}", path);
    assert_string_equal(paper_say(job, packed, o->path), "1\n");
    assert_string_equal(paper_say(job, packed, optimize(job, loose, path)->path), "0\n");
}

static void metadata_go_when_they_are_to_and_never_come_back(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *paths[] = {scan(job), paper_row(job, "small.pdf", 1)};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const struct host_output *o = optimize(job, "{\"remove_metadata\": true}", paths[i]);
        const char *said = paper_say(job,
                                     "f() { pdfinfo \"$1\"; pdfinfo -meta \"$1\"; qpdf --qdf "
                                     "--object-streams=disable \"$1\" - "
                                     "| strings; }; f",
                                     o->path);

        assert_false(o->same);
        assert_null(strstr(said, "secret title"));
        assert_null(strstr(said, "Somebody"));
        assert_null(strstr(said, "CreationDate"));
    }
}

static void what_can_not_get_smaller_passes_on_as_it_is(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    assert_true(optimize(job, "{}", paper_row(job, "small.pdf", 1))->same);
}

static void others_are_refused(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    refused(job, paper_file(job, "a.txt", "words\n", 6), "DOCUMENT_OPTIMIZE_UNSUPPORTED_INPUT",
            "no PDF");
    refused(job, paper_lock(job, "locked.pdf", paper_row(job, "b.pdf", 1), "sesame", "sesame"),
            "DOCUMENT_OPTIMIZE_UNSUPPORTED_INPUT", "locked");
    refused(job, paper_file(job, "c.pdf", "%PDF-1.7\nnothing", 16), "INVALID_INPUT_ERROR", "c.pdf");
}

/* Ghostscript would run it: it begins like a program, and is a PDF to those who look further. */
static void a_program_in_the_place_of_a_document_is_never_run(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free)
    char *writes = mem_printf(
        "%%!PS\n(%s/ran) (w) file dup (x) writestring closefile quit\n%%PDF-1.4\n%%%%EOF\n",
        host_dir(job));
    struct stat st;
    (void)state;

    struct err err = {0};
    const char *path = paper_file(job, "a.pdf", writes, strlen(writes));
    host_add_input(job, path);
    host_input(job)->mime = "application/pdf"; /* whatever is made of it before */
    assert_int_equal(host_run(job, "/document/optimize", "{}", &err), -1);
    assert_string_equal(err_name(&err), "INVALID_INPUT_ERROR");
    assert_int_equal(stat(host_path(job, "ran"), &st), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_smaller_and_looks_the_same),
        cmocka_unit_test(pictures_have_the_resolution_asked_for),
        cmocka_unit_test(each_parameter_does_what_it_says),
        cmocka_unit_test(metadata_go_when_they_are_to_and_never_come_back),
        cmocka_unit_test(what_can_not_get_smaller_passes_on_as_it_is),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(a_program_in_the_place_of_a_document_is_never_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
