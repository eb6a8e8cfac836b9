/* /audio/merge: sounds at the same time, their levels and lengths measured. */
#include "../../unit/unit.h"
#include "heard.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *tone(struct robot_job *job, const char *name, int hz, double seconds)
{
    AUTO(mem_free) char *args = mem_printf("-f lavfi -i \"sine=f=%d:d=%g:r=44100\"", hz, seconds);

    return clip(job, name, args);
}

static struct heard merge(struct robot_job *job, const char *step)
{
    struct err err;

    if (host_run(job, "/audio/merge", step, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return hear(job, host_output(job, 0)->path);
}

static void refused(struct robot_job *job, const char *step, const char *code, const char *says)
{
    struct err err = {0};

    if (host_run(job, "/audio/merge", step, &err) == 0)
        fail_msg("%s is taken", step);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, says))
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

static void average_is_as_loud_as_one_and_sum_as_all(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = tone(job, "a.wav", 500, 1);

    for (int i = 0; i < 4; i++)
        host_add_input(job, path);
    struct heard h = merge(job, "{\"preset\": \"flac\"}");
    assert_float_equal(heard_db(&h, 0, 0.1, 0.9), -21.07, 0.05); /* that of each */
    h = merge(job, "{\"preset\": \"flac\", \"volume\": \"sum\"}");
    assert_float_equal(heard_db(&h, 0, 0.1, 0.9), -21.07 + 12.04, 0.05);
    assert_int_equal(h.n, 44100);
}

static void who_has_ended_leaves_its_share_to_the_others(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    host_add_input(job, tone(job, "a.wav", 500, 1));
    host_add_input(job, tone(job, "b.wav", 2000, 4));
    struct heard h = merge(job, "{\"preset\": \"flac\"}");

    assert_int_equal(h.n, 4 * 44100);
    assert_float_equal(heard_tone(&h, 0, 500, 0.2, 0.8), -27.09, 0.1);
    assert_float_equal(heard_tone(&h, 0, 2000, 0.2, 0.8), -27.09, 0.1);
    assert_true(heard_tone(&h, 0, 500, 1.2, 1.8) < -60);
    assert_float_equal(heard_tone(&h, 0, 2000, 3.3, 3.9), -21.07, 0.2);
    h = merge(job, "{\"preset\": \"flac\", \"volume\": \"sum\"}");
    assert_float_equal(heard_tone(&h, 0, 2000, 0.2, 0.8), -21.07, 0.1);
    assert_float_equal(heard_tone(&h, 0, 2000, 3.3, 3.9), -21.07, 0.1);
}

static void the_length_is_that_of_the_one_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *step;
        double seconds;
        bool first_at_the_end, second_at_the_end;
    } rows[] = {
        {"{\"preset\": \"flac\"}", 3, false, false},
        {"{\"preset\": \"flac\", \"duration\": \"first\"}", 1.5, true, false},
        {"{\"preset\": \"flac\", \"duration\": \"shortest\"}", 0.4, true, true},
        {"{\"preset\": \"flac\", \"loop\": true}", 3, true, true},
        {"{\"preset\": \"flac\", \"loop\": \"true\", \"duration\": \"first\"}", 1.5, true, true},
        {"{\"preset\": \"flac\", \"loop\": true, \"duration\": \"shortest\"}", 0.4, true, true},
    };
    AUTO(host_free) struct robot_job *job = host_new();

    host_add_input(job, tone(job, "a.wav", 500, 1.5));
    host_add_input(job, tone(job, "b.wav", 2000, 0.4));
    host_add_input(job, tone(job, "c.wav", 4000, 3));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct heard h = merge(job, rows[i].step);
        double end = rows[i].seconds;

        assert_int_equal(h.n, llround(end * 44100));
        if ((heard_tone(&h, 0, 500, end - 0.05, end) > -40) != rows[i].first_at_the_end ||
            (heard_tone(&h, 0, 2000, end - 0.05, end) > -40) != rows[i].second_at_the_end ||
            heard_tone(&h, 0, 4000, end - 0.05, end) < -40)
            fail_msg("%s: another one sounds at the end", rows[i].step);
    }
}

static void a_repeated_sound_has_no_gaps(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    host_add_input(job, clip(job, "a.mp3", "-f lavfi -i sine=f=441:d=1:r=44100"));
    host_add_input(job, clip(job, "b.wav", "-f lavfi -i anullsrc=r=44100:cl=stereo -t 4"));
    struct heard h = merge(job, "{\"loop\": true, \"volume\": \"sum\", \"preset\": \"flac\"}");

    for (double at = 0.05; at < 3.9; at += 0.005)
        if (heard_db(&h, 0, at, at + 0.005) < -24.5)
            fail_msg("%.1f dB at %.3f s", heard_db(&h, 0, at, at + 0.005), at);
}

static void rates_and_channels_may_differ_and_films_have_sounds(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    host_add_input(job,
                   clip(job, "a.mp3", "-f lavfi -i sine=f=500:d=1:r=22050 -metadata title=One"));
    host_input_as(job, "audio");
    host_add_input(job,
                   clip(job, "b.wav", "-f lavfi -i sine=f=2000:d=1:r=48000 -af 'pan=5.1|FC=c0'"));
    host_input_as(job, "audio");
    host_add_input(job,
                   clip(job, "f.mp4",
                        "-f lavfi -i testsrc=s=64x48:r=25:d=1 -f lavfi -i sine=f=4000:d=1 -c:v "
                        "libx264 -preset ultrafast -c:a aac"));
    host_input_as(job, "audio");
    host_add_input(
        job,
        clip(job, "s.mp4", "-f lavfi -i testsrc=s=64x48:r=25:d=1 -c:v libx264 -preset ultrafast"));
    host_input_as(job, "audio");
    struct heard h = merge(job, "{\"volume\": \"sum\"}");

    assert_string_equal(host_output(job, 0)->name, "a.mp3");
    assert_null(json_object_get(host_output(job, 0)->meta, "title"));
    assert_int_equal(h.rate, 44100);
    assert_int_equal(h.channels, 2);
    assert_true(heard_tone(&h, 0, 500, 0.2, 0.8) > -23 && heard_tone(&h, 1, 500, 0.2, 0.8) > -23);
    assert_true(heard_tone(&h, 0, 2000, 0.2, 0.8) > -26);
    assert_true(heard_tone(&h, 1, 4000, 0.2, 0.8) > -24);
    assert_true(host_progress_steps(job) > 0);
}

static void what_can_not_be_mixed_is_refused(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *silent =
                   clip(job, "s.mp4",
                        "-f lavfi -i testsrc=s=64x48:r=25:d=1 -c:v libx264 -preset ultrafast"),
               *list = host_path(job, "list.mp3");
    struct err err;
    FILE *f = fopen(list, "w");

    fprintf(f, "#EXTM3U\n#EXTINF:1,\n%s\n", silent);
    fclose(f);
    host_add_input(job, silent);
    assert_int_equal(host_run(job, "/audio/merge", "{}", &err), 0);
    assert_int_equal(host_output_count(job), 0);
    refused(job, "{\"duration\": \"long\"}", "AUDIO_MERGE_VALIDATION", "duration");
    refused(job, "{\"volume\": \"loud\"}", "AUDIO_MERGE_VALIDATION", "volume");
    refused(job, "{\"ffmpeg\": {\"map\": \"0:a:0\"}}", "AUDIO_MERGE_VALIDATION", "map");
    host_add_input(job, list);
    refused(job, "{}", "INTERNAL_COMMAND_ERROR", "'list.mp3'");
    for (int i = 0; i < 498; i++)
        host_add_input(job, silent);
    assert_int_equal(host_run(job, "/audio/merge", "{}", &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.msg, "500 sounds are too many to be mixed, the most is 64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(average_is_as_loud_as_one_and_sum_as_all),
        cmocka_unit_test(who_has_ended_leaves_its_share_to_the_others),
        cmocka_unit_test(the_length_is_that_of_the_one_asked_for),
        cmocka_unit_test(a_repeated_sound_has_no_gaps),
        cmocka_unit_test(rates_and_channels_may_differ_and_films_have_sounds),
        cmocka_unit_test(what_can_not_be_mixed_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
