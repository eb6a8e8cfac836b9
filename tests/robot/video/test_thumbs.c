/* /video/thumbs: films whose pictures tell their moment in, pictures and what is said of them out. */
#include "../../unit/unit.h"
#include "clips.h"

#include <stdio.h>
#include <sys/stat.h>

#define X264 "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"

static const char *colours(struct robot_job *job, const char *name, const char *size, double seconds, const char *more)
{
    AUTO(mem_free) char *args = mem_printf("-f lavfi -i %s %s", clip_colours(size, 25, seconds), more);

    return clip(job, name, args);
}

static void thumbs(struct robot_job *job, const char *path, const char *step)
{
    struct err err;

    if (host_run_on(job, "/video/thumbs", step, path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

static struct seen seen(struct robot_job *job, int i)
{
    struct seen s;

    clip_see(&s, host_output(job, i)->path);
    return s;
}

static int second(struct robot_job *job, int i) { return clip_second(seen(job, i).at[4]); }

static void refused(struct robot_job *job, const char *path, const char *step, const char *code)
{
    struct err err;

    if (host_run_on(job, "/video/thumbs", step, path, &err) == 0)
        fail_msg("%s is taken", step);
    if (strcmp(err_name(&err), code) != 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
}

/* ---- which moments ---- */

static void eight_are_taken_where_nothing_else_is_said(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = colours(job, "film.mp4", "160x90", 13.5, X264);
    int before = -1;

    thumbs(job, path, "{}");
    assert_int_equal(host_output_count(job), 8);
    for (int i = 0; i < 8; i++) {
        const struct host_output *o = host_output(job, i);
        double at = 13.5 * (i + 1) / 9;

        assert_string_equal(o->name, "film.jpg");
        assert_string_equal(o->mime, "image/jpeg");
        assert_int_equal(jint(o->meta, "thumb_index", -1), i);
        assert_int_equal(jint(o->meta, "thumb_offset", -1), (int)at);
        assert_int_equal(jint(o->meta, "width", 0), 160);
        assert_int_equal(jint(o->meta, "height", 0), 90);
        assert_int_equal(second(job, i), (int)at);
        assert_true(second(job, i) > before);
        before = second(job, i);
    }
    assert_true(host_progress_steps(job) >= 8);
    thumbs(job, path, "{\"count\": 3}");
    assert_int_equal(host_output_count(job), 3);
    assert_int_equal(second(job, 0), 3);
    assert_int_equal(second(job, 1), 6);
    assert_int_equal(second(job, 2), 10);
}

static void offsets_win_and_those_out_of_range_are_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *offsets;
        int n, at[6];
    } rows[] = {
        {"[7.5, 2, 99, -1]", 2, {2, 7}},
        {"[\"50%\", \"0%\", \"100%\", \"101%\"]", 3, {0, 5, 9}},
        {"[1.25, \"8.9\"]", 2, {1, 8}},
        {"[2, 2]", 2, {2, 2}},
        {"[10.01]", 0, {0}},
        {"[10]", 1, {9}},
        {"[4.99, 5]", 2, {4, 5}},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = colours(job, "film.mp4", "160x90", 10, X264 " -g 250");

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"count\": 4, \"smart\": true, \"offsets\": %s}", rows[i].offsets);

        thumbs(job, path, step);
        if (host_output_count(job) != rows[i].n)
            fail_msg("%s gives %d", step, host_output_count(job));
        for (int k = 0; k < rows[i].n; k++) {
            if (second(job, k) != rows[i].at[k])
                fail_msg("%s: number %d is of second %d", step, k, second(job, k));
            assert_int_equal(jint(host_output(job, k)->meta, "thumb_index", -1), k);
        }
    }
    assert_int_equal(jint(host_output(job, 0)->meta, "thumb_offset", -1), 4);
}

static void a_frame_that_stays_is_the_picture_of_all_its_time(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    /* of 12 s only the frames at 0, 3 and 8 are left, and the last */
    AUTO(mem_free) char *more = mem_printf("-vf \"select='eq(n,0)+eq(n,75)+eq(n,200)+eq(n,299)'\" -fps_mode vfr %s", X264);
    const char *path = colours(job, "sparse.mkv", "160x90", 12, more);

    thumbs(job, path, "{\"offsets\": [0, 2.5, 3.1, 7.9, 8.1, 11]}");
    static const int want[] = {0, 0, 3, 3, 8, 8};
    assert_int_equal(host_output_count(job), 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(second(job, i), want[i]);
}

static void a_film_of_one_frame_gives_it(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "one.mp4", "-f lavfi -i color=red:s=64x48:r=25:d=1 -frames:v 1 " X264);

    thumbs(job, path, "{\"count\": 2}");
    assert_int_equal(host_output_count(job), 2);
    assert_true(seen(job, 1).mean[0] > 200);
}

static void a_recording_without_duration_is_measured(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = colours(job, "live.webm", "160x90", 8, "-c:v libvpx -b:v 400k -g 50 -live 1");

    thumbs(job, path, "{\"count\": 3}");
    assert_int_equal(host_output_count(job), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(second(job, i), jint(host_output(job, i)->meta, "thumb_offset", -1));
        assert_in_range(second(job, i), 2 * i + 1, 2 * i + 2);
    }
}

/* ---- shape ---- */

static void each_strategy_has_its_size_and_place(void **state)
{
    (void)state;
    static const struct {
        const char *step;
        int w, h;
        bool corner_black;
    } rows[] = {
        {"\"width\": 100, \"height\": 100, \"resize_strategy\": \"fit\"", 100, 56, false},
        {"\"width\": 100, \"height\": 100, \"resize_strategy\": \"min_fit\"", 178, 100, false},
        {"\"width\": 100, \"height\": 100, \"resize_strategy\": \"fillcrop\"", 100, 100, false},
        {"\"width\": 100, \"height\": 100, \"resize_strategy\": \"pad\"", 100, 100, true},
        {"\"width\": 100, \"height\": 100", 100, 100, true},
        {"\"width\": 100, \"height\": 100, \"resize_strategy\": \"stretch\"", 100, 100, false},
        {"\"width\": 100, \"height\": 50, \"resize_strategy\": \"crop\"", 100, 50, false},
        {"\"width\": 80", 80, 90, true},
        {"\"height\": 45, \"resize_strategy\": \"fit\"", 80, 45, false},
        {"\"width\": 1920, \"height\": 1080", 1920, 1080, false},
        {"\"rotate\": 90", 90, 160, false},
        {"\"rotate\": \"270\", \"width\": 45, \"resize_strategy\": \"fit\"", 45, 80, false},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "w.mp4", "-f lavfi -i color=white:s=160x90:r=5:d=2 " X264);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"count\": 1, \"format\": \"png\", %s}", rows[i].step);

        thumbs(job, path, step);
        struct seen s = seen(job, 0);
        if (s.w != rows[i].w || s.h != rows[i].h || s.alpha)
            fail_msg("%s: %dx%d", step, (int)s.w, (int)s.h);
        if (rows[i].corner_black ? s.mean[0] > 240 : s.mean[0] < 250)
            fail_msg("%s: mean %g", step, s.mean[0]);
        assert_string_equal(host_output(job, 0)->mime, "image/png");
    }
}

static void padding_has_the_colour_that_was_asked_for(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *plain = clip(job, "w.mp4", "-f lavfi -i color=white:s=160x90:r=5:d=2 " X264);
    const char *clear = clip(job, "c.mov", "-f lavfi -i \"color=white@0.0:s=160x90:r=5:d=2,format=rgba\" -c:v qtrle -pix_fmt argb");

    thumbs(job, plain, "{\"count\": 1, \"width\": 90, \"height\": 270, \"background\": \"ff0000\", \"format\": \"png\"}");
    struct seen s = seen(job, 0);
    assert_true(s.at[1][0] == 255 && s.at[1][1] == 0 && s.at[4][1] > 240 && !s.alpha);
    thumbs(job, clear, "{\"count\": 1, \"width\": 90, \"height\": 270, \"background\": \"#0000ff80\", \"format\": \"png\"}");
    s = seen(job, 0);
    assert_true(s.alpha && s.at[4][3] == 0 && s.at[1][2] == 255 && s.at[1][3] == 128);
    thumbs(job, clear, "{\"count\": 1, \"width\": 90, \"height\": 270, \"background\": \"#00ff0000\"}");
    s = seen(job, 0);
    assert_true(!s.alpha && s.at[4][1] > 240 && s.at[4][0] < 12);
}

static void the_header_turns_first_and_rotate_on_top(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    /* the top left field is red; the header says: to be seen turned clockwise by 90 degrees */
    const char *flat = clip(job, "flat.mp4", "-f lavfi -i \"color=blue:s=160x96:d=1:r=5,drawbox=w=54:h=33:c=red:t=fill\" " X264);
    AUTO(mem_free) char *args = mem_printf("-i %s -c copy -metadata:s:v:0 rotate=270", flat);
    const char *path = clip(job, "turned.mp4", args);

    thumbs(job, path, "{\"count\": 1}");
    struct seen s = seen(job, 0);
    assert_int_equal(s.w, 96);
    int red = s.at[2][0] > 180 ? 2 : s.at[6][0] > 180 ? 6 : -1;
    assert_true(red > 0);
    thumbs(job, path, "{\"count\": 1, \"rotate\": 180}");
    s = seen(job, 0);
    assert_int_equal(s.w, 96);
    assert_true(s.at[8 - red][0] > 180);
    thumbs(job, path, "{\"count\": 1, \"rotate\": 360}");
    s = seen(job, 0);
    assert_true(s.at[red][0] > 180);
}

static void odd_sizes_and_pixels_that_are_not_square_are_shown_as_they_are_seen(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *odd = clip(job, "odd.mkv", "-f lavfi -i testsrc=s=161x91:r=5:d=1 -pix_fmt yuv444p -c:v libx264");
    const char *wide = clip(job, "wide.mp4", "-f lavfi -i color=white:s=144x96:r=5:d=1,setsar=4/3 " X264);

    thumbs(job, odd, "{\"count\": 1}");
    assert_int_equal(seen(job, 0).w, 161);
    assert_int_equal(seen(job, 0).h, 91);
    thumbs(job, wide, "{\"count\": 1}");
    assert_int_equal(seen(job, 0).w, 192);
    thumbs(job, wide, "{\"count\": 1, \"width\": 96, \"height\": 48, \"format\": \"png\"}");
    assert_true(seen(job, 0).mean[0] > 250); /* it fills the box: no padding */
}

/* ---- options ---- */

static void ffmpeg_options_of_pictures_are_heard(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "f.mp4", "-f lavfi -i \"testsrc=s=160x96:d=1:r=5,drawbox=w=54:h=33:c=red:t=fill\" " X264);

    thumbs(job, path, "{\"count\": 1, \"ffmpeg\": {\"vf\": \"hflip,drawbox=w=54:h=33:c=lime:t=fill\", \"b:v\": \"1M\", \"an\": true}}");
    struct seen s = seen(job, 0);
    assert_true(s.at[2][0] > 180 && s.at[2][1] < 60 && s.at[0][1] > 200 && s.at[0][0] < 60);
    thumbs(job, path, "{\"count\": 1, \"ffmpeg\": {\"pix_fmt\": \"gray\", \"s\": \"80x60\"}, \"ffmpeg_stack\": \"v8.0.0\"}");
    s = seen(job, 0);
    assert_int_equal(s.w, 80);
    assert_int_equal(s.h, 60);
    assert_true(abs(s.at[0][0] - s.at[0][2]) < 4);
    thumbs(job, path, "{\"count\": 1, \"ffmpeg\": {\"q:v\": 31}}");
    int64_t small = host_output(job, 0)->size;
    thumbs(job, path, "{\"count\": 1, \"ffmpeg\": {\"q:v\": 2}}");
    assert_true(small * 2 < host_output(job, 0)->size);
    thumbs(job, path, "{\"count\": 1, \"input_codec\": \"h264\"}");
    assert_int_equal(host_output_count(job), 1);
    refused(job, path, "{\"count\": 1, \"ffmpeg\": {\"vf\": \"scale=foo\"}}", "USER_COMMAND_ERROR");
    refused(job, path, "{\"count\": 1, \"ffmpeg\": {\"vf\": \"movie=/etc/passwd\"}}", "VIDEO_THUMBS_VALIDATION");
    refused(job, path, "{\"count\": 1, \"ffmpeg\": {\"ss\": 1}}", "VIDEO_THUMBS_VALIDATION");
    refused(job, path, "{\"count\": 1, \"input_codec\": \"aac\"}", "VIDEO_THUMBS_INVALID_INPUT");
    refused(job, path, "{\"count\": 1, \"input_codec\": \"../x\"}", "VIDEO_THUMBS_VALIDATION");
}

static void wrong_values_have_the_codes_of_the_contract(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "f.mp4", "-f lavfi -i color=s=64x48:d=1:r=5 " X264);

    refused(job, path, "{\"count\": 0}", "VIDEO_THUMBS_INVALID_COUNT_VALUE");
    refused(job, path, "{\"count\": 1000}", "VIDEO_THUMBS_INVALID_COUNT_VALUE");
    refused(job, path, "{\"count\": \"many\"}", "VIDEO_THUMBS_INVALID_COUNT_VALUE");
    refused(job, path, "{\"offsets\": [1, \"5%\"]}", "VIDEO_THUMBS_VALIDATION");
    refused(job, path, "{\"offsets\": \"5%\"}", "VIDEO_THUMBS_VALIDATION");
    refused(job, path, "{\"width\": 1921}", "VIDEO_THUMBS_VALIDATION");
    refused(job, path, "{\"background\": \"red\"}", "VIDEO_THUMBS_VALIDATION");
    refused(job, path, "{\"rotate\": 45}", "VIDEO_THUMBS_VALIDATION");
    refused(job, path, "{\"smart_max_candidates\": 1}", "VIDEO_THUMBS_VALIDATION");
}

/* ---- what is no film, or half of one ---- */

static void what_has_no_pictures_is_an_invalid_input(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = colours(job, "film.mp4", "160x90", 4, X264 " -movflags +faststart");
    const char *rows[6] = {
        clip(job, "sound.mp4", "-f lavfi -i sine=d=2 -c:a aac"),
        clip(job, "empty.mp4", "-f lavfi -i color=s=64x48:d=1:r=5 -frames:v 0 " X264),
        host_path(job, "text.mp4"), host_path(job, "none.mp4"), host_path(job, "head.mp4"), host_path(job, "list.mp4")};
    char head[900];
    FILE *f = fopen(rows[2], "w");

    fputs("this is no film", f);
    fclose(f);
    fclose(fopen(rows[3], "w"));
    f = fopen(film, "rb");
    size_t n = fread(head, 1, sizeof head, f);
    fclose(f);
    f = fopen(rows[4], "wb");
    fwrite(head, 1, n, f);
    fclose(f);
    f = fopen(rows[5], "w");
    fprintf(f, "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n%s\n#EXT-X-ENDLIST\n", film);
    fclose(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err;

        if (host_run_on(job, "/video/thumbs", "{}", rows[i], &err) == 0)
            fail_msg("%s gives %d pictures", rows[i], host_output_count(job));
        assert_string_equal(err_name(&err), "VIDEO_THUMBS_INVALID_INPUT");
        assert_int_equal(host_output_count(job), 0);
    }
}

/* The header is whole, and nothing behind it can be decoded. */
static void where_no_frame_can_be_decoded_the_best_are_none_either(void **state)
{
    (void)state;
    static const char *const steps[] = {"{}", "{\"count\": 1}", "{\"offsets\": [1]}", "{\"count\": 1, \"smart\": true, \"smart_max_candidates\": 2}"};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = colours(job, "zeros.mp4", "160x90", 3, X264 " -movflags +faststart");
    static char file[200000];
    FILE *f = fopen(path, "r+b");
    size_t n = fread(file, 1, sizeof file, f);
    char *data = memmem(file, n, "mdat", 4);

    assert_non_null(data);
    fseek(f, data + 4 - file, SEEK_SET);
    for (char *p = data + 4; p < file + n; p++)
        fputc(0, f);
    fclose(f);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        refused(job, path, steps[i], "VIDEO_THUMBS_INVALID_INPUT");
}

static void of_a_film_that_is_cut_off_come_the_pictures_that_there_are(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = colours(job, "cut.mp4", "160x90", 14, X264 " -g 25 -movflags +faststart");
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2), 0);
    thumbs(job, path, "{\"count\": 13}");
    int n = host_output_count(job);
    if (n < 3 || n > 10)
        fail_msg("there are %d", n);
    for (int i = 0; i < n; i++) { /* the last frame stays for a moment */
        int64_t late = jint(host_output(job, i)->meta, "thumb_offset", -1) - second(job, i);

        assert_true(late == 0 || (late == 1 && i == n - 1));
    }
}

static void the_best_are_sharp_and_not_dark(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    /* pictures only from 4 to 6 and from 12 to 14 s; black, white or blurred otherwise */
    const char *path = clip(job, "scenes.mp4",
        "-f lavfi -i \"testsrc2=s=320x180:r=25:d=18,drawbox=c=black:t=fill:enable='between(t,0,4)+between(t,14,18)',"
        "drawbox=c=white:t=fill:enable='between(t,6,9)',gblur=sigma=30:enable='between(t,9,12)'\" " X264 " -g 25");

    thumbs(job, path, "{\"count\": 3, \"smart\": true, \"smart_max_candidates\": 30}");
    assert_int_equal(host_output_count(job), 3);
    int before = 0;
    for (int i = 0; i < 3; i++) {
        int at = (int)jint(host_output(job, i)->meta, "thumb_offset", -1);

        if (!((at >= 4 && at < 6) || (at >= 12 && at < 14)))
            fail_msg("number %d is of second %d", i, at);
        assert_true(at >= before);
        before = at;
    }
}

static void the_same_film_gives_the_same_pictures(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "s.mp4", "-f lavfi -i testsrc2=s=160x90:r=25:d=6 " X264);

    thumbs(job, path, "{\"count\": 2, \"format\": \"png\"}");
    struct seen a = seen(job, 1);
    thumbs(job, path, "{\"count\": 2, \"format\": \"png\"}");
    struct seen b = seen(job, 1);
    assert_memory_equal(&a, &b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_are_taken_where_nothing_else_is_said),
        cmocka_unit_test(offsets_win_and_those_out_of_range_are_left_out),
        cmocka_unit_test(a_frame_that_stays_is_the_picture_of_all_its_time),
        cmocka_unit_test(a_film_of_one_frame_gives_it),
        cmocka_unit_test(a_recording_without_duration_is_measured),
        cmocka_unit_test(each_strategy_has_its_size_and_place),
        cmocka_unit_test(padding_has_the_colour_that_was_asked_for),
        cmocka_unit_test(the_header_turns_first_and_rotate_on_top),
        cmocka_unit_test(odd_sizes_and_pixels_that_are_not_square_are_shown_as_they_are_seen),
        cmocka_unit_test(ffmpeg_options_of_pictures_are_heard),
        cmocka_unit_test(wrong_values_have_the_codes_of_the_contract),
        cmocka_unit_test(what_has_no_pictures_is_an_invalid_input),
        cmocka_unit_test(where_no_frame_can_be_decoded_the_best_are_none_either),
        cmocka_unit_test(of_a_film_that_is_cut_off_come_the_pictures_that_there_are),
        cmocka_unit_test(the_best_are_sharp_and_not_dark),
        cmocka_unit_test(the_same_film_gives_the_same_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
