/* /text/speak: texts are spoken, by whom and for how long is measured; markup is hostile. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "heard.h"
#include "media/speech_text.h"
#include "robot/speech_voice.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SENTENCE "The rain in Spain stays mainly in the plain, all day long."

static int speak(struct robot_job *job, const char *step, struct err *err)
{
    return host_run(job, "/text/speak", step, err);
}

static struct heard spoken(struct robot_job *job, const char *step)
{
    struct err err;

    if (speak(job, step, &err) < 0)
        fail_msg("%.300s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return hear(job, host_output(job, 0)->path);
}

static void refused(struct robot_job *job, const char *step, const char *code, const char *says)
{
    struct err err = {0};

    if (speak(job, step, &err) == 0)
        fail_msg("%.300s is taken", step);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, says))
        fail_msg("%.300s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

static const char *file(struct robot_job *job, const char *name, const char *text, size_t len)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "w");

    fwrite(text, 1, len, f);
    fclose(f);
    return path;
}

/* Hz of the voice: of all pieces that are loud enough, the one in the middle. */
static double pitch(const struct heard *h)
{
    double found[2000];
    int n = 0, most = h->rate / 60, least = h->rate / 500;

    for (int64_t at = 0; at + 1100 + most < h->n && n < 2000; at += 1100) {
        double best = -1, power = 0;
        int lag = 0;

        for (int i = 0; i < 1100; i++)
            power += (double)h->samples[at + i] * h->samples[at + i];
        if (power / 1100 < 0.0005)
            continue;
        for (int l = least; l < most; l++) {
            double sum = 0;

            for (int i = 0; i < 700; i += 2)
                sum += (double)h->samples[at + i] * h->samples[at + i + l];
            if (sum > best)
                best = sum, lag = l;
        }
        found[n++] = (double)h->rate / lag;
    }
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && found[k] < found[k - 1]; k--) {
            double t = found[k];
            found[k] = found[k - 1], found[k - 1] = t;
        }
    return n ? found[n / 2] : 0;
}

static void a_prompt_becomes_mp3_with_all_that_is_known_of_it(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    struct heard h = spoken(job, "{\"prompt\": \"" SENTENCE "\", \"provider\": \"aws\"}");
    const json_t *meta = host_output(job, 0)->meta;

    assert_string_equal(host_output(job, 0)->name, "speech.mp3");
    assert_string_equal(host_output(job, 0)->mime, "audio/mpeg");
    assert_string_equal(jstr_or(meta, "audio_codec", ""), "mp3");
    assert_int_equal(jint(meta, "audio_channels", 0), 1);
    assert_int_equal(jint(meta, "audio_samplerate", 0), 22050);
    assert_true(h.seconds > 2 && h.seconds < 6);
    assert_true(heard_db(&h, 0, 0.2, h.seconds - 0.5) > -35);
    assert_true(host_progress_steps(job) > 0);
}

static void a_file_is_read_whatever_its_letters_are_coded_in(void **state)
{
    (void)state;
    static const char utf8[] = "Gr\xc3\xbc\xc3\x9f"
                               "e aus Z\xc3\xbcrich",
                      latin[] = "Gr\xfc\xdf"
                                "e aus Z\xfcrich";
    AUTO(host_free) struct robot_job *job = host_new(), *other = host_new();

    host_add_input(job, file(job, "a.txt", utf8, sizeof utf8 - 1));
    host_add_input(other, file(other, "a.txt", latin, sizeof latin - 1));
    struct heard h = spoken(job, "{\"prompt\": null, \"target_language\": \"de-DE\"}");
    assert_string_equal(host_output(job, 0)->name, "a.mp3");
    struct heard o = spoken(other, "{\"target_language\": \"de\"}");
    assert_int_equal(h.n, o.n);
    assert_memory_equal(h.samples, o.samples, (size_t)h.n * sizeof(float));
    /* a prompt goes before the input */
    assert_true(spoken(job, "{\"prompt\": \"Yes.\"}").seconds < h.seconds);
}

static void each_voice_has_the_pitch_of_its_sex_and_age(void **state)
{
    (void)state;
    static const struct {
        const char *voice;
        double least, most;
    } rows[] = {{"female-1", 150, 230},       {"female-2", 150, 230}, {"female-3", 140, 230},
                {"female-child-1", 250, 420}, {"male-1", 70, 135},    {"male-child-1", 235, 400}};
    AUTO(host_free) struct robot_job *job = host_new();
    int64_t lengths = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free)
        char *step = mem_printf("{\"prompt\": \"" SENTENCE "\", \"voice\": \"%s\"}", rows[i].voice);
        struct heard h = spoken(job, step);
        double hz = pitch(&h);

        if (hz < rows[i].least || hz > rows[i].most)
            fail_msg("%s: %.0f Hz", rows[i].voice, hz);
        lengths += h.n;
    }
    assert_true(lengths > 0);
    refused(job, "{\"prompt\": \"a\", \"voice\": \"robot-1\"}", "TEXT_SPEAK_VALIDATION", "voice");
}

static void espeak_has_every_voice_that_the_table_names(void **state)
{
    (void)state;
    FILE *p = popen("espeak-ng --voices", "r");
    char line[400];
    AUTO(str_done) struct str all = {0};

    while (fgets(line, sizeof line, p)) {
        char name[100];

        if (sscanf(line, "%*d %99s", name) == 1)
            str_addf(&all, " %s ", name);
    }
    assert_int_equal(pclose(p), 0);
    for (const char *const *v = speech_voices; *v; v++) {
        AUTO(mem_free) char *word = mem_printf(" %s ", *v);

        if (!strstr(all.s, word))
            fail_msg("espeak-ng has no voice %s", *v);
    }
}

static void languages_are_found_as_they_are_written(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"en-US", "en-us"},    {"en", "en-us"},     {"en-AU", "en-gb"}, {"en-GB", "en-gb"},
        {"de-DE", "de"},       {"de_CH", "de"},     {"pt-BR", "pt-br"}, {"pt-PT", "pt"},
        {"zh-Hant-TW", "cmn"}, {"cmn-CN", "cmn"},   {"zh-HK", "yue"},   {"yue-HK", "yue"},
        {"es-ES", "es"},       {"es-MX", "es-419"}, {"fr-CA", "fr-fr"}, {"FR-be", "fr-be"},
        {"nb-NO", "nb"},       {"no", "nb"},        {"arb", "ar"},      {"ja-JP", "ja"},
    };
    static const char *const unknown[] = {
        "",       "xx-YY", "english", "../../etc/passwd",
        "fil-PH", "en us", "-",       "en-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(speech_voice(rows[i][0]), rows[i][1]);
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        AUTO(mem_free)
        char *step = mem_printf("{\"prompt\": \"a\", \"target_language\": \"%s\"}", unknown[i]);

        refused(job, step, "TEXT_SPEAK_VALIDATION", "target_language");
    }
}

static void markup_is_obeyed(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    double plain = spoken(job, "{\"ssml\": true, \"prompt\": \"<speak>One two three</speak>\"}")
                       .seconds,
           slow = spoken(job, "{\"ssml\": true, \"prompt\": \"<speak><prosody rate='50%'>One two "
                              "three</prosody></speak>\"}")
                      .seconds,
           pause = spoken(job, "{\"ssml\": true, \"prompt\": \"One <break time='2s'/> two three\"}")
                       .seconds;

    assert_true(slow > 1.3 * plain);
    assert_float_equal(pause - plain, 2, 0.7);
    /* not asked for it is text, tags and all */
    assert_true(spoken(job, "{\"prompt\": \"<speak>One two three</speak>\"}").seconds >
                1.2 * plain);
}

static void what_names_files_or_steers_the_program_is_gone(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"<speak><audio src=\"/etc/passwd\">A bell</audio></speak>", "<speak>A bell</speak>"},
        {"<speak><audio src=\"x&quot;;touch pwned;&quot;\"/>a</speak>", "<speak>a</speak>"},
        {"<speak><voice name=\"../../../etc/passwd\">a</voice></speak>",
         "<speak><voice>a</voice></speak>"},
        {"<speak><voice xml:lang=\"fr-FR\" gender=\"female\" variant=\"../x\">a</voice></speak>",
         "<speak><voice xml:lang=\"fr-fr\" gender=\"female\">a</voice></speak>"},
        {"<speak xml:lang=\"../../etc\">a</speak>", "<speak>a</speak>"},
        {"<speak><mark name=\"m\"/><phoneme ph=\"x\">a</phoneme></speak>", "<speak>a</speak>"},
        {"<speak><amazon:effect name=\"whispered\">a</amazon:effect></speak>", "<speak>a</speak>"},
        {"<speak>a &lt;audio src='/etc/passwd'/&gt; &amp;</speak>",
         "<speak>a &lt;audio src='/etc/passwd'/&gt; &amp;</speak>"},
        {"<speak><![CDATA[<audio src=\"/x\"/>]]></speak>",
         "<speak>&lt;audio src=\"/x\"/&gt;</speak>"},
        {"<speak><prosody rate=\"1%\" onclick=\"x\">a</prosody></speak>",
         "<speak><prosody rate=\"1%\">a</prosody></speak>"},
        {"<speak><prosody rate=\"&quot; src=&quot;/x\">a</prosody></speak>",
         "<speak><prosody>a</prosody></speak>"},
        {"<speak><sub alias=\"x&quot;&gt;&lt;audio src=/x&gt;\">a</sub></speak>",
         "<speak><sub alias=\"xaudio src=/x\">a</sub></speak>"},
        {"<speak>a<break time=\"100000000s\"/></speak>",
         "<speak>a<break time=\"10000ms\"/></speak>"},
        {"<speak>[[a]] <!-- c --><?pi x?></speak>", "<speak>[ [a]] </speak>"},
        {"<?xml version=\"1.0\"?><speak version=\"1.1\" "
         "xmlns=\"http://www.w3.org/2001/10/synthesis\"><p><s>a</s></p></speak>",
         "<speak><p><s>a</s></p></speak>"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(str_done) struct str out = {0};
        struct err err = {0};

        if (speech_ssml(&out, rows[i][0], strlen(rows[i][0]), &err) < 0)
            fail_msg("%s: %s", rows[i][0], err.msg);
        assert_string_equal(out.s, rows[i][1]);
    }
    AUTO(str_done) struct str out = {0};
    struct err err;
    assert_int_equal(speech_plain(&out,
                                  "a\x01"
                                  "5I [[x]] \x7f<audio src=\"/x\"/>",
                                  29, &err),
                     0);
    assert_string_equal(out.s, "a 5I [ [x]]  <audio src=\"/x\"/>");
}

/* A sound that is there and would be played, if anything of the tag came through. */
static void a_sound_that_markup_names_is_not_played(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *bell = clip(job, "bell.wav", "-f lavfi -i sine=f=3000:d=5:r=22050");
    AUTO(mem_free)
    char *step =
        mem_printf("{\"ssml\": true, \"prompt\": \"<speak>Yes <audio src='%s'/></speak>\"}", bell);
    struct heard h = spoken(job, step);

    assert_true(h.seconds < 3);
    for (double at = 0; at + 0.1 < h.seconds; at += 0.1)
        assert_true(heard_tone(&h, 0, 3000, at, at + 0.1) < -30);
}

static void what_can_not_be_spoken_is_refused(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new(), *with = host_new();
    AUTO(str_done) struct str deep = {0}, pauses = {0}, large = {0};

    refused(job, "{}", "TEXT_SPEAK_VALIDATION", "neither");
    refused(job, "{\"prompt\": \" \\n \"}", "TEXT_SPEAK_VALIDATION", "no text");
    refused(job, "{\"prompt\": \"a\", \"provider\": \"nobody\"}", "TEXT_SPEAK_VALIDATION",
            "provider");
#define SSML(text) "{\"ssml\": true, \"prompt\": \"" text "\"}"
    refused(job, SSML("<speak>a"), "TEXT_SPEAK_VALIDATION", "well-formed");
    refused(job, SSML("<speak>a</speak><speak>"), "TEXT_SPEAK_VALIDATION", "well-formed");
    refused(job, SSML("<speak><audio src='x'/></speak>"), "TEXT_SPEAK_VALIDATION", "no text");
    refused(job,
            SSML("<!DOCTYPE speak [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><speak>&x;</speak>"),
            "TEXT_SPEAK_VALIDATION", "document type");
    refused(job, SSML("<speak>&x;</speak>"), "TEXT_SPEAK_VALIDATION", "well-formed");
    str_puts(&deep, "{\"ssml\": true, \"prompt\": \"");
    for (int i = 0; i < 200; i++)
        str_puts(&deep, "<p>");
    str_puts(&deep, "a");
    for (int i = 0; i < 200; i++)
        str_puts(&deep, "</p>");
    str_puts(&deep, "\"}");
    refused(job, deep.s, "TEXT_SPEAK_VALIDATION", "within each other");
    str_puts(&pauses, "{\"ssml\": true, \"prompt\": \"a");
    for (int i = 0; i < 61; i++)
        str_puts(&pauses, "<break time='10s'/>");
    str_puts(&pauses, "\"}");
    refused(job, pauses.s, "TEXT_SPEAK_VALIDATION", "pauses");
    for (int i = 0; i < 100001; i++)
        str_putc(&large, 'a');
    host_add_input(with, file(with, "large.txt", large.s, large.len));
    refused(with, "{}", "INVALID_INPUT_ERROR", "'large.txt' has more than 100000 bytes");
    AUTO(mem_free) char *prompt = mem_printf("{\"prompt\": \"%s\"}", large.s);
    refused(job, prompt, "TEXT_SPEAK_VALIDATION", "100001 bytes");
}

static void nothing_is_left_but_the_result(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    struct dirent *e;

    spoken(job, "{\"prompt\": \"Yes.\"}");
    DIR *d = opendir(host_dir(job));
    while ((e = readdir(d)))
        if (strstr(e->d_name, ".txt") || strstr(e->d_name, ".wav"))
            fail_msg("%s is left", e->d_name);
    closedir(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_becomes_mp3_with_all_that_is_known_of_it),
        cmocka_unit_test(a_file_is_read_whatever_its_letters_are_coded_in),
        cmocka_unit_test(each_voice_has_the_pitch_of_its_sex_and_age),
        cmocka_unit_test(espeak_has_every_voice_that_the_table_names),
        cmocka_unit_test(languages_are_found_as_they_are_written),
        cmocka_unit_test(markup_is_obeyed),
        cmocka_unit_test(what_names_files_or_steers_the_program_is_gone),
        cmocka_unit_test(a_sound_that_markup_names_is_not_played),
        cmocka_unit_test(what_can_not_be_spoken_is_refused),
        cmocka_unit_test(nothing_is_left_but_the_result),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
