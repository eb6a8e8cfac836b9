/* /video/generate. What needs a whole service: tests/transfer/models.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"

#define ROBOT "/video/generate"
#define STEP(more) "{\"prompt\": \"p\", \"model\": \"m\"" more "}"

static void what_can_not_be_made_is_refused_before(void **state)
{
    (void)state;
    talk_checks(ROBOT, STEP(""), NULL);
    talk_checks(ROBOT, STEP(", \"format\": \"gif\""), "/video/encode");
    talk_checks(ROBOT, STEP(", \"motion_amount\": \"much\""), "motion_amount");
    talk_checks(ROBOT, STEP(", \"reference_strength\": []"), "reference_strength");
}

static void a_film_is_ordered_asked_after_fetched_and_deleted(void **state)
{
    static const struct talk_turn turns[] = {
        {"POST /videos", "name=\"seconds\"\r\n\r\n4\r\n", 200, NULL,
         "{\"id\": \"v_1\", \"status\": \"queued\"}"},
        {"GET /videos/v_1", NULL, 200, NULL,
         "{\"id\": \"v_1\", \"status\": \"in_progress\", \"progress\": 1e300}"},
        {"GET /videos/v_1", NULL, 500, NULL, NULL},
        {"GET /videos/v_1", NULL, 200, NULL, "{\"id\": \"v_1\", \"status\": \"completed\"}"},
        {"GET /videos/v_1/content", NULL, 200, NULL, "\x1a\x45\xdf\xa3 and so on"},
        {"DELETE /videos/v_1", NULL, 404, NULL, "{}"},
        {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "videos", NULL);
    talk_run(&t, STEP(", \"duration\": 4"), NULL, NULL);
    assert_string_equal(host_output(t.job, 0)->name, "video.webm");
    assert_null(host_undo_token(t.job));
    talk_end(&t);
}

static void what_failed_is_deleted_and_what_can_not_be_stays_noted(void **state)
{
    static const struct talk_turn turns[] = {
        {"POST /videos", NULL, 200, NULL, "{\"id\": \"v_1\"}"},
        {"GET /videos/v_1", NULL, 200, NULL,
         "{\"status\": \"failed\", \"error\": {\"message\": \"no\\nwaves\"}}"},
        {"DELETE /videos/v_1", NULL, 401, NULL, NULL},
        {"DELETE /videos/v_1", NULL, 200, NULL, "{}"},
        {0}};
    struct talk t;
    struct err err;

    (void)state;
    talk_begin(&t, turns, ROBOT, "videos", NULL);
    assert_int_equal(host_run(t.job, ROBOT, STEP(""), &err), -1);
    assert_non_null(strstr(err.msg, "no waves"));
    assert_string_equal(jstr(host_undo_token(t.job), "id"), "v_1");
    talk_undo(&t, STEP(""), "{\"id\": \"v_1\"}");
    talk_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_not_be_made_is_refused_before),
        cmocka_unit_test(a_film_is_ordered_asked_after_fetched_and_deleted),
        cmocka_unit_test(what_failed_is_deleted_and_what_can_not_be_stays_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
