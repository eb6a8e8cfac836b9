/* /http/request against a web server of the test's own, which is the client's application and holds new files, too. */
#include "../../unit/unit.h"
#include "../origin.h"
#include "host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROBOT "/http/request"

struct app {
    const char *answer; /* to what is asked; %s is this server's own address. NULL: the path of the first file */
    int status, busy;   /* busy: so many answers are 503 first */
    int sleep_s;
    const char *headers;
    char host[64];
    /* what came */
    int asked, fetched;
    char method[16], type[200], secret[100];
    struct str body;
};

static void app_answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct app *a = ctx;
    AUTO(mem_free) char *type = origin_header(q, "content-type");
    AUTO(mem_free) char *secret = origin_header(q, "x-secret");
    AUTO(str_done) struct str text = {0};

    if (str_starts(q->target, "/file/")) {
        a->fetched++;
        snprintf(a->secret, sizeof a->secret, "%s", secret);
        origin_say(out, 200, "", q->target + strlen("/file/"));
        return;
    }
    a->asked++;
    snprintf(a->method, sizeof a->method, "%s", q->method);
    snprintf(a->type, sizeof a->type, "%s", type);
    str_reset(&a->body);
    str_add(&a->body, q->body.s ? q->body.s : "", q->body.len);
    sleep((unsigned)a->sleep_s);
    if (a->busy-- > 0) {
        origin_say(out, 503, "", "");
        return;
    }
    for (const char *p = a->answer; p && *p; p++)
        if (p[0] == '%' && p[1] == 's' && p++)
            str_puts(&text, a->host);
        else
            str_putc(&text, *p);
    origin_say(out, a->status ? a->status : 200, a->headers ? a->headers : "", text.s ? text.s : "");
}

struct bed {
    struct app app;
    struct origin *origin;
    struct robot_job *job;
};

static void add_file(struct robot_job *j, const char *name, const char *id, const char *data)
{
    const char *path = host_path(j, name);
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    fputs(data, f);
    fclose(f);
    host_add_input(j, path);
    host_input(j)->id = id;
}

#define ONE "0123456789abcdef0123456789abcdef"
#define TWO "1123456789abcdef0123456789abcdef"

static struct bed *bed_new(const char *answer)
{
    struct bed *b = mem_zalloc(sizeof *b);

    b->app.answer = answer;
    b->origin = origin_start(app_answer, &b->app);
    snprintf(b->app.host, sizeof b->app.host, "http://%s", origin_host(b->origin));
    b->job = host_new();
    jset(host_settings(b->job), "import_allow", origin_host(b->origin));
    json_object_set_new(host_settings(b->job), "retry_ms", json_integer(1));
    host_variables(b->job, json_pack("{s:{s:s},s:{s:s},s:{s:s},s:s}", "assembly", "id", "x", "fields", "who", "me",
                                     "previous_step", "name", ":original", "private", "no"));
    add_file(b->job, "a \"b\".txt", ONE, "first");
    add_file(b->job, "c.txt", TWO, "second");
    return b;
}

static void bed_free(struct bed *b)
{
    host_free(b->job);
    origin_end(b->origin);
    str_done(b->app.body);
    free(b);
}
DEFINE_AUTO(struct bed *, bed_free)

static int run(struct bed *b, const char *more, struct err *err)
{
    AUTO(mem_free) char *step = mem_printf("{\"url\": \"%s/ask\"%s}", b->app.host, more);

    *err = (struct err){0};
    return host_run(b->job, ROBOT, step, err);
}

static void runs(struct bed *b, const char *more)
{
    struct err err;

    if (run(b, more, &err) < 0)
        fail_msg("%s: %s: %s", more, err_name(&err), err.msg);
}

static void fails(const char *answer, const char *more, const char *says)
{
    AUTO(bed_free) struct bed *b = bed_new(answer);
    struct err err;

    if (run(b, more, &err) == 0)
        fail_msg("'%s' goes", answer);
    assert_string_equal(err_name(&err), "HTTP_REQUEST_FAILURE");
    if (!strstr(err.msg, says))
        fail_msg("'%s' says nothing of '%s'", err.msg, says);
    assert_int_equal(host_output_count(b->job), 0);
}

#define METADATA ", \"payload\": \"metadata\""

static void an_endpoint_that_names_no_file_gives_none(void **state)
{
    static const char *const nothing[] = {"",     " \n",             "[]",              "{}",
                                          "null", "{\"files\": []}", "{\"files\": {}}", "{\"files\": null}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        AUTO(bed_free) struct bed *b = bed_new(nothing[i]);

        runs(b, "");
        assert_int_equal(host_output_count(b->job), 0);
        assert_string_equal(b->app.method, "POST");
        assert_int_equal(b->app.body.len, 0);
    }
}

static void it_is_told_of_the_files_and_those_that_it_names_go_on(void **state)
{
    static const char *const answers[] = {
        "{\"path\": \"/" TWO "/c.txt\"}",
        "[{\"path\": \"/" TWO "/c.txt\"}, {\"path\": \"/" TWO "/c.txt\", \"url\": \"ftp://ignored/\"}]",
        "{\"files\": [{\"path\": \"/" TWO "/c.txt\"}]}",
        "{\"files\": {\"any\": {\"path\": \"/" TWO "/c.txt\"}}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        AUTO(bed_free) struct bed *b = bed_new(answers[i]);

        runs(b, METADATA);
        assert_int_equal(host_output_count(b->job), 1);
        assert_true(host_output(b->job, 0)->passed);
        assert_string_equal(host_output(b->job, 0)->name, "c.txt");
        assert_string_equal(b->app.type, "application/json");
        AUTO(json_unref) json_t *told = json_loads(b->app.body.s, 0, NULL);
        assert_string_equal(jstr(json_object_get(told, "fields"), "who"), "me");
        assert_null(json_object_get(told, "private"));
        assert_int_equal(json_array_size(json_object_get(told, "files")), 2);
        assert_string_equal(jstr(json_object_get(told, "file"), "path"), "/" ONE "/a \"b\".txt");
        assert_int_equal(jint(json_object_get(told, "file"), "size", 0), 5);
    }
}

static void a_form_has_the_files_themselves(void **state)
{
    AUTO(bed_free) struct bed *one = bed_new(""), *all = bed_new("");

    (void)state;
    runs(one, ", \"payload\": \"file\", \"method\": \"PUT\"");
    assert_string_equal(one->app.method, "PUT");
    assert_true(str_starts(one->app.type, "multipart/form-data; boundary="));
    AUTO(mem_free) char *end = mem_printf("\r\n--%s--\r\n", strchr(one->app.type, '=') + 1);
    assert_true(str_ends(one->app.body.s, end));
    assert_non_null(strstr(one->app.body.s, "name=\"payload\"\r\nContent-Type: application/json\r\n\r\n{\"assembly\""));
    assert_non_null(strstr(one->app.body.s, "name=\"file\"; filename=\"a %22b%22.txt\"\r\n"
                                            "Content-Type: text/plain\r\n\r\nfirst\r\n--"));
    assert_null(strstr(one->app.body.s, "\r\n\r\nsecond"));
    runs(all, ", \"payload\": \"files\"");
    assert_non_null(strstr(all->app.body.s, "name=\"files[]\"; filename=\"a %22b%22.txt\""));
    assert_non_null(strstr(all->app.body.s, "name=\"files[]\"; filename=\"c.txt\"\r\n"
                                            "Content-Type: text/plain\r\n\r\nsecond\r\n--"));
}

static void an_address_in_the_answer_is_fetched_without_the_requests_secrets(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new("[{\"url\": \"%s/file/new.txt\"}, {\"path\": \"/" ONE "/a \\\"b\\\".txt\"}, "
                                           "{\"url\": \"%s/file/dir/other.txt?x=1\"}]");

    (void)state;
    runs(b, METADATA ", \"headers\": {\"X-Secret\": \"s\"}");
    assert_int_equal(host_output_count(b->job), 3);
    assert_string_equal(host_output(b->job, 0)->name, "new.txt");
    assert_int_equal(host_output(b->job, 0)->size, 7);
    assert_true(host_output(b->job, 1)->passed);
    assert_string_equal(host_output(b->job, 2)->name, "other.txt");
    assert_int_equal(b->app.fetched, 2);
    assert_string_equal(b->app.secret, "");
}

static void every_bound_holds(void **state)
{
    (void)state;
    fails("[{\"path\": \"/x\"}]", METADATA ", \"max_response_size\": 10", "longer than 10 bytes");
    fails("[{\"url\": \"%s/file/a\"}, {\"url\": \"%s/file/b\"}]", ", \"max_result_files\": 1", "names 2 files");
    fails("[{\"url\": \"%s/file/12345\"}]", ", \"max_result_file_size\": 4", "max_result_file_size allows 4");
    fails("[{\"path\": \"/etc/passwd\"}]", METADATA, "none of the files that were sent");
    fails("[{\"path\": \"/" ONE "/c.txt\"}]", METADATA, "none of the files that were sent");
    fails("[{\"path\": \"/" TWO "/c.txt\"}]", "", "none of the files that were sent");
    fails("[{\"url\": \"file:///etc/passwd\"}]", "", "not an http or https address");
    fails("[{\"name\": \"a\"}]", "", "without path and url");
    fails("[\"a\"]", "", "without path and url");
    fails("[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]", "", "can't be read as JSON");
    fails("yes", "", "can't be read as JSON");
    fails("7", "", "form that is not known");
    fails("{\"files\": 7}", "", "form that is not known");
    /* nothing is emitted before all of it is known to be right */
    fails("[{\"url\": \"%s/file/a\"}, {\"path\": \"/x\"}]", METADATA, "none of the files that were sent");
}

static void what_it_answers_must_be_good_and_only_who_took_nothing_is_asked_again(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new("{\"path\": \"/" TWO "/c.txt\"}"), *never = bed_new("");
    AUTO(bed_free) struct bed *broken = bed_new("");
    struct err err;

    (void)state;
    b->app.busy = 2;
    runs(b, METADATA);
    assert_int_equal(b->app.asked, 3);
    never->app.busy = 9;
    assert_int_equal(run(never, "", &err), -1);
    assert_int_equal(never->app.asked, 3);
    broken->app.status = 500;
    assert_int_equal(run(broken, "", &err), -1);
    assert_string_equal(err_name(&err), "HTTP_REQUEST_FAILURE");
    assert_non_null(strstr(err.msg, "status 500"));
    assert_int_equal(broken->app.asked, 1);
}

static void who_takes_too_long_is_left(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new("");
    struct err err;

    (void)state;
    b->app.sleep_s = 3;
    assert_int_equal(run(b, ", \"timeout\": 1", &err), -1);
    assert_string_equal(err_name(&err), "HTTP_REQUEST_FAILURE");
    assert_int_equal(b->app.asked, 1);
}

static void the_guard_holds_for_the_request_and_for_what_it_names(void **state)
{
    AUTO(bed_free) struct bed *b = bed_new(""), *other = bed_new("");
    AUTO(mem_free) char *answer = mem_printf("[{\"url\": \"http://%s/file/a\"}]", origin_host(other->origin));
    struct err err;

    (void)state;
    b->app.answer = answer;
    assert_int_equal(run(b, "", &err), -1);
    assert_true(err.is_private_address);
    b->app.status = 307;
    AUTO(mem_free) char *away = mem_printf("Location: http://%s/ask\r\n", origin_host(other->origin));
    b->app.headers = away;
    assert_int_equal(run(b, "", &err), -1);
    assert_true(err.is_private_address);
    jset(host_settings(b->job), "import_allow", "");
    assert_int_equal(run(b, "", &err), -1);
    assert_true(err.is_private_address);
    assert_int_equal(other->app.asked + other->app.fetched, 0);
}

static void wrong_parameters_are_refused(void **state)
{
    static const char *const wrong[] = {
        "{}", "{\"url\": \"ftp://a/\"}", "{\"url\": \"http://a/\", \"method\": \"HEAD\"}",
        "{\"url\": \"http://a/\", \"payload\": \"all\"}", "{\"url\": \"http://a/\", \"timeout\": 301}",
        "{\"url\": \"http://a/\", \"max_result_files\": 0}",
        "{\"url\": \"http://a/\", \"payload\": \"file\", \"headers\": {\"Content-Type\": \"a/b\"}}",
        "{\"url\": \"http://a/\", \"headers\": [\"Host: b\"]}"};
    AUTO(host_free) struct robot_job *j = host_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct err err = {0};

        assert_int_equal(host_run(j, ROBOT, wrong[i], &err), -1);
        assert_string_equal(err_name(&err), "HTTP_REQUEST_VALIDATION");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_that_names_no_file_gives_none),
        cmocka_unit_test(it_is_told_of_the_files_and_those_that_it_names_go_on),
        cmocka_unit_test(a_form_has_the_files_themselves),
        cmocka_unit_test(an_address_in_the_answer_is_fetched_without_the_requests_secrets),
        cmocka_unit_test(every_bound_holds),
        cmocka_unit_test(what_it_answers_must_be_good_and_only_who_took_nothing_is_asked_again),
        cmocka_unit_test(who_takes_too_long_is_left),
        cmocka_unit_test(the_guard_holds_for_the_request_and_for_what_it_names),
        cmocka_unit_test(wrong_parameters_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
