/* /vimeo/store. What needs a whole service: tests/transfer/vimeo.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"
#include "transfer/vimeo.h"

#define ROBOT "/vimeo/store"
#define STEP                                                                                                         \
    "{\"access_token\": \"t\", \"title\": \"T\", \"description\": \"D\", \"folder_uri\": \"/users/1/projects/5\"}"

static void what_is_to_be_published_is_asked_before(void **state)
{
#define SAID "\"access_token\": \"t\", \"title\": \"T\", \"description\": \"D\""
    (void)state;
    talk_checks(ROBOT, "{" SAID "}", NULL);
    talk_checks(ROBOT, "{\"access_token\": \"t\", \"title\": \"T\"}", "description");
    talk_checks(ROBOT, "{\"title\": \"T\", \"description\": \"D\"}", "sign in");
    talk_checks(ROBOT, "{" SAID ", \"acl\": \"password\"}", "password");
    talk_checks(ROBOT, "{" SAID ", \"showcases\": [\"1\", \"../2\"]}", "showcases");
    talk_checks(ROBOT, "{" SAID ", \"showcases\": \"1\"}", "showcases");
    talk_checks(ROBOT, "{" SAID ", \"folder_id\": \"1/2\"}", "folder_id");
    talk_checks(ROBOT, "{" SAID ", \"folder_uri\": \"/users/1/../2\"}", "folder_uri");
}

static void a_video_without_a_safe_address_is_taken_back(void **state)
{
    static const char *const odd[] = {
        "{\"uri\": \"/videos/1\", \"upload\": {\"upload_link\": \"file:///etc/passwd\"}}",
        "{\"uri\": \"/users/1\", \"upload\": {\"upload_link\": \"http://h/\"}}",
        "{\"uri\": \"/videos/1/../../me\", \"upload\": {\"upload_link\": \"http://h/\"}}",
        "{}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        const struct talk_turn turns[] = {{"POST /me/videos", "\"view\":\"nobody\"", 200, NULL, odd[i]},
                                          {"GET /me/videos?page=1", NULL, 200, NULL,
                                           "{\"data\": [{\"uri\": \"/videos/2\", \"name\": \"workcell-\"}]}"},
                                          {"GET /me/videos?page=1", NULL, 200, NULL, "{\"data\": []}"},
                                          {"POST /me/videos", NULL, 401, NULL, "{\"error\": \"no\"}"},
                                          {"GET /me/videos?page=1", NULL, 401, NULL, NULL},
                                          {0}};
        struct talk t;

        talk_begin(&t, turns, ROBOT, "vimeo", "abc");
        talk_run(&t, STEP, "VIMEO_STORE_ACCESS_DENIED", "401");
        assert_non_null(host_undo_token(t.job)); /* nobody could look whether something is left */
        talk_end(&t);
    }
}

static void an_address_in_a_private_network_is_not_uploaded_to(void **state)
{
    const struct talk_turn turns[] = {
        {"POST /me/videos", NULL, 200, NULL,
         "{\"uri\": \"/videos/1\", \"upload\": {\"upload_link\": \"http://127.0.0.2:9/x\"}}"},
        {"DELETE /videos/1", NULL, 204, NULL, NULL},
        {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "vimeo", "abc");
    talk_run(&t, STEP, "VIMEO_STORE_ACCESS_DENIED", "import-allow");
    assert_null(host_undo_token(t.job));
    talk_end(&t);
}

static void what_was_left_is_deleted_by_its_address_or_its_name(void **state)
{
    const struct talk_turn known[] = {{"DELETE /videos/1", NULL, 404, NULL, NULL}, {0}};
    const struct talk_turn unknown[] = {
        {"GET /me/videos?page=1", NULL, 200, NULL,
         "{\"data\": [{\"uri\": \"/videos/1\", \"name\": \"mine\"}], \"paging\": {\"next\": \"x\"}}"},
        {"GET /me/videos?page=2", NULL, 200, NULL,
         "{\"data\": [{\"uri\": \"/videos/2\", \"name\": \"workcell-x\"}, {\"uri\": \"/me\", \"name\": "
         "\"workcell-x\"}]}"},
        {"DELETE /videos/2", NULL, 204, NULL, NULL},
        {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, known, ROBOT, "vimeo", "abc");
    talk_undo(&t, STEP, "{\"mark\": \"workcell-x\", \"uri\": \"/videos/1\"}");
    talk_end(&t);
    talk_begin(&t, unknown, ROBOT, "vimeo", "abc");
    talk_undo(&t, STEP, "{\"mark\": \"workcell-x\"}");
    talk_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_to_be_published_is_asked_before),
        cmocka_unit_test(a_video_without_a_safe_address_is_taken_back),
        cmocka_unit_test(an_address_in_a_private_network_is_not_uploaded_to),
        cmocka_unit_test(what_was_left_is_deleted_by_its_address_or_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
