/* /image/bgremove. What needs a whole service: tests/transfer/models.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"

#define ROBOT "/image/bgremove"

static void what_the_service_does_not_make_is_refused_before(void **state)
{
    (void)state;
    talk_checks(ROBOT, "{\"format\": \"png\", \"select\": \"foreground\", \"provider\": \"fal\"}",
                NULL);
    talk_checks(ROBOT, "{\"format\": \"webp\"}", "/image/resize");
    talk_checks(ROBOT, "{\"select\": \"background\"}", "in front");
}

static void what_comes_back_must_be_a_png(void **state)
{
    static const struct talk_turn turns[] = {
        {"POST /api/remove", "name=\"file\"; filename=\"a b.txt\"", 200, NULL, "\x89PNG\r\n\x1a\n"},
        {"POST /api/remove", "name=\"model\"\r\n\r\nu2net\r\n", 200, NULL, "GIF89a"},
        {"POST /api/remove", NULL, 200, NULL, ""},
        {"POST /api/remove", NULL, 400, NULL, "{\"detail\": \"no such model\"}"},
        {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "bgremove", "a picture");
    struct err err;
    assert_int_equal(host_run(t.job, ROBOT, "{}", &err), 0);
    assert_string_equal(host_output(t.job, 0)->name, "a b.png");
    assert_int_equal(host_run(t.job, ROBOT, "{\"model\": \"u2net\"}", &err), -1);
    assert_non_null(strstr(err.msg, "png, and answered with one in gif"));
    assert_int_equal(host_run(t.job, ROBOT, "{}", &err), -1);
    assert_non_null(strstr(err.msg, "empty"));
    talk_run(&t, "{}", "WORKER_JOB_ERROR", "no such model");
    talk_end(&t);
}

static void without_a_service_it_says_so(void **state)
{
    static const struct talk_turn turns[] = {{0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "speech", "a picture");
    talk_run(&t, "{}", "IMAGE_BGREMOVE_VALIDATION", "--endpoint bgremove=URL");
    talk_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_service_does_not_make_is_refused_before),
        cmocka_unit_test(what_comes_back_must_be_a_png),
        cmocka_unit_test(without_a_service_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
