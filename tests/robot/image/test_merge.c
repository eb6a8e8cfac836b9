#include "../../unit/unit.h"
#include "media/collage.h"
#include "media/vips.h"
#include "pictures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <vips/vips.h>

#define ROBOT "/image/merge"

/* A picture of one colour; what its name holds decides how it is stored. Lent. */
static const char *plain(struct robot_job *j, const char *name, int w, int h, int r, int g, int b)
{
    const char *path = host_path(j, name);
    VipsImage *black, *v, *t;

    assert_int_equal(media_init(NULL), 0);
    assert_int_equal(vips_black(&black, w, h, "bands", 3, NULL), 0);
    assert_int_equal(
        vips_linear(black, &t, (double[]){1, 1, 1}, (double[]){r, g, b}, 3, "uchar", TRUE, NULL),
        0);
    assert_int_equal(vips_copy(t, &v, "interpretation", VIPS_INTERPRETATION_sRGB, NULL), 0);
    g_object_unref(t);
    if (strstr(name, "cmyk"))
        assert_int_equal(vips_icc_export(v, &t, "output_profile", "cmyk", NULL), 0);
    else if (strstr(name, "gray"))
        assert_int_equal(vips_colourspace(v, &t, VIPS_INTERPRETATION_B_W, NULL), 0);
    else if (strstr(name, "16bit"))
        assert_int_equal(vips_colourspace(v, &t, VIPS_INTERPRETATION_RGB16, NULL), 0);
    else if (strstr(name, "clear"))
        assert_int_equal(vips_bandjoin_const1(v, &t, 0, NULL), 0);
    else
        assert_int_equal(vips_copy(v, &t, NULL), 0);
    assert_int_equal(strstr(name, "profile")
                         ? vips_image_write_to_file(t, path, "profile", "p3", NULL)
                         : vips_image_write_to_file(t, path, NULL),
                     0);
    g_object_unref(black);
    g_object_unref(v);
    g_object_unref(t);
    return path;
}

/* The Robot on these inputs. */
static int run(struct robot_job *j, const char *step, struct err *err)
{
    char text[300];

    snprintf(text, sizeof text, "%s", step);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    return host_run(j, ROBOT, text, err);
}

static const char *run_ok(struct robot_job *j, const char *step)
{
    struct err err;

    if (run(j, step, &err) < 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
    assert_int_equal(host_output_count(j), 1);
    return host_output(j, 0)->path;
}

static void assert_pixel(const char *path, int x, int y, int r, int g, int b, int a, int tolerance)
{
    double px[4] = {0, 0, 0, 255};
    const int want[4] = {r, g, b, a};

    picture_pixel(px, path, x, y);
    for (int i = 0; i < 4; i++)
        if ((i == 3 || a) && fabs(px[i] - want[i]) > tolerance)
            fail_msg("%d,%d is %g %g %g %g instead of %d %d %d %d", x, y, px[0], px[1], px[2],
                     px[3], r, g, b, a);
}

static void assert_size(const char *path, int w, int h)
{
    struct picture_facts f = picture_facts(path);

    if (f.width != w || f.height != h)
        fail_msg("%dx%d instead of %dx%d", f.width, f.height, w, h);
}

#define THREE(j)                                                                                   \
    host_add_input(j, plain(j, "1red.png", 31, 17, 255, 0, 0));                                    \
    host_add_input(j, plain(j, "2green.png", 7, 41, 0, 200, 0));                                   \
    host_add_input(j, plain(j, "3blue.png", 20, 20, 0, 0, 255))

static void a_strip_has_them_in_order_with_borders_between(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *j = host_new();
    THREE(j);
    const char *out = run_ok(j, "{'border':3,'background':'#ff0','sort_by':'import_order'}");
    assert_size(out, 31 + 7 + 20 + 6, 41);
    assert_string_equal(host_output(j, 0)->mime, "image/png");
    assert_int_equal(picture_facts(out).bands, 3);
    assert_pixel(out, 0, 0, 255, 0, 0, 255, 0);
    assert_pixel(out, 30, 16, 255, 0, 0, 255, 0);
    assert_pixel(out, 31, 0, 255, 255, 0, 255, 0); /* border */
    assert_pixel(out, 34, 40, 0, 200, 0, 255, 0);
    assert_pixel(out, 44, 19, 0, 0, 255, 255, 0);
    assert_pixel(out, 63, 20, 255, 255, 0, 255, 0); /* below */

    AUTO(host_free) struct robot_job *k = host_new();
    THREE(k);
    out = run_ok(k, "{'direction':'vertical','sort_by':'import_order'}");
    assert_size(out, 31, 17 + 41 + 20);
    assert_pixel(out, 0, 17, 0, 200, 0, 255, 0);
    assert_pixel(out, 30, 77, 255, 255, 255, 255, 0);

    AUTO(host_free) struct robot_job *one = host_new();
    host_add_input(one, plain(one, "a.png", 9, 5, 1, 2, 3));
    assert_size(run_ok(one, "{'border':9}"), 9, 5);
}

static void what_nothing_covers_is_transparent_when_asked(void **state)
{
    static const struct {
        const char *step;
        int bands, a;
    } rows[] = {{"{'background':'none'}", 4, 0},
                {"{'background':'transparent','format':'webp'}", 4, 0},
                {"{'background':'none','format':'jpg'}", 3, 255}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        THREE(j);
        host_add_input(j, plain(j, "4clear.png", 10, 10, 9, 9, 9));
        const char *out = run_ok(j, rows[i].step);
        assert_int_equal(picture_facts(out).bands, rows[i].bands);
        assert_pixel(out, 5, 35, 255, 255, 255, rows[i].a, 4); /* below the first */
        assert_pixel(out, 62, 5, 255, 255, 255, rows[i].a, 4); /* the clear one */
        assert_pixel(out, 50, 5, 0, 0, 255, 255, 6);
    }
}

static void colours_of_every_space_and_depth_come_out_as_they_look(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    host_add_input(j, plain(j, "0-16bit.png", 10, 10, 200, 100, 50));
    host_add_input(j, plain(j, "1-gray.png", 10, 10, 120, 120, 120));
    host_add_input(j, plain(j, "2-cmyk.jpg", 10, 10, 60, 120, 90));
    host_add_input(j, plain(j, "3-gray.jpg", 10, 10, 30, 30, 30));
    host_add_input(j, plain(j, "4-a.gif", 10, 10, 255, 0, 255));
    host_add_input(j, plain(j, "5-cmyk.tif", 10, 10, 60, 120, 90));
    const char *out = run_ok(j, "{}");
    assert_size(out, 60, 10);
    assert_pixel(out, 5, 5, 200, 100, 50, 255, 1);
    assert_pixel(out, 15, 5, 120, 120, 120, 255, 1);
    assert_pixel(out, 25, 5, 60, 120, 90, 255, 12);
    assert_pixel(out, 35, 5, 30, 30, 30, 255, 2);
    assert_pixel(out, 45, 5, 255, 0, 255, 255, 0);
    assert_pixel(out, 55, 5, 60, 120, 90, 255, 12);
}

static void they_stand_upright(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    host_add_input(j, picture_make_turned(j, "turned.jpg", 40, 20, 6));
    host_add_input(j, plain(j, "z.png", 5, 5, 0, 0, 0));
    const char *out = run_ok(j, "{}");
    assert_size(out, 25, 40);
    assert_pixel(out, 10, 2, 200, 10, 20, 255, 40);
    assert_int_equal(picture_facts(out).orientation, 1);
}

static void the_order_is_the_one_asked_for(void **state)
{
    static const struct {
        const char *step, *as[3]; /* of p10, p2, p3, as they come */
        int red[3];
    } rows[] = {
        {"{}", {"", "", ""}, {2, 3, 10}},
        {"{'sort_by':'import_order'}", {"", "", ""}, {10, 2, 3}},
        {"{}", {"image_10", "image_2", "image_1"}, {3, 2, 10}},
        {"{'sort_by':'import_order'}", {"image", "image_2", "image_1"}, {3, 2, 10}},
        {"{'sort_by':'basename'}", {"", "", "image_1"}, {3, 2, 10}},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *j = host_new();

        for (int k = 0; k < 3; k++) {
            static const int reds[] = {10, 2, 3};
            char name[20];

            snprintf(name, sizeof name, "p%d.png", reds[k]);
            host_add_input(j, plain(j, name, 10, 10, reds[k], 0, 0));
            host_input_as(j, rows[i].as[k]);
        }
        const char *out = run_ok(j, rows[i].step);
        for (int k = 0; k < 3; k++)
            assert_pixel(out, 5 + 10 * k, 5, rows[i].red[k], 0, 0, 255, 0);
    }
}

static void a_grid_has_equal_cells(void **state)
{
    static const struct {
        const char *step;
        int n, w, h;
    } rows[] = {
        {"{'direction':'grid'}", 5, 90, 40},
        {"{'direction':'grid','columns':2,'border':5}", 5, 65, 70},
        {"{'direction':'grid','rows':1}", 5, 150, 20},
        {"{'direction':'grid','columns':2,'rows':4,'cell_width':15,'cell_height':15}", 5, 30, 60},
        {"{'direction':'grid','cell_width':60,'columns':1}", 2, 60, 80},
        {"{'direction':'grid'}", 1, 30, 20},
        {"{'direction':'grid'}", 64, 240, 160},
    };
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        const char *path = plain(j, "a.png", 30, 20, 9, 9, 9);

        for (int k = 0; k < rows[i].n; k++)
            host_add_input(j, path);
        assert_size(run_ok(j, rows[i].step), rows[i].w, rows[i].h);
    }
    AUTO(host_free) struct robot_job *j = host_new();
    THREE(j);
    assert_int_equal(run(j, "{'direction':'grid','columns':1,'rows':2}", &err), -1);
    assert_string_equal(err_name(&err), "IMAGE_MERGE_FAILURE");
    /* wide and small in the middle of their cells */
    AUTO(host_free) struct robot_job *k = host_new();
    THREE(k);
    const char *out =
        run_ok(k, "{'direction':'grid','cell_width':62,'cell_height':62,'columns':3}");
    assert_size(out, 186, 62);
    assert_pixel(out, 31, 31, 255, 0, 0, 255, 0);
    assert_pixel(out, 31, 10, 255, 255, 255, 255, 0); /* 62x34 in 62x62 */
    assert_pixel(out, 65, 31, 255, 255, 255, 255, 0);
}

/* Every pixel of the canvas is one picture's or a border's. */
static void a_mosaic_covers_all_of_its_canvas(void **state)
{
    static const int counts[] = {1, 2, 3, 7, 16, 64};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        const char *wide = plain(j, "wide.png", 90, 31, 200, 0, 0),
                   *tall = plain(j, "1tall.png", 17, 60, 0, 0, 200);

        for (int k = 0; k < counts[i]; k++)
            host_add_input(j, k % 3 ? wide : tall);
        const char *out =
            run_ok(j, "{'effect':'mosaic','width':401,'height':307,'background':'none'}");
        assert_size(out, 401, 307);
        assert_false(jbool(host_output(j, 0)->meta, "has_transparency", true));
        AUTO(host_free) struct robot_job *bordered = host_new();
        for (int k = 0; k < counts[i]; k++)
            host_add_input(bordered, k % 3 ? wide : tall);
        out = run_ok(bordered,
                     "{'effect':'mosaic','width':401,'height':307,'background':'#0f0','border':4}");
        for (int k = 0; k < 4; k++) { /* around */
            assert_pixel(out, k, 150, 0, 255, 0, 255, 0);
            assert_pixel(out, 400 - k, 150, 0, 255, 0, 255, 0);
            assert_pixel(out, 200, k, 0, 255, 0, 255, 0);
            assert_pixel(out, 200, 306 - k, 0, 255, 0, 255, 0);
        }
        assert_pixel(out, 4, 4, 0, 0, 200, 255, 2); /* the first is tall */
    }
}

static double share_of_background(const char *path)
{
    VipsImage *v = vips_image_new_from_file(path, NULL), *t = NULL, *u = NULL;
    double mean = 0;

    assert_int_equal(vips_extract_band(v, &t, 3, NULL) ||
                         vips_relational_const1(t, &u, VIPS_OPERATION_RELATIONAL_LESS, 255, NULL) ||
                         vips_avg(u, &mean, NULL),
                     0);
    g_object_unref(v);
    g_object_unref(t);
    g_object_unref(u);
    return mean / 255;
}

static void a_stack_of_polaroids_covers_as_much_as_asked(void **state)
{
    static const struct {
        const char *step;
        int n;
        double least, most;
    } rows[] = {
        {"{'effect':'polaroid-stack','width':400,'height':300,'background':'none','coverage':0.5}",
         8, 0.4, 0.75},
        {"{'effect':'polaroid-stack','width':400,'height':300,'background':'none'}", 8, 0, 0.4},
        {"{'effect':'polaroid-stack','width':400,'height':300,'background':'none','coverage':3}",
         12, 0, 0.2},
        {"{'effect':'polaroid-stack','width':400,'height':300,'background':'none','border':60}", 5,
         0.4, 0.9},
        {"{'effect':'polaroid-stack','width':300,'height':400,'background':'none'}", 1, 0.2, 0.8},
        {"{'effect':'polaroid-stack','width':640,'height':480,'background':'none'}", 64, 0, 0.3},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        const char *a = plain(j, "a.png", 90, 60, 200, 0, 0),
                   *b = plain(j, "b.jpg", 60, 90, 0, 0, 200);

        for (int k = 0; k < rows[i].n; k++)
            host_add_input(j, k % 2 ? a : b);
        double open = share_of_background(run_ok(j, rows[i].step));
        if (open < rows[i].least || open > rows[i].most)
            fail_msg("%s: %.2f of the canvas is open", rows[i].step, open);
    }
}

static void the_same_seed_makes_the_same_collage(void **state)
{
    static const char *const effects[] = {"mosaic", "polaroid-stack"};
    (void)state;

    for (size_t e = 0; e < ARRAY_LEN(effects); e++) {
        char md5[4][33] = {""};
        static const char *const more[] = {"'seed':7", "'seed':7", "'seed':8",
                                           "'seed':7,'shuffle':true"};

        for (int i = 0; i < 4; i++) {
            AUTO(host_free) struct robot_job *j = host_new();
            char step[200];

            for (int k = 0; k < 9; k++) {
                char name[20];

                snprintf(name, sizeof name, "%d.png", k);
                host_add_input(j, plain(j, name, 50 + 11 * k, 60, 20 * k, 255 - 20 * k, 100));
            }
            snprintf(step, sizeof step, "{'effect':'%s','width':300,'height':200,%s}", effects[e],
                     more[i]);
            AUTO(mem_free) char *text = NULL;
            gsize len;
            assert_true(g_file_get_contents(run_ok(j, step), &text, &len, NULL));
            g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_MD5, (guchar *)text, len);
            snprintf(md5[i], sizeof md5[i], "%s", sum);
        }
        assert_string_equal(md5[0], md5[1]);
        assert_string_not_equal(md5[0], md5[2]);
        assert_string_not_equal(md5[0], md5[3]);
    }
}

static void what_is_too_large_or_unreadable_fails_by_the_contracts_code(void **state)
{
    struct err err;
    (void)state;

    AUTO(host_free) struct robot_job *large = host_new();
    json_object_set_new(host_settings(large), "max_pixels", json_integer(10000));
    for (int i = 0; i < 3; i++)
        host_add_input(large, plain(large, "a.png", 80, 60, 0, 0, 0));
    assert_int_equal(run(large, "{}", &err), -1); /* 240 x 60 */
    assert_string_equal(err_name(&err), "IMAGE_MERGE_FAILURE");
    assert_non_null(strstr(err.msg, "max_pixels"));
    assert_int_equal(run(large, "{'border':25000}", &err), -1);
    assert_int_equal(run(large,
                         "{'direction':'grid','columns':1000,'rows':1000,'cell_width':25000,'cell_"
                         "height':25000}",
                         &err),
                     -1);
    assert_string_equal(err_name(&err), "IMAGE_MERGE_FAILURE");
    assert_int_equal(run(large, "{'effect':'mosaic'}", &err), -1);
    assert_int_equal(run(large, "{'effect':'polaroid-stack','width':25000,'height':25000}", &err),
                     -1);
    assert_string_equal(err_name(&err), "IMAGE_MERGE_FAILURE");

    AUTO(host_free) struct robot_job *tight = host_new();
    for (int i = 0; i < 64; i++)
        host_add_input(tight, plain(tight, "a.png", 8, 6, 0, 0, 0));
    assert_int_equal(run(tight, "{'effect':'mosaic','width':5,'height':5}", &err), -1);
    assert_string_equal(err_name(&err), "IMAGE_MERGE_FAILURE");
    assert_int_equal(run(tight, "{'effect':'mosaic','width':50,'height':50,'border':25000}", &err),
                     -1);
    assert_string_equal(err_name(&err), "IMAGE_MERGE_FAILURE");
    assert_int_equal(
        run(tight, "{'effect':'polaroid-stack','width':50,'height':50,'border':25}", &err), -1);
    run_ok(tight, "{'effect':'polaroid-stack','width':5,'height':5}");

    AUTO(host_free) struct robot_job *broken = host_new();
    host_add_input(broken, plain(broken, "a.png", 8, 6, 0, 0, 0));
    host_add_input(broken, picture_write(broken, "b.png", "\x89PNG\r\n\x1A\nrubbish", 15));
    assert_int_equal(run(broken, "{}", &err), -1);
    assert_string_equal(err_name(&err), "IMAGE_MERGE_FAILURE");
    assert_non_null(strstr(err.msg, "b.png"));
}

/* Whatever sizes there are, nothing lies outside and nothing has no size. */
static void no_layout_leaves_its_canvas(void **state)
{
    struct collage_dice d = {.state = 1};
    (void)state;

    for (int round = 0; round < 3000; round++) {
        struct collage_size sizes[64],
            canvas = {1 + (int64_t)(collage_roll(&d) * 900), 1 + (int64_t)(collage_roll(&d) * 900)};
        struct collage_spot spots[64];
        size_t n = 1 + (size_t)(collage_roll(&d) * 64);
        int64_t border = (int64_t)(collage_roll(&d) * 20);

        for (size_t i = 0; i < n; i++)
            sizes[i] = (struct collage_size){1 + (int64_t)(collage_roll(&d) * 3000),
                                             1 + (int64_t)(collage_roll(&d) * 3000)};
        if (!collage_mosaic(spots, sizes, n, canvas, border, &d))
            continue;
        double covered = 0;
        for (size_t i = 0; i < n; i++) {
            const struct collage_spot *s = &spots[i];

            assert_true(s->size.w >= 1 && s->size.h >= 1);
            assert_true(s->x - (double)s->size.w / 2 >= (double)border &&
                        s->x + (double)s->size.w / 2 <= (double)(canvas.w - border));
            assert_true(s->y - (double)s->size.h / 2 >= (double)border &&
                        s->y + (double)s->size.h / 2 <= (double)(canvas.h - border));
            covered += (double)(s->size.w * s->size.h);
        }
        if (!border)
            assert_true(covered == (double)(canvas.w * canvas.h));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strip_has_them_in_order_with_borders_between),
        cmocka_unit_test(what_nothing_covers_is_transparent_when_asked),
        cmocka_unit_test(colours_of_every_space_and_depth_come_out_as_they_look),
        cmocka_unit_test(they_stand_upright),
        cmocka_unit_test(the_order_is_the_one_asked_for),
        cmocka_unit_test(a_grid_has_equal_cells),
        cmocka_unit_test(a_mosaic_covers_all_of_its_canvas),
        cmocka_unit_test(a_stack_of_polaroids_covers_as_much_as_asked),
        cmocka_unit_test(the_same_seed_makes_the_same_collage),
        cmocka_unit_test(what_is_too_large_or_unreadable_fails_by_the_contracts_code),
        cmocka_unit_test(no_layout_leaves_its_canvas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
