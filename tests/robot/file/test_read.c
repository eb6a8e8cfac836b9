/* /file/read: what of a file's bytes arrives in its meta. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"

#include <stdio.h>
#include <string.h>

static const char *write_bytes(struct robot_job *job, const char *name, const void *bytes,
                               size_t len)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "w");

    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    return path;
}

static const char *content(const struct robot_job *job, int i)
{
    assert_true(host_output(job, i)->same);
    return jstr(host_output(job, i)->meta, "content");
}

static void the_text_of_a_file_is_in_its_meta_and_nothing_else_is_read(void **state)
{
    static const struct {
        const char *bytes, *text;
        size_t len;
    } rows[] = {
        {"", "", 0},
        {"a\n", "a\n", 2},
        {"\xEF\xBB\xBFgr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F", 9}, /* a mark */
        {"a\xEF\xBB\xBF", "a\xEF\xBB\xBF", 4},                       /* none */
        {"\xE4"
         "b\xC3",
         "\xEF\xBF\xBD"
         "b\xEF\xBF\xBD",
         3}, /* Latin-1, and cut off */
        {"a\0b",
         "a\xEF\xBF\xBD"
         "b",
         3},
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 3}, /* half a surrogate pair */
        {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD", 2},                 /* an overlong slash */
        {"${file.name} \"\\\"", "${file.name} \"\\\"", 16},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *path = write_bytes(job, "a.txt", rows[i].bytes, rows[i].len);

        assert_int_equal(host_run_on(job, "/file/read", "{}", path, &err), 0);
        assert_int_equal(host_output_count(job), 1);
        assert_string_equal(content(job, 0), rows[i].text);
    }
}

static void less_than_500_kilobytes_are_read_and_more_are_refused(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free) char *bytes = mem_alloc(512000);
    struct err err;
    (void)state;

    memset(bytes, 'x', 512000);
    const char *path = write_bytes(job, "a.txt", bytes, 511999);
    assert_int_equal(host_run_on(job, "/file/read", "{}", path, &err), 0);
    assert_int_equal(strlen(content(job, 0)), 511999);
    path = write_bytes(job, "b.txt", bytes, 512000);
    assert_int_equal(host_run_on(job, "/file/read", "{}", path, &err), -1);
    assert_string_equal(err_name(&err), "FILE_READ_VALIDATION_ERROR");
    assert_non_null(strstr(err.msg, "512000"));
}

static void a_wrong_parameter_has_the_code_that_the_contract_has_for_it(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err;
    (void)state;

    host_add_input(job, write_bytes(job, "a.txt", "a", 1));
    assert_int_equal(host_run(job, "/file/read", "{\"encoding\": \"latin1\"}", &err), -1);
    assert_string_equal(err_name(&err), "FILE_READ_VALIDATION_ERROR");
}

static void each_of_several_files_is_read_and_one_that_shrinks_is_an_error(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err;
    (void)state;

    host_add_input(job, write_bytes(job, "a.txt", "one", 3));
    host_add_input(job, write_bytes(job, "b.txt", "three", 5));
    assert_int_equal(host_run(job, "/file/read", "{}", &err), 0);
    assert_string_equal(content(job, 0), "one");
    assert_string_equal(content(job, 1), "three");
    write_bytes(job, "b.txt", "th", 2);
    assert_int_equal(host_run(job, "/file/read", "{}", &err), -1);
    assert_string_equal(err_name(&err), "INVALID_INPUT_ERROR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_of_a_file_is_in_its_meta_and_nothing_else_is_read),
        cmocka_unit_test(less_than_500_kilobytes_are_read_and_more_are_refused),
        cmocka_unit_test(a_wrong_parameter_has_the_code_that_the_contract_has_for_it),
        cmocka_unit_test(each_of_several_files_is_read_and_one_that_shrinks_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
