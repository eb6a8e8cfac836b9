#include "base/arena.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/map.h"
#include "base/str.h"
#include "unit.h"

#include <string.h>

static void every_form_of_expires_is_read(void **state)
{
    static const struct {
        const char *text;
        int64_t at_us; /* -1: refused */
    } rows[] = {
        {"2031-05-06T07:08:09.000Z", 1935817689000000},
        {"2031-05-06T07:08:09Z", 1935817689000000},
        {"2031-05-06T07:08:09.5Z", 1935817689500000},
        {"2031-05-06T09:08:09+02:00", 1935817689000000},
        {"2031/05/06 07:08:09+00:00", 1935817689000000},
        {"2031/05/06 07:08:9+00:00", 1935817689000000},
        {"2031/05/06 07:08:09 GMT", 1935817689000000},
        {"2031-05-06 07:08:09", 1935817689000000},
        {"2031-05/06 07:08:09", -1},
        {"2031-13-06T07:08:09Z", -1},
        {"2031-05-06T25:08:09Z", -1},
        {"tomorrow", -1},
        {"", -1},
        {"2031-05-06T07:08:09.Z", -1},
        {"2031-05-06T07:08:09Zx", -1},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t got = -1;

        if (date_parse(&got, rows[i].text) < 0)
            got = -1;
        if (got != rows[i].at_us)
            fail_msg("'%s' read as %jd", rows[i].text, (intmax_t)got);
    }
}

static void a_date_is_written_as_the_status_wants_it(void **state)
{
    char text[DATE_LEN + 1];
    (void)state;

    date_format(text, 1578571326123456);
    assert_string_equal(text, "2020/01/09 12:02:06 GMT");
}

static void json_text_is_always_valid_utf8(void **state)
{
    AUTO(str_done) struct str b = {0};
    (void)state;

    str_add_json(&b, "a\"b\\\n\x01\xff\xed\xa0\x80\xc3\xa9");
    AUTO(json_unref) json_t *j = json_loadb(b.s, b.len, JSON_DECODE_ANY, NULL);
    assert_non_null(j);
}

static void deep_json_is_refused_before_it_is_parsed(void **state)
{
    AUTO(str_done) struct str b = {0};
    struct err err;
    (void)state;

    for (int i = 0; i < 10000; i++)
        str_putc(&b, '[');
    assert_null(json_parse(b.s, b.len, 64, &err));
    assert_int_equal(err.code, ERR_INVALID_PARAMS);
}

static void percent_decoding_refuses_bad_escapes(void **state)
{
    char good[] = "a%2Fb+c", bad[] = "a%2";
    (void)state;

    assert_int_equal(url_decode(good, 7, true), 5);
    assert_memory_equal(good, "a/b c", 5);
    assert_int_equal(url_decode(bad, 3, false), -1);
}

static void base64_tolerates_missing_padding(void **state)
{
    unsigned char out[16];
    (void)state;

    assert_int_equal(base64_decode(out, "aGVsbG8", 7), 5);
    assert_memory_equal(out, "hello", 5);
    assert_int_equal(base64_decode(out, "aGVsbG8=", 8), 5);
    assert_int_equal(base64_decode(out, "a b", 3), -1);
}

static void a_map_keeps_what_is_put_and_drops_what_is_deleted(void **state)
{
    struct map m = {0};
    char key[16];
    int values[200], seen = 0;
    (void)state;

    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_null(map_put(&m, key, &values[i]));
    }
    for (int i = 0; i < 200; i += 2) {
        snprintf(key, sizeof key, "k%d", i);
        assert_ptr_equal(map_del(&m, key), &values[i]);
    }
    for (struct map_iter i = {0}; map_next(&m, &i);)
        seen++;
    assert_int_equal(seen, 100);
    assert_int_equal(m.count, 100);
    assert_null(map_get(&m, "k4"));
    assert_ptr_equal(map_get(&m, "k5"), &values[5]);
    map_done(&m);
}

static void ordered_ids_sort_by_time_and_never_repeat(void **state)
{
    char before[ID_LEN + 1], now[ID_LEN + 1];
    struct map seen = {0};

    id_new_ordered(before);
    for (int i = 0; i < 1000; i++) {
        id_new_ordered(now);
        assert_true(id_valid(now));
        assert_null(map_put(&seen, now, &seen));
        assert_true(strncmp(before, now, 12) <= 0);
        memcpy(before, now, sizeof before);
    }
    map_done(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_expires_is_read),
        cmocka_unit_test(a_date_is_written_as_the_status_wants_it),
        cmocka_unit_test(json_text_is_always_valid_utf8),
        cmocka_unit_test(deep_json_is_refused_before_it_is_parsed),
        cmocka_unit_test(percent_decoding_refuses_bad_escapes),
        cmocka_unit_test(base64_tolerates_missing_padding),
        cmocka_unit_test(ordered_ids_sort_by_time_and_never_repeat),
        cmocka_unit_test(a_map_keeps_what_is_put_and_drops_what_is_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
