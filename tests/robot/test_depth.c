/* What comes in with 16 bits a sample keeps them to the end, wherever the result has room for them. */
#include "../unit/unit.h"
#include "media/vips.h"
#include "pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#define ROBOT "/image/resize"

enum { W = 1500, H = 24, TOP = 65535 };

enum profile { NO_PROFILE, WITH_PROFILE };

static void must(int failed)
{
    if (failed) {
        fprintf(stderr, "%s\n", vips_error_buffer());
        abort();
    }
}

/* ---- pictures: a ramp from black to white, in every band another way ---- */

static double ramp(int band, int bands, double x)
{
    double share = x / (W - 1);

    if (band == bands - 1 && bands % 2 == 0) /* alpha: never nothing */
        return TOP - share * 40000;
    return band == 0 ? share * TOP : band == 1 ? TOP - share * TOP : 32768 + 30000 * sin(x / 40);
}

static void be(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (24 - 8 * i));
}

enum { CURVE = 512, PROFILE = 188 + 2 * CURVE };

/* Grey with a gamma of 2: the head, the table of two tags, the white point, the curve. */
static void grey_profile(uint8_t p[PROFILE])
{
    static const uint32_t white[] = {0x0000F6D6, 0x00010000, 0x0000D32D};

    memset(p, 0, PROFILE);
    be(p, PROFILE);
    be(p + 8, 0x02400000);
    memcpy(p + 12, "mntrGRAYXYZ ", 12);
    memcpy(p + 36, "acsp", 4);
    for (int i = 0; i < 3; i++) {
        be(p + 68 + 4 * i, white[i]);
        be(p + 156 + 8 + 4 * i, white[i]);
    }
    be(p + 128, 2);
    memcpy(p + 132, "wtpt", 4);
    be(p + 136, 156);
    be(p + 140, 20);
    memcpy(p + 144, "kTRC", 4);
    be(p + 148, 176);
    be(p + 152, 12 + 2 * CURVE);
    memcpy(p + 156, "XYZ ", 4);
    memcpy(p + 176, "curv", 4);
    be(p + 184, CURVE);
    for (int i = 0; i < CURVE; i++) {
        uint32_t v = (uint32_t)((double)i * i / (CURVE - 1) / (CURVE - 1) * TOP + 0.5);

        p[188 + 2 * i] = (uint8_t)(v >> 8);
        p[189 + 2 * i] = (uint8_t)v;
    }
}

static void add_profile(VipsImage *v)
{
    uint8_t grey[PROFILE];
    VipsBlob *blob = NULL;
    const void *data = grey;
    size_t len = sizeof grey;

    if (v->Bands < 3) {
        grey_profile(grey);
    } else {
        must(vips_profile_load("p3", &blob, NULL));
        data = vips_blob_get(blob, &len);
    }
    vips_image_set_blob_copy(v, VIPS_META_ICC_NAME, data, len);
    if (blob)
        vips_area_unref(VIPS_AREA(blob));
}

static const char *make(struct robot_job *j, const char *name, int bands, enum profile profile)
{
    const char *path = host_path(j, name);
    uint16_t *px = mem_alloc(sizeof *px * (size_t)(W * H * bands)), *p = px;
    VipsImage *v, *out;

    must(media_init(NULL) < 0);
    for (int i = 0; i < W * H; i++)
        for (int b = 0; b < bands; b++)
            *p++ = (uint16_t)(ramp(b, bands, i % W) + 0.5);
    v = vips_image_new_from_memory_copy(px, sizeof *px * (size_t)(W * H * bands), W, H, bands, VIPS_FORMAT_USHORT);
    must(vips_copy(v, &out, "interpretation", bands < 3 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_RGB16,
                   NULL));
    if (profile == WITH_PROFILE)
        add_profile(out);
    must(vips_image_write_to_file(out, path, NULL));
    g_object_unref(v);
    g_object_unref(out);
    free(px);
    return path;
}

static VipsImage *load(const char *path)
{
    VipsImage *v = vips_image_new_from_file(path, NULL), *mem;

    must(!v);
    must(!(mem = vips_image_copy_memory(v)));
    g_object_unref(v);
    return mem;
}

static int sample(VipsImage *v, int x, int y, int band)
{
    const VipsPel *p = VIPS_IMAGE_ADDR(v, x, y);

    return v->BandFmt != VIPS_FORMAT_UCHAR ? ((const uint16_t *)(const void *)p)[band] : p[band] * 257;
}

/* How many values a band has, over the whole picture. */
static int levels(VipsImage *v, int band)
{
    AUTO(mem_free) char *seen = mem_zalloc(TOP + 1);
    int n = 0;

    for (int y = 0; y < v->Ysize; y++)
        for (int x = 0; x < v->Xsize; x++) {
            char *s = &seen[sample(v, x, y, band)];

            n += !*s;
            *s = 1;
        }
    return n;
}

/* The result, whose picture the caller unrefs. */
static VipsImage *resized(struct robot_job *j, const char *step, const char *path)
{
    struct err err;

    if (host_run_on(j, ROBOT, step, path, &err) < 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
    assert_int_equal(host_output_count(j), 1);
    return load(host_output(j, 0)->path);
}

/* ---- tests ---- */

static const struct kind {
    const char *name;
    int bands;
    enum profile profile;
} kinds[] = {
    {"grey.png", 1, NO_PROFILE},   {"grey-alpha.png", 2, NO_PROFILE},   {"rgb.png", 3, NO_PROFILE},
    {"rgba.png", 4, NO_PROFILE},   {"grey-icc.png", 1, WITH_PROFILE},   {"grey-alpha-icc.png", 2, WITH_PROFILE},
    {"rgb-icc.png", 3, WITH_PROFILE}, {"rgba-icc.png", 4, WITH_PROFILE}, {"grey.tif", 1, NO_PROFILE},
    {"grey-alpha.tif", 2, NO_PROFILE}, {"rgb.tif", 3, NO_PROFILE},      {"rgba.tif", 4, NO_PROFILE},
    {"rgb-icc.tif", 3, WITH_PROFILE},  {"rgba-icc.tif", 4, WITH_PROFILE}, {"rgba.jp2", 4, NO_PROFILE},
    {"rgb.jxl", 3, NO_PROFILE},
};

static bool is_lossy(const struct kind *k) { return strstr(k->name, ".j"); }

/* Halved, a pixel of the ramp is the middle of two. */
static void follows_the_ramp(VipsImage *v, const struct kind *k)
{
    for (int b = 0; b < k->bands; b++)
        for (int x = 10; x < v->Xsize - 10; x++) {
            double want = ramp(b, k->bands, 2 * x + 0.5);

            if (fabs(sample(v, x, 5, b) - want) > 12)
                fail_msg("%s: band %d at %d is %d, not %.0f", k->name, b, x, sample(v, x, 5, b), want);
        }
}

static void a_ramp_of_any_kind_keeps_its_levels_when_it_is_halved(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct kind *k = &kinds[i];
        VipsImage *v = resized(j, "{\"width\":750,\"background\":\"none\"}", make(j, k->name, k->bands, k->profile));

        if (v->BandFmt != VIPS_FORMAT_USHORT || v->Bands != k->bands || v->Xsize != 750)
            fail_msg("%s: %d bands of type %d, %d px", k->name, v->Bands, v->BandFmt, v->Xsize);
        for (int b = 0; b < k->bands; b++)
            /* with a profile some colours are outside of sRGB */
            if (levels(v, b) < (k->profile || is_lossy(k) ? 380 : 700))
                fail_msg("%s: band %d has %d levels", k->name, b, levels(v, b));
        if (k->profile == NO_PROFILE && !is_lossy(k))
            follows_the_ramp(v, k);
        g_object_unref(v);
    }
}

static double to_srgb(double linear)
{
    return linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
}

static void a_profile_is_followed_in_16_bits(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    VipsImage *v = resized(j, "{}", make(j, "grey.png", 1, WITH_PROFILE));
    (void)state;

    for (int x = 100; x < W; x++) { /* near black the curves of profiles are coarse */
        double want = to_srgb(pow(ramp(0, 1, x) / TOP, 2)) * TOP;

        if (fabs(sample(v, x, 5, 0) - want) > 66) /* a quarter of a step of 8 bits */
            fail_msg("at %d: %d, not %.0f", x, sample(v, x, 5, 0), want);
    }
    g_object_unref(v);
}

/* What each does to the picture is tried elsewhere: here only, that it does it with all levels. */
static void all_work_on_pixels_keeps_the_levels(void **state)
{
    static const struct {
        const char *step, *file;
        int bands;
    } rows[] = {
        {"{\"crop\":{\"x1\":10,\"y1\":2,\"x2\":1400,\"y2\":20}}", "a.png", 3},
        {"{\"width\":700,\"correct_gamma\":true}", "a.png", 3},
        {"{\"width\":700,\"correct_gamma\":true,\"background\":\"none\"}", "a.png", 4},
        {"{\"width\":700,\"correct_gamma\":true}", "a.png", 1},
        {"{\"width\":700,\"height\":40,\"resize_strategy\":\"fillcrop\",\"gravity\":\"attention\"}", "a.png", 3},
        {"{\"width\":700,\"height\":400,\"resize_strategy\":\"pad\",\"background\":\"#336699\"}", "a.png", 3},
        {"{\"width\":700,\"height\":400,\"resize_strategy\":\"pad\",\"background\":\"none\"}", "a.tif", 4},
        {"{\"rotation\":90}", "a.png", 4},
        {"{\"rotation\":5,\"background\":\"#ff0000\"}", "a.png", 3},
        {"{\"rotation\":5,\"background\":\"none\"}", "a.png", 2},
        {"{\"background\":\"#ff0000\"}", "a.png", 4},
        {"{\"shave\":\"3x2\",\"trim_whitespace\":true}", "a.png", 3},
        {"{\"blur\":\"0x2\"}", "a.png", 3},
        {"{\"blur\":\"0x2\",\"background\":\"none\"}", "a.png", 4},
        {"{\"blur_regions\":[{\"x\":5,\"y\":5,\"width\":90,\"height\":9}]}", "a.png", 3},
        {"{\"brightness\":0.9,\"saturation\":0.8,\"hue\":110,\"contrast\":0.8}", "a.png", 3},
        {"{\"sepia\":80}", "a.png", 3},
        {"{\"negate\":true}", "a.png", 1},
        {"{\"type\":\"TrueColorAlpha\"}", "a.png", 1},
        {"{\"type\":\"Grayscale\"}", "a.png", 3},
        {"{\"alpha\":\"Copy\",\"background\":\"none\"}", "a.png", 3},
        {"{\"alpha\":\"Extract\"}", "a.png", 4},
        {"{\"alpha\":\"Background\",\"background\":\"none\"}", "a.png", 4},
        {"{\"transparent\":\"#ffffff\"}", "a.png", 3},
        {"{\"colorspace\":\"Gray\"}", "a.png", 3},
        {"{\"colorspace\":\"Lab\"}", "a.tif", 3},
        {"{\"colorspace\":\"CMYK\"}", "a.tif", 3},
        {"{\"colorspace\":\"OkLab\"}", "a.tif", 3},
        {"{\"colorspace\":\"HSL\"}", "a.tif", 3},
        {"{\"compress\":\"Zip\"}", "a.tif", 3},
        {"{\"text\":{\"text\":\"Hello\",\"size\":8}}", "a.png", 3},
        {"{\"text\":{\"text\":\"Hello\",\"size\":8},\"background\":\"none\"}", "a.png", 4},
        {"{\"format\":\"tiff\"}", "a.png", 4},
        {"{\"format\":\"png\"}", "a.tif", 3},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        VipsImage *v = resized(j, rows[i].step, make(j, rows[i].file, rows[i].bands, NO_PROFILE));

        if ((v->BandFmt != VIPS_FORMAT_USHORT && v->BandFmt != VIPS_FORMAT_SHORT) ||
            levels(v, !strcmp(rows[i].step, "{\"colorspace\":\"CMYK\"}") ? 3 : 0) < 600)
            fail_msg("%s: type %d, %d levels", rows[i].step, v->BandFmt, levels(v, 0));
        g_object_unref(v);
    }
}

/* A second picture of 8 bits on one of 16, and the other way round. */
static void a_second_picture_leaves_the_first_its_depth(void **state)
{
    static const char *const roles[] = {"watermark", "clut"};
    (void)state;

    for (int deep = 0; deep < 2; deep++)
        for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
            AUTO(host_free) struct robot_job *j = host_new();
            struct err err;

            host_add_input(j, deep ? make(j, "base.png", 3, NO_PROFILE) : picture_make(j, "base.png", 300, 24, false));
            host_input_as(j, "base");
            host_add_input(j, deep ? picture_make(j, "two.png", 30, 30, true) : make(j, "two.png", 4, NO_PROFILE));
            host_input_as(j, roles[i]);
            if (host_run(j, ROBOT, i ? "{\"clut\":true}" : "{\"watermark_size\":\"20%\",\"watermark_opacity\":0.5}",
                         &err) < 0)
                fail_msg("%s: %s", roles[i], err.msg);
            VipsImage *v = load(host_output(j, 0)->path);
            assert_int_equal(v->BandFmt, deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);
            if (deep && !i)
                assert_true(levels(v, 0) > 1000);
            g_object_unref(v);
        }
}

/* A watermark of 8 bits: on 16 it is 257 times as much, and mixed by halves with the ramp. */
static void a_watermark_is_mixed_in_16_bits(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    (void)state;

    host_add_input(j, make(j, "base.png", 3, NO_PROFILE));
    host_input_as(j, "base");
    host_add_input(j, picture_make(j, "two.png", W, H, false)); /* 200 red on the left */
    host_input_as(j, "watermark");
    if (host_run(j, "/file/watermark", "{}", &err) < 0)
        fail_msg("%s", err.msg);
    VipsImage *v = load(host_output(j, 0)->path);
    assert_int_equal(v->BandFmt, VIPS_FORMAT_USHORT);
    assert_int_equal(sample(v, 100, 5, 0), 200 * 257);
    g_object_unref(v);
    if (host_run(j, ROBOT, "{\"watermark_size\":\"100%\",\"watermark_position\":\"center\",\"watermark_opacity\":0.5}",
                 &err) < 0)
        fail_msg("%s", err.msg);
    v = load(host_output(j, 0)->path);
    for (int x = 10; x < W / 2 - 10; x++) {
        double want = (200 * 257 + ramp(0, 3, x)) / 2;

        if (fabs(sample(v, x, 5, 0) - want) > 2)
            fail_msg("at %d: %d, not %.1f", x, sample(v, x, 5, 0), want);
    }
    g_object_unref(v);
}

/* Of 65535, the largest difference in the middle of the picture to what ImageMagick's convert makes. */
static int from_magick(struct robot_job *j, const char *step, const char *path, const char *arguments)
{
    VipsImage *v = resized(j, step, path), *w;
    const char *want = host_path(j, "magick.png");
    AUTO(mem_free) char *command = mem_printf("convert '%s' %s -depth 16 '%s'", path, arguments, want);
    int most = 0;

    assert_int_equal(system(command), 0);
    w = load(want);
    assert_int_equal(w->BandFmt, VIPS_FORMAT_USHORT);
    assert_int_equal(w->Xsize, v->Xsize);
    assert_int_equal(w->Ysize, v->Ysize);
    assert_int_equal(w->Bands, v->Bands);
    for (int b = 0; b < v->Bands; b++)
        for (int y = 4; y < v->Ysize - 4; y++)
            for (int x = 8; x < v->Xsize - 8; x++)
                most = MAX(most, abs(sample(v, x, y, b) - sample(w, x, y, b)));
    g_object_unref(v);
    g_object_unref(w);
    return most;
}

static void values_are_those_of_imagemagick(void **state)
{
    static const struct {
        const char *step, *arguments;
        int bands, tolerance; /* of 65535; a step of 8 bits has 257 */
    } rows[] = {
        {"{}", "", 3, 0},
        {"{\"rotation\":270,\"background\":\"none\"}", "-rotate 270", 4, 0},
        {"{\"negate\":true}", "-negate", 3, 0},
        {"{\"width\":500}", "-filter Lanczos -resize 500x", 3, 20},
        {"{\"width\":500}", "-filter Lanczos -resize 500x", 1, 20},
        {"{\"width\":500,\"background\":\"none\"}", "-filter Lanczos -resize 500x", 4, 20},
        {"{\"colorspace\":\"Gray\"}", "-colorspace Gray", 3, 3},
        {"{\"background\":\"#336699\"}", "-background '#336699' -flatten -alpha off", 4, 2},
        {"{\"width\":1500,\"height\":60,\"resize_strategy\":\"pad\",\"background\":\"#336699\"}",
         "-background '#336699' -gravity center -extent 1500x60", 3, 0},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int most = from_magick(j, rows[i].step, make(j, "a.png", rows[i].bands, NO_PROFILE), rows[i].arguments);

        printf("%5d of 65535  %s, %d bands\n", most, rows[i].step, rows[i].bands);
        if (most > rows[i].tolerance)
            fail_msg("%s, %d bands: %d, more than %d", rows[i].step, rows[i].bands, most, rows[i].tolerance);
    }
}

static void what_has_no_room_becomes_8_bits_at_the_end(void **state)
{
    static const char *const steps[] = {
        "{\"format\":\"jpg\"}",
        "{\"format\":\"webp\"}",
        "{\"format\":\"gif\"}",
        "{\"format\":\"avif\"}",
        "{\"format\":\"tiff\",\"compress\":\"JPEG\"}",
        "{\"format\":\"tiff\",\"compress\":\"Group4\"}",
        "{\"format\":\"tiff\",\"compress\":\"Fax\"}",
        "{\"type\":\"Palette\"}",
        "{\"type\":\"Bilevel\"}",
        "{\"monochrome\":true}",
        "{\"format\":\"jpg\",\"colorspace\":\"CMYK\"}",
        "{\"format\":\"jpg\",\"width\":100,\"height\":100,\"resize_strategy\":\"pad\",\"background\":\"#ff0000\"}",
    };
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (size_t i = 0; i < 4 * ARRAY_LEN(steps); i++) {
        const char *step = steps[i / 4];
        VipsImage *v = resized(j, step, make(j, "a.png", (int)(i % 4) + 1, NO_PROFILE));

        if (v->BandFmt != VIPS_FORMAT_UCHAR)
            fail_msg("%s: type %d", step, v->BandFmt);
        if (strstr(step, "ff0000")) {
            double px[4];

            picture_pixel(px, host_output(j, 0)->path, 50, 10);
            if (px[0] < 252 || px[1] > 3 || px[2] > 3)
                fail_msg("%s: %g %g %g", step, px[0], px[1], px[2]);
        }
        g_object_unref(v);
    }
}

/* Three flat stripes, of which a palette keeps each exactly. */
static void eight_bits_are_the_nearest(void **state)
{
    static const int in[] = {128 * 257 - 100, 128 * 257 + 128, 128 * 257 - 129, 65535, 0},
                     want[] = {128, 128, 127, 255, 0};
    AUTO(host_free) struct robot_job *j = host_new();
    uint16_t px[5 * 20 * 5 * 3], *p = px;
    (void)state;

    must(media_init(NULL) < 0);
    for (int i = 0; i < 5 * 100; i++, p += 3)
        p[0] = p[1] = p[2] = (uint16_t)in[i % 100 / 20];
    VipsImage *v = vips_image_new_from_memory(px, sizeof px, 100, 5, 3, VIPS_FORMAT_USHORT), *out;
    must(vips_copy(v, &out, "interpretation", VIPS_INTERPRETATION_RGB16, NULL));
    must(vips_pngsave(out, host_path(j, "a.png"), NULL));
    g_object_unref(v);
    g_object_unref(out);
    v = resized(j, "{\"type\":\"Palette\"}", host_path(j, "a.png"));
    for (int i = 0; i < 5; i++)
        assert_int_equal(sample(v, 20 * i + 10, 2, 0), want[i] * 257);
    g_object_unref(v);
}

static void a_page_has_the_depth_of_that_page(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *deep = make(j, "deep.tif", 3, NO_PROFILE), *shallow = picture_make(j, "shallow.png", 64, 64, false),
               *both = host_path(j, "both.tif");
    AUTO(mem_free) char *command =
        mem_printf("convert '%s' -depth 8 '%s.8.tif' && convert '%s.8.tif' '%s' -adjoin '%s'", shallow, both, both,
                   deep, both);
    (void)state;

    assert_int_equal(system(command), 0);
    VipsImage *v = resized(j, "{\"frame\":1}", both);
    assert_int_equal(v->BandFmt, VIPS_FORMAT_UCHAR);
    g_object_unref(v);
    v = resized(j, "{\"frame\":2}", both);
    assert_int_equal(v->BandFmt, VIPS_FORMAT_USHORT);
    assert_true(levels(v, 0) > 1000);
    g_object_unref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ramp_of_any_kind_keeps_its_levels_when_it_is_halved),
        cmocka_unit_test(a_profile_is_followed_in_16_bits),
        cmocka_unit_test(all_work_on_pixels_keeps_the_levels),
        cmocka_unit_test(a_second_picture_leaves_the_first_its_depth),
        cmocka_unit_test(a_watermark_is_mixed_in_16_bits),
        cmocka_unit_test(values_are_those_of_imagemagick),
        cmocka_unit_test(what_has_no_room_becomes_8_bits_at_the_end),
        cmocka_unit_test(eight_bits_are_the_nearest),
        cmocka_unit_test(a_page_has_the_depth_of_that_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
