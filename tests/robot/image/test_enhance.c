#include "../../unit/unit.h"
#include "media/vips.h"
#include "pictures.h"

#include <math.h>
#include <string.h>
#include <vips/vips.h>

#define ROBOT "/image/enhance"

static const char *run_ok(struct robot_job *j, const char *step, const char *path)
{
    struct err err;

    if (host_run_on(j, ROBOT, step, path, &err) < 0)
        fail_msg("%s on %s: %s: %s", step, path, err_name(&err), err.msg);
    assert_int_equal(host_output_count(j), 1);
    return host_output(j, 0)->path;
}

static VipsImage *load(const char *path)
{
    VipsImage *v = vips_image_new_from_file(path, NULL);

    if (!v)
        fail_msg("%s: %s", path, vips_error_buffer());
    return v;
}

/* Of one band (-1: all), over all of it or the left w columns. */
struct facts {
    double mean, deviation, least, most;
};
static struct facts measure(const char *path, int band, int w)
{
    VipsImage *v = load(path), *cut = NULL, *one = NULL;
    struct facts f;

    assert_int_equal(vips_extract_area(v, &cut, 0, 0, w ? w : v->Xsize, v->Ysize, NULL), 0);
    assert_int_equal(
        band < 0 ? vips_copy(cut, &one, NULL) : vips_extract_band(cut, &one, band, NULL), 0);
    assert_int_equal(vips_avg(one, &f.mean, NULL) || vips_deviate(one, &f.deviation, NULL) ||
                         vips_min(one, &f.least, NULL) || vips_max(one, &f.most, NULL),
                     0);
    g_object_unref(v);
    g_object_unref(cut);
    g_object_unref(one);
    return f;
}

/* Three bands of a ramp from `from` to `to`. */
static const char *ramp(struct robot_job *j, const char *name, double from, double to,
                        VipsBandFormat format)
{
    const char *path = host_path(j, name);
    VipsImage *x = NULL, *one = NULL, *scaled = NULL, *cast = NULL, *all = NULL;

    assert_int_equal(vips_identity(&x, "size", 256, NULL), 0);
    assert_int_equal(
        vips_linear1(x, &scaled, (to - from) / 255, from, NULL) ||
            vips_embed(scaled, &one, 0, 0, 256, 64, "extend", VIPS_EXTEND_COPY, NULL) ||
            vips_cast(one, &cast, format, NULL),
        0);
    VipsImage *bands[] = {cast, cast, cast};
    assert_int_equal(vips_bandjoin(bands, &all, 3, NULL), 0);
    all->Type = format == VIPS_FORMAT_USHORT ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB;
    if (vips_image_write_to_file(all, path, NULL))
        fail_msg("%s: %s", path, vips_error_buffer());
    g_object_unref(x);
    g_object_unref(one);
    g_object_unref(scaled);
    g_object_unref(cast);
    g_object_unref(all);
    return path;
}

static double range_of(struct robot_job *j, const char *step, const char *path)
{
    struct facts f = measure(run_ok(j, step, path), 1, 0);

    return f.most - f.least;
}

static void flat_light_is_stretched_the_more_the_stronger_and_not_without_end(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;
    assert_int_equal(media_init(&(struct err){0}), 0);
    const char *flat = ramp(j, "flat.png", 110, 150, VIPS_FORMAT_UCHAR);
    double none = range_of(j, "{\"enhance\": \"none\"}", flat),
           gentle = range_of(j, "{\"enhance\": \"auto_gentle\"}", flat),
           usual = range_of(j, "{}", flat),
           strong = range_of(j, "{\"enhance\": \"auto_aggressive\"}", flat);

    assert_true(none > 38 && none < 42);
    assert_true(gentle > none + 5 && usual > gentle + 5 && strong > usual + 5);
    assert_true(strong < 150); /* nobody wants to see the noise of a grey wall */
    assert_true(range_of(j, "{}", ramp(j, "wide.png", 40, 215, VIPS_FORMAT_UCHAR)) > 245);
}

static void what_is_too_dark_or_too_light_moves_to_the_middle(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;
    const char *dark = ramp(j, "dark.png", 0, 110, VIPS_FORMAT_UCHAR),
               *light = ramp(j, "light.png", 145, 255, VIPS_FORMAT_UCHAR);

    assert_true(measure(run_ok(j, "{}", dark), 0, 0).mean > measure(dark, 0, 0).mean + 25);
    assert_true(measure(run_ok(j, "{}", light), 0, 0).mean < measure(light, 0, 0).mean - 25);
}

/* Red less blue in dark, middle and light of a grey ramp that a grade has been over. */
static double warmth(const char *path, int part)
{
    double at[4] = {0};

    picture_pixel(at, path, part == 0 ? 40 : part == 1 ? 128 : 215, 20);
    return at[0] - at[2];
}

static void each_grade_looks_as_it_is_called(void **state)
{
    static const struct {
        const char *name;
        int dark, middle, light; /* 1: warmer than grey, -1: colder, 0: grey, 2: not looked at */
    } grades[] = {{"warm", 1, 1, 1},        {"cool", -1, -1, -1},     {"vintage", 2, 1, 1},
                  {"vivid", 0, 0, 0},       {"matte", 0, 0, 0},       {"cinematic", -1, 2, 1},
                  {"golden_hour", 1, 1, 1}, {"bw_dramatic", 0, 0, 0}, {"bw_classic", 0, 0, 0},
                  {"noir", 0, 0, 0},        {"fade", 2, 2, 2},        {"pastel", 2, 2, 2},
                  {"teal_orange", -1, 2, 1}};
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;
    const char *gray = ramp(j, "gray.png", 0, 255, VIPS_FORMAT_UCHAR);

    for (size_t i = 0; i < ARRAY_LEN(grades); i++) {
        AUTO(mem_free)
        char *step = mem_printf("{\"enhance\": \"none\", \"preset\": \"%s\"}", grades[i].name);
        const char *out = run_ok(j, step, gray);
        const int wanted[] = {grades[i].dark, grades[i].middle, grades[i].light};

        for (int part = 0; part < 3; part++) {
            double w = warmth(out, part);

            if (wanted[part] != 2 && (w > 1.5 ? 1 : w < -1.5 ? -1 : 0) != wanted[part])
                fail_msg("%s: part %d has %.1f more red than blue", grades[i].name, part, w);
        }
        if (!strcmp(grades[i].name, "matte") || !strcmp(grades[i].name, "fade") ||
            !strcmp(grades[i].name, "pastel"))
            assert_true(measure(out, 1, 0).least >= 25); /* no black is left */
    }
}

static void black_and_white_has_no_colour_and_vivid_has_more(void **state)
{
    static const char *const gray[] = {"bw_dramatic", "bw_classic", "noir"};
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;
    const char *cat = picture_photograph(j, "chelsea.png");
    struct facts red, blue;

    for (size_t i = 0; i < ARRAY_LEN(gray); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"preset\": \"%s\"}", gray[i]);
        const char *out = run_ok(j, step, cat);

        red = measure(out, 0, 0), blue = measure(out, 2, 0);
        assert_true(fabs(red.mean - blue.mean) < 0.01 &&
                    fabs(red.deviation - blue.deviation) < 0.01);
    }
    double before = measure(cat, 0, 0).mean - measure(cat, 2, 0).mean;
    const char *vivid = run_ok(j, "{\"enhance\": \"none\", \"preset\": \"vivid\"}", cat);
    double after = measure(vivid, 0, 0).mean - measure(vivid, 2, 0).mean;
    assert_true(after > before * 1.15);
    const char *pastel = run_ok(j, "{\"enhance\": \"none\", \"preset\": \"pastel\"}", cat);
    assert_true(measure(pastel, 0, 0).mean - measure(pastel, 2, 0).mean < before * 0.8);
}

/* Dark and light halves with noise in them. */
static const char *noisy(struct robot_job *j, const char *name, bool alpha)
{
    const char *path = host_path(j, name);
    VipsImage *noise = NULL, *left = NULL, *right = NULL, *both = NULL, *cast = NULL, *all = NULL;

    assert_int_equal(vips_gaussnoise(&noise, 64, 64, "mean", 60.0, "sigma", 8.0, NULL) ||
                         vips_copy(noise, &left, NULL) ||
                         vips_linear1(noise, &right, 1, 120, NULL) ||
                         vips_join(left, right, &both, VIPS_DIRECTION_HORIZONTAL, NULL) ||
                         vips_cast_uchar(both, &cast, NULL),
                     0);
    VipsImage *bands[] = {cast, cast, cast, cast};
    assert_int_equal(vips_bandjoin(bands, &all, alpha ? 4 : 3, NULL), 0);
    all->Type = VIPS_INTERPRETATION_sRGB;
    assert_int_equal(vips_image_write_to_file(all, path, NULL), 0);
    g_object_unref(noise);
    g_object_unref(left);
    g_object_unref(right);
    g_object_unref(both);
    g_object_unref(cast);
    g_object_unref(all);
    return path;
}

static void noise_goes_and_edges_stay(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    double before[4], after[4], last;
    (void)state;
    const char *path = noisy(j, "noise.png", false);

    last = measure(path, 0, 60).deviation;
    for (int level = 2; level <= 10; level += 4) {
        AUTO(mem_free) char *step = mem_printf("{\"enhance\": \"none\", \"denoise\": %d}", level);
        double now = measure(run_ok(j, step, path), 0, 60).deviation;

        if (now >= last * 0.95)
            fail_msg("level %d leaves a deviation of %.2f, before there was %.2f", level, now,
                     last);
        last = now;
    }
    assert_true(last < 3);
    const char *out = run_ok(j, "{\"enhance\": \"none\", \"denoise\": 10}", path);
    picture_pixel(before, out, 60, 30);
    picture_pixel(after, out, 67, 30);
    assert_true(after[0] - before[0] > 95); /* of 120 */
}

static void sharpening_makes_edges_steeper_and_leaves_flat_areas(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;
    const char *cat = picture_photograph(j, "chelsea.png");
    double none = measure(run_ok(j, "{\"enhance\": \"none\"}", cat), 1, 0).deviation,
           some =
               measure(run_ok(j, "{\"enhance\": \"none\", \"sharpen\": 3}", cat), 1, 0).deviation,
           most =
               measure(run_ok(j, "{\"enhance\": \"none\", \"sharpen\": 10}", cat), 1, 0).deviation;

    assert_true(some > none && most > some);
    const char *flat = ramp(j, "plain.png", 90, 90, VIPS_FORMAT_UCHAR);
    struct facts f = measure(run_ok(j, "{\"enhance\": \"none\", \"sharpen\": 10}", flat), -1, 0);
    assert_true(f.least >= 89 && f.most <= 91);
}

static void format_depth_frames_alpha_and_grey_stay(void **state)
{
    static const char *const names[] = {"a.jpg", "a.jpeg", "a.webp", "a.tif", "a.png", "a.gif"};
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *path = picture_make(j, names[i], 40, 30, false);

        run_ok(j, "{\"preset\": \"vivid\", \"sharpen\": 1, \"denoise\": 1}", path);
        assert_string_equal(host_output(j, 0)->name, names[i]);
        struct picture_facts was = picture_facts(path), is = picture_facts(host_output(j, 0)->path);
        assert_int_equal(is.width, 40);
        assert_string_equal(is.loader, was.loader);
    }
    assert_int_equal(
        picture_facts(run_ok(j, "{\"denoise\": 2}", picture_make_animated(j, "m.gif", 20, 20, 5)))
            .frames,
        5);
    VipsImage *deep = load(run_ok(j, "{\"denoise\": 2, \"sharpen\": 2}",
                                  ramp(j, "deep.png", 20000, 50000, VIPS_FORMAT_USHORT)));
    assert_int_equal(deep->BandFmt, VIPS_FORMAT_USHORT);
    g_object_unref(deep);
    assert_true(measure(host_output(j, 0)->path, 0, 0).most > 52000);
    const char *alpha = noisy(j, "alpha.png", true);
    struct facts was = measure(alpha, 3, 0),
                 is = measure(run_ok(j, "{\"denoise\": 5, \"sharpen\": 5}", alpha), 3, 0);
    assert_true(was.mean == is.mean && was.deviation == is.deviation);
    const char *moon = picture_photograph(j, "moon.png");
    assert_int_equal(picture_facts(moon).bands, 1);
    assert_int_equal(picture_facts(run_ok(j, "{}", moon)).bands, 1);
    assert_int_equal(picture_facts(run_ok(j, "{\"preset\": \"warm\"}", moon)).bands, 3);
}

static void a_low_quality_makes_a_smaller_file(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;
    const char *path = picture_photograph(j, "rocket.jpg");
    run_ok(j, "{\"quality\": 20}", path);
    int64_t small = host_output(j, 0)->size;
    run_ok(j, "{}", path);
    assert_true(small * 2 < host_output(j, 0)->size);
}

static void what_can_not_be_written_passes_and_what_is_wrong_is_said(void **state)
{
    static const char svg[] = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect "
                              "width='5' height='5'/></svg>";
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    (void)state;

    run_ok(j, "{}", picture_write(j, "a.svg", svg, strlen(svg)));
    assert_true(host_output(j, 0)->same);
    assert_int_equal(
        host_run_on(j, ROBOT, "{\"engine\": \"ai\"}", picture_make(j, "b.png", 9, 9, false), &err),
        -1);
    assert_string_equal(err_name(&err), "IMAGE_ENHANCE_VALIDATION");
    assert_non_null(strstr(err.msg, "engine"));
    assert_non_null(strstr(err.msg, "classic"));
    assert_int_equal(host_run_on(j, ROBOT, "{}", picture_write(j, "c.png", "", 0), &err), -1);
    assert_string_equal(err_name(&err), "IMAGE_ENHANCE_NO_INPUT_FILE");
    assert_int_equal(
        host_run_on(j, ROBOT, "{}", picture_write(j, "d.png", "\x89PNG\r\n\x1a\nxx", 10), &err),
        -1);
    assert_int_equal(err.code, ERR_COMMAND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_light_is_stretched_the_more_the_stronger_and_not_without_end),
        cmocka_unit_test(what_is_too_dark_or_too_light_moves_to_the_middle),
        cmocka_unit_test(each_grade_looks_as_it_is_called),
        cmocka_unit_test(black_and_white_has_no_colour_and_vivid_has_more),
        cmocka_unit_test(noise_goes_and_edges_stay),
        cmocka_unit_test(sharpening_makes_edges_steeper_and_leaves_flat_areas),
        cmocka_unit_test(format_depth_frames_alpha_and_grey_stay),
        cmocka_unit_test(a_low_quality_makes_a_smaller_file),
        cmocka_unit_test(what_can_not_be_written_passes_and_what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
