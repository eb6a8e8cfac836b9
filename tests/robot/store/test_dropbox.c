/* /dropbox/store and the arithmetic of its interface. What needs a whole service: tests/transfer/dropbox.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"
#include "transfer/dropbox.h"

#include <string.h>

#define ROBOT "/dropbox/store"
#define ABC "4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358" /* content hash of "abc" */
#define STEP "{\"access_token\": \"t\", \"path\": \"/B\xc3\xbc \xf0\x9f\x98\x80/a.txt\"}"
#define ASCII "{\"path\":\"/B\\u00FC \\uD83D\\uDE00/a.txt\","

static void who_could_sign_in_is_asked_before(void **state)
{
    (void)state;
    talk_checks(ROBOT, "{\"access_token\": \"t\"}", NULL);
    talk_checks(ROBOT, "{\"credentials\": \"c\"}", NULL);
    talk_checks(ROBOT, "{\"refresh_token\": \"t\", \"app_key\": \"k\"}", NULL);
    talk_checks(ROBOT, "{\"refresh_token\": \"t\"}", "app_key");
    talk_checks(ROBOT, "{}", "sign in");
    talk_checks(ROBOT, "{\"access_token\": \"t\\nX: y\"}", "control");
    talk_checks(ROBOT, "{\"access_token\": \"t\", \"path\": \"a/../b\"}", "names");
    talk_checks(ROBOT, "{\"access_token\": \"t\", \"path\": \"a/\"}", "slash");
}

static void a_small_file_goes_in_one_request_whose_header_is_ascii(void **state)
{
    const struct talk_turn turns[] = {
        {"POST /2/files/upload",
         "Dropbox-API-Arg: " ASCII "\"mode\":\"overwrite\",\"autorename\":false,\"content_hash\":\"" ABC "\"}\r\n",
         200, NULL, "{\"content_hash\": \"" ABC "\"}"},
        {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "dropbox", "abc");
    talk_run(&t, STEP, NULL, NULL);
    assert_string_equal(host_output(t.job, 0)->url, "https://www.dropbox.com/home/B%C3%BC%20%F0%9F%98%80/a.txt");
    talk_end(&t);
}

static void a_session_goes_on_where_dropbox_says(void **state)
{
    const struct talk_turn turns[] = {
        {"POST /2/files/upload_session/start", "{\"close\":false}", 200, NULL, "{\"session_id\": \"S\"}"},
        {"POST /2/files/upload_session/append_v2", "\"offset\":0}", 409, NULL,
         "{\"error\": {\".tag\": \"incorrect_offset\", \"correct_offset\": 2}}"},
        {"POST /2/files/upload_session/append_v2", "\"offset\":2}", 200, NULL, "null"},
        {"POST /2/files/upload_session/finish", "\"offset\":3}", 409, NULL,
         "{\"error\": {\".tag\": \"lookup_failed\", \"lookup_failed\": {\".tag\": \"incorrect_offset\", "
         "\"correct_offset\": 1}}}"},
        {"POST /2/files/upload_session/append_v2", "bc", 200, NULL, "null"},
        {"POST /2/files/upload_session/finish", "\"offset\":3}", 409, NULL,
         "{\"error\": {\".tag\": \"path\", \"reason\": {\".tag\": \"too_many_write_operations\"}}}"},
        {"POST /2/files/upload_session/finish", "\"offset\":3}", 200, NULL, "{\"content_hash\": \"" ABC "\"}"},
        {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "dropbox", "abc");
    json_object_set_new(host_settings(t.job), "s3_multipart_threshold", json_integer(2));
    talk_run(&t, STEP, NULL, NULL);
    talk_end(&t);
}

static void an_offset_that_makes_no_sense_ends_it(void **state)
{
    static const char *const odd[] = {"4", "-1", "9223372036854775807", "\"2\"", "1e300", "0"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        AUTO(mem_free)
        char *says = mem_printf("{\"error\": {\".tag\": \"incorrect_offset\", \"correct_offset\": %s}}", odd[i]);
        const struct talk_turn turns[] = {
            {"POST /2/files/upload_session/start", NULL, 200, NULL, "{\"session_id\": \"S\"}"},
            {"POST /2/files/upload_session/append_v2", "\"offset\":0}", 409, NULL, says},
            {0}};
        struct talk t;

        talk_begin(&t, turns, ROBOT, "dropbox", "abc");
        json_object_set_new(host_settings(t.job), "s3_multipart_threshold", json_integer(2));
        talk_run(&t, STEP, "WORKER_JOB_ERROR", "409");
        talk_end(&t);
    }
}

static void tags_of_an_error_are_read_however_they_lie(void **state)
{
    const struct {
        const char *body, *tags;
    } table[] = {
        {"{\"error\": {\".tag\": \"path\", \"path\": {\".tag\": \"not_found\"}}}", "path/not_found"},
        {"{\"error\": {\".tag\": \"path\", \"reason\": {\".tag\": \"conflict\", \"conflict\": {\".tag\": "
         "\"file\"}}}}",
         "path/conflict/file"},
        {"{\"error\": {\"reason\": {\".tag\": \"too_many_requests\"}}}", ""},
        {"{\"error\": \"invalid_grant\"}", ""},
        {"{\"error\": {\".tag\": 5}}", ""},
        {"{}", ""},
    };
    char tags[DROPBOX_WHY_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(json_unref) json_t *body = json_loads(table[i].body, 0, NULL);

        dropbox_tags(tags, body);
        assert_string_equal(tags, table[i].tags);
    }
    dropbox_tags(tags, NULL);
    assert_string_equal(tags, "");
}

static void a_content_hash_is_that_of_its_blocks(void **state)
{
    AUTO(dropbox_hash_done) struct dropbox_hash h = {0};
    AUTO(mem_free) char *data = mem_alloc(5 << 20);
    char hash[DROPBOX_HASH_MAX];

    (void)state;
    memset(data, 7, 5 << 20);
    for (size_t piece = 1; piece < 5 << 20; piece = piece * 100 + 3) {
        dropbox_hash_begin(&h);
        for (size_t at = 0; at < 5 << 20; at += piece)
            dropbox_hash_add(&h, data + at, (5 << 20) - at < piece ? (5 << 20) - at : piece);
        dropbox_hash_end(hash, &h);
        assert_string_equal(hash, "16acdd6ba3d0e3f42711b7a1cc92d4bf66224f1ecef7e5d34002fe40a8b2c715");
    }
    dropbox_hash_begin(&h);
    dropbox_hash_end(hash, &h);
    assert_string_equal(hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_could_sign_in_is_asked_before),
        cmocka_unit_test(a_small_file_goes_in_one_request_whose_header_is_ascii),
        cmocka_unit_test(a_session_goes_on_where_dropbox_says),
        cmocka_unit_test(an_offset_that_makes_no_sense_ends_it),
        cmocka_unit_test(tags_of_an_error_are_read_however_they_lie),
        cmocka_unit_test(a_content_hash_is_that_of_its_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
