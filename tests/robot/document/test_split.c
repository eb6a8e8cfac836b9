/* /document/split: documents whose pages are told by their widths in, pages in the order asked for
 * out. */
#include "../../unit/unit.h"
#include "../papers.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

static const char *split(struct robot_job *job, const char *step, const char *path)
{
    struct err err = {0};

    if (host_run_on(job, "/document/split", step, path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return host_output(job, 0)->path;
}

static void refused(struct robot_job *job, const char *step, const char *path, const char *code,
                    const char *words)
{
    struct err err = {0};

    if (host_run_on(job, "/document/split", step, path, &err) == 0)
        fail_msg("%s of %s is taken", step, path);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, words))
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
}

static void pages_come_in_the_order_asked_for(void **state)
{
    static const struct {
        const char *step, *widths;
    } rows[] = {
        {"{}", "101 102 103 104 105"},
        {"{\"pages\": \"2\"}", "102"},
        {"{\"pages\": \"2-4\"}", "102 103 104"},
        {"{\"pages\": \"4-2\"}", "104 103 102"},
        {"{\"pages\": [\"5\", \"1-2\"]}", "105 101 102"},
        {"{\"pages\": [5, 1]}", "105 101"},
        {"{\"pages\": \"1, 3-4\"}", "101 103 104"},
        {"{\"pages\": \"4-99\"}", "104 105"},
        {"{\"pages\": [\"1\", \"1\"]}", "101 101"},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = paper_row(job, "five.pdf", 5);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *widths = paper_widths(job, split(job, rows[i].step, path));

        if (strcmp(widths, rows[i].widths) != 0)
            fail_msg("%s: %s", rows[i].step, widths);
        assert_string_equal(host_output(job, 0)->name, "five.pdf");
        assert_string_equal(host_output(job, 0)->mime, "application/pdf");
    }
}

static void what_names_no_page_is_refused_by_name(void **state)
{
    static const char *const wrong[] = {"\"0\"",
                                        "\"a\"",
                                        "\"1-\"",
                                        "\"-1\"",
                                        "\"1,,2\"",
                                        "[]",
                                        "{}",
                                        "true",
                                        "[\"\"]",
                                        "[[1]]",
                                        "\"1-2-3\"",
                                        "1.5",
                                        "\"6\"",
                                        "\"6-7\"",
                                        "\"z\"",
                                        "\"r1\"",
                                        "\"1;2\"",
                                        "\"1\\n--decrypt\"",
                                        "\"99999999999\""};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = paper_row(job, "five.pdf", 5);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"pages\": %s}", wrong[i]);

        refused(job, step, path, "DOCUMENT_SPLIT_VALIDATION",
                strchr(wrong[i], '6') ? "there are only 5" : "'pages'");
    }
}

static void a_list_that_multiplies_pages_is_bounded(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(str_done) struct str step = {0};
    (void)state;

    str_puts(&step, "{\"pages\": [\"1-200\"");
    for (int i = 0; i < 998; i++)
        str_puts(&step, ",\"1-200\"");
    str_puts(&step, "]}");
    refused(job, step.s, paper_row(job, "many.pdf", 200), "DOCUMENT_SPLIT_VALIDATION",
            "more than 100000 pages");
}

static void the_same_pages_are_the_same_bytes(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = paper_row(job, "five.pdf", 5);
    (void)state;

    const char *one = split(job, "{\"pages\": \"3\"}", path),
               *first = paper_say(job, "md5sum <", one);
    assert_string_equal(first, paper_say(job, "md5sum <", split(job, "{\"pages\": \"3\"}", path)));
}

static void a_locked_one_is_refused_and_restrictions_stay(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = paper_row(job, "five.pdf", 5);
    (void)state;

    refused(job, "{}", paper_lock(job, "locked.pdf", path, "user", "owner"), "INVALID_INPUT_ERROR",
            "locked by a password");
    const char *out =
        split(job, "{\"pages\": \"2\"}", paper_lock(job, "restricted.pdf", path, "", "owner"));
    assert_non_null(strstr(paper_say(job, "pdfinfo", out), "Encrypted:       yes"));
}

static void hostile_documents_are_refused_and_soon(void **state)
{
    static const char *const circle[] = {"<</Type/Catalog/Pages 2 0 R>>",
                                         "<</Type/Pages/Kids[2 0 R]/Count 1>>"};
    static const char *const liar[] = {"<</Type/Catalog/Pages 2 0 R>>",
                                       "<</Type/Pages/Kids[]/Count 1000000000>>"};
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(str_done) struct str deep = {0}, many = {0};
    const char *nested[] = {"<</Type/Catalog/Pages 2 0 R>>", NULL};
    const char *million[] = {"<</Type/Catalog/Pages 2 0 R>>", NULL,
                             "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"};
    (void)state;

    for (int i = 0; i < 200000; i++) {
        str_putc(&deep, '[');
        str_puts(&many, "3 0 R ");
    }
    nested[1] = deep.s;
    AUTO(mem_free) char *pages = mem_printf("<</Type/Pages/Kids[%s]/Count 200000>>", many.s);
    million[1] = pages;
    const char *paths[] = {paper_objects(job, "circle.pdf", circle, 2),
                           paper_objects(job, "liar.pdf", liar, 2),
                           paper_objects(job, "nested.pdf", nested, 2),
                           paper_objects(job, "million.pdf", million, 3),
                           paper_file(job, "short.pdf", "%PDF-1.7\n", 9),
                           paper_file(job, "text.pdf", "no document", 11)};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        refused(job, "{\"pages\": \"1\"}", paths[i], "INVALID_INPUT_ERROR", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_come_in_the_order_asked_for),
        cmocka_unit_test(what_names_no_page_is_refused_by_name),
        cmocka_unit_test(a_list_that_multiplies_pages_is_bounded),
        cmocka_unit_test(the_same_pages_are_the_same_bytes),
        cmocka_unit_test(a_locked_one_is_refused_and_restrictions_stay),
        cmocka_unit_test(hostile_documents_are_refused_and_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
