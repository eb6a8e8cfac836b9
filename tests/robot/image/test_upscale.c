/* /image/upscale. What needs a whole service: tests/transfer/models.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"

#define ROBOT "/image/upscale"
#define PATH "POST /sdapi/v1/extra-single-image"

static void the_picture_goes_and_comes_as_base64(void **state)
{
    static const struct talk_turn turns[] = {
        {PATH, "\"image\":\"cGljdHVyZQ==\"", 200, NULL, "{\"image\": \"R0lGODlhAQ==\"}"},
        {PATH,
         "\"upscaling_resize\":4,\"upscaler_1\":\"R-ESRGAN "
         "4x+\",\"gfpgan_visibility\":1,\"codeformer_visibility\":0",
         200, NULL, "{\"image\": \"data:image/gif;base64,R0lGODlhAQ==\"}"},
        {PATH, "\"gfpgan_visibility\":1,\"codeformer_visibility\":1", 200, NULL, "{\"image\": 7}"},
        {0}};
    struct talk t;
    struct err err;

    (void)state;
    talk_begin(&t, turns, ROBOT, "upscale", "picture");
    assert_int_equal(host_run(t.job, ROBOT, "{}", &err), 0);
    assert_string_equal(host_output(t.job, 0)->name, "a b.gif");
    assert_int_equal(host_output(t.job, 0)->size, 7);
    assert_int_equal(
        host_run(t.job, ROBOT, "{\"scale\": 4, \"model\": \"tencentarc/gfpgan\"}", &err), 0);
    talk_run(&t, "{\"face_enhance\": true, \"model\": \"sczhou/codeformer\"}", "WORKER_JOB_ERROR",
             "no picture");
    talk_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_picture_goes_and_comes_as_base64)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
