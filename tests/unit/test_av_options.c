/* Which of ffmpeg's options a client may use, and that none of them leads to a file. */
#include "robot/av_options.h"
#include "unit.h"

static int check(const char *map, unsigned makes, struct err *err)
{
    AUTO(json_unref) json_t *v = json_loads(map, 0, NULL);

    if (!v)
        fail_msg("no JSON: %s", map);
    return av_opts_check(&(struct av_opts){.ffmpeg = v}, makes, err);
}

static void what_films_are_made_with_is_taken(void **state)
{
    (void)state;
    static const char *const maps[] = {
        "{}",
        "{\"b:v\": \"1200k\", \"b:a\": \"128k\", \"g\": 240, \"crf\": 23.5, \"profile:v\": \"main\", \"level\": \"3.0\"}",
        "{\"b\": {\"v\": \"1M\", \"a\": 64000}, \"codec\": {\"v\": \"libx264\", \"a\": \"aac\"}, \"an\": true, \"vn\": false, \"r\": null}",
        "{\"x264-params\": \"keyint=48:min-keyint=48:scenecut=0\", \"x265-params\": {\"keyint\": 60, \"aq-mode\": 3}}",
        "{\"svtav1-params\": {\"tune\": 0}, \"movflags\": \"+faststart\", \"pix_fmt\": \"yuv420p\", \"r\": \"30000/1001\"}",
        "{\"vf\": \"scale=320:-2,drawtext=text='it is 10\\\\:30':x=(w-text_w)/2:fontsize=20:font=Sans\", \"af\": \"volume=0.5,atempo=1.5\"}",
        "{\"filter_complex\": \"[0:v]split[a][b];[a]hflip[c];[b][c]blend=all_expr='A*(X/W)'\", \"map\": [\"0:v:0\", \"0:a?\", \"[x]\"]}",
        "{\"filter_complex\": {\"one\": \"[0:v]hflip[a]\", \"two\": \"[a]vflip\"}}",
        "{\"ss\": \"00:00:03.5\", \"t\": 5, \"rc_eq\": \"blurCplx^(1-qComp)\", \"refs\": \"4\", \"s\": \"640x360\"}",
    };

    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        struct err err;

        if (check(maps[i], AV_VIDEO | AV_AUDIO, &err) < 0)
            fail_msg("%s: %s", maps[i], err.msg);
    }
}

static void nothing_that_names_a_file_is_taken(void **state)
{
    (void)state;
    static const char *const maps[][2] = {
        {"{\"i\": \"/etc/passwd\"}", "'i'"},
        {"{\"vf\": \"movie=/etc/passwd\"}", "movie"},
        {"{\"vf\": \"hflip,movie=in/1.mp4\"}", "movie"},
        {"{\"vf\": \"hflip , movie = x\"}", "movie"},
        {"{\"af\": \"amovie=x\"}", "amovie"},
        {"{\"filter_complex\": \"movie=x[a];[0:v][a]overlay\"}", "movie"},
        {"{\"filter_complex\": {\"a\": \"hflip\", \"b\": \"movie=x\"}}", "movie"},
        {"{\"vf\": \"subtitles=/etc/x.srt\"}", "subtitles"},
        {"{\"vf\": \"ass=x\"}", "'ass'"},
        {"{\"vf\": \"lut3d=file=x\"}", "lut3d"},
        {"{\"vf\": \"drawtext=textfile=/etc/passwd\"}", "drawtext"},
        {"{\"vf\": \"drawtext=/etc/font.ttf\"}", "drawtext"},
        {"{\"vf\": \"drawtext=text=a:fontfile=/etc/x\"}", "drawtext"},
        {"{\"vf\": \"drawtext=text='a':textfile=x\"}", "drawtext"},
        {"{\"vf\": \"drawtext=text=a\\\\:textfile=x:textfile=y\"}", "drawtext"},
        {"{\"vf\": \"drawtext='textfile'=x\"}", "drawtext"},
        {"{\"vf\": \"drawtext@a=textfile=x\"}", "drawtext"},
        {"{\"vf\": \"hflip,'movie'=x\"}", "movie"},
        {"{\"vf\": \"mo\\\\vie=x\"}", "mo"},
        {"{\"vf\": \"curves=psfile=x\"}", "curves"},
        {"{\"vf\": \"scale=1:/w=x\"}", "scale"},
        {"{\"vf\": \"scale='1\"}", "scale"},
        {"{\"vf\": \"hflip[a];[a]vflip\"}", "labels"},
        {"{\"vf\": \"\"}", "''"},
        {"{\"vf\": \"hflip,\"}", "''"},
        {"{\"vf\": \"[a\"}", "no chain"},
        {"{\"vf\": \"sws_flags=1;hflip\"}", "sws_flags"},
        {"{\"x264-params\": \"stats=/tmp/x\"}", "x264-params"},
        {"{\"x264-params\": \"keyint=3:qpfile=x\"}", "qpfile"},
        {"{\"x265-params\": {\"csv\": \"x\"}}", "x265-params"},
        {"{\"x265-params\": {\"a\": \"1:csv=x\"}}", "x265-params"},
        {"{\"x265-params\": {\"analysis_save\": \"x\"}}", "x265-params"},
        {"{\"x264opts\": \"dump-yuv=x\"}", "x264opts"},
        {"{\"passlogfile\": \"x\"}", "passlogfile"},
        {"{\"filter_script\": \"x\"}", "filter_script"},
        {"{\"f\": \"tee\", \"attach\": \"x\"}", "attach"},
        {"{\"f\": \"a/b\"}", "'f'"},
        {"{\"hls_segment_filename\": \"x\"}", "hls_segment_filename"},
        {"{\"b:v\": \"1M -i x\"}", "b:v"},
        {"{\"map\": [\"0\", 3]}", "map"},
        {"{\"map\": \"/etc/passwd\"}", "map"},
        {"{\"codec\": {\"v\": {\"a\": 1}}}", "codec:v"},
        {"{\"b\": {\"v -i x\": 1}}", "b:v -i x"},
        {"{\"s\": \"0x0\"}", "'s'"},
        {"{\"g\": [1]}", "'g'"},
    };

    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        struct err err = {0};

        if (check(maps[i][0], AV_VIDEO | AV_AUDIO, &err) == 0)
            fail_msg("%s is taken", maps[i][0]);
        assert_int_equal(err.code, ERR_ROBOT_VALIDATION);
        if (!strstr(err.msg, maps[i][1]))
            fail_msg("of %s it says: %s", maps[i][0], err.msg);
    }
}

static void what_a_robot_does_not_make_is_idle_or_refused(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(check("{\"b:a\": \"1k\", \"crf\": 3, \"an\": true, \"vf\": \"hflip\"}", AV_STILL, &err), 0);
    assert_int_equal(check("{\"ss\": 3}", AV_STILL, &err), -1);
    assert_int_equal(check("{\"ss\": false}", AV_STILL, &err), 0);
    assert_int_equal(check("{\"c:v\": \"libx264\"}", AV_STILL, &err), -1);
    assert_int_equal(check("{\"filter_complex\": \"hflip\"}", AV_STILL, &err), -1);
}

static void lengths_and_numbers_are_bounded(void **state)
{
    AUTO(json_unref) json_t *many = json_object(), *one = json_object();
    char text[5000];
    struct err err;

    (void)state;
    memset(text, 'h', sizeof text - 1);
    text[sizeof text - 1] = 0;
    json_object_set_new(one, "rc_eq", json_string(text));
    assert_int_equal(av_opts_check(&(struct av_opts){.ffmpeg = one}, AV_VIDEO, &err), -1);
    for (int i = 0; i < 101; i++) {
        char name[20];

        snprintf(name, sizeof name, "k%d", i);
        json_object_set_new(many, name, json_false());
    }
    assert_int_equal(av_opts_check(&(struct av_opts){.ffmpeg = many}, AV_VIDEO, &err), -1);
    assert_non_null(strstr(err.msg, "101 options"));
}

static void a_nested_option_is_found_by_its_name(void **state)
{
    AUTO(arena_free) struct arena *a = arena_new();
    AUTO(json_unref) json_t *v = json_loads("{\"b\": {\"v\": \"1M\"}, \"q:v\": 3, \"vf\": null}", 0, NULL);
    const struct av_opts o = {.ffmpeg = v};

    (void)state;
    assert_string_equal(av_opt(&o, a, "b:v"), "1M");
    assert_string_equal(av_opt(&o, a, "q:v"), "3");
    assert_null(av_opt(&o, a, "vf"));
    assert_null(av_opt(&o, a, "b:a"));
    assert_null(av_opt(&(struct av_opts){0}, a, "vf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_films_are_made_with_is_taken),
        cmocka_unit_test(nothing_that_names_a_file_is_taken),
        cmocka_unit_test(what_a_robot_does_not_make_is_idle_or_refused),
        cmocka_unit_test(lengths_and_numbers_are_bounded),
        cmocka_unit_test(a_nested_option_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
