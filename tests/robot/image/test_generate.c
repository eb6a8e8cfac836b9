/* /image/generate and the sizes that it asks for. What needs a whole service:
 * tests/transfer/models.test.mjs. */
#include "../../unit/unit.h"
#include "../talk.h"
#include "robot/generate.h"
#include "transfer/made.h"

#define ROBOT "/image/generate"
#define STEP(more) "{\"prompt\": \"p\"" more "}"

static void what_can_not_be_made_is_refused_before(void **state)
{
    (void)state;
    talk_checks(ROBOT, STEP(""), NULL);
    talk_checks(ROBOT, "{}", "prompt");
    talk_checks(ROBOT, "{\"prompt\": \"\"}", "prompt");
    talk_checks(ROBOT, STEP(", \"seed\": 1.5"), "seed");
    talk_checks(ROBOT, STEP(", \"seed\": 0"), NULL);
    talk_checks(ROBOT, STEP(", \"aspect_ratio\": \"0:1\""), "aspect_ratio");
    talk_checks(ROBOT, STEP(", \"aspect_ratio\": \"1:0\""), "aspect_ratio");
    talk_checks(ROBOT, STEP(", \"aspect_ratio\": \"99:1\""), "aspect_ratio");
    talk_checks(ROBOT, STEP(", \"aspect_ratio\": \"wide\""), "aspect_ratio");
    talk_checks(ROBOT, STEP(", \"aspect_ratio\": \"3:2\", \"width\": 300, \"height\": 200"), NULL);
    talk_checks(ROBOT, STEP(", \"aspect_ratio\": \"3:2\", \"width\": 300, \"height\": 300"),
                "aspect_ratio");
    talk_checks(ROBOT, STEP(", \"format\": \"svg\""), "format");
}

static void sizes_follow_from_what_is_given(void **state)
{
    static const struct {
        const char *ratio;
        int64_t width, height;
        const char *size;
    } rows[] = {{NULL, 0, 0, NULL},          {NULL, 300, 0, "300x300"},  {NULL, 0, 200, "200x200"},
                {NULL, 300, 200, "300x200"}, {"1:1", 0, 0, "1024x1024"}, {"16:9", 0, 0, "1344x768"},
                {"9:16", 0, 0, "768x1344"},  {"2:1", 300, 0, "300x150"}, {"2:1", 0, 300, "600x300"},
                {"1:16", 16, 0, "16x256"},   {"16:1", 1, 0, "1x1"}};
    AUTO(arena_free) struct arena *a = arena_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct generate_opts o = {
            .aspect_ratio = rows[i].ratio, .width = rows[i].width, .height = rows[i].height};
        const char *size = generate_size(a, &o, 1024 * 1024, 64);

        if (!rows[i].size != !size || (size && strcmp(size, rows[i].size) != 0))
            fail_msg("%s %lld %lld: %s", rows[i].ratio ? rows[i].ratio : "-",
                     (long long)rows[i].width, (long long)rows[i].height, size ? size : "nothing");
    }
}

static void what_it_is_is_seen_by_its_first_bytes(void **state)
{
    static const struct {
        const char *head;
        size_t len;
        const char *picture, *film;
    } rows[] = {{"\x89PNG\r\n\x1a\n", 8, "png", NULL},
                {"\x89PNG\r\n\x1a", 7, NULL, NULL},
                {"\xff\xd8\xff\xe0", 4, "jpg", NULL},
                {"RIFF\0\0\0\0WEBP", 12, "webp", NULL},
                {"RIFF\0\0\0\0WAVE", 12, NULL, NULL},
                {"GIF89a", 6, "gif", "gif"},
                {"\n <svg", 6, "svg", NULL},
                {"\0\0\0\x18"
                 "ftyp",
                 8, NULL, "mp4"},
                {"\x1a\x45\xdf\xa3", 4, NULL, "webm"},
                {"<html>", 6, NULL, NULL},
                {"", 0, NULL, NULL}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *is[] = {made_kind(rows[i].head, rows[i].len, MADE_PICTURE),
                            made_kind(rows[i].head, rows[i].len, MADE_FILM)};
        const char *want[] = {rows[i].picture, rows[i].film};

        for (int k = 0; k < 2; k++)
            if (!is[k] != !want[k] || (is[k] && strcmp(is[k], want[k]) != 0))
                fail_msg("row %zu: %s", i, is[k] ? is[k] : "nothing");
    }
}

static void pictures_come_as_base64_or_by_address(void **state)
{
    const struct talk_turn turns[] = {
        {"POST /images/generations", "\"n\":2", 200, NULL,
         "{\"data\": [{\"b64_json\": \"R0lGODlhAQ==\"}]}"},
        {"POST /images/generations", "\"n\":1", 200, NULL,
         "{\"data\": [{\"url\": \"data:image/gif;base64,R0lGODlhAQ==\"}, {\"b64_json\": "
         "\"***\"}]}"},
        {0}};
    struct talk t;

    (void)state;
    talk_begin(&t, turns, ROBOT, "images", NULL);
    talk_run(&t, STEP(", \"num_outputs\": 2, \"model\": \"m\""), NULL, NULL);
    assert_int_equal(host_output_count(t.job), 2);
    assert_string_equal(host_output(t.job, 1)->name, "image-2.gif");
    assert_int_equal(host_output(t.job, 1)->size, 7);
    talk_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_not_be_made_is_refused_before),
        cmocka_unit_test(sizes_follow_from_what_is_given),
        cmocka_unit_test(what_it_is_is_seen_by_its_first_bytes),
        cmocka_unit_test(pictures_come_as_base64_or_by_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
