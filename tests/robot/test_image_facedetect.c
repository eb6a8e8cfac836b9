#include "../unit/unit.h"
#include "pictures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROBOT "/image/facedetect"

/* The photographs are not part of the project; without them these cases are skipped. */
static const char *face_dir(void)
{
    const char *dir = getenv("WORKCELL_FACES");

    dir = dir ? dir : "../shared/data/faces";
    return access(dir, R_OK) == 0 ? dir : NULL;
}

static const json_t *faces_of(const struct robot_job *j, int i)
{
    return json_object_get(host_output(j, i)->meta, "faces");
}

static void run_ok(struct robot_job *j, const char *step, const char *path)
{
    struct err err;

    if (host_run_on(j, ROBOT, step, path, &err) < 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
}

static double overlap(const json_t *a, const json_t *b)
{
    double x1 = fmax(jnum(a, "x1", 0), jnum(b, "x1", 0)),
           y1 = fmax(jnum(a, "y1", 0), jnum(b, "y1", 0));
    double x2 =
        fmin(jnum(a, "x1", 0) + jnum(a, "width", 0), jnum(b, "x1", 0) + jnum(b, "width", 0));
    double y2 =
        fmin(jnum(a, "y1", 0) + jnum(a, "height", 0), jnum(b, "y1", 0) + jnum(b, "height", 0));
    double in = x2 > x1 && y2 > y1 ? (x2 - x1) * (y2 - y1) : 0;

    return in / (jnum(a, "width", 0) * jnum(a, "height", 0) +
                 jnum(b, "width", 0) * jnum(b, "height", 0) - in);
}

static void marked_faces_are_found_and_dogs_are_none(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *dir = face_dir(), *name;
    int marked = 0, hit = 0, wrong = 0;
    json_t *boxes, *want;
    size_t i, k;
    (void)state;

    if (!dir)
        skip();
    AUTO(mem_free) char *file = mem_printf("%s/boxes.json", dir);
    AUTO(json_unref) json_t *doc = json_load_file(file, 0, NULL);
    json_object_foreach (json_object_get(doc, "images"), name, boxes) {
        AUTO(mem_free) char *path = mem_printf("%s/%s", dir, name);

        run_ok(j, "{}", path);
        assert_int_equal(host_output_count(j), 1);
        assert_true(host_output(j, 0)->same);
        const json_t *got = faces_of(j, 0), *f;
        int used = 0;
        json_array_foreach (boxes, i, want) {
            marked++;
            json_array_foreach (got, k, f)
                if (overlap(f, want) > 0.4) {
                    hit++;
                    used++;
                    break;
                }
        }
        wrong += (int)json_array_size(got) - used;
    }
    printf("%d of %d marked faces found, %d wrong\n", hit, marked, wrong);
    assert_true(hit >= marked - 1);
    assert_int_equal(wrong, 0);
}

static void faces_are_chosen_as_asked(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *dir = face_dir();
    struct err err;
    (void)state;

    if (!dir)
        skip();
    AUTO(mem_free) char *path = mem_printf("%s/2008_001322.jpg", dir);
    run_ok(j, "{}", path);
    AUTO(json_unref) json_t *all = json_deep_copy(faces_of(j, 0));
    assert_int_equal(json_array_size(all), 3);
    for (size_t i = 1; i < 3; i++) /* by corner: y first */
        assert_true(jint(json_array_get(all, i), "y1", 0) >=
                    jint(json_array_get(all, i - 1), "y1", 0));
    for (size_t i = 0; i < 3; i++) {
        const json_t *f = json_array_get(all, i);
        assert_int_equal(jint(f, "x2", 0) - jint(f, "x1", 0), jint(f, "width", 0));
        assert_int_equal(jint(f, "y2", 0) - jint(f, "y1", 0), jint(f, "height", 0));
        assert_true(jnum(f, "confidence", 0) > 70);
    }

    run_ok(j, "{\"faces\":1}", path);
    assert_true(json_equal(json_array_get(faces_of(j, 0), 0), json_array_get(all, 1)));
    run_ok(j, "{\"faces\":\"0\"}", path);
    assert_true(json_equal(json_array_get(faces_of(j, 0), 0), json_array_get(all, 0)));
    run_ok(j, "{\"faces\":7}", path);
    assert_int_equal(json_array_size(faces_of(j, 0)), 0);
    run_ok(j, "{\"faces\":\"max-confidence\"}", path);
    for (size_t i = 0; i < 3; i++)
        assert_true(jnum(json_array_get(faces_of(j, 0), 0), "confidence", 0) >=
                    jnum(json_array_get(all, i), "confidence", 0));
    run_ok(j, "{\"faces\":\"max-size\"}", path);
    for (size_t i = 0; i < 3; i++)
        assert_true(jint(json_array_get(faces_of(j, 0), 0), "width", 0) >=
                    jint(json_array_get(all, i), "width", 0));
    run_ok(j, "{\"faces\":\"group\"}", path);
    const json_t *group = json_array_get(faces_of(j, 0), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_true(jint(group, "x1", 0) <= jint(json_array_get(all, i), "x1", 0));
        assert_true(jint(group, "y2", 0) >= jint(json_array_get(all, i), "y2", 0));
    }
    run_ok(j, "{\"min_confidence\":100}", path);
    assert_int_equal(json_array_size(faces_of(j, 0)), 0);
    assert_int_equal(host_run_on(j, ROBOT, "{\"faces\":\"best\"}", path, &err), -1);
    assert_string_equal(err_name(&err), "IMAGE_FACEDETECT_VALIDATION");
    assert_int_equal(host_run_on(j, ROBOT, "{\"crop_padding\":\"5em\"}", path, &err), -1);
    assert_string_equal(err_name(&err), "IMAGE_FACEDETECT_VALIDATION");
}

static void crops_have_padding_on_both_sides(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *dir = face_dir();
    (void)state;

    if (!dir)
        skip();
    AUTO(mem_free) char *path = mem_printf("%s/2008_001322.jpg", dir);
    run_ok(j, "{\"faces\":0}", path);
    AUTO(json_unref) json_t *bare = json_deep_copy(json_array_get(faces_of(j, 0), 0));
    int64_t w = jint(bare, "width", 0), p = (int64_t)floor((double)w * 10 / 100 + 0.5);

    run_ok(j, "{\"faces\":0,\"crop\":true,\"crop_padding\":\"10%\"}", path);
    assert_int_equal(host_output_count(j), 1);
    const struct host_output *o = host_output(j, 0);
    const json_t *f = json_array_get(faces_of(j, 0), 0);
    assert_int_equal(jint(f, "x1", 0), jint(bare, "x1", 0) - p);
    assert_int_equal(jint(f, "x2", 0), jint(bare, "x2", 0));
    assert_int_equal(jint(f, "width", 0), w + 2 * p);
    struct picture_facts facts = picture_facts(o->path);
    assert_int_equal(facts.width, w + 2 * p);
    assert_int_equal(facts.width, jint(o->meta, "width", 0));
    assert_string_equal(o->name, "2008_001322.jpg");
    assert_string_equal(o->mime, "image/jpeg");
    assert_non_null(jstr(o->meta, "date_file_created"));

    run_ok(j, "{\"crop\":true,\"format\":\"png\"}", path);
    assert_int_equal(host_output_count(j), 3);
    assert_string_equal(host_output(j, 1)->name, "2008_001322.png");
    assert_int_equal(json_array_size(faces_of(j, 1)), 1);
    run_ok(j, "{\"crop\":true,\"format\":\"tiff\",\"faces\":9}", path);
    assert_int_equal(host_output_count(j), 0);
    /* more padding than picture: cut at the edges */
    run_ok(j, "{\"crop\":true,\"faces\":0,\"crop_padding\":\"5000px\"}", path);
    facts = picture_facts(path);
    assert_int_equal(jint(host_output(j, 0)->meta, "width", 0), facts.width);
    assert_int_equal(jint(json_array_get(faces_of(j, 0), 0), "x1", -1), 0);
}

static void a_picture_without_faces_comes_out_with_an_empty_list(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 300, 200, true);
    (void)state;

    run_ok(j, "{}", png);
    assert_int_equal(host_output_count(j), 1);
    assert_true(json_is_array(faces_of(j, 0)) && json_array_size(faces_of(j, 0)) == 0);
    run_ok(j, "{\"crop\":true}", png);
    assert_int_equal(host_output_count(j), 0);
}

static void unreadable_files_are_errors(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    (void)state;

    assert_int_equal(
        host_run_on(j, ROBOT, "{}", picture_write(j, "a.jpg", "\xFF\xD8\xFF nothing", 11), &err),
        -1);
    assert_string_equal(err_name(&err), "INTERNAL_COMMAND_ERROR");
    assert_int_equal(host_run_on(j, ROBOT, "{}", picture_write(j, "b.jpg", "", 0), &err), -1);
    assert_string_equal(err_name(&err), "INVALID_INPUT_ERROR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marked_faces_are_found_and_dogs_are_none),
        cmocka_unit_test(faces_are_chosen_as_asked),
        cmocka_unit_test(crops_have_padding_on_both_sides),
        cmocka_unit_test(a_picture_without_faces_comes_out_with_an_empty_list),
        cmocka_unit_test(unreadable_files_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
