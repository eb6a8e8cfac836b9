/* Damaged pictures: what is all there is used, of what is missing nothing is made up. */
#include "../unit/unit.h"
#include "media/vips.h"
#include "pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>
#include <zlib.h>

struct bytes {
    unsigned char *p;
    size_t n;
};

static struct bytes slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct bytes b = {mem_alloc(4 << 20), 0};

    assert_non_null(f);
    b.n = fread(b.p, 1, 4 << 20, f);
    fclose(f);
    return b;
}

/* Noise: nothing of it can be guessed, and each block takes many bytes. */
static struct bytes photo(struct robot_job *j, const char *name, const char *options)
{
    VipsImage *v, *b, *c;
    AUTO(mem_free) char *to = mem_printf("%s%s", host_path(j, name), options);

    if (media_init(NULL) < 0 || vips_gaussnoise(&v, 200, 150, "mean", 128.0, "sigma", 60.0, "seed", 7, NULL) ||
        vips_cast(v, &b, VIPS_FORMAT_UCHAR, NULL))
        abort();
    VipsImage *three[3] = {b, b, b};
    if (vips_bandjoin(three, &c, 3, NULL) || vips_image_write_to_file(c, to, NULL))
        abort();
    g_object_unref(v);
    g_object_unref(b);
    g_object_unref(c);
    return slurp(host_path(j, name));
}

static int run(struct robot_job *j, const char *robot, const char *step, const char *name, struct bytes b, struct err *err)
{
    *err = (struct err){0};
    return host_run_on(j, robot, step, picture_write(j, name, b.p, b.n), err);
}

static void expect(struct robot_job *j, const char *what, const char *name, struct bytes b, bool good)
{
    static const struct {
        const char *robot, *step;
    } robots[] = {{"/image/resize", "{\"width\":50,\"format\":\"png\"}"},
                  {"/image/resize", "{\"format\":\"png\"}"},
                  {"/image/resize", "{\"rotation\":90,\"format\":\"png\"}"},
                  {"/image/facedetect", "{}"}};

    for (size_t i = 0; i < ARRAY_LEN(robots); i++) {
        struct err err;
        int rc = run(j, robots[i].robot, robots[i].step, name, b, &err);

        if (good && rc < 0)
            fail_msg("%s: %s %s: %s", what, robots[i].robot, robots[i].step, err.msg);
        if (!good && rc == 0)
            fail_msg("%s: %s %s made something of it", what, robots[i].robot, robots[i].step);
        if (!good)
            assert_int_equal(err.code, ERR_COMMAND);
    }
}

static void a_jpeg_that_lacks_only_its_end_is_whole(void **state)
{
    static const char *const options[] = {"[Q=90]", "[Q=90,interlace]", "[Q=90,subsample-mode=off]",
                                          "[Q=90,optimize-coding]"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        struct bytes b = photo(j, "whole.jpg", options[i]);

        expect(j, options[i], "a.jpg", b, true);
        expect(j, "one byte short", "a.jpg", (struct bytes){b.p, b.n - 1}, true);
        expect(j, "two bytes short", "a.jpg", (struct bytes){b.p, b.n - 2}, true);
        memcpy(b.p + b.n, "some rest of another file", 25);
        expect(j, "rubbish behind its end", "a.jpg", (struct bytes){b.p, b.n + 25}, true);
        free(b.p);
    }
}

/* The same pixels as from the whole file, and not a grey rest. */
static void the_pixels_are_those_of_the_whole_file(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct bytes b = photo(j, "whole.jpg", "[Q=90]");
    struct err err;
    (void)state;

    assert_int_equal(run(j, "/image/resize", "{\"format\":\"png\"}", "a.jpg", b, &err), 0);
    AUTO(mem_free) char *whole = mem_strdup(host_output(j, 0)->path);
    assert_int_equal(run(j, "/image/resize", "{\"format\":\"png\"}", "b.jpg", (struct bytes){b.p, b.n - 2}, &err), 0);
    assert_true(picture_psnr(whole, host_output(j, 0)->path) == 99);
    free(b.p);
}

static void a_jpeg_that_is_cut_off_is_an_error(void **state)
{
    static const char *const options[] = {"[Q=90]", "[Q=90,interlace]"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        struct bytes b = photo(j, "whole.jpg", options[i]);
        static const size_t missing[] = {60, 200, 1000};

        for (size_t k = 0; k < ARRAY_LEN(missing); k++)
            expect(j, options[i], "a.jpg", (struct bytes){b.p, b.n - missing[k]}, false);
        for (size_t part = 1; part < 10; part++)
            expect(j, options[i], "a.jpg", (struct bytes){b.p, b.n * part / 10}, false);
        free(b.p);
    }
}

/* Between two scans of a progressive picture nothing is torn: all blocks are there, but not all of their bits. */
static void a_progressive_jpeg_without_its_last_scans_is_an_error(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct bytes b = photo(j, "whole.jpg", "[Q=90,interlace]");
    int scans = 0;
    (void)state;

    for (size_t at = 2; at + 4 < b.n; at++)
        if (b.p[at] == 0xFF && b.p[at + 1] == 0xDA && scans++ > 1)
            expect(j, "without its last scans", "a.jpg", (struct bytes){b.p, at}, false);
    assert_true(scans > 4);
    free(b.p);
}

static void gif_without_its_trailer_is_whole(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct bytes b = slurp(picture_make_animated(j, "in.gif", 80, 60, 3));
    (void)state;

    expect(j, "GIF without its trailer", "a.gif", (struct bytes){b.p, b.n - 1}, true);
    free(b.p);
}

/* ---- PNG ---- */

static uint32_t be32(const unsigned char *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* The n-th chunk of a type, from 0; NULL: there is none. */
static unsigned char *chunk(struct bytes b, const char *type, int n)
{
    for (size_t at = 8; at + 12 <= b.n; at += 12 + be32(b.p + at))
        if (!memcmp(b.p + at + 4, type, 4) && n-- == 0)
            return b.p + at;
    return NULL;
}

static void spoil_sum(unsigned char *c) { c[8 + be32(c)] ^= 0x55; }

static void a_png_with_wrong_checksums_is_whole(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct bytes b = photo(j, "whole.png", "");
    struct err err;
    int n = 0;
    (void)state;

    assert_int_equal(run(j, "/image/resize", "{\"format\":\"png\"}", "a.png", b, &err), 0);
    AUTO(mem_free) char *whole = mem_strdup(host_output(j, 0)->path);
    for (; chunk(b, "IDAT", n); n++)
        spoil_sum(chunk(b, "IDAT", n));
    assert_true(n > 3);
    spoil_sum(chunk(b, "IEND", 0));
    expect(j, "all IDAT sums wrong", "b.png", b, true);
    assert_int_equal(run(j, "/image/resize", "{\"format\":\"png\"}", "b.png", b, &err), 0);
    assert_true(picture_psnr(whole, host_output(j, 0)->path) == 99);
    free(b.p);
}

/* One pixel, as small as they come. */
static void the_smallest_png_with_a_wrong_checksum_is_read(void **state)
{
    static const unsigned char png[] = "\x89PNG\r\n\x1a\n"
                                       "\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0\x3a\x7e\x9b\x55"
                                       "\0\0\0\nIDAT\x78\x9c\x63\x60\0\0\0\2\0\1\x48\xaf\xa4\x70"
                                       "\0\0\0\0IEND\xae\x42\x60\x82";
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    double px[4];
    (void)state;

    assert_int_equal(crc32(crc32(0, NULL, 0), png + 37, 14), 0x48afa471); /* the right one ends in 71 */
    struct bytes b = {(unsigned char *)png, sizeof png - 1};
    assert_int_equal(run(j, "/image/resize", "{\"width\":1}", "a.png", b, &err), 0);
    picture_pixel(px, host_output(j, 0)->path, 0, 0);
    assert_int_equal(px[0], 0);
}

static void a_png_that_was_changed_or_cut_off_is_an_error(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct bytes b = photo(j, "whole.png", ""), t = slurp(host_path(j, "whole.png"));
    (void)state;

    expect(j, "half", "a.png", (struct bytes){b.p, b.n / 2}, false);
    expect(j, "the last data is missing", "a.png", (struct bytes){b.p, b.n - 60}, false);
    chunk(b, "IDAT", 1)[8 + 100] ^= 1;
    expect(j, "a bit of its data was turned", "a.png", b, false);
    spoil_sum(chunk(t, "IHDR", 0));
    expect(j, "the header does not fit its sum", "a.png", t, false);
    free(b.p);
    free(t.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_jpeg_that_lacks_only_its_end_is_whole),
        cmocka_unit_test(the_pixels_are_those_of_the_whole_file),
        cmocka_unit_test(a_jpeg_that_is_cut_off_is_an_error),
        cmocka_unit_test(a_progressive_jpeg_without_its_last_scans_is_an_error),
        cmocka_unit_test(gif_without_its_trailer_is_whole),
        cmocka_unit_test(a_png_with_wrong_checksums_is_whole),
        cmocka_unit_test(the_smallest_png_with_a_wrong_checksum_is_read),
        cmocka_unit_test(a_png_that_was_changed_or_cut_off_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
