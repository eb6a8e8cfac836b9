/* /tlcdn/deliver: files go on as they are. */
#include "../../unit/unit.h"
#include "host.h"

#include <stdio.h>

static void each_file_goes_on_as_it_is(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *const names[] = {"a.txt", "b.txt"};
    struct err err;
    (void)state;

    for (int i = 0; i < 2; i++) {
        FILE *f = fopen(host_path(job, names[i]), "w");

        fputs(names[i], f);
        fclose(f);
        host_add_input(job, host_path(job, names[i]));
    }
    assert_int_equal(host_run(job, "/tlcdn/deliver", "{\"enable_hipaa_compliance\": true}", &err),
                     0);
    assert_int_equal(host_output_count(job), 2);
    for (int i = 0; i < 2; i++) {
        assert_true(host_output(job, i)->same);
        assert_string_equal(host_output(job, i)->name, names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_file_goes_on_as_it_is)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
