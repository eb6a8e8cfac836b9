/* /audio/split: pieces of a noise, compared with the whole sample by sample. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "heard.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NOISE "-f lavfi -i \"anoisesrc=d=4:r=44100:a=0.3:seed=7,aformat=sample_fmts=s16\" "

static int cut(struct robot_job *job, const char *path, const char *step, struct err *err)
{
    return host_run_on(job, "/audio/split", step, path, err);
}

static void split(struct robot_job *job, const char *path, const char *step)
{
    struct err err;

    if (cut(job, path, step, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

static void refused(struct robot_job *job, const char *path, const char *step, const char *code,
                    const char *says)
{
    struct err err = {0};

    if (cut(job, path, step, &err) == 0)
        fail_msg("%.200s is taken", step);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, says))
        fail_msg("%.200s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

/* How much the piece differs from whole at that sample, as a share of its power. */
static double differs(const struct heard *whole, int64_t at, const struct heard *piece)
{
    double power = 1e-12, off = 0;

    for (int64_t i = 0; i < piece->n && at + i < whole->n; i++) {
        double a = whole->samples[(at + i) * whole->channels],
               b = piece->samples[i * piece->channels];

        power += a * a;
        off += (a - b) * (a - b);
    }
    return off / power;
}

static void pieces_joined_again_are_the_whole(void **state)
{
    (void)state;
    static const char *const names[] = {"a.wav", "a.flac"};
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t k = 0; k < ARRAY_LEN(names); k++) {
        struct heard whole = hear(job, clip(job, names[k], NOISE));
        int64_t at = 0;

        split(job, host_path(job, names[k]),
              "{\"segments\": [{\"from\": 0, \"to\": 0.1234}, {\"from\": 0.1234, \"to\": "
              "\"00:00:02.7182\"}, "
              "{\"from\": 2.7182, \"to\": \"3.5\"}, {\"from\": 3.5, \"to\": 60}]}");
        assert_int_equal(host_output_count(job), 4);
        for (int i = 0; i < 4; i++) {
            struct heard piece = hear(job, host_output(job, i)->path);

            assert_string_equal(host_output(job, i)->name, names[k]);
            if (differs(&whole, at, &piece) > 0)
                fail_msg("piece %d of %s is another", i, names[k]);
            at += piece.n;
        }
        assert_int_equal(at, whole.n);
    }
    const json_t *meta = host_output(job, 3)->meta;
    assert_int_equal(jint(meta, "segment_index", -1), 3);
    assert_string_equal(jstr_or(meta, "starts_at", ""), "00:00:03.500");
    assert_string_equal(jstr_or(meta, "ends_at", ""), "00:00:04.000");
}

static void codec_container_and_bit_rate_stay_and_cuts_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *name, *more, *codec, *made;
        int bits;
    } rows[] = {
        {"a.mp3", "-b:a 320k", "mp3", "a.mp3", 320000},
        {"a.m4a", "-b:a 256k", "aac", "a.m4a", 0},
        {"a.ogg", "-q:a 9", "vorbis", "a.ogg", 0},
        {"a.opus", "-ar 48000 -b:a 250k", "opus", "a.opus", 0},
        {"a.mka", "-c:a flac", "flac", "a.mka", 0},
        {"a.mp4", "-c:a alac", "alac", "a.m4a", 0},
    };
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *args = mem_printf(NOISE "-af lowpass=2000 %s", rows[i].more);
        struct heard whole = hear(job, clip(job, rows[i].name, args));

        split(job, host_path(job, rows[i].name),
              "{\"segments\": [{\"from\": 2.25, \"to\": 3.25}]}");
        struct heard piece = hear(job, host_output(job, 0)->path);
        assert_string_equal(host_output(job, 0)->name, rows[i].made);
        assert_string_equal(jstr_or(host_output(job, 0)->meta, "audio_codec", ""), rows[i].codec);
        if (rows[i].bits)
            assert_int_equal(jint(host_output(job, 0)->meta, "audio_bitrate", 0), rows[i].bits);
        piece.n = piece.n > whole.rate ? whole.rate : piece.n;
        double off = differs(&whole, llround(2.25 * whole.rate), &piece);
        /* what encoding a second time changes; a single sample aside of a noise below 2 kHz is more
         */
        if (off > 0.03)
            fail_msg("%s differs by %.4f", rows[i].name, off);
    }
}

static void what_ffmpeg_can_not_find_a_moment_in_is_cut_as_exactly(void **state)
{
    (void)state;
    static const char *const names[] = {"a.wma", "a.ts", "a.mkv"};
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(mem_free) char *args = mem_printf(NOISE "%s", i == 1 ? "-c:a mp3" : "");
        struct heard whole = hear(job, clip(job, names[i], args));

        split(job, host_path(job, names[i]),
              "{\"preset\": \"flac\", \"segments\": [{\"from\": 2.25, \"to\": 3.25}]}");
        struct heard piece = hear(job, host_output(job, 0)->path);
        assert_int_equal(piece.n, whole.rate);
        if (differs(&whole, llround(2.25 * whole.rate), &piece) > 1e-4)
            fail_msg("%s differs by %.4f", names[i],
                     differs(&whole, llround(2.25 * whole.rate), &piece));
    }
}

static void a_preset_and_options_count_as_elsewhere(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.mp3", NOISE "-metadata title=Rain");

    split(
        job, path,
        "{\"preset\": \"wav\", \"sample_rate\": 8000, \"segments\": [{\"from\": 1, \"to\": 2.5}]}");
    assert_string_equal(host_output(job, 0)->name, "a.wav");
    assert_string_equal(jstr_or(host_output(job, 0)->meta, "title", ""), "Rain");
    assert_int_equal(hear(job, host_output(job, 0)->path).n, 12000);
    split(job, path,
          "{\"ffmpeg\": {\"c:a\": \"copy\"}, \"segments\": [{\"from\": 1, \"to\": 2.5}]}");
    assert_float_equal(hear(job, host_output(job, 0)->path).seconds, 1.5, 0.08);
    assert_true(host_progress_steps(job) > 0);
}

static void what_is_past_the_end_is_left_out(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.mp3", NOISE),
               *silent =
                   clip(job, "s.mp4",
                        "-f lavfi -i testsrc=s=64x48:r=25:d=1 -c:v libx264 -preset ultrafast");

    split(job, path,
          "{\"segments\": [{\"from\": 4, \"to\": 5}, {\"from\": 3, \"to\": 5}, {\"from\": 1e6, "
          "\"to\": 2e6}]}");
    assert_int_equal(host_output_count(job), 1);
    assert_int_equal(jint(host_output(job, 0)->meta, "segment_index", -1), 1);
    assert_int_equal(hear(job, host_output(job, 0)->path).n, 44100);
    refused(job, path,
            "{\"segments\": [{\"from\": 4, \"to\": 5}, {\"from\": 100, \"to\": \"1:00:00\"}]}",
            "AUDIO_SPLIT_NO_OUTPUT", "ends before");
    refused(job, path, "{\"segments\": [{\"from\": 3.9999999, \"to\": 5}]}",
            "AUDIO_SPLIT_NO_OUTPUT", "ends before");
    refused(job, silent, "{\"segments\": [{\"from\": 0, \"to\": 1}]}", "AUDIO_SPLIT_NO_OUTPUT",
            "has no sound");
}

static void what_are_no_segments_is_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{}", "segments"},
        {"{\"segments\": []}", "at least one"},
        {"{\"segments\": [{\"from\": 2, \"to\": 1}]}", "does not begin before it ends"},
        {"{\"segments\": [{\"from\": \"-1\", \"to\": 1}]}", "'from' of entry 1"},
        {"{\"segments\": [{\"from\": 0, \"to\": 1}], \"ffmpeg\": {\"map\": \"0:a:1\"}}", "map"},
        {"{\"segments\": [{\"from\": 0, \"to\": 1}], \"sample_rate\": 7}", "less than any"},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.wav", NOISE);
    AUTO(str_done) struct str many = {0};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        refused(job, path, rows[i][0], "AUDIO_SPLIT_VALIDATION", rows[i][1]);
    str_puts(&many, "{\"segments\": [");
    for (int i = 0; i < 1000000; i++)
        str_puts(&many, i ? ",{\"from\":0,\"to\":1}" : "{\"from\":0,\"to\":1}");
    str_puts(&many, "]}");
    refused(job, path, many.s, "AUDIO_SPLIT_VALIDATION", "1000000 entries, the most is 1000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_joined_again_are_the_whole),
        cmocka_unit_test(codec_container_and_bit_rate_stay_and_cuts_are_exact),
        cmocka_unit_test(what_ffmpeg_can_not_find_a_moment_in_is_cut_as_exactly),
        cmocka_unit_test(a_preset_and_options_count_as_elsewhere),
        cmocka_unit_test(what_is_past_the_end_is_left_out),
        cmocka_unit_test(what_are_no_segments_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
