/* /assembly/savejson: what is in the file, and what it is called. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "host.h"

#include <stdio.h>
#include <string.h>

#define STATUS "{\"ok\":\"ASSEMBLY_EXECUTING\",\"results\":{}}"

static void check_saved(struct robot_job *job, const char *step, const char *text)
{
    struct err err = {0};
    char buf[4096];

    if (host_run(job, "/assembly/savejson", step, &err) < 0)
        fail_msg("%s: %s", step, err.msg);
    assert_int_equal(host_output_count(job), 1);
    assert_string_equal(host_output(job, 0)->name, "0123456789abcdef0123456789abcdef.json");
    assert_string_equal(host_output(job, 0)->mime, "application/json");
    FILE *f = fopen(host_output(job, 0)->path, "r");
    buf[fread(buf, 1, sizeof buf - 1, f)] = 0;
    fclose(f);
    assert_string_equal(buf, text);
}

static void the_status_is_saved_as_it_is(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    json_object_set_new(host_settings(job), "status", json_string(STATUS));
    check_saved(job, "{}", STATUS "\n");
    check_saved(job, "{\"status\": null}", STATUS "\n");
}

static void another_value_is_saved_instead(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    check_saved(job, "{\"status\": {\"a\": [1, \"ü\\n\"]}}", "{\"a\":[1,\"ü\\n\"]}\n");
    check_saved(job, "{\"status\": \"text\"}", "\"text\"\n");
}

static void without_a_status_it_fails_and_gives_no_file(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err;
    (void)state;

    assert_int_equal(host_run(job, "/assembly/savejson", "{}", &err), -1);
    assert_string_equal(err_name(&err), "INTERNAL_COMMAND_ERROR");
    assert_int_equal(host_output_count(job), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_status_is_saved_as_it_is),
        cmocka_unit_test(another_value_is_saved_instead),
        cmocka_unit_test(without_a_status_it_fails_and_gives_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
