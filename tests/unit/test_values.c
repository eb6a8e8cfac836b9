/* Values that are richer than a row of a Robot's table. */
#include "robot/values.h"
#include "unit.h"

#define MAX 5

static int offsets(double out[MAX], const char *text, double length, struct err *err)
{
    AUTO(json_unref) json_t *list = json_loads(text, JSON_DECODE_ANY, NULL);

    assert_non_null(list);
    return value_offsets(out, MAX, list, length, err);
}

static void takes_seconds_or_percent_and_gives_them_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int n;
        double at[MAX];
    } rows[] = {
        {"[]", 0, {0}},
        {"[2, 45.5, 1]", 3, {1, 2, 45.5}},
        {"[\"2\", \"1.25\"]", 2, {1.25, 2}},
        {"[\"100%\", \"0%\", \"25%\"]", 3, {0, 15, 60}},
        {"[60, 60.01, -1, 0, 1e300]", 2, {0, 60}},
        {"[\"101%\", \"50%\"]", 1, {30}},
        {"[3, 3]", 2, {3, 3}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double at[MAX];
        struct err err;

        assert_int_equal(offsets(at, rows[i].text, 60, &err), rows[i].n);
        for (int k = 0; k < rows[i].n; k++)
            assert_float_equal(at[k], rows[i].at[k], 1e-9);
    }
}

static void refuses_what_is_no_list_of_moments(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"7", "list"},           {"{}", "list"},          {"[null]", "null"},        {"[\"1s\"]", "1s"},     {"[\"%\"]", "%"},
        {"[\"-5%\"]", "-5%"},    {"[\"2.5%\"]", "2.5%"},  {"[\"50%\", 3]", "mixed"}, {"[3, \"50%\"]", "mixed"},
        {"[\"0x10\"]", "0x10"},  {"[\" 3\"]", "seconds"}, {"[\"\"]", "seconds"},     {"[true]", "true"},
        {"[1,2,3,4,5,6]", "6 entries, the most is 5"},    {"[\"111111111111111111111111111111%\"]", "111"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};

        if (offsets(NULL, rows[i][0], 0, &err) != -1)
            fail_msg("%s is taken", rows[i][0]);
        assert_int_equal(err.code, ERR_ROBOT_VALIDATION);
        if (!strstr(err.msg, rows[i][1]))
            fail_msg("of %s it says: %s", rows[i][0], err.msg);
    }
}

static void moments_part_the_length_evenly(void **state)
{
    double at[3];

    (void)state;
    assert_int_equal(value_moments(at, 3, 60), 3);
    assert_float_equal(at[0], 15, 1e-9);
    assert_float_equal(at[1], 30, 1e-9);
    assert_float_equal(at[2], 45, 1e-9);
}

static void colours_end_in_alpha(void **state)
{
    static const struct {
        const char *text;
        struct color c;
    } rows[] = {{"#00000000", {0, 0, 0, 0}}, {"ff8001", {255, 128, 1, 255}}, {"#FF800180", {255, 128, 1, 128}}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct color c = value_rgba(rows[i].text);

        assert_memory_equal(&c, &rows[i].c, sizeof c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_seconds_or_percent_and_gives_them_in_order),
        cmocka_unit_test(refuses_what_is_no_list_of_moments),
        cmocka_unit_test(moments_part_the_length_evenly),
        cmocka_unit_test(colours_end_in_alpha),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
