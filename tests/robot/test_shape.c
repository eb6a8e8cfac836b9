/* Sizes and windows of /image/resize, against the arithmetic of the contract, pixel by pixel: each
 * pixel of the picture says where it was. */
#include "../unit/unit.h"
#include "pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROBOT "/image/resize"

/* Red is x, green is y. */
static const char *coordinates(struct robot_job *j, int w, int h)
{
    AUTO(mem_free) char *ppm = mem_printf("P6\n%d %d\n255\n%*s", w, h, w * h * 3, "");
    size_t head = strlen(ppm) - (size_t)(w * h * 3);
    char *p = ppm + head;

    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, p += 3) {
            p[0] = (char)x;
            p[1] = (char)y;
            p[2] = 0;
        }
    return picture_write(j, "in.ppm", ppm, head + (size_t)(w * h * 3));
}

static void run_ok(struct robot_job *j, const char *step, const char *path)
{
    struct err err;

    if (host_run_on(j, ROBOT, step, path, &err) < 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
}

static int half_up(double v) { return (int)fmax(1, floor(v + 0.5 + 1e-9)); }
static int lesser(int a, int b) { return a < b ? a : b; }

/* robots.md 3.5, line by line. */
static void wanted(int *w, int *h, const char *strategy, int iw, int ih, int tw, int th, bool zoom)
{
    double sx = (double)tw / iw, sy = (double)th / ih;

    if (!strcmp(strategy, "stretch")) {
        tw = tw ? tw : iw;
        th = th ? th : ih;
        *w = zoom ? tw : lesser(tw, iw);
        *h = zoom ? th : lesser(th, ih);
        return;
    }
    if (!strcmp(strategy, "fit") || !strcmp(strategy, "min_fit")) {
        double s = !tw ? sy : !th ? sx : !strcmp(strategy, "fit") ? fmin(sx, sy) : fmax(sx, sy);

        s = zoom ? s : fmin(s, 1);
        *w = half_up(iw * s);
        *h = half_up(ih * s);
        return;
    }
    tw = tw ? tw : iw;
    th = th ? th : ih;
    bool cut = strcmp(strategy, "pad") != 0;
    *w = cut && !zoom ? lesser(tw, iw) : tw;
    *h = cut && !zoom ? lesser(th, ih) : th;
}

static void every_size_is_that_of_the_formulas(void **state)
{
    static const int sources[][2] = {{1, 1}, {3, 2}, {7, 101}, {100, 75}, {99, 33}, {250, 1}};
    static const int targets[][2] = {{1, 1},    {10, 0},   {0, 7},  {50, 50},
                                     {33, 100}, {120, 90}, {101, 3}};
    static const char *const strategies[] = {"fit", "min_fit", "fillcrop",
                                             "pad", "stretch", "crop"};
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (size_t s = 0; s < ARRAY_LEN(sources); s++) {
        const char *path = coordinates(j, sources[s][0], sources[s][1]);

        for (size_t i = 0; i < ARRAY_LEN(targets) * ARRAY_LEN(strategies) * 2; i++) {
            const char *strategy = strategies[i / 2 % ARRAY_LEN(strategies)];
            const int *t = targets[i / 2 / ARRAY_LEN(strategies)];
            bool zoom = i & 1;
            int w, h;
            AUTO(mem_free) char *width = t[0] ? mem_printf("\"width\":%d,", t[0]) : mem_strdup("");
            AUTO(mem_free) char *height = t[1] ? mem_printf("\"height\":%d,", t[1]) : mem_strdup("");
            AUTO(mem_free) char *step =
                mem_printf("{%s%s\"resize_strategy\":\"%s\",\"zoom\":%s,\"format\":\"png\"}", width,
                           height, strategy, zoom ? "true" : "false");

            run_ok(j, step, path);
            struct picture_facts f = picture_facts(host_output(j, 0)->path);
            wanted(&w, &h, strategy, sources[s][0], sources[s][1], t[0], t[1], zoom);
            if (f.width != w || f.height != h)
                fail_msg("%dx%d %s: %dx%d, not %dx%d", sources[s][0], sources[s][1], step, f.width,
                         f.height, w, h);
        }
    }
}

/* Where a side of n px lies on one of len px. */
static int begins(int third, int len, int n)
{
    return third == 0 ? 0 : third == 1 ? (len - n) / 2 : len - n;
}

static void each_gravity_cuts_the_window_that_it_names(void **state)
{
    static const char *const names[] = {"top-left",    "top",    "top-right",
                                        "left",        "center", "right",
                                        "bottom-left", "bottom", "bottom-right"};
    static const int sizes[][4] = {
        {100, 80, 31, 80}, {101, 81, 100, 80}, {64, 64, 1, 1}, {33, 77, 8, 9}};
    AUTO(host_free) struct robot_job *j = host_new();
    double px[4];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names) * ARRAY_LEN(sizes); i++) {
        const int *s = sizes[i / ARRAY_LEN(names)], g = (int)(i % ARRAY_LEN(names));
        AUTO(mem_free) char *step = mem_printf("{\"width\":%d,\"height\":%d,\"resize_strategy\":\"crop\","
                                "\"gravity\":\"%s\",\"format\":\"png\"}",
                                s[2], s[3], names[g]);

        run_ok(j, step, coordinates(j, s[0], s[1]));
        picture_pixel(px, host_output(j, 0)->path, 0, 0);
        if ((int)px[0] != begins(g % 3, s[0], s[2]) || (int)px[1] != begins(g / 3, s[1], s[3]))
            fail_msg("%s of %dx%d begins at (%g, %g)", step, s[0], s[1], px[0], px[1]);
        picture_pixel(px, host_output(j, 0)->path, s[2] - 1, s[3] - 1);
        assert_int_equal((int)px[0], begins(g % 3, s[0], s[2]) + s[2] - 1);
    }
}

static void padding_stands_where_the_rounding_says(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    double px[4];
    (void)state;

    for (int w = 10; w < 20; w++)
        for (int room = 0; room < 6; room++) {
            AUTO(mem_free) char *step = mem_printf("{\"width\":%d,\"height\":%d,\"zoom\":false,\"resize_"
                                    "strategy\":\"pad\",\"background\":\"#0000ff\","
                                    "\"format\":\"png\"}",
                                    w + room, 9 + room);

            run_ok(j, step, coordinates(j, w, 9));
            int at = room / 2;
            picture_pixel(px, host_output(j, 0)->path, at, at);
            assert_true(px[0] == 0 && px[1] == 0 && px[2] == 0);
            picture_pixel(px, host_output(j, 0)->path, at + w - 1, at + 8);
            assert_true(px[0] == w - 1 && px[1] == 8);
            if (room) {
                picture_pixel(px, host_output(j, 0)->path, w + room - 1, 9 + room - 1);
                assert_true(px[2] == 255);
            }
        }
}

/* A turned photograph is as large as one that lies as it should. */
static void what_exif_says_comes_before_the_size(void **state)
{
    static const char *const strategies[] = {"fit", "min_fit", "fillcrop",
                                             "pad", "stretch", "crop"};
    AUTO(host_free) struct robot_job *j = host_new();
    int w, h;
    (void)state;

    for (int o = 1; o <= 8; o++) {
        const char *path = picture_make_turned(j, "in.jpg", 203, 101, o);
        int iw = o >= 5 ? 101 : 203, ih = o >= 5 ? 203 : 101;

        for (size_t i = 0; i < ARRAY_LEN(strategies); i++) {
            AUTO(mem_free) char *step = mem_printf("{\"width\":50,\"height\":40,\"resize_strategy\":\"%s\"}",
                                    strategies[i]);

            run_ok(j, step, path);
            struct picture_facts f = picture_facts(host_output(j, 0)->path);
            wanted(&w, &h, strategies[i], iw, ih, 50, 40, true);
            if (f.width != w || f.height != h)
                fail_msg("orientation %d, %s: %dx%d, not %dx%d", o, step, f.width, f.height, w, h);
        }
    }
}

static void the_picture_itself_says_what_is_kept(void **state)
{
    static const char *const names[] = {"attention", "entropy"};
    AUTO(host_free) struct robot_job *j = host_new();
    AUTO(mem_free) char *ppm = mem_printf("P6\n300 100\n255\n%*s", 300 * 100 * 3, "");
    size_t head = strlen(ppm) - 300 * 100 * 3;
    double px[4];
    (void)state;

    /* grey, and far to the right a patch of noise in skin's colours */
    for (size_t i = 0, seed = 1; i < 300 * 100; i++) {
        bool patch = i % 300 >= 230 && i % 300 < 290 && i / 300 >= 20 && i / 300 < 80;

        seed = seed * 1103515245 + 12345;
        for (size_t b = 0; b < 3; b++)
            ppm[head + 3 * i + b] = (char)(patch ? (b == 0   ? 150 + (seed >> 16) % 100
                                                    : b == 1 ? 110 + (seed >> 18) % 60
                                                             : 90)
                                                 : 128);
    }
    const char *path = picture_write(j, "in.ppm", ppm, head + 300 * 100 * 3);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"width\":100,\"height\":100,\"resize_strategy\":\"fillcrop\","
                                "\"gravity\":\"%s\",\"format\":\"png\"}",
                                names[i]);

        run_ok(j, step, path);
        assert_int_equal(picture_facts(host_output(j, 0)->path).width, 100);
        int seen = 0;
        for (int x = 0; x < 100; x++) {
            picture_pixel(px, host_output(j, 0)->path, x, 50);
            seen += px[2] == 90;
        }
        if (seen < 55)
            fail_msg("%s: %d px of 60 are in the window", names[i], seen);
    }
    run_ok(
        j,
        "{\"width\":900,\"height\":300,\"resize_strategy\":\"fillcrop\",\"gravity\":\"attention\"}",
        path); /* nothing to cut */
    run_ok(j, "{\"width\":1,\"height\":1,\"resize_strategy\":\"crop\",\"gravity\":\"entropy\"}",
           path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_that_of_the_formulas),
        cmocka_unit_test(each_gravity_cuts_the_window_that_it_names),
        cmocka_unit_test(padding_stands_where_the_rounding_says),
        cmocka_unit_test(what_exif_says_comes_before_the_size),
        cmocka_unit_test(the_picture_itself_says_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
