/* /file/verify: what a file is counts, and not what it is called. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROBOT "/file/verify"

/* The least that each type begins with. */
static const struct sample {
    const char *name, *bytes;
    size_t len;
} pdf = {"a.pdf", "%PDF-1.4\n1 0 obj\n", 17},
  png = {"a.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\b\2\0\0\0\x90wS\xde", 33},
  jpeg = {"a.jpg", "\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", 20},
  liar = {"invoice.pdf", "MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0", 16}, words = {"a.txt", "some words\n", 11},
  nothing = {"a.pdf", "", 0},
  wave = {"a.wav", "RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0", 44};

static const char *written(struct robot_job *job, const struct sample *s)
{
    const char *path = host_path(job, s->name);
    FILE *f = fopen(path, "w");

    assert_int_equal(fwrite(s->bytes, 1, s->len, f), s->len);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void a_file_goes_on_when_its_bytes_are_what_is_wanted(void **state)
{
    static const struct {
        const struct sample *s;
        const char *to_be;
        bool passes;
    } rows[] = {
        {&pdf, NULL, true},         {&png, NULL, false},         {&liar, NULL, false},
        {&nothing, NULL, false},    {&words, NULL, false},       {&pdf, "application/pdf", true},
        {&pdf, "PDF", true},        {&pdf, ".pdf", true},        {&pdf, "document", true},
        {&pdf, "image", false},     {&png, "image", true},       {&png, "png", true},
        {&png, "image/png", true},  {&png, "image/jpeg", false}, {&png, "jpg", false},
        {&png, "imag", false},      {&jpeg, "jpg", true},        {&jpeg, "jpeg", true},
        {&jpeg, "image/jpg", true}, {&jpeg, "image/jpeg", true}, {&jpeg, "video", false},
        {&wave, "audio", true},     {&wave, "wav", true},        {&wave, "audio/vnd.wave", true},
        {&words, "text", true},     {&words, "txt", true},       {&liar, "application/pdf", false},
        {&liar, "document", false}, {&png, "nonsense", false},   {&png, "/", false},
        {&png, ".", false},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        AUTO(mem_free)
        char *step = rows[i].to_be ? mem_printf("{\"verify_to_be\": \"%s\"}", rows[i].to_be) : mem_strdup("{}");
        struct err err = {0};

        if (host_run_on(job, ROBOT, step, written(job, rows[i].s), &err) < 0)
            fail_msg("%s: %s", step, err.msg);
        if (host_output_count(job) != rows[i].passes)
            fail_msg("%s with %s goes the wrong way", rows[i].s->name, step);
        if (rows[i].passes)
            assert_true(host_output(job, 0)->same &&
                        !host_output(job, 0)->passed); /* a new record of the same bytes */
    }
}

static void what_nobody_could_tell_before_is_looked_at_here(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    host_add_input(job, written(job, &pdf));
    host_input(job)->mime = "";
    host_add_input(job, written(job, &png));
    host_input(job)->mime = "";
    assert_int_equal(host_run(job, ROBOT, "{}", &err), 0);
    assert_int_equal(host_output_count(job), 1);
}

static void another_file_fails_the_job_when_that_is_asked_for(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    assert_int_equal(host_run_on(job, ROBOT, "{\"error_on_decline\": true, \"error_msg\": \"Only PDF\"}",
                                 written(job, &liar), &err),
                     -1);
    assert_string_equal(err_name(&err), "FILE_VERIFY_INVALID_FILE");
    assert_string_equal(err.msg, "Only PDF");
    assert_int_equal(host_run_on(job, ROBOT, "{\"verify_to_be\": \"a b\"}", written(job, &pdf), &err), -1);
    assert_string_equal(err_name(&err), "FILE_VERIFY_VALIDATION");
}

/* ---- repair ---- */

static size_t add(char *to, size_t at, const char *text) { return at + (size_t)sprintf(to + at, "%s", text); }

/* Three pages, each saying its number. */
static size_t document(char *to)
{
    static const char *const objects[] = {
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [4 0 R 6 0 R 8 0 R] /Count 3 >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    };
    size_t at = add(to, 0, "%PDF-1.4\n"), begins[9];

    for (int i = 0; i < 9; i++) {
        char text[300], contents[60];
        int page = (i - 3) / 2 + 1;

        snprintf(contents, sizeof contents, "BT /F1 20 Tf 20 20 Td (this is page %d) Tj ET", page);
        if (i < 3)
            snprintf(text, sizeof text, "%s", objects[i]);
        else if (i % 2)
            snprintf(text, sizeof text, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 60] /Contents %d 0 R "
                     "/Resources << /Font << /F1 3 0 R >> >> >>", i + 2);
        else
            snprintf(text, sizeof text, "<< /Length %zu >>\nstream\n%s\nendstream", strlen(contents), contents);
        begins[i] = at;
        at += (size_t)sprintf(to + at, "%d 0 obj\n%s\nendobj\n", i + 1, text);
    }
    size_t table = at;
    at = add(to, at, "xref\n0 10\n0000000000 65535 f \n");
    for (int i = 0; i < 9; i++)
        at += (size_t)sprintf(to + at, "%010zu 00000 n \n", begins[i]);
    return at + (size_t)sprintf(to + at, "trailer\n<< /Size 10 /Root 1 0 R >>\nstartxref\n%zu\n%%%%EOF\n", table);
}

/* Of the words in it; the pages whose words there are. */
static int pages_of(const char *path)
{
    AUTO(mem_free) char *command = mem_printf("pdftotext '%s' - 2>/dev/null | grep -c 'this is page [123]'", path);
    FILE *f = popen(command, "r");
    int n = -1;

    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

static void replace(char *in, const char *what, const char *by)
{
    char *at;

    assert_int_equal(strlen(what), strlen(by));
    assert_non_null(strstr(in, what));
    while ((at = strstr(in, what)))
        memcpy(at, by, strlen(by));
}

static const char *damaged(struct robot_job *job, int how)
{
    char text[6000];
    size_t len = document(text);

    if (how == 1) /* cut off behind the pages */
        len = (size_t)(strstr(text, "xref\n0") - text);
    if (how == 2) /* within the last page */
        len = (size_t)(strstr(text, "8 0 obj") - text);
    if (how == 3)
        replace(text, "startxref", "startxxxx");
    if (how == 4)
        replace(text, " 00000 n", " 00007 x");
    if (how == 5)
        replace(text, "endobj", "xxxxxx");
    if (how == 6)
        replace(text, "/Length 4", "/Length 9");
    if (how == 7) /* nothing but its beginning */
        len = 60;
    if (how == 8) /* its pages are their own parents: nobody goes round for ever, and its word counts */
        replace(text, "[4 0 R 6 0 R 8 0 R]", "[2 0 R 2 0 R 2 0 R]");
    if (how == 10) { /* far before it, something else */
        memmove(text + 2000, text, len);
        memset(text, 'x', 2000);
        len += 2000;
    }
    if (how == 9)
        replace(text, "/Root 1 0 R", "/Root 7 0 R");
    const struct sample s = {"a.pdf", text, len};
    return written(job, &s);
}

static void a_broken_pdf_is_mended_a_whole_one_keeps_its_bytes(void **state)
{
    static const struct {
        int pages; /* afterwards; -1: it is declined */
        bool same;
    } rows[] = {{3, true}, {3}, {2}, {3}, {3}, {3}, {3}, {-1}, {3, true}, {-1}, {3}};
    (void)state;

    for (int i = 0; i < (int)ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        struct err err = {0};

        host_add_input(job, damaged(job, i));
        host_input(job)->mime = i == 10 ? "text/plain" : "application/pdf";
        if (host_run(job, ROBOT, "{\"repair_pdf\": true}", &err) < 0)
            fail_msg("damage %d: %s: %s", i, err_name(&err), err.msg);
        if (host_output_count(job) != (rows[i].pages >= 0))
            fail_msg("damage %d: %d files", i, host_output_count(job));
        if (rows[i].pages < 0)
            continue;
        const struct host_output *o = host_output(job, 0);
        if (o->same != rows[i].same || (!o->same && pages_of(o->path) != rows[i].pages))
            fail_msg("damage %d: %s, %d pages", i, o->same ? "the same" : "another", pages_of(o->path));
        if (!o->same)
            assert_string_equal(o->name, "a.pdf");
    }
}

static void what_can_not_be_mended_fails_the_job_when_that_is_asked_for(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    assert_int_equal(
        host_run_on(job, ROBOT, "{\"repair_pdf\": true, \"error_on_decline\": true}", damaged(job, 7), &err), -1);
    assert_string_equal(err_name(&err), "FILE_VERIFY_INVALID_FILE");
    /* it is looked at when it is a PDF, and only when that is asked for */
    assert_int_equal(host_run_on(job, ROBOT, "{\"error_on_decline\": true}", damaged(job, 7), &err), 0);
    assert_int_equal(
        host_run_on(job, ROBOT, "{\"repair_pdf\": true, \"verify_to_be\": \"png\"}", written(job, &png), &err), 0);
    assert_true(host_output(job, 0)->same);
    /* a program called invoice.pdf stays one */
    assert_int_equal(host_run_on(job, ROBOT, "{\"repair_pdf\": true}", written(job, &liar), &err), 0);
    assert_int_equal(host_output_count(job), 0);
}

/* Nobody can look into it, so nobody can say that it is broken. */
static void one_that_is_locked_goes_on_as_it_is(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *plain = damaged(job, 0), *locked = host_path(job, "locked.pdf");
    AUTO(mem_free) char *command = mem_printf("mutool clean -E aes-256 -U user -O owner '%s' '%s'", plain, locked);
    struct err err = {0};
    (void)state;

    assert_int_equal(system(command), 0);
    assert_int_equal(host_run_on(job, ROBOT, "{\"repair_pdf\": true}", locked, &err), 0);
    assert_int_equal(host_output_count(job), 1);
    assert_true(host_output(job, 0)->same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_goes_on_when_its_bytes_are_what_is_wanted),
        cmocka_unit_test(what_nobody_could_tell_before_is_looked_at_here),
        cmocka_unit_test(another_file_fails_the_job_when_that_is_asked_for),
        cmocka_unit_test(a_broken_pdf_is_mended_a_whole_one_keeps_its_bytes),
        cmocka_unit_test(what_can_not_be_mended_fails_the_job_when_that_is_asked_for),
        cmocka_unit_test(one_that_is_locked_goes_on_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
