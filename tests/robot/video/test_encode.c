/* Films made by ffmpeg's own sources, encoded and looked at. */
#include "../../unit/unit.h"
#include "../clips.h"
#include "base/str.h"
#include "media/av/av.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROBOT "/video/encode"
#define QUICK "\"ffmpeg\": {\"preset\": \"ultrafast\", \"c:v\": \"libx264\", \"f\": \"mp4\"}"
static const struct media_limits limits = {.max_pixels = 100000000, .timeout_s = 60};

static void must(struct robot_job *job, const char *step, const char *film)
{
    struct err err = {0};

    if (host_run_on(job, ROBOT, step, film, &err) < 0)
        fail_msg("%s: %s (%s)", step, err.msg, err.detail);
}

static struct av_info info_of(const struct host_output *o)
{
    struct av_info info;
    struct err err;

    if (av_look(&info, o->path, &limits, &err) < 0)
        fail_msg("%s: %s", o->path, err.msg);
    return info;
}

static struct av_info made(struct robot_job *job, const char *step, const char *film)
{
    must(job, step, film);
    return info_of(host_output(job, 0));
}

/* The middle pixel of each of 3 x 3 fields, as it is seen at that second. */
static struct seen seen_at(struct robot_job *job, double t)
{
    AUTO(mem_free)
    char *command = mem_printf("ffmpeg -v error -nostdin -y -ss %g -i %s -frames:v 1 %s/seen.png",
                               t, host_output(job, 0)->path, host_dir(job));
    struct seen s;

    assert_int_equal(system(command), 0);
    clip_see(&s, host_path(job, "seen.png"));
    return s;
}

static bool is_near(const uint8_t rgb[3], int r, int g, int b)
{
    return abs(rgb[0] - r) < 12 && abs(rgb[1] - g) < 12 && abs(rgb[2] - b) < 12;
}

static const char *small(struct robot_job *job)
{
    return clip(job, "small.mp4",
                "-f lavfi -i testsrc=s=160x90:r=25:d=0.2 -c:v libx264 -preset "
                "ultrafast -pix_fmt yuv420p");
}

static void each_strategy_gives_its_size(void **state)
{
    (void)state;
    static const struct {
        const char *params;
        int64_t w, h;
    } rows[] = {
        {"\"width\": 101, \"height\": 101", 100, 100},
        {"\"width\": 321, \"height\": 101, \"zoom\": false", 320, 100},
        {"\"width\": 100, \"height\": 100, \"resize_strategy\": \"fit\"", 100, 56},
        {"\"width\": 320, \"height\": 320, \"resize_strategy\": \"fit\", \"zoom\": false", 160, 90},
        {"\"height\": 45, \"resize_strategy\": \"fit\"", 80, 44},
        {"\"width\": 100, \"height\": 100, \"resize_strategy\": \"min_fit\"", 178, 100},
        {"\"width\": 99, \"height\": 51, \"resize_strategy\": \"fillcrop\"", 98, 50},
        {"\"width\": 400, \"height\": 50, \"resize_strategy\": \"fillcrop\", \"zoom\": false", 160,
         50},
        {"\"width\": 51, \"height\": 171, \"resize_strategy\": \"stretch\"", 50, 170},
        {"\"width\": 51, \"height\": 171, \"resize_strategy\": \"stretch\", \"zoom\": false", 50,
         90},
        {"\"width\": 61, \"height\": 31, \"resize_strategy\": \"crop\"", 60, 30},
        {"\"crop\": {\"x1\": 11, \"y1\": \"10%\", \"x2\": 88, \"y2\": \"90%\"}, \"width\": 7", 76,
         72},
        {"\"rotate\": 90", 90, 160},
        {"\"rotate\": 180, \"width\": 80", 80, 90},
        {"\"rotate\": 360", 160, 90},
        {"\"preset\": \"iphone\"", 480, 320},
        {"\"preset\": \"iphone\", \"width\": 160, \"height\": 90", 160, 90},
        {"\"zoom\": true", 160, 90},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = small(job);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *step = mem_printf("{" QUICK ", %s}", rows[i].params);
        struct av_info info = made(job, step, film);

        if (info.stored_width != rows[i].w || info.stored_height != rows[i].h ||
            info.pixel_aspect != 1)
            fail_msg("%s: %dx%d", step, (int)info.stored_width, (int)info.stored_height);
        assert_int_equal(host_output_count(job), 1);
    }
    assert_true(host_progress_steps(job) > 0);
}

static void without_preset_and_options_it_is_h264_and_aac_in_mp4(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = clip(job, "a.mkv",
                            "-f lavfi -i testsrc=s=160x90:r=25:d=1 -f lavfi -i "
                            "sine=d=1 -c:v mpeg4 -c:a flac -strict -2");
    struct av_info info = made(job, "{\"turbo\": true}", film);
    const struct host_output *o = host_output(job, 0);

    assert_string_equal(o->name, "a.mp4");
    assert_string_equal(o->mime, "video/mp4");
    assert_string_equal(info.video_codec, "h264");
    assert_string_equal(info.audio_codec, "aac");
    assert_true(jbool(o->meta, "turbo", false));
    assert_int_equal(jint(o->meta, "width", 0), 160);
    assert_true(jbool(o->meta, "seekable", false));
    assert_true(fabs(info.duration_s - 1) < 0.04);
    assert_true(fabs(info.video_s - 1) < 0.001);
}

static void a_sound_s_preset_gives_a_sound(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = clip(job, "a.mp4",
                            "-f lavfi -i testsrc=s=64x36:r=25:d=0.5 -f lavfi -i "
                            "sine=d=0.5 -c:v libx264 -preset ultrafast -c:a aac");
    struct err err = {0};

    assert_false(made(job, "{\"preset\": \"mp3\"}", film).has_video);
    assert_string_equal(host_output(job, 0)->name, "a.mp3");
    must(job, "{\"preset\": \"hg-transformers-audio\"}", film);
    assert_string_equal(host_output(job, 0)->name, "a.raw");
    assert_int_equal(host_run_on(job, ROBOT, "{\"preset\": \"mp3\"}", small(job), &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.msg, "has no sound"));
}

static void an_empty_preset_keeps_the_container(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = clip(job, "a.mkv",
                            "-f lavfi -i testsrc=s=160x90:r=25:d=0.2 -c:v libx264 "
                            "-preset ultrafast -pix_fmt yuv420p");

    made(job, "{\"preset\": \"empty\", \"ffmpeg\": {\"c:v\": \"copy\"}}", film);
    assert_string_equal(host_output(job, 0)->name, "a.mkv");
    assert_string_equal(made(job, "{\"ffmpeg\": {\"c:v\": \"mpeg4\"}}", film).video_codec, "mpeg4");
    assert_string_equal(host_output(job, 0)->name, "a.mkv");
}

static void a_turn_in_the_header_is_done_once_or_left_alone(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free)
    char *args = mem_printf("-i %s -c copy -metadata:s:v:0 rotate=90", small(job));
    const char *film = clip(job, "turned.mp4", args);
    struct av_info info = made(job, "{" QUICK "}", film);

    assert_int_equal(info.stored_width, 90);
    assert_int_equal(info.orientation, 1);
    info = made(job, "{" QUICK ", \"rotate\": 90}", film);
    assert_int_equal(info.stored_width, 160);
    assert_int_equal(info.orientation, 1);
    info = made(job, "{" QUICK ", \"rotate\": false}", film);
    assert_int_equal(info.stored_width, 160);
    assert_int_equal(info.width, 90); /* whoever shows it turns it still */
}

static void a_watermark_is_seen_in_its_time_and_place_alone(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = clip(
                   job, "blue.mp4",
                   "-f lavfi -i color=blue:s=180x90:r=10:d=3 -vf "
                   "scale=out_color_matrix=bt709 -c:v libx264 -preset ultrafast "
                   "-pix_fmt yuv420p -colorspace bt709 -color_primaries bt709 -color_trc bt709"),
               *mark = clip(job, "mark.png", "-f lavfi -i color=red:s=30x15 -frames:v 1");
    struct err err = {0};
    struct seen s;

    host_add_input(job, film);
    host_add_input(job, mark);
    host_input_as(job, "watermark");
    if (host_run(job, ROBOT,
                 "{" QUICK ", \"watermark_position\": \"top-right\", \"watermark_size\": \"33%\", "
                 "\"watermark_start_time\": 1, \"watermark_duration\": 1}",
                 &err) < 0)
        fail_msg("%s (%s)", err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    for (int i = 0; i < 3; i++) {
        s = seen_at(job, i + 0.5);
        assert_true(is_near(s.at[2], i == 1 ? 254 : 0, 0, i == 1 ? 0 : 254));
        assert_true(is_near(s.at[0], 0, 0, 254) && is_near(s.at[8], 0, 0, 254));
    }
    s = seen_at(job, 0.9); /* the last frame before it, and the first with it */
    assert_true(is_near(s.at[2], 0, 0, 254));
    s = seen_at(job, 1);
    assert_true(is_near(s.at[2], 254, 0, 0));
    if (host_run(job, ROBOT,
                 "{" QUICK ", \"watermark_size\": \"100%\", \"watermark_opacity\": 0.5, "
                 "\"watermark_resize_strategy\": \"stretch\"}",
                 &err) < 0)
        fail_msg("%s (%s)", err.msg, err.detail);
    s = seen_at(job, 2.5);
    assert_true(is_near(s.at[4], 127, 0, 127));
}

static void pieces_join_to_the_same_frames(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = clip(job, "film.mp4",
                            "-f lavfi -i testsrc=s=160x90:r=25:d=5 -f lavfi -i "
                            "sine=d=5 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac");
    struct str joined = {0};

    must(job,
         "{" QUICK ", \"segment\": true, \"segment_duration\": 2, \"segment_prefix\": \"a b\", "
         "\"segment_name\": \"${segment_prefix}-${segment_number}-${segment_id}.ts\"}",
         film);
    assert_int_equal(host_output_count(job), 5);
    assert_string_equal(host_output(job, 4)->mime, "application/vnd.apple.mpegurl");
    assert_string_equal(host_output(job, 4)->name, "film.m3u8");
    for (int i = 1; i < 4; i++) {
        const struct host_output *o = host_output(job, i);
        AUTO(mem_free) char *begin = mem_printf("a b-%d-", i - 1);

        assert_true(str_starts(o->name, begin));
        assert_int_equal(strlen(o->name), strlen(begin) + 32 + 3);
        assert_string_equal(o->mime, "video/mp2t");
        assert_int_equal(jint(o->meta, "segment_index", -1), i - 1);
        str_addf(&joined, "%s ", o->path);
    }
    AUTO(mem_free)
    char *command = mem_printf(
        "cd %s && cat %s >joined.ts && for f in joined.ts %s; do ffmpeg -v error -i $f -map 0:v "
        "-f framemd5 - | grep -v '^#' | awk '{print $NF}' >$f.sums; done && cmp joined.ts.sums "
        "%s.sums && test $(wc -l <joined.ts.sums) = 125 && grep -c 'a%%20b-0-' %s >/dev/null",
        host_dir(job), joined.s, host_output(job, 0)->path, host_output(job, 0)->path,
        host_output(job, 4)->path);
    assert_int_equal(system(command), 0);
    str_done(joined);
    must(job, "{" QUICK ", \"segment\": true}", film);
    assert_string_equal(host_output(job, 1)->name, "film_0.ts");
}

static void a_moving_picture_stays_one_with_what_is_transparent(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *gif = clip(job, "a.gif",
                           "-f lavfi -i testsrc=s=64x64:r=10:d=1 -vf "
                           "'format=rgba,crop=32:64:0:0,pad=64:64:0:0:color=black@0,split[a][b];[a]"
                           "palettegen[p];[b][p]paletteuse'");
    struct av_info info = made(job, "{\"preset\": \"gif\", \"width\": 32, \"height\": 48}", gif);

    assert_string_equal(info.video_codec, "gif");
    assert_string_equal(host_output(job, 0)->mime, "image/gif");
    assert_int_equal(info.stored_width, 32);
    assert_int_equal(info.stored_height, 48);
    assert_true(fabs(info.duration_s - 1) < 0.101);
    struct seen s = seen_at(job, 0.5);
    assert_int_equal(s.at[5][3], 0);   /* its right half */
    assert_int_equal(s.at[3][3], 255); /* and its left one */
    info = made(job, "{" QUICK ", \"background\": \"#00ff00\"}", gif);
    s = seen_at(job, 0.5);
    assert_true(is_near(s.at[5], 0, 254, 0));
}

static void hints_are_tracks_of_their_own(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    must(job, "{" QUICK ", \"hint\": true}", small(job));
    AUTO(mem_free) char *command = mem_printf("grep -q -a hint %s", host_output(job, 0)->path);
    assert_int_equal(system(command), 0);
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *step, *said, *code;
    } rows[] = {
        {"{\"preset\": \"no-such\"}", "preset", "VIDEO_ENCODE_VALIDATION"},
        {"{\"ffmpeg\": {\"i\": \"/etc/passwd\"}}", "'i'", "VIDEO_ENCODE_VALIDATION"},
        {"{\"ffmpeg\": {\"vf\": \"movie=/etc/passwd\"}}", "movie", "VIDEO_ENCODE_VALIDATION"},
        {"{\"ffmpeg\": {\"vf\": \"subtitles=/etc/passwd\"}}", "subtitles",
         "VIDEO_ENCODE_VALIDATION"},
        {"{\"ffmpeg\": {\"filter_complex\": \"[0:v]drawtext=textfile=/etc/passwd\"}}", "textfile",
         "VIDEO_ENCODE_VALIDATION"},
        {"{\"ffmpeg\": {\"dump_attachment:t\": \"x\"}}", "dump_attachment",
         "VIDEO_ENCODE_VALIDATION"},
        {"{\"ffmpeg\": {\"x264-params\": \"stats=/tmp/x\"}}", "x264-params",
         "VIDEO_ENCODE_VALIDATION"},
        {"{\"ffmpeg\": {\"f\": \"tee\"}}", "tee", "VIDEO_ENCODE_VALIDATION"},
        {"{\"ffmpeg\": {\"f\": \"segment\"}}", "segment", "VIDEO_ENCODE_VALIDATION"},
        {"{\"ffmpeg\": {\"c:v\": \"h264_nvenc\"}}", "h264_nvenc",
         "VIDEO_ENCODE_INVALID_VIDEO_CODEC"},
        {"{\"watermark_position\": \"middle\"}", "watermark_position",
         "VIDEO_ENCODE_INVALID_WATERMARK_POSITION"},
        {"{\"width\": 0}", "width", "VIDEO_ENCODE_VALIDATION"},
        {"{\"width\": 100000}", "width", "VIDEO_ENCODE_VALIDATION"},
        {"{\"rotate\": 45}", "rotate", "VIDEO_ENCODE_VALIDATION"},
        {"{\"rotate\": true}", "rotate", "VIDEO_ENCODE_VALIDATION"},
        {"{\"crop\": {\"x3\": 1}}", "x3", "VIDEO_ENCODE_VALIDATION"},
        {"{\"segment\": true, \"segment_name\": \"same.ts\"}", "segment_name",
         "VIDEO_ENCODE_VALIDATION"},
        {"{\"segment\": true, \"preset\": \"webm\"}", "segment", "VIDEO_ENCODE_VALIDATION"},
        {"{\"segment\": true, \"preset\": \"gif\"}", "segment", "VIDEO_ENCODE_VALIDATION"},
        {"{\"width\": 100, \"ffmpeg\": {\"c:v\": \"copy\"}}", "'width'", "VIDEO_ENCODE_VALIDATION"},
        {"{\"rotate\": 90, \"ffmpeg\": {\"filter_complex\": \"hflip\"}}", "'rotate'",
         "VIDEO_ENCODE_VALIDATION"},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = small(job);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};

        if (host_run_on(job, ROBOT, rows[i].step, film, &err) == 0)
            fail_msg("%s was taken", rows[i].step);
        if (!strstr(err.msg, rows[i].said) || strcmp(err.name, rows[i].code))
            fail_msg("%s: %s: %s", rows[i].step, err.name, err.msg);
    }
}

static void what_asks_for_too_much_is_refused_by_name(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *thin = clip(
        job, "thin.mp4",
        "-f lavfi -i color=red:s=2x400:r=5:d=1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p");
    struct err err = {0};

    assert_int_equal(host_run_on(job, ROBOT,
                                 "{" QUICK ", \"width\": 8000, \"resize_strategy\": \"fit\"}", thin,
                                 &err),
                     -1);
    assert_non_null(strstr(err.msg, "max_pixels"));
    const char *text = host_path(job, "a.mp4");
    FILE *f = fopen(text, "w");
    fputs("#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", f);
    fclose(f);
    assert_int_equal(host_run_on(job, ROBOT, "{}", text, &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);
}

/* One frame an hour: ten hours of film, one column wide. */
static void a_thin_film_of_ten_hours_takes_no_longer_than_its_frames(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film =
        clip(job, "long.mkv", "-f lavfi -i color=red:s=2x16:r=1/3600:d=36000,scale=1:16,format=gray -c:v ffv1");
    double before = clip_children();
    struct av_info info = made(job, "{" QUICK "}", film);

    assert_true(info.duration_s > 32000);
    assert_int_equal(info.stored_width, 2);
    assert_true(clip_children() - before < 5);
}

/* ---- several of one film ---- */

#define TOGETHER 3
#define QUICK_AND_MUTE                                                                             \
    "\"ffmpeg\": {\"preset\": \"ultrafast\", \"c:v\": \"libx264\", \"f\": \"mp4\", \"r\": 10, \"an\": true}"

static bool same_bytes(const char *a, const char *b)
{
    AUTO(mem_free) char *command = mem_printf("cmp -s %s %s", a, b);

    return system(command) == 0;
}

static int left_in(const char *dir)
{
    AUTO(mem_free) char *command = mem_printf("ls %s | grep -c '^out-'", dir);
    FILE *f = popen(command, "r");
    int n = -1;

    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

static void open_jobs(struct robot_job *jobs[TOGETHER], const char **film)
{
    for (int i = 0; i < TOGETHER; i++)
        jobs[i] = host_new();
    *film = clip(jobs[0], "film.mp4",
                 "-f lavfi -i testsrc2=s=322x182:r=25:d=2 -f lavfi -i sine=d=2 -c:v libx264 -preset ultrafast "
                 "-pix_fmt yuv420p -c:a aac");
    for (int i = 0; i < TOGETHER; i++)
        host_add_input(jobs[i], *film);
}

static void forget_dates(json_t *meta)
{
    json_object_del(meta, "date_file_modified");
    json_object_del(meta, "date_file_created");
}

static void several_results_of_one_film_are_those_of_each_alone(void **state)
{
    (void)state;
    static const char *const steps[TOGETHER] = {
        "{\"preset\": \"hls/270p\"}",
        "{\"rotate\": 90, \"width\": 90, \"height\": 160, \"turbo\": true, " QUICK_AND_MUTE "}",
        "{\"ffmpeg\": {\"c:v\": \"mpeg4\", \"c:a\": \"libmp3lame\", \"f\": \"avi\"}}",
    };
    struct robot_job *jobs[TOGETHER];
    struct err errs[TOGETHER] = {0};
    const char *film;

    open_jobs(jobs, &film);
    host_run_together(jobs, ROBOT, steps, TOGETHER, errs);
    for (int i = 0; i < TOGETHER; i++) {
        AUTO(host_free) struct robot_job *alone = host_new();

        if (errs[i].code)
            fail_msg("%s: %s (%s)", steps[i], errs[i].msg, errs[i].detail);
        assert_int_equal(host_output_count(jobs[i]), 1);
        assert_true(host_progress_steps(jobs[i]) > 0);
        must(alone, steps[i], film);
        assert_true(same_bytes(host_output(jobs[i], 0)->path, host_output(alone, 0)->path));
        forget_dates(host_output(jobs[i], 0)->meta);
        forget_dates(host_output(alone, 0)->meta);
        assert_true(json_equal(host_output(jobs[i], 0)->meta, host_output(alone, 0)->meta));
        assert_string_equal(host_output(jobs[i], 0)->name, host_output(alone, 0)->name);
    }
    for (int i = TOGETHER - 1; i >= 0; i--)
        host_free(jobs[i]);
}

/* The host runs each again, alone. */
static void one_that_can_not_be_made_leaves_nothing_of_the_others(void **state)
{
    (void)state;
    static const char *const steps[TOGETHER] = {
        "{" QUICK "}", "{\"ffmpeg\": {\"c:v\": \"libx264\", \"profile:v\": \"none-such\", \"f\": \"mp4\"}}",
        "{" QUICK "}"};
    struct robot_job *jobs[TOGETHER];
    struct err errs[TOGETHER] = {0};
    const char *film;

    open_jobs(jobs, &film);
    host_run_together(jobs, ROBOT, steps, TOGETHER, errs);
    for (int i = 0; i < TOGETHER; i++) {
        assert_int_equal(errs[i].code, ERR_USER_COMMAND);
        assert_int_equal(host_output_count(jobs[i]), 0);
        assert_int_equal(left_in(host_dir(jobs[i])), 0);
    }
    for (int i = TOGETHER - 1; i >= 0; i--)
        host_free(jobs[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_strategy_gives_its_size),
        cmocka_unit_test(without_preset_and_options_it_is_h264_and_aac_in_mp4),
        cmocka_unit_test(a_sound_s_preset_gives_a_sound),
        cmocka_unit_test(an_empty_preset_keeps_the_container),
        cmocka_unit_test(a_turn_in_the_header_is_done_once_or_left_alone),
        cmocka_unit_test(a_watermark_is_seen_in_its_time_and_place_alone),
        cmocka_unit_test(pieces_join_to_the_same_frames),
        cmocka_unit_test(a_moving_picture_stays_one_with_what_is_transparent),
        cmocka_unit_test(hints_are_tracks_of_their_own),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
        cmocka_unit_test(what_asks_for_too_much_is_refused_by_name),
        cmocka_unit_test(a_thin_film_of_ten_hours_takes_no_longer_than_its_frames),
        cmocka_unit_test(several_results_of_one_film_are_those_of_each_alone),
        cmocka_unit_test(one_that_can_not_be_made_leaves_nothing_of_the_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
