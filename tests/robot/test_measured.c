/* What /image/resize tells a probe of a picture that it decodes is what the probe would have found. */
#include "../unit/unit.h"
#include "media/probe.h"
#include "pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vips/vips.h>

enum { W = 1201, H = 907 }; /* px: so many are worth an early word; no multiple of 8 */

enum alpha { OPAQUE, HALF, DOT };

static const struct kind {
    const char *name, *file, *options;
    VipsInterpretation space; /* 0: sRGB */
    enum alpha alpha;
    bool left; /* to the probe */
    bool hard; /* so much contrast that a full decode has to cut colours off, which an eighth has not: 3 steps */
} kinds[] = {
    {"JPEG", "a.jpg", "[Q=90]"},
    {"JPEG, 4:4:4", "a.jpg", "[Q=98,no-subsample]"},
    {"progressive JPEG", "a.jpg", "[Q=80,interlace]"},
    {"JPEG with an sRGB profile", "a.jpg", "[Q=90,profile=srgb]"},
    {"JPEG with another profile", "a.jpg", "[Q=90,profile=p3]"},
    {"JPEG of hard edges", "a.jpg", "[Q=80]", .hard = true},
    {"grey JPEG", "a.jpg", "[Q=90]", VIPS_INTERPRETATION_B_W},
    {"PNG", "a.png", "[compression=1]"},
    {"interlaced PNG", "a.png", "[compression=1,interlace]"},
    {"PNG with an sRGB profile", "a.png", "[compression=1,profile=srgb]"},
    {"PNG with alpha", "a.png", "[compression=1]", .alpha = HALF},
    {"PNG with a dot of alpha", "a.png", "[compression=1]", .alpha = DOT},
    {"palette PNG", "a.png", "[palette,compression=1]"},
    {"PNG with another profile", "a.png", "[compression=1,profile=p3]", .left = true},
    {"grey PNG", "a.png", "[compression=1]", VIPS_INTERPRETATION_B_W, .left = true},
    {"PNG of 16 bits", "a.png", "[compression=1]", VIPS_INTERPRETATION_RGB16, .left = true},
    {"CMYK JPEG", "a.jpg", "[Q=90]", VIPS_INTERPRETATION_CMYK, .left = true},
    {"WebP", "a.webp", "[Q=80,effort=0]", .left = true},
    {"GIF", "a.gif", "[effort=1]", .left = true},
};

static const char *const steps[] = {
    "{\"width\":90}",
    "{\"width\":700,\"format\":\"png\"}",
    "{\"width\":600,\"height\":600,\"resize_strategy\":\"fillcrop\",\"format\":\"jpg\"}",
    "{\"format\":\"jpg\"}",
    "{\"crop\":{\"x1\":10,\"y1\":10,\"x2\":300,\"y2\":200},\"format\":\"jpg\"}",
    "{\"width\":300,\"rotation\":45,\"format\":\"jpg\"}",
    "{\"width\":300,\"colorspace\":\"Gray\",\"monochrome\":true}",
    "{\"width\":300,\"trim_whitespace\":true,\"blur\":\"2x2\"}",
};

/* Hard edges, a ramp and noise. */
static VipsImage *drawing(const struct kind *k)
{
    int bands = k->alpha ? 4 : 3;
    size_t size = (size_t)W * H * (size_t)bands;
    AUTO(mem_free) char *px = mem_alloc(size);
    unsigned char *p = (unsigned char *)px;
    uint32_t noise = 1;

    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++, p += bands) {
            noise = noise * 1664525 + 1013904223;
            p[0] = (unsigned char)((x / 37 + y / 53) % 2 ? (k->hard ? 255 : 220) : 30 + (noise >> 24) % 90);
            p[1] = (unsigned char)(x * 255 / W);
            p[2] = (unsigned char)(y % 3 ? 20 : noise >> 24);
            if (k->alpha)
                p[3] = k->alpha == HALF ? (unsigned char)(y * 255 / H) : x == 700 && y == 500 ? 254 : 255;
        }
    VipsImage *raw = vips_image_new_from_memory_copy(px, size, W, H, bands, VIPS_FORMAT_UCHAR), *out = NULL, *to = NULL;
    if (!raw || vips_copy(raw, &out, "interpretation", VIPS_INTERPRETATION_sRGB, NULL) ||
        (k->space && vips_colourspace(out, &to, k->space, NULL)))
        fail_msg("%s", vips_error_buffer());
    g_object_unref(raw);
    if (to)
        g_object_unref(out);
    return to ? to : out;
}

static const char *write_kind(struct robot_job *job, const struct kind *k)
{
    const char *path = host_path(job, k->file);
    AUTO(mem_free) char *name = mem_printf("%s%s", path, k->options);
    VipsImage *v = drawing(k);

    if (vips_image_write_to_file(v, name, NULL))
        fail_msg("%s: %s", k->name, vips_error_buffer());
    g_object_unref(v);
    return path;
}

static int note(void *ctx, const json_t *meta, const char *mime, const char *ext, bool measures, struct err *err)
{
    *(int *)ctx = measures;
    return json_object_get(meta, "width") ? 0 : err_set(err, ERR_META, "it tells nothing");
}

/* measures: may a job tell it the rest? -1: it was not asked for. */
static json_t *probed(const char *path, const json_t *output_meta, int *measures)
{
    char mime[MIME_LEN], ext[16];
    const struct probe_want want = {.limits = media_limits(NULL), .output_meta = output_meta, .early = note,
                                    .early_ctx = measures};
    struct err err;
    json_t *meta = NULL;

    *measures = -1;
    if (probe_file(&meta, mime, ext, path, path, &want, &err) < 0)
        fail_msg("%s: %s", path, err.msg);
    return meta;
}

static int channel(const json_t *meta, int i)
{
    const char *hex = jstr_or(meta, "average_color", "");
    char two[3] = {0};

    assert_int_equal(strlen(hex), 7);
    memcpy(two, hex + 1 + 2 * i, 2);
    return (int)strtol(two, NULL, 16);
}

/* Counted one by one, of a PNG, which keeps them as they are. */
static void the_average_is_that_of_all_pixels(void **state)
{
    static const struct kind png = {"PNG", "a.png", "[compression=1]"};
    (void)state;
    if (media_init(NULL) < 0)
        abort();
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = write_kind(job, &png);
    VipsImage *v = drawing(&png);
    size_t size;
    uint8_t *px = vips_image_write_to_memory(v, &size);
    int measures;
    AUTO(json_unref) json_t *meta = probed(path, NULL, &measures);

    for (int i = 0; i < 3; i++) {
        uint64_t sum = 0;

        for (size_t at = (size_t)i; at < size; at += 3)
            sum += px[at];
        assert_int_equal(channel(meta, i), (sum + (uint64_t)W * H / 2) / ((uint64_t)W * H));
    }
    g_free(px);
    g_object_unref(v);
}

static void it_is_what_the_probe_would_say(void **state)
{
    (void)state;
    if (media_init(NULL) < 0)
        abort();
    for (size_t n = 0; n < ARRAY_LEN(kinds); n++) {
        AUTO(host_free) struct robot_job *job = host_new();
        const char *path = write_kind(job, &kinds[n]);
        int measures;
        AUTO(json_unref) json_t *want = probed(path, NULL, &measures);

        if (measures != !kinds[n].left)
            fail_msg("%s: measures %d", kinds[n].name, measures);
        for (size_t s = 0; s < (kinds[n].left ? 1 : ARRAY_LEN(steps)); s++) {
            struct err err;

            host_ask(job);
            if (host_run_on(job, "/image/resize", steps[s], path, &err) < 0)
                fail_msg("%s, %s: %s", kinds[n].name, steps[s], err.msg);
            assert_int_equal(host_measured(job) != NULL, !kinds[n].left);
            for (int i = 0; i < 3 && !kinds[n].left; i++)
                if (abs(channel(want, i) - channel(host_measured(job), i)) > (kinds[n].hard ? 3 : 1))
                    fail_msg("%s, %s: %s instead of %s", kinds[n].name, steps[s],
                             jstr_or(host_measured(job), "average_color", ""), jstr_or(want, "average_color", ""));
            if (!kinds[n].left)
                assert_int_equal(jbool(host_measured(job), "has_transparency", !kinds[n].alpha),
                                 kinds[n].alpha != OPAQUE);
        }
    }
}

/* The result is not another for it. */
static void who_is_asked_makes_the_same(void **state)
{
    (void)state;
    for (size_t n = 0; n < ARRAY_LEN(kinds); n += 5) {
        AUTO(host_free) struct robot_job *job = host_new();
        const char *path = write_kind(job, &kinds[n]);
        struct err err;

        assert_int_equal(host_run_on(job, "/image/resize", steps[1], path, &err), 0);
        AUTO(mem_free) char *plain = mem_strdup(host_output(job, 0)->path);
        host_ask(job);
        assert_int_equal(host_run_on(job, "/image/resize", steps[1], path, &err), 0);
        AUTO(mem_free) char *call = mem_printf("cmp -s '%s' '%s'", plain, host_output(job, 0)->path);
        if (system(call) != 0)
            fail_msg("%s", kinds[n].name);
    }
}

static void who_wants_more_than_that_is_told_by_the_probe(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = write_kind(job, &kinds[0]);
    AUTO(json_unref) json_t *more = json_pack("{s:b}", "blurhash", 1);
    int measures;
    AUTO(json_unref) json_t *meta = probed(path, more, &measures);

    (void)state;
    assert_int_equal(measures, 0);
    assert_non_null(json_object_get(meta, "blurhash"));
}

static void what_is_broken_tells_nothing(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = write_kind(job, &kinds[0]);
    struct err err;

    (void)state;
    assert_int_equal(truncate(path, 20000), 0);
    host_ask(job);
    assert_int_equal(host_run_on(job, "/image/resize", steps[0], path, &err), -1);
    assert_null(host_measured(job));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_average_is_that_of_all_pixels),
        cmocka_unit_test(it_is_what_the_probe_would_say),
        cmocka_unit_test(who_is_asked_makes_the_same),
        cmocka_unit_test(who_wants_more_than_that_is_told_by_the_probe),
        cmocka_unit_test(what_is_broken_tells_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
