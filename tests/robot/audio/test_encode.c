/* /audio/encode: what comes out of sounds and films, measured. */
#include "../../unit/unit.h"
#include "heard.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TONE "-f lavfi -i \"sine=f=440:d=2:r=44100\" " /* -21.07 dB */

static const char *encode(struct robot_job *job, const char *path, const char *step)
{
    struct err err;

    if (host_run_on(job, "/audio/encode", step, path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    return host_output_count(job) ? host_output(job, 0)->path : NULL;
}

/* What is known of the last result: "audio_codec"... */
static const char *text_of(struct robot_job *job, const char *key)
{
    return jstr_or(host_output(job, 0)->meta, key, "");
}

static int number_of(struct robot_job *job, const char *key)
{
    return (int)jint(host_output(job, 0)->meta, key, -1);
}

static void refused(struct robot_job *job, const char *path, const char *step, const char *code,
                    const char *says)
{
    struct err err = {0};

    if (host_run_on(job, "/audio/encode", step, path, &err) == 0)
        fail_msg("%s is taken", step);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, says))
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

static void each_preset_makes_what_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *preset, *name, *mime, *codec;
        int rate, channels;
    } rows[] = {
        {"mp3", "a.mp3", "audio/mpeg", "mp3", 44100, 2},
        {"aac", "a.m4a", "audio/x-m4a", "aac", 44100, 2},
        {"audio_aac", NULL, NULL, NULL, 0, 0},
        {"audio/aac", "a.m4a", "audio/x-m4a", "aac", 48000, 2},
        {"flac", "a.flac", "audio/flac", "flac", 44100, 2},
        {"audio/alac", "a.m4a", "audio/x-m4a", "alac", 44100, 2},
        {"ogg", "a.ogg", "audio/ogg", "vorbis", 48000, 2},
        {"opus", "a.opus", "audio/ogg", "opus", 48000, 2},
        {"wav", "a.wav", "audio/x-wav", "pcm_s16le", 48000, 2},
        {"speech", "a.wav", "audio/x-wav", "pcm_s16le", 16000, 1},
        {"dash_32k_audio", "a.mp4", NULL, "aac", 44100, 2},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.flac", "-f lavfi -i sine=f=440:d=2:r=48000 -ac 2");

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"preset\": \"%s\"}", rows[i].preset);

        if (!rows[i].name) {
            refused(job, path, step, "AUDIO_ENCODE_VALIDATION", "preset");
            continue;
        }
        const char *made = encode(job, path, step);
        struct heard h = hear(job, made);

        assert_string_equal(host_output(job, 0)->name, rows[i].name);
        if (rows[i].mime)
            assert_string_equal(host_output(job, 0)->mime, rows[i].mime);
        if (strcmp(text_of(job, "audio_codec"), rows[i].codec) || h.rate != rows[i].rate ||
            h.channels != rows[i].channels)
            fail_msg("%s: %s, %d Hz, %d channels", rows[i].preset, text_of(job, "audio_codec"),
                     h.rate, h.channels);
        if (fabs(h.seconds - 2) > (strcmp(rows[i].codec, "aac") ? 0.0005 : 0.025))
            fail_msg("%s lasts %.4f s", rows[i].preset, h.seconds);
    }
    assert_true(host_progress_steps(job) > 0);
}

static void raw_floats_are_those_of_a_model_for_speech(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    encode(job, clip(job, "a.wav", TONE), "{\"preset\": \"hg-transformers-audio\"}");
    assert_string_equal(host_output(job, 0)->name, "a.raw");
    assert_int_equal(host_output(job, 0)->size, 2 * 16000 * 4);
}

static void mp3_is_the_default_where_neither_preset_nor_ffmpeg_is_given(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.wav", TONE);

    encode(job, path, "{}");
    assert_string_equal(text_of(job, "audio_codec"), "mp3");
    assert_int_equal(number_of(job, "audio_bitrate"), 128000);
    /* with options alone only these count: the container stays, and so does the rate */
    encode(job, path, "{\"ffmpeg\": {\"c:a\": \"pcm_u8\"}}");
    assert_string_equal(host_output(job, 0)->name, "a.wav");
    assert_string_equal(text_of(job, "audio_codec"), "pcm_u8");
    encode(job, path, "{\"ffmpeg\": {\"acodec\": \"libfdk_aac\", \"ar\": 22050, \"ac\": 2}}");
    assert_string_equal(host_output(job, 0)->name, "a.m4a"); /* WAV would not do */
    assert_string_equal(text_of(job, "audio_codec"), "aac");
    assert_int_equal(number_of(job, "audio_samplerate"), 22050);
    encode(job, path, "{\"ffmpeg\": {\"f\": \"matroska\", \"codec\": {\"a\": \"flac\"}}}");
    assert_string_equal(host_output(job, 0)->name, "a.mka");
    encode(job, path, "{\"preset\": \"empty\"}");
    assert_string_equal(host_output(job, 0)->name, "a.wav");
}

static void bitrate_and_sample_rate_go_over_the_preset_and_ffmpeg_over_both(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.wav", TONE);

    encode(job, path, "{\"bitrate\": 64000, \"sample_rate\": 22050}");
    assert_int_equal(number_of(job, "audio_bitrate"), 64000);
    assert_int_equal(number_of(job, "audio_samplerate"), 22050);
    encode(job, path,
           "{\"preset\": \"mp3\", \"bitrate\": \"64000\", \"sample_rate\": 22050, "
           "\"ffmpeg\": {\"b\": {\"a\": \"96k\"}, \"ar\": 32000}}");
    assert_int_equal(number_of(job, "audio_bitrate"), 96000);
    assert_int_equal(number_of(job, "audio_samplerate"), 32000);
    encode(job, path, "{\"preset\": \"flac\", \"sample_rate\": 96000, \"bitrate\": 1}");
    assert_int_equal(number_of(job, "audio_samplerate"), 96000);
}

static void channels_become_others_at_the_level_that_they_had(void **state)
{
    (void)state;
    /* level in dB of the left, of the right; and of one, of the channel that sounds at -21.07 alone
     */
    static const struct {
        const char *only;
        double left, right, mono;
    } rows[] = {{"FL", 0, -99, 0},      {"FR", -99, 0, 0},  {"FC", -3, -3, -10.6},
                {"LFE", -99, -99, -99}, {"BL", -3, -99, 0}, {"BR", -99, -3, 0}};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path;
    struct heard h;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int wide = 0; wide < (i == 0 ? 2 : 1); wide++) { /* whole numbers and floats alike */
            AUTO(mem_free)
            char *args = mem_printf(TONE "-af \"pan=5.1|%s=c0\" -c:a %s", rows[i].only,
                                    wide ? "pcm_f32le" : "pcm_s16le");

            path = clip(job, "six.wav", args);
            h = hear(job, encode(job, path, "{\"preset\": \"flac\", \"ffmpeg\": {\"ac\": 2}}"));
            assert_int_equal(h.channels, 2);
            double l = heard_db(&h, 0, 0.5, 1.5) + 21.07, r = heard_db(&h, 1, 0.5, 1.5) + 21.07;
            if ((rows[i].left > -50 ? fabs(l - rows[i].left) > 0.2 : l > -50) ||
                (rows[i].right > -50 ? fabs(r - rows[i].right) > 0.2 : r > -50))
                fail_msg("%s (%d): %.2f %.2f dB", rows[i].only, wide, l, r);
            if (i != 2 && i != 3)
                continue;
            h = hear(job, encode(job, path, "{\"preset\": \"speech\"}"));
            l = heard_db(&h, 0, 0.5, 1.5) + 21.07;
            if (rows[i].mono > -50 ? fabs(l - rows[i].mono) > 1 : l > -50)
                fail_msg("%s (%d) alone: %.2f dB", rows[i].only, wide, l);
        }
    path = clip(job, "one.wav", TONE);
    h = hear(job, encode(job, path, "{\"preset\": \"flac\", \"ffmpeg\": {\"ac\": 2}}"));
    assert_float_equal(heard_db(&h, 0, 0.5, 1.5), -21.07, 0.05);
    assert_float_equal(heard_db(&h, 1, 0.5, 1.5), -21.07, 0.05);
    path = clip(job, "two.wav", TONE "-af \"pan=stereo|c0=c0|c1=c0\"");
    h = hear(job, encode(job, path, "{\"preset\": \"speech\"}"));
    assert_float_equal(heard_db(&h, 0, 0.5, 1.5), -21.07, 0.05);
    path = clip(job, "side.wav", TONE "-af \"pan=5.1(side)|c0=c0\"");
    encode(job, path, "{\"preset\": \"opus\"}");
    assert_int_equal(number_of(job, "audio_channels"), 6);
}

static void a_film_gives_its_first_sound_and_one_without_gives_nothing(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char
        *film =
            clip(job, "f.mkv",
                 "-f lavfi -i testsrc=s=64x48:r=25:d=2 " TONE
                 "-f lavfi -i sine=f=880:d=2 -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast"),
        *silent = clip(job, "s.mp4",
                       "-f lavfi -i testsrc=s=64x48:r=25:d=1 -c:v libx264 -preset ultrafast");
    struct heard h = hear(job, encode(job, film, "{}"));

    assert_string_equal(host_output(job, 0)->name, "f.mp3");
    assert_float_equal(h.seconds, 2, 0.03);
    assert_true(heard_tone(&h, 0, 440, 0.5, 1.5) > -22 && heard_tone(&h, 0, 880, 0.5, 1.5) < -60);
    h = hear(job, encode(job, film, "{\"preset\": \"wav\", \"ffmpeg\": {\"map\": \"0:a:1\"}}"));
    assert_true(heard_tone(&h, 0, 880, 0.5, 1.5) > -22);
    encode(job, film, "{\"preset\": \"empty\"}");
    assert_string_equal(host_output(job, 0)->name, "f.mka");
    assert_null(encode(job, silent, "{}"));
}

static void titles_and_the_cover_are_kept_where_the_container_takes_them(void **state)
{
    (void)state;
    static const char *const presets[] = {"mp3", "aac", "flac", "ogg"};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *cover = clip(job, "c.png", "-f lavfi -i color=red:s=30x20 -frames:v 1");
    AUTO(mem_free)
    char *args =
        mem_printf(TONE "-i %s -map 0 -map 1 -c:v copy -disposition:v attached_pic -metadata "
                        "title='A title' -metadata artist=Somebody",
                   cover);
    const char *from[] = {
        clip(job, "a.mp3", args),
        clip(job, "a.ogg", TONE "-metadata title='A title' -metadata artist=Somebody")};

    for (size_t i = 0; i < ARRAY_LEN(presets); i++)
        for (int k = 0; k < 2; k++) {
            AUTO(mem_free) char *step = mem_printf("{\"preset\": \"%s\"}", presets[i]);
            encode(job, from[k], step);
            bool art = json_is_true(json_object_get(host_output(job, 0)->meta, "has_artwork"));

            if (strcmp(text_of(job, "title"), "A title") ||
                strcmp(text_of(job, "artist"), "Somebody"))
                fail_msg("%s of %s has no title", presets[i], from[k]);
            if (art != (k == 0 && i < 3))
                fail_msg("%s of %s: cover %d", presets[i], from[k], art);
        }
    encode(job, from[0], "{\"ffmpeg\": {\"vn\": true}, \"preset\": \"mp3\"}");
    assert_false(json_is_true(json_object_get(host_output(job, 0)->meta, "has_artwork")));
    /* a cover that looks like one only for its first bytes does no harm */
    const char *torn = host_path(job, "torn.mp3");
    AUTO(mem_free)
    char *tear = mem_printf(
        "python3 -c \"import sys; d=open('%s','rb').read(); "
        "i=d.find(b'IHDR'); open('%s','wb').write(d[:i]+b'XXXX'+bytes(200)[:40]+d[i+44:])\"",
        from[0], torn);
    assert_int_equal(system(tear), 0);
    assert_float_equal(hear(job, encode(job, torn, "{}")).seconds, 2, 0.03);
}

static void what_the_encoder_can_not_do_is_said(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.wav", TONE);

    refused(job, path, "{\"sample_rate\": 96000}", "AUDIO_ENCODE_VALIDATION", "mp3 has 8000 11025");
    refused(job, path, "{\"preset\": \"opus\", \"sample_rate\": 44100}", "AUDIO_ENCODE_VALIDATION",
            "opus has");
    refused(job, path, "{\"preset\": \"wav\", \"sample_rate\": 10}", "AUDIO_ENCODE_VALIDATION",
            "less than any");
    refused(job, path, "{\"preset\": \"web/mp4/240p\"}", "AUDIO_ENCODE_VALIDATION", "preset");
    refused(job, path, "{\"bitrate\": 0}", "AUDIO_ENCODE_VALIDATION", "bitrate");
    refused(job, path, "{\"preset\": \"ogg\", \"bitrate\": 1}", "USER_COMMAND_ERROR", "ffmpeg");
    refused(job, path, "{\"ffmpeg\": {\"c:a\": \"nosuch\"}}", "AUDIO_ENCODE_INVALID_AUDIO_CODEC",
            "nosuch");
    refused(job, path, "{\"ffmpeg\": {\"an\": true}}", "AUDIO_ENCODE_VALIDATION", "neither");
    refused(job, path, "{\"ffmpeg\": {\"i\": \"/etc/passwd\"}}", "AUDIO_ENCODE_VALIDATION", "'i'");
    refused(job, path, "{\"ffmpeg\": {\"af\": \"amovie=/etc/passwd\"}}", "AUDIO_ENCODE_VALIDATION",
            "amovie");
    refused(job, path, "{\"ffmpeg\": {\"af\": \"volume=nosuch(1)\"}}", "USER_COMMAND_ERROR",
            "ffmpeg");
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    fputs(text, f);
    fclose(f);
}

static void playlists_and_what_is_no_sound_are_no_input(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *inside = clip(job, "inside.mp3", TONE);
    const char *const texts[] = {
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n%s\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '%s'\n", "[playlist]\nFile1=%s\nNumberOfEntries=1\n",
        "RIFF no sound %s", "%s"};
    static const char *const names[] = {"l.mp3", "l.m3u8", "l.wav", "l.ffconcat", "l.ogg"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (size_t n = 0; n < ARRAY_LEN(names); n++) {
            const char *path = host_path(job, names[n]);
            AUTO(mem_free) char *text = mem_printf(texts[i], inside);

            write_text(path, text);
            refused(job, path, "{}", "INTERNAL_COMMAND_ERROR", "");
        }
    write_text(host_path(job, "empty.mp3"), "");
    refused(job, host_path(job, "empty.mp3"), "{}", "INTERNAL_COMMAND_ERROR", "");
}

static void a_sound_that_claims_ten_hours_lasts_as_long_as_it_does(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "long.wav", TONE);
    /* sizes of RIFF and of its data: ten hours of 44.1 kHz, 16 bit */
    const uint32_t claimed = 36000u * 88200;
    FILE *f = fopen(path, "r+");

    fseek(f, 4, SEEK_SET);
    fwrite(&claimed, 4, 1, f);
    fseek(f, 74, SEEK_SET);
    fwrite(&claimed, 4, 1, f);
    fclose(f);
    assert_float_equal(hear(job, encode(job, path, "{}")).seconds, 2, 0.001);
    assert_float_equal(json_number_value(json_object_get(host_output(job, 0)->meta, "duration")), 2,
                       0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_preset_makes_what_it_says),
        cmocka_unit_test(raw_floats_are_those_of_a_model_for_speech),
        cmocka_unit_test(mp3_is_the_default_where_neither_preset_nor_ffmpeg_is_given),
        cmocka_unit_test(bitrate_and_sample_rate_go_over_the_preset_and_ffmpeg_over_both),
        cmocka_unit_test(channels_become_others_at_the_level_that_they_had),
        cmocka_unit_test(a_film_gives_its_first_sound_and_one_without_gives_nothing),
        cmocka_unit_test(titles_and_the_cover_are_kept_where_the_container_takes_them),
        cmocka_unit_test(what_the_encoder_can_not_do_is_said),
        cmocka_unit_test(playlists_and_what_is_no_sound_are_no_input),
        cmocka_unit_test(a_sound_that_claims_ten_hours_lasts_as_long_as_it_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
