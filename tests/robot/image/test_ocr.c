/* /image/ocr: pictures with known words in, the words and where they stand out. */
#include "../../unit/unit.h"
#include "../papers.h"
#include "base/str.h"
#include "pictures.h"

#include <stdio.h>
#include <string.h>

/* Drawn at 100 dpi: 500 x 200 px. */
static const char *written(struct robot_job *job)
{
    const char *pdf =
        paper_make(job, "a.pdf",
                   &(struct paper){360, 144, "BT /F 24 Tf 72 72 Td (Another word) Tj ET", NULL}, 1);

    paper_say(job,
              arena_printf(robot_arena(job),
                           "f() { pdftoppm -r 100 -png -singlefile \"$1\" '%s/sign'; }; f",
                           host_dir(job)),
              pdf);
    return host_path(job, "sign.png");
}

static const struct host_output *ocr(struct robot_job *job, const char *step, const char *path)
{
    struct err err = {0};

    if (host_run_on(job, "/image/ocr", step, path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return host_output(job, 0);
}

static void lines_come_with_their_place_in_pixels(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    const struct host_output *o = ocr(job, "{\"provider\": \"gcp\"}", written(job));
    AUTO(json_unref) json_t *all = json_load_file(o->path, 0, NULL);
    json_t *one = json_array_get(all, 0), *polygon = json_object_get(one, "boundingPolygon");
    assert_string_equal(o->name, "sign.json");
    assert_int_equal(json_array_size(all), 1);
    assert_string_equal(jstr(one, "text"), "Another word");
    assert_null(json_object_get(one, "page"));
    assert_in_range(jint(json_array_get(polygon, 0), "x", 0), 95, 106);
    assert_in_range(jint(json_array_get(polygon, 3), "y", 0), 96, 106);
}

static void text_and_meta_are_other_forms_of_the_same(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = written(job);
    (void)state;

    assert_string_equal(paper_say(job, "cat", ocr(job, "{\"format\": \"text\"}", path)->path),
                        "Another word\n");
    const struct host_output *o =
        ocr(job, "{\"format\": \"meta\", \"granularity\": \"list\"}", path);
    assert_true(o->same);
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(o->meta, "recognized_text"), 0)),
        "Another word");
}

static void a_picture_without_words_gives_an_empty_list(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    assert_string_equal(
        paper_say(job, "cat", ocr(job, "{}", picture_make(job, "a.png", 64, 64, true))->path),
        "[]");
    assert_int_equal(host_run_on(job, "/image/ocr", "{}",
                                 paper_file(job, "b.png", "\x89PNG\r\n\x1a\n", 8), &err),
                     -1);
}

static void
what_is_too_large_for_its_reader_is_read_smaller_and_its_places_are_the_pictures(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *large = host_path(job, "large.png");
    (void)state;

    paper_say(job,
              arena_printf(robot_arena(job),
                           "f() { convert \"$1\" -scale 1300%% -depth 1 '%s'; }; f", large),
              written(job));
    const struct host_output *o = ocr(job, "{}", large);
    AUTO(json_unref) json_t *all = json_load_file(o->path, 0, NULL);
    json_t *one = json_array_get(all, 0);
    assert_string_equal(jstr(one, "text"), "Another word");
    assert_in_range(jint(json_array_get(json_object_get(one, "boundingPolygon"), 0), "x", 0),
                    95 * 13, 106 * 13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_with_their_place_in_pixels),
        cmocka_unit_test(text_and_meta_are_other_forms_of_the_same),
        cmocka_unit_test(a_picture_without_words_gives_an_empty_list),
        cmocka_unit_test(
            what_is_too_large_for_its_reader_is_read_smaller_and_its_places_are_the_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
