#include "../../unit/unit.h"
#include "base/str.h"
#include "clips.h"
#include "media/shrink.h"
#include "media/tool.h"
#include "media/vips.h"
#include "pictures.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <vips/vips.h>
#include <zlib.h>

#define ROBOT "/image/optimize"
#define ALL ((struct media_limits){.max_pixels = 1 << 28, .max_frames = 1000, .timeout_s = 60})

static int64_t size_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static const char *run_ok(struct robot_job *j, const char *step, const char *path)
{
    struct err err;

    if (host_run_on(j, ROBOT, step, path, &err) < 0)
        fail_msg("%s on %s: %s: %s", step, path, err_name(&err), err.msg);
    assert_int_equal(host_output_count(j), 1);
    return host_output(j, 0)->path;
}

/* libvips' own reader, every frame, as colours with alpha. */
static VipsImage *pixels(const char *path)
{
    bool animated = g_str_has_suffix(path, ".gif") || g_str_has_suffix(path, ".webp");
    VipsImage *v = animated ? vips_image_new_from_file(path, "n", -1, NULL)
                            : vips_image_new_from_file(path, NULL),
              *t;

    if (!v)
        fail_msg("%s: %s", path, vips_error_buffer());
    if (v->Bands < 3) {
        VipsInterpretation to =
            v->BandFmt == VIPS_FORMAT_USHORT ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB;

        assert_int_equal(vips_colourspace(v, &t, to, NULL), 0);
        g_object_unref(v);
        v = t;
    }
    if (!vips_image_hasalpha(v)) {
        assert_int_equal(vips_addalpha(v, &t, NULL), 0);
        g_object_unref(v);
        v = t;
    }
    return v;
}

static void assert_same_pixels(const char *a, const char *b)
{
    VipsImage *x = pixels(a), *y = pixels(b), *diff = NULL, *abs = NULL;
    double most = 1;

    if (x->Xsize != y->Xsize || x->Ysize != y->Ysize || x->Bands != y->Bands ||
        x->BandFmt != y->BandFmt)
        fail_msg("%s and %s are not alike", a, b);
    assert_int_equal(vips_subtract(x, y, &diff, NULL) || vips_abs(diff, &abs, NULL) ||
                         vips_max(abs, &most, NULL),
                     0);
    if (most > 0)
        fail_msg("%s and %s differ by %g", a, b, most);
    g_object_unref(x);
    g_object_unref(y);
    g_object_unref(diff);
    g_object_unref(abs);
}

static VipsImage *part_of_photograph(struct robot_job *j)
{
    VipsImage *v = vips_image_new_from_file(picture_photograph(j, "chelsea.png"), NULL), *cut;

    assert_non_null(v);
    assert_int_equal(vips_extract_area(v, &cut, 100, 50, 99, 67, NULL), 0);
    g_object_unref(v);
    return cut;
}

/* A file of every kind that is stored differently: an odd size, from a photograph. Lent. */
static const char *kind_of_file(struct robot_job *j, const char *what)
{
    const char *path = host_path(j, what);
    VipsImage *v = part_of_photograph(j), *t = NULL;
    int rc;

    if (strstr(what, "16bit")) {
        rc = vips_colourspace(v, &t, VIPS_INTERPRETATION_RGB16, NULL) ||
             vips_pngsave(t, path, "compression", 1, NULL);
    } else if (strstr(what, "gray16")) {
        rc = vips_colourspace(v, &t, VIPS_INTERPRETATION_GREY16, NULL) ||
             vips_pngsave(t, path, "compression", 1, NULL);
    } else if (strstr(what, "palette")) {
        rc = vips_pngsave(v, path, "palette", TRUE, "compression", 1, NULL);
    } else if (strstr(what, "bilevel")) {
        rc = vips_colourspace(v, &t, VIPS_INTERPRETATION_B_W, NULL) ||
             vips_pngsave(t, path, "bitdepth", 1, "compression", 0, NULL);
    } else if (strstr(what, "interlaced")) {
        rc = vips_pngsave(v, path, "interlace", TRUE, "compression", 1, NULL);
    } else if (strstr(what, "hidden")) { /* colours below an alpha of 0 */
        VipsImage *alpha;

        rc = vips_colourspace(v, &t, VIPS_INTERPRETATION_B_W, NULL) ||
             vips_more_const1(t, &alpha, 120, NULL) || vips_bandjoin2(v, alpha, &t, NULL) ||
             vips_image_write_to_file(t, path, NULL);
    } else if (strstr(what, "profile")) {
        rc = vips_image_write_to_file(v, path, "profile", "p3", NULL);
    } else if (strstr(what, "cmyk")) {
        rc = vips_colourspace(v, &t, VIPS_INTERPRETATION_CMYK, NULL) ||
             vips_jpegsave(t, path, "Q", 90, NULL);
    } else if (strstr(what, "progressive")) {
        rc = vips_jpegsave(v, path, "interlace", TRUE, "Q", 80, NULL);
    } else if (strstr(what, "gray.")) {
        rc = vips_colourspace(v, &t, VIPS_INTERPRETATION_B_W, NULL) || vips_jpegsave(t, path, NULL);
    } else if (strstr(what, "lossless")) {
        rc = vips_webpsave(v, path, "lossless", TRUE, "effort", 0, NULL);
    } else {
        rc = vips_image_write_to_file(v, path, NULL);
    }
    if (rc)
        fail_msg("%s: %s", what, vips_error_buffer());
    g_object_unref(v);
    return path;
}

static void no_pixel_of_any_kind_of_file_is_changed(void **state)
{
    static const char *const kinds[] = {"a.png",       "16bit.png",     "gray16.png",
                                        "palette.png", "bilevel.png",   "interlaced.png",
                                        "hidden.png",  "profile.png",   "a.jpg",
                                        "gray.jpg",    "cmyk.jpg",      "progressive.jpg",
                                        "profile.jpg", "lossless.webp", "a.webp",
                                        "a.gif",       "a.tif"};
    static const char *const steps[] = {
        "{}",
        "{\"priority\":\"compression-ratio\",\"progressive\":true,\"preserve_meta_data\":false}"};
    AUTO(host_free) struct robot_job *j = host_new();
    int smaller = 0;
    (void)state;

    assert_int_equal(media_init(NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const char *path = kind_of_file(j, kinds[i]);

        for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
            const char *out = run_ok(j, steps[s], path);

            assert_same_pixels(path, out);
            if (size_of(out) > size_of(path))
                fail_msg("%s grew from %lld to %lld", kinds[i], (long long)size_of(path),
                         (long long)size_of(out));
            if (host_output(j, 0)->same)
                assert_int_equal(size_of(out), size_of(path));
            else
                smaller++;
            assert_string_equal(host_output(j, 0)->name, kinds[i]);
        }
    }
    if (smaller < 24) /* of 34: TIFF and lossy WebP are left alone */
        fail_msg("only %d became smaller", smaller);
}

static void what_is_as_small_as_it_gets_passes_unchanged(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (int i = 0; i < 4; i++) {
        static const char *const names[] = {"a.png", "a.jpg", "a.gif", "lossless.webp"};
        const char *first = run_ok(j, "{}", kind_of_file(j, names[i])),
                   *again = host_path(j, names[i]);

        if (!host_output(j, 0)->same)
            assert_int_equal(rename(first, again), 0);
        run_ok(j, "{}", again);
        if (!host_output(j, 0)->same && size_of(host_output(j, 0)->path) >= size_of(again))
            fail_msg("%s", names[i]);
    }
    run_ok(j, "{}",
           picture_write(j, "dot.gif",
                         "GIF89a\1\0\1\0\x80\0\0\0\0\0\xFF\xFF\xFF,\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
                         35));
    assert_true(host_output(j, 0)->same);
}

/* What it takes by hand, with all that the usual tools offer. */
static int64_t by_hand(struct robot_job *j, const char *const argv[], const char *made,
                       bool stdout_is_it)
{
    const struct tool t = {.argv = argv, .output = stdout_is_it ? made : NULL};
    struct err err;

    unlink(made);
    if (tool_run(j, &t, &err) < 0)
        fail_msg("%s: %s", argv[0], err.msg);
    return size_of(made);
}

static void photographs_become_as_small_as_the_best_of_the_usual_tools_makes_them(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    static const char *const jpegs[] = {"retina.jpg", "rocket.jpg", "hubble_deep_field.jpg"},
                             *const pngs[] = {"chelsea.png", "astronaut.png"};
    int64_t ours = 0, theirs = 0;
    const char *to = host_path(j, "by-hand");
    (void)state;

    for (int i = 0; i < 3; i++)
        for (int progressive = 0; progressive < 2; progressive++) {
            const char *path = picture_photograph(j, jpegs[i]);
            const char *const argv[] = {
                "jpegtran", "-copy", "all", "-optimize", progressive ? "-progressive" : "-optimize",
                path,       NULL};

            ours += size_of(run_ok(j, progressive ? "{\"progressive\":true}" : "{}", path));
            theirs += by_hand(j, argv, to, true);
        }
    if (ours > theirs * 102 / 100)
        fail_msg("JPEG: %lld instead of %lld", (long long)ours, (long long)theirs);
    ours = theirs = 0;
    for (int i = 0; i < 2; i++) {
        const char *path = picture_photograph(j, pngs[i]);
        const char *const argv[] = {"optipng", "-quiet", "-o2", "-out", to, path, NULL};

        ours += size_of(run_ok(j, "{}", path));
        theirs += by_hand(j, argv, to, false);
    }
    if (ours > theirs * 102 / 100)
        fail_msg("PNG: %lld instead of %lld", (long long)ours, (long long)theirs);
}

static bool holds(const char *path, const char *word)
{
    AUTO(mem_free) char *data = mem_alloc(1 << 20);
    FILE *f = fopen(path, "r");
    size_t n = fread(data, 1, 1 << 20, f);

    fclose(f);
    return memmem(data, n, word, strlen(word)) != NULL;
}

/* The PNG file with one more chunk behind its header. Lent. */
static const char *with_chunk(struct robot_job *j, const char *name, const char *png,
                              const char *type, const char *data, size_t len)
{
    AUTO(mem_free) char *all = mem_alloc(1 << 20);
    FILE *f = fopen(png, "r");
    size_t n = fread(all, 1, 1 << 19, f), at = 8 + 25;

    fclose(f);
    memmove(all + at + 12 + len, all + at, n - at);
    memcpy(all + at, (char[]){0, 0, 0, (char)len}, 4);
    memcpy(all + at + 4, type, 4);
    memcpy(all + at + 8, data, len);
    unsigned long crc = crc32(crc32(0, NULL, 0), (unsigned char *)all + at + 4, (unsigned)len + 4);
    for (int i = 0; i < 4; i++)
        all[at + 8 + len + (size_t)i] = (char)(crc >> (24 - 8 * i));
    return picture_write(j, name, all, n + 12 + len);
}

static void metadata_go_when_asked_but_colours_and_orientation_stay(void **state)
{
    static const char *const names[] = {"turned.jpg", "turned.webp"};
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *path = picture_make_turned(j, names[i], 120, 80, 6);

        assert_int_equal(picture_facts(run_ok(j, "{}", path)).orientation, 6);
        if (!host_output(j, 0)->same)
            assert_string_equal(jstr_or(host_output(j, 0)->meta, "device_vendor", ""), "Acme");
        const char *out = run_ok(j, "{\"preserve_meta_data\":false}", path);
        assert_false(host_output(j, 0)->same);
        assert_int_equal(picture_facts(out).orientation, 6);
        assert_int_equal(picture_facts(out).width, 120);
        assert_null(json_object_get(host_output(j, 0)->meta, "device_vendor"));
        assert_null(json_object_get(host_output(j, 0)->meta, "latitude"));
        assert_same_pixels(path, out);
    }
    const char *png = with_chunk(j, "turned.png", kind_of_file(j, "a.png"), "eXIf",
                                 "II*\0\10\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0GPS33.5", 29);
    png = with_chunk(j, "told.png", png, "tEXt", "Author\0somebody", 15);
    for (int keep = 0; keep < 2; keep++) {
        const char *out = run_ok(j, keep ? "{}" : "{\"preserve_meta_data\":false}", png);

        assert_same_pixels(png, out);
        assert_true(holds(out, "eXIf")); /* the turn */
        assert_int_equal(holds(out, "GPS33.5"), keep);
        assert_int_equal(holds(out, "somebody"), keep);
    }
    for (int i = 0; i < 2; i++) {
        const char *out = run_ok(j, "{\"preserve_meta_data\":false}",
                                 kind_of_file(j, i ? "profile.png" : "profile.jpg"));
        VipsImage *v = vips_image_new_from_file(out, NULL);

        assert_true(vips_image_get_typeof(v, VIPS_META_ICC_NAME) != 0);
        g_object_unref(v);
    }
}

static void progressive_interlaces_where_that_is_no_larger(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    const char *jpg = picture_photograph(j, "rocket.jpg");
    VipsImage *v = vips_image_new_from_file(run_ok(j, "{\"progressive\":true}", jpg), NULL);
    assert_true(vips_image_get_typeof(v, "jpeg-multiscan") ||
                vips_image_get_typeof(v, "interlaced"));
    g_object_unref(v);
    const char *png = picture_photograph(j, "astronaut.png"); /* stored wastefully */
    v = vips_image_new_from_file(run_ok(j, "{\"progressive\":true}", png), NULL);
    assert_true(vips_image_get_typeof(v, "interlaced") != 0);
    g_object_unref(v);
    assert_true(size_of(host_output(j, 0)->path) < size_of(png));
}

static void a_palette_competes_only_when_asked(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    const char *png = kind_of_file(j, "a.png");
    int64_t exact = size_of(run_ok(j, "{}", png)),
            lossy = size_of(run_ok(j, "{\"lossy\":true}", png));
    assert_true(lossy < exact * 2 / 3);
    double psnr = picture_psnr(png, host_output(j, 0)->path);
    if (psnr < 30)
        fail_msg("%.1f dB", psnr);
}

static void animations_keep_every_frame_and_its_time(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    const char *gif = picture_make_animated(j, "a.gif", 200, 150, 5), *out = run_ok(j, "{}", gif);
    assert_false(host_output(j, 0)->same);
    assert_int_equal(picture_facts(out).frames, 5);
    assert_same_pixels(gif, out);
    const char *webp = picture_make_animated(j, "a.webp", 200, 150, 5);
    assert_same_pixels(webp, run_ok(j, "{}", webp));
    const char *apng =
        clip(j, "a.png", "-f lavfi -i testsrc=size=64x48:rate=5:duration=1 -f apng -plays 0");
    run_ok(j, "{\"priority\":\"compression-ratio\"}", apng);
    assert_true(host_output(j, 0)->same);
}

static const char *drawing(struct robot_job *j, const char *name, const char *inside)
{
    char text[4000];
    int n =
        snprintf(text, sizeof text,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- made by hand -->\n<svg "
                 "xmlns=\"http://www.w3.org/2000/svg\" width=\"200\" "
                 "height=\"100\">\n    <metadata>secret place</metadata>\n    <g>\n        <rect "
                 "x=\"10.000000\" y=\"10.000000\" width=\"100.00000\" "
                 "height=\"50.0000\" style=\"fill:#ff0000;stroke:none\" />\n    </g>\n%s</svg>\n",
                 inside);

    return picture_write(j, name, text, (size_t)n);
}

static void drawings_become_shorter_and_look_the_same(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    const char *svg = drawing(j, "a.svg", ""), *out = run_ok(j, "{}", svg);
    assert_false(host_output(j, 0)->same);
    assert_true(holds(out, "made by hand") && holds(out, "secret place"));
    assert_same_pixels(svg, out);
    int64_t kept = size_of(out);
    out = run_ok(j, "{\"preserve_meta_data\":false}", svg);
    assert_true(size_of(out) < kept && !holds(out, "made by hand") && !holds(out, "secret place"));
    assert_same_pixels(svg, out);
    run_ok(j, "{}",
           drawing(j, "b.svg", "<script>document.getElementById('x')</script><g id=\"x\"/>"));
    assert_true(host_output(j, 0)->same);
    /* a file of the machine stays there */
    out = run_ok(j, "{}",
                 picture_write(j, "c.svg",
                               "<!DOCTYPE svg [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><svg "
                               "xmlns=\"http://www.w3.org/2000/svg\" "
                               "width=\"9\" height=\"9\"   >   <text>&e;</text>   </svg>",
                               141));
    assert_false(holds(out, "root:"));
}

/* From a JPEG what is cut off is missing for good; all else is mended. */
static void broken_pictures_pass_or_fail_as_asked(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    (void)state;

    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"cut.jpg", "cut.png", "cut.gif"}, *const from[] = {
                                                                                  "a.jpg", "a.png",
                                                                                  "a.gif"};
        AUTO(mem_free) char *data = mem_alloc(1 << 20);
        FILE *f = fopen(kind_of_file(j, from[i]), "r");
        size_t n = fread(data, 1, 1 << 20, f);

        fclose(f);
        const char *cut = picture_write(j, names[i], data, n / 2);
        run_ok(j, "{}", cut);
        if (!host_output(j, 0)->same)
            fail_msg("something was made of %s", names[i]);
        assert_int_equal(host_run_on(j, ROBOT, "{\"fix_breaking_images\":false}", cut, &err), -1);
        assert_int_equal(err.code, ERR_COMMAND);
        if (i == 0) { /* only the end marker is missing */
            run_ok(j, "{}", picture_write(j, "unended.jpg", data, n - 2));
            assert_false(host_output(j, 0)->same);
            assert_same_pixels(from[i] ? host_path(j, "a.jpg") : "", host_output(j, 0)->path);
        }
    }
    assert_int_equal(host_run_on(j, ROBOT, "{}", picture_write(j, "empty.png", "", 0), &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
    run_ok(j, "{}", picture_write(j, "liar.png", "MZ this is no picture", 21));
    assert_true(host_output(j, 0)->same);
}

/* Each scan is a walk over the whole picture: a small file could ask for very many. */
static void a_photograph_of_thousands_of_scans_is_refused(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    AUTO(mem_free) char *data = mem_alloc(1 << 20);
    AUTO(str_done) struct str many = {0};
    struct err err;
    (void)state;

    FILE *f = fopen(kind_of_file(j, "progressive.jpg"), "r");
    size_t n = fread(data, 1, 1 << 20, f), last = n;
    fclose(f);
    while (last && memcmp(data + --last, "\xFF\xDA", 2))
        ;
    str_add(&many, data, last);
    for (int i = 0; i < 2000; i++)
        str_add(&many, data + last, n - 2 - last);
    str_add(&many, "\xFF\xD9", 2);
    const char *path = picture_write(j, "scans.jpg", many.s, many.len);
    assert_int_equal(shrink_jpeg(path, host_path(j, "out.jpg"), false, true, 1, NULL, &err), -1);
    assert_non_null(strstr(err.msg, "scans"));
}

static void what_can_not_be_done_in_time_passes_with_what_was_found(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    json_object_set_new(host_settings(j), "timeout_s", json_integer(1));
    run_ok(j, "{}", kind_of_file(j, "a.png"));
    assert_true(host_output(j, 0)->same);
    run_ok(j, "{}", kind_of_file(j, "a.jpg")); /* needs no tool */
    assert_false(host_output(j, 0)->same);
    /* seconds of work for a thorough search, of which it gets one or two */
    json_object_set_new(host_settings(j), "timeout_s", json_integer(4));
    const char *png = picture_photograph(j, "astronaut.png");
    const char *out = run_ok(j, "{\"priority\":\"compression-ratio\"}", png);
    if (!host_output(j, 0)->same)
        assert_same_pixels(png, out);
}

/* Several pictures in one file are found by their place; what is appended, from the end. */
static void what_hangs_on_a_photograph_stays_with_it(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    static const unsigned char mpf[] = {0xFF, 0xE2, 0, 10, 'M', 'P', 'F', 0, 'I', 'I', '*', 0};
    AUTO(mem_free) char *data = mem_alloc(1 << 20);
    (void)state;

    FILE *f = fopen(kind_of_file(j, "a.jpg"), "r");
    size_t n = fread(data, 1, 1 << 19, f);
    fclose(f);
    memcpy(data + n, "MOVIE BEHIND IT", 15);
    const char *out = run_ok(j, "{}", picture_write(j, "motion.jpg", data, n + 15));
    assert_false(host_output(j, 0)->same);
    AUTO(mem_free) char *made = mem_alloc(1 << 20);
    f = fopen(out, "r");
    size_t m = fread(made, 1, 1 << 20, f);
    fclose(f);
    assert_memory_equal(made + m - 15, "MOVIE BEHIND IT", 15);

    memmove(data + 2 + sizeof mpf, data + 2, n - 2);
    memcpy(data + 2, mpf, sizeof mpf);
    const char *several = picture_write(j, "several.jpg", data, n + sizeof mpf);
    run_ok(j, "{\"fix_breaking_images\":false}", several);
    assert_true(host_output(j, 0)->same);
    run_ok(j, "{\"preserve_meta_data\":false}", several);
    assert_false(host_output(j, 0)->same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_pixel_of_any_kind_of_file_is_changed),
        cmocka_unit_test(what_is_as_small_as_it_gets_passes_unchanged),
        cmocka_unit_test(photographs_become_as_small_as_the_best_of_the_usual_tools_makes_them),
        cmocka_unit_test(metadata_go_when_asked_but_colours_and_orientation_stay),
        cmocka_unit_test(progressive_interlaces_where_that_is_no_larger),
        cmocka_unit_test(a_palette_competes_only_when_asked),
        cmocka_unit_test(animations_keep_every_frame_and_its_time),
        cmocka_unit_test(drawings_become_shorter_and_look_the_same),
        cmocka_unit_test(broken_pictures_pass_or_fail_as_asked),
        cmocka_unit_test(a_photograph_of_thousands_of_scans_is_refused),
        cmocka_unit_test(what_can_not_be_done_in_time_passes_with_what_was_found),
        cmocka_unit_test(what_hangs_on_a_photograph_stays_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
