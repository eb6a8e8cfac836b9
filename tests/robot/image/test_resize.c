#include "../../unit/unit.h"
#include "base/str.h"
#include "pictures.h"

#include <stdio.h>
#include <string.h>

#define ROBOT "/image/resize"

static int64_t meta_int(const struct robot_job *j, const char *key)
{
    return jint(host_output(j, 0)->meta, key, -1);
}

static void run_ok(struct robot_job *j, const char *step, const char *path)
{
    struct err err;

    if (host_run_on(j, ROBOT, step, path, &err) < 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
    assert_int_equal(host_output_count(j), 1);
}

/* 400x300 unless said otherwise. */
static void every_strategy_gives_the_documented_size(void **state)
{
    static const struct {
        const char *step;
        int w, h;
    } rows[] = {
        {"{'width':100,'height':100}", 100, 75},
        {"{'width':100,'height':100,'resize_strategy':'min_fit'}", 133, 100},
        {"{'width':100,'height':100,'resize_strategy':'fillcrop'}", 100, 100},
        {"{'width':100,'height':100,'resize_strategy':'pad'}", 100, 100},
        {"{'width':100,'height':100,'resize_strategy':'stretch'}", 100, 100},
        {"{'width':100,'height':100,'resize_strategy':'crop'}", 100, 100},
        {"{'width':200}", 200, 150},
        {"{'height':600}", 800, 600},
        {"{'width':'200px'}", 200, 150},
        {"{'width':800,'height':800,'zoom':false}", 400, 300},
        {"{'width':800,'height':800,'zoom':false,'resize_strategy':'pad'}", 800, 800},
        {"{'width':800,'height':200,'zoom':false,'resize_strategy':'fillcrop'}", 400, 200},
        {"{'width':800,'height':200,'zoom':false,'resize_strategy':'stretch'}", 400, 200},
        {"{'width':500,'height':100,'resize_strategy':'crop'}", 500, 100},
        {"{'width':500,'height':100,'zoom':false,'resize_strategy':'crop'}", 400, 100},
        {"{'width':100,'resize_strategy':'stretch'}", 100, 300},
        {"{'crop':{'x1':80,'y1':100,'x2':'60%','y2':'80%'}}", 160, 140},
        {"{'crop':'{\\'x1\\':80,\\'y1\\':100,\\'x2\\':\\'60%\\',\\'y2\\':\\'80%\\'}'}", 160, 140},
        {"{'crop':{'x1':'10','y1':10},'width':7}", 390, 290},
        {"{'crop':{'x2':9999,'y2':9999}}", 400, 300},
        {"{'shave':'10x20'}", 380, 260},
        {"{'shave':5}", 390, 290},
        {"{'rotation':90}", 300, 400},
        {"{'rotation':'180'}", 400, 300},
        {"{'rotation':45}", 495, 495},
        {"{}", 400, 300},
        {"{'width':1}", 1, 1},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 400, 300, false);
    const char *jpg = picture_make(j, "in.jpg", 400, 300, false);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
        char step[200];

        snprintf(step, sizeof step, "%s", rows[i / 2].step);
        for (char *c = step; *c; c++)
            *c = *c == '\'' ? '"' : *c;
        run_ok(j, step, i % 2 ? png : jpg);
        struct picture_facts f = picture_facts(host_output(j, 0)->path);
        if (abs(f.width - rows[i / 2].w) > (strstr(step, "45") ? 1 : 0) ||
            abs(f.height - rows[i / 2].h) > (strstr(step, "45") ? 1 : 0))
            fail_msg("%s: %dx%d", step, f.width, f.height);
        assert_int_equal(meta_int(j, "width"), f.width);
        assert_int_equal(meta_int(j, "height"), f.height);
    }
}

static void every_format_can_be_written(void **state)
{
    static const struct {
        const char *format, *ext, *mime, *loader;
    } rows[] = {
        {"jpg", "jpg", "image/jpeg", "jpegload"},   {"jpeg", "jpg", "image/jpeg", "jpegload"},
        {"png", "png", "image/png", "pngload"},     {"webp", "webp", "image/webp", "webpload"},
        {"gif", "gif", "image/gif", "gifload"},     {"tiff", "tiff", "image/tiff", "tiffload"},
        {"avif", "avif", "image/avif", "heifload"}, {"heic", "heic", "image/heic", "heifload"},
        {"jp2", "jp2", "image/jp2", "jp2kload"},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 200, 100, true);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char step[80], name[20];

        snprintf(step, sizeof step, "{\"width\":64,\"format\":\"%s\"}", rows[i].format);
        run_ok(j, step, png);
        const struct host_output *o = host_output(j, 0);
        snprintf(name, sizeof name, "in.%s", rows[i].ext);
        assert_string_equal(o->name, name);
        assert_string_equal(o->mime, rows[i].mime);
        struct picture_facts f = picture_facts(o->path);
        assert_string_equal(f.loader, rows[i].loader);
        assert_int_equal(f.width, 64);
    }
}

/* White is 1 there: libvips once wrote none of the pixels of a picture with colours. */
static void a_fax_is_made_of_any_picture(void **state)
{
    static const char *const backgrounds[] = {"none", "#000000"};
    AUTO(host_free) struct robot_job *j = host_new();
    double px[4];
    (void)state;

    for (int i = 0; i < 4; i++) {
        AUTO(mem_free) char *step = mem_printf(
            "{\"format\":\"tiff\",\"compress\":\"Group4\",\"contrast\":2,\"brightness\":3,"
            "\"background\":\"%s\"}",
            backgrounds[i / 2]);
        run_ok(j, step, picture_make(j, "in.png", 200, 100, i % 2));
        assert_int_equal(picture_pixel(px, host_output(j, 0)->path, 50, 5), 1);
        assert_int_equal((int)px[0], i == 3 ? 0 : 255);
    }
}

static void transparency_becomes_white_unless_background_is_none(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 200, 100, true);
    double px[4];
    (void)state;

    run_ok(j, "{\"width\":100}", png);
    assert_int_equal(picture_pixel(px, host_output(j, 0)->path, 50, 5), 3);
    assert_true(px[0] == 255 && px[1] == 255 && px[2] == 255);
    assert_false(jbool(host_output(j, 0)->meta, "has_transparency", true));

    run_ok(j, "{\"width\":100,\"background\":\"none\"}", png);
    assert_int_equal(picture_pixel(px, host_output(j, 0)->path, 50, 5), 4);
    assert_true(px[3] == 0);
    assert_true(jbool(host_output(j, 0)->meta, "has_transparency", false));

    run_ok(j, "{\"width\":100,\"background\":\"#00f\"}", png);
    picture_pixel(px, host_output(j, 0)->path, 50, 5);
    assert_true(px[0] == 0 && px[1] == 0 && px[2] == 255);

    run_ok(j, "{\"background\":\"none\",\"format\":\"jpg\"}", png);
    picture_pixel(px, host_output(j, 0)->path, 100, 5);
    assert_true(px[0] > 250 && px[1] > 250 && px[2] > 250);
}

static void padding_takes_the_background(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 200, 100, false);
    double px[4];
    (void)state;

    run_ok(j, "{\"width\":100,\"height\":100,\"resize_strategy\":\"pad\",\"background\":\"#0f0\"}",
           png);
    picture_pixel(px, host_output(j, 0)->path, 50, 24);
    assert_true(px[0] == 0 && px[1] == 255 && px[2] == 0);
    picture_pixel(px, host_output(j, 0)->path, 5, 26);
    assert_true(px[0] > 190);
    picture_pixel(px, host_output(j, 0)->path, 50, 76);
    assert_true(px[1] == 255);

    run_ok(j, "{\"width\":100,\"height\":100,\"resize_strategy\":\"pad\",\"background\":\"none\"}",
           png);
    assert_int_equal(picture_pixel(px, host_output(j, 0)->path, 50, 0), 4);
    assert_true(px[3] == 0);
}

static void gravity_names_the_side_that_stays(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 200, 100, false);
    double px[4];
    (void)state;

    run_ok(j, "{\"width\":50,\"height\":50,\"resize_strategy\":\"fillcrop\",\"gravity\":\"left\"}",
           png);
    picture_pixel(px, host_output(j, 0)->path, 40, 25);
    assert_true(px[0] > 190 && px[2] < 30);
    run_ok(j,
           "{\"width\":50,\"height\":50,\"resize_strategy\":\"fillcrop\",\"gravity\":\"bottom-"
           "right\"}",
           png);
    picture_pixel(px, host_output(j, 0)->path, 10, 25);
    assert_true(px[2] > 190 && px[0] < 30);
}

static void exif_orientation_is_baked_in(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    double px[4];
    (void)state;

    for (int o = 1; o <= 8; o++) {
        const char *jpg = picture_make_turned(j, "in.jpg", 400, 200, o);

        run_ok(j, "{\"width\":100}", jpg);
        struct picture_facts f = picture_facts(host_output(j, 0)->path);
        assert_int_equal(f.width, 100);
        assert_int_equal(f.height, o >= 5 ? 200 : 50);
        assert_int_equal(f.orientation, 1);

        run_ok(j, "{\"width\":100,\"rotation\":false}", jpg);
        f = picture_facts(host_output(j, 0)->path);
        assert_int_equal(f.height, 50);
        assert_int_equal(f.orientation, o);
    }
    /* 6: the stored left side is the top */
    run_ok(j, "{\"rotation\":\"auto\"}", picture_make_turned(j, "six.jpg", 400, 200, 6));
    picture_pixel(px, host_output(j, 0)->path, 100, 20);
    assert_true(px[0] > 150 && px[2] < 80);
    run_ok(j, "{\"strip\":true}", picture_make_turned(j, "six.jpg", 400, 200, 6));
    assert_int_equal(picture_facts(host_output(j, 0)->path).orientation, 1);
}

static void animations_keep_their_frames_where_the_format_can(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *gif = picture_make_animated(j, "in.gif", 80, 60, 3);
    (void)state;

    run_ok(j, "{\"width\":40}", gif);
    struct picture_facts f = picture_facts(host_output(j, 0)->path);
    assert_int_equal(f.frames, 3);
    assert_int_equal(f.width, 40);
    assert_int_equal(f.height, 30);
    assert_int_equal(meta_int(j, "frame_count"), 3);
    assert_int_equal(meta_int(j, "height"), 30);

    run_ok(j, "{\"width\":40,\"format\":\"webp\"}", gif);
    assert_int_equal(picture_facts(host_output(j, 0)->path).frames, 3);
    run_ok(j, "{\"width\":40,\"format\":\"png\"}", gif);
    f = picture_facts(host_output(j, 0)->path);
    assert_int_equal(f.frames, 1);
    assert_int_equal(f.height, 30);
    run_ok(j, "{\"frame\":2}", gif);
    assert_int_equal(picture_facts(host_output(j, 0)->path).frames, 1);
    struct err err;
    assert_int_equal(host_run_on(j, ROBOT, "{\"frame\":9}", gif, &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);
}

static void colour_work_does_what_it_says(void **state)
{
    static const struct {
        const char *step;
        int r, g, b, bands; /* of the pixel at (20, 0), red 200,0,20; -1: any */
    } rows[] = {
        {"{\"negate\":true}", 55, 255, 235, 3},
        {"{\"contrast\":0}", 128, 128, 128, 3},
        {"{\"brightness\":0}", 0, 0, 0, 3},
        {"{\"saturation\":0}", 100, 100, 100, 3},
        {"{\"hue\":0}", 0, 200, 180, 3},
        {"{\"hue\":200}", 0, 200, 180, 3},
        {"{\"hue\":100}", 200, 0, 20, 3},
        {"{\"monochrome\":true}", 0, -1, -1, 1},
        {"{\"colorspace\":\"Gray\"}", -1, -1, -1, 1},
        {"{\"type\":\"Grayscale\"}", -1, -1, -1, 1},
        {"{\"type\":\"TrueColorAlpha\"}", 200, 0, 20, 4},
        {"{\"transparent\":\"200,0,20\"}", 200, 0, 20, 4},
        {"{\"colorspace\":\"RGB\"}", 200, 0, 20, 3},
        {"{\"sepia\":80}", -1, -1, -1, 3},
        {"{\"correct_gamma\":true,\"width\":200}", 200, 0, 20, 3},
        {"{\"progressive\":true,\"adaptive_filtering\":true,\"strip\":true}", 200, 0, 20, 3},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 400, 300, false);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const int want[] = {rows[i].r, rows[i].g, rows[i].b};
        double px[4];

        run_ok(j, rows[i].step, png);
        int n = picture_pixel(px, host_output(j, 0)->path, 20, 0);
        if (n != rows[i].bands)
            fail_msg("%s: %d bands", rows[i].step, n);
        for (int c = 0; c < 3; c++)
            if (want[c] >= 0 && (px[c] < want[c] - 1.5 || px[c] > want[c] + 1.5))
                fail_msg("%s: channel %d is %g", rows[i].step, c, px[c]);
    }
    run_ok(j, "{\"colorspace\":\"CMYK\",\"format\":\"jpg\"}", png);
    assert_string_equal(jstr(host_output(j, 0)->meta, "colorspace"), "CMYK");
    run_ok(j, "{\"colorspace\":\"Lab\",\"format\":\"tiff\",\"compress\":\"Zip\"}", png);
    assert_string_equal(jstr(host_output(j, 0)->meta, "colorspace"), "Lab");
    run_ok(j, "{\"colorspace\":\"Gray\"}", png);
    assert_string_equal(jstr(host_output(j, 0)->meta, "colorspace"), "Gray");
}

static void blur_regions_touch_only_their_ellipses(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 400, 300, false);
    double px[4];
    (void)state;

    run_ok(j,
           "{\"blur\":\"0x5\",\"blur_regions\":[{\"x\":150,\"y\":100,\"width\":100,\"height\":"
           "\"100px\"}]}",
           png);
    picture_pixel(px, host_output(j, 0)->path, 199, 150);
    assert_true(px[0] < 150 && px[2] > 60);
    picture_pixel(px, host_output(j, 0)->path, 199, 50);
    assert_true(px[0] == 200);
    run_ok(j, "{\"blur\":\"0x5\"}", png);
    picture_pixel(px, host_output(j, 0)->path, 199, 50);
    assert_true(px[0] < 150);
}

static void a_grey_picture_stays_grey_until_colour_comes_in(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    run_ok(j, "{\"colorspace\":\"Gray\"}", picture_make(j, "in.png", 400, 300, false));
    const char *gray = host_path(j, "gray.png");
    assert_int_equal(rename(host_output(j, 0)->path, gray), 0);
    run_ok(j, "{\"width\":100,\"format\":\"jpg\"}", gray);
    assert_int_equal(picture_facts(host_output(j, 0)->path).bands, 1);
    assert_string_equal(jstr(host_output(j, 0)->meta, "colorspace"), "Gray");
    run_ok(j, "{\"sepia\":80}", gray);
    assert_int_equal(picture_facts(host_output(j, 0)->path).bands, 3);
    run_ok(j, "{\"width\":9,\"height\":9,\"resize_strategy\":\"pad\",\"background\":\"red\"}",
           gray);
    assert_int_equal(picture_facts(host_output(j, 0)->path).bands, 3);
}

static void extra_meta_comes_on_request(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 400, 300, false);
    (void)state;

    run_ok(j, "{\"width\":100}", png);
    assert_null(json_object_get(host_output(j, 0)->meta, "dominant_colors"));
    run_ok(j, "{\"width\":100,\"output_meta\":{\"dominant_colors\":true}}", png);
    assert_true(json_array_size(json_object_get(host_output(j, 0)->meta, "dominant_colors")) > 0);
}

static void a_huge_result_is_refused_before_it_is_made(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 40, 30, false);
    const char *thin = picture_make(j, "thin.png", 1, 1000, false);
    struct err err;
    (void)state;

    assert_int_equal(host_run_on(j, ROBOT,
                                 "{\"width\":25000,\"height\":25000,\"resize_strategy\":\"pad\"}",
                                 png, &err),
                     -1);
    assert_non_null(strstr(err.msg, "max_pixels"));
    assert_int_equal(host_run_on(j, ROBOT, "{\"width\":25000}", thin, &err), -1);
    assert_non_null(strstr(err.msg, "max_pixels"));
}

static void uniform_edges_are_trimmed(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 400, 300, false);
    (void)state;

    run_ok(j, "{\"width\":500,\"height\":500,\"resize_strategy\":\"pad\",\"zoom\":false}", png);
    const char *padded = host_path(j, "padded.png");
    assert_int_equal(rename(host_output(j, 0)->path, padded), 0);
    run_ok(j, "{\"trim_whitespace\":true}", padded);
    assert_int_equal(meta_int(j, "width"), 400);
    assert_int_equal(meta_int(j, "height"), 300);
}

static void bad_parameters_are_refused_by_name(void **state)
{
    static const char *const steps[] = {
        "{\"width\":0}",
        "{\"width\":25001}",
        "{\"width\":\"10x10\"}",
        "{\"resize_strategy\":\"big\"}",
        "{\"quality\":101}",
        "{\"colorspace\":\"HSLL\"}",
        "{\"colorspace\":\"Lab\",\"format\":\"png\"}",
        "{\"rotation\":\"left\"}",
        "{\"crop\":{\"x1\":\"a\"}}",
        "{\"crop\":\"no\"}",
        "{\"crop\":{\"x3\":1}}",
        "{\"crop\":{\"x1\":50,\"x2\":50}}",
        "{\"blur\":\"5\"}",
        "{\"text\":{}}",
        "{\"clut\":\"maybe\"}",
        "{\"format\":\"pdf\"}",
        "{\"background\":\"purplish\"}",
        "{\"shave\":\"200x200\"}",
        "{\"unknown\":1}",
        "{\"imagemagick_stack\":\"v9\"}",
    };
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 400, 300, false);
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        if (host_run_on(j, ROBOT, steps[i], png, &err) == 0 || err.code != ERR_ROBOT_VALIDATION)
            fail_msg("%s was taken", steps[i]);
    assert_int_equal(host_run_on(j, ROBOT, "{\"blur_regions\":[{\"x\":0}]}", png, &err), -1);
    assert_string_equal(err_name(&err), "IMAGE_RESIZE_INVALID_BLUR_REGION");
}

static void hostile_files_are_refused_quickly(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    static const unsigned char huge_jpeg[] = {
        0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8, 0xFA, 0xFA, 0xFA, 0xFA, 3, 1, 0x11, 0,  2, 0x11, 0, 3,
        0x11, 0,    0xFF, 0xDA, 0, 12, 3, 1,    0,    2,    0,    3, 0, 0,    63, 0, 0,    0, 0};
    struct err err;
    (void)state;

    assert_int_equal(
        host_run_on(j, ROBOT, "{\"width\":10}", picture_write(j, "e.jpg", "", 0), &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
    assert_int_equal(host_run_on(j, ROBOT, "{\"width\":10}",
                                 picture_write(j, "h.jpg", huge_jpeg, sizeof huge_jpeg), &err),
                     -1);
    assert_int_equal(err.code, ERR_COMMAND);
    assert_non_null(strstr(err.msg, "max_pixels"));
    assert_int_equal(
        host_run_on(j, ROBOT, "{\"width\":10}", picture_write(j, "t.jpg", "hello", 5), &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);

    json_object_set_new(host_settings(j), "max_pixels", json_integer(1000));
    assert_int_equal(
        host_run_on(j, ROBOT, "{\"width\":10}", picture_make(j, "in.png", 400, 300, false), &err),
        -1);
    assert_non_null(strstr(err.msg, "the limit is 1000"));
    json_object_set_new(host_settings(j), "max_pixels", json_integer(1000000));
    json_object_set_new(host_settings(j), "max_frames", json_integer(2));
    assert_int_equal(host_run_on(j, ROBOT, "{\"width\":10}",
                                 picture_make_animated(j, "in.gif", 80, 60, 3), &err),
                     -1);
    assert_non_null(strstr(err.msg, "max_frames"));
}

static void a_truncated_photograph_is_an_error(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *jpg = picture_make(j, "in.jpg", 2000, 1500, false);
    char buf[4000];
    struct err err;
    (void)state;

    FILE *f = fopen(jpg, "rb");
    assert_int_equal(fread(buf, 1, sizeof buf, f), sizeof buf);
    fclose(f);
    assert_int_equal(host_run_on(j, ROBOT, "{\"width\":100}",
                                 picture_write(j, "cut.jpg", buf, sizeof buf), &err),
                     -1);
    assert_int_equal(err.code, ERR_COMMAND);
}

static void svg_is_drawn_and_fetches_nothing(void **state)
{
    static const char svg[] =
        "<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" "
        "width=\"100\" height=\"50\" viewBox=\"0 0 200 100\"><rect width=\"200\" height=\"100\" "
        "fill=\"#f00\"/>"
        "<image xlink:href=\"file:///etc/passwd\" width=\"10\" height=\"10\"/>"
        "<image xlink:href=\"http://127.0.0.1:9/a.png\" width=\"10\" height=\"10\"/></svg>";
    AUTO(host_free) struct robot_job *j = host_new();
    const char *path = picture_write(j, "a.svg", svg, sizeof svg - 1);
    double px[4];
    (void)state;

    run_ok(j, "{\"width\":40}", path);
    assert_string_equal(host_output(j, 0)->name, "a.png"); /* svg can't be written */
    picture_pixel(px, host_output(j, 0)->path, 20, 10);
    assert_true(px[0] > 240 && px[1] < 15);
    run_ok(j, "{\"background\":\"none\"}", path);
    assert_string_equal(host_output(j, 0)->name, "a.png");
}

static void shrink_on_load_costs_no_visible_quality(void **state)
{
    static const char *const names[] = {"astronaut.png", "coffee.png", "rocket.jpg"};
    (void)state;

    AUTO(host_free) struct robot_job *j = host_new();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        run_ok(j, "{\"format\":\"jpg\",\"quality\":95}", picture_photograph(j, names[i]));
        const char *jpg = host_path(j, "full.jpg");
        assert_int_equal(rename(host_output(j, 0)->path, jpg), 0);
        run_ok(j, "{\"width\":120,\"format\":\"png\"}", jpg);
        const char *ours = host_output(j, 0)->path;
        struct picture_facts f = picture_facts(ours);
        double psnr = picture_psnr(ours, picture_reference(j, "ref.png", jpg, f.width, f.height));
        printf("%s: %.1f dB to the full decode\n", names[i], psnr);
        if (psnr < 32)
            fail_msg("%s: %.1f dB", names[i], psnr);
    }
}

/* Half way through the pixels is half way: libvips is asked, not guessed. */
static void progress_comes_from_the_pixels(void **state)
{
    static const char *const steps[] = {"{\"width\":1500,\"format\":\"png\"}", "{\"width\":1500,\"format\":\"jpg\"}",
                                        "{\"format\":\"webp\",\"blur\":\"0x2\"}",
                                        "{\"rotation\":30,\"format\":\"tiff\"}"};

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        AUTO(host_free) struct robot_job *j = host_new();

        run_ok(j, steps[i], picture_make(j, "in.png", 1200, 900, false));
        if (host_progress_steps(j) < 10)
            fail_msg("%s: told %d times", steps[i], host_progress_steps(j));
    }
}

/* Pages, each with a box of another colour; side: of the page, in points. Its cross-reference table is left out: poppler
 * makes one. */
static const char *document(struct robot_job *j, int pages, int side)
{
    AUTO(str_done) struct str s = {0};

    str_addf(&s, "%%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Count %d/Kids[", pages);
    for (int i = 0; i < pages; i++)
        str_addf(&s, "%d 0 R ", 3 + 2 * i);
    str_puts(&s, "]>>\nendobj\n");
    for (int i = 0; i < pages; i++) {
        AUTO(mem_free) char *draw = mem_printf("%d 0 %d rg 10 10 50 50 re f", i % 2 == 0, i % 2);

        str_addf(&s, "%d 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents %d 0 R>>\nendobj\n", 3 + 2 * i, side,
                 side / 2, 4 + 2 * i);
        str_addf(&s, "%d 0 obj\n<</Length %zu>>\nstream\n%s\nendstream\nendobj\n", 4 + 2 * i, strlen(draw), draw);
    }
    str_puts(&s, "trailer\n<</Root 1 0 R>>\n%%EOF\n");
    return picture_write(j, "in.pdf", s.s, s.len);
}

static void a_document_gives_a_picture_for_each_page(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *pdf = document(j, 3, 144);
    struct err err;
    double px[4];
    (void)state;

    if (host_run_on(j, ROBOT, "{}", pdf, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(host_output_count(j), 3);
    for (int i = 0; i < 3; i++) {
        struct picture_facts f = picture_facts(host_output(j, i)->path);

        assert_string_equal(host_output(j, i)->name, "in.png");
        assert_int_equal(f.width, 300); /* 150 dpi */
        assert_int_equal(f.height, 150);
        picture_pixel(px, host_output(j, i)->path, 50, 75);
        assert_true(px[i % 2 ? 2 : 0] > 250 && px[i % 2 ? 0 : 2] < 5);
    }
    run_ok(j, "{\"frame\":2,\"density\":\"72\",\"format\":\"jpg\"}", pdf);
    assert_int_equal(picture_facts(host_output(j, 0)->path).width, 144);
    picture_pixel(px, host_output(j, 0)->path, 30, 36);
    assert_true(px[2] > 240);
    assert_int_equal(host_run_on(j, ROBOT, "{\"frame\":4}", pdf, &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);
}

static void documents_that_are_too_much_are_refused(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    (void)state;

    assert_int_equal(host_run_on(j, ROBOT, "{\"density\":\"9999\",\"frame\":1}", document(j, 1, 14400), &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);
    assert_int_equal(host_run_on(j, ROBOT, "{}", picture_write(j, "b.pdf", "%PDF-1.4\nnothing", 16), &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);
    json_object_set_new(host_settings(j), "max_frames", json_integer(5));
    assert_int_equal(host_run_on(j, ROBOT, "{}", document(j, 6, 20), &err), -1);
    assert_non_null(strstr(err.msg, "max_frames"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_strategy_gives_the_documented_size),
        cmocka_unit_test(every_format_can_be_written),
        cmocka_unit_test(a_fax_is_made_of_any_picture),
        cmocka_unit_test(transparency_becomes_white_unless_background_is_none),
        cmocka_unit_test(padding_takes_the_background),
        cmocka_unit_test(gravity_names_the_side_that_stays),
        cmocka_unit_test(exif_orientation_is_baked_in),
        cmocka_unit_test(animations_keep_their_frames_where_the_format_can),
        cmocka_unit_test(colour_work_does_what_it_says),
        cmocka_unit_test(blur_regions_touch_only_their_ellipses),
        cmocka_unit_test(a_grey_picture_stays_grey_until_colour_comes_in),
        cmocka_unit_test(extra_meta_comes_on_request),
        cmocka_unit_test(a_huge_result_is_refused_before_it_is_made),
        cmocka_unit_test(uniform_edges_are_trimmed),
        cmocka_unit_test(bad_parameters_are_refused_by_name),
        cmocka_unit_test(hostile_files_are_refused_quickly),
        cmocka_unit_test(a_truncated_photograph_is_an_error),
        cmocka_unit_test(svg_is_drawn_and_fetches_nothing),
        cmocka_unit_test(shrink_on_load_costs_no_visible_quality),
        cmocka_unit_test(a_document_gives_a_picture_for_each_page),
        cmocka_unit_test(documents_that_are_too_much_are_refused),
        cmocka_unit_test(progress_comes_from_the_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
