/* /text/translate. What needs a whole service: tests/transfer/ai.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"
#include "transfer/ai_translate.h"

#include <stdio.h>

#define ROBOT "/text/translate"

static void a_long_text_is_cut_where_something_ends(void **state)
{
    static const struct {
        const char *text;
        size_t most, piece;
    } table[] = {
        {"short", 10, 5},
        {"one\n\ntwo\n\nthree", 12, 10}, /* behind the last paragraph that fits */
        {"one two. three four", 12, 9},
        {"one two three", 10, 8},
        {"one\ntwo three four", 12, 4},
        {"abcdefghij", 4, 4},
        {"\xc3\xa4\xc3\xa4\xc3\xa4", 3, 2},
        {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 7, 4},
        {"", 5, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (ai_piece(table[i].text, table[i].most) != table[i].piece)
            fail_msg("'%s' is cut at %zu", table[i].text, ai_piece(table[i].text, table[i].most));
}

static void what_the_service_says_of_languages_counts(void **state)
{
#define LANGUAGES "[{\"code\": \"en\", \"targets\": [\"de\"]}, {\"code\": \"de\"}]"
    static const struct {
        const char *languages, *answer, *code, *says;
    } table[] = {
        {LANGUAGES, "{\"translatedText\": \" Hallo \\n\"}", NULL, NULL},
        {LANGUAGES, "{\"translatedText\": \" \"}", "WORKER_JOB_ERROR", "empty"},
        {LANGUAGES, "{\"translatedText\": 5}", "WORKER_JOB_ERROR", "no translation"},
        {"{}", NULL, "WORKER_JOB_ERROR", "no list"},
        {"[{\"code\": \"en\", \"targets\": []}, {\"code\": \"de\"}]", NULL,
         "TEXT_TRANSLATE_VALIDATION", "en-US to de"},
        {"[5]", NULL, "TEXT_TRANSLATE_VALIDATION", "does not translate"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct talk_turn turns[] = {{"GET /languages", NULL, 200, NULL, table[i].languages},
                                          {table[i].answer ? "POST /translate" : NULL,
                                           "\"api_key\":\"secret\"", 200, NULL, table[i].answer},
                                          {0}};
        struct talk t;

        talk_begin(&t, turns, ROBOT, "translate", "Hello\n");
        json_object_set_new(host_settings(t.job), "ai_key",
                            json_pack("{s:s}", "translate", "secret"));
        talk_run(&t, "{\"source_language\": \"en-US\", \"target_language\": \"de\"}", table[i].code,
                 table[i].says);
        if (!table[i].code) {
            AUTO(str_done) struct str text = {0};
            struct err err;

            assert_int_equal(json_file(&text, host_output(t.job, 0)->path, &err), 0);
            assert_string_equal(text.s, "Hallo\n");
        }
        talk_end(&t);
    }
}

static void what_is_no_text_is_not_translated_by_half(void **state)
{
    const struct talk_turn turns[] = {{0}};
    struct talk t;
    FILE *f;

    (void)state;
    talk_begin(&t, turns, ROBOT, "translate", "");
    f = fopen(robot_input(t.job, 0)->path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite("H\0i\0", 1, 4, f), 4);
    assert_int_equal(fclose(f), 0);
    talk_run(&t, "{}", "INVALID_INPUT_ERROR", "is no text in UTF-8");
    talk_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_text_is_cut_where_something_ends),
        cmocka_unit_test(what_the_service_says_of_languages_counts),
        cmocka_unit_test(what_is_no_text_is_not_translated_by_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
