/* PNG past libpng: what is read is what libpng reads, what is written is what libvips writes, and what is amiss is left
 * to libpng. */
#include "../unit/unit.h"
#include "media/png_quick.h"
#include "media/vips.h"
#include "pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

enum { W = 61, H = 47 };

static void must(int failed)
{
    if (failed) {
        fprintf(stderr, "%s\n", vips_error_buffer());
        abort();
    }
}

/* Ramps with noise over them: no filter is of no use, and none is the best everywhere. */
static VipsImage *picture(int bands, bool deep)
{
    VipsImage *v = vips_image_new_memory();
    size_t n = (size_t)bands * W;
    uint32_t random = 7;

    vips_image_init_fields(v, W, H, bands, deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR, VIPS_CODING_NONE,
                           deep ? (bands >= 3 ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_GREY16)
                                : (bands >= 3 ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_B_W), 1, 1);
    for (int y = 0; y < H; y++) {
        uint16_t row[4 * W];
        uint8_t low[4 * W];

        for (size_t i = 0; i < n; i++) {
            random = random * 1664525 + 1013904223;
            row[i] = (uint16_t)((size_t)y * 700 + i * 211 + (y % 5 ? random >> 24 : random >> 16));
            low[i] = (uint8_t)(row[i] >> 8);
        }
        must(vips_image_write_line(v, y, deep ? (VipsPel *)row : low));
    }
    return v;
}

static uint8_t *slurp(size_t *len, const char *path)
{
    gchar *data;
    gsize n;

    if (!g_file_get_contents(path, &data, &n, NULL))
        abort();
    *len = n;
    return (uint8_t *)data;
}

/* Do the rows of the file hold the samples of v? */
static bool rows_are(const char *path, VipsImage *v)
{
    bool deep = v->BandFmt == VIPS_FORMAT_USHORT, same = true;
    const struct png_shape s = {v->Xsize, v->Ysize, v->Bands, deep ? 16 : 8};
    int64_t stride = png_quick_stride(&s);
    uint8_t *rows = NULL;
    size_t len;
    uint8_t *file = slurp(&len, path);

    if (!png_quick_rows(&rows, &s, file, len)) {
        g_free(file);
        return false;
    }
    for (int y = 0; y < v->Ysize && same; y++) {
        const uint8_t *row = rows + y * stride + 1, *p = VIPS_IMAGE_ADDR(v, 0, y);

        for (int64_t i = 0; i < stride - 1 && same; i += deep ? 2 : 1) {
            uint16_t sample = 0;

            if (deep)
                memcpy(&sample, p + i, 2);
            same = deep ? (row[i] << 8 | row[i + 1]) == sample : row[i] == p[i];
        }
    }
    free(rows);
    g_free(file);
    return same;
}

static void every_filter_and_depth_is_what_libpng_reads(void **state)
{
    static const int filters[] = {VIPS_FOREIGN_PNG_FILTER_NONE,  VIPS_FOREIGN_PNG_FILTER_SUB,
                                  VIPS_FOREIGN_PNG_FILTER_UP,    VIPS_FOREIGN_PNG_FILTER_AVG,
                                  VIPS_FOREIGN_PNG_FILTER_PAETH, VIPS_FOREIGN_PNG_FILTER_ALL};
    struct robot_job *j = *state;

    for (int bands = 1; bands <= 4; bands++)
        for (int deep = 0; deep < 2; deep++)
            for (size_t f = 0; f < ARRAY_LEN(filters); f++) {
                VipsImage *v = picture(bands, deep);
                const char *path = host_path(j, "a.png");

                must(vips_pngsave(v, path, "filter", filters[f], NULL));
                if (!rows_are(path, v))
                    fail_msg("%d bands of %d bits, filter %d", bands, deep ? 16 : 8, filters[f]);
                g_object_unref(v);
            }
}

/* Through the front door: the first pixels that are wanted, in another order than the file's. */
static void an_opened_picture_has_these_pixels(void **state)
{
    struct robot_job *j = *state;
    const struct image_load how = {.limits = media_limits(NULL), .strict = true};
    AUTO(image_free) struct image *img = NULL;
    VipsImage *v = picture(3, false);
    struct err err;
    uint8_t *px;
    int bands;

    must(vips_pngsave(v, host_path(j, "a.png"), "filter", VIPS_FOREIGN_PNG_FILTER_ALL, NULL));
    assert_int_equal(image_open(&img, host_path(j, "a.png"), &how, &err), 0);
    assert_int_equal(image_crop(img, &(struct rect){10, 30, 20, 10}, &err), 0);
    assert_int_equal(image_pixels(&px, &bands, img, &err), 0);
    assert_int_equal(bands, 3);
    for (int y = 0; y < 10; y++)
        assert_memory_equal(px + y * 20 * 3, VIPS_IMAGE_ADDR(v, 10, 30 + y), 20 * 3);
    free(px);
    g_object_unref(v);
}

/* An embedded profile that is sRGB itself changes no sample, and is not carried on, as no profile is. */
static void srgb_stays_what_it_is(void **state)
{
    struct robot_job *j = *state;
    const struct image_load how = {.limits = media_limits(NULL)};
    AUTO(image_free) struct image *img = NULL;
    VipsImage *v = picture(4, false);
    VipsBlob *profile;
    struct err err;
    size_t len;
    uint8_t *px;
    int bands;

    must(vips_profile_load("srgb", &profile, NULL));
    vips_image_set_blob_copy(v, VIPS_META_ICC_NAME, VIPS_AREA(profile)->data, VIPS_AREA(profile)->length);
    vips_area_unref(VIPS_AREA(profile));
    must(vips_pngsave(v, host_path(j, "a.png"), NULL));
    assert_int_equal(image_open(&img, host_path(j, "a.png"), &how, &err), 0);
    assert_non_null(image_blob(img, VIPS_META_ICC_NAME, &len));
    assert_int_equal(image_to_srgb(img, &err), 0);
    assert_null(image_blob(img, VIPS_META_ICC_NAME, &len));
    assert_int_equal(image_pixels(&px, &bands, img, &err), 0);
    assert_int_equal(bands, 4);
    assert_memory_equal(px, VIPS_IMAGE_ADDR(v, 0, 0), W * H * 4);
    free(px);
    g_object_unref(v);
}

/* ---- what is not for us ---- */

static bool is_quick(struct robot_job *j, const char *name, const struct png_shape *s)
{
    uint8_t *rows = NULL;
    size_t len;
    uint8_t *file = slurp(&len, host_path(j, name));
    bool quick = png_quick_rows(&rows, s, file, len);

    free(rows);
    g_free(file);
    return quick;
}

static void interlaced_palettes_and_other_shapes_are_not_for_it(void **state)
{
    struct robot_job *j = *state;
    VipsImage *v = picture(3, false);
    const struct png_shape s = {W, H, 3, 8};

    must(vips_pngsave(v, host_path(j, "a.png"), "interlace", TRUE, NULL));
    assert_false(is_quick(j, "a.png", &s));
    must(vips_pngsave(v, host_path(j, "a.png"), "palette", TRUE, NULL));
    assert_false(is_quick(j, "a.png", &(struct png_shape){W, H, 1, 8}) || is_quick(j, "a.png", &s));
    must(vips_pngsave(v, host_path(j, "a.png"), NULL));
    assert_true(is_quick(j, "a.png", &s));
    assert_false(is_quick(j, "a.png", &(struct png_shape){W, H, 4, 8}));
    assert_false(is_quick(j, "a.png", &(struct png_shape){W, H - 1, 3, 8}));
    assert_false(is_quick(j, "a.png", &(struct png_shape){H, W, 3, 8}));
    assert_false(is_quick(j, "a.png", &(struct png_shape){W, H, 3, 16}));
    g_object_unref(v);
}

/* Wherever a byte is changed or the file ends: it is left to libpng, or has the right pixels. */
static void damage_is_never_read_as_pixels(void **state)
{
    struct robot_job *j = *state;
    VipsImage *v = picture(3, false);
    const struct png_shape s = {W, H, 3, 8};
    const char *path = host_path(j, "a.png");
    uint8_t *rows;
    size_t len;
    int refused = 0;

    must(vips_pngsave(v, path, "filter", VIPS_FOREIGN_PNG_FILTER_ALL, NULL));
    uint8_t *file = slurp(&len, path);
    for (size_t i = 0; i < len; i += 1 + i / 60) {
        file[i] ^= 4;
        if (png_quick_rows(&rows, &s, file, len))
            fail_msg("byte %zu of %zu was changed and nobody saw it", i, len);
        file[i] ^= 4;
        uint8_t *part = malloc(i + 1); /* its own piece, so that a sanitizer sees who reads on */

        memcpy(part, file, i);
        if (png_quick_rows(&rows, &s, part, i))
            fail_msg("%zu of %zu bytes were enough", i, len);
        free(part);
        refused++;
    }
    assert_true(refused > 200);
    g_free(file);
    g_object_unref(v);
}

/* ---- writing ---- */

/* The chunks of a file in their order, consecutive IDATs as one. */
static char *chunks_of(const char *path)
{
    size_t len;
    uint8_t *p = slurp(&len, path);
    char *out = calloc(1, 200);

    for (size_t at = 8, n = 0; at + 12 <= len && n < 190;) {
        size_t data = (size_t)p[at] << 24 | (size_t)p[at + 1] << 16 | (size_t)p[at + 2] << 8 | p[at + 3];
        bool again = n >= 5 && !memcmp(p + at + 4, "IDAT", 4) && !memcmp(out + n - 5, "IDAT", 4);

        if (!again)
            n += (size_t)sprintf(out + n, "%.4s ", (char *)p + at + 4);
        at += 12 + data;
    }
    g_free(p);
    return out;
}

static VipsImage *read_back(const char *path)
{
    VipsImage *v, *m;

    must(vips_pngload(path, &v, "access", VIPS_ACCESS_SEQUENTIAL, "fail-on", VIPS_FAIL_ON_WARNING, NULL));
    m = vips_image_copy_memory(v);
    must(!m);
    g_object_unref(v);
    return m;
}

static void assert_same_blob(VipsImage *a, VipsImage *b, const char *field)
{
    const void *x = NULL, *y = NULL;
    size_t n = 0, m = 0;

    assert_int_equal(vips_image_get_typeof(a, field) != 0, vips_image_get_typeof(b, field) != 0);
    if (!vips_image_get_typeof(a, field))
        return;
    must(vips_image_get_blob(a, field, &x, &n) || vips_image_get_blob(b, field, &y, &m));
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
}

/* One file opened and saved, by us and by libvips alone. */
static void compare_writers(struct robot_job *j, int bands, bool deep, bool strip)
{
    static const char xmp[] = "<x:xmpmeta xmlns:x='adobe:ns:meta/'/>";
    VipsImage *v = picture(bands, deep), *a, *b;
    AUTO(image_free) struct image *img = NULL;
    const struct image_load how = {.limits = media_limits(NULL), .deep = true};
    const struct image_save save = {.format = "png", .strip = strip};
    char *ours, *theirs;
    VipsBlob *srgb;
    struct err err;

    must(vips_profile_load("srgb", &srgb, NULL));
    if (bands >= 3)
        vips_image_set_blob_copy(v, VIPS_META_ICC_NAME, VIPS_AREA(srgb)->data, VIPS_AREA(srgb)->length);
    vips_area_unref(VIPS_AREA(srgb));
    vips_image_set_blob_copy(v, VIPS_META_XMP_NAME, xmp, sizeof xmp - 1);
    vips_image_set_string(v, "png-comment-0-Title", "A title");
    if (bands % 2) {
        vips_image_set_blob_copy(v, VIPS_META_EXIF_NAME, "Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", 20);
        vips_image_set_string(v, "exif-ifd0-Make", "Acme (Acme, ASCII, 5 components, 5 bytes)");
    }
    v->Xres = 3.937;
    v->Yres = 11.8113;
    must(vips_pngsave(v, host_path(j, "a.png"), NULL));
    a = read_back(host_path(j, "a.png"));
    must(vips_pngsave(a, host_path(j, "c.png"), "strip", strip, NULL));
    g_object_unref(a);
    assert_int_equal(image_open(&img, host_path(j, "a.png"), &how, &err), 0);
    assert_int_equal(image_save(img, host_path(j, "b.png"), &save, &err), 0);
    ours = chunks_of(host_path(j, "b.png"));
    theirs = chunks_of(host_path(j, "c.png"));
    strcpy(strstr(theirs, "IDAT"), "IDAT IEND "); /* libpng 1.6.39 writes EXIF once more at the end */
    assert_string_equal(ours, theirs);
    a = read_back(host_path(j, "c.png"));
    b = read_back(host_path(j, "b.png"));
    assert_true(rows_are(host_path(j, "b.png"), v));
    assert_int_equal(b->BandFmt, a->BandFmt);
    assert_int_equal(b->Type, a->Type);
    assert_memory_equal(VIPS_IMAGE_ADDR(b, 0, 0), VIPS_IMAGE_ADDR(a, 0, 0), VIPS_IMAGE_SIZEOF_IMAGE(a));
    assert_true(a->Xres == b->Xres && a->Yres == b->Yres);
    assert_same_blob(a, b, VIPS_META_ICC_NAME);
    assert_same_blob(a, b, VIPS_META_XMP_NAME);
    assert_same_blob(a, b, VIPS_META_EXIF_NAME);
    for (int i = 0; i < 2; i++) {
        AUTO(mem_free) char *comment = mem_printf("png-comment-%d-Title", i);

        assert_int_equal(vips_image_get_typeof(a, comment), vips_image_get_typeof(b, comment));
    }
    g_object_unref(a);
    g_object_unref(b);
    g_object_unref(v);
    free(ours);
    free(theirs);
}

static void what_is_written_is_what_libvips_writes(void **state)
{
    for (int bands = 1; bands <= 4; bands++)
        for (int deep = 0; deep < 2; deep++)
            for (int strip = 0; strip < 2; strip++)
                compare_writers(*state, bands, deep, strip);
}

static void a_disk_that_is_full_is_said(void **state)
{
    const struct png_shape s = {400, 400, 3, 8};
    uint8_t *rows = calloc(1, (size_t)(png_quick_stride(&s) * s.height));
    struct err err;

    assert_int_equal(png_quick_write("/dev/full", &s, rows, 0, NULL, 0, &err), -1);
    assert_int_equal(err.code, ERR_NOSPACE);
    assert_int_equal(png_quick_write("/nowhere/a.png", &s, rows, 6, NULL, 0, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    free(rows);
}

static void nothing_is_larger_than_it_may_be(void **state)
{
    assert_int_equal(png_quick_stride(&(struct png_shape){5000, 5000, 4, 8}), 0);
    assert_int_equal(png_quick_stride(&(struct png_shape){5000, 4000, 4, 8}), 20001);
    assert_int_equal(png_quick_stride(&(struct png_shape){INT64_MAX, INT64_MAX, 4, 16}), 0);
    assert_int_equal(png_quick_stride(&(struct png_shape){1, 1, 5, 8}), 0);
    assert_int_equal(png_quick_stride(&(struct png_shape){1, 1, 1, 4}), 0);
}

static int setup(void **state)
{
    struct err err;

    *state = host_new();
    return media_init(&err);
}

static int teardown(void **state)
{
    host_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_filter_and_depth_is_what_libpng_reads),
        cmocka_unit_test(an_opened_picture_has_these_pixels),
        cmocka_unit_test(srgb_stays_what_it_is),
        cmocka_unit_test(interlaced_palettes_and_other_shapes_are_not_for_it),
        cmocka_unit_test(damage_is_never_read_as_pixels),
        cmocka_unit_test(what_is_written_is_what_libvips_writes),
        cmocka_unit_test(a_disk_that_is_full_is_said),
        cmocka_unit_test(nothing_is_larger_than_it_may_be),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
