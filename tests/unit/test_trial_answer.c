/* What a worker says of credentials that it tried, as the daemon believes it. */
#include "robot/robot.h"
#include "unit.h"
#include "worker/trial_answer.h"

#include <stdio.h>
#include <string.h>

static int look(struct trial_found *out, const char *text)
{
    AUTO(json_unref) json_t *said = trial_answer_parse(text, strlen(text));
    struct err err;

    return said ? trial_answer_read(out, said, &err) : -1;
}

static void what_was_done_is_believed_only_as_a_set_of_steps(void **state)
{
    (void)state;
    struct trial_found f;

    assert_int_equal(look(&f, "{\"did\": 9}"), 0);
    assert_true(f.works && f.did == (TRIAL_WROTE | TRIAL_REMOVED));
    assert_int_equal(look(&f, "{\"did\": 0}"), 0);
    assert_true(f.works && !f.did);
    static const char *const odd[] = {"{}",
                                      "{\"did\": 32}",
                                      "{\"did\": -1}",
                                      "{\"did\": true}",
                                      "{\"did\": \"all\"}",
                                      "{\"error\": null}",
                                      "{\"error\": 5}",
                                      "{\"error\": \"\"}",
                                      "{\"error\": \"x\", \"did\": 1}",
                                      "{\"error\": \"x\", \"code\": \"lower\"}",
                                      "{\"did\": 1, \"none\": true}",
                                      "[]",
                                      "null",
                                      "{",
                                      ""};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        if (look(&f, odd[i]) == 0)
            fail_msg("'%s' is believed", odd[i]);
}

static void what_failed_is_a_text_of_sane_length_without_control_characters(void **state)
{
    (void)state;
    struct trial_found f;
    AUTO(str_done) struct str text = {0};

    assert_int_equal(look(&f, "{\"error\": \"a\\nb\\u0007\", \"code\": \"SFTP_STORE_FAILURE\"}"), 0);
    assert_false(f.works);
    assert_string_equal(f.words, "a b ");
    assert_string_equal(f.code, "SFTP_STORE_FAILURE");
    assert_int_equal(look(&f, "{\"error\": \"x\", \"code\": \"\", \"none\": true}"), 0);
    assert_true(f.none);
    assert_string_equal(f.code, "WORKER_JOB_ERROR");
    str_puts(&text, "{\"error\": \"x");
    for (int i = 0; i < 2000; i++)
        str_puts(&text, "\u00e9");
    str_puts(&text, "\"}");
    assert_int_equal(look(&f, text.s), 0);
    assert_int_equal(strlen(f.words), TRIAL_WORDS_MAX - 1); /* not half of a character */
    assert_true(utf8_valid(f.words, strlen(f.words)));
}

static int look_renewed(struct renewal_found *out, const char *text)
{
    AUTO(json_unref) json_t *said = trial_answer_parse(text, strlen(text));
    struct err err;

    return said ? renewal_answer_read(out, said, &err) : -1;
}

static void tokens_are_believed_only_when_both_can_be_used(void **state)
{
    static struct renewal_found f;
    AUTO(str_done) struct str text = {0};

    (void)state;
    assert_int_equal(look_renewed(&f, "{\"access_token\": \"a\", \"refresh_token\": \"r\", \"expires_in\": 3900}"), 0);
    assert_true(f.works && !f.refused && f.life_s == 3900);
    assert_string_equal(f.access_token, "a");
    assert_string_equal(f.refresh_token, "r");
    assert_int_equal(look_renewed(&f, "{\"access_token\": \"a\", \"refresh_token\": \"r\"}"), 0);
    assert_int_equal(f.life_s, 3600);
    assert_int_equal(look_renewed(&f, "{\"access_token\": \"a\", \"refresh_token\": \"r\", \"expires_in\": -5}"), 0);
    assert_int_equal(f.life_s, 1);
    static const char long_life[] = "{\"access_token\": \"a\", \"refresh_token\": \"r\", \"expires_in\": 99999999999}";
    assert_int_equal(look_renewed(&f, long_life), 0);
    assert_int_equal(f.life_s, 86400);
    assert_int_equal(look_renewed(&f, "{\"refused\": \"no\\u0007\"}"), 0);
    assert_true(!f.works && f.refused);
    assert_string_equal(f.words, "no ");
    assert_int_equal(look_renewed(&f, "{\"error\": \"later\", \"code\": \"X\"}"), 0);
    assert_true(!f.works && !f.refused);
    static const char *const odd[] = {"{}",
                                      "{\"access_token\": \"a\"}",
                                      "{\"refresh_token\": \"r\"}",
                                      "{\"access_token\": \"a\", \"refresh_token\": \"\"}",
                                      "{\"access_token\": \"a b\", \"refresh_token\": \"r\"}",
                                      "{\"access_token\": \"a\\r\\nX: y\", \"refresh_token\": \"r\"}",
                                      "{\"access_token\": \"\u00e9\", \"refresh_token\": \"r\"}",
                                      "{\"access_token\": 5, \"refresh_token\": \"r\"}",
                                      "{\"access_token\": \"a\", \"refresh_token\": \"r\", \"refused\": \"x\"}",
                                      "{\"refused\": \"x\", \"error\": \"y\"}",
                                      "{\"refused\": \"\"}",
                                      "{\"refused\": true}",
                                      "[]"};
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        if (look_renewed(&f, odd[i]) == 0)
            fail_msg("'%s' is believed", odd[i]);
    str_puts(&text, "{\"access_token\": \"a\", \"refresh_token\": \"");
    for (int i = 0; i <= RENEWAL_TOKEN_MAX; i++)
        str_putc(&text, 'r');
    str_puts(&text, "\"}");
    assert_int_equal(look_renewed(&f, text.s), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_done_is_believed_only_as_a_set_of_steps),
        cmocka_unit_test(what_failed_is_a_text_of_sane_length_without_control_characters),
        cmocka_unit_test(tokens_are_believed_only_when_both_can_be_used)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
