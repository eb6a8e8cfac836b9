#include "base/near.h"
#include "unit.h"

#include <string.h>

static const char *nearest(const char *typed)
{
    static const char *const names[] = {"listen", "log_level", "job_timeout_s", "max_pixels", "data", "s3", "/image/resize", "/image/merge"};
    struct near near = near_to(typed);

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        near_try(&near, names[i]);
    return near.name;
}

static void a_slip_of_the_finger_is_understood(void **state)
{
    static const char *const rows[][2] = {
        {"lisen", "listen"},         {"lsiten", "listen"},           {"listten", "listen"},
        {"LISTEN", "listen"},        {"log-level", "log_level"},     {"log-levl", "log_level"},
        {"dta", "data"},             {"/image/resise", "/image/resize"}, {"image/resize", "/image/resize"},
        {"/image/marge", "/image/merge"}, {"job_timeuot", "job_timeout_s"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *got = nearest(rows[i][0]);

        if (!got || strcmp(got, rows[i][1]) != 0)
            fail_msg("'%s' is near '%s', not '%s'", rows[i][0], got ? got : "nothing", rows[i][1]);
    }
}

static void another_word_is_near_nothing(void **state)
{
    static const char *const rows[] = {"", "x", "s4", "port", "service-host", "frobnicate", "data_directory", "/video/encode", "listen"};
    AUTO(mem_free) char *endless = mem_zalloc(100001);
    (void)state;

    memset(endless, 'l', 100000);
    for (size_t i = 0; i < ARRAY_LEN(rows) - 1; i++)
        if (nearest(rows[i]))
            fail_msg("'%s' is near '%s'", rows[i], nearest(rows[i]));
    assert_null(nearest(endless));
    assert_null(nearest(NULL));
    assert_null(nearest("listen")); /* itself is no suggestion */
}

static void what_was_meant_is_added_to_the_message(void **state)
{
    struct near near = near_to("lisen");
    struct err err;
    (void)state;

    err_set(&err, ERR_CONFIG, "there is no flag '--lisen'");
    assert_int_equal(near_say(&err, &near, "--"), -1);
    assert_string_equal(err.msg, "there is no flag '--lisen'");
    near_try(&near, "listen");
    near_say(&err, &near, "--");
    assert_string_equal(err.msg, "there is no flag '--lisen'; did you mean '--listen'?");
    assert_int_equal(near_say(NULL, &near, ""), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_of_the_finger_is_understood),
        cmocka_unit_test(another_word_is_near_nothing),
        cmocka_unit_test(what_was_meant_is_added_to_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
