/* The examples of AWS's documentation, "Signature Calculations for the Authorization Header" and
 * "Authenticating Requests: Using Query Parameters". */
#include "base/clock.h"
#include "http/sigv4.h"
#include "unit.h"

#include <string.h>

#define AT_US (INT64_C(1369353600) * SECOND_US) /* 20130524T000000Z */
#define HOST "examplebucket.s3.amazonaws.com"

static const struct sigv4_keys keys = {.key = "AKIAIOSFODNN7EXAMPLE",
                                       .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                       .region = "us-east-1",
                                       .service = "s3"};

static void published_examples_get_their_published_signatures(void **state)
{
    const struct {
        struct sigv4_request req;
        const char *body, *names, *signature;
    } rows[] = {
        {{.method = "GET",
          .path = "/test.txt",
          .headers = (struct sigv4_pair[]){{"Range", "bytes=0-9"}, {0}}},
         "",
         "host;range;x-amz-content-sha256;x-amz-date",
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
        {{.method = "PUT",
          .path = "/test$file.text",
          .headers = (struct sigv4_pair[]){{"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                                           {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                           {0}}},
         "Welcome to Amazon S3.",
         "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
        {{.method = "GET", .path = "/", .query = (struct sigv4_pair[]){{"lifecycle", NULL}, {0}}},
         "",
         "host;x-amz-content-sha256;x-amz-date",
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {{.method = "GET",
          .path = "/",
          .query = (struct sigv4_pair[]){{"prefix", "J"}, {"max-keys", "2"}, {0}}},
         "",
         "host;x-amz-content-sha256;x-amz-date",
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sigv4_request req = rows[i].req;
        AUTO(str_done) struct str got = {0};
        AUTO(mem_free) char *want = NULL;
        char hash[65];

        sigv4_sha256(hash, rows[i].body, strlen(rows[i].body));
        req.host = HOST;
        req.payload = hash;
        req.at_us = AT_US;
        sigv4_sign(&got, &keys, &req);
        want =
            mem_printf("x-amz-content-sha256: %s\nx-amz-date: 20130524T000000Z\n"
                       "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
                       "us-east-1/s3/aws4_request, SignedHeaders=%s, Signature=%s\n",
                       hash, rows[i].names, rows[i].signature);
        assert_string_equal(got.s, want);
    }
}

static void the_published_presigned_address_comes_out(void **state)
{
    AUTO(str_done) struct str got = {0};
    (void)state;

    sigv4_presign(
        &got, &keys,
        &(struct sigv4_request){.method = "GET", .host = HOST, .path = "/test.txt", .at_us = AT_US},
        86400);
    assert_string_equal(
        got.s, "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F"
               "20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires="
               "86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
               "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

static void the_target_is_encoded_once_and_sorted(void **state)
{
    const struct {
        const char *path;
        const struct sigv4_pair *query;
        const char *want;
    } rows[] = {
        {"/plain/key-1_2.3~4", NULL, "/plain/key-1_2.3~4"},
        {"/caf\xC3\xA9 =+(1)&?#%*'!;@,$.txt", NULL,
         "/caf%C3%A9%20%3D%2B%281%29%26%3F%23%25%2A%27%21%3B%40%2C%24.txt"},
        {"/a//b/../c/./", NULL, "/a//b/../c/./"},
        {"/%41", NULL, "/%2541"},
        {"/",
         (struct sigv4_pair[]){{"prefix", "a/b c"}, {"list-type", "2"}, {"uploads", NULL}, {0}},
         "/?list-type=2&prefix=a%2Fb%20c&uploads="},
        {"/", (struct sigv4_pair[]){{"a-b", "1"}, {"a", "2"}, {"a", "10"}, {"A", "3"}, {0}},
         "/?A=3&a=10&a=2&a-b=1"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(str_done) struct str got = {0};

        sigv4_target(&got, &(struct sigv4_request){.path = rows[i].path, .query = rows[i].query});
        assert_string_equal(got.s, rows[i].want);
    }
}

static void a_session_token_is_sent_and_signed(void **state)
{
    struct sigv4_keys k = keys;
    AUTO(str_done) struct str header = {0}, url = {0};
    struct sigv4_request req = {.method = "GET",
                                .host = HOST,
                                .path = "/k",
                                .payload = SIGV4_EMPTY_PAYLOAD,
                                .at_us = AT_US};
    (void)state;

    k.session_token = "to/ken+=";
    sigv4_sign(&header, &k, &req);
    assert_non_null(strstr(header.s, "x-amz-security-token: to/ken+=\n"));
    assert_non_null(strstr(header.s, "x-amz-date;x-amz-security-token,"));
    sigv4_presign(&url, &k, &req, 1);
    assert_non_null(strstr(url.s, "&X-Amz-Security-Token=to%2Fken%2B%3D&"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_examples_get_their_published_signatures),
        cmocka_unit_test(the_published_presigned_address_comes_out),
        cmocka_unit_test(the_target_is_encoded_once_and_sorted),
        cmocka_unit_test(a_session_token_is_sent_and_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
