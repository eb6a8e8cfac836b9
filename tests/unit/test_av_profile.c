/* How a film is encoded: presets, and what a client's options make of them. */
#include "base/str.h"
#include "robot/av_profile.h"
#include "unit.h"

static struct av_profile p;
static struct arena *a;

static int make(const char *preset, const char *map, unsigned makes, struct err *err)
{
    AUTO(json_unref) json_t *v = json_loads(map, 0, NULL);
    const struct av_preset *found = NULL;

    if (!v)
        fail_msg("no JSON: %s", map);
    for (const struct opt_choice *c = av_presets; preset && c->name; c++)
        if (!strcmp(c->name, preset))
            found = av_preset(c->value);
    assert_true(!preset || found);
    const struct av_opts client = {.ffmpeg = v};
    return av_opts_check(&client, makes, err) < 0 ||
                   av_profile(&p, a, found, "web/mp4/720p", &client, makes, err) < 0
               ? -1
               : 0;
}

static void value(const char *name, const char *expected)
{
    const char *v = av_profile_get(&p, name);

    if (!v || strcmp(v, expected))
        fail_msg("%s is %s, not %s", name, v ? v : "not set", expected);
}

static void every_name_stands_for_a_row_of_its_own(void **state)
{
    (void)state;
    int n = 0;

    for (const struct opt_choice *c = av_presets; c->name; c++, n++) {
        struct err err;

        assert_string_equal(av_preset(c->value)->name, c->name);
        if (make(c->name, "{}", AV_VIDEO | AV_AUDIO, &err) < 0)
            fail_msg("%s: %s", c->name, err.msg);
        if (strcmp(c->name, "empty"))
            assert_non_null(av_muxer_ext(p.muxer, p.makes));
        if (p.makes & AV_VIDEO && strcmp(c->name, "empty"))
            assert_non_null(av_profile_get(&p, "c:v"));
    }
    assert_int_equal(n, 114);
    n = 0;
    for (const struct opt_choice *c = av_sound_presets; c->name; c++, n++)
        assert_true(!av_preset(c->value)->video || !strcmp(c->name, "empty"));
    assert_int_equal(n, 23);
}

static void the_clients_options_lie_over_the_preset(void **state)
{
    (void)state;
    struct err err;

    assert_int_equal(make("ipad", "{\"b:v\": \"2M\", \"r\": 30}", AV_VIDEO | AV_AUDIO, &err), 0);
    value("b:v", "2M");
    value("r", "30");
    value("c:v", "libx264");
    value("profile:v", "main");
    value("pix_fmt", "yuv420p");
    value("movflags", "+faststart");
    assert_true(p.own && p.width == 1024 && p.height == 768);
    assert_int_equal(
        make("ipad", "{\"b\": {\"v\": \"2M\"}, \"codec\": {\"v\": \"hevc\"}, \"s\": \"320x200\"}",
             AV_VIDEO | AV_AUDIO, &err),
        0);
    value("b:v", "2M");
    value("c:v", "libx265");
    assert_true(p.width == 320 && p.height == 200);
    assert_int_equal(
        make("mp3", "{\"f\": \"ogg\", \"acodec\": \"libvorbis\"}", AV_VIDEO | AV_AUDIO, &err), 0);
    assert_string_equal(p.ext, "ogg");
    value("c:a", "libvorbis");
    assert_int_equal(make("web/mp4/720p", "{\"vn\": true}", AV_VIDEO | AV_AUDIO, &err), 0);
    assert_string_equal(p.ext, "m4a");
    assert_null(av_profile_get(&p, "c:v"));
    assert_int_equal(make(NULL,
                          "{\"c:v\": \"libx264\", \"vf\": \"hflip\", \"map\": [\"0:v\", \"0:a?\"]}",
                          AV_VIDEO | AV_AUDIO, &err),
                     0);
    assert_string_equal(p.muxer, ""); /* only what was given counts */
    assert_string_equal(p.vf, "hflip");
    assert_int_equal(p.map_count, 2);
    assert_int_equal(make(NULL, "{}", AV_VIDEO | AV_AUDIO, &err), 0);
    assert_string_equal(p.muxer, "mp4");
    assert_int_equal(
        make(NULL, "{\"x265-params\": {\"keyint\": 60, \"aq-mode\": 3}, \"c:v\": \"libx265\"}",
             AV_VIDEO | AV_AUDIO, &err),
        0);
    value("x265-params", "keyint=60:aq-mode=3");
}

static void a_flag_has_no_value_and_false_takes_it_away(void **state)
{
    (void)state;
    static const char *const flags[] = {"shortest", "sn"};
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        for (int on = 0; on < 2; on++) {
            AUTO(mem_free) char *map = mem_printf("{\"%s\":%s}", flags[i], on ? "true" : "false");
            int found = 0;

            assert_int_equal(make(NULL, map, AV_VIDEO | AV_AUDIO, &err), 0);
            for (int k = 0; k < p.setting_count; k++)
                if (!strcmp(p.settings[k].name, flags[i])) {
                    assert_null(p.settings[k].value); /* it would be taken for the name of a file */
                    found++;
                }
            assert_int_equal(found, on);
        }
}

static void what_cannot_be_made_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const maps[][3] = {
        {"{\"f\": \"hls\"}", "hls", ""},
        {"{\"f\": \"tee\"}", "tee", ""},
        {"{\"f\": \"image2\"}", "image2", ""},
        {"{\"vn\": true, \"an\": true}", "neither", ""},
        {"{\"c:v\": \"h264_vaapi\"}", "h264_vaapi", "INVALID_VIDEO_CODEC"},
        {"{\"codec\": {\"a\": \"libsomething\"}}", "libsomething", "INVALID_AUDIO_CODEC"},
    };

    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        struct err err = {0};

        if (make("ipad", maps[i][0], AV_VIDEO | AV_AUDIO, &err) == 0)
            fail_msg("%s was taken", maps[i][0]);
        assert_non_null(strstr(err.msg, maps[i][1]));
        assert_string_equal(err.name, maps[i][2]);
    }
}

static int begin(void **state)
{
    (void)state;
    a = arena_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_stands_for_a_row_of_its_own),
        cmocka_unit_test(the_clients_options_lie_over_the_preset),
        cmocka_unit_test(a_flag_has_no_value_and_false_takes_it_away),
        cmocka_unit_test(what_cannot_be_made_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
