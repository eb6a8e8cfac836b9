/* /file/hash against the tools of coreutils, which know nothing of it. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"

#include <stdio.h>
#include <string.h>

static const char *write_file(struct robot_job *job, const char *name, size_t size)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "w");

    for (size_t i = 0; i < size; i++)
        fputc((int)(i * 7 + i / 251) & 0xff, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* The first word that the command prints. */
static void first_word(char out[static 200], const char *command)
{
    FILE *f = popen(command, "r");

    assert_int_equal(fscanf(f, "%199s", out), 1);
    pclose(f);
}

static const char *hash(struct robot_job *job, const char *step, const char *path)
{
    struct err err = {0};

    if (host_run_on(job, "/file/hash", step, path, &err) < 0)
        fail_msg("%s: %s", step, err.msg);
    assert_int_equal(host_output_count(job), 1);
    assert_true(host_output(job, 0)->same);
    return jstr_or(host_output(job, 0)->meta, "hash", "");
}

static void every_algorithm_says_what_its_tool_says(void **state)
{
    static const char *const rows[][2] = {{"b2", "b2sum"},         {"md5", "md5sum"},       {"sha1", "sha1sum"},    {"sha224", "sha224sum"},
                                          {"sha256", "sha256sum"}, {"sha384", "sha384sum"}, {"sha512", "sha512sum"}};
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    for (size_t size = 0; size < 700000; size = size ? size * 83 : 1)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            const char *path = write_file(job, "a", size);
            AUTO(mem_free) char *step = mem_printf("{\"algorithm\": \"%s\"}", rows[i][0]);
            AUTO(mem_free) char *command = mem_printf("%s '%s'", rows[i][1], path);
            char want[200];

            first_word(want, command);
            assert_string_equal(hash(job, step, path), want);
        }
}

static void sha256_is_what_is_meant_when_nothing_is_said(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    assert_string_equal(hash(job, "{}", write_file(job, "a", 0)), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_null(json_object_get(host_output(job, 0)->meta, "hash_partial"));
}

static void the_ends_of_a_file_are_hashed_in_their_order(void **state)
{
    static const struct {
        const char *partial, *command;
    } rows[] = {{"first", "head -c 100 '%s' | sha256sum"},
                {"last", "tail -c 100 '%s' | sha256sum"},
                {"both", "f='%s'; (head -c 100 \"$f\"; tail -c 100 \"$f\") | sha256sum"},
                {"full", "sha256sum '%s'"}};
    static const size_t sizes[] = {0, 1, 99, 100, 101, 150, 199, 200, 5000};
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    for (size_t k = 0; k < ARRAY_LEN(sizes); k++)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            const char *path = write_file(job, "a", sizes[k]);
            AUTO(mem_free) char *step = mem_printf("{\"partial\": \"%s\", \"partial_size\": 100}", rows[i].partial);
            AUTO(str_done) struct str command = {0};
            char want[200];

            str_addf(&command, rows[i].command, path);
            first_word(want, command.s);
            assert_string_equal(hash(job, step, path), want);
            const json_t *meta = host_output(job, 0)->meta;
            if (strcmp(rows[i].partial, "full") != 0) {
                assert_string_equal(jstr_or(meta, "hash_partial", ""), rows[i].partial);
                assert_int_equal(jint(meta, "hash_partial_size", 0), 100);
            }
        }
}

static void several_inputs_get_a_digest_each(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err;
    (void)state;

    host_add_input(job, write_file(job, "a", 10));
    host_add_input(job, write_file(job, "b", 11));
    assert_int_equal(host_run(job, "/file/hash", "{\"algorithm\": \"md5\"}", &err), 0);
    assert_int_equal(host_output_count(job), 2);
    assert_string_not_equal(jstr_or(host_output(job, 0)->meta, "hash", ""), jstr_or(host_output(job, 1)->meta, "hash", ""));
}

static void a_file_that_shrinks_is_an_error(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = write_file(job, "a", 1000);
    struct err err;
    (void)state;

    host_add_input(job, path);
    write_file(job, "a", 10);
    assert_int_equal(host_run(job, "/file/hash", "{}", &err), -1);
    assert_string_equal(err_name(&err), "INVALID_INPUT_ERROR");
}

static void progress_is_told_along_a_large_file(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    hash(job, "{}", write_file(job, "a", 3 << 20));
    assert_in_range(host_progress_steps(job), 8, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_algorithm_says_what_its_tool_says), cmocka_unit_test(sha256_is_what_is_meant_when_nothing_is_said),
        cmocka_unit_test(the_ends_of_a_file_are_hashed_in_their_order), cmocka_unit_test(several_inputs_get_a_digest_each),
        cmocka_unit_test(a_file_that_shrinks_is_an_error), cmocka_unit_test(progress_is_told_along_a_large_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
