/* /http/import against a web server of the test's own. What needs a daemon around it is in
 * tests/e2e/import.test.mjs. */
#include "../../unit/unit.h"
#include "../origin.h"
#include "host.h"

#include <stdio.h>
#include <string.h>

#define ROBOT "/http/import"

/* By the path that is asked for: what it means is in its name. */
static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    int *broken = ctx;
    const char *path = q->target;
    int status = 0;

    if (sscanf(path, "/status/%d", &status) == 1) {
        origin_say(out, status, "", "a page about it");
    } else if (str_starts(path, "/named")) {
        origin_say(out, 200,
                   "Content-Disposition: attachment; filename=\"r\xc3\xa9sum\xc3\xa9/../of "
                   "it.txt\"\r\nContent-Type: text/plain\r\n",
                   "named");
    } else if (str_starts(path, "/typed")) {
        origin_say(out, 200, "Content-Type: image/jpeg\r\n", "typed");
    } else if (str_starts(path, "/later")) { /* not at first */
        if (++*broken < 3)
            origin_say(out, 503, "", "");
        else
            origin_say(out, 200, "", "now");
    } else if (str_starts(path, "/cut")) { /* breaks in the middle, and is shorter then */
        if (++*broken < 2)
            str_puts(out, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfar too long");
        else
            origin_say(out, 200, "", "short");
    } else if (str_starts(path, "/hangs-up")) {
        ++*broken;
    } else if (str_starts(path, "/ranges")) {
        AUTO(mem_free) char *range = origin_header(q, "range");
        static const char all[] = "0123456789";
        int from = 0, to = 9;

        if (sscanf(range, "bytes=%d-%d", &from, &to) < 1 || from < 0)
            from = 10 + from;
        AUTO(mem_free) char *header = mem_printf("Content-Range: bytes %d-%d/10\r\n", from, to);
        AUTO(mem_free) char *part = mem_strndup(all + from, (size_t)(to - from + 1));
        origin_say(out, 206, header, part);
    } else if (str_starts(path, "/unlimited")) {
        str_puts(out, "HTTP/1.1 200 OK\r\n\r\n");
        for (int i = 0; i < 3000; i++)
            str_puts(out, "0123456789");
    } else if (str_starts(path, "/header")) {
        AUTO(mem_free) char *value = origin_header(q, "x-mine");
        origin_say(out, 200, "", value);
    } else {
        origin_say(out, 200, "", path);
    }
}

static struct robot_job *new_job(void)
{
    struct robot_job *j = host_new();

    jset(host_settings(j), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(j), "retry_ms", json_integer(1));
    return j;
}

/* step: JSON with %s for the server's address. */
static int run(struct robot_job *j, const struct origin *o, const char *step, struct err *err)
{
    AUTO(str_done) struct str text = {0};

    for (const char *hole; (hole = strstr(step, "%s")); step = hole + 2) {
        str_add(&text, step, (size_t)(hole - step));
        str_addf(&text, "http://%s", origin_host(o));
    }
    str_puts(&text, step);
    *err = (struct err){0};
    return host_run(j, ROBOT, text.s, err);
}

static void runs(struct robot_job *j, const struct origin *o, const char *step)
{
    struct err err;

    if (run(j, o, step, &err) < 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
}

static void fails(struct robot_job *j, const struct origin *o, const char *step, const char *code,
                  const char *says)
{
    struct err err;

    if (run(j, o, step, &err) == 0)
        fail_msg("%s goes", step);
    assert_string_equal(err_name(&err), code);
    if (!strstr(err.msg, says))
        fail_msg("%s: '%s' says nothing of '%s'", step, err.msg, says);
}

static void holds(const struct robot_job *j, int i, const char *name, const char *data)
{
    const struct host_output *out = host_output(j, i);
    FILE *f = fopen(out->path, "re");
    char have[4096] = "";

    assert_non_null(f);
    (void)!fread(have, 1, sizeof have - 1, f);
    fclose(f);
    assert_string_equal(out->name, name);
    assert_string_equal(have, data);
}

static void a_file_is_called_as_the_server_says_or_its_address_or_its_type(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    runs(j, o, "{\"url\": [\"%s/dir/a%20b.txt?x=1\", \"%s/named\", \"%s/typed\", \"%s/\"]}");
    assert_int_equal(host_output_count(j), 4);
    holds(j, 0, "a b.txt", "/dir/a%20b.txt?x=1");
    holds(j, 1, "of it.txt", "named");
    holds(j, 2, "typed.jpg", "typed");
    assert_true(*host_output(j, 3)->name);
    assert_true(json_is_true(json_object_get(host_output(j, 0)->extra, "from_batch_import")));
    assert_true(str_ends(jstr_or(host_output(j, 1)->extra, "import_url", ""), "/named"));
    runs(j, o, "{\"url\": \"%s/x.txt|%s/typed\", \"force_name\": [\"one\", \"../two.png\"]}");
    holds(j, 0, "one", "/x.txt");
    holds(j, 1, "two.png", "typed");
    runs(j, o, "{\"url\": \"%s/alone.txt\"}");
    assert_true(json_is_false(json_object_get(host_output(j, 0)->extra, "from_batch_import")));
}

static void what_the_server_says_has_the_contracts_code(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    fails(j, o, "{\"url\": \"%s/status/404\"}", "HTTP_IMPORT_NOT_FOUND", "status 404");
    fails(j, o, "{\"url\": \"%s/status/410\"}", "HTTP_IMPORT_NOT_FOUND", "status 410");
    fails(j, o, "{\"url\": \"%s/status/401\"}", "HTTP_IMPORT_ACCESS_DENIED", "status 401");
    fails(j, o, "{\"url\": \"%s/status/403\"}", "HTTP_IMPORT_ACCESS_DENIED", "status 403");
    fails(j, o, "{\"url\": \"%s/status/400\"}", "HTTP_IMPORT_FAILURE", "status 400");
    assert_int_equal(origin_requests(o), 5);
    assert_int_equal(host_output_count(j), 0);
}

static void what_may_pass_is_tried_again_unless_told_not_to(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    runs(j, o, "{\"url\": \"%s/later.txt\"}");
    holds(j, 0, "later.txt", "now");
    assert_int_equal(broken, 3);
    broken = 0;
    runs(j, o, "{\"url\": \"%s/cut.txt\"}");
    holds(j, 0, "cut.txt", "short");
    broken = 0;
    fails(j, o, "{\"url\": \"%s/hangs-up\"}", "HTTP_IMPORT_FAILURE", "can't fetch");
    assert_int_equal(broken, 3);
    broken = 0;
    fails(j, o, "{\"url\": \"%s/later.txt\", \"fail_fast\": true}", "HTTP_IMPORT_FAILURE",
          "status 503");
    assert_int_equal(broken, 1);
}

static void the_smaller_limit_counts_announced_or_not(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    json_object_set_new(host_settings(j), "max_file_size", json_integer(20000));
    fails(j, o, "{\"url\": \"%s/unlimited\"}", "HTTP_IMPORT_FAILURE",
          "the server's max_file_size allows 20000");
    fails(j, o, "{\"url\": \"%s/abcdef\", \"max_file_size\": 6}", "HTTP_IMPORT_FAILURE",
          "7 bytes, but the Step's max_file_size allows 6");
    runs(j, o, "{\"url\": \"%s/abcdef\", \"max_file_size\": 7}");
}

static void several_ranges_lie_at_their_own_offsets(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    runs(j, o, "{\"url\": \"%s/ranges\", \"range\": \"2-4\"}");
    holds(j, 0, "ranges", "234");
    runs(j, o, "{\"url\": \"%s/ranges\", \"range\": \"-3\"}");
    holds(j, 0, "ranges", "789");
    runs(j, o, "{\"url\": \"%s/ranges\", \"range\": [\"5-6\", \"0-1\"]}");
    assert_int_equal(host_output(j, 0)->size, 7);
    runs(j, o, "{\"url\": \"%s/whole\", \"range\": [\"5-6\", \"0-1\"]}");
    holds(j, 0, "whole", "/whole");
}

static void with_ignore_errors_each_address_stands_for_itself(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    fails(j, o,
          "{\"url\": [\"%s/a\", \"%s/status/404\", \"%s/b\", \"%s/status/403\"], "
          "\"ignore_errors\": [\"import\"]}",
          "HTTP_IMPORT_NOT_FOUND", "2 of 4 addresses failed, the first one so");
    assert_int_equal(host_output_count(j), 2);
    fails(j, o, "{\"url\": [\"%s/a\", \"%s/status/404\", \"%s/b\"]}", "HTTP_IMPORT_NOT_FOUND",
          "status 404");
    assert_int_equal(host_output_count(j), 1);
}

static void headers_go_along_and_bad_ones_are_refused(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();

    (void)state;
    runs(j, o, "{\"url\": \"%s/header\", \"headers\": [\"X-Mine: a\"]}");
    holds(j, 0, "header", "a");
    runs(j, o, "{\"url\": \"%s/header\", \"headers\": [{\"X-Mine\": \"b\"}]}");
    holds(j, 0, "header", "b");
    runs(j, o, "{\"url\": \"%s/header\", \"headers\": \"{\\\"X-Mine\\\": 3}\"}");
    holds(j, 0, "header", "3");
    fails(j, o, "{\"url\": \"%s/\", \"headers\": [\"Host: a\"]}", "HTTP_IMPORT_VALIDATION",
          "can't be set by hand");
    fails(j, o, "{\"url\": \"%s/\", \"headers\": [\"no header\"]}", "HTTP_IMPORT_VALIDATION",
          "'headers'");
    fails(j, o, "{\"url\": \"ftp://u:secret@a/\"}", "HTTP_IMPORT_VALIDATION",
          "not an http or https address");
    fails(j, o, "{\"url\": \" | \"}", "HTTP_IMPORT_VALIDATION", "holds no address");
    fails(j, o, "{\"url\": \"%s/\", \"range\": \"9-1\"}", "HTTP_IMPORT_VALIDATION", "'range'");
    assert_int_equal(origin_requests(o), 3);
}

static void a_private_address_is_refused_unless_the_operator_allows_it(void **state)
{
    int broken = 0;
    AUTO(origin_end) struct origin *o = origin_start(answer, &broken);
    AUTO(host_free) struct robot_job *j = new_job();
    struct err err;

    (void)state;
    jset(host_settings(j), "import_allow", "");
    assert_int_equal(run(j, o, "{\"url\": \"%s/a\"}", &err), -1);
    assert_string_equal(err_name(&err), "HTTP_IMPORT_ACCESS_DENIED");
    assert_true(err.is_private_address);
    assert_int_equal(origin_requests(o), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_called_as_the_server_says_or_its_address_or_its_type),
        cmocka_unit_test(what_the_server_says_has_the_contracts_code),
        cmocka_unit_test(what_may_pass_is_tried_again_unless_told_not_to),
        cmocka_unit_test(the_smaller_limit_counts_announced_or_not),
        cmocka_unit_test(several_ranges_lie_at_their_own_offsets),
        cmocka_unit_test(with_ignore_errors_each_address_stands_for_itself),
        cmocka_unit_test(headers_go_along_and_bad_ones_are_refused),
        cmocka_unit_test(a_private_address_is_refused_unless_the_operator_allows_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
