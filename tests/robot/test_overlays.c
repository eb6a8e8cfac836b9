/* What /image/resize lays over a picture, makes of its transparency and its colours: against
 * ImageMagick, where that has the same; hostile texts, fonts, watermarks and paths. */
#include "../unit/unit.h"
#include "media/image_text.h"
#include "pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROBOT "/image/resize"

static int run(struct robot_job *j, const char *step, const char *base, const char *as,
               const char *second, struct err *err)
{
    host_add_input(j, base);
    if (second) {
        host_input_as(j, "base");
        host_add_input(j, second);
        host_input_as(j, as);
    }
    return host_run(j, ROBOT, step, err);
}

/* A fresh job for each run: "IN", "SECOND" and "OUT" in the arguments are its files. */
static void against_magick(const char *step, const char *as, const char *arguments, double least)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *make[] = {
        "convert -seed 7 -size 160x120 plasma:tomato-steelblue -blur 0x1 -depth 8 -strip PNG24:%s",
        "convert -size 40x30 xc:none -fill '#20c040' -draw 'circle 20,15 20,3' -strip PNG32:%s",
        "convert -size 256x1 gradient:navy-gold -rotate 90 -strip PNG24:%s"};
    AUTO(mem_free) char *in = mem_strdup(host_path(j, "in.png")), *second = mem_strdup(host_path(j, "second.png")),
         *want = mem_strdup(host_path(j, "want.png"));
    AUTO(mem_free) char *first = mem_printf(make[strstr(arguments, "ROUND") ? 1 : 0], in),
         *other = mem_printf(make[as && !strcmp(as, "clut") ? 2 : 1], second);
    AUTO(mem_free) char *command = mem_printf("in='%s' second='%s' && convert \"$in\" %s '%s'", in, second,
                               arguments + (strstr(arguments, "ROUND") ? 5 : 0), want);
    struct err err;

    assert_int_equal(system(first), 0);
    assert_int_equal(system(other), 0);
    assert_int_equal(system(command), 0);
    if (run(j, step, in, as, as ? second : NULL, &err) < 0)
        fail_msg("%s: %s", step, err.msg);
    double psnr = picture_psnr(host_output(j, 0)->path, want);
    printf("%6.1f dB  %s\n", psnr, step);
    if (!(psnr >= least))
        fail_msg("%s: %.1f dB to '%s', not %.0f", step, psnr, arguments, least);
}

static void pixels_are_those_of_imagemagick(void **state)
{
    static const struct {
        const char *step, *as, *arguments;
        double least; /* dB; 60: half a level off, on average less */
    } rows[] = {
        {"{\"rotation\":90}", NULL, "-rotate 90", 99},
        {"{\"rotation\":180}", NULL, "-rotate 180", 99},
        {"{\"shave\":\"10x5\"}", NULL, "-shave 10x5 +repage", 99},
        {"{\"crop\":{\"x1\":13,\"y1\":7,\"x2\":90,\"y2\":\"50%\"}}", NULL,
         "-crop 77x53+13+7 +repage", 99},
        {"{\"negate\":true}", NULL, "-channel RGB -negate", 99},
        {"{\"width\":63}", NULL, "-filter Lanczos -resize 63x47!", 40},
        {"{\"width\":500,\"height\":100,\"resize_strategy\":\"stretch\"}", NULL,
         "-filter Lanczos -resize 500x100!", 40},
        {"{\"width\":50,\"height\":50,\"resize_strategy\":\"fillcrop\"}", NULL,
         "-filter Lanczos -resize 67x50! -gravity west -crop 50x50+8+0 +repage", 40},
        {"{\"width\":100,\"height\":100,\"resize_strategy\":\"pad\",\"background\":\"#ff0000\"}",
         NULL,
         "-filter Lanczos -resize 100x75! -background red -gravity north -splice 0x12 -gravity "
         "south -splice 0x13",
         40},
        {"{\"brightness\":0.8,\"saturation\":1.2,\"hue\":120}", NULL, "-modulate 80,120,120", 40},
        {"{\"sepia\":80}", NULL, "-sepia-tone 80%", 30},
        {"{\"blur\":\"0x3\"}", NULL, "-blur 0x3", 40},
        {"{\"colorspace\":\"Gray\"}", NULL, "-colorspace Gray", 40},
        {"{}", "watermark", "\"$second\" -gravity center -composite", 50},
        {"{\"watermark_position\":\"bottom-right\",\"watermark_x_offset\":10,\"watermark_y_"
         "offset\":5}",
         "watermark", "\"$second\" -gravity southeast -geometry +10+5 -composite", 50},
        {"{\"watermark_position\":\"top\",\"watermark_x_offset\":-10,\"watermark_y_offset\":-9}",
         "watermark", "\"$second\" -gravity north -geometry -10-9 -composite", 50},
        {"{\"watermark_position\":[\"left\"],\"watermark_opacity\":0.5}", "watermark",
         "\\( \"$second\" -channel A -evaluate multiply 0.5 +channel \\) -gravity west -composite",
         50},
        {"{\"watermark_size\":\"50%\"}", "watermark",
         "\\( \"$second\" -filter Lanczos -resize 80x60! \\) -gravity center -composite", 35},
        {"{\"watermark_size\":\"50%\",\"watermark_resize_strategy\":\"min_fit\"}", "watermark",
         "\\( \"$second\" -filter Lanczos -resize 80x60! \\) -gravity center -composite", 35},
        {"{\"watermark_size\":\"25%\",\"watermark_resize_strategy\":\"area\"}", "watermark",
         "\\( \"$second\" -filter Lanczos -resize 80x60! \\) -gravity center -composite", 35},
        {"{\"watermark_repeat_x\":true,\"watermark_repeat_y\":true,\"watermark_position\":\"top-"
         "left\"}",
         "watermark",
         "\\( \"$second\" \"$second\" \"$second\" \"$second\" +append -duplicate 3 -append \\) "
         "-composite",
         50},
        {"{\"watermark_repeat_x\":true,\"watermark_position\":\"bottom-left\"}", "watermark",
         "\\( \"$second\" \"$second\" \"$second\" \"$second\" +append \\) -gravity south "
         "-composite",
         50},
        {"{\"clut\":true}", "clut", "\"$second\" -clut", 40},
        /* transparency of a round picture: what is behind the modes that keep some is laid on red
           to be compared */
        {"{\"background\":\"red\",\"alpha\":\"Remove\"}", NULL,
         "ROUND-background red -alpha remove -alpha off", 50},
        {"{\"background\":\"none\",\"alpha\":\"Extract\"}", NULL, "ROUND-alpha extract", 50},
        {"{\"background\":\"none\",\"alpha\":\"Off\",\"type\":\"TrueColor\"}", NULL,
         "ROUND-alpha off", 50},
        {"{\"background\":\"red\"}", NULL, "ROUND-background red -flatten", 50},
        {"{\"background\":\"none\",\"alpha\":\"Opaque\",\"format\":\"jpg\",\"quality\":100}", NULL,
         "ROUND-alpha opaque -alpha off", 35},
        {"{\"background\":\"none\",\"alpha\":\"Background\"}", NULL,
         "ROUND-background white -alpha background", 50},
        {"{\"background\":\"none\",\"alpha\":\"Transparent\"}", NULL, "ROUND-alpha transparent",
         50},
        {"{\"alpha\":\"Copy\"}", NULL, "-alpha copy", 40},
        {"{\"alpha\":\"Shape\",\"background\":\"red\"}", NULL, "-background red -alpha shape", 40},
        {"{\"alpha\":\"Set\"}", NULL, "-alpha set", 99},
        {"{\"alpha\":\"Activate\"}", NULL, "-alpha on", 99},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        against_magick(rows[i].step, rows[i].as, rows[i].arguments, rows[i].least);
}

/* ---- texts ---- */

#define MOST (4 * 1000 * 1000)

struct drawn {
    uint8_t *px;
    int w, h;
};

static struct drawn draw(const struct text_overlay *t)
{
    AUTO(image_free) struct image *img = NULL;
    struct drawn d = {0};
    struct err err;
    int bands;

    if (image_text(&img, t, MOST, &err) < 0)
        fail_msg("%.50s: %s", t->text, err.msg);
    d.w = (int)image_width(img);
    d.h = (int)image_height(img);
    assert_int_equal(image_pixels(&d.px, &bands, img, &err), 0);
    assert_int_equal(bands, 4);
    return d;
}

static struct drawn draw_text(const char *text, const char *font, int size)
{
    return draw(
        &(struct text_overlay){.text = text, .font = font, .size = size, .color = {0, 0, 0, 255}});
}

/* Frees both. */
static bool same(struct drawn a, struct drawn b)
{
    bool yes = a.w == b.w && a.h == b.h && !memcmp(a.px, b.px, (size_t)(a.w * a.h * 4));

    free(a.px);
    free(b.px);
    return yes;
}

static int width_of(const char *text)
{
    struct drawn d = draw_text(text, "Arial", 20);

    free(d.px);
    return d.w;
}

static int height_of(const char *text, const char *font, int size)
{
    struct drawn d = draw_text(text, font, size);

    free(d.px);
    return d.h;
}

static void a_text_is_taken_letter_by_letter(void **state)
{
    (void)state;
    assert_true(width_of("<b>x</b>") > 3 * width_of("x"));
    assert_true(width_of("&amp;") > 2 * width_of("&"));
    assert_true(width_of("<span size='100000'>x") < 400);
    assert_true(same(draw_text("a\x01\x1b[2Jb\x7f", "Arial", 20), draw_text("a[2Jb", "Arial", 20)));
    assert_true(same(draw_text("a\r\nb", "Arial", 20), draw_text("a\nb", "Arial", 20)));
    assert_true(height_of("a\nb", "Arial", 20) > height_of("a", "Arial", 20) * 3 / 2);
    assert_true(same(draw_text("caf\xe9", "Arial", 20), draw_text("caf\xc3\xa9", "Arial", 20)));
    assert_true(width_of("\x01\x02") < 5); /* nothing is left */
}

static void a_font_that_is_not_there_is_a_sans(void **state)
{
    static const char *const unknown[] = {
        "Impact", "No Such Font", "/etc/passwd", "../../x.ttf", "\"><x", "Arial:file=/etc/passwd",
        ","};
    static const struct {
        const char *a, *b;
    } alike[] = {{"Arial", "Liberation Sans"},
                 {"arial", "Arial"},
                 {"Times-New-Roman-Bold", "Liberation Serif Bold"},
                 {"Times New Roman Bold Italic", "Liberation Serif Bold Italic"},
                 {"Courier New", "Liberation Mono"},
                 {"Arial, 500", "Arial"},
                 {"Arial 90px", "Arial"},
                 {"Arial @wght=900", "Sans"}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        if (!same(draw_text("Words", unknown[i], 24), draw_text("Words", "Sans", 24)))
            fail_msg("%s is another font", unknown[i]);
    for (size_t i = 0; i < ARRAY_LEN(alike); i++)
        if (!same(draw_text("Words", alike[i].a, 24), draw_text("Words", alike[i].b, 24)))
            fail_msg("%s is not %s", alike[i].a, alike[i].b);
    assert_false(same(draw_text("Words", "Arial", 24), draw_text("Words", "Times New Roman", 24)));
    assert_false(same(draw_text("Words", "Arial", 24), draw_text("Words", "Arial Bold", 24)));
    assert_true(height_of("Words", "Arial 5000", 24) < 60); /* only size says how large */
}

static void a_text_stands_where_it_is_anchored(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 200, 100, false);
    double px[4];
    (void)state;

    /* the example of the contract: both inside, 16 px from the right and 10 from the bottom */
    struct err err;
    if (host_run_on(j, ROBOT,
                    "{\"text\":[{\"text\":\"x\",\"align\":\"right\",\"valign\":\"bottom\",\"x_"
                    "offset\":16,\"y_offset\":-10,"
                    "\"background_color\":\"#00ff00\"},{\"text\":\"y\",\"size\":\"20px\",\"align\":"
                    "\"left\",\"valign\":\"top\",\"x_offset\":3,"
                    "\"y_offset\":4,\"background_color\":\"#00ffff\",\"rotate\":90}]}",
                    png, &err) < 0)
        fail_msg("%s", err.msg);
    const char *out = host_output(j, 0)->path;
    picture_pixel(px, out, 200 - 17, 100 - 11);
    assert_true(px[0] == 0 && px[1] == 255 && px[2] == 0);
    picture_pixel(px, out, 200 - 16, 100 - 11);
    assert_true(px[1] < 255);
    picture_pixel(px, out, 200 - 17, 100 - 10);
    assert_true(px[1] < 255);
    picture_pixel(px, out, 3, 4);
    assert_true(px[0] == 0 && px[1] == 255 && px[2] == 255);
    picture_pixel(px, out, 2, 4);
    assert_true(px[2] < 255);
    picture_pixel(px, out, 3 + 19, 4); /* as wide as the letter was high */
    assert_true(px[1] == 255 && px[2] == 255);
    picture_pixel(px, out, 3, 4 + 14);
    assert_true(px[2] < 255);
}

static void an_outline_is_drawn_and_counts(void **state)
{
    struct text_overlay t = {.text = "o", .font = "Arial", .size = 40, .color = {0, 0, 0, 255}};
    (void)state;

    struct drawn plain = draw(&t);
    t.stroke = 6;
    t.stroke_color = (struct color){255, 0, 0, 255};
    struct drawn lined = draw(&t);
    assert_int_equal(lined.w, plain.w + 6);
    int red = 0;
    for (int i = 0; i < lined.w * lined.h; i++)
        red += lined.px[4 * i] == 255 && lined.px[4 * i + 3] == 255;
    assert_true(red > 100);
    free(plain.px);
    free(lined.px);
}

static void bad_texts_and_places_are_refused_by_their_codes(void **state)
{
    static const struct {
        const char *step, *code;
    } rows[] = {
        {"{\"text\":\"hello\"}", "IMAGE_RESIZE_INVALID_TEXT_VALUE"},
        {"{\"text\":[{}]}", "IMAGE_RESIZE_INVALID_TEXT_VALUE"},
        {"{\"text\":[5]}", "IMAGE_RESIZE_INVALID_TEXT_VALUE"},
        {"{\"text\":{\"text\":\"\"}}", "IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE"},
        {"{\"text\":{\"size\":5}}", "IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE"},
        {"{\"text\":{\"text\":\"x\",\"size\":0}}", "IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE"},
        {"{\"text\":{\"text\":\"x\",\"size\":\"NaN\"}}", "IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE"},
        {"{\"text\":{\"text\":\"x\",\"size\":1e300}}", "IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE"},
        {"{\"text\":{\"text\":\"x\",\"color\":\"purplish\"}}",
         "IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE"},
        {"{\"text\":{\"text\":\"x\",\"color\":\"1,2,3\"}}",
         "IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE"},
        {"{\"text\":{\"text\":\"x\",\"align\":\"top\"}}", "IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE"},
        {"{\"text\":{\"text\":\"x\",\"font\":\"a\\u0001b\"}}",
         "IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE"},
        {"{\"text\":{\"text\":\"x\",\"x_offset\":1e9}}", "IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE"},
        {"{\"text\":{\"text\":\"x\",\"more\":1}}", "IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE"},
        {"{\"watermark_position\":\"middle\"}", "IMAGE_RESIZE_INVALID_WATERMARK_POSITION"},
        {"{\"watermark_position\":[]}", "IMAGE_RESIZE_INVALID_WATERMARK_POSITION"},
        {"{\"watermark_position\":[\"top\",5]}", "IMAGE_RESIZE_INVALID_WATERMARK_POSITION"},
        {"{\"watermark_x_offset\":\"far\"}", "IMAGE_RESIZE_INVALID_WATERMARK_OFFSET"},
        {"{\"watermark_y_offset\":99999999999}", "IMAGE_RESIZE_INVALID_WATERMARK_OFFSET"},
        {"{\"watermark_size\":\"20\"}", "IMAGE_RESIZE_VALIDATION"},
        {"{\"watermark_opacity\":1.5}", "IMAGE_RESIZE_VALIDATION"},
        {"{\"clip\":5}", "IMAGE_RESIZE_VALIDATION"},
        {"{\"clip\":\"\"}", "IMAGE_RESIZE_VALIDATION"},
        {"{\"alpha\":\"Half\"}", "IMAGE_RESIZE_VALIDATION"},
        {"{\"width\":\"NaN\"}", "IMAGE_RESIZE_VALIDATION"},
        {"{\"crop\":{\"x1\":\"nan\"}}", "IMAGE_RESIZE_VALIDATION"},
        {"{\"rotation\":\"1e999\"}", "IMAGE_RESIZE_VALIDATION"},
        {"{\"clut\":true}", "IMAGE_RESIZE_NO_CLUT_FILE"},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 40, 30, false);
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (host_run_on(j, ROBOT, rows[i].step, png, &err) == 0 ||
            strcmp(err_name(&err), rows[i].code) != 0)
            fail_msg("%s: %s", rows[i].step, err_name(&err));
}

static void megabytes_of_text_are_refused_before_they_are_drawn(void **state)
{
    AUTO(mem_free) char *long_line = mem_printf("%*s", TEXT_BYTES_MAX, "x"),
         *lines = mem_strdup(long_line), *more = mem_printf("%*s", 3 << 20, "x");
    AUTO(host_free) struct robot_job *j = host_new();
    AUTO(mem_free) char *step = mem_printf("{\"text\":{\"text\":\"%s\"}}", more);
    struct image *img;
    struct err err;
    (void)state;

    for (char *c = lines; *c; c++)
        *c = c[1] ? '\n' : 'x';
    struct text_overlay t = {
        .text = long_line, .font = "Arial", .size = TEXT_SIZE_MAX, .color = {0, 0, 0, 255}};
    assert_int_equal(image_text(&img, &t, MOST, &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);
    t.text = lines;
    t.size = 12;
    assert_int_equal(image_text(&img, &t, MOST, &err), -1);
    t.text = "MMMM";
    t.size = TEXT_SIZE_MAX;
    assert_int_equal(image_text(&img, &t, MOST, &err), -1);
    assert_non_null(strstr(err.msg, "pixels"));
    assert_int_equal(host_run_on(j, ROBOT, step, picture_make(j, "in.png", 40, 30, false), &err),
                     -1);
    assert_string_equal(err_name(&err), "IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE");
}

/* ---- second pictures ---- */

static void a_watermark_that_cannot_be_one_says_so(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *base = picture_make(j, "in.png", 40, 30, false),
               *bad = picture_write(j, "w.png", "<html>", 6);
    struct err err;
    (void)state;

    assert_int_equal(run(j, "{}", base, "watermark", bad, &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);
    assert_non_null(strstr(err.msg, "watermark"));
    AUTO(host_free) struct robot_job *k = host_new();
    const char *png = picture_make(k, "in.png", 400, 300, false);
    assert_int_equal(run(k, "{\"watermark_size\":\"999999%\"}", png, "watermark", png, &err), -1);
    assert_non_null(strstr(err.msg, "max_pixels"));
    AUTO(host_free) struct robot_job *l = host_new();
    host_add_input(l, picture_make(l, "in.png", 40, 30, false));
    host_input_as(l, "watermark");
    assert_int_equal(host_run(l, ROBOT, "{}", &err), -1);
    assert_string_equal(err_name(&err), "IMAGE_RESIZE_NO_INPUT_FILE");
}

static void far_away_and_tiny_ones_are_drawn_all_the_same(void **state)
{
    static const char *const steps[] = {
        "{\"watermark_x_offset\":25000,\"watermark_y_offset\":-25000}",
        "{\"watermark_x_offset\":-25000,\"watermark_repeat_x\":true}",
        "{\"watermark_size\":\"0%\",\"watermark_repeat_x\":true,\"watermark_repeat_y\":true}",
        "{\"watermark_size\":\"1000%\",\"watermark_position\":\"bottom-right\"}",
        "{\"watermark_opacity\":0}",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        struct err err;

        if (run(j, steps[i], picture_make(j, "in.png", 60, 40, false), "watermark",
                picture_make(j, "w.png", 10, 10, true), &err) < 0)
            fail_msg("%s: %s", steps[i], err.msg);
    }
}

static void of_several_places_the_same_is_picked_again(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) {
        AUTO(host_free) struct robot_job *a = host_new(), *b = host_new();
        const char *step =
            "{\"watermark_position\":[\"top-left\",\"bottom-right\",\"left\",\"top\"]}";
        struct err err;

        assert_int_equal(run(a, step, picture_make(a, "in.png", 60, 40, false), "watermark",
                             picture_make(a, "w.png", 10, 10, false), &err),
                         0);
        assert_int_equal(run(b, step, picture_make(b, "in.png", 60, 40, false), "watermark",
                             picture_make(b, "w.png", 10, 10, false), &err),
                         0);
        assert_true(picture_psnr(host_output(a, 0)->path, host_output(b, 0)->path) == 99);
    }
}

/* Each base of a bundle gets the watermark, and is named like itself. */
static void each_base_of_a_bundle_is_a_result(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    (void)state;

    host_add_input(j, picture_make(j, "w.png", 10, 10, false));
    host_input_as(j, "watermark");
    host_add_input(j, picture_make(j, "one.png", 60, 40, false));
    host_add_input(j, picture_make(j, "two.jpg", 50, 40, false));
    assert_int_equal(host_run(j, ROBOT, "{\"watermark_position\":\"top-left\"}", &err), 0);
    assert_int_equal(host_output_count(j), 2);
    assert_string_equal(host_output(j, 0)->name, "one.png");
    assert_string_equal(host_output(j, 1)->name, "two.jpg");
    assert_int_equal(picture_facts(host_output(j, 1)->path).width, 50);
}

/* ---- clipping paths ---- */

static void big(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* A JPEG with a path named "Cut": a box from a quarter to three quarters. Returns its length. */
static size_t with_path(uint8_t *out, struct robot_job *j, uint8_t **path, size_t *path_len)
{
    static const double corners[][2] = {{.25, .25}, {.75, .25}, {.75, .75}, {.25, .75}};
    uint8_t app[300] = {0xFF, 0xED, 0, 0}, *p = app + 4, jpeg[20000];
    FILE *f = fopen(picture_make(j, "plain.jpg", 80, 60, false), "rb");
    size_t n = fread(jpeg, 1, sizeof jpeg, f);

    fclose(f);
    p += sprintf((char *)p, "Photoshop 3.0") + 1;
    memcpy(p,
           "8BIM\x07\xD0\x03"
           "Cut",
           10);
    big(p + 10, 26 * 5);
    *path = p += 14;
    *path_len = 26 * 5;
    memset(p, 0, 26 * 5);
    p[3] = 4;
    for (int i = 0; i < 4; i++) {
        p += 26;
        p[1] = 1;
        for (int k = 0; k < 3; k++) {
            big(p + 2 + 8 * k, (uint32_t)(corners[i][1] * 16777216));
            big(p + 6 + 8 * k, (uint32_t)(corners[i][0] * 16777216));
        }
    }
    p += 26;
    size_t len = (size_t)(p - app);
    app[2] = (uint8_t)((len - 2) >> 8);
    app[3] = (uint8_t)(len - 2);
    memcpy(out, jpeg, 2);
    memcpy(out + 2, app, len);
    memcpy(out + 2 + len, jpeg + 2, n - 2);
    *path = out + 2 + (*path - app);
    return n + len;
}

static void a_clipping_path_bounds_the_work(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    uint8_t file[21000], *path;
    size_t n, len;
    double in[4], out[4], plain[4];
    struct err err;
    (void)state;

    n = with_path(file, j, &path, &len);
    const char *jpg = picture_write(j, "clip.jpg", file, n);
    assert_int_equal(host_run_on(j, ROBOT, "{\"format\":\"png\"}", jpg, &err), 0);
    picture_pixel(plain, host_output(j, 0)->path, 10, 30);
    static const char *const named[] = {"true", "\"Cut\""};
    for (size_t i = 0; i < 2; i++) {
        AUTO(mem_free) char *step = mem_printf("{\"format\":\"png\",\"clip\":%s,\"negate\":true}", named[i]);

        assert_int_equal(host_run_on(j, ROBOT, step, jpg, &err), 0);
        picture_pixel(out, host_output(j, 0)->path, 10, 30);
        picture_pixel(in, host_output(j, 0)->path, 30, 30);
        for (int b = 0; b < 3; b++)
            assert_true(out[b] == plain[b]);
        assert_true(in[0] < 100); /* red is there */
    }
    /* ImageMagick's way to cut out, and the same turned and made smaller */
    assert_int_equal(
        host_run_on(j, ROBOT,
                    "{\"format\":\"png\",\"clip\":true,\"preclip_alpha\":\"Transparent\",\"alpha\":"
                    "\"Opaque\",\"width\":40,\"rotation\":90}",
                    jpg, &err),
        0);
    assert_int_equal(picture_pixel(out, host_output(j, 0)->path, 15, 5), 4);
    assert_true(out[3] == 0);
    picture_pixel(in, host_output(j, 0)->path, 15, 15);
    assert_true(in[3] == 255);
    /* of a name that there is not: as without */
    assert_int_equal(
        host_run_on(j, ROBOT, "{\"format\":\"png\",\"clip\":\"Other\",\"negate\":true}", jpg, &err),
        0);
    picture_pixel(out, host_output(j, 0)->path, 10, 30);
    assert_true(out[0] == 255 - plain[0]);
}

static void garbage_in_a_path_harms_nobody(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    uint8_t file[21000], *path, kept[200];
    size_t n, len, seed = 3;
    struct err err;
    (void)state;

    n = with_path(file, j, &path, &len);
    memcpy(kept, path - 14, len + 14);
    for (int i = 0; i < 200; i++) {
        memcpy(path - 14, kept, len + 14);
        for (int k = 0; k < 1 + i % 8; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            path[(int)((seed >> 33) % (len + 8)) - 8] = (uint8_t)(seed >> 56); /* sizes as well */
        }
        if (host_run_on(j, ROBOT, "{\"format\":\"png\",\"clip\":true,\"negate\":true,\"width\":20}",
                        picture_write(j, "clip.jpg", file, n), &err) < 0)
            fail_msg("%s", err.msg);
    }
}

/* ---- colour spaces and TIFF ---- */

static void every_space_can_be_asked_for(void **state)
{
    static const char *const names[] = {
        "CMY",         "HCL",         "HCLp",  "HSB", "HSI",   "HSL",   "HSV",
        "HWB",         "LCHab",       "LCHuv", "LMS", "Log",   "Luv",   "OHTA",
        "Rec601YCbCr", "Rec709YCbCr", "scRGB", "xyY", "XYZ",   "YCbCr", "YCC",
        "YDbDr",       "YIQ",         "YPbPr", "YUV", "OkLab", "OkLCH", "Jzazbz"};
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "in.png", 40, 30, false);
    AUTO(mem_free) char *plain = mem_strdup(host_path(j, "plain.png")),
         *want = mem_strdup(host_path(j, "want.tif"));
    struct err err;
    (void)state;

    assert_int_equal(host_run_on(j, ROBOT, "{}", png, &err), 0);
    AUTO(mem_free) char *copy = mem_printf("cp '%s' '%s'", host_output(j, 0)->path, plain);
    assert_int_equal(system(copy), 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"colorspace\":\"%s\"}", names[i]),
             *tiff = mem_printf("{\"colorspace\":\"%s\",\"format\":\"tiff\"}", names[i]),
             *magick = mem_printf("convert '%s' -colorspace %s '%s'", plain, names[i], want);

        if (host_run_on(j, ROBOT, step, png, &err) < 0)
            fail_msg("%s: %s", step, err.msg);
        assert_true(picture_psnr(host_output(j, 0)->path, plain) > 50); /* PNG has no room for it */
        if (host_run_on(j, ROBOT, tiff, png, &err) < 0)
            fail_msg("%s: %s", tiff, err.msg);
        if (i < 25) {
            assert_int_equal(system(magick), 0);
            AUTO(mem_free) char *equal = mem_printf("compare -metric AE '%s' '%s' null: 2>/dev/null",
                                     host_output(j, 0)->path, want);
            if (system(equal) != 0)
                fail_msg("%s is another than ImageMagick's", names[i]);
        }
    }
}

/* Published values, and those of the papers' own formulas. */
static void the_newest_spaces_have_the_published_values(void **state)
{
    static const struct {
        const char *space, *color;
        int want[3];
    } rows[] = {
        {"OkLab", "#ffffff", {255, 128, 128}}, {"OkLab", "#ff0000", {160, 185, 160}},
        {"OkLab", "#0000ff", {115, 119, 48}},  {"OkLCH", "#ff0000", {160, 66, 21}},
        {"Jzazbz", "#000000", {0, 128, 128}},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    double px[4];
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"colorspace\":\"%s\",\"format\":\"tiff\",\"width\":20,"
                                "\"height\":40,\"resize_strategy\":\"pad\","
                                "\"background\":\"%s\"}",
                                rows[i].space, rows[i].color);

        if (host_run_on(j, ROBOT, step, picture_make(j, "in.png", 20, 20, false), &err) < 0)
            fail_msg("%s: %s", step, err.msg);
        picture_pixel(px, host_output(j, 0)->path, 10, 1);
        for (int b = 0; b < 3; b++)
            if (abs((int)px[b] - rows[i].want[b]) > 1)
                fail_msg("%s of %s is %g %g %g", rows[i].space, rows[i].color, px[0], px[1], px[2]);
    }
}

static void every_compression_and_separation_can_be_written(void **state)
{
    static const struct {
        const char *step, *want; /* ImageMagick's words */
    } rows[] = {
        {"\"compress\":\"Fax\"", "Fax"},
        {"\"compress\":\"Group4\",\"type\":\"Bilevel\"", "Group4"},
        {"\"compress\":\"BZip\"", "None"},
        {"\"compress\":\"Lossless\"", "None"},
        {"\"compress\":\"Zip\"", "Zip"},
        {"\"compress\":\"RLE\"", "RLE"},
        {"\"compress\":\"JPEG\"", "JPEG"},
        {"\"compress\":\"LZW\"", "LZW"},
        {"\"colorspace\":\"HSL\",\"compress\":\"Zip\"", "Zip"},
        {"\"type\":\"ColorSeparation\"", "CMYK"},
        {"\"type\":\"ColorSeparationAlpha\",\"background\":\"none\"", "CMYK"},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"format\":\"tiff\",%s}", rows[i].step);

        if (host_run_on(j, ROBOT, step, picture_make(j, "in.png", 40, 30, true), &err) < 0)
            fail_msg("%s: %s", step, err.msg);
        AUTO(mem_free) char *look = mem_printf(
            "identify -format '%%C %%[colorspace]\\n' '%s' 2>/dev/null | grep -q '\\b%s\\b'",
            host_output(j, 0)->path, rows[i].want);
        if (system(look) != 0)
            fail_msg("%s is not %s", step, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_those_of_imagemagick),
        cmocka_unit_test(a_text_is_taken_letter_by_letter),
        cmocka_unit_test(a_font_that_is_not_there_is_a_sans),
        cmocka_unit_test(a_text_stands_where_it_is_anchored),
        cmocka_unit_test(an_outline_is_drawn_and_counts),
        cmocka_unit_test(bad_texts_and_places_are_refused_by_their_codes),
        cmocka_unit_test(megabytes_of_text_are_refused_before_they_are_drawn),
        cmocka_unit_test(a_watermark_that_cannot_be_one_says_so),
        cmocka_unit_test(far_away_and_tiny_ones_are_drawn_all_the_same),
        cmocka_unit_test(of_several_places_the_same_is_picked_again),
        cmocka_unit_test(each_base_of_a_bundle_is_a_result),
        cmocka_unit_test(a_clipping_path_bounds_the_work),
        cmocka_unit_test(garbage_in_a_path_harms_nobody),
        cmocka_unit_test(every_space_can_be_asked_for),
        cmocka_unit_test(the_newest_spaces_have_the_published_values),
        cmocka_unit_test(every_compression_and_separation_can_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
