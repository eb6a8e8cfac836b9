/* /speech/transcribe and what is read of answers. What needs a whole service:
 * tests/transfer/models.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"
#include "transfer/transcript.h"

#define ROBOT "/speech/transcribe"

static void languages_are_checked_before(void **state)
{
    (void)state;
    talk_checks(ROBOT, "{}", NULL);
    talk_checks(ROBOT, "{\"source_language\": \"pt-BR\", \"target_language\": \"PT\"}", NULL);
    talk_checks(ROBOT, "{\"source_language\": \"de\", \"target_language\": \"en\"}", NULL);
    talk_checks(ROBOT, "{\"source_language\": \"de\", \"target_language\": \"fr\"}",
                "/text/translate");
    talk_checks(
        ROBOT,
        "{\"source_language\": \"de\", \"target_language\": \"en\", \"speaker_labels\": true}",
        "speaker");
    talk_checks(ROBOT, "{\"source_language\": \"de; x\"}", "source_language");
}

static void the_sound_is_sent_with_what_is_asked_for(void **state)
{
    const struct talk_turn turns[] = {
        {"GET /models", NULL, 200, NULL, "{\"data\": [{\"id\": \"whisper\"}]}"},
        {"POST /audio/transcriptions", "name=\"language\"\r\n\r\npt\r\n", 503, "Retry-After: 0\r\n",
         "{}"},
        {"POST /audio/transcriptions", "name=\"model\"\r\n\r\nwhisper\r\n", 200, NULL,
         "{\"text\": \"ola\", \"words\": [{\"word\": \"ola\", \"start\": 0, \"end\": 1}]}"},
        {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "speech", "the sound");
    talk_run(&t, "{\"source_language\": \"pt-BR\", \"format\": \"meta\"}", NULL, NULL);
    assert_string_equal(jstr(json_object_get(host_output(t.job, 0)->meta, "transcription"), "text"),
                        "ola");
    talk_end(&t);
}

static void what_meta_has_no_room_for_is_said(void **state)
{
    AUTO(str_done) struct str answer = {0};
    struct talk_turn turns[] = {{"POST /audio/transcriptions", NULL, 200, NULL, NULL}, {0}};
    struct talk t;
    (void)state;

    str_puts(&answer, "{\"text\": \"\", \"words\": [");
    for (int i = 0; i < 6000; i++)
        str_addf(&answer, "%s{\"word\": \"w\", \"start\": %d, \"end\": %d}", i ? "," : "", i, i + 1);
    str_puts(&answer, "]}");
    turns[0].answer = answer.s;
    talk_begin(&t, turns, ROBOT, "speech", "the sound");
    talk_run(&t, "{\"model\": \"m\", \"format\": \"meta\"}", "INVALID_INPUT_ERROR", "'format'");
    talk_end(&t);
}

static int try_read(struct transcript *t, const char *answer)
{
    struct err err;

    return transcript_read(t, answer, strlen(answer), 10, &err);
}

static void answers_that_can_not_be_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "7",
        "[]",
        "{}",
        "{\"text\": null}",
        "{\"text\": \"a\"",
        "{\"text\": \"a\", \"words\": [{\"word\": \"a\", \"start\": 2, \"end\": 1}]}",
        "{\"text\": \"a\", \"words\": [{\"word\": \"a\", \"start\": -1, \"end\": 1}]}",
        "{\"text\": \"a\", \"segments\": [{\"text\": \"a\", \"start\": 0, \"end\": 360001}]}",
    };
    static const char *const fine[] = {
        "{\"text\": \"\"}",
        "{\"segments\": []}",
        "{\"text\": \"a\", \"words\": 7, \"segments\": {\"a\": 1}}",
        "{\"text\": \"a\", \"words\": [7, null, {}, {\"word\": 7, \"start\": 0, \"end\": 1}]}",
        "{\"text\": \"a\", \"words\": [{\"word\": \"a\"}]}",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct transcript t;

        if (try_read(&t, bad[i]) == 0)
            fail_msg("it takes %s", bad[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        AUTO(transcript_done) struct transcript t = {0};

        if (try_read(&t, fine[i]) < 0)
            fail_msg("it refuses %s", fine[i]);
        assert_int_equal(json_array_size(t.words), 0);
    }
}

static void words_without_segments_become_lines(void **state)
{
    AUTO(transcript_done) struct transcript t = {0};
    AUTO(str_done) struct str in = {0}, out = {0};
    (void)state;

    str_puts(&in, "{\"text\": \"\", \"words\": [");
    for (int i = 0; i < 30; i++)
        str_addf(&in, "%s{\"word\": \" w%d\\n\", \"start\": %g, \"end\": %g}", i ? "," : "", i,
                 i * 0.2, i * 0.2 + 0.1);
    str_puts(&in, "]}");
    assert_int_equal(try_read(&t, in.s), 0);
    assert_true(transcript_subtitles(&out, &t, false));
    assert_non_null(strstr(
        out.s, "1\n00:00:00,000 --> 00:00:02,300\nw0 w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11\n\n2\n"));
    assert_non_null(strstr(out.s, "\n\n3\n00:00:04,800 --> "));
    assert_null(strstr(out.s, "\n\n4\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(languages_are_checked_before),
        cmocka_unit_test(the_sound_is_sent_with_what_is_asked_for),
        cmocka_unit_test(what_meta_has_no_room_for_is_said),
        cmocka_unit_test(answers_that_can_not_be_are_refused),
        cmocka_unit_test(words_without_segments_become_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
