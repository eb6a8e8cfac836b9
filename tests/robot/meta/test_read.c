/* /meta/read: what it finds, what it leaves, and what it says of a file that can't be read. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "clips.h"
#include "host.h"

#include <stdio.h>
#include <string.h>

static void run(struct robot_job *job, const char *step, const char *path)
{
    struct err err = {0};

    if (host_run_on(job, "/meta/read", step, path, &err) < 0)
        fail_msg("%s: %s", step, err.msg);
    assert_int_equal(host_output_count(job), 1);
    assert_true(host_output(job, 0)->same);
}

static void the_usual_keys_are_found_again(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    run(job, "{}", clip(job, "a.png", "-f lavfi -i color=red:s=30x20 -frames:v 1"));
    assert_int_equal(jint(host_output(job, 0)->meta, "width", 0), 30);
    assert_string_equal(
        jstr_or(host_output(job, 0)->meta, "average_color", "")[0] == '#' ? "#" : "", "#");
    assert_null(json_object_get(host_output(job, 0)->meta, "dominant_colors"));
    run(job, "{}", clip(job, "b.mp4", "-f lavfi -i testsrc2=s=64x48:d=1 -c:v libx264"));
    assert_string_equal(jstr_or(host_output(job, 0)->meta, "video_codec", ""), "h264");
}

static void keys_are_found_that_nobody_asked_for_when_the_file_came(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.png", "-f lavfi -i color=red:s=30x20 -frames:v 1");
    (void)state;

    run(job, "{\"output_meta\": {\"dominant_colors\": true, \"blurhash\": true}}", path);
    assert_true(json_is_array(json_object_get(host_output(job, 0)->meta, "dominant_colors")));
    assert_true(json_is_string(json_object_get(host_output(job, 0)->meta, "blurhash")));
    run(job, "{\"output_meta\": false}", path);
    assert_null(json_object_get(host_output(job, 0)->meta, "width"));
}

static void a_text_has_no_meta_and_a_broken_picture_is_an_error(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = host_path(job, "a.png");
    struct err err;
    (void)state;

    FILE *f = fopen(path, "w");
    fputs("\x89PNG\r\n\x1a\n and then nothing of the kind", f);
    fclose(f);
    assert_int_equal(host_run_on(job, "/meta/read", "{}", path, &err), -1);
    assert_string_equal(err_name(&err), "FILE_META_DATA_ERROR");
    f = fopen(host_path(job, "a.txt"), "w");
    fputs("words\n", f);
    fclose(f);
    run(job, "{}", host_path(job, "a.txt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_keys_are_found_again),
        cmocka_unit_test(keys_are_found_that_nobody_asked_for_when_the_file_came),
        cmocka_unit_test(a_text_has_no_meta_and_a_broken_picture_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
