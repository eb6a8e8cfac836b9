/* A colour that somebody asks for is the colour that comes out, whatever kind of pixels came in. */
#include "../unit/unit.h"
#include "media/vips.h"
#include "pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#define ROBOT "/image/resize"

enum {
    W = 60,
    H = 20,
    HOLE = 8
}; /* px; the hole, in the top left corner, is transparent where there is alpha */

static const struct kind {
    const char *name, *file;
    VipsInterpretation space;
    bool grey, alpha, profile;
    int frames;
    double tolerance; /* of the picture's own colour, which some spaces can't hold exactly */
    const char *options;
} kinds[] = {
    {"grey, 8 bit", "a.png", VIPS_INTERPRETATION_B_W, .grey = true},
    {"grey, 16 bit", "a.png", VIPS_INTERPRETATION_GREY16, .grey = true, .tolerance = 1},
    {"grey and alpha, 8 bit", "a.png", VIPS_INTERPRETATION_B_W, .grey = true, .alpha = true},
    {"grey and alpha, 16 bit", "a.png", VIPS_INTERPRETATION_GREY16, .grey = true, .alpha = true, .tolerance = 1},
    {"RGB, 8 bit", "a.png", VIPS_INTERPRETATION_sRGB},
    {"RGB, 16 bit", "a.png", VIPS_INTERPRETATION_RGB16, .tolerance = 1},
    {"RGBA, 8 bit", "a.png", VIPS_INTERPRETATION_sRGB, .alpha = true},
    {"RGBA, 16 bit", "a.png", VIPS_INTERPRETATION_RGB16, .alpha = true, .tolerance = 1},
    {"palette", "a.png", VIPS_INTERPRETATION_sRGB, .options = "[palette]"},
    {"palette and alpha", "a.png", VIPS_INTERPRETATION_sRGB, .alpha = true, .options = "[palette]"},
    {"CMYK JPEG without a profile", "a.jpg", VIPS_INTERPRETATION_CMYK, .tolerance = 60,
     .options = "[Q=95,strip]"},
    {"CMYK JPEG with a profile", "a.jpg", VIPS_INTERPRETATION_CMYK, .profile = true,
     .tolerance = 12, .options = "[Q=95]"},
    {"CMYK TIFF", "a.tif", VIPS_INTERPRETATION_CMYK, .profile = true, .tolerance = 12},
    {"Lab TIFF", "a.tif", VIPS_INTERPRETATION_LABS, .tolerance = 2},
    {"float TIFF", "a.tif", VIPS_INTERPRETATION_scRGB, .tolerance = 2},
    {"RGBA TIFF, 16 bit", "a.tif", VIPS_INTERPRETATION_RGB16, .alpha = true, .tolerance = 1},
    {"animated GIF", "a.gif", VIPS_INTERPRETATION_sRGB, .frames = 3},
    {"animated GIF with holes", "a.gif", VIPS_INTERPRETATION_sRGB, .alpha = true, .frames = 3},
};

static const int colour[] = {200, 80, 40}, shade = 128;

static VipsImage *must(int failed, VipsImage *v)
{
    if (failed) {
        fprintf(stderr, "%s\n", vips_error_buffer());
        abort();
    }
    return v;
}

/* Frame number n: a small mark moves, or a writer would make one frame of them. */
static VipsImage *one_frame(const struct kind *k, int n)
{
    int bands = k->alpha ? 4 : 3;
    unsigned char px[W * H * 4], *p = px;
    VipsImage *v, *out;

    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++, p += bands) {
            for (int i = 0; i < 3; i++)
                p[i] = (unsigned char)(n && y > 17 && x > 56 - n ? 0 : k->grey ? shade : colour[i]);
            if (k->alpha)
                p[3] = x < HOLE && y < HOLE ? 0 : 255;
        }
    v = vips_image_new_from_memory_copy(px, (size_t)(W * H * bands), W, H, bands,
                                        VIPS_FORMAT_UCHAR);
    must(vips_copy(v, &out, "interpretation", VIPS_INTERPRETATION_sRGB, NULL), v);
    g_object_unref(v);
    return out;
}

static VipsImage *strip_of(const struct kind *k)
{
    VipsImage *frames[8], *strip, *copy;
    int delay[8];

    for (int i = 0; i < k->frames; i++) {
        frames[i] = one_frame(k, i);
        delay[i] = 100;
    }
    must(vips_arrayjoin(frames, &strip, k->frames, "across", 1, NULL), NULL);
    must(vips_copy(strip, &copy, NULL), NULL);
    vips_image_set_int(copy, VIPS_META_PAGE_HEIGHT, H);
    vips_image_set_array_int(copy, "delay", delay, k->frames);
    for (int i = 0; i < k->frames; i++)
        g_object_unref(frames[i]);
    g_object_unref(strip);
    return copy;
}

static const char *make_named(struct robot_job *j, const struct kind *k, const char *file)
{
    const char *path = host_path(j, file);
    VipsImage *v, *out;

    must(media_init(NULL) < 0, NULL);
    v = k->frames ? strip_of(k) : one_frame(k, 0);
    if (k->profile)
        must(vips_icc_export(v, &out, "output_profile", "cmyk", NULL), NULL);
    else if (k->space != VIPS_INTERPRETATION_sRGB)
        must(vips_colourspace(v, &out, k->space, NULL), NULL);
    else
        must(vips_copy(v, &out, NULL), NULL);
    AUTO(mem_free) char *name = mem_printf("%s%s", path, k->options ? k->options : "");
    must(vips_image_write_to_file(out, name, NULL), NULL);
    g_object_unref(v);
    g_object_unref(out);
    return path;
}

static const char *make(struct robot_job *j, const struct kind *k)
{
    return make_named(j, k, k->file);
}

struct shot {
    VipsImage *v;
    const char *what;
};

static double sample(const VipsPel *px, int i, bool deep)
{
    return deep ? ((const uint16_t *)(const void *)px)[i] / 257.0 : px[i];
}

/* Red, green, blue, alpha, whatever the bands and their depth are, in steps of 8 bits. */
static void at(double c[4], const struct shot *s, int x, int y)
{
    const VipsPel *px = VIPS_IMAGE_ADDR(s->v, x, y);
    bool deep = s->v->BandFmt == VIPS_FORMAT_USHORT;
    int n = s->v->Bands;

    for (int i = 0; i < 3; i++)
        c[i] = sample(px, n > 2 ? i : 0, deep);
    c[3] = n == 2 || n == 4 ? sample(px, n - 1, deep) : 255;
}

static struct shot load(const char *path, const char *what)
{
    VipsImage *v = vips_image_new_from_file(path, "access", VIPS_ACCESS_SEQUENTIAL, NULL);
    struct shot s = {v ? vips_image_copy_memory(v) : NULL, what};

    assert_non_null(s.v);
    assert_true(s.v->BandFmt == VIPS_FORMAT_UCHAR || s.v->BandFmt == VIPS_FORMAT_USHORT);
    g_object_unref(v);
    return s;
}

static void expect(const struct shot *s, int x, int y, const int want[4], double tolerance)
{
    double c[4];

    at(c, s, x, y);
    for (int i = 0; i < 4; i++)
        if (!(c[i] >= want[i] - tolerance && c[i] <= want[i] + tolerance) && (i == 3 || want[3]))
            fail_msg("%s: (%d, %d) is %g %g %g %g, not %d %d %d %d", s->what, x, y, c[0], c[1],
                     c[2], c[3], want[0], want[1], want[2], want[3]);
}

/* What shows at all has the picture's own colour, also at the edges: nothing hidden shines through.
 */
static void expect_no_fringe(const struct shot *s, const struct kind *k)
{
    double c[4];

    for (int y = 0; y < s->v->Ysize; y++)
        for (int x = 0; x < s->v->Xsize; x++) {
            at(c, s, x, y);
            for (int i = 0; i < 3 && c[3] > 20; i++) {
                double want = k->grey ? shade : colour[i];

                if (c[i] < want - k->tolerance - 8 || c[i] > want + k->tolerance + 8)
                    fail_msg("%s: (%d, %d) is %g %g %g %g", s->what, x, y, c[0], c[1], c[2], c[3]);
            }
        }
}

static void check(struct robot_job *j, const struct kind *k, const char *path,
                  const char *background, const int bg[4])
{
    static const struct {
        const char *step;
        int px, py; /* where the background is */
        int cx, cy; /* where the picture is */
    } works[] = {
        {"\"width\":60,\"height\":60,\"resize_strategy\":\"pad\"", 30, 3, 30, 30},
        {"\"width\":30,\"height\":30,\"resize_strategy\":\"pad\"", 15, 1, 15, 15},
        {"\"rotation\":30", 0, 0, 31, 24},
        {"\"rotation\":30,\"width\":120", 0, 0, 62, 48},
        {"\"crop\":{\"x1\":20,\"y1\":5,\"x2\":50,\"y2\":15}", -1, 0, 10, 5},
        {"\"resize_strategy\":\"fillcrop\",\"width\":20,\"height\":20,\"gravity\":\"right\"", -1, 0,
         10, 10},
        {"\"frame\":1", 2, 2, 30, 10}, /* the hole, where there is one */
        {"\"blur\":\"0x0.3\",\"width\":60,\"height\":60,\"resize_strategy\":\"pad\"", 30, 3, 30,
         30},
    };
    const int own[] = {k->grey ? shade : colour[0], k->grey ? shade : colour[1],
                       k->grey ? shade : colour[2], 255};

    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        AUTO(mem_free) char *step =
            mem_printf("{%s,\"background\":\"%s\",\"format\":\"png\"}", works[i].step, background);
        AUTO(mem_free) char *what = mem_printf("%s, %s", k->name, step);
        struct err err;

        if (host_run_on(j, ROBOT, step, path, &err) < 0)
            fail_msg("%s: %s", what, err.msg);
        struct shot s = load(host_output(j, 0)->path, what);
        expect(&s, works[i].cx, works[i].cy, own, k->tolerance);
        if (works[i].px >= 0 && (!strstr(step, "frame") || k->alpha))
            expect(&s, works[i].px, works[i].py, bg, 0);
        if (!bg[3])
            expect_no_fringe(&s, k);
        g_object_unref(s.v);
    }
}

static void the_colour_asked_for_is_the_colour_that_comes_out(void **state)
{
    static const struct {
        const char *text;
        int rgba[4];
    } backgrounds[] = {
        {"#ffffff", {255, 255, 255, 255}}, {"#ff0000", {255, 0, 0, 255}},
        {"0a64c8", {10, 100, 200, 255}},   {"#808080", {128, 128, 128, 255}},
        {"black", {0, 0, 0, 255}},         {"none", {0, 0, 0, 0}},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        const char *path = make(j, &kinds[i]);

        for (size_t b = 0; b < ARRAY_LEN(backgrounds); b++)
            check(j, &kinds[i], path, backgrounds[b].text, backgrounds[b].rgba);
    }
}

/* As above, but as an animation: every frame. */
static void each_frame_of_an_animation_is_padded_with_the_colour(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *path = make(j, &kinds[ARRAY_LEN(kinds) - 2]);
    static const int want[] = {0, 0, 255, 255};
    struct err err;
    (void)state;

    assert_int_equal(
        host_run_on(
            j, ROBOT,
            "{\"width\":60,\"height\":60,\"resize_strategy\":\"pad\",\"background\":\"blue\"}",
            path, &err),
        0);
    VipsImage *v = vips_image_new_from_file(host_output(j, 0)->path, "n", -1, NULL);
    struct shot s = {vips_image_copy_memory(v), "padded animation"};
    g_object_unref(v);
    assert_int_equal(s.v->Ysize, 180);
    for (int f = 0; f < 3; f++)
        expect(&s, 30, 60 * f + 3, want, 0);
    g_object_unref(s.v);
}

static void a_face_is_cut_out_of_any_kind_of_pixels(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        struct err err;

        /* there is none to be found: the road to the detector's grey pixels is what is tried */
        if (host_run_on(j, "/image/facedetect", "{}", make(j, &kinds[i]), &err) < 0)
            fail_msg("%s: %s", kinds[i].name, err.msg);
        assert_int_equal(host_output_count(j), 1);
    }
}

static void own_colour(int out[4], const struct kind *k)
{
    for (int i = 0; i < 3; i++)
        out[i] = k->grey ? shade : colour[i];
    out[3] = 255;
}

/* A base of the kind b with a watermark of the kind w in its bottom right quarter, 30 x 10 px. The
 * watermark's hole, 4 x 4 px of that, shows what is below. */
static void lay_over(const struct kind *b, const struct kind *w)
{
    AUTO(host_free) struct robot_job *j = host_new();
    AUTO(mem_free) char *base = mem_printf("base.%s", strchr(b->file, '.') + 1),
         *over = mem_printf("over.%s", strchr(w->file, '.') + 1),
         *what = mem_printf("%s over %s", w->name, b->name);
    int below[4], above[4];
    struct err err;

    own_colour(below, b);
    own_colour(above, w);
    host_add_input(j, make_named(j, b, base));
    host_input_as(j, "base");
    host_add_input(j, make_named(j, w, over));
    host_input_as(j, "watermark");
    if (host_run(j, ROBOT,
                 "{\"format\":\"png\",\"background\":\"none\",\"watermark_size\":\"50%\","
                 "\"watermark_position\":\"bottom-right\"}",
                 &err) < 0)
        fail_msg("%s: %s", what, err.msg);
    assert_int_equal(host_output_count(j), 1);
    struct shot s = load(host_output(j, 0)->path, what);
    expect(&s, 15, 15, below, b->tolerance);
    expect(&s, 50, 15, above, w->tolerance);
    expect(&s, 59, 19, above, w->tolerance);
    expect(&s, 30 + 1, 10 + 1, w->alpha ? below : above,
           3 + (w->alpha ? b->tolerance : w->tolerance)); /* the filter rings */
    if (b->alpha)
        expect(&s, 2, 2, (int[]){0, 0, 0, 0}, 0);
    g_object_unref(s.v);
}

static void a_watermark_keeps_its_colour_on_any_kind_of_pixels(void **state)
{
    (void)state;
    static const char *const hard[] = {"RGBA, 8 bit", "grey, 16 bit", "grey and alpha, 8 bit",
                                       "Lab TIFF"};

    for (size_t b = 0; b < ARRAY_LEN(kinds); b++)
        for (size_t w = 0; w < ARRAY_LEN(kinds); w++) {
            bool pair = !strcmp(kinds[b].name, "RGBA, 8 bit"); /* all over one, and some over all */

            for (size_t i = 0; i < ARRAY_LEN(hard); i++)
                pair |= !strcmp(kinds[w].name, hard[i]);
            if (pair)
                lay_over(&kinds[b], &kinds[w]);
        }
}

/* The box of a text covers a transparent part as well. */
static void a_text_has_its_colour_on_any_kind_of_pixels(void **state)
{
    static const struct {
        const char *format, *background;
    } rows[] = {{"png", "none"}, {"png", "#ff0000"}, {"tiff", "none"}, {"webp", "#00ff00"}};
    static const int box[] = {10, 100, 200, 255};
    (void)state;

    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        AUTO(host_free) struct robot_job *j = host_new();
        const char *path = make(j, &kinds[k]);

        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            AUTO(mem_free) char *step = mem_printf(
                     "{\"format\":\"%s\",\"background\":\"%s\",\"frame\":1,\"text\":{\"text\":\"  "
                     "\",\"size\":8,"
                     "\"background_color\":\"#0a64c8\",\"align\":\"left\",\"valign\":\"top\"}}",
                     rows[i].format, rows[i].background),
                 *what = mem_printf("text on %s: %s", kinds[k].name, step);
            int own[4];
            struct err err;

            own_colour(own, &kinds[k]);
            if (host_run_on(j, ROBOT, step, path, &err) < 0)
                fail_msg("%s: %s", what, err.msg);
            struct shot s = load(host_output(j, 0)->path, what);
            double lossy = *rows[i].format == 'w' ? 14 : 0;
            expect(&s, 1, 1, box, lossy);
            expect(&s, 40, 12, own, kinds[k].tolerance + lossy);
            g_object_unref(s.v);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_colour_asked_for_is_the_colour_that_comes_out),
        cmocka_unit_test(each_frame_of_an_animation_is_padded_with_the_colour),
        cmocka_unit_test(a_watermark_keeps_its_colour_on_any_kind_of_pixels),
        cmocka_unit_test(a_text_has_its_colour_on_any_kind_of_pixels),
        cmocka_unit_test(a_face_is_cut_out_of_any_kind_of_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
