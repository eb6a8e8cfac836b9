#include "../../unit/unit.h"
#include "clips.h"
#include "media/av/av.h"
#include "media/vips.h"
#include "pictures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

#define ROBOT "/file/watermark"

/* A green picture; its left half is clear when it has an alpha. Lent. */
static const char *mark(struct robot_job *j, const char *name, int w, int h)
{
    const char *path = host_path(j, name);
    unsigned char *px = mem_zalloc((size_t)w * (size_t)h * 4);
    VipsImage *v, *t;

    assert_int_equal(media_init(NULL), 0);
    for (int i = 0; i < w * h; i++)
        memcpy(px + 4 * (size_t)i, (unsigned char[]){0, 255, 0, i % w < w / 2 ? 0 : 255}, 4);
    v = vips_image_new_from_memory_copy(px, (size_t)w * (size_t)h * 4, w, h, 4, VIPS_FORMAT_UCHAR);
    assert_int_equal(vips_copy(v, &t, "interpretation", VIPS_INTERPRETATION_sRGB, NULL) ||
                         vips_image_write_to_file(t, path, NULL),
                     0);
    g_object_unref(v);
    g_object_unref(t);
    free(px);
    return path;
}

static void inputs(struct robot_job *j, const char *base, const char *over)
{
    host_add_input(j, base);
    host_input_as(j, "base");
    host_add_input(j, over);
    host_input_as(j, "watermark");
}

static const char *run_ok(struct robot_job *j, const char *step)
{
    struct err err;

    if (host_run(j, ROBOT, step, &err) < 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
    return host_output(j, 0)->path;
}

static bool is_green(const char *path, int x, int y)
{
    double px[4];

    picture_pixel(px, path, x, y);
    return px[0] < 60 && px[1] > 200 && px[2] < 60;
}

static void it_lies_in_the_middle_in_its_own_size(void **state)
{
    static const char *const names[] = {"a.png", "a.jpg", "a.webp", "a.tif", "a.gif"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        inputs(j, picture_make(j, names[i], 200, 100, false), mark(j, "m.png", 40, 20));
        const char *out = run_ok(j, "{}");
        assert_int_equal(host_output_count(j), 1);
        assert_string_equal(host_output(j, 0)->name, names[i]);
        assert_int_equal(picture_facts(out).width, 200);
        assert_true(picture_facts(out).bands == 3 ||
                    strstr(names[i], "gif")); /* whose palette has a clear colour */
        assert_true(is_green(out, 110, 50) && is_green(out, 118, 41) && is_green(out, 118, 58));
        assert_false(is_green(out, 90, 50) || is_green(out, 121, 50) || is_green(out, 110, 39) ||
                     is_green(out, 110, 61));
    }
    /* what is larger is made to fit */
    AUTO(host_free) struct robot_job *j = host_new();
    inputs(j, picture_make(j, "a.png", 200, 100, true), mark(j, "m.png", 400, 400));
    const char *out = run_ok(j, "{}");
    assert_int_equal(picture_facts(out).bands, 4);
    assert_true(is_green(out, 105, 2) && is_green(out, 145, 97) && !is_green(out, 155, 50));
}

static void every_frame_of_an_animation_has_it(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    inputs(j, picture_make_animated(j, "a.gif", 60, 40, 3), mark(j, "m.png", 20, 20));
    const char *out = run_ok(j, "{}");
    assert_int_equal(picture_facts(out).frames, 3);
    VipsImage *v = vips_image_new_from_file(out, "n", -1, NULL);
    for (int i = 0; i < 3; i++) {
        double *px;
        int n;

        assert_int_equal(vips_getpoint(v, &px, &n, 35, 40 * i + 20, NULL), 0);
        assert_true(px[0] < 60 && px[1] > 200);
        g_free(px);
    }
    g_object_unref(v);
}

static void chance_puts_it_anywhere_inside_and_a_second_run_puts_it_there_again(void **state)
{
    int places = 0;
    (void)state;

    for (int round = 0; round < 4; round++) {
        AUTO(host_free) struct robot_job *j = host_new();
        char name[20];
        double first = 0, again = 0;

        snprintf(name, sizeof name, "%d.png", round);
        inputs(j, picture_make(j, name, 200, 100, false), mark(j, "m.png", 40, 20));
        for (int run = 0; run < 2; run++) {
            const char *out = run_ok(j, "{\"randomize\":true}");
            VipsImage *v = vips_image_new_from_file(out, NULL), *t = NULL, *u = NULL;
            double mean = 0, *at = run ? &again : &first;

            assert_int_equal(vips_extract_band(v, &t, 1, NULL) ||
                                 vips_more_const1(t, &u, 200, NULL) || vips_avg(u, &mean, NULL),
                             0);
            *at = mean / 255;
            g_object_unref(v);
            g_object_unref(t);
            g_object_unref(u);
        }
        assert_true(first == again);
        assert_true(first > 0.003 &&
                    first < 0.1); /* half of the mark, which is 15 to 40 % of the sides */
        places += !is_green(host_output(j, 0)->path, 110, 50);
    }
    assert_true(places > 0);
}

static void each_of_several_gets_it_under_its_own_name(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    host_add_input(j, picture_make(j, "a.png", 100, 50, false));
    host_add_input(j, picture_make_turned(j, "b.jpg", 100, 50, 6));
    host_add_input(j, mark(j, "m.png", 20, 20)); /* nobody has a label: the last */
    run_ok(j, "{}");
    assert_int_equal(host_output_count(j), 2);
    assert_string_equal(host_output(j, 0)->name, "a.png");
    assert_string_equal(host_output(j, 1)->name, "b.jpg");
    assert_int_equal(picture_facts(host_output(j, 1)->path).width, 50); /* upright */
    assert_true(is_green(host_output(j, 1)->path, 30, 50));
}

static void without_a_watermark_it_fails_and_says_why(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    (void)state;

    host_add_input(j, picture_make(j, "a.png", 100, 50, false));
    assert_int_equal(host_run(j, ROBOT, "{}", &err), -1);
    assert_string_equal(err_name(&err), "FILE_WATERMARK_VALIDATION");
    assert_non_null(strstr(err.msg, "watermark"));
    AUTO(host_free) struct robot_job *k = host_new();
    inputs(k, picture_make(k, "a.png", 100, 50, false),
           picture_write(k, "m.png", "\x89PNG\r\n\x1A\nno", 10));
    assert_int_equal(host_run(k, ROBOT, "{}", &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);
}

static void films_keep_their_form_their_sound_and_their_length(void **state)
{
    static const char *const films[][2] = {
        {"a.mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac"},
        {"a.webm", "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus"},
        {"a.avi", "-c:v mpeg4 -c:a libmp3lame"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(films); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        AUTO(mem_free)
        char *args = mem_printf(
            "-f lavfi -i color=red:s=160x90:r=25:d=0.6 -f lavfi -i sine=d=0.6 %s", films[i][1]);
        const char *film = clip(j, films[i][0], args);
        const struct media_limits limits = {.max_pixels = 100000000, .timeout_s = 60};
        struct av_info before, after;
        struct err err;

        inputs(j, film, mark(j, "m.png", 40, 20));
        const char *made = run_ok(j, "{}"), *shot = host_path(j, "shot.png");
        assert_int_equal(host_output_count(j), 1);
        assert_string_equal(host_output(j, 0)->name, films[i][0]);
        assert_int_equal(
            av_look(&before, film, &limits, &err) | av_look(&after, made, &limits, &err), 0);
        assert_string_equal(after.video_codec, before.video_codec);
        assert_string_equal(after.audio_codec, before.audio_codec);
        assert_true(fabs(after.duration_s - before.duration_s) < 0.05);
        AUTO(mem_free)
        char *command = mem_printf("ffmpeg -v error -nostdin -y -i %s -frames:v 1 %s", made, shot);
        assert_int_equal(system(command), 0);
        assert_true(
            is_green(shot, 90, 45)); /* right of the middle: the mark's left half is clear */
        assert_false(is_green(shot, 70, 45));
        assert_false(is_green(shot, 110, 45));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_lies_in_the_middle_in_its_own_size),
        cmocka_unit_test(every_frame_of_an_animation_has_it),
        cmocka_unit_test(chance_puts_it_anywhere_inside_and_a_second_run_puts_it_there_again),
        cmocka_unit_test(each_of_several_gets_it_under_its_own_name),
        cmocka_unit_test(without_a_watermark_it_fails_and_says_why),
        cmocka_unit_test(films_keep_their_form_their_sound_and_their_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
