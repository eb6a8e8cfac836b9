/* /audio/loop: again and again without a gap, and cut where it was asked. */
#include "../../unit/unit.h"
#include "heard.h"

#include <dirent.h>
#include <math.h>
#include <string.h>

static int looped(struct robot_job *job, const char *path, const char *step, struct err *err)
{
    return host_run_on(job, "/audio/loop", step, path, err);
}

static struct heard loop(struct robot_job *job, const char *path, const char *step)
{
    struct err err;

    if (looped(job, path, step, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return hear(job, host_output(job, 0)->path);
}

/* The quietest of all pieces of 5 ms. */
static double quietest(const struct heard *h, double from, double to)
{
    double least = 0;

    for (double at = from; at + 0.005 <= to; at += 0.005)
        least = fmin(least, heard_db(h, 0, at, at + 0.005));
    return least;
}

static void it_is_cut_at_the_duration_exactly(void **state)
{
    (void)state;
    static const double rows[] = {0.25, 1, 3.3333, 7};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.wav", "-f lavfi -i sine=f=441:d=1.5:r=44100");

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"duration\": %g, \"preset\": \"flac\"}", rows[i]);
        struct heard h = loop(job, path, step);

        assert_int_equal(h.n, llround(rows[i] * 44100));
    }
    struct heard once = hear(job, path),
                 h = loop(job, path, "{\"duration\": 4, \"preset\": \"flac\"}");
    for (int64_t i = 0; i < h.n; i++)
        if (fabsf(h.samples[i] - once.samples[i % once.n]) > 1e-4f)
            fail_msg("sample %d is another", (int)i);
    assert_true(host_progress_steps(job) > 0);
}

static void no_codec_leaves_a_gap(void **state)
{
    (void)state;
    static const char *const names[] = {"a.mp3", "a.m4a", "a.ogg", "a.opus"};
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(names); i++) { /* 441 Hz for 1 s: the end fits the beginning */
        struct heard h =
            loop(job, clip(job, names[i], "-f lavfi -i sine=f=441:d=1:r=44100 -b:a 128k"),
                 "{\"duration\": 5, \"preset\": \"wav\"}");

        assert_float_equal(h.seconds, 5, 1e-4);
        if (quietest(&h, 0.05, 4.95) < -24.5) /* -21 but for what the codec does */
            fail_msg("%s: %.1f dB", names[i], quietest(&h, 0.05, 4.95));
    }
}

static void a_minute_of_mp3_is_what_nobody_asks_otherwise_for(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path =
        clip(job, "a.mp3", "-f lavfi -i sine=f=441:d=1:r=44100 -metadata title=Bell");
    struct heard h = loop(job, path, "{}");

    assert_int_equal(h.n, 60 * 44100);
    assert_string_equal(jstr_or(host_output(job, 0)->meta, "title", ""), "Bell");
    assert_string_equal(jstr_or(host_output(job, 0)->meta, "audio_codec", ""), "mp3");
}

static int files_named(const char *dir, const char *ext)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int n = 0;

    while ((e = readdir(d)))
        n += strstr(e->d_name, ext) != NULL;
    closedir(d);
    return n;
}

static void nothing_is_left_and_what_is_wrong_is_said(void **state)
{
    (void)state;
    static const char *const wrong[] = {"{\"duration\": 0}", "{\"duration\": -1}",
                                        "{\"duration\": 86401}", "{\"duration\": \"long\"}",
                                        "{\"ffmpeg\": {\"map\": \"0:a:0\"}}"};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.wav", "-f lavfi -i sine=f=441:d=0.2:r=44100"),
               *silent =
                   clip(job, "s.mp4",
                        "-f lavfi -i testsrc=s=64x48:r=25:d=1 -c:v libx264 -preset ultrafast");
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(looped(job, path, wrong[i], &err), -1);
        assert_string_equal(err_name(&err), "AUDIO_LOOP_VALIDATION");
    }
    assert_int_equal(looped(job, silent, "{}", &err), 0);
    assert_int_equal(host_output_count(job), 0);
    assert_int_equal(
        looped(job, path,
               "{\"duration\": 1, \"ffmpeg\": {\"af\": \"volume=nosuch(1)\"}, \"preset\": \"mp3\"}",
               &err),
        -1);
    assert_string_equal(err_name(&err), "USER_COMMAND_ERROR");
    loop(job, path, "{\"duration\": 1}");
    assert_int_equal(files_named(host_dir(job), ".w64"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_cut_at_the_duration_exactly),
        cmocka_unit_test(no_codec_leaves_a_gap),
        cmocka_unit_test(a_minute_of_mp3_is_what_nobody_asks_otherwise_for),
        cmocka_unit_test(nothing_is_left_and_what_is_wrong_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
