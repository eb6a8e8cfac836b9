/* /image/copyrightdetect. What needs a whole service: tests/transfer/models.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"

#define ROBOT "/image/copyrightdetect"

static void categories_are_checked_before(void **state)
{
    (void)state;
    talk_checks(ROBOT, "{\"categories\": [\"artwork\", \"all\"]}", NULL);
    talk_checks(ROBOT, "{\"categories\": []}", "empty");
    talk_checks(ROBOT, "{\"categories\": \"all\"}", "list");
    talk_checks(ROBOT, "{\"categories\": [7]}", "categories");
}

static void a_match_counts_from_the_threshold_on(void **state)
{
    static const char answer[] = "{\"matches\": [{\"category\": \"artwork\", \"confidence\": 80}, "
                                 "{\"category\": \"brand_logo\", \"confidence\": 99}]}";
    static const struct talk_turn turns[] = {
        {"POST /detect", "name=\"categories\"\r\n\r\nartwork\r\n", 200, NULL, answer},
        {"POST /detect", NULL, 200, NULL, answer},
        {"POST /detect", NULL, 200, NULL,
         "{\"matches\": [{\"category\": \"artwork\", \"confidence\": \"1\"}]}"},
        {0}};
    struct talk t;
    struct err err;

    (void)state;
    talk_begin(&t, turns, ROBOT, "copyrightdetect", "picture");
    assert_int_equal(
        host_run(t.job, ROBOT, "{\"format\": \"meta\", \"categories\": [\"artwork\"]}", &err), 0);
    const json_t *c = json_object_get(host_output(t.job, 0)->meta, "copyright");
    assert_true(jbool(c, "flagged", false) && jnum(c, "max_confidence", 0) == 80);
    assert_int_equal(json_array_size(json_object_get(c, "licenses")), 1);
    assert_int_equal(
        host_run(t.job, ROBOT, "{\"error_on_decline\": true, \"error_msg\": \"no\"}", &err), -1);
    assert_string_equal(err_name(&err), "IMAGE_COPYRIGHT_DETECT_DECLINED_FILE");
    assert_string_equal(err.msg, "no");
    talk_run(&t, "{}", "WORKER_JOB_ERROR", "confidence");
    talk_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(categories_are_checked_before),
        cmocka_unit_test(a_match_counts_from_the_threshold_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
