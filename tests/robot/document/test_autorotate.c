/* /document/autorotate: pages that lie on a side or on their head in, upright ones out. */
#include "../../unit/unit.h"
#include "../papers.h"
#include "base/str.h"
#include "pictures.h"

#include <stdio.h>
#include <string.h>

/* A page of text. */
static const char *words(struct robot_job *job)
{
    static const char *const lines[] = {
        "The quick brown fox jumps over the lazy dog while the sun",
        "is going down behind the hills, and nobody has seen it yet.",
        "In the morning there will be bread, butter and a letter from",
        "the office that asks for an answer before the end of May.",
        "Whoever reads this page should hold it the right way up, or",
        "turn the table around, which is more work than it looks."};
    AUTO(str_done) struct str b = {0};

    str_puts(&b, "BT /F 14 Tf 20 TL 20 380 Td\n");
    for (int i = 0; i < 18; i++)
        str_addf(&b, "(%s) Tj T*\n", lines[i % 6]);
    str_puts(&b, "ET");
    return arena_strdup(robot_arena(job), b.s);
}

static const struct host_output *rotate(struct robot_job *job, const char *path)
{
    struct err err = {0};

    if (host_run_on(job, "/document/autorotate", "{}", path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", path, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return host_output(job, 0);
}

static void pages_stand_upright_and_others_stay(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *text = words(job);
    const struct paper pages[] = {
        {450, 420, text, "/Rotate 90"}, {450, 420, text, NULL}, {450, 420, NULL, "/Rotate 90"}};
    (void)state;

    const struct host_output *o = rotate(job, paper_make(job, "a.pdf", pages, 3));
    assert_false(o->same);
    assert_string_equal(o->mime, "application/pdf");
    assert_string_equal(paper_say(job,
                                  "f() { pdfinfo -f 1 -l 3 \"$1\" | grep -o 'rot: .*' | tr -s ' ' "
                                  "| cut -d' ' -f2 | tr '\\n' ' '; "
                                  "}; f",
                                  o->path),
                        "0 0 90 ");
    assert_true(host_progress_steps(job) >= 3);
}

static void what_has_no_text_is_the_same_file(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    assert_true(
        rotate(job, paper_make(job, "a.pdf", &(struct paper){100, 100, NULL, "/Rotate 90"}, 1))
            ->same);
    assert_true(rotate(job, picture_make(job, "plain.png", 200, 100, false))->same);
}

static void a_picture_is_turned_itself(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *pdf = paper_make(job, "a.pdf", &(struct paper){450, 420, words(job), "/Rotate 270"},
                                 1),
               *png = host_path(job, "b.png");
    (void)state;

    paper_say(job,
              arena_printf(robot_arena(job),
                           "f() { pdftoppm -r 120 -png -singlefile \"$1\" '%s/b'; }; f",
                           host_dir(job)),
              pdf);
    struct picture_facts before = picture_facts(png);
    const struct host_output *o = rotate(job, png);
    struct picture_facts after = picture_facts(o->path);
    assert_false(o->same);
    assert_string_equal(o->name, "b.png");
    assert_true(before.width == 700 && before.height == 750 && after.width == 750 &&
                after.height == 700);
}

static void a_picture_whose_exif_turns_it_is_turned_and_has_none(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    const struct host_output *o = rotate(job, picture_make_turned(job, "a.jpg", 60, 40, 6));
    struct picture_facts f = picture_facts(o->path);
    assert_true(!o->same && f.width == 40 && f.height == 60 && f.orientation <= 1);
}

static void what_can_not_be_opened_is_refused(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    assert_int_equal(host_run_on(job, "/document/autorotate", "{}",
                                 paper_file(job, "a.pdf", "%PDF-1.7\nx", 10), &err),
                     -1);
    assert_string_equal(err_name(&err), "INVALID_INPUT_ERROR");
    assert_int_equal(
        host_run_on(job, "/document/autorotate", "{}",
                    paper_lock(job, "locked.pdf", paper_row(job, "b.pdf", 1), "sesame", "sesame"),
                    &err),
        -1);
    assert_non_null(strstr(err.msg, "locked"));
    json_object_set_new(host_settings(job), "max_frames", json_integer(2));
    assert_int_equal(
        host_run_on(job, "/document/autorotate", "{}", paper_row(job, "c.pdf", 3), &err), -1);
    assert_non_null(strstr(err.msg, "max_frames"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_stand_upright_and_others_stay),
        cmocka_unit_test(what_has_no_text_is_the_same_file),
        cmocka_unit_test(a_picture_is_turned_itself),
        cmocka_unit_test(a_picture_whose_exif_turns_it_is_turned_and_has_none),
        cmocka_unit_test(what_can_not_be_opened_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
