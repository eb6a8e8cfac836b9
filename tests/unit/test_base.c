#include "base/space.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/filetype.h"
#include "base/id.h"
#include "base/budget.h"
#include "base/json.h"
#include "base/map.h"
#include "base/str.h"
#include "unit.h"

#include <string.h>

static void a_copy_has_every_byte_that_was_asked_for(void **state)
{
    AUTO(mem_free) char *copy = mem_strndup("{\0}\0 more", 4); /* a params field with a NUL in it */

    (void)state;
    assert_memory_equal(copy, "{\0}\0", 5);
}

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

/* As it was written before it looked at eight bytes at a time. */
static void add_slowly(struct str *b, const char *s, size_t n)
{
    str_putc(b, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c == '"' || c == '\\')
            str_addf(b, "\\%c", c);
        else if (c == '\n')
            str_puts(b, "\\n");
        else if (c < 0x20)
            str_addf(b, "\\u%04x", c);
        else if (c >= 0x80)
            str_puts(b, "\xEF\xBF\xBD");
        else
            str_putc(b, (char)c);
    }
    str_putc(b, '"');
}

static void each_byte_is_written_alike_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t len = 1; len < 20; len++)
        for (size_t at = 0; at < len; at++)
            for (int c = 1; c < 256; c++) {
                AUTO(str_done) struct str b = {0}, want = {0};
                char s[20];

                memset(s, at % 2 ? ' ' : '~', len);
                s[at] = (char)c;
                s[len] = 0;
                str_add_json(&b, s);
                add_slowly(&want, s, len);
                assert_string_equal(b.s, want.s);
            }
}

static void numbers_are_added_as_printf_writes_them(void **state)
{
    static const int64_t all[] = {0, 7, -1, 10, 99, 1000000007, INT64_MAX, INT64_MIN, -9007199254740993};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        AUTO(str_done) struct str b = {0}, want = {0};
        char text[300];

        str_puts(&b, "x");
        str_add_int(&b, all[i]);
        snprintf(text, sizeof text, "x%lld", (long long)all[i]);
        assert_string_equal(b.s, text);
        memset(text, 'y', 299); /* more than fits at once */
        text[299] = 0;
        str_addf(&want, "%s", text);
        assert_string_equal(want.s, text);
        assert_int_equal(want.len, 299);
    }
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

/* What comes out again, for what went in. */
static void json_is_read_as_javascript_reads_it(void **state)
{
    static const char *const rows[][2] = {
        {"\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\""},
        {"\"a \\ud83d\"", "\"a \\ud83d\""},
        {"\"\\ude00\\ud83d\"", "\"\\ude00\\ud83d\""},
        {"\"\\u0000\\u001F\"", "\"\\u0000\\u001f\""},
        {"\"\xF4\x8D\x9F\xBF\xF4\x8D\xA0\xBD\"", "\"\\udbf5\\udfff\\udbf6\\udc3d\""},
        {"\"\\udbf5\\udffe\\udbf5\"", "\"\\udbf5\\udffe\\udbf5\""},
        {"\"\xFF\xED\xA0\x80\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"{\"\\u0000\":1,\"a\":1,\"b\":2,\"a\":3}", "{\"\\u0000\":1,\"a\":3,\"b\":2}"},
        {"[9223372036854775807,-9223372036854775808]", "[9223372036854775807,-9223372036854775808]"},
        {"[12345678901234567890]", "[1.2345678901234567e+19]"},
        {"[1e400,-1e400,1e-400,0.1,1e21]", "[null,null,0.0,0.1,1e+21]"},
        {"0.30000000000000004", "0.30000000000000004"},
        {" [ 1 , { } , [ ] , null ] ", "[1,{},[],null]"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        AUTO(json_unref) json_t *j = json_parse(rows[i][0], strlen(rows[i][0]), 10, &err);
        if (!j)
            fail_msg("%s: %s", rows[i][0], err.msg);
        AUTO(mem_free) char *text = json_text(j);
        assert_string_equal(text, rows[i][1]);
        AUTO(json_unref) json_t *again = json_reads(text); /* what we wrote is what we read */
        AUTO(mem_free) char *twice = again ? json_text(again) : NULL;
        assert_non_null(twice);
        assert_string_equal(text, twice);
    }
}

static void what_is_no_json_is_refused(void **state)
{
    static const char *const rows[] = {
        "", " ", "[", "]", "{", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "['a']", "01", "1.", ".5", "+1", "-", "1e", "1e+",
        "NaN", "tru", "nullx", "\"", "\"\\\"", "\"\\x\"", "\"\\u12g4\"", "\"\\u123\"", "\"\t\"", "[1] 2", "[1}", "{\"a\":1]", "\xEF\xBB\xBF[]", "\xC2\xA0[]"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        AUTO(json_unref) json_t *j = json_parse(rows[i], strlen(rows[i]), 10, &err);
        if (j)
            fail_msg("taken: %s", rows[i]);
        assert_int_equal(err.code, ERR_INVALID_PARAMS);
    }
    struct err err;
    assert_null(json_parse("[1\0]", 4, 10, &err));
}

static void values_are_counted_before_they_are_made_and_not_in_texts(void **state)
{
    const struct json_bounds most = {10, 5};
    struct err err;
    (void)state;

    AUTO(json_unref) json_t *five = json_parse_within("[1,[],{\"a\":2}]", 14, &most, &err);
    assert_non_null(five);
    assert_null(json_parse_within("[1,[],{\"a\":2},3]", 16, &most, &err));
    AUTO(json_unref) json_t *text = json_parse_within("[\"[,,,,,,[{]\\\"[,,,\"]", 20, &most, &err);
    assert_non_null(text);
}

static void a_look_makes_only_what_is_named(void **state)
{
    static const char *const names[] = {"auth", "template_id", NULL};
    const struct json_bounds most = {20, 3};
    static const struct {
        const char *text, *seen;
    } rows[] = {
        {"{\"x\":[1,2,3,4,5,6,7],\"auth\":{\"key\":\"k\"},\"y\":{\"auth\":2}}", "{\"auth\":{\"key\":\"k\"}}"},
        {"{\"auth\":1,\"\\u0061uth\":2,\"template_id\":\"t\"}", "{\"auth\":2,\"template_id\":\"t\"}"},
        {"{\"auth\":{\"a\":1},\"b\":2}", "{\"auth\":{\"a\":1}}"},
        {"{}", "{}"},
        {"[\"auth\",1]", "null"},
        {"{\"auth\":[1,2,3,4]}", NULL},
        {"{\"auth\":\"0123456789012345678901234567890123456789\"}", NULL},
        {"{\"auth\":1,\"x\":}", NULL},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;
        AUTO(json_unref) json_t *j = json_look(rows[i].text, strlen(rows[i].text), names, 30, &most, &err);
        if (!rows[i].seen) {
            assert_null(j);
            continue;
        }
        assert_non_null(j);
        AUTO(mem_free) char *text = json_text(j);
        assert_string_equal(text, rows[i].seen);
    }
}

static void half_of_a_budget_is_anyones_and_the_last_half_is_for_who_needs_little(void **state)
{
    struct budget b = {.limit = 1000000};
    struct share large = {&b}, second = {&b}, small[6] = {0};
    struct err err;
    (void)state;

    assert_int_equal(share_take(&large, 500001, &err), -1);
    assert_int_equal(err.code, ERR_FORM);
    assert_int_equal(share_take(&large, 500000, &err), 0);
    assert_int_equal(share_take(&large, INT64_MAX, &err), -1);
    assert_int_equal(share_take(&second, 400000, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(b.is_short);
    for (size_t i = 0; i < ARRAY_LEN(small); i++) {
        small[i].budget = &b;
        assert_int_equal(share_take(&small[i], 60000, &err), 0);
    }
    assert_int_equal(b.used, 860000);
    share_end(&large);
    for (size_t i = 0; i < ARRAY_LEN(small); i++)
        share_end(&small[i]);
    assert_int_equal(b.used, 0);
    assert_int_equal(share_take(&large, 1 << 30, &err), 0); /* it is known now */
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

static void a_date_in_a_file_is_a_moment_or_nothing(void **state)
{
    static const struct {
        const char *text, *zone, *want; /* NULL: refused */
    } rows[] = {
        {"2021:05:06 07:08:09", NULL, "2021/05/06 07:08:09 GMT"},
        {"2021:05:06 07:08:09", "+02:00", "2021/05/06 05:08:09 GMT"},
        {"2021:05:06 07:08:09", "-07:00", "2021/05/06 14:08:09 GMT"},
        {"2021:05:06 07:08:09", "   ", "2021/05/06 07:08:09 GMT"},
        {"2021:05:06 07:08:09+02:00", "-07:00", "2021/05/06 05:08:09 GMT"},
        {"2021-05-06T07:08:09-0700", NULL, "2021/05/06 14:08:09 GMT"},
        {"2021-05-06T07:08:09.250000Z", NULL, "2021/05/06 07:08:09 GMT"},
        {"2021-05-06T07:08:09 +0100", NULL, "2021/05/06 06:08:09 GMT"},
        {"2021-05-06T07:08", NULL, "2021/05/06 07:08:00 GMT"},
        {"2021-05-06T07:08+05:30", NULL, "2021/05/06 01:38:00 GMT"},
        {"2020:02:29 23:59:59", NULL, "2020/02/29 23:59:59 GMT"},
        {"2021:01:01 00:30:00", "+01:00", "2020/12/31 23:30:00 GMT"},
        {"1888:08:14 12:00:00", NULL, "1888/08/14 12:00:00 GMT"},
        {"2016:02:02 24:28:33", NULL, NULL},
        {"2004:13:45 99:99:99", NULL, NULL},
        {"2021:02:30 10:00:00", NULL, NULL},
        {"2021:02:29 10:00:00", NULL, NULL},
        {"1900:02:29 10:00:00", NULL, NULL},
        {"2021:04:31 10:00:00", NULL, NULL},
        {"2004:00:00 00:00:00", NULL, NULL},
        {"0000:00:00 00:00:00", NULL, NULL},
        {"    :  :     :  :  ", NULL, NULL},
        {"2021:05:06 07:08:60", NULL, NULL},
        {"2021:05:06 07:60:09", NULL, NULL},
        {"2021-05-06", NULL, NULL},
        {"2021-05", NULL, NULL},
        {"2021:05:06 07:08:09 PM", NULL, NULL},
        {"2021:05:06 07:08:09+25:00", NULL, NULL},
        {"2021:05:06 07:08:09+", NULL, NULL},
        {"0001:01:01 00:00:00+01:00", NULL, NULL},
        {"yesterday", NULL, NULL},
        {"", NULL, NULL},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[DATE_LEN + 1];
        int64_t at;

        if (date_read(&at, rows[i].text, rows[i].zone) < 0) {
            if (rows[i].want)
                fail_msg("'%s' is refused", rows[i].text);
            continue;
        }
        date_format(text, at);
        if (!rows[i].want || strcmp(text, rows[i].want) != 0)
            fail_msg("'%s' is %s", rows[i].text, text);
    }
}

static void text_of_unknown_origin_becomes_utf8(void **state)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        {"plain", "plain"},
        {"M\xc3\xbcnchen", "M\xc3\xbcnchen"},
        {"M\xfcnchen", "M\xc3\xbcnchen"},
        {"\x93quoted\x94 \x80", "\xe2\x80\x9cquoted\xe2\x80\x9d \xe2\x82\xac"},
        {"Gr\xc3\xbc\xc3", "Gr\xc3\xbc"},                 /* cut in its last character */
        {"Gr\xc3\xbc\xe2\x82", "Gr\xc3\xbc"},
        {"Gr\xfc\xc3", "Gr\xc3\xbc\xc3\x83"},            /* no UTF-8 before: two letters */
        {"\xc3\xbc and \xfc", "\xc3\x83\xc2\xbc and \xc3\xbc"},
        {"", ""},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *text = utf8_from_unknown(rows[i].in, strlen(rows[i].in));

        assert_string_equal(text, rows[i].want);
        assert_true(utf8_valid(text, strlen(text)));
    }
}

static void a_type_is_known_by_all_its_names(void **state)
{
    (void)state;
    assert_string_equal(filetype_ext("image/jpeg"), "jpg");
    assert_string_equal(filetype_ext("Text/HTML; charset=utf-8"), "html");
    assert_string_equal(filetype_ext("image/x-ms-bmp"), "bmp");
    assert_null(filetype_ext("application/octet-stream"));
    assert_null(filetype_ext(""));
    assert_string_equal(filetype_by_ext("JPEG"), "image/jpeg");
    assert_string_equal(filetype_by_ext("m2ts"), "video/mp2t");
    assert_null(filetype_by_ext(""));
    assert_null(filetype_by_ext("nonsense"));
    assert_string_equal(filetype_name("video/MP2T"), "video/mp2t");
    assert_string_equal(filetype_kind("application/pdf"), "pdf");
    assert_string_equal(filetype_kind("application/vnd.ms-excel"), "xls");
    assert_string_equal(filetype_kind("image/x-never-heard-of"), "image");
    assert_null(filetype_kind("text/plain"));
    assert_null(filetype_kind("application/zip"));
    assert_true(filetype_is_picture("image/svg+xml"));
    assert_false(filetype_is_picture("image/x-xcf"));
}

/* Each name says one thing: no type, extension or other name stands twice. */
static void the_table_of_types_does_not_contradict_itself(void **state)
{
    static const char *const types[] = {
#define NO_KIND
#define TYPE(mime, ext, kind, reader) mime,
#define EXT(ext, mime)
#define ALIAS(name, mime) name,
#include "base/filetypes.def"
#undef TYPE
#undef EXT
#undef ALIAS
    };
    static const char *const targets[] = {
#define TYPE(mime, ext, kind, reader)
#define EXT(ext, mime) mime,
#define ALIAS(name, mime) mime,
#include "base/filetypes.def"
#undef TYPE
#undef EXT
#undef ALIAS
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(types[i], types[k]);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++)
        assert_string_equal(filetype_name(targets[i]), targets[i]);
}

static void a_volume_is_asked_again_when_its_figure_is_old_or_nearly_used_up(void **state)
{
    const int64_t plenty = INT64_C(256) << 20, mine = plenty + 1000;
    struct space_memory m = SPACE_MEMORY;
    struct space s = {{"/tmp"}, 1, &m};
    struct err err;

    assert_int_equal(space_check(&s, 0, &err), 0);
    assert_in_range(m.of[0].asked_us, 1, clock_mono_us());
    m.of[0].above = mine;
    assert_int_equal(space_check(&s, 600, &err), 0);
    assert_int_equal(m.of[0].above, mine - 600); /* taken from what was said */
    assert_int_equal(space_check(&s, 600, &err), 0);
    assert_int_not_equal(m.of[0].above, mine - 1200);
    m.of[0].above = mine;
    m.of[0].asked_us -= SECOND_US / 5;
    assert_int_equal(space_check(&s, 0, &err), 0);
    assert_int_not_equal(m.of[0].above, mine);
    assert_int_equal(space_check(&s, INT64_MAX / 2, &err), -1); /* whatever was said */
    assert_int_equal(err.code, ERR_NOSPACE);
    assert_false(space_is_used_up(&s));
}

static void a_file_is_made_once_and_read_as_far_as_it_was_announced(void **state)
{
    char dir[] = "/tmp/workcell-base-XXXXXX";
    struct err err = {0};

    (void)state;
    assert_non_null(mkdtemp(dir));
    AUTO(mem_free) char *path = mem_printf("%s/a", dir);
    assert_int_equal(file_make(path, "a\0bc", 4, &err), 0);
    assert_int_equal(file_make(path, "other", 5, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    AUTO(mem_free) char *all = file_read(path, "a", 4, &err), *some = file_read(path, "a", 3, &err);
    assert_memory_equal(all, "a\0bc", 5);
    assert_memory_equal(some, "a\0b", 4);
    assert_null(file_read(path, "its own name", 5, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.msg, "its own name"));
    unlink(path);
    assert_null(file_read(path, "a", 0, &err));
    assert_int_equal(err.code, ERR_IO);
    rmdir(dir);
}

static void what_is_no_character_is_marked_as_such(void **state)
{
    AUTO(str_done) struct str s = {0};

    (void)state;
    str_add_utf8(&s, "\xC3\xA9\xFF\0x\xE2\x82", 7);
    assert_string_equal(s.s, "\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_volume_is_asked_again_when_its_figure_is_old_or_nearly_used_up),
        cmocka_unit_test(a_file_is_made_once_and_read_as_far_as_it_was_announced),
        cmocka_unit_test(what_is_no_character_is_marked_as_such),
        cmocka_unit_test(a_copy_has_every_byte_that_was_asked_for),
        cmocka_unit_test(every_form_of_expires_is_read),
        cmocka_unit_test(a_date_is_written_as_the_status_wants_it),
        cmocka_unit_test(a_date_in_a_file_is_a_moment_or_nothing),
        cmocka_unit_test(text_of_unknown_origin_becomes_utf8),
        cmocka_unit_test(a_type_is_known_by_all_its_names),
        cmocka_unit_test(the_table_of_types_does_not_contradict_itself),
        cmocka_unit_test(json_text_is_always_valid_utf8),
        cmocka_unit_test(each_byte_is_written_alike_wherever_it_stands),
        cmocka_unit_test(numbers_are_added_as_printf_writes_them),
        cmocka_unit_test(deep_json_is_refused_before_it_is_parsed),
        cmocka_unit_test(json_is_read_as_javascript_reads_it),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(values_are_counted_before_they_are_made_and_not_in_texts),
        cmocka_unit_test(a_look_makes_only_what_is_named),
        cmocka_unit_test(half_of_a_budget_is_anyones_and_the_last_half_is_for_who_needs_little),
        cmocka_unit_test(percent_decoding_refuses_bad_escapes),
        cmocka_unit_test(base64_tolerates_missing_padding),
        cmocka_unit_test(ordered_ids_sort_by_time_and_never_repeat),
        cmocka_unit_test(a_map_keeps_what_is_put_and_drops_what_is_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
