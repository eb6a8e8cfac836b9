/* /document/merge: documents whose pages are told by their widths in, one document out. */
#include "../../unit/unit.h"
#include "../papers.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

/* One page, so wide. */
static const char *page(struct robot_job *job, const char *name, int w)
{
    return paper_make(job, name, &(struct paper){w, 200, PAPER_RED, NULL}, 1);
}

static const char *merge(struct robot_job *job, const char *step)
{
    struct err err = {0};

    if (host_run(job, "/document/merge", step, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    assert_string_equal(host_output(job, 0)->mime, "application/pdf");
    return host_output(job, 0)->path;
}

static void refused(struct robot_job *job, const char *step, const char *code, const char *words)
{
    struct err err = {0};

    if (host_run(job, "/document/merge", step, &err) == 0)
        fail_msg("%s is taken", step);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, words))
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
    assert_null(strstr(err.msg, "sesame"));
    assert_null(strstr(err.detail, "sesame"));
}

static void the_order_is_that_of_numbers_then_of_names(void **state)
{
    static const struct {
        const char *step, *widths;
    } rows[] = {{"{}", "104 102 101 103"},
                {"{\"sort_by\": \"basename\"}", "104 102 101 103"},
                {"{\"sort_by\": \"import_order\"}", "104 101 102 103"}};
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    host_add_input(job, page(job, "page 10.pdf", 101));
    host_add_input(job, page(job, "page 2.pdf", 102));
    host_add_input(job, page(job, "zzz.pdf", 103));
    host_add_input(job, page(job, "zzzz.pdf", 104));
    host_input_as(job, "document_1");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_string_equal(paper_widths(job, merge(job, rows[i].step)), rows[i].widths);
        assert_string_equal(host_output(job, 0)->name, "zzzz.pdf");
    }
    const char *first = paper_say(job, "md5sum <", merge(job, "{}"));
    assert_string_equal(first, paper_say(job, "md5sum <", merge(job, "{}")));
}

static void passwords_open_inputs_and_lock_the_result(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    host_add_input(job, page(job, "a.pdf", 101));
    host_add_input(job, paper_lock(job, "b.pdf", page(job, "plain.pdf", 102), "sesame", "other"));
    const char *out = merge(job, "{\"input_passwords\": [\"\", \"sesame\"]}");
    assert_string_equal(paper_widths(job, out), "101 102");
    assert_non_null(strstr(paper_say(job, "pdfinfo", out), "Encrypted:       no"));

    AUTO(mem_free)
    char *step = mem_printf("{\"input_passwords\": [\"\", \"other\"], \"output_password\": \"%s\"}",
                            "-- sesame \\\"'\\u00e9{}@");
    out = merge(job, step);
    assert_int_equal(jint(host_output(job, 0)->meta, "page_count", 0), 2);
    assert_non_null(
        strstr(paper_say(job, "pdfinfo -upw '-- sesame \"'\"'\"'é{}@' ", out), "AES-256"));

    refused(job, "{}", "DOCUMENT_MERGE_VALIDATION", "'b.pdf', which comes as number 2, is locked");
    refused(job, "{\"input_passwords\": [\"sesame\"]}", "DOCUMENT_MERGE_VALIDATION", "'b.pdf'");
    refused(job, "{\"input_passwords\": [\"\", \"sesame \"]}", "DOCUMENT_MERGE_VALIDATION",
            "'b.pdf'");
}

static void a_first_one_that_is_locked_gives_its_title_and_not_its_lock(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    host_add_input(job, paper_lock(job, "a.pdf", page(job, "plain.pdf", 101), "sesame", "sesame"));
    host_add_input(job, page(job, "b.pdf", 102));
    const char *said = paper_say(job, "pdfinfo", merge(job, "{\"input_passwords\": [\"sesame\"]}"));
    assert_non_null(strstr(said, "Encrypted:       no"));
    assert_non_null(strstr(said, "A secret title"));
}

static void what_is_no_pdf_has_a_code_of_its_own(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    host_add_input(job, page(job, "a.pdf", 101));
    host_add_input(job, paper_file(job, "b.txt", "some words\n", 11));
    refused(job, "{}", "DOCUMENT_MERGE_UNSUPPORTED_CONVERSION", "'b.txt' is no PDF");
}

static void wrong_passwords_and_broken_files_are_refused(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free) char *long_one = mem_printf("{\"output_password\": \"%0128d\"}", 0);
    (void)state;

    host_add_input(job, page(job, "a.pdf", 101));
    refused(job, long_one, "DOCUMENT_MERGE_VALIDATION", "127 bytes");
    refused(job, "{\"input_passwords\": \"sesame\"}", "DOCUMENT_MERGE_VALIDATION",
            "'input_passwords'");
    refused(job, "{\"input_passwords\": [7]}", "DOCUMENT_MERGE_VALIDATION", "'input_passwords'");
    host_add_input(job, paper_file(job, "broken.pdf", "%PDF-1.7\nnothing", 16));
    refused(job, "{}", "INVALID_INPUT_ERROR", "'broken.pdf'");
}

static void what_is_told_to_the_program_is_gone_afterwards(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    host_add_input(job, paper_lock(job, "a.pdf", page(job, "plain.pdf", 101), "sesame", "sesame"));
    merge(job, "{\"input_passwords\": [\"sesame\"], \"output_password\": \"sesame\"}");
    assert_string_equal(paper_say(job,
                                  "f() { grep -rl sesame \"$1\"; ls \"$1\" | grep json; true; }; f",
                                  host_dir(job)),
                        "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_is_that_of_numbers_then_of_names),
        cmocka_unit_test(passwords_open_inputs_and_lock_the_result),
        cmocka_unit_test(a_first_one_that_is_locked_gives_its_title_and_not_its_lock),
        cmocka_unit_test(what_is_no_pdf_has_a_code_of_its_own),
        cmocka_unit_test(wrong_passwords_and_broken_files_are_refused),
        cmocka_unit_test(what_is_told_to_the_program_is_gone_afterwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
