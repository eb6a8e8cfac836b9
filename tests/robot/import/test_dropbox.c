/* /dropbox/import. What needs a whole service: tests/transfer/dropbox.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"

#define ROBOT "/dropbox/import"
#define ABC "4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358"
#define RESULT(hash, size)                                                                                           \
    "Dropbox-API-Result: {\"name\": \"\\u00e9.txt\", \"rev\": \"r1\", \"path_display\": \"/In/\\u00e9.txt\", "       \
    "\"size\": " size ", \"content_hash\": \"" hash "\"}\r\n"

static void what_can_be_imported_is_asked_before(void **state)
{
    (void)state;
    talk_checks(ROBOT, "{\"access_token\": \"t\", \"path\": \"a\"}", NULL);
    talk_checks(ROBOT, "{\"access_token\": \"t\"}", "path");
    talk_checks(ROBOT, "{\"access_token\": \"t\", \"path\": []}", "path");
    talk_checks(ROBOT, "{\"path\": \"a\"}", "sign in");
    talk_checks(ROBOT, "{\"path\": \"a\", \"access_token\": \"t\", \"refresh_token\": \"r\"}", "app_key");
}

static void a_directory_goes_on_by_its_cursor_and_gives_what_has_bytes(void **state)
{
    const struct talk_turn turns[] = {
        {"POST /2/files/list_folder", "{\"path\":\"/in\",\"recursive\":true,", 200, NULL,
         "{\"entries\": [{\".tag\": \"folder\", \"path_display\": \"/in/sub\"}], \"cursor\": \"c1\", \"has_more\": "
         "true}"},
        {"POST /2/files/list_folder/continue", "{\"cursor\":\"c1\"}", 200, NULL,
         "{\"entries\": [{\".tag\": \"file\", \"path_display\": \"/In/\\u00e9.txt\"}, {\".tag\": \"file\", "
         "\"path_display\": "
         "\"/In/x.paper\", \"is_downloadable\": false}], \"cursor\": \"c2\", \"has_more\": false}"},
        {"GET /2/files/download", "Dropbox-API-Arg: {\"path\":\"/In/\\u00E9.txt\"}\r\n", 200, RESULT(ABC, "3"),
         "abc"},
        {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "dropbox", NULL);
    talk_run(&t, "{\"access_token\": \"t\", \"path\": \"/in/\"}", NULL, NULL);
    assert_int_equal(host_output_count(t.job), 1);
    assert_string_equal(host_output(t.job, 0)->name, "\xc3\xa9.txt");
    assert_string_equal(jstr(host_output(t.job, 0)->extra, "original_path"), "/In/");
    talk_end(&t);
}

static void what_does_not_describe_a_file_is_none(void **state)
{
    static const char *const odd[] = {"",
                                      "Dropbox-API-Result: []\r\n",
                                      "Dropbox-API-Result: {\"name\": \"a\"}\r\n",
                                      RESULT(ABC, "-5"),
                                      RESULT(ABC, "\"3\""),
                                      "Dropbox-API-Result: {{{{{{{{{{{{{{{{{{{{{{{{\r\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        const struct talk_turn turns[] = {{"GET /2/files/download", NULL, 200, odd[i], "abc"}, {0}};
        struct talk t;

        talk_begin(&t, turns, ROBOT, "dropbox", NULL);
        talk_run(&t, "{\"access_token\": \"t\", \"path\": \"a\"}", "DROPBOX_IMPORT_FAILURE", "description");
        assert_int_equal(host_output_count(t.job), 0);
        talk_end(&t);
    }
}

static void lists_that_have_no_end_or_make_no_sense_end_it(void **state)
{
    static const char *const odd[] = {"{}", "{\"entries\": {}}", "{\"entries\": [], \"has_more\": true}",
                                      "{\"entries\": [], \"has_more\": true, \"cursor\": 5}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        const struct talk_turn turns[] = {{"POST /2/files/list_folder", NULL, 200, NULL, odd[i]}, {0}};
        struct talk t;

        talk_begin(&t, turns, ROBOT, "dropbox", NULL);
        talk_run(&t, "{\"access_token\": \"t\", \"path\": \"/\"}", "DROPBOX_IMPORT_FAILURE", "oddly");
        talk_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_imported_is_asked_before),
        cmocka_unit_test(a_directory_goes_on_by_its_cursor_and_gives_what_has_bytes),
        cmocka_unit_test(what_does_not_describe_a_file_is_none),
        cmocka_unit_test(lists_that_have_no_end_or_make_no_sense_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
