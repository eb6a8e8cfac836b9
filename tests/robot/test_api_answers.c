/* Calls of a service's interface (src/transfer/api.h) against a server of the test's own. */
#include "../unit/unit.h"
#include "host.h"
#include "origin.h"
#include "transfer/api.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The other side: says what is in its list, one answer after the other; the last one for ever. */
struct service {
    const struct answer {
        int status; /* 0: the connection breaks */
        const char *headers, *body;
    } * answers;
    int tokens;               /* given out */
    int good;                 /* number of the token that is taken; 0: any, and none */
    const char *token_answer; /* NULL: a good one */
    int token_status;         /* 0: 200 */
    char said[2000];          /* method, target and body of each request, a line each */
    char headers[4000];       /* of the last */
};

static void answer(void *ctx, const struct origin_request *q, struct str *out)
{
    struct service *s = ctx;
    size_t used = strlen(s->said);
    AUTO(mem_free) char *authorization = origin_header(q, "authorization");
    char want[40];

    snprintf(s->said + used, sizeof s->said - used, "%s %s %s\n", q->method, q->target, q->body.s ? q->body.s : "");
    snprintf(s->headers, sizeof s->headers, "%s", q->headers);
    if (!strcmp(q->target, "/token")) {
        char text[100];

        snprintf(text, sizeof text, "{\"access_token\": \"t%d\", \"expires_in\": 3600}", ++s->tokens);
        origin_say(out, s->token_status ? s->token_status : 200, "", s->token_answer ? s->token_answer : text);
        return;
    }
    snprintf(want, sizeof want, "Bearer t%d", s->good);
    if (s->good && strcmp(authorization, want) != 0) {
        origin_say(out, 401, "", "{\"error\": \"who are you?\"}");
        return;
    }
    const struct answer *a = s->answers;
    if (s->answers[1].headers)
        s->answers++;
    if (a->status)
        origin_say(out, a->status, a->headers, a->body);
}

struct bed {
    struct service service;
    struct origin *origin;
    struct robot_job *job;
    struct api api;
    char *url, *token_url, *form;
};

static int sign_in(struct api *a, struct err *err)
{
    struct bed *b = a->ctx;

    return api_token(a, b->token_url, b->form, a->authorization != NULL, err);
}

static void bed_begin(struct bed *b, const struct answer *answers)
{
    static int number;

    *b = (struct bed){.service = {.answers = answers}, .job = host_new()};
    b->origin = origin_start(answer, &b->service);
    b->url = mem_printf("http://%s/x", origin_host(b->origin));
    b->token_url = mem_printf("http://%s/token", origin_host(b->origin));
    b->form = mem_printf("grant_type=test&n=%d", number++);
    host_be(b->job, "/s3/store");
    jset(host_settings(b->job), "import_allow", "127.0.0.1");
    json_object_set_new(host_settings(b->job), "retry_ms", json_integer(1));
    b->api = (struct api){.job = b->job, .client = http_client_new(), .service = "Acme", .ctx = b};
}

static void bed_end(struct bed b)
{
    api_done(b.api);
    origin_end(b.origin);
    host_free(b.job);
    free(b.url);
    free(b.token_url);
    free(b.form);
}
DEFINE_AUTO(struct bed, bed_end)

static int call(struct bed *b, struct api_call c, struct http_client_response *out, struct err *err)
{
    *err = (struct err){0};
    c.url = b->url;
    c.method = c.method ? c.method : "GET";
    if (!c.length)
        c.length = -1;
    return api_run(out, &b->api, &c, err);
}

static int status_of(struct bed *b, struct api_call c, struct err *err)
{
    AUTO(http_client_response_done) struct http_client_response r = {0};
    int rc = call(b, c, &r, err);

    return rc < 0 ? -1 : r.status;
}

#define ANSWERS(...)                                                                                                  \
    (const struct answer[])                                                                                           \
    {                                                                                                                 \
        __VA_ARGS__, { 0 }                                                                                            \
    }

/* ---- attempts ---- */

static void what_passes_is_tried_again_and_what_lasts_is_not(void **state)
{
    static const struct {
        struct answer answers[6];
        int requests, status;
        const char *code;
    } cases[] = {
        {{{503, "", ""}, {0, "", ""}, {429, "", ""}, {200, "", "{}"}}, 4, 200, NULL},
        {{{500, "", "{}"}}, 4, -1, "S3_STORE_FAILURE"},
        {{{0, "", ""}}, 4, -1, "S3_STORE_FAILURE"},
        {{{400, "", "{}"}}, 1, -1, "S3_STORE_FAILURE"},
        {{{401, "", "{}"}}, 1, -1, "S3_STORE_ACCESS_DENIED"},
        {{{403, "", "{}"}}, 1, -1, "S3_STORE_ACCESS_DENIED"},
        {{{302, "Location: http://127.0.0.1:1/\r\n", ""}}, 1, -1, "S3_STORE_FAILURE"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(bed_end) struct bed b = {0};
        struct err err;

        bed_begin(&b, cases[i].answers);
        assert_int_equal(status_of(&b, (struct api_call){0}, &err), cases[i].status);
        assert_int_equal(origin_requests(b.origin), cases[i].requests);
        if (cases[i].code)
            assert_string_equal(err_name(&err), cases[i].code);
    }
}

static void what_must_not_be_done_twice_is_sent_twice_only_when_it_was_turned_away(void **state)
{
    static const struct {
        int status, requests;
    } cases[] = {{0, 1}, {500, 1}, {502, 1}, {503, 4}, {429, 4}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(bed_end) struct bed b = {0};
        struct err err;

        bed_begin(&b, ANSWERS({cases[i].status, "", ""}));
        assert_int_equal(status_of(&b, (struct api_call){.method = "POST", .body = "a", .once = true}, &err), -1);
        assert_int_equal(origin_requests(b.origin), cases[i].requests);
    }
}

static void a_status_that_is_an_answer_is_no_failure(void **state)
{
    AUTO(bed_end) struct bed b = {0};
    struct err err;

    (void)state;
    bed_begin(&b, ANSWERS({308, "Range: bytes=0-9\r\n", ""}, {500, "", ""}));
    assert_int_equal(status_of(&b, (struct api_call){.fine = (const int[]){308, 0}}, &err), 308);
    assert_int_equal(status_of(&b, (struct api_call){.fine = (const int[]){308, 500, 0}}, &err), 500);
    assert_int_equal(origin_requests(b.origin), 2);
}

static int64_t waited(const char *header)
{
    AUTO(mem_free) char *line = mem_printf("retry-after: %s\n", header);
    const struct http_client_response r = {.headers = {.s = line, .len = strlen(line)}};

    return remote_retry_after(&r);
}

static void the_other_side_says_how_long_to_wait_in_seconds_or_as_a_date(void **state)
{
    time_t then = time(NULL) + 30;
    char date[64];

    (void)state;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&then));
    assert_true(waited(date) > 20000 && waited(date) <= 30000);
    assert_int_equal(waited("7"), 7000);
    assert_int_equal(waited("0"), 0);
    assert_int_equal(waited("Sun, 06 Nov 1994 08:49:37 GMT"), 0);
    assert_int_equal(waited("Fri, 06 Nov 2099 08:49:37 GMT"), REMOTE_WAIT_MAX_MS);
    assert_int_equal(waited("99999999"), REMOTE_WAIT_MAX_MS);
    assert_int_equal(waited("99999999999999999999999"), REMOTE_WAIT_MAX_MS);
    assert_int_equal(waited("-5"), 0);
    assert_int_equal(waited("soon"), 0);
    assert_int_equal(waited(""), 0);
}

static void a_pause_that_is_asked_for_is_kept(void **state)
{
    AUTO(bed_end) struct bed b = {0};
    struct timespec from, to;
    struct err err;

    (void)state;
    bed_begin(&b, ANSWERS({429, "Retry-After: 1\r\n", ""}, {200, "", "{}"}));
    clock_gettime(CLOCK_MONOTONIC, &from);
    assert_int_equal(status_of(&b, (struct api_call){0}, &err), 200);
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_true((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 >= 990);
}

/* ---- tokens ---- */

static void a_token_is_kept_and_renewed_once_when_it_is_refused(void **state)
{
    AUTO(bed_end) struct bed b = {0};
    struct err err;

    (void)state;
    bed_begin(&b, ANSWERS({200, "", "{}"}));
    b.api.sign_in = sign_in;
    b.service.good = 1;
    assert_int_equal(status_of(&b, (struct api_call){0}, &err), 200);
    assert_int_equal(status_of(&b, (struct api_call){0}, &err), 200);
    assert_int_equal(b.service.tokens, 1);

    b.service.good = 2; /* t1 is not taken any more */
    assert_int_equal(status_of(&b, (struct api_call){0}, &err), 200);
    assert_int_equal(b.service.tokens, 2);

    free(take(b.api.authorization)); /* the next job of the worker begins with the kept one */
    assert_int_equal(status_of(&b, (struct api_call){0}, &err), 200);
    assert_int_equal(b.service.tokens, 2);
    free(take(b.api.authorization));
    b.service.good = 3;
    assert_int_equal(status_of(&b, (struct api_call){0}, &err), 200);
    assert_int_equal(b.service.tokens, 3);

    b.service.good = 99; /* never */
    assert_int_equal(status_of(&b, (struct api_call){0}, &err), -1);
    assert_string_equal(err_name(&err), "S3_STORE_ACCESS_DENIED");
    assert_int_equal(b.service.tokens, 4);
}

static void another_form_is_another_token(void **state)
{
    AUTO(bed_end) struct bed b = {0};
    struct err err;

    (void)state;
    bed_begin(&b, ANSWERS({200, "", "{}"}));
    assert_int_equal(api_token(&b.api, b.token_url, "a=1", false, &err), 0);
    assert_int_equal(api_token(&b.api, b.token_url, "a=2", false, &err), 0);
    assert_string_equal(b.api.authorization, "Bearer t2");
    assert_int_equal(api_token(&b.api, b.token_url, "a=1", false, &err), 0);
    assert_string_equal(b.api.authorization, "Bearer t1");
    assert_int_equal(b.service.tokens, 2);
    for (int i = 0; i < 20; i++) { /* more than are kept */
        AUTO(mem_free) char *form = mem_printf("b=%d", i);
        assert_int_equal(api_token(&b.api, b.token_url, form, false, &err), 0);
    }
    assert_int_equal(api_token(&b.api, b.token_url, "a=1", false, &err), 0);
    assert_int_equal(b.service.tokens, 23);
}

static void a_token_that_is_about_to_end_is_not_used(void **state)
{
    AUTO(bed_end) struct bed b = {0};
    struct err err;

    (void)state;
    bed_begin(&b, ANSWERS({200, "", "{}"}));
    b.service.token_answer = "{\"access_token\": \"x\", \"expires_in\": 59}";
    assert_int_equal(api_token(&b.api, b.token_url, b.form, false, &err), 0);
    assert_int_equal(api_token(&b.api, b.token_url, b.form, false, &err), 0);
    assert_int_equal(b.service.tokens, 2);
    b.service.token_answer = "{\"access_token\": \"x\", \"expires_in\": -9}";
    assert_int_equal(api_token(&b.api, b.token_url, b.form, true, &err), 0);
    assert_int_equal(api_token(&b.api, b.token_url, b.form, false, &err), 0);
    assert_int_equal(b.service.tokens, 4);
}

static void an_odd_token_is_none(void **state)
{
    static const char *const odd[] = {"{}",
                                      "[]",
                                      "",
                                      "{\"access_token\": 3}",
                                      "{\"access_token\": \"\"}",
                                      "{\"access_token\": \"a b\"}",
                                      "{\"access_token\": \"a\\r\\nX: y\"}",
                                      "{\"access_token\": \"\\u00e4\"}",
                                      "{\"access_token\": \"a\"",
                                      "<html>"};
    AUTO(bed_end) struct bed b = {0};
    struct err err;

    (void)state;
    bed_begin(&b, ANSWERS({200, "", "{}"}));
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        b.service.token_answer = odd[i];
        if (api_token(&b.api, b.token_url, b.form, false, &err) == 0)
            fail_msg("%s gives a token", odd[i]);
        assert_non_null(strstr(err.msg, "Acme answered oddly"));
        assert_null(b.api.authorization);
    }
}

static void fields_that_are_refused_are_denied_and_not_sent_again(void **state)
{
    AUTO(bed_end) struct bed b = {0};
    struct err err;

    (void)state;
    bed_begin(&b, ANSWERS({200, "", "{}"}));
    b.service.token_status = 400;
    b.service.token_answer = "{\"error\": \"invalid_grant\", \"error_description\": \"Token has been revoked.\"}";
    b.api.sign_in = sign_in;
    assert_int_equal(status_of(&b, (struct api_call){0}, &err), -1);
    assert_string_equal(err_name(&err), "S3_STORE_ACCESS_DENIED");
    assert_non_null(strstr(err.msg, "Token has been revoked."));
    assert_int_equal(origin_requests(b.origin), 1);
}

static void nobody_learns_the_token_where_none_is_asked_for(void **state)
{
    AUTO(bed_end) struct bed b = {0};
    struct err err;

    (void)state;
    bed_begin(&b, ANSWERS({200, "", "{}"}));
    b.api.sign_in = sign_in;
    assert_int_equal(status_of(&b, (struct api_call){0}, &err), 200);
    assert_non_null(strcasestr(b.service.headers, "authorization: bearer"));
    assert_int_equal(status_of(&b, (struct api_call){.anonymous = true}, &err), 200);
    assert_null(strcasestr(b.service.headers, "authorization"));
}

static void a_line_break_makes_no_second_header(void **state)
{
    static const char *const lines[] = {"A: b\r\nEvil: yes", NULL};
    AUTO(bed_end) struct bed b = {0};
    struct err err;

    (void)state;
    bed_begin(&b, ANSWERS({200, "", "{}"}));
    assert_int_equal(status_of(&b, (struct api_call){.type = "text/plain\nEvil: yes"}, &err), -1);
    assert_int_equal(status_of(&b, (struct api_call){.headers = lines}, &err), -1);
    b.api.authorization = mem_strdup("Bearer a\nEvil: yes");
    assert_int_equal(status_of(&b, (struct api_call){0}, &err), -1);
    assert_non_null(strstr(err.msg, "line break"));
    assert_int_equal(origin_requests(b.origin), 0);
}

/* ---- signed tokens ---- */

static char *new_key(int bits, const char *passphrase, EVP_PKEY **out)
{
    EVP_PKEY *k = bits ? EVP_RSA_gen((unsigned)bits) : EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, k, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
                                                   passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
                     1);
    long n = BIO_get_mem_data(bio, &data);
    char *text = mem_strndup(data, (size_t)n);
    BIO_free(bio);
    if (out)
        *out = k;
    else
        EVP_PKEY_free(k);
    return text;
}

static size_t decode(unsigned char *out, const char *from, size_t n)
{
    AUTO(mem_free) char *text = mem_strndup(from, n);

    assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), n);
    for (char *p = text; *p; p++)
        *p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
    return (size_t)base64_decode(out, text, n);
}

static void a_signed_token_is_what_its_public_key_says(void **state)
{
    EVP_PKEY *k;
    AUTO(mem_free) char *key = new_key(2048, NULL, &k);
    struct err err;
    unsigned char text[2000];

    (void)state;
    for (int i = 0; i < 6; i++) { /* lengths with and without padding */
        AUTO(json_unref) json_t *claims = json_pack("{s:s,s:i}", "iss", &"aaaaaa"[i], "exp", 7);
        AUTO(mem_free) char *jwt = api_jwt(claims, key, NULL, i ? "kid-1" : NULL, &err);

        assert_non_null(jwt);
        const char *dot = strchr(jwt, '.'), *second = strrchr(jwt, '.');
        size_t n = decode(text, jwt, (size_t)(dot - jwt));
        AUTO(json_unref) json_t *head = json_loadb((char *)text, n, 0, NULL);
        assert_string_equal(jstr(head, "alg"), "RS256");
        assert_string_equal(jstr_or(head, "kid", "none"), i ? "kid-1" : "none");
        n = decode(text, dot + 1, (size_t)(second - dot - 1));
        AUTO(json_unref) json_t *said = json_loadb((char *)text, n, 0, NULL);
        assert_true(json_equal(said, claims));
        n = decode(text, second + 1, strlen(second + 1));
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        assert_int_equal(EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, k), 1);
        assert_int_equal(EVP_DigestVerify(md, text, n, (const unsigned char *)jwt, (size_t)(second - jwt)), 1);
        EVP_MD_CTX_free(md);
    }
    EVP_PKEY_free(k);
}

static void a_key_that_is_none_is_refused(void **state)
{
    AUTO(mem_free)
    char *curve = new_key(0, NULL, NULL),
         *small = new_key(512, NULL, NULL), *locked = new_key(1024, "open sesame", NULL);
    const char *const keys[] = {"",    "x",   "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                                curve, small, locked};
    AUTO(json_unref) json_t *claims = json_object();
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        assert_null(api_jwt(claims, keys[i], NULL, NULL, &err));
        assert_int_equal(err.code, ERR_ROBOT_VALIDATION);
        assert_non_null(strstr(err.msg, "private key"));
    }
    assert_null(api_jwt(claims, locked, "open says me", NULL, &err));
    AUTO(mem_free) char *jwt = api_jwt(claims, locked, "open sesame", NULL, &err);
    assert_non_null(jwt);
}

/* ---- answers ---- */

static void an_answer_that_is_no_object_is_odd(void **state)
{
    AUTO(str_done) struct str many = {0}, deep = {0};
    const char *const odd[] = {"", "[]", "3", "{", "{\"a\": }", "<html>", NULL, NULL};

    (void)state;
    str_puts(&many, "{\"a\": [0");
    for (int i = 0; i < API_VALUES_MAX; i++)
        str_puts(&many, ",0");
    str_puts(&many, "]}");
    str_puts(&deep, "{\"a\": ");
    for (int i = 0; i < 40; i++)
        str_putc(&deep, '[');
    for (int i = 0; i < 40; i++)
        str_putc(&deep, ']');
    str_putc(&deep, '}');
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        const char *body = odd[i] ? odd[i] : i % 2 ? many.s : deep.s;
        AUTO(bed_end) struct bed b = {0};
        struct err err;

        bed_begin(&b, ANSWERS({200, "", body}));
        AUTO(json_unref)
        json_t *j = api_json(&b.api, &(struct api_call){.method = "GET", .url = b.url, .length = -1}, &err);
        if (j)
            fail_msg("%.40s is taken", body);
        assert_non_null(strstr(err.msg, "Acme answered oddly"));
        assert_int_equal(origin_requests(b.origin), 1);
    }
}

static void a_reason_is_one_clean_line(void **state)
{
    static const struct {
        const char *body, *reason;
    } cases[] = {
        {"{\"error\": {\"message\": \"No\", \"errors\": [{\"reason\": \"quotaExceeded\"}]}}", "No (quotaExceeded)"},
        {"{\"error\": \"bad\", \"error_description\": \"very\\nbad\"}", "very bad"},
        {"{\"error_summary\": \"path/not_found/..\"}", "path/not_found/.."},
        {"{\"error\": [1]}", ""},
        {"<Error><Message>x &lt;</Message></Error>", "x &lt;"},
        {"<Error><Message>cut", "cut"},
        {"plain", ""},
        {"{\"message\": \"1234567890123456789012345678901234567\\u00e4\"}", "1234567890123456789012345678901234567"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct http_client_response r = {.body = {.s = (char *)cases[i].body, .len = strlen(cases[i].body)}};
        AUTO(json_unref) json_t *body = json_loads(cases[i].body, 0, NULL);
        char out[39];

        api_reason(out, sizeof out, &r, body);
        assert_string_equal(out, cases[i].reason);
    }
}

static void an_address_that_is_not_allowed_is_not_called(void **state)
{
    AUTO(bed_end) struct bed b = {0};
    struct err err;

    (void)state;
    bed_begin(&b, ANSWERS({200, "", "{}"}));
    jset(host_settings(b.job), "import_allow", "");
    assert_int_equal(status_of(&b, (struct api_call){0}, &err), -1);
    assert_true(err.is_private_address);
    assert_string_equal(err_name(&err), "S3_STORE_ACCESS_DENIED");
    assert_int_equal(origin_requests(b.origin), 0);
}

static int refuse(void *ctx, const char *data, size_t len, struct err *err)
{
    return err_set(err, ERR_NOSPACE, "the disk is full");
}

static void what_a_callback_says_stays_what_it_said(void **state)
{
    AUTO(bed_end) struct bed b = {0};
    struct err err;

    (void)state;
    bed_begin(&b, ANSWERS({200, "", "abc"}));
    assert_int_equal(status_of(&b, (struct api_call){.on_body = refuse}, &err), -1);
    assert_int_equal(err.code, ERR_NOSPACE);
    assert_int_equal(origin_requests(b.origin), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_passes_is_tried_again_and_what_lasts_is_not),
        cmocka_unit_test(what_must_not_be_done_twice_is_sent_twice_only_when_it_was_turned_away),
        cmocka_unit_test(a_status_that_is_an_answer_is_no_failure),
        cmocka_unit_test(the_other_side_says_how_long_to_wait_in_seconds_or_as_a_date),
        cmocka_unit_test(a_pause_that_is_asked_for_is_kept),
        cmocka_unit_test(a_token_is_kept_and_renewed_once_when_it_is_refused),
        cmocka_unit_test(another_form_is_another_token),
        cmocka_unit_test(a_token_that_is_about_to_end_is_not_used),
        cmocka_unit_test(an_odd_token_is_none),
        cmocka_unit_test(fields_that_are_refused_are_denied_and_not_sent_again),
        cmocka_unit_test(nobody_learns_the_token_where_none_is_asked_for),
        cmocka_unit_test(a_line_break_makes_no_second_header),
        cmocka_unit_test(a_signed_token_is_what_its_public_key_says),
        cmocka_unit_test(a_key_that_is_none_is_refused),
        cmocka_unit_test(an_answer_that_is_no_object_is_odd),
        cmocka_unit_test(a_reason_is_one_clean_line),
        cmocka_unit_test(an_address_that_is_not_allowed_is_not_called),
        cmocka_unit_test(what_a_callback_says_stays_what_it_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
