/* Calls of a service's interface (src/transfer/api.h) against a web server of the test's own. */
#include "../unit/unit.h"
#include "base/clock.h"
#include "host.h"
#include "origin.h"
#include "transfer/api.h"

#include <stdio.h>
#include <string.h>

struct service {
    int calls, tokens, failures; /* failures: answers that are none before the good one */
    const char *good;            /* the token that is taken */
    char seen[4096];             /* headers of the last call */
    int status;                  /* of the failures */
    const char *headers, *body;  /* of the failures */
    size_t long_bytes;
};

static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct service *s = ctx;
    AUTO(mem_free) char *token = origin_header(q, "authorization");
    AUTO(mem_free) char *want = mem_printf("Bearer %s", s->good ? s->good : "");

    if (str_starts(q->target, "/token")) {
        AUTO(mem_free)
        char *body = mem_printf("{\"access_token\": \"t%d\", \"expires_in\": 3600}", ++s->tokens);
        origin_say(out, 200, "", body);
        return;
    }
    s->calls++;
    snprintf(s->seen, sizeof s->seen, "%s", q->headers);
    if (s->failures) {
        s->failures--;
        if (s->status)
            origin_say(out, s->status, s->headers ? s->headers : "", s->body ? s->body : "");
    } else if (s->good && strcmp(token, want) != 0) {
        origin_say(out, 401, "", "{}");
    } else if (s->long_bytes) {
        AUTO(mem_free) char *text = mem_zalloc(s->long_bytes + 1);
        memset(text, 'x', s->long_bytes);
        origin_say(out, 200, "", text);
    } else {
        origin_say(out, 200, "", "{\"fine\": true}");
    }
}

struct bed {
    struct robot_job *job;
    struct api api;
    struct origin *origin;
    char *url;
    struct err err;
};

static struct bed bed_new(struct service *s)
{
    struct bed b = {.job = host_new(), .origin = origin_start(answer, s)};

    host_be(b.job, "/http/import");
    jset(host_settings(b.job), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(b.job), "retry_ms", json_integer(1));
    b.api = (struct api){.job = b.job, .client = http_client_new(), .service = "The service"};
    b.url = mem_printf("http://%s/call", origin_host(b.origin));
    return b;
}

static void bed_done(struct bed b)
{
    api_done(b.api);
    origin_end(b.origin);
    host_free(b.job);
    free(b.url);
}
DEFINE_AUTO(struct bed, bed_done)

static int run(struct bed *b, struct api_call c, struct http_client_response *r)
{
    if (!c.method)
        c.method = "GET";
    c.url = b->url;
    c.fd = -1;
    c.length = -1;
    b->err = (struct err){0};
    return api_run(r, &b->api, &c, &b->err);
}

static int sign_in(struct api *a, struct err *err)
{
    AUTO(mem_free) char *url = mem_printf("%s/token", (const char *)a->ctx);

    return api_token(a, url, "grant_type=x", a->authorization != NULL, err);
}

static void a_kept_token_that_is_not_taken_any_more_is_renewed_once(void **state)
{
    struct service s = {.good = "t1"};
    AUTO(bed_done) struct bed b = bed_new(&s);
    AUTO(mem_free) char *base = mem_printf("http://%s", origin_host(b.origin));

    (void)state;
    b.api.sign_in = sign_in;
    b.api.ctx = base;
    for (int i = 1; i < 4; i++) {
        AUTO(http_client_response_done) struct http_client_response r = {0};

        free(take(b.api.authorization)); /* as another job of this worker begins */
        s.good = i == 2 ? "t2" : i == 3 ? "none" : "t1";
        s.calls = 0;
        assert_int_equal(run(&b, (struct api_call){0}, &r), i == 3 ? -1 : 0);
        assert_int_equal(s.tokens, i);
        assert_int_equal(s.calls, i == 1 ? 1 : 2);
    }
    assert_string_equal(err_name(&b.err), "HTTP_IMPORT_ACCESS_DENIED");
}

static void
a_passing_failure_is_tried_again_and_one_that_may_have_worked_only_if_it_may(void **state)
{
    (void)state;
    for (int status = 0; status <= 503; status = status ? status + 1 : 500)
        for (int once = 0; once < 2; once++) {
            struct service s = {.failures = 2, .status = status};
            AUTO(bed_done) struct bed b = bed_new(&s);
            AUTO(http_client_response_done) struct http_client_response r = {0};
            bool again = !once || status == 503;

            assert_int_equal(run(&b, (struct api_call){.method = "POST", .once = once}, &r),
                             again ? 0 : -1);
            assert_int_equal(s.calls, again ? 3 : 1);
        }
}

static void a_failure_that_lasts_is_told_by_its_kind_and_words(void **state)
{
    static const struct {
        int status;
        const char *body, *code, *says;
    } rows[] = {
        {400, "{\"error\": {\"message\": \"a bad\\nthing\"}}", "HTTP_IMPORT_FAILURE",
         "400: a bad thing"},
        {401, "{\"error_description\": \"who?\"}", "HTTP_IMPORT_ACCESS_DENIED", "401: who?"},
        {404, "<Error><Message>no blob</Message></Error>", "HTTP_IMPORT_NOT_FOUND", "404: no blob"},
        {403, "{\"message\": \"your key sesame is bad\"}", "HTTP_IMPORT_ACCESS_DENIED", "left out"},
        {500, "{\"message\": \"Bearer open-door is bad\"}", "HTTP_IMPORT_FAILURE", "left out"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct service s = {.failures = 9, .status = rows[i].status, .body = rows[i].body};
        AUTO(bed_done) struct bed b = bed_new(&s);
        AUTO(http_client_response_done) struct http_client_response r = {0};

        b.api.secret = "sesame";
        b.api.authorization = mem_strdup("Bearer open-door");
        assert_int_equal(run(&b, (struct api_call){0}, &r), -1);
        assert_string_equal(err_name(&b.err), rows[i].code);
        if (!strstr(b.err.msg, rows[i].says) || strstr(b.err.msg, "sesame") ||
            strstr(b.err.msg, "open-door"))
            fail_msg("%d: %s", rows[i].status, b.err.msg);
        assert_int_equal(r.status, rows[i].status);
    }
}

static void it_waits_as_long_as_the_other_side_asks(void **state)
{
    struct service s = {.failures = 1, .status = 429, .headers = "Retry-After: 1\r\n"};
    AUTO(bed_done) struct bed b = bed_new(&s);
    AUTO(http_client_response_done) struct http_client_response r = {0};
    int64_t from = clock_mono_us();

    (void)state;
    assert_int_equal(run(&b, (struct api_call){0}, &r), 0);
    assert_true(clock_mono_us() - from >= SECOND_US);
    r.headers.s[0] = 0;
    assert_int_equal(remote_retry_after(&(struct http_client_response){
                         .headers = {.s = "retry-after: 99999999\n"}}),
                     REMOTE_WAIT_MAX_MS);
    assert_int_equal(
        remote_retry_after(&(struct http_client_response){.headers = {.s = "retry-after: -5\n"}}),
        0);
    assert_int_equal(
        remote_retry_after(&(struct http_client_response){.headers = {.s = "retry-after: soon\n"}}),
        0);
}

static void a_value_with_a_line_break_is_no_second_header(void **state)
{
    struct service s = {0};
    AUTO(bed_done) struct bed b = bed_new(&s);
    const char *const headers[] = {"x-one: 1\nx-two: 2", NULL};
    AUTO(http_client_response_done) struct http_client_response r = {0}, r2 = {0};

    (void)state;
    assert_int_equal(run(&b, (struct api_call){.headers = headers}, &r), -1);
    assert_int_equal(run(&b, (struct api_call){.type = "a/b\nx-two: 2"}, &r2), -1);
    assert_int_equal(s.calls, 0);
}

static void the_token_may_travel_in_a_header_of_another_name(void **state)
{
    struct service s = {0};
    AUTO(bed_done) struct bed b = bed_new(&s);
    AUTO(http_client_response_done) struct http_client_response r = {0}, r2 = {0};

    (void)state;
    b.api.header = "X-Auth-Token";
    b.api.authorization = mem_strdup("abc");
    assert_int_equal(run(&b, (struct api_call){0}, &r), 0);
    assert_non_null(strstr(s.seen, "X-Auth-Token: abc\r\n"));
    assert_null(strstr(s.seen, "Authorization"));
    assert_int_equal(run(&b, (struct api_call){.anonymous = true}, &r2), 0);
    assert_null(strstr(s.seen, "abc"));
}

static void an_answer_is_kept_up_to_what_the_call_says_and_more_is_an_error(void **state)
{
    struct service s = {.long_bytes = 3 << 20};
    AUTO(bed_done) struct bed b = bed_new(&s);
    AUTO(http_client_response_done) struct http_client_response r = {0}, r2 = {0}, r3 = {0};

    (void)state;
    assert_int_equal(run(&b, (struct api_call){.most = 3 << 20}, &r), 0);
    assert_int_equal(r.body.len, 3 << 20);
    assert_int_equal(run(&b, (struct api_call){.most = (3 << 20) - 1}, &r2), -1);
    assert_non_null(strstr(b.err.msg, "more than 3145727 bytes"));
    s.failures = 1; /* in the middle of nothing: what came before does not count */
    assert_int_equal(run(&b, (struct api_call){.most = 3 << 20}, &r3), 0);
    assert_int_equal(r3.body.len, 3 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_token_that_is_not_taken_any_more_is_renewed_once),
        cmocka_unit_test(
            a_passing_failure_is_tried_again_and_one_that_may_have_worked_only_if_it_may),
        cmocka_unit_test(a_failure_that_lasts_is_told_by_its_kind_and_words),
        cmocka_unit_test(it_waits_as_long_as_the_other_side_asks),
        cmocka_unit_test(a_value_with_a_line_break_is_no_second_header),
        cmocka_unit_test(the_token_may_travel_in_a_header_of_another_name),
        cmocka_unit_test(an_answer_is_kept_up_to_what_the_call_says_and_more_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
