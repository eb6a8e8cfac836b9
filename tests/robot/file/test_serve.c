/* /file/serve: which headers an answer has, and which nobody may ask for. */
#include "../../unit/unit.h"
#include "base/clock.h"
#include "base/str.h"
#include "host.h"
#include "robot/served.h"
#include "robot/stub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *write_file(struct robot_job *job, const char *name)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "w");

    fputs("hello", f);
    assert_int_equal(fclose(f), 0);
    return path;
}

static const json_t *serve(struct robot_job *job, const char *step)
{
    struct err err = {0};

    if (host_run_on(job, "/file/serve", step, write_file(job, "a.txt"), &err) < 0)
        fail_msg("%s: %s", step, err.msg);
    assert_int_equal(host_output_count(job), 1);
    assert_true(host_output(job, 0)->same); /* nothing is copied */
    return json_object_get(json_object_get(host_output(job, 0)->meta, SERVED_META), "headers");
}

static void an_answer_has_the_contracts_headers(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const json_t *h = serve(job, "{}");
    (void)state;

    assert_string_equal(jstr_or(h, "Cache-Control", ""), "public, max-age=259200, s-maxage=86400");
    assert_string_equal(jstr_or(h, "Access-Control-Allow-Origin", ""), "*");
    assert_string_equal(jstr_or(h, "Accept-Ranges", ""), "bytes");
    assert_true(str_ends(jstr_or(h, "Content-Type", ""), "; charset=utf-8"));
    assert_non_null(jstr(h, "Transloadit-Assembly"));
    assert_null(jstr(h, "Content-Disposition"));
    assert_int_equal(served_headers_check(h, NULL), 0); /* the server believes all of them */
}

static void given_headers_are_laid_over_whatever_their_case(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const json_t *h = serve(
        job, "{\"headers\": {\"cache-control\": \"no-store\", \"X-Robots-Tag\": \"noindex\"}, \"cache_duration\": 5}");
    (void)state;

    assert_null(jstr(h, "Cache-Control"));
    assert_string_equal(jstr_or(h, "cache-control", ""), "no-store");
    assert_string_equal(jstr_or(h, "X-Robots-Tag", ""), "noindex");
    assert_string_equal(jstr_or(h, "Accept-Ranges", ""), "bytes");
}

static void what_the_clients_schemas_write_out_asks_for_nothing(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const json_t *h = serve(job, "{\"headers\": {\"Transfer-Encoding\": \"chunked\", "
                                 "\"Transloadit-Assembly\": \"\\u2026\", \"Transloadit-RequestID\": \"\\u2026\", \"X-A\": \"b\"}}");
    (void)state;

    assert_null(jstr(h, "Transfer-Encoding"));
    assert_string_not_equal(jstr_or(h, "Transloadit-Assembly", "\xe2\x80\xa6"), "\xe2\x80\xa6");
    assert_null(jstr(h, "Transloadit-RequestID"));
    assert_string_equal(jstr_or(h, "X-A", ""), "b");
}

static void cache_duration_sets_both_ages(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    assert_string_equal(jstr_or(serve(job, "{\"cache_duration\": 0}"), "Cache-Control", ""),
                        "public, max-age=0, s-maxage=0");
    assert_string_equal(jstr_or(serve(job, "{\"cache_duration\": 7}"), "Cache-Control", ""),
                        "public, max-age=7, s-maxage=7");
}

static void a_download_has_its_name_in_both_forms(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    assert_string_equal(
        jstr_or(serve(job, "{\"download_name\": \"Tom \\\"1\\\" \\u00e4.txt\"}"), "Content-Disposition", ""),
        "attachment; filename=\"Tom _1_ __.txt\"; filename*=UTF-8''Tom%20%221%22%20%C3%A4.txt");
    /* no way out of the directory, no second header */
    assert_string_equal(jstr_or(serve(job, "{\"download_name\": \"../../a\\r\\nX-A: b\"}"), "Content-Disposition", ""),
                        "attachment; filename=\"aX-A: b\"; filename*=UTF-8''aX-A%3A%20b");
    assert_null(jstr(serve(job, "{\"download_name\": \"\"}"), "Content-Disposition"));
}

static void headers_that_are_the_servers_or_no_headers_are_refused(void **state)
{
    static const char *const rows[] = {"{\"Set-Cookie\": \"a=b\"}",
                                       "{\"set-cookie\": \"a=b\"}",
                                       "{\"Content-Length\": \"1\"}",
                                       "{\"Transfer-Encoding\": \"gzip\"}",
                                       "{\"Content-Encoding\": \"gzip\"}",
                                       "{\"Content-Security-Policy\": \"\"}",
                                       "{\"Clear-Site-Data\": \"*\"}",
                                       "{\"X-Content-Type-Options\": \"\"}",
                                       "{\"Service-Worker-Allowed\": \"/\"}",
                                       "{\"Strict-Transport-Security\": \"max-age=1\"}",
                                       "{\"Connection\": \"close\"}",
                                       "{\"ETag\": \"1\"}",
                                       "{\"A\": \"b\\r\\nSet-Cookie: c\"}",
                                       "{\"A\": \"b\\nc\"}",
                                       "{\"A\": \"\\u00e4\"}",
                                       "{\"A\": \"\\u007f\"}",
                                       "{\"A: b\": \"c\"}",
                                       "{\"\": \"c\"}",
                                       "{\"A B\": \"c\"}",
                                       "{\"A\": 1}",
                                       "{\"A\": null}",
                                       "[]",
                                       "\"a\"",
                                       "1"};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = write_file(job, "a.txt");
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"headers\": %s}", rows[i]);
        struct err err = {0};

        if (host_run_on(job, "/file/serve", step, path, &err) == 0)
            fail_msg("taken: %s", step);
        assert_string_equal(err_name(&err), "FILE_SERVE_VALIDATION");
    }
}

static void too_many_or_too_long_headers_are_refused(void **state)
{
    AUTO(json_unref) json_t *many = json_object();
    AUTO(json_unref) json_t *lengthy = json_object();
    char name[30], value[SERVED_VALUE_MOST + 2];
    (void)state;

    memset(value, 'a', sizeof value);
    value[sizeof value - 1] = 0;
    assert_int_equal(served_header_check("A", value, NULL), -1);
    value[SERVED_VALUE_MOST] = 0;
    assert_int_equal(served_header_check("A", value, NULL), 0);
    for (int i = 0; i <= SERVED_HEADERS_MOST; i++) {
        snprintf(name, sizeof name, "X-%d", i);
        json_object_set_new(many, name, json_string(""));
        if (i < 5)
            json_object_set_new(lengthy, name, json_string(value));
    }
    assert_int_equal(served_headers_check(many, NULL), -1);
    json_object_del(many, "X-0");
    assert_int_equal(served_headers_check(many, NULL), 0);
    assert_int_equal(served_headers_check(lengthy, NULL), -1);
}

static void how_long_a_shared_cache_may_keep_it(void **state)
{
    static const struct {
        const char *header;
        int64_t age_s;
    } rows[] = {{"public, max-age=259200, s-maxage=86400", 86400},
                {"max-age=5", 5},
                {"S-MaxAge=7,max-age=9", 7},
                {"no-store, max-age=5", 0},
                {"private, s-maxage=5", 0},
                {"max-age=5, No-Cache", 0},
                {"public", 0},
                {"", 0},
                {NULL, 0},
                {"max-age=", 0},
                {"max-age=x", 0},
                {"xmax-age=5", 0},
                {"max-age=99999999999999999999999", 99999999990 /* more than anybody waits */},
                {" ,, max-age=3 ,", 3}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t got = served_age_s(rows[i].header);

        if (got != rows[i].age_s && !(rows[i].age_s > INT32_MAX && got >= INT32_MAX))
            fail_msg("%s: %lld", rows[i].header ? rows[i].header : "none", (long long)got);
    }
}

/* An input that is a stub; left_s 0: nobody knows of an end. */
static int serve_stub(struct robot_job *job, const char *step, int64_t left_s, struct err *err)
{
    *err = (struct err){0};
    host_add_input(job, write_file(job, "film.mp4"));
    host_input(job)->stub = "https://far.example/film.mp4?sig=x";
    if (left_s)
        host_input_meta(job, json_pack("{s:I}", STUB_META, (json_int_t)(clock_now_us() / SECOND_US + left_s)));
    return host_run(job, "/file/serve", step, err);
}

static void nobody_is_sent_on_to_an_address_that_is_over(void **state)
{
    static const struct {
        const char *step, *kept; /* the Cache-Control without its seconds; those are at most half of what is left */
        int64_t left_s, most_s;
    } rows[] = {{"{}", "public, max-age=259200, s-maxage=86400", 0, 0},
                {"{}", "public, max-age=259200, s-maxage=86400", 600000, 0},
                {"{}", "public, max-age=", 86400, 43200},
                {"{\"cache_duration\": 60}", "public, max-age=60, s-maxage=60", 3600, 0},
                {"{\"headers\": {\"cache-control\": \"private, max-age=90000\"}}", "private, max-age=", 86400, 43200},
                {"{\"headers\": {\"cache-control\": \"s-maxage=10, max-age=90000\"}}", "public, max-age=", 3600, 1800},
                {"{\"headers\": {\"cache-control\": \"no-store, max-age=90000\"}}", "no-store, max-age=90000", 60, 0}};
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        if (serve_stub(job, rows[i].step, rows[i].left_s, &err) < 0)
            fail_msg("%s: %s", rows[i].step, err.msg);
        const json_t *h = json_object_get(json_object_get(host_output(job, 0)->meta, SERVED_META), "headers");
        const char *have = jstr_or(h, "Cache-Control", jstr_or(h, "cache-control", ""));
        size_t n = strlen(rows[i].kept);

        assert_string_equal(jstr_or(h, "Location", ""), "https://far.example/film.mp4?sig=x");
        if (strncmp(have, rows[i].kept, n) != 0 || (!rows[i].most_s && have[n]))
            fail_msg("%s: %s", rows[i].step, have);
        if (rows[i].most_s && (atoll(have + n) > rows[i].most_s || atoll(have + n) < rows[i].most_s - 60))
            fail_msg("%s: %s", rows[i].step, have);
    }
    AUTO(host_free) struct robot_job *job = host_new();
    assert_int_equal(serve_stub(job, "{}", -5, &err), -1);
    assert_string_equal(err_name(&err), "FILE_SERVE_VALIDATION");
    assert_non_null(strstr(err.msg, "was good until"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_sent_on_to_an_address_that_is_over),
        cmocka_unit_test(an_answer_has_the_contracts_headers),
        cmocka_unit_test(given_headers_are_laid_over_whatever_their_case),
        cmocka_unit_test(what_the_clients_schemas_write_out_asks_for_nothing),
        cmocka_unit_test(cache_duration_sets_both_ages),
        cmocka_unit_test(a_download_has_its_name_in_both_forms),
        cmocka_unit_test(headers_that_are_the_servers_or_no_headers_are_refused),
        cmocka_unit_test(too_many_or_too_long_headers_are_refused),
        cmocka_unit_test(how_long_a_shared_cache_may_keep_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
