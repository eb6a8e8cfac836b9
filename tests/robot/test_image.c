/* Image Robots and the probe: real files in; size, format and meta of the results out. */
#include "../unit/unit.h"
#include "host.h"
#include "media/probe.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <vips/vips.h>

static char dir[] = "/tmp/workcell-robot-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[4][300];
    static int turn;
    char *p = path[turn++ % 4];

    snprintf(p, 300, "%s/%s", dir, name);
    return p;
}

/* A gradient, so that a wrong cut or turn shows in its colours. */
static void make_image(const char *name, int w, int h, int bands, int orientation)
{
    VipsImage *xyz, *f, *u, *srgb;

    assert_int_equal(vips_xyz(&xyz, w, h, NULL), 0);
    double a[] = {255.0 / w, 255.0 / h}, b[] = {0, 0};
    assert_int_equal(vips_linear(xyz, &f, a, b, 2, NULL), 0);
    VipsImage *parts[] = {f, NULL};
    assert_int_equal(vips_extract_band(f, &parts[1], 0, "n", bands - 2, NULL), 0);
    VipsImage *joined;
    assert_int_equal(vips_bandjoin(parts, &joined, 2, NULL), 0);
    assert_int_equal(vips_cast(joined, &u, VIPS_FORMAT_UCHAR, NULL), 0);
    assert_int_equal(vips_copy(u, &srgb, "interpretation", VIPS_INTERPRETATION_sRGB, NULL), 0);
    if (orientation)
        vips_image_set_int(srgb, "orientation", orientation);
    assert_int_equal(vips_image_write_to_file(srgb, path_of(name), NULL), 0);
    VipsImage *all[] = {xyz, f, parts[1], joined, u, srgb};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        g_object_unref(all[i]);
}

static void write_file(const char *name, const void *data, size_t len)
{
    FILE *f = fopen(path_of(name), "w");

    fwrite(data, 1, len, f);
    fclose(f);
}

/* Runs /image/resize over one file; the caller frees the host. */
static struct robot_job *resize(const char *name, const char *params, int want)
{
    struct robot_job *h = host_new();
    struct err err;

    host_add_input(h, path_of(name));
    int rc = host_run(h, "/image/resize", params, &err);
    if (rc != want)
        fail_msg("%s: %s", params, err.msg);
    return h;
}

static void every_strategy_gives_the_documented_size(void **state)
{
    static const struct {
        const char *params;
        int w, h;
    } rows[] = {
        {"{\"width\":100,\"height\":100}", 100, 75},
        {"{\"width\":100,\"height\":100,\"resize_strategy\":\"min_fit\"}", 133, 100},
        {"{\"width\":100,\"height\":100,\"resize_strategy\":\"fillcrop\"}", 100, 100},
        {"{\"width\":100,\"height\":100,\"resize_strategy\":\"pad\"}", 100, 100},
        {"{\"width\":100,\"height\":100,\"resize_strategy\":\"stretch\"}", 100, 100},
        {"{\"width\":100,\"height\":100,\"resize_strategy\":\"crop\"}", 100, 100},
        {"{\"width\":\"200px\"}", 200, 150},
        {"{\"height\":\"150\"}", 200, 150},
        {"{\"width\":800}", 800, 600},
        {"{\"width\":800,\"zoom\":false}", 400, 300},
        {"{\"width\":800,\"height\":800,\"zoom\":\"false\",\"resize_strategy\":\"pad\"}", 800, 800},
        {"{\"width\":800,\"height\":200,\"zoom\":false,\"resize_strategy\":\"fillcrop\"}", 400, 200},
        {"{}", 400, 300},
        {"{\"crop\":{\"x1\":80,\"y1\":30,\"x2\":\"60%\",\"y2\":\"80%\"}}", 160, 210},
        {"{\"crop\":\"{\\\"x1\\\":10,\\\"x2\\\":20}\"}", 10, 300},
        {"{\"rotation\":90}", 300, 400},
        {"{\"shave\":\"10x20\"}", 380, 260},
        {"{\"shave\":5}", 390, 290},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct robot_job *h = resize("g.png", rows[i].params, 0);
        const json_t *meta = host_output(h, 0)->meta;

        if (jint(meta, "width", 0) != rows[i].w || jint(meta, "height", 0) != rows[i].h)
            fail_msg("%s: %dx%d", rows[i].params, (int)jint(meta, "width", 0), (int)jint(meta, "height", 0));
        host_free(h);
    }
}

static void formats_are_converted_and_can_be_read_again(void **state)
{
    static const char *const formats[][2] = {{"jpg", "image/jpeg"},  {"png", "image/png"},   {"webp", "image/webp"},
                                             {"gif", "image/gif"},   {"tiff", "image/tiff"}, {"avif", "image/avif"}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        char params[80], mime[MIME_LEN], ext[16];
        struct probe_want want = {media_limits(NULL), NULL, true};
        json_t *meta = NULL;
        struct err err;

        snprintf(params, sizeof params, "{\"format\":\"%s\",\"width\":64}", formats[i][0]);
        struct robot_job *h = resize("g.png", params, 0);
        assert_string_equal(host_output(h, 0)->mime, formats[i][1]);
        assert_int_equal(probe_file(&meta, mime, ext, host_output(h, 0)->path, "x", &want, &err), 0);
        assert_string_equal(mime, formats[i][1]);
        assert_int_equal(jint(meta, "width", 0), 64);
        assert_string_equal(jstr(meta, "aspect_ratio"), "1.333");
        json_decref(meta);
        host_free(h);
    }
}

static void exif_orientation_turns_the_picture_unless_told_not_to(void **state)
{
    struct robot_job *h = resize("turned.jpg", "{\"width\":30}", 0);
    (void)state;

    assert_int_equal(jint(host_output(h, 0)->meta, "height", 0), 40);
    host_free(h);
    h = resize("turned.jpg", "{\"width\":40,\"rotation\":false}", 0);
    assert_int_equal(jint(host_output(h, 0)->meta, "height", 0), 30);
    host_free(h);
}

static void transparency_is_flattened_unless_the_background_is_none(void **state)
{
    struct robot_job *h = resize("alpha.png", "{\"width\":50}", 0);
    (void)state;

    assert_false(jbool(host_output(h, 0)->meta, "has_transparency", true));
    host_free(h);
    h = resize("alpha.png", "{\"width\":50,\"background\":\"none\"}", 0);
    assert_true(jbool(host_output(h, 0)->meta, "has_transparency", false));
    host_free(h);
}

static void colour_work_shows_in_the_average(void **state)
{
    struct robot_job *h = resize("g.png", "{\"monochrome\":true,\"width\":50}", 0);
    (void)state;

    assert_string_equal(jstr_or(host_output(h, 0)->meta, "colorspace", ""), "Gray");
    host_free(h);
    h = resize("g.png", "{\"brightness\":0}", 0);
    assert_string_equal(jstr(host_output(h, 0)->meta, "average_color"), "#000000");
    host_free(h);
}

static void what_is_not_built_or_wrong_is_refused_by_name(void **state)
{
    static const char *const rows[][2] = {
        {"{\"watermark_size\":\"5\"}", "watermark_size"}, {"{\"alpha\":\"x\"}", "alpha"},
        {"{\"width\":25001}", "width"},          {"{\"width\":\"1x1\"}", "width"},
        {"{\"background\":\"mauve\"}", "background"}, {"{\"format\":\"bmp3\"}", "format"},
        {"{\"colorspace\":\"OkLaab\"}", "colorspace"}, {"{\"blur\":\"5\"}", "blur"},
        {"{\"quality\":0}", "quality"},          {"{\"rotation\":\"left\"}", "rotation"},
        {"{\"crop\":{\"x1\":9,\"x2\":3}}", "crop"}, {"{\"nonsense\":1}", "nonsense"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct robot_job *h = host_new();
        struct err err;

        host_add_input(h, path_of("g.png"));
        assert_int_equal(host_run(h, "/image/resize", rows[i][0], &err), -1);
        assert_string_equal(err_name(&err), "IMAGE_RESIZE_VALIDATION");
        if (!strstr(err.msg, rows[i][1]))
            fail_msg("%s: %s", rows[i][0], err.msg);
        host_free(h);
    }
}

static void hostile_files_end_in_an_error_before_they_are_decoded(void **state)
{
    static const unsigned char jpeg[] = {0xff, 0xd8, 0xff, 0xc0, 0x00, 0x11, 8, 0xfa, 0xfa, 0xfa, 0xfa,
                                         3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xff, 0xda, 0, 12, 3, 1, 0, 2,
                                         0x11, 3, 0x11, 0, 0x3f, 0, 1, 2, 3, 0xff, 0xd9};
    struct robot_job *h;
    (void)state;

    write_file("bomb.jpg", jpeg, sizeof jpeg);
    write_file("empty.jpg", "", 0);
    write_file("text.jpg", "no image at all", 15);
    h = resize("bomb.jpg", "{\"width\":5}", -1);
    host_free(h);
    h = resize("text.jpg", "{\"width\":5}", -1);
    host_free(h);

    struct err err;
    h = host_new();
    host_add_input(h, path_of("empty.jpg"));
    assert_int_equal(host_run(h, "/image/resize", "{\"width\":5}", &err), -1);
    assert_string_equal(err_name(&err), "INVALID_INPUT_ERROR");
    host_free(h);
}

static void a_probe_tells_what_a_file_is_from_its_bytes(void **state)
{
    struct probe_want want = {media_limits(NULL), NULL, false};
    char mime[MIME_LEN], ext[16];
    json_t *meta = NULL;
    struct err err;
    (void)state;

    assert_int_equal(probe_file(&meta, mime, ext, path_of("g.png"), "lie.txt", &want, &err), 0);
    assert_string_equal(mime, "image/png");
    static const char *const keys[] = {"aspect_ratio", "average_color", "colorspace", "date_file_modified",
                                       "frame_count", "has_clipping_path", "has_transparency", "height", "width"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (!json_object_get(meta, keys[i]))
            fail_msg("%s is missing", keys[i]);
    json_decref(meta);
    meta = NULL;
    write_file("t.jpg", "plain text\n", 11);
    assert_int_equal(probe_file(&meta, mime, ext, path_of("t.jpg"), "t.jpg", &want, &err), 0);
    assert_string_equal(mime, "text/plain");
    json_decref(meta);
}

static void sound_and_video_are_probed_with_ffprobe(void **state)
{
    struct probe_want want = {media_limits(NULL), NULL, false};
    char mime[MIME_LEN], ext[16], cmd[600];
    json_t *meta = NULL;
    struct err err;
    (void)state;

    snprintf(cmd, sizeof cmd, "ffmpeg -v error -y -f lavfi -i testsrc=size=64x48:rate=10 -f lavfi -i sine -t 1 %s/v.mp4",
             dir);
    assert_int_equal(system(cmd), 0);
    assert_int_equal(probe_file(&meta, mime, ext, path_of("v.mp4"), "v.mp4", &want, &err), 0);
    assert_string_equal(mime, "video/mp4");
    assert_int_equal(jint(meta, "width", 0), 64);
    assert_int_equal(jint(meta, "height", 0), 48);
    assert_true(jnum(meta, "duration", 0) > 0.9 && jnum(meta, "duration", 0) < 1.2);
    json_decref(meta);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir) || VIPS_INIT("test"))
        return -1;
    make_image("g.png", 400, 300, 3, 0);
    make_image("turned.jpg", 400, 300, 3, 6);
    make_image("alpha.png", 100, 100, 4, 0);
    return 0;
}

static int tear_down(void **state)
{
    char cmd[100];

    (void)state;
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_strategy_gives_the_documented_size),
        cmocka_unit_test(formats_are_converted_and_can_be_read_again),
        cmocka_unit_test(exif_orientation_turns_the_picture_unless_told_not_to),
        cmocka_unit_test(transparency_is_flattened_unless_the_background_is_none),
        cmocka_unit_test(colour_work_shows_in_the_average),
        cmocka_unit_test(what_is_not_built_or_wrong_is_refused_by_name),
        cmocka_unit_test(hostile_files_end_in_an_error_before_they_are_decoded),
        cmocka_unit_test(a_probe_tells_what_a_file_is_from_its_bytes),
        cmocka_unit_test(sound_and_video_are_probed_with_ffprobe),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
