#include "../../unit/unit.h"
#include "pictures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

#define ROBOT "/image/facedetect"

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

/* Of two boxes: what they share of what they cover together, 0 to 1. */
static double overlap(const json_t *a, const struct box *b)
{
    double x1 = fmax(jnum(a, "x1", 0), b->x), y1 = fmax(jnum(a, "y1", 0), b->y);
    double x2 = fmin(jnum(a, "x1", 0) + jnum(a, "width", 0), b->x + b->width);
    double y2 = fmin(jnum(a, "y1", 0) + jnum(a, "height", 0), b->y + b->height);
    double in = x2 > x1 && y2 > y1 ? (x2 - x1) * (y2 - y1) : 0;

    return in / (jnum(a, "width", 0) * jnum(a, "height", 0) + (double)b->width * b->height - in);
}

static void every_face_of_a_group_is_found_where_it_is(void **state)
{
    static const struct {
        const char *name;
        int width, height, count;
        struct head heads[4];
    } groups[] = {
        {"one.jpg", 320, 300, 1, {{60, 60, 1}}},
        {"mirrored.png", 500, 320, 2, {{20, 60, 1, .mirrored = true}, {280, 80, 1}}},
        {"sizes.jpg",
         1000,
         520,
         4,
         {{20, 40, .6}, {160, 120, 1}, {390, 60, 1.3, .mirrored = true}, {660, 20, 1.9}}},
        {"light.webp",
         800,
         300,
         4,
         {{10, 20, 1},
          {200, 60, 1, .darker = 45},
          {400, 20, 1, .gray = true},
          {600, 60, 1, .mirrored = true, .gray = true, .darker = 25}}},
        {"large.jpg", 3000, 1600, 2, {{200, 400, 4}, {1900, 700, 2.5, .mirrored = true}}},
        {"nobody.png", 400, 300, 0, {{0}}},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        struct box boxes[4];
        const char *path = picture_group(boxes, j, groups[g].name, groups[g].width,
                                         groups[g].height, groups[g].heads, groups[g].count);

        run_ok(j, "{}", path);
        assert_int_equal(host_output_count(j), 1);
        assert_true(host_output(j, 0)->same);
        const json_t *got = faces_of(j, 0), *f;
        size_t k;
        if ((int)json_array_size(got) != groups[g].count)
            fail_msg("%s: %zu faces found, there are %d", groups[g].name, json_array_size(got),
                     groups[g].count);
        for (int i = 0; i < groups[g].count; i++) {
            double best = 0;

            json_array_foreach (got, k, f)
                best = fmax(best, overlap(f, &boxes[i]));
            if (best < 0.6)
                fail_msg("%s: face %d is missed (%.2f)", groups[g].name, i, best);
        }
    }
}

static void the_photograph_has_one_face_and_what_is_no_person_none(void **state)
{
    static const char *const others[] = {"chelsea.png",          "coffee.png", "horse.png",
                                         "motorcycle_left.png",  "rocket.jpg", "coins.png",
                                         "hubble_deep_field.jpg"};
    static const struct box face = {180, 82, 90, 92};
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    run_ok(j, "{}", picture_photograph(j, "astronaut.png"));
    assert_int_equal(json_array_size(faces_of(j, 0)), 1);
    assert_true(overlap(json_array_get(faces_of(j, 0), 0), &face) > 0.6);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        run_ok(j, "{}", picture_photograph(j, others[i]));
        if (json_array_size(faces_of(j, 0)))
            fail_msg("%s has a face", others[i]);
    }
}

/* Three people of three sizes, the largest in the middle of the list. */
static const char *three(struct box boxes[3], struct robot_job *j)
{
    static const struct head heads[] = {
        {560, 200, 1}, {20, 10, .8}, {220, 60, 1.5, .mirrored = true}};

    return picture_group(boxes, j, "three.jpg", 800, 480, heads, 3);
}

static void faces_are_chosen_as_asked(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct box boxes[3];
    struct err err;
    (void)state;

    const char *path = three(boxes, j);
    run_ok(j, "{}", path);
    AUTO(json_unref) json_t *all = json_deep_copy(faces_of(j, 0));
    assert_int_equal(json_array_size(all), 3);
    for (size_t i = 1; i < 3; i++) /* by corner: y first */
        assert_true(jint(json_array_get(all, i), "y1", 0) >=
                    jint(json_array_get(all, i - 1), "y1", 0));
    assert_true(overlap(json_array_get(all, 0), &boxes[1]) > 0.6);
    assert_true(overlap(json_array_get(all, 1), &boxes[2]) > 0.6);
    assert_true(overlap(json_array_get(all, 2), &boxes[0]) > 0.6);
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
    assert_true(json_equal(json_array_get(faces_of(j, 0), 0), json_array_get(all, 1)));
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
    struct box boxes[3];
    (void)state;

    const char *path = three(boxes, j);
    run_ok(j, "{\"faces\":0}", path);
    AUTO(json_unref) json_t *bare = json_deep_copy(json_array_get(faces_of(j, 0), 0));
    int64_t w = jint(bare, "width", 0), p = (int64_t)floor((double)w * 10 / 100 + 0.5);

    run_ok(j, "{\"faces\":0,\"crop\":true,\"crop_padding\":\"10%\"}", path);
    assert_int_equal(host_output_count(j), 1);
    const struct host_output *o = host_output(j, 0);
    const json_t *f = json_array_get(faces_of(j, 0), 0);
    /* the near corner moves out by the padding, the far one does not */
    assert_int_equal(jint(f, "x1", 0), jint(bare, "x1", 0) - p);
    assert_int_equal(jint(f, "x2", 0), jint(bare, "x2", 0));
    assert_int_equal(jint(f, "width", 0), w + 2 * p);
    struct picture_facts facts = picture_facts(o->path);
    assert_int_equal(facts.width, w + 2 * p);
    assert_int_equal(facts.width, jint(o->meta, "width", 0));
    assert_string_equal(o->name, "three.jpg");
    assert_string_equal(o->mime, "image/jpeg");
    assert_non_null(jstr(o->meta, "date_file_created"));

    run_ok(j, "{\"crop\":true,\"format\":\"png\"}", path);
    assert_int_equal(host_output_count(j), 3);
    assert_string_equal(host_output(j, 1)->name, "three.png");
    assert_int_equal(json_array_size(faces_of(j, 1)), 1);
    run_ok(j, "{\"crop\":true,\"format\":\"tiff\",\"faces\":9}", path);
    assert_int_equal(host_output_count(j), 0);
    /* more padding than picture: cut at the edges */
    run_ok(j, "{\"crop\":true,\"faces\":0,\"crop_padding\":\"5000px\"}", path);
    facts = picture_facts(path);
    assert_int_equal(jint(host_output(j, 0)->meta, "width", 0), facts.width);
    assert_int_equal(jint(json_array_get(faces_of(j, 0), 0), "x1", -1), 0);
}

/* Small, as each look for faces takes its time. */
static const char *two(struct robot_job *j)
{
    static const struct head heads[] = {{20, 30, 1}, {200, 40, 1, .mirrored = true}};
    struct box boxes[2];

    return picture_group(boxes, j, "two.jpg", 380, 250, heads, 2);
}

/* As everywhere: 1, 1.0 and "1"; of a face that is not there nothing comes. */
static void a_face_may_be_named_by_any_whole_number(void **state)
{
    static const struct {
        const char *step;
        int count;
    } rows[] = {{"{\"faces\":1.0}", 1},
                {"{\"faces\":\"1\"}", 1},
                {"{\"faces\":-1}", 0},
                {"{\"faces\":\"12345678901234567890123\"}", 0},
                {"{\"faces\":2}", 0}};
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    (void)state;

    const char *path = two(j);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        run_ok(j, rows[i].step, path);
        if ((int)json_array_size(faces_of(j, 0)) != rows[i].count)
            fail_msg("%s: %zu faces", rows[i].step, json_array_size(faces_of(j, 0)));
    }
    assert_int_equal(host_run_on(j, ROBOT, "{\"faces\":1.5}", path, &err), -1);
    assert_string_equal(err_name(&err), "IMAGE_FACEDETECT_VALIDATION");
    assert_int_equal(host_run_on(j, ROBOT, "{\"faces\":\"\"}", path, &err), -1);
}

static void any_padding_is_cut_at_the_edges_and_all_crops_are_bounded_together(void **state)
{
    static const char *const paddings[] = {"123456789px", "99999999999999999999999%"};
    AUTO(host_free) struct robot_job *j = host_new();
    char step[200];
    struct err err;
    (void)state;

    const char *path = two(j);
    for (size_t i = 0; i < ARRAY_LEN(paddings); i++) {
        snprintf(step, sizeof step, "{\"crop\":true,\"crop_padding\":\"%s\"}", paddings[i]);
        run_ok(j, step, path);
        assert_int_equal(host_output_count(j), 2);
        assert_int_equal(jint(host_output(j, 1)->meta, "width", 0), 380);
    }
    json_object_set_new(host_settings(j), "max_pixels",
                        json_integer(380 * 250 * 3 / 2)); /* of twice all of it */
    assert_int_equal(host_run_on(j, ROBOT, step, path, &err), -1);
    assert_non_null(strstr(err.msg, "max_pixels"));
    run_ok(j, "{\"crop\":true,\"faces\":0,\"crop_padding\":\"5000px\"}", path);
}

/* A sanitizer makes the detector thirty times slower: some are enough for it. */
#ifdef __SANITIZE_ADDRESS__
#define SOME 4
#else
#define SOME 1
#endif

/* What there is in: every way to store it. What comes out: the format asked for, with the face in
 * its colours. */
static void every_format_goes_in_and_out(void **state)
{
    static const char *const in[] = {"a.jpg",  "a.png",    "a.webp",    "a.tif",    "a.gif",
                                     "a.avif", "cmyk.jpg", "16bit.png", "gray.png", "alpha.png"};
    static const struct {
        const char *format, *loader, *ext;
    } out[] = {{"jpg", "jpegload", "jpg"},
               {"png", "pngload", "png"},
               {"tiff", "tiffload", "tiff"},
               {"preserve", NULL, NULL}};
    static const struct head head = {30, 20, 1};
    AUTO(host_free) struct robot_job *j = host_new();
    struct box box;
    (void)state;

    const char *whole = picture_group(&box, j, "whole.png", 230, 240, &head, 1);
    for (size_t i = 0; i < ARRAY_LEN(in); i += SOME) {
        const char *path = host_path(j, in[i]);
        VipsImage *v = vips_image_new_from_file(whole, NULL), *t = NULL;
        int rc = strstr(in[i], "cmyk")    ? vips_icc_export(v, &t, "output_profile", "cmyk", NULL)
                 : strstr(in[i], "16bit") ? vips_colourspace(v, &t, VIPS_INTERPRETATION_RGB16, NULL)
                 : strstr(in[i], "gray")  ? vips_colourspace(v, &t, VIPS_INTERPRETATION_B_W, NULL)
                 : strstr(in[i], "alpha") ? vips_bandjoin_const1(v, &t, 255, NULL)
                                          : vips_copy(v, &t, NULL);

        if (rc || vips_image_write_to_file(t, path, NULL))
            fail_msg("%s: %s", in[i], vips_error_buffer());
        g_object_unref(v);
        g_object_unref(t);
        for (size_t k = i % 3; k < ARRAY_LEN(out); k += 3 - i % 3) { /* one of them, and preserve */
            char step[100];
            double px[4];

            snprintf(step, sizeof step, "{\"crop\":true,\"format\":\"%s\"}", out[k].format);
            run_ok(j, step, path);
            if (host_output_count(j) != 1)
                fail_msg("%s %s: %d faces", in[i], out[k].format, host_output_count(j));
            const struct host_output *o = host_output(j, 0);
            struct picture_facts f = picture_facts(o->path), was = picture_facts(path);
            assert_string_equal(f.loader, out[k].loader ? out[k].loader : was.loader);
            assert_string_equal(strrchr(o->name, '.') + 1,
                                out[k].ext ? out[k].ext : strrchr(in[i], '.') + 1);
            assert_int_equal(f.width, jint(o->meta, "width", 0));
            int bands =
                picture_pixel(px, o->path, f.width / 2, f.height / 2); /* between the eyes */
            if (!strstr(in[i], "16bit") && !strstr(in[i], "cmyk") && bands >= 3 &&
                (px[0] < 120 || px[0] < px[2]))
                fail_msg("%s as %s: %g %g %g", in[i], out[k].format, px[0], px[1], px[2]);
        }
    }
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
        cmocka_unit_test(every_face_of_a_group_is_found_where_it_is),
        cmocka_unit_test(the_photograph_has_one_face_and_what_is_no_person_none),
        cmocka_unit_test(faces_are_chosen_as_asked),
        cmocka_unit_test(crops_have_padding_on_both_sides),
        cmocka_unit_test(a_face_may_be_named_by_any_whole_number),
        cmocka_unit_test(any_padding_is_cut_at_the_edges_and_all_crops_are_bounded_together),
        cmocka_unit_test(every_format_goes_in_and_out),
        cmocka_unit_test(a_picture_without_faces_comes_out_with_an_empty_list),
        cmocka_unit_test(unreadable_files_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
