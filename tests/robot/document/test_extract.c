/* /document/extract: documents with known words and known pictures in, those words and pictures out. */
#include "../../unit/unit.h"
#include "../papers.h"
#include "base/str.h"
#include "pictures.h"

#include <stdio.h>
#include <string.h>

#define FIRST "BT /F 24 Tf 72 300 Td (Hello over there) Tj 0 -100 Td (Second line of it) Tj ET"
#define SECOND "BT /F 24 Tf 72 72 Td (Another page) Tj ET"
#define THIRD "BT /F 24 Tf 72 72 Td (The last one) Tj ET"

static const char *three(struct robot_job *job)
{
    static const struct paper pages[] = {
        {360, 360, FIRST, NULL}, {360, 144, SECOND, NULL}, {360, 144, THIRD, NULL}};

    return paper_make(job, "three.pdf", pages, 3);
}

/* How many files came. */
static int extract(struct robot_job *job, const char *step, const char *path)
{
    struct err err = {0};

    if (host_run_on(job, "/document/extract", step, path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    return host_output_count(job);
}

static void refused(struct robot_job *job, const char *step, const char *path, const char *code, const char *words)
{
    struct err err = {0};

    if (host_run_on(job, "/document/extract", step, path, &err) == 0)
        fail_msg("%s of %s is taken", step, path);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, words))
        fail_msg("%s of %s: %s: %s", step, path, err_name(&err), err.msg);
}

static const char *contents(struct robot_job *job, int i) { return paper_say(job, "cat", host_output(job, i)->path); }

/* ---- text ---- */

static void the_text_of_the_pages_asked_for(void **state)
{
    static const struct {
        const char *range, *text;
    } rows[] = {
        {"2", "Another page\n"},
        {"1-2", "Hello over there\n\nSecond line of it\n\fAnother page\n"},
        {"3, 1", "Hello over there\n\nSecond line of it\n\fThe last one\n"},
        {"3-2", "Another page\n\fThe last one\n"},
        {"2,2,2-2", "Another page\n"},
        {" 3 - 99 , 77", "The last one\n"},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = three(job);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"extract\":\"text\",\"page_range\":\"%s\"}", rows[i].range);

        assert_int_equal(extract(job, step, path), 1);
        assert_string_equal(contents(job, 0), rows[i].text);
        assert_string_equal(host_output(job, 0)->name, "three.txt");
        assert_string_equal(host_output(job, 0)->mime, "text/plain");
    }
}

static void as_json_and_page_by_page(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = three(job);
    (void)state;

    assert_int_equal(extract(job, "{\"text_format\":\"json\",\"page_range\":\"2-3\"}", path), 1);
    assert_string_equal(contents(job, 0), "{\"pages\":[2,3],\"text\":\"Another page\\n\\u000cThe last one\\n\"}");
    assert_string_equal(host_output(job, 0)->mime, "application/json");
    assert_int_equal(extract(job, "{\"text_granularity\":\"page\",\"page_range\":\"3,1\"}", path), 2);
    assert_string_equal(host_output(job, 1)->name, "three-page-3.txt");
    assert_int_equal(jint(host_output(job, 1)->meta, "page", 0), 3);
    assert_string_equal(contents(job, 1), "The last one\n");
    assert_int_equal(extract(job, "{\"text_granularity\":\"page\",\"text_format\":\"json\"}", path), 3);
    assert_string_equal(contents(job, 1), "{\"page\":2,\"text\":\"Another page\\n\"}");
}

/* A picture of the page as the only thing on a page. */
static const char *scanned(struct robot_job *job)
{
    const char *from = paper_make(job, "b.pdf", &(struct paper){360, 144, SECOND, NULL}, 1);
    const char *hex = paper_say(job, "f() { pdftoppm -gray -r 150 \"$1\" | tail -c 225000 | xxd -p -c 0; }; f", from);

    assert_int_equal(strlen(hex), 450001);
    const char *picture = arena_printf(robot_arena(job),
                                       "q 360 0 0 144 0 0 cm BI /W 750 /H 300 /CS /G /BPC 8 /F /AHx ID %s> EI Q", hex);
    const struct paper pages[] = {{360, 144, THIRD, NULL}, {360, 144, picture, NULL}};
    return paper_make(job, "scan.pdf", pages, 2);
}

static void what_is_only_drawn_is_read(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = scanned(job);
    (void)state;

    assert_int_equal(extract(job, "{\"extract\":[\"text\"]}", path), 1);
    assert_string_equal(contents(job, 0), "The last one\n\f");
    assert_int_equal(extract(job, "{\"extract\":\"text\",\"text_method\":\"auto\"}", path), 1);
    assert_string_equal(contents(job, 0), "The last one\n\fAnother page\n");
    assert_int_equal(extract(job,
                             "{\"extract\":\"text\",\"text_method\":\"ocr\",\"ocr_provider\":\"aws\","
                             "\"text_granularity\":\"page\"}",
                             path),
                     2);
    assert_string_equal(contents(job, 0), "The last one\n");
    assert_string_equal(contents(job, 1), "Another page\n");
    assert_true(host_progress_steps(job) >= 2);
}

/* ---- pictures ---- */

/* An image's object; data in hexadecimal digits. */
static const char *image(struct robot_job *job, int w, int h, const char *space, const char *filter, const char *more,
                         const char *data)
{
    return arena_printf(robot_arena(job),
                        "<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/%s/BitsPerComponent 8"
                        "/Filter[/ASCIIHexDecode%s]%s/Length %zu>>stream\n%s>\nendstream",
                        w, h, space, filter, more, strlen(data) + 1, data);
}

#define PAGE(contents)                                                                                                 \
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents " contents " 0 R/Resources<</XObject<</Red 5 0 R"        \
    "/Same 6 0 R/Blue 7 0 R/Cmyk 9 0 R/Photo 10 0 R>>>>>>"

enum { RED, BLUE, CMYK, PHOTO, ALL };

/* Two red ones, of which one is drawn twice; a blue one with a mask; one in CMYK; a JPEG, on both pages. */
static const char *album(struct robot_job *job)
{
    const char *jpg = picture_make(job, "photo.jpg", 64, 48, false);
    const char *hex = paper_say(job, "xxd -p -c 0", jpg);
    const char *draw = "/Red Do /Red Do /Same Do /Blue Do /Cmyk Do /Photo Do";
    const char *red = "ff0000ff0000ff0000 ff0000ff0000ff0000";
    struct arena *a = robot_arena(job);
    const char *objects[] = {
        "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>", PAGE("11"), PAGE("12"),
        image(job, 3, 2, "DeviceRGB", "", "", red), image(job, 3, 2, "DeviceRGB", "", "/X 1", red),
        image(job, 20, 1, "DeviceRGB", "", "/SMask 8 0 R",
              "0000ff0000ff0000ff0000ff0000ff0000ff0000ff0000ff0000ff0000ff"
              "0000ff0000ff0000ff0000ff0000ff0000ff0000ff0000ff0000ff0000ff"),
        image(job, 1, 1, "DeviceGray", "", "", "80"),
        image(job, 1, 8, "DeviceCMYK", "", "",
              "00ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff0000"),
        image(job, 64, 48, "DeviceRGB", "/DCTDecode", "", hex),
        arena_printf(a, "<</Length %zu>>stream\n%s\nendstream", strlen(draw), draw),
        "<</Length 9>>stream\n/Photo Do\nendstream"};

    return paper_objects(job, "album.pdf", objects, ARRAY_LEN(objects));
}

static void pictures_come_once_and_as_they_are(void **state)
{
    static const struct {
        const char *name;
        int width, height;
    } want[ALL] = {{"album-image-0.png", 3, 2}, {"album-image-1.png", 20, 1}, {"album-image-2.png", 1, 8},
                   {"album-image-3.jpg", 64, 48}};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = album(job);
    double px[4];
    (void)state;

    assert_int_equal(extract(job, "{\"extract\":\"images\"}", path), ALL);
    for (int i = 0; i < ALL; i++) {
        const struct host_output *o = host_output(job, i);

        assert_string_equal(o->name, want[i].name);
        assert_int_equal(jint(o->meta, "width", 0), want[i].width);
        assert_int_equal(jint(o->meta, "height", 0), want[i].height);
        assert_int_equal(jint(o->meta, "page", 0), 1);
        assert_int_equal(jint(o->meta, "image_index", -1), i);
    }
    assert_int_equal(picture_pixel(px, host_output(job, RED)->path, 2, 1), 3);
    assert_true(px[0] == 255 && px[1] == 0 && px[2] == 0);
    assert_int_equal(picture_pixel(px, host_output(job, BLUE)->path, 19, 0), 3);
    assert_true(px[0] == 0 && px[1] == 0 && px[2] == 255);
    assert_string_equal(paper_say(job, "md5sum <", host_output(job, PHOTO)->path),
                        paper_say(job, "md5sum <", host_path(job, "photo.jpg")));
}

static void all_of_them_with_masks_or_only_large_ones(void **state)
{
    static const struct {
        const char *more;
        int count;
    } rows[] = {
        {"\"dedupe_images\":false", 7},
        {"\"dedupe_images\":false,\"page_range\":\"2\"", 1},
        {"\"include_image_masks\":true", 5},
        {"\"min_image_width\":3", 3},
        {"\"min_image_width\":4", 2},
        {"\"min_image_height\":8", 2},
        {"\"min_image_height\":9", 1},
        {"\"min_image_bytes\":400", 1},
        {"\"min_image_bytes\":90000", 0},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = album(job);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"extract\":\"images\",%s}", rows[i].more);
        int n = extract(job, step, path);

        if (n != rows[i].count)
            fail_msg("%s: %d", step, n);
    }
}

static void in_the_format_asked_for(void **state)
{
    static const struct {
        const char *format, *mimes;
    } rows[] = {{"auto", "image/png image/png image/png image/jpeg "},
                {"original", "image/png image/png image/tiff image/jpeg "},
                {"png", "image/png image/png image/png image/png "},
                {"jpg", "image/jpeg image/jpeg image/jpeg image/jpeg "}};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = album(job), *jpg = host_path(job, "photo.jpg");
    double px[4];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *step = mem_printf("{\"extract\":[\"images\"],\"image_format\":\"%s\"}", rows[i].format);
        AUTO(str_done) struct str mimes = {0};

        assert_int_equal(extract(job, step, path), ALL);
        for (int k = 0; k < ALL; k++)
            str_addf(&mimes, "%s ", host_output(job, k)->mime);
        assert_string_equal(mimes.s, rows[i].mimes);
        assert_true(picture_psnr(host_output(job, PHOTO)->path, jpg) > 40);
        assert_true(picture_pixel(px, host_output(job, RED)->path, 1, 1) >= 3);
        assert_true(px[0] > 240 && px[1] < 16 && px[2] < 16);
    }
    assert_string_equal(host_output(job, RED)->name, "album-image-0.jpg");
}

static void text_and_pictures_together(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = scanned(job);
    (void)state;

    assert_int_equal(extract(job, "{}", path), 2);
    assert_string_equal(host_output(job, 0)->name, "scan.txt");
    assert_string_equal(host_output(job, 1)->name, "scan-image-0.png");
    assert_int_equal(jint(host_output(job, 1)->meta, "width", 0), 750);
    assert_int_equal(jint(host_output(job, 1)->meta, "page", 0), 2);
}

/* ---- what is refused ---- */

static void a_locked_one_opens_with_its_password_alone(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *locked = paper_lock(job, "locked.pdf", album(job), "open sesame", "owner");
    const char *text = paper_lock(job, "restricted.pdf", three(job), "", "owner");
    (void)state;

    refused(job, "{}", locked, "DOCUMENT_EXTRACT_VALIDATION", "'password' is not given");
    refused(job, "{\"password\":\"sesame\"}", locked, "DOCUMENT_EXTRACT_VALIDATION", "does not open it");
    assert_int_equal(extract(job, "{\"extract\":\"images\",\"password\":\"open sesame\"}", locked), ALL);
    assert_string_equal(paper_say(job, "md5sum <", host_output(job, PHOTO)->path),
                        paper_say(job, "md5sum <", host_path(job, "photo.jpg")));
    assert_int_equal(extract(job, "{\"page_range\":\"2\"}", text), 1);
    assert_string_equal(contents(job, 0), "Another page\n");
}

static void wrong_parameters_are_refused_by_name(void **state)
{
    static const struct {
        const char *step, *words;
    } rows[] = {
        {"{\"extract\":[]}", "'extract'"},
        {"{\"extract\":\"pages\"}", "'extract'"},
        {"{\"extract\":[\"text\",1]}", "'extract'"},
        {"{\"extract\":{}}", "'extract'"},
        {"{\"page_range\":\"a\"}", "page_range"},
        {"{\"page_range\":\"0\"}", "page_range"},
        {"{\"page_range\":\"1-\"}", "page_range"},
        {"{\"page_range\":\"\"}", "page_range"},
        {"{\"page_range\":\"99999999999\"}", "page_range"},
        {"{\"page_range\":\"4,9\"}", "names no page"},
        {"{\"text_method\":\"magic\"}", "text_method"},
        {"{\"ocr_provider\":\"nobody\"}", "ocr_provider"},
        {"{\"image_format\":\"gif\"}", "image_format"},
        {"{\"min_image_width\":-1}", "min_image_width"},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(str_done) struct str step = {0};
    const char *path = three(job);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        refused(job, rows[i].step, path, "DOCUMENT_EXTRACT_VALIDATION", rows[i].words);
    str_puts(&step, "{\"password\":\"");
    for (int i = 0; i < 128; i++)
        str_putc(&step, 'p');
    str_puts(&step, "\"}");
    refused(job, step.s, path, "DOCUMENT_EXTRACT_VALIDATION", "'password'");
}

static void a_thousand_pages_are_the_most(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = paper_row(job, "long.pdf", 1001);
    (void)state;

    refused(job, "{\"extract\":\"images\"}", path, "DOCUMENT_EXTRACT_VALIDATION", "1001 pages");
    refused(job, "{\"page_range\":\"1-500,501-2000\"}", path, "DOCUMENT_EXTRACT_VALIDATION", "the most is 1000");
    assert_int_equal(extract(job, "{\"page_range\":\"2-1001\"}", path), 1);
}

/* A page that draws this, with these images as 5, 6... */
static const char *drawing(struct robot_job *job, const char *name, const char *draw, const char *image)
{
    const char *objects[] = {"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
                             "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</XObject<<"
                             "/A 5 0 R>>>>>>",
                             arena_printf(robot_arena(job), "<</Length %zu>>stream\n%s\nendstream", strlen(draw), draw),
                             image};

    return paper_objects(job, name, objects, ARRAY_LEN(objects));
}

static void hostile_documents_end_by_name(void **state)
{
    static const char cut[] = "<</Type/XObject/Subtype/Image/Width 9/Height 9/ColorSpace/DeviceRGB/BitsPerComponent 8"
                              "/Filter/FlateDecode/Length 4>>stream\nabcd\nendstream";
    static const char *const circle[] = {"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[2 0 R]/Count 1>>"};
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(str_done) struct str million = {0}, many = {0};
    const char *step = "{\"extract\":\"images\"}", *bad = "INVALID_INPUT_ERROR";
    (void)state;

    for (int i = 0; i < 1000000; i++)
        str_puts(&million, "/A Do ");
    const char *pixel = image(job, 1, 1, "DeviceGray", "", "", "80");
    refused(job, step, drawing(job, "million.pdf", million.s, pixel), bad, "more than 8000 images");
    refused(job, step, drawing(job, "huge.pdf", "/A Do", image(job, 50000, 40000, "DeviceRGB", "", "", "00")), bad,
            "50000x40000");
    for (int i = 0; i < 11; i++)
        str_puts(&many, "/A Do ");
    refused(job, step, drawing(job, "wide.pdf", many.s, image(job, 10000, 10000, "DeviceGray", "", "", "00")), bad,
            "10 times the setting max_pixels");
    refused(job, "{}", paper_objects(job, "circle.pdf", circle, 2), bad, "");
    refused(job, "{}", paper_file(job, "short.pdf", "%PDF-1.7\n", 9), bad, "");
    /* what stands in no stream that can be read is a picture all the same, of whatever colour */
    assert_int_equal(extract(job, step, drawing(job, "cut.pdf", "/A Do", cut)), 1);
    assert_int_equal(jint(host_output(job, 0)->meta, "width", 0), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_of_the_pages_asked_for),
        cmocka_unit_test(as_json_and_page_by_page),
        cmocka_unit_test(what_is_only_drawn_is_read),
        cmocka_unit_test(pictures_come_once_and_as_they_are),
        cmocka_unit_test(all_of_them_with_masks_or_only_large_ones),
        cmocka_unit_test(in_the_format_asked_for),
        cmocka_unit_test(text_and_pictures_together),
        cmocka_unit_test(a_locked_one_opens_with_its_password_alone),
        cmocka_unit_test(wrong_parameters_are_refused_by_name),
        cmocka_unit_test(a_thousand_pages_are_the_most),
        cmocka_unit_test(hostile_documents_end_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
