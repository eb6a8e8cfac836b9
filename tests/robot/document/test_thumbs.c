/* /document/thumbs: pages that are told by colours and sizes in, pictures of them out. */
#include "../../unit/unit.h"
#include "../papers.h"
#include "base/str.h"
#include "clips.h"
#include "pictures.h"

#include <stdio.h>
#include <string.h>

/* A quarter of an inch of red, an inch from the left and the bottom; below 1 dpi is a point. */
#define SPOT "1 0 0 rg 72 72 18 36 re f\n"
#define GREEN "0 1 0 rg 0 0 2000 2000 re f\n"
#define BLUE "0 0 1 rg 0 0 2000 2000 re f\n"

static void thumbs(struct robot_job *job, const char *step, const char *path)
{
    struct err err = {0};

    if (host_run_on(job, "/document/thumbs", step, path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

static struct seen seen(struct robot_job *job, int i)
{
    struct seen s;

    clip_see(&s, host_output(job, i)->path);
    return s;
}

static struct seen only(struct robot_job *job, const char *step, const char *path)
{
    thumbs(job, step, path);
    assert_int_equal(host_output_count(job), 1);
    return seen(job, 0);
}

static void refused(struct robot_job *job, const char *step, const char *path, const char *code,
                    const char *words)
{
    struct err err = {0};

    if (host_run_on(job, "/document/thumbs", step, path, &err) == 0)
        fail_msg("%s of %s is taken", step, path);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, words))
        fail_msg("%s of %s: %s: %s", step, path, err_name(&err), err.msg);
}

static bool is_color(const uint8_t p[4], int r, int g, int b)
{
    return abs(p[0] - r) < 8 && abs(p[1] - g) < 8 && abs(p[2] - b) < 8 && p[3] > 250;
}

static const char *three(struct robot_job *job)
{
    static const struct paper pages[] = {
        {144, 72, PAPER_RED, NULL}, {144, 72, GREEN, NULL}, {72, 144, BLUE, NULL}};

    return paper_make(job, "three.pdf", pages, 3);
}

static void each_page_is_a_picture_in_its_order(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = three(job);
    (void)state;

    thumbs(job, "{}", path);
    assert_int_equal(host_output_count(job), 3);
    for (int i = 0; i < 3; i++) {
        const struct host_output *o = host_output(job, i);
        struct seen s = seen(job, i);

        assert_string_equal(o->name, "three.png");
        assert_string_equal(o->mime, "image/png");
        assert_int_equal(jint(o->meta, "thumb_index", -1), i);
        assert_int_equal(jint(o->meta, "width", 0), i < 2 ? 300 : 150); /* 150 dpi */
        assert_int_equal(jint(o->meta, "height", 0), i < 2 ? 150 : 300);
        assert_true(is_color(s.at[4], i == 0 ? 255 : 0, i == 1 ? 255 : 0, i == 2 ? 255 : 0) &&
                    !s.alpha);
    }
    assert_true(host_progress_steps(job) >= 3);
}

static void one_page_or_a_range_and_nothing_behind_the_last(void **state)
{
    static const struct {
        const char *step;
        int n, first; /* 0: red */
    } rows[] = {{"{\"page\": 2}", 1, 1},
                {"{\"page\": \"3\"}", 1, 2},
                {"{\"page\": 4}", 0, 0},
                {"{\"page_range\": \"2-3\"}", 2, 1},
                {"{\"page_range\": \"2-99\"}", 2, 1},
                {"{\"page_range\": \"4-9\"}", 0, 0},
                {"{\"page\": null, \"page_range\": null}", 3, 0}};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = three(job);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        thumbs(job, rows[i].step, path);
        if (host_output_count(job) != rows[i].n)
            fail_msg("%s: %d", rows[i].step, host_output_count(job));
        for (int k = 0; k < rows[i].n; k++) {
            assert_true(seen(job, k).at[4][rows[i].first + k] > 250);
            assert_int_equal(jint(host_output(job, k)->meta, "thumb_index", -1), k);
        }
    }
}

static void edges_are_trimmed_unless_they_are_to_stay(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = paper_make(job, "a.pdf", &(struct paper){216, 288, SPOT, NULL}, 1),
               *blank = paper_make(job, "b.pdf", &(struct paper){72, 72, NULL, NULL}, 1);
    (void)state;

    struct seen s = only(job, "{\"density\": \"72\"}", path);
    assert_true(s.w == 18 && s.h == 36 && is_color(s.at[4], 255, 0, 0));
    s = only(job, "{\"density\": \"72\", \"trim_whitespace\": false}", path);
    assert_true(s.w == 216 && s.h == 288 && is_color(s.at[4], 255, 255, 255));
    s = only(job, "{}", blank);
    assert_true(s.w == 150 && s.h == 150 && is_color(s.at[4], 255, 255, 255));
}

static void each_resize_strategy_has_its_size(void **state)
{
    static const struct {
        const char *step;
        int w, h;
    } rows[] = {
        {"{\"width\": 100, \"height\": 100}", 100, 100},
        {"{\"resize_strategy\": \"fit\", \"width\": 100, \"height\": 100}", 100, 50},
        {"{\"resize_strategy\": \"min_fit\", \"width\": 100, \"height\": 100}", 200, 100},
        {"{\"resize_strategy\": \"fillcrop\", \"width\": 100, \"height\": 100}", 100, 100},
        {"{\"resize_strategy\": \"stretch\", \"width\": 100, \"height\": 70}", 100, 70},
        {"{\"resize_strategy\": \"crop\", \"width\": 20, \"height\": 10}", 20, 10},
        {"{\"resize_strategy\": \"fit\", \"width\": 3000}", 3000, 1500},
        {"{\"resize_strategy\": \"fit\", \"height\": 30, \"trim_whitespace\": false}", 60, 30},
        {"{\"resize_strategy\": \"fit\", \"height\": 30, \"density\": \"20\"}", 60, 30},
        {"{\"density\": \"72x144\"}", 144, 144},
        {"{\"density\": \"300\"}", 600, 300},
        {"{\"width\": 400}", 400, 150},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = paper_make(job, "a.pdf", &(struct paper){144, 72, PAPER_RED, NULL}, 1);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct seen s = only(job, rows[i].step, path);

        if (s.w != rows[i].w || s.h != rows[i].h)
            fail_msg("%s: %dx%d", rows[i].step, (int)s.w, (int)s.h);
        assert_true(is_color(s.at[4], 255, 0, 0));
    }
}

/* What is blown up has soft edges: many pixels are neither black nor white. */
static void what_is_larger_than_usual_is_drawn_and_not_blown_up(void **state)
{
    static const char *const steps[] = {
        "{\"width\": 300, \"height\": 300, \"trim_whitespace\": false}",
        "{\"width\": 300, \"height\": 300, \"trim_whitespace\": false, \"density\": \"25\"}"};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path =
        paper_make(job, "a.pdf", &(struct paper){36, 36, "0 0 m 36 0 l 36 36 l f\n", NULL}, 1);
    int between[2];
    (void)state;

    for (int i = 0; i < 2; i++) {
        only(job, steps[i], path);
        between[i] = atoi(paper_say(job,
                                    "f() { convert \"$1\" -colorspace gray -fx 'u>0.1&&u<0.9?1:0' "
                                    "-format '%[fx:int(mean*w*h)]' info:; }; f",
                                    host_output(job, 0)->path));
    }
    if (between[0] * 3 > between[1])
        fail_msg("%d and %d pixels", between[0], between[1]);
}

static void a_gif_shows_one_page_after_the_other(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = three(job);
    (void)state;

    thumbs(job, "{\"format\": \"gif\"}", path);
    assert_int_equal(host_output_count(job), 1);
    struct picture_facts f = picture_facts(host_output(job, 0)->path);
    assert_true(f.frames == 3 && f.width == 300 && f.height == 150);
    assert_string_equal(host_output(job, 0)->mime, "image/gif");
    assert_int_equal(jint(host_output(job, 0)->meta, "frame_count", 0), 3);
    assert_string_equal(paper_say(job, "identify -format '%T '", host_output(job, 0)->path),
                        "100 100 100 ");
    thumbs(job, "{\"format\": \"gif\", \"delay\": 7, \"width\": 50, \"height\": 50}", path);
    assert_string_equal(paper_say(job, "identify -format '%T %Wx%H '", host_output(job, 0)->path),
                        "7 50x50 7 50x50 7 50x50 ");
    thumbs(job, "{\"format\": \"gif\", \"page\": 2}", path);
    assert_int_equal(picture_facts(host_output(job, 0)->path).frames, 1);
}

static void paper_is_of_the_background_or_transparent(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path =
        paper_make(job, "a.pdf", &(struct paper){72, 72, "1 0 0 rg 0 0 24 72 re f\n", NULL}, 1);
#define PLAIN "\"trim_whitespace\": false"
    (void)state;

    struct seen s = only(job, "{" PLAIN "}", path);
    assert_true(is_color(s.at[5], 255, 255, 255) && !s.alpha);
    s = only(job, "{" PLAIN ", \"background\": \"0000ff\", \"width\": 300, \"height\": 100}", path);
    assert_true(is_color(s.at[5], 0, 0, 255) && is_color(s.at[4], 0, 0, 255) && !s.alpha);
    s = only(job, "{" PLAIN ", \"alpha\": \"Set\"}", path);
    assert_true(s.alpha && s.at[5][3] == 0 && is_color(s.at[3], 255, 0, 0));
    s = only(job, "{" PLAIN ", \"background\": \"none\"}", path);
    assert_true(s.alpha && s.at[5][3] == 0);
    s = only(job, "{" PLAIN ", \"background\": \"none\", \"alpha\": \"Remove\"}", path);
    assert_true(!s.alpha && is_color(s.at[5], 255, 255, 255));
    s = only(job, "{" PLAIN ", \"background\": \"none\", \"format\": \"jpg\", \"alpha\": \"Set\"}",
             path);
    assert_true(!s.alpha && is_color(s.at[5], 255, 255, 255));
    assert_string_equal(host_output(job, 0)->name, "a.jpg");
}

static void without_antialiasing_nothing_is_between_two_colours(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = paper_make(
        job, "a.pdf",
        &(struct paper){200, 60, "BT /F 40 Tf 10 10 Td (Sphinx) Tj ET 0 0 m 200 55 l S\n", NULL},
        1);
    (void)state;

    only(job, "{\"antialiasing\": false}", path);
    assert_string_equal(paper_say(job, "identify -format %k", host_output(job, 0)->path), "2");
    only(job, "{\"antialiasing\": true}", path);
    assert_true(atoi(paper_say(job, "identify -format %k", host_output(job, 0)->path)) > 10);
}

static void the_crop_box_is_what_shows_unless_the_sheet_is_asked_for(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path =
        paper_make(job, "a.pdf", &(struct paper){144, 144, SPOT, "/CropBox[60 60 132 132]"}, 1);
    static const char base[] = "{\"trim_whitespace\": false, \"density\": \"72\"%s}";
    AUTO(mem_free)
    char *cut = mem_printf(base, ""),
         *sheet = mem_printf(base, ", \"pdf_use_cropbox\": false"),
         *rough = mem_printf(base, ", \"antialiasing\": false");
    (void)state;

    struct seen s = only(job, cut, path);
    assert_true(s.w == 72 && s.h == 72 && is_color(s.at[3], 255, 0, 0));
    s = only(job, rough, path);
    assert_true(s.w == 72 && s.h == 72 && is_color(s.at[3], 255, 0, 0));
    s = only(job, sheet, path);
    assert_true(s.w == 144 && s.h == 144 && is_color(s.at[0], 255, 255, 255));
}

static void colours_are_those_of_the_space_asked_for(void **state)
{
    static const struct {
        const char *step, *space;
    } rows[] = {{"{\"colorspace\": \"Gray\"}", "Gray"},
                {"{\"colorspace\": \"CMYK\", \"format\": \"jpg\"}", "CMYK"},
                {"{\"colorspace\": \"CMYK\"}", "sRGB"},
                {"{\"colorspace\": \"Lab\", \"format\": \"jpeg\"}", "sRGB"}};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = paper_make(job, "a.pdf", &(struct paper){72, 72, PAPER_RED, NULL}, 1);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        thumbs(job, rows[i].step, path);
        assert_string_equal(
            paper_say(job, "identify -format '%[colorspace]'", host_output(job, 0)->path),
            rows[i].space);
    }
}

static void pictures_are_documents_of_one_page_or_more(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *png = picture_make(job, "a.png", 40, 20, false),
               *gif = picture_make_animated(job, "a.gif", 40, 20, 3);
    (void)state;

    struct seen s = only(job, "{\"width\": 80, \"height\": 80}", png);
    assert_true(s.w == 80 && s.h == 80);
    thumbs(job, "{}", gif);
    assert_int_equal(host_output_count(job), 3);
}

static void wrong_parameters_are_refused_by_name(void **state)
{
    static const char *const wrong[][2] = {
        {"{\"page\": 0}", "page"},
        {"{\"page_range\": \"3-2\"}", "page_range"},
        {"{\"page_range\": \"0-2\"}", "page_range"},
        {"{\"page_range\": \"2\"}", "page_range"},
        {"{\"page_range\": \"1-2\", \"page\": 1}", "page"},
        {"{\"page_range\": \"1-2\", \"format\": \"gif\"}", "gif"},
        {"{\"density\": \"0\"}", "density"},
        {"{\"density\": \"72x0\"}", "density"},
        {"{\"density\": \"99999\"}", "density"},
        {"{\"width\": 5001}", "width"},
        {"{\"background\": \"reddish\"}", "background"},
        {"{\"format\": \"webp\"}", "format"},
        {"{\"delay\": -1}", "delay"},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = three(job);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused(job, wrong[i][0], path, "DOCUMENT_THUMBS_VALIDATION", wrong[i][1]);
}

static void what_is_no_document_has_a_code_of_its_own(void **state)
{
    static const char office[] =
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};
    (void)state;

    refused(job, "{}", paper_file(job, "a.pdf", "%PDF-1.7\nnothing", 16),
            "DOCUMENT_THUMBS_INVALID_INPUT", "'a.pdf'");
    refused(job, "{}", paper_file(job, "b.txt", "words\n", 6), "DOCUMENT_THUMBS_INVALID_INPUT",
            "text/plain");
    refused(job, "{}", paper_lock(job, "locked.pdf", three(job), "sesame", "sesame"),
            "DOCUMENT_THUMBS_INVALID_INPUT", "ncrypted");
    refused(job, "{\"antialiasing\": false}", host_path(job, "locked.pdf"),
            "DOCUMENT_THUMBS_INVALID_INPUT", "ncrypted");
    host_input(job)->mime = office;
    assert_int_equal(host_run(job, "/document/thumbs", "{}", &err), -1);
    assert_string_equal(err_name(&err), "DOCUMENT_THUMBS_INVALID_INPUT");
    assert_non_null(strstr(err.msg, "office document"));
}

static void hostile_documents_are_bounded_by_name(void **state)
{
    static const char *const liar[] = {"<</Type/Catalog/Pages 2 0 R>>",
                                       "<</Type/Pages/Kids[3 0 R]/Count 1000000>>",
                                       "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"};
    static const char *const active[] = {
        "<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.alert\\(1\\); "
        "while\\(1\\);)>>"
        "/AA<</WC<</S/Launch/F(/bin/sh)>>>>/Names<</EmbeddedFiles<</Names[(x)4 0 R]>>>>>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        ("<</Type/Page/Parent 2 0 R/MediaBox[0 0 72 72]/Contents[5 0 R 6 0 "
         "R]/AA<</O<</S/URI/URI(http://127.0.0.1:9/)>>>>>>"),
        "<</Type/Filespec/F(/etc/passwd)/EF<</F 5 0 R>>>>",
        "<</Length 31>>stream\n1 0 0 rg 0 0 2000 2000 re f    \nendstream",
        "<</Length 0/F(/etc/passwd)>>stream\n\nendstream"};
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    const char *huge = paper_make(job, "huge.pdf",
                                  &(struct paper){72000000, 72000000, PAPER_RED, NULL}, 1),
               *large =
                   paper_make(job, "large.pdf",
                              &(struct paper){14400, 14400, PAPER_RED, "/CropBox[0 0 72 72]"}, 1);
    refused(job, "{}", huge, "DOCUMENT_THUMBS_INVALID_INPUT", "huge.pdf");
    refused(job, "{\"antialiasing\": false}", huge, "DOCUMENT_THUMBS_INVALID_INPUT", "huge.pdf");
    refused(job, "{\"pdf_use_cropbox\": false}", large, "DOCUMENT_THUMBS_INVALID_INPUT",
            "max_pixels");
    refused(job, "{}", paper_objects(job, "liar.pdf", liar, 3), "DOCUMENT_THUMBS_INVALID_INPUT",
            "liar.pdf");
    refused(job, "{\"density\": \"9999\"}", three(job), "DOCUMENT_THUMBS_INVALID_INPUT",
            "max_pixels");
    json_object_set_new(host_settings(job), "max_frames", json_integer(2));
    refused(job, "{}", three(job), "DOCUMENT_THUMBS_INVALID_INPUT", "max_frames");
    thumbs(job, "{\"page_range\": \"2-3\"}", three(job));
    json_object_del(host_settings(job), "max_frames");
    json_object_set_new(host_settings(job), "max_pixels", json_integer(100000));
    refused(job, "{\"format\": \"gif\"}", three(job), "DOCUMENT_THUMBS_INVALID_INPUT",
            "max_pixels");
    struct seen s = only(job, "{}", paper_objects(job, "active.pdf", active, 6));
    assert_true(s.w == 150 && is_color(s.at[4], 255, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_page_is_a_picture_in_its_order),
        cmocka_unit_test(one_page_or_a_range_and_nothing_behind_the_last),
        cmocka_unit_test(edges_are_trimmed_unless_they_are_to_stay),
        cmocka_unit_test(each_resize_strategy_has_its_size),
        cmocka_unit_test(what_is_larger_than_usual_is_drawn_and_not_blown_up),
        cmocka_unit_test(a_gif_shows_one_page_after_the_other),
        cmocka_unit_test(paper_is_of_the_background_or_transparent),
        cmocka_unit_test(without_antialiasing_nothing_is_between_two_colours),
        cmocka_unit_test(the_crop_box_is_what_shows_unless_the_sheet_is_asked_for),
        cmocka_unit_test(colours_are_those_of_the_space_asked_for),
        cmocka_unit_test(pictures_are_documents_of_one_page_or_more),
        cmocka_unit_test(wrong_parameters_are_refused_by_name),
        cmocka_unit_test(what_is_no_document_has_a_code_of_its_own),
        cmocka_unit_test(hostile_documents_are_bounded_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
