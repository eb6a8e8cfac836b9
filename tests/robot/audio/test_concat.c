/* /audio/concat: sounds of known pitch and level, joined and measured. */
#include "../../unit/unit.h"
#include "heard.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* `seconds` of a tone, by default in the rate 44100 and one channel. */
static const char *tone(struct robot_job *job, const char *name, int hz, double seconds,
                        const char *more)
{
    AUTO(mem_free)
    char *args = mem_printf("-f lavfi -i \"sine=f=%d:d=%g:r=44100\" %s", hz, seconds, more);

    return clip(job, name, args);
}

static struct heard concat(struct robot_job *job, const char *step)
{
    struct err err;

    if (host_run(job, "/audio/concat", step, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return hear(job, host_output(job, 0)->path);
}

static void refused(struct robot_job *job, const char *step, const char *code, const char *says)
{
    struct err err = {0};

    if (host_run(job, "/audio/concat", step, &err) == 0)
        fail_msg("%s is taken", step);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, says))
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

/* Level of each of some moments, against that of the tone by itself. */
static double level(const struct heard *h, int hz, double at)
{
    return heard_tone(h, 0, hz, at - 0.02, at + 0.02) + 21.07;
}

static void sounds_fade_at_their_joint_and_nowhere_else(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    host_add_input(job, tone(job, "a.wav", 500, 2, ""));
    host_add_input(job, tone(job, "b.wav", 2000, 2, ""));
    struct heard h =
        concat(job, "{\"audio_fade_seconds\": 0.5, \"preset\": \"wav\", \"sample_rate\": 44100}");

    assert_int_equal(h.n, 4 * 44100);
    assert_float_equal(level(&h, 500, 0.03), 0, 0.2);
    assert_float_equal(level(&h, 500, 1.4), 0, 0.2);
    assert_float_equal(level(&h, 500, 1.75), -6.02, 0.3); /* half way */
    assert_true(level(&h, 500, 1.97) < -15);
    assert_true(level(&h, 2000, 2.03) < -15);
    assert_true(level(&h, 2000, 1.9) < -50);
    assert_float_equal(level(&h, 2000, 2.25), -6.02, 0.3);
    assert_float_equal(level(&h, 2000, 2.6), 0, 0.2);
    assert_float_equal(level(&h, 2000, 3.97), 0, 0.2);

    h = concat(job, "{\"audio_fade_seconds\": 0, \"preset\": \"flac\"}");
    assert_int_equal(h.n, 4 * 44100);
    assert_float_equal(level(&h, 500, 1.975), 0, 0.2);
    assert_float_equal(level(&h, 2000, 2.025), 0, 0.2);
}

static void crossfade_lays_neighbours_over_each_other(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    host_add_input(job, tone(job, "a.wav", 500, 2, ""));
    host_add_input(job, tone(job, "b.wav", 2000, 3, ""));
    host_add_input(job, tone(job, "c.wav", 4000, 2, ""));
    struct heard h =
        concat(job, "{\"audio_fade_seconds\": 0.5, \"crossfade\": true, \"preset\": \"flac\"}");

    assert_int_equal(h.n, 6 * 44100);
    assert_float_equal(level(&h, 500, 1.75), -6.02, 0.3);
    assert_float_equal(level(&h, 2000, 1.75), -6.02, 0.3);
    assert_float_equal(level(&h, 2000, 2.1), 0, 0.2);
    assert_float_equal(level(&h, 4000, 4.25), -6.02, 0.3);
    assert_true(level(&h, 500, 2.05) < -50);
    /* 0 is a second here */
    h = concat(job, "{\"audio_fade_seconds\": 0, \"crossfade\": true, \"preset\": \"flac\"}");
    assert_int_equal(h.n, 5 * 44100);
}

static void short_sounds_are_faded_over_half_of_them(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    host_add_input(job, tone(job, "a.wav", 500, 2, ""));
    host_add_input(job, tone(job, "b.wav", 2000, 0.4, ""));
    host_add_input(job, tone(job, "c.wav", 500, 2, ""));
    assert_int_equal(concat(job, "{\"preset\": \"flac\"}").n, 44100 * 44 / 10);
    struct heard h =
        concat(job, "{\"preset\": \"flac\", \"crossfade\": true, \"audio_fade_seconds\": 60}");
    assert_int_equal(h.n, 44100 * 4);
    assert_float_equal(level(&h, 2000, 2), 0, 1.5);
}

static void numbers_come_first_then_the_order_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *step;
        int hz[3];
    } rows[] = {
        {"\"sort_by\": \"auto\"", {3000, 500, 1000}},
        {"\"sort_by\": \"import_order\"", {3000, 500, 1000}},
        {"\"sort_by\": \"basename\"", {1000, 500, 3000}},
    };
    AUTO(host_free) struct robot_job *job = host_new(), *numbered = host_new();
    const char *paths[] = {tone(job, "s10.wav", 3000, 0.5, ""), tone(job, "s2.wav", 500, 0.5, ""),
                           tone(job, "s1.wav", 1000, 0.5, "")};
    static const char *const as[] = {"audio_10", "audio", "audio_2"};

    for (int i = 0; i < 3; i++) {
        host_add_input(job, paths[i]);
        host_add_input(numbered, paths[i]);
        host_input_as(numbered, as[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free)
        char *step =
            mem_printf("{\"audio_fade_seconds\": 0, \"preset\": \"flac\", %s}", rows[i].step);
        struct heard h = concat(job, step);

        for (int k = 0; k < 3; k++)
            if (level(&h, rows[i].hz[k], 0.25 + 0.5 * k) < -1)
                fail_msg("%s: %d is not number %d", step, rows[i].hz[k], k);
    }
    struct heard h = concat(numbered, "{\"audio_fade_seconds\": 0, \"preset\": \"flac\"}");
    assert_true(level(&h, 1000, 0.25) > -1 && level(&h, 3000, 0.75) > -1 &&
                level(&h, 500, 1.25) > -1);
}

static void rates_layouts_and_codecs_may_differ(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    host_add_input(job, tone(job, "a.mp3", 500, 1, "-ar 22050"));
    host_add_input(job, tone(job, "b.m4a", 1000, 1, "-ar 48000 -ac 2"));
    host_add_input(job, tone(job, "c.wav", 2000, 1, "-af 'pan=5.1|FC=c0' -ar 96000"));
    host_add_input(job, tone(job, "d.opus", 4000, 1, ""));
    host_add_input(job,
                   clip(job, "silent.mp4",
                        "-f lavfi -i testsrc=s=64x48:r=25:d=1 -c:v libx264 -preset ultrafast"));
    host_add_input(job,
                   clip(job, "film.mkv",
                        "-f lavfi -i testsrc=s=64x48:r=25:d=1 -f lavfi -i sine=f=8000:d=1 -c:v "
                        "libx264 -preset ultrafast -c:a libvorbis"));
    struct heard h = concat(job, "{\"audio_fade_seconds\": 0}");

    assert_string_equal(host_output(job, 0)->name, "a.mp3");
    assert_int_equal(h.rate, 44100);
    assert_int_equal(h.channels, 2);
    assert_float_equal(h.seconds, 5, 0.04);
    assert_float_equal(level(&h, 500, 0.5), 0,
                       1.2); /* mono, from both sides; LAME takes half a dB off a tone */
    assert_float_equal(level(&h, 2000, 2.5), -3, 0.5); /* the middle */
    assert_float_equal(level(&h, 4000, 3.5), 0, 1.5);
    assert_true(level(&h, 8000, 4.5) > -6);
    assert_true(host_progress_steps(job) > 0);
    h = concat(job,
               "{\"audio_fade_seconds\": 0, \"ffmpeg\": {\"f\": \"flac\", \"c:a\": \"flac\"}}");
    assert_int_equal(h.rate, 96000); /* the most that any has, where no preset says another */
    assert_int_equal(h.channels, 6);
}

static void titles_of_one_are_not_those_of_all(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    host_add_input(job, tone(job, "a.mp3", 500, 1, "-metadata title=One"));
    host_add_input(job, tone(job, "b.mp3", 500, 1, "-metadata title=Two"));
    concat(job, "{}");
    assert_null(json_object_get(host_output(job, 0)->meta, "title"));
}

static void what_can_not_be_joined_is_refused(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *silent =
                   clip(job, "silent.mp4",
                        "-f lavfi -i testsrc=s=64x48:r=25:d=1 -c:v libx264 -preset ultrafast"),
               *list = host_path(job, "list.mp3"), *sound = tone(job, "a.wav", 500, 1, "");
    FILE *f = fopen(list, "w");

    fprintf(f, "ffconcat version 1.0\nfile '%s'\n", sound);
    fclose(f);
    host_add_input(job, silent);
    refused(job, "{}", "AUDIO_CONCAT_INVALID_INPUT", "none of the files");
    host_add_input(job, sound);
    assert_int_equal(concat(job, "{\"preset\": \"flac\"}").n, 44100); /* one alone is as it is */
    refused(job, "{\"crossfade\": true}", "AUDIO_CONCAT_INVALID_INPUT", "crossfade needs two");
    host_add_input(job, list);
    refused(job, "{}", "AUDIO_CONCAT_INVALID_INPUT", "'list.mp3'");
    refused(job, "{\"audio_fade_seconds\": -1}", "AUDIO_CONCAT_VALIDATION", "audio_fade_seconds");
    refused(job, "{\"audio_fade_seconds\": 61}", "AUDIO_CONCAT_VALIDATION", "audio_fade_seconds");
    refused(job, "{\"ffmpeg\": {\"filter_complex\": \"[0:a]anull[a]\"}}", "AUDIO_CONCAT_VALIDATION",
            "filter_complex");
}

static void two_hundred_are_joined_and_more_are_refused(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = tone(job, "a.wav", 500, 0.05, "");

    for (int i = 0; i < 200; i++)
        host_add_input(job, path);
    assert_int_equal(concat(job, "{\"preset\": \"flac\", \"audio_fade_seconds\": 0.01}").n,
                     10 * 44100);
    for (int i = 0; i < 300; i++)
        host_add_input(job, path);
    refused(job, "{}", "AUDIO_CONCAT_INVALID_INPUT", "500 files are too many, the most is 200");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sounds_fade_at_their_joint_and_nowhere_else),
        cmocka_unit_test(crossfade_lays_neighbours_over_each_other),
        cmocka_unit_test(short_sounds_are_faded_over_half_of_them),
        cmocka_unit_test(numbers_come_first_then_the_order_asked_for),
        cmocka_unit_test(rates_layouts_and_codecs_may_differ),
        cmocka_unit_test(titles_of_one_are_not_those_of_all),
        cmocka_unit_test(what_can_not_be_joined_is_refused),
        cmocka_unit_test(two_hundred_are_joined_and_more_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
