/* /document/ocr: pages with known words in, the words and where they stand out. */
#include "../../unit/unit.h"
#include "../papers.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define FIRST "BT /F 24 Tf 72 300 Td (Hello over there) Tj 0 -100 Td (Second line of it) Tj ET"
#define SECOND "BT /F 24 Tf 72 72 Td (Another page) Tj ET"

static const char *two(struct robot_job *job)
{
    static const struct paper pages[] = {{360, 360, FIRST, NULL}, {360, 144, SECOND, NULL}};

    return paper_make(job, "two.pdf", pages, 2);
}

static const struct host_output *ocr(struct robot_job *job, const char *step, const char *path)
{
    struct err err = {0};

    if (host_run_on(job, "/document/ocr", step, path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return host_output(job, 0);
}

static void each_line_comes_with_its_page_and_place(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    const struct host_output *o = ocr(job, "{\"provider\": \"aws\"}", two(job));
    AUTO(json_unref) json_t *all = json_load_file(o->path, 0, NULL);
    assert_string_equal(o->name, "two.json");
    assert_string_equal(o->mime, "application/json");
    assert_int_equal(json_array_size(all), 3);
    json_t *one = json_array_get(all, 0), *polygon = json_object_get(one, "boundingPolygon");
    assert_string_equal(jstr(one, "text"), "Hello over there");
    assert_int_equal(jint(one, "page", 0), 1);
    assert_int_equal(json_array_size(polygon), 4);
    /* at 150 dpi: an inch from the left, the line stands 60 points below the upper edge */
    assert_in_range(jint(json_array_get(polygon, 0), "x", 0), 140, 160);
    assert_in_range(jint(json_array_get(polygon, 2), "y", 0), 115, 140);
    assert_true(jint(json_array_get(polygon, 2), "x", 0) > 400);
    assert_string_equal(jstr(json_array_get(all, 1), "text"), "Second line of it");
    assert_string_equal(jstr(json_array_get(all, 2), "text"), "Another page");
    assert_int_equal(jint(json_array_get(all, 2), "page", 0), 2);
    assert_true(host_progress_steps(job) >= 2);
}

static void the_words_alone_as_a_list_a_text_or_in_the_meta(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = paper_make(job, "one.pdf", &(struct paper){360, 144, SECOND, NULL}, 1);
    (void)state;

    const struct host_output *o = ocr(job, "{\"granularity\": \"list\"}", path);
    assert_string_equal(paper_say(job, "cat", o->path), "[\"Another page\"]");
    o = ocr(job, "{\"format\": \"text\"}", path);
    assert_string_equal(o->name, "one.txt");
    assert_string_equal(paper_say(job, "cat", o->path), "Another page\n");
    o = ocr(job, "{\"format\": \"meta\", \"granularity\": \"list\"}", path);
    assert_true(o->same);
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(o->meta, "recognized_text"), 0)),
        "Another page");
}

static void an_empty_page_has_no_lines_and_bad_files_are_refused(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    const struct host_output *o =
        ocr(job, "{}", paper_make(job, "one.pdf", &(struct paper){100, 100, NULL, NULL}, 1));
    assert_string_equal(paper_say(job, "cat", o->path), "[]");
    const char *const bad[] = {paper_file(job, "a.pdf", "%PDF-1.7\nx", 10),
                               paper_lock(job, "locked.pdf", two(job), "sesame", "sesame")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(host_run_on(job, "/document/ocr", "{}", bad[i], &err), -1);
        assert_string_equal(err_name(&err), "INVALID_INPUT_ERROR");
    }
    json_object_set_new(host_settings(job), "max_frames", json_integer(1));
    assert_int_equal(host_run_on(job, "/document/ocr", "{}", two(job), &err), -1);
    assert_non_null(strstr(err.msg, "max_frames"));
    assert_int_equal(
        host_run_on(job, "/document/ocr", "{\"provider\": \"nobody\"}", two(job), &err), -1);
    assert_string_equal(err_name(&err), "DOCUMENT_OCR_VALIDATION");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_comes_with_its_page_and_place),
        cmocka_unit_test(the_words_alone_as_a_list_a_text_or_in_the_meta),
        cmocka_unit_test(an_empty_page_has_no_lines_and_bad_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
