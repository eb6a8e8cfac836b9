#include "http/select.h"
#include "unit.h"

#include <string.h>

#define TAG "\"abc\""
#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define DATE_S 784111777
#define SIZE 1000

static enum http_selected select_of(const struct http_asked *asked, int64_t size, int64_t *from, int64_t *to)
{
    struct http_stored stored = {TAG, DATE_S, size};

    *from = *to = -7;
    return http_select(from, to, asked, &stored);
}

static void a_range_is_served_refused_or_ignored(void **state)
{
    static const struct {
        const char *range;
        int64_t size;
        enum http_selected want;
        int64_t from, to;
    } rows[] = {
        {"bytes=0-1", SIZE, SELECTED_PART, 0, 1},
        {"bytes=0-0", SIZE, SELECTED_PART, 0, 0},
        {"bytes=999-999", SIZE, SELECTED_PART, 999, 999},
        {"bytes=5-", SIZE, SELECTED_PART, 5, 999},
        {"bytes=5-5000", SIZE, SELECTED_PART, 5, 999},
        {"bytes=-10", SIZE, SELECTED_PART, 990, 999},
        {"bytes=-5000", SIZE, SELECTED_PART, 0, 999},
        {"bytes=-99999999999999999999999", SIZE, SELECTED_PART, 0, 999},
        {"bytes=0-99999999999999999999999", SIZE, SELECTED_PART, 0, 999},
        {"BYTES=0-1", SIZE, SELECTED_PART, 0, 1},
        {"bytes= 0-1 ", SIZE, SELECTED_PART, 0, 1},
        {"bytes=1000-", SIZE, SELECTED_NOTHING},
        {"bytes=1000-1001", SIZE, SELECTED_NOTHING},
        {"bytes=99999999999999999999-", SIZE, SELECTED_NOTHING},
        {"bytes=-0", SIZE, SELECTED_NOTHING},
        {"bytes=0-", 0, SELECTED_NOTHING},
        {"bytes=-1", 0, SELECTED_NOTHING},
        /* turned round, malformed, several, another unit: all of it */
        {"bytes=5-2", SIZE, SELECTED_ALL},
        {"bytes=10-0", SIZE, SELECTED_ALL},
        {"bytes=3-x", SIZE, SELECTED_ALL},
        {"bytes=5-99z", SIZE, SELECTED_ALL},
        {"bytes=100-7z", SIZE, SELECTED_ALL},
        {"bytes=1-2-3", SIZE, SELECTED_ALL},
        {"bytes=--1", SIZE, SELECTED_ALL},
        {"bytes=+1-2", SIZE, SELECTED_ALL},
        {"bytes=-", SIZE, SELECTED_ALL},
        {"bytes=", SIZE, SELECTED_ALL},
        {"bytes", SIZE, SELECTED_ALL},
        {"", SIZE, SELECTED_ALL},
        {"bytes=abc", SIZE, SELECTED_ALL},
        {"bytes=1", SIZE, SELECTED_ALL},
        {"bytes=0x1-2", SIZE, SELECTED_ALL},
        {"bytes=1 -2", SIZE, SELECTED_ALL},
        {"bytes=1- 2", SIZE, SELECTED_ALL},
        {"bytes =0-1", SIZE, SELECTED_ALL},
        {"bytes=0-0,5-9", SIZE, SELECTED_ALL},
        {"bytes=0-0,", SIZE, SELECTED_ALL},
        {"lines=0-1", SIZE, SELECTED_ALL},
        {"bytes=5-2", 0, SELECTED_ALL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_asked asked = {.range = rows[i].range, .is_get = true};
        int64_t from, to;
        enum http_selected got = select_of(&asked, rows[i].size, &from, &to);

        if (got != rows[i].want)
            print_error("Range '%s' of %lld: %d\n", rows[i].range, (long long)rows[i].size, (int)got);
        assert_int_equal(got, rows[i].want);
        assert_int_equal(from, got == SELECTED_PART ? rows[i].from : -7);
        assert_int_equal(to, got == SELECTED_PART ? rows[i].to : -7);
        asked.is_get = false;
        assert_int_equal(select_of(&asked, rows[i].size, &from, &to), SELECTED_ALL);
    }
}

static void conditions_are_looked_at_in_their_order(void **state)
{
    static const struct {
        struct http_asked asked;
        enum http_selected want;
    } rows[] = {
        {{.if_none_match = TAG}, SELECTED_NOT_MODIFIED},
        {{.if_none_match = "W/" TAG}, SELECTED_NOT_MODIFIED},
        {{.if_none_match = "*"}, SELECTED_NOT_MODIFIED},
        {{.if_none_match = "\"x\", W/\"y,\" ,," TAG}, SELECTED_NOT_MODIFIED},
        {{.if_none_match = "\"abcd\""}, SELECTED_ALL},
        {{.if_none_match = "\"x" TAG "y\""}, SELECTED_ALL},
        {{.if_none_match = "abc"}, SELECTED_ALL},
        {{.if_none_match = "\"abc"}, SELECTED_ALL},
        {{.if_none_match = ""}, SELECTED_ALL},
        {{.if_match = TAG}, SELECTED_ALL},
        {{.if_match = "*"}, SELECTED_ALL},
        {{.if_match = "\"x\"," TAG}, SELECTED_ALL},
        {{.if_match = "W/" TAG}, SELECTED_PRECONDITION}, /* strong comparison */
        {{.if_match = "\"x\""}, SELECTED_PRECONDITION},
        {{.if_match = "rubbish"}, SELECTED_PRECONDITION},
        {{.if_modified_since = DATE}, SELECTED_NOT_MODIFIED},
        {{.if_modified_since = "Sunday, 06-Nov-94 08:49:37 GMT"}, SELECTED_NOT_MODIFIED},
        {{.if_modified_since = "Sun Nov  6 08:49:37 1994"}, SELECTED_NOT_MODIFIED},
        {{.if_modified_since = "Sun, 06 Nov 1994 08:49:36 GMT"}, SELECTED_ALL},
        {{.if_modified_since = "yesterday"}, SELECTED_ALL},
        {{.if_modified_since = DATE " and more"}, SELECTED_ALL},
        {{.if_unmodified_since = DATE}, SELECTED_ALL},
        {{.if_unmodified_since = "Sun, 06 Nov 1994 08:49:36 GMT"}, SELECTED_PRECONDITION},
        {{.if_unmodified_since = "never"}, SELECTED_ALL},
        /* the tag is better than the date, a failed If-Match comes first */
        {{.if_none_match = "\"x\"", .if_modified_since = DATE}, SELECTED_ALL},
        {{.if_match = TAG, .if_unmodified_since = "Sun, 06 Nov 1994 08:49:36 GMT"}, SELECTED_ALL},
        {{.if_match = "\"x\"", .if_none_match = TAG}, SELECTED_PRECONDITION},
        {{.if_none_match = TAG, .range = "bytes=0-1"}, SELECTED_NOT_MODIFIED},
        {{.if_match = "\"x\"", .range = "bytes=0-1"}, SELECTED_PRECONDITION},
        /* If-Range */
        {{.range = "bytes=0-1", .if_range = TAG}, SELECTED_PART},
        {{.range = "bytes=0-1", .if_range = DATE}, SELECTED_PART},
        {{.range = "bytes=5000-", .if_range = TAG}, SELECTED_NOTHING},
        {{.range = "bytes=5000-", .if_range = "\"x\""}, SELECTED_ALL},
        {{.range = "bytes=0-1", .if_range = "\"not-this-one\""}, SELECTED_ALL},
        {{.range = "bytes=0-1", .if_range = "W/" TAG}, SELECTED_ALL},
        {{.range = "bytes=0-1", .if_range = TAG ", \"x\""}, SELECTED_ALL},
        {{.range = "bytes=0-1", .if_range = "*"}, SELECTED_ALL},
        {{.range = "bytes=0-1", .if_range = ""}, SELECTED_ALL},
        {{.range = "bytes=0-1", .if_range = "Sun, 06 Nov 1994 08:49:38 GMT"}, SELECTED_ALL},
        {{.if_range = TAG}, SELECTED_ALL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_asked asked = rows[i].asked;
        int64_t from, to;

        asked.is_get = true;
        if (select_of(&asked, SIZE, &from, &to) != rows[i].want)
            print_error("row %zu\n", i);
        assert_int_equal(select_of(&asked, SIZE, &from, &to), rows[i].want);
    }
}

static void a_file_without_a_date_is_compared_by_its_tag_alone(void **state)
{
    struct http_stored stored = {TAG, 0, SIZE};
    struct http_asked asked = {.if_modified_since = DATE, .if_unmodified_since = "Thu, 01 Jan 1970 00:00:01 GMT",
                               .range = "bytes=0-1", .if_range = "Thu, 01 Jan 1970 00:00:00 GMT", .is_get = true};
    int64_t from, to;

    (void)state;
    assert_int_equal(http_select(&from, &to, &asked, &stored), SELECTED_ALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_served_refused_or_ignored),
        cmocka_unit_test(conditions_are_looked_at_in_their_order),
        cmocka_unit_test(a_file_without_a_date_is_compared_by_its_tag_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
