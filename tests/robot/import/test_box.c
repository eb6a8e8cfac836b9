/* /box/import. What needs a whole service: tests/transfer/box.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"

#define ROBOT "/box/import"
#define SHA1 "a9993e364706816aba3e25717850c26c9cd0d89d" /* of "abc" */
#define STEP "{\"access_token\": \"t\", \"path\": \"in/\"}"
#define FOLDER(id, name) "{\"type\": \"folder\", \"id\": \"" id "\", \"name\": \"" name "\"}"
#define A_FILE(id, name)                                                                                             \
    "{\"type\": \"file\", \"id\": \"" id "\", \"name\": \"" name "\", \"size\": 3, \"sha1\": \"" SHA1 "\"}"
#define ROOT                                                                                                         \
    {                                                                                                                \
        "GET /2.0/folders/0/items?usemarker=true", "Bearer t", 200, NULL, "{\"entries\": [" FOLDER("5", "In") "]}"   \
    }

static void a_directory_is_read_by_pages_and_folders(void **state)
{
    const struct talk_turn turns[] = {
        ROOT,
        {"GET /2.0/folders/5/items", NULL, 200, NULL,
         "{\"entries\": [" FOLDER("6", "sub") "], \"next_marker\": \"m/1\"}"},
        {"GET /2.0/folders/5/items?usemarker=true&limit=500&fields=type,id,name,size,sha1,file_version&marker=m%2F1",
         NULL, 200, NULL, "{\"entries\": [" A_FILE("7", "a.txt") "], \"next_marker\": \"\"}"},
        {"GET /2.0/files/7/content", NULL, 302, "Location: http://%s/there\r\n", NULL},
        {"GET /there", NULL, 200, NULL, "abc"},
        {"GET /2.0/folders/6/items", NULL, 200, NULL, "{\"entries\": []}"},
        {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "box", NULL);
    talk_run(&t, STEP, NULL, NULL);
    assert_int_equal(host_output_count(t.job), 1);
    assert_string_equal(jstr(host_output(t.job, 0)->extra, "original_path"), "/in/");
    talk_end(&t);
}

static void folders_that_hold_themselves_or_odd_things_end_it(void **state)
{
    static const char *const odd[] = {"{\"entries\": 5}", "{\"entries\": [" A_FILE("7", "a/b") "]}",
                                      "{\"entries\": [" A_FILE("7/..", "a") "]}",
                                      "{\"entries\": [" A_FILE("7", "") "]}"};
    static const struct talk_turn itself = {"GET /2.0/folders/5/items", NULL, 200, NULL,
                                            "{\"entries\": [" FOLDER("5", "again") "]}"};
    struct talk_turn turns[80] = {ROOT};
    struct talk t;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        turns[1] = (struct talk_turn){"GET /2.0/folders/5/items", NULL, 200, NULL, odd[i]};
        turns[2] = (struct talk_turn){0};
        talk_begin(&t, turns, ROBOT, "box", NULL);
        talk_run(&t, STEP, "BOX_IMPORT_FAILURE", "oddly");
        talk_end(&t);
    }
    for (int i = 1; i <= 65; i++)
        turns[i] = itself;
    talk_begin(&t, turns, ROBOT, "box", NULL);
    talk_run(&t, STEP, "BOX_IMPORT_FAILURE", "one folder too many");
    talk_end(&t);
}

static void a_marker_that_stays_ends_it(void **state)
{
    const struct talk_turn turns[] = {
        ROOT,
        {"GET /2.0/folders/5/items", NULL, 200, NULL, "{\"entries\": [], \"next_marker\": \"m\"}"},
        {"GET /2.0/folders/5/items", NULL, 200, NULL, "{\"entries\": [], \"next_marker\": \"m\"}"},
        {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "box", NULL);
    talk_run(&t, STEP, "BOX_IMPORT_FAILURE", "no end");
    talk_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_is_read_by_pages_and_folders),
        cmocka_unit_test(folders_that_hold_themselves_or_odd_things_end_it),
        cmocka_unit_test(a_marker_that_stays_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
