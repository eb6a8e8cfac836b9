/* /box/store. What needs a whole service: tests/transfer/box.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"
#include "transfer/box.h"

#define ROBOT "/box/store"
#define SHA1 "a9993e364706816aba3e25717850c26c9cd0d89d" /* of "abc" */
#define DIGEST "Digest: sha=qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\r\n"
#define STEP "{\"access_token\": \"t\", \"path\": \"in/a.txt\"}"
#define FILE_ENTRY "{\"type\": \"file\", \"id\": \"9\", \"sha1\": \"" SHA1 "\"}"
#define FOLDER                                                                                                       \
    {                                                                                                                \
        "POST /2.0/folders", "{\"name\":\"in\",\"parent\":{\"id\":\"0\"}}", 201, NULL, "{\"id\": \"5\"}"             \
    }
#define FREE_NAME                                                                                                    \
    {                                                                                                                \
        "OPTIONS /2.0/files/content", "{\"name\":\"a.txt\",\"parent\":{\"id\":\"5\"},\"size\":3}", 200, NULL, "{}"   \
    }

static void who_could_sign_in_is_asked_before(void **state)
{
    (void)state;
    talk_checks(ROBOT, "{\"access_token\": \"t\"}", NULL);
    talk_checks(ROBOT, "{\"credentials\": \"c\"}", NULL);
    talk_checks(ROBOT, "{\"client_id\": \"c\", \"client_secret\": \"s\", \"enterprise_id\": \"1\"}", NULL);
    talk_checks(ROBOT, "{\"client_id\": \"c\", \"client_secret\": \"s\"}", "sign in");
    talk_checks(ROBOT, "{}", "sign in");
    talk_checks(ROBOT, "{\"key_file_contents\": \"{\"}", "is not the JSON");
    talk_checks(ROBOT, "{\"key_file_contents\": \"{}\"}", "boxAppSettings.clientID");
    talk_checks(ROBOT, "{\"access_token\": \"t\", \"path\": \"a/./b/..\"}", "names");
}

static void a_folder_and_a_name_that_are_there_are_taken(void **state)
{
    const struct talk_turn turns[] = {
        {"POST /2.0/folders", "{\"name\":\"in\",\"parent\":{\"id\":\"0\"}}", 409, NULL,
         "{\"code\": \"item_name_in_use\", \"context_info\": {\"conflicts\": [{\"type\": \"folder\", \"id\": "
         "\"5\"}]}}"},
        {"OPTIONS /2.0/files/content", NULL, 409, NULL,
         "{\"code\": \"item_name_in_use\", \"context_info\": {\"conflicts\": {\"type\": \"file\", \"id\": \"9\", "
         "\"sha1\": "
         "\"x\"}}}"},
        {"POST /api/2.0/files/9/content", "Content-MD5: " SHA1 "\r\n", 201, NULL, "{\"entries\": [" FILE_ENTRY "]}"},
        {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "box", "abc");
    talk_run(&t, STEP, NULL, NULL);
    assert_string_equal(host_output(t.job, 0)->url, "https://app.box.com/file/9");
    talk_end(&t);
}

static void a_session_goes_in_parts_of_the_servers_size_and_is_announced(void **state)
{
    const struct talk_turn turns[] = {FOLDER,
                                      FREE_NAME,
                                      {"POST /api/2.0/files/upload_sessions", "\"folder_id\":\"5\"", 201, NULL,
                                       "{\"id\": \"S1\", \"part_size\": 2}"},
                                      {"PUT /api/2.0/files/upload_sessions/S1", "Content-Range: bytes 0-1/3\r\n", 200,
                                       NULL, "{\"part\": {\"part_id\": \"A\", \"offset\": 0, \"size\": 2}}"},
                                      {"PUT /api/2.0/files/upload_sessions/S1", "Content-Range: bytes 2-2/3\r\n", 200,
                                       NULL, "{\"part\": {\"part_id\": \"B\", \"offset\": 2, \"size\": 1}}"},
                                      {"POST /api/2.0/files/upload_sessions/S1/commit", DIGEST, 202, NULL, ""},
                                      {"POST /api/2.0/files/upload_sessions/S1/commit",
                                       "{\"parts\":[{\"part_id\":\"A\"", 201, NULL,
                                       "{\"entries\": [" FILE_ENTRY "]}"},
                                      {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "box", "abc");
    json_object_set_new(host_settings(t.job), "s3_multipart_threshold", json_integer(2));
    talk_run(&t, STEP, NULL, NULL);
    assert_null(host_undo_token(t.job));
    talk_end(&t);
}

static void a_session_that_fails_is_closed_and_so_is_one_that_was_left(void **state)
{
    const struct talk_turn failing[] = {
        FOLDER,
        FREE_NAME,
        {"POST /api/2.0/files/upload_sessions", NULL, 201, NULL, "{\"id\": \"S1\", \"part_size\": 2}"},
        {"PUT /api/2.0/files/upload_sessions/S1", NULL, 200, NULL,
         "{\"part\": {\"part_id\": \"A\", \"offset\": 1, \"size\": 2}}"},
        {"DELETE /api/2.0/files/upload_sessions/S1", NULL, 204, NULL, NULL},
        {0}};
    const struct talk_turn left[] = {{"DELETE /api/2.0/files/upload_sessions/S1", NULL, 404, NULL, NULL}, {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, failing, ROBOT, "box", "abc");
    json_object_set_new(host_settings(t.job), "s3_multipart_threshold", json_integer(2));
    talk_run(&t, STEP, "WORKER_JOB_ERROR", "another part");
    assert_null(host_undo_token(t.job));
    talk_end(&t);
    talk_begin(&t, left, ROBOT, "box", "abc");
    talk_undo(&t, STEP, "{\"session\": \"S1\"}");
    talk_end(&t);
}

static void a_session_that_makes_no_sense_is_none(void **state)
{
    static const char *const odd[] = {"{\"id\": \"../x\", \"part_size\": 2}",
                                      "{\"id\": \"S\", \"part_size\": 0}",
                                      "{\"id\": \"S\", \"part_size\": -1}",
                                      "{\"id\": \"S\", \"part_size\": 1e15}",
                                      "{\"id\": \"S\"}",
                                      "{}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        const struct talk_turn turns[] = {
            FOLDER, FREE_NAME, {"POST /api/2.0/files/upload_sessions", NULL, 201, NULL, odd[i]}, {0}};
        struct talk t;

        talk_begin(&t, turns, ROBOT, "box", "abc");
        json_object_set_new(host_settings(t.job), "s3_multipart_threshold", json_integer(2));
        talk_run(&t, STEP, "WORKER_JOB_ERROR", "session");
        talk_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_could_sign_in_is_asked_before),
        cmocka_unit_test(a_folder_and_a_name_that_are_there_are_taken),
        cmocka_unit_test(a_session_goes_in_parts_of_the_servers_size_and_is_announced),
        cmocka_unit_test(a_session_that_fails_is_closed_and_so_is_one_that_was_left),
        cmocka_unit_test(a_session_that_makes_no_sense_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
