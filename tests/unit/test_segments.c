/* The parameter `segments` of the Robots that cut. */
#include "robot/segments.h"
#include "unit.h"

static json_t *json(const char *text)
{
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);

    assert_non_null(v);
    return v;
}

static void moments_are_seconds_or_clock_times_and_what_is_past_the_end_is_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double length;
        int n;
        struct segment s[3];
    } rows[] = {
        {"[{\"from\": 0, \"to\": 1.5}]", 10, 1, {{0, 1.5, 0}}},
        {"[{\"from\": \"1\", \"to\": \"00:00:02.250\"}]", 10, 1, {{1, 2.25, 0}}},
        {"[{\"from\": \"01:30\", \"to\": \"1:00:00\"}]", 9000, 1, {{90, 3600, 0}}},
        {"[{\"from\": 5, \"to\": 6}, {\"from\": 1, \"to\": 2}]", 10, 2, {{5, 6, 0}, {1, 2, 1}}},
        {"[{\"from\": 1, \"to\": 99}]", 10, 1, {{1, 10, 0}}},
        {"[{\"from\": 10, \"to\": 11}, {\"from\": 9, \"to\": 11}]", 10, 1, {{9, 10, 1}}},
        {"[{\"from\": 10, \"to\": 11}]", 10, 0, {{0}}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json_unref) json_t *list = json(rows[i].text);
        struct segment out[SEGMENTS_MAX];
        struct err err;

        if (segments_check(list, &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.msg);
        assert_int_equal(segments_read(out, list, rows[i].length), rows[i].n);
        for (int k = 0; k < rows[i].n; k++) {
            assert_float_equal(out[k].from, rows[i].s[k].from, 1e-9);
            assert_float_equal(out[k].to, rows[i].s[k].to, 1e-9);
            assert_int_equal(out[k].index, rows[i].s[k].index);
        }
    }
}

static void what_is_no_piece_is_refused_by_its_place(void **state)
{
    (void)state;
#define GOOD "{\"from\": 0, \"to\": 1}, "
    static const char *const rows[][2] = {
        {"{}", "list"},
        {"[]", "at least one"},
        {"[[0, 1]]", "entry 1"},
        {"[" GOOD "{\"from\": 0}]", "entry 2"},
        {"[" GOOD "{\"from\": 0, \"to\": 1, \"x\": 2}]", "entry 2"},
        {"[" GOOD "{\"from\": 0, \"too\": 1}]", "'to' of entry 2 (missing)"},
        {"[{\"from\": 1, \"to\": 1}]", "entry 1 does not begin before it ends"},
        {"[{\"from\": 2, \"to\": 1}]", "does not begin"},
        {"[{\"from\": -1, \"to\": 1}]", "'from' of entry 1 (-1)"},
        {"[{\"from\": 0, \"to\": 1e300}]", "'to' of entry 1"},
        {"[{\"from\": 0, \"to\": \"1s\"}]", "'to' of entry 1"},
        {"[{\"from\": 0, \"to\": \"1:60\"}]", "'to' of entry 1"},
        {"[{\"from\": 0, \"to\": \"1.5:30\"}]", "'to' of entry 1"},
        {"[{\"from\": 0, \"to\": \"1:2:3:4\"}]", "'to' of entry 1"},
        {"[{\"from\": 0, \"to\": \"1:\"}]", "'to' of entry 1"},
        {"[{\"from\": 0, \"to\": \"\"}]", "'to' of entry 1"},
        {"[{\"from\": 0, \"to\": \" 5\"}]", "'to' of entry 1"},
        {"[{\"from\": 0, \"to\": \"0x10\"}]", "'to' of entry 1"},
        {"[{\"from\": 0, \"to\": \"1111111111111111111111111\"}]", "'to' of entry 1"},
        {"[{\"from\": 0, \"to\": true}]", "'to' of entry 1 (true)"},
        {"[{\"from\": null, \"to\": 1}]", "'from' of entry 1 (null)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json_unref) json_t *list = json(rows[i][0]);
        struct err err = {0};

        if (segments_check(list, &err) == 0)
            fail_msg("%s is taken", rows[i][0]);
        assert_int_equal(err.code, ERR_ROBOT_VALIDATION);
        if (!strstr(err.msg, rows[i][1]))
            fail_msg("of %s it says: %s", rows[i][0], err.msg);
    }
}

static void a_million_pieces_are_too_many(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *list = json_array();
    struct segment out[SEGMENTS_MAX];
    struct err err = {0};

    for (int i = 0; i < 1000000; i++)
        json_array_append_new(list, json_pack("{s:i,s:i}", "from", i, "to", i + 1));
    assert_int_equal(segments_check(list, &err), -1);
    assert_string_equal(err.msg, "'segments' has 1000000 entries, the most is 1000");
    assert_int_equal(segments_read(out, list, 1e9), SEGMENTS_MAX); /* and are not read */
}

static void a_piece_says_where_it_was(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *meta = segment_meta(&(struct segment){3599.9996, 36000.25, 7});
    AUTO(json_unref)
    json_t *want = json("{\"segment_index\": 7, \"starts_at\": \"01:00:00.000\", "
                        "\"ends_at\": \"10:00:00.250\"}");

    assert_true(json_equal(meta, want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_seconds_or_clock_times_and_what_is_past_the_end_is_left_out),
        cmocka_unit_test(what_is_no_piece_is_refused_by_its_place),
        cmocka_unit_test(a_million_pieces_are_too_many),
        cmocka_unit_test(a_piece_says_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
