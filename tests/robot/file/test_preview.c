/* /file/preview: each kind of file and each way, what happens when one fails, shapes and colours,
 * and hostile files. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "clips.h"
#include "media/vips.h"
#include "host.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *write_file(struct robot_job *job, const char *name, const char *bytes,
                              size_t len)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "w");

    fwrite(bytes, 1, len, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

static const char *text_file(struct robot_job *job, const char *name)
{
    return write_file(job, name, "some words\n", 11);
}

static const char *picture(struct robot_job *job, const char *name, const char *color,
                           const char *size)
{
    return clip(
        job, name,
        arena_printf(robot_arena(job), "-f lavfi -i color=%s:s=%s -frames:v 1", color, size));
}

/* A PDF of one red page. */
static const char *pdf_file(struct robot_job *job)
{
    static const char *const objects[] = {
        "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 400]/Contents 4 0 R>>",
        "<</Length 27>>stream\n1 0 0 rg 0 0 300 400 re f  \nendstream"};
    AUTO(str_done) struct str b = {0};

    str_puts(&b, "%PDF-1.4\n");
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        str_addf(&b, "%zu 0 obj\n%s\nendobj\n", i + 1, objects[i]);
    str_puts(&b, "trailer<</Root 1 0 R/Size 5>>\n%%EOF\n");
    return write_file(job, "a.pdf", b.s, b.len);
}

/* The preview of the file at path; seen may be NULL. */
static const struct host_output *preview(struct seen *seen, struct robot_job *job, const char *step,
                                         const char *path)
{
    struct err err = {0};

    if (host_run_on(job, "/file/preview", step, path, &err) < 0)
        fail_msg("%s of %s: %s; %s", step, path, err.msg, err.detail);
    if (host_output_count(job) != 1)
        fail_msg("%s of %s: %d files", step, path, host_output_count(job));
    if (seen)
        clip_see(seen, host_output(job, 0)->path);
    return host_output(job, 0);
}

static int files_of(struct robot_job *job)
{
    AUTO(mem_free) char *command = mem_printf("ls '%s' | wc -l", host_dir(job));
    FILE *f = popen(command, "r");
    int n = -1;

    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

static bool is_color(const uint8_t p[4], int r, int g, int b)
{
    return abs(p[0] - r) < 30 && abs(p[1] - g) < 30 && abs(p[2] - b) < 30 && p[3] > 250;
}

static void every_kind_of_file_has_a_preview(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *paths[] = {
        picture(job, "a.png", "red", "60x40"),
        clip(job, "a.mp4", "-f lavfi -i color=red:s=60x40:d=1:r=5 -c:v libx264"),
        clip(job, "a.mp3", "-f lavfi -i sine=d=1"),
        pdf_file(job),
        text_file(job, "a.txt"),
        write_file(job, "a.html", "<!DOCTYPE html><html><body>x</body></html>", 42),
        write_file(job, "a.zip", "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22),
        write_file(job, "noname", "", 0),
        write_file(job, "a.docx", "not a document", 14)};
    static const bool red[] = {true, true, false, true, false, false, false, false, false};
    struct seen s;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const struct host_output *out = preview(&s, job, "{}", paths[i]);

        assert_string_equal(out->mime, "image/png");
        assert_true(s.w == 300 && s.h == 200 && !s.alpha);
        assert_int_equal(jint(out->meta, "width", 0), 300);
        if (is_color(s.at[4], 254, 0, 0) != red[i])
            fail_msg("%s: %d %d %d", paths[i], s.at[4][0], s.at[4][1], s.at[4][2]);
        assert_true(is_color(s.at[0], 255, 255, 255) || red[i]);
    }
    preview(NULL, job, "{\"format\": \"jpeg\"}", paths[0]);
    assert_string_equal(host_output(job, 0)->name, "a.jpg");
}

static void the_first_way_that_works_counts_and_none_gives_no_file(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *broken = write_file(job, "a.png", "\x89PNG\r\n\x1a\n and no picture", 24);
    const char *sound = clip(job, "a.mp3", "-f lavfi -i sine=d=1");
    int before = files_of(job);
    struct err err;
    (void)state;

    preview(NULL, job, "{}", broken);
    preview(NULL, job,
            "{\"strategy\": {\"image\": [\"frame\", \"clip\", \"artwork\", \"page\", \"image\", "
            "\"icon\"]}}",
            broken);
    unlink(host_output(job, 0)->path);
    assert_int_equal(
        host_run_on(job, "/file/preview",
                    "{\"strategy\": {\"image\": [\"image\", \"frame\"], \"video\": [\"icon\"]}}",
                    broken, &err),
        0);
    assert_int_equal(host_output_count(job), 0);
    assert_int_equal(host_run_on(job, "/file/preview",
                                 "{\"strategy\": {\"audio\": [\"artwork\", \"frame\", \"clip\"]}}",
                                 sound, &err),
                     0);
    assert_int_equal(host_output_count(job), 0);
    assert_int_equal(
        host_run_on(job, "/file/preview", "{\"strategy\": {\"audio\": []}}", sound, &err), 0);
    assert_int_equal(host_output_count(job), 0);
    assert_int_equal(files_of(job), before + 1); /* what failed left nothing */
}

static void each_resize_strategy_has_its_size(void **state)
{
    static const struct {
        const char *step;
        int w, h;
    } rows[] = {
        {"{\"resize_strategy\": \"fit\", \"width\": 100, \"height\": 100}", 100, 50},
        {"{\"resize_strategy\": \"min_fit\", \"width\": 100, \"height\": 100}", 200, 100},
        {"{\"resize_strategy\": \"fillcrop\", \"width\": 100, \"height\": 100}", 100, 100},
        {"{\"resize_strategy\": \"stretch\", \"width\": 100, \"height\": 70}", 100, 70},
        {"{\"resize_strategy\": \"crop\", \"width\": 20, \"height\": 10}", 20, 10},
        {"{\"resize_strategy\": \"fit\", \"zoom\": false}", 80, 40},
        {"{\"resize_strategy\": \"pad\", \"zoom\": false, \"width\": 101, \"height\": 51}", 101,
         51},
        {"{\"width\": \"120px\", \"height\": 31}", 120, 31},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = picture(job, "a.png", "red", "80x40"),
               *film = clip(job, "a.mp4", "-f lavfi -i color=red:s=80x40:d=1:r=5 -c:v libx264");
    struct seen s;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        preview(&s, job, rows[i].step, path);
        if (s.w != rows[i].w || s.h != rows[i].h)
            fail_msg("%s: %dx%d", rows[i].step, (int)s.w, (int)s.h);
        if (strstr(rows[i].step, "zoom")) /* does not touch clips */
            continue;
        AUTO(mem_free)
        char *step = mem_printf("{\"strategy\": {\"video\": [\"clip\"]}, %s", rows[i].step + 1);
        preview(&s, job, step, film);
        if (s.w != rows[i].w || s.h != rows[i].h)
            fail_msg("%s: %dx%d", step, (int)s.w, (int)s.h);
    }
}

static void the_background_is_behind_what_is_padded_and_what_is_transparent(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path =
        clip(job, "a.png", "-f lavfi -i color=red@0.0:s=40x40,format=rgba -frames:v 1");
    struct seen s;
    (void)state;

    preview(&s, job, "{\"background\": \"#00ff00\", \"width\": 600}", path);
    assert_true(is_color(s.at[3], 0, 255, 0) && is_color(s.at[4], 0, 255, 0) && !s.alpha);
    preview(&s, job, "{\"background\": \"00ff0080\", \"width\": 600}", path);
    assert_true(s.alpha && s.at[3][3] == 0x80 && s.at[4][3] == 0);
    preview(&s, job, "{\"background\": \"00ff0000\", \"format\": \"jpg\"}", path);
    assert_true(is_color(s.at[3], 0, 255, 0) && is_color(s.at[4], 0, 255, 0));
}

static void a_frame_is_of_the_first_second_or_tenth(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *step =
        "{\"strategy\": {\"video\": [\"frame\"]}, \"resize_strategy\": \"fillcrop\"}";
    struct seen s;
    (void)state;

    preview(&s, job, step,
            clip(job, "a.mp4",
                 arena_printf(robot_arena(job), "-f lavfi -i %s -c:v libx264",
                              clip_colours("96x64", 5, 16))));
    assert_int_equal(clip_second(s.at[4]), 1);
    preview(&s, job, step,
            clip(job, "b.mp4",
                 arena_printf(robot_arena(job), "-f lavfi -i %s -c:v libx264",
                              clip_colours("96x64", 5, 4))));
    assert_int_equal(clip_second(s.at[4]), 0);
}

static void a_cover_stands_before_a_gradient_if_it_has_colours(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    picture(job, "cover.png", "red", "40x40");
    const char *args = arena_printf(
        robot_arena(job),
        "-f lavfi -i sine=d=1 -i %s/cover.png -map 0 -map 1 -c:v copy -disposition:v attached_pic",
        host_dir(job));
    const char *path = clip(job, "a.mp3", args);
    struct seen s;
    (void)state;

    preview(&s, job, "{\"width\": 600}", path);
    assert_true(is_color(s.at[4], 254, 0, 0) && is_color(s.at[3], 255, 255, 255));
    preview(&s, job,
            "{\"artwork_center_color\": \"#00ff00\", \"artwork_outer_color\": \"#0000ff\", "
            "\"width\": 600}",
            path);
    assert_true(is_color(s.at[4], 254, 0, 0) && s.w == 600);
    assert_true(s.at[3][2] > 100 && s.at[3][0] < 30 && s.at[3][1] > 20); /* between both */
    preview(&s, job, "{\"artwork_outer_color\": \"#0000ff\", \"width\": 600}", path);
    assert_true(is_color(s.at[3], 0, 0, 255));
}

static int probe_int(const char *path, const char *what)
{
    AUTO(mem_free)
    char *command = mem_printf(
        "ffprobe -v error -count_frames -show_entries stream=%s -of default=nk=1:nw=1 '%s'", what,
        path);
    FILE *f = popen(command, "r");
    int n = -1;

    (void)!fscanf(f, "%d", &n);
    pclose(f);
    return n;
}

static bool holds(const char *path, const char *bytes, size_t len)
{
    AUTO(mem_free) char *hay = mem_alloc(1 << 20);
    FILE *f = fopen(path, "r");
    size_t n = fread(hay, 1, 1 << 20, f);

    fclose(f);
    return memmem(hay, n, bytes, len);
}

static void a_clip_moves_in_every_format_as_long_and_as_often_as_it_shall(void **state)
{
    static const char *const formats[][2] = {{"webp", "image/webp"},
                                             {"gif", "image/gif"},
                                             {"apng", "image/png"},
                                             {"avif", "image/avif"}};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = clip(job, "a.mp4",
                            arena_printf(robot_arena(job), "-f lavfi -i %s -c:v libx264",
                                         clip_colours("96x64", 10, 4)));
    struct seen s;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        AUTO(mem_free)
        char *step = mem_printf(
            "{\"strategy\": {\"video\": [\"clip\"]}, \"clip_format\": \"%s\", \"clip_offset\": 2,"
            " \"clip_duration\": 2, \"clip_framerate\": 4, \"width\": 90, \"height\": 60}",
            formats[i][0]);
        const struct host_output *out = preview(i == 3 ? NULL : &s, job, step, film);

        assert_string_equal(out->mime, formats[i][1]);
        if (i != 3)
            assert_int_equal(clip_second(s.at[4]), 2);
        int frames = i == 0 ? (int)jint(out->meta, "frame_count", 0)
                            : probe_int(out->path, "nb_read_frames");
        assert_int_equal(frames, i == 0 ? 2 : 8); /* WebP has equal ones once */
    }
    const char *once =
        "{\"strategy\": {\"video\": [\"clip\"]}, \"clip_format\": \"gif\", \"clip_loop\": false}";
    preview(NULL, job, once, film);
    assert_false(holds(host_output(job, 0)->path, "NETSCAPE2.0", 11));
    preview(NULL, job,
            "{\"strategy\": {\"video\": [\"clip\"]}, \"clip_format\": \"gif\", \"clip_offset\": "
            "90, \"clip_duration\": 0}",
            film);
    assert_true(holds(host_output(job, 0)->path, "GIF8", 4));
}

static void an_icon_shows_what_it_is_told(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = text_file(job, "a.txt");
    struct seen with, without, red, square, font;
    (void)state;

    preview(&with, job, "{\"width\": 240, \"height\": 240, \"background\": \"#00000000\"}", path);
    preview(&without, job, "{\"width\": 240, \"height\": 240, \"icon_text_content\": \"none\"}",
            path);
    preview(&red, job, "{\"width\": 240, \"height\": 240, \"icon_text_color\": \"#ff0000\"}", path);
    preview(&square, job, "{\"width\": 240, \"height\": 240, \"icon_style\": \"square\"}", path);
    preview(&font, job,
            "{\"width\": 240, \"height\": 240, \"icon_text_font\": \"DejaVu Serif\", "
            "\"icon_text_color\": \"#ff0000\"}",
            path);
    assert_true(with.alpha && with.at[0][3] == 0);
    assert_true(fabs(red.mean[0] - without.mean[0]) > 0.2 ||
                fabs(red.mean[1] - without.mean[1]) > 0.2);
    assert_true(red.mean[0] - red.mean[1] >
                without.mean[0] - without.mean[1] + 0.5); /* some of it is red */
    assert_true(fabs(font.mean[1] - red.mean[1]) > 0.05);
    assert_true(is_color(square.at[0], 0xf3, 0xf5, 0xf8)); /* a tile */
    preview(NULL, job, "{\"icon_text_font\": \"No Such Font\"}", path);
}

static void an_extension_can_be_no_markup(void **state)
{
    static const char *const names[] = {"a.<svg onload='x'>",      "a.&lt;&#0;&xxe;",
                                        "a.\"><image href='file:", "a.\xff\xfe\x1b",
                                        "a.ausführlichesformat",   "a.日本語"};
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        preview(NULL, job, "{}", text_file(job, names[i]));
}

static void what_is_too_large_or_names_others_is_shown_as_an_icon(void **state)
{
    static const char outside[] =
        "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' "
        "width='90' height='90'>"
        "<rect width='90' height='90' fill='#00f'/><image xlink:href='file:///etc/passwd' "
        "width='9' height='9'/></svg>";
    AUTO(host_free) struct robot_job *job = host_new();
    const char *large = picture(job, "a.png", "red", "2000x1000");
    struct err err;
    struct seen s;
    (void)state;

    preview(&s, job, "{}", write_file(job, "a.svg", outside, sizeof outside - 1));
    assert_true(is_color(s.at[4], 0, 0, 255));
    json_object_set_new(host_settings(job), "max_pixels", json_integer(1000000));
    preview(&s, job, "{}", large);
    assert_false(is_color(s.at[4], 254, 0, 0));
    assert_int_equal(
        host_run_on(job, "/file/preview", "{\"width\": 25000, \"height\": 25000}", large, &err), 0);
    assert_int_equal(host_output_count(job), 0); /* not even an icon */
    assert_int_equal(
        host_run_on(job, "/file/preview",
                    "{\"strategy\": {\"video\": [\"clip\"]}, \"clip_duration\": 3600, "
                    "\"clip_framerate\": 60}",
                    clip(job, "a.mp4", "-f lavfi -i color=red:s=96x64:d=60:r=1 -c:v libx264"),
                    &err),
        0);
    assert_int_equal(host_output_count(job), 0); /* more than max_frames */
}

static void optimize_leaves_out_what_is_no_picture(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.jpg", "-f lavfi -i testsrc2=s=400x300 -frames:v 1");
    AUTO(mem_free)
    char *command = mem_printf("exiftool -q -overwrite_original -Artist=somebody '%s'", path);
    (void)state;

    assert_int_equal(system(command), 0);
    preview(NULL, job, "{\"format\": \"jpg\", \"optimize\": false}", path);
    assert_true(holds(host_output(job, 0)->path, "somebody", 8));
    preview(NULL, job, "{\"format\": \"jpg\", \"optimize_progressive\": true}", path);
    assert_false(holds(host_output(job, 0)->path, "somebody", 8));
    assert_true(holds(host_output(job, 0)->path, "\xff\xc2", 2)); /* progressive */
    int64_t fast = preview(NULL, job, "{}", path)->size,
            small =
                preview(NULL, job, "{\"optimize_priority\": \"compression-ratio\"}", path)->size;
    assert_true(small <= fast);
}

static void refused(const char *step, const char *word)
{
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};

    host_add_input(job, text_file(job, "a.txt"));
    if (host_run(job, "/file/preview", step, &err) == 0)
        fail_msg("%s is taken", step);
    assert_string_equal(err_name(&err), "FILE_PREVIEW_VALIDATION");
    if (!strstr(err.msg, word))
        fail_msg("%s: %s", step, err.msg);
}

static void what_is_wrong_or_not_built_is_refused_by_name(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    (void)state;

    refused("{\"strategy\": [\"icon\"]}", "strategy");
    refused("{\"strategy\": {\"movie\": [\"icon\"]}}", "movie");
    refused("{\"strategy\": {\"video\": \"icon\"}}", "video");
    refused("{\"strategy\": {\"video\": [\"picture\"]}}", "picture");
    refused("{\"strategy\": {\"video\": [1]}}", "1");
    refused("{\"strategy\": {\"webpage\": [\"render\"]}}", "render");
    refused("{\"strategy\": {\"unknown\": "
            "[\"icon\",\"icon\",\"icon\",\"icon\",\"icon\",\"icon\",\"icon\",\"icon\",\"icon\","
            "\"icon\",\"icon\"]}}",
            "unknown");
    refused("{\"waveform_height\": 5001}", "waveform_height");
    refused("{\"waveform_center_color\": \"blue\"}", "waveform_center_color");
    refused("{\"icon_text_font\": \"x' onload='y\"}", "icon_text_font");
    refused("{\"icon_text_font\": \"<image/>\"}", "icon_text_font");
    refused("{\"background\": \"red\"}", "background");
    /* as schemas of clients write it out */
    preview(NULL, job,
            "{\"strategy\": {\"audio\": [\"artwork\", \"waveform\", \"icon\"], \"webpage\": "
            "[\"render\", \"icon\"]}, \"waveform_height\": 100}",
            text_file(job, "a.txt"));
}

/* Rows of column x that are not white, in a preview without transparency. */
static int dark(const uint8_t *p, int w, int h, int bands, int x)
{
    int n = 0;

    for (int y = 0; y < h; y++)
        n += p[(y * w + x) * bands] < 200;
    return n;
}

static void a_sound_without_a_cover_is_shown_by_its_waveform(void **state)
{
    AUTO(host_free) struct robot_job *job = host_new();
    const char *sound =
        clip(job, "a.mp3", "-f lavfi -i \"aevalsrc=t/4*sin(2*PI*1000*t):s=44100:d=4\"");
    const struct image_load how = {.limits = media_limits(NULL)};
    struct err err;
    struct seen s;
    (void)state;

    preview(NULL, job, "{}", sound);
    AUTO(image_free) struct image *img = NULL;
    uint8_t *p;
    int bands;
    assert_int_equal(image_open(&img, host_output(job, 0)->path, &how, &err), 0);
    assert_int_equal(image_pixels(&p, &bands, img, &err), 0);
    assert_true(image_width(img) == 300 && image_height(img) == 200 && bands == 3);
    for (int x = 20; x < 300; x += 40) /* drawn 100 px high, in the middle of 200 */
        if (abs(dark(p, 300, 200, bands, x) - x * 95 / 300) > 4)
            fail_msg("column %d: %d", x, dark(p, 300, 200, bands, x));
    free(p);
    preview(
        &s, job,
        "{\"waveform_center_color\": \"ff0000\", \"waveform_outer_color\": \"ff0000\", "
        "\"waveform_width\": "
        "50, \"waveform_height\": 50, \"width\": 200, \"height\": 200, \"background\": \"00ff00\"}",
        sound);
    assert_true(s.w == 200 && s.h == 200); /* 50 x 50, four times as large */
    assert_true(is_color(s.at[5], 255, 0, 0) && is_color(s.at[0], 0, 255, 0));
    /* a film with sound as well, and what has none goes on to the next way */
    preview(&s, job, "{\"strategy\": {\"video\": [\"waveform\"]}}",
            clip(job, "a.mp4",
                 "-f lavfi -i testsrc=s=64x64:d=1 -f lavfi -i sine=d=1 -pix_fmt yuv420p"));
    assert_int_equal(
        host_run_on(job, "/file/preview", "{\"strategy\": {\"video\": [\"waveform\"]}}",
                    clip(job, "mute.mp4", "-f lavfi -i testsrc=s=64x64:d=1 -pix_fmt yuv420p"),
                    &err),
        0);
    assert_int_equal(host_output_count(job), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_has_a_preview),
        cmocka_unit_test(the_first_way_that_works_counts_and_none_gives_no_file),
        cmocka_unit_test(each_resize_strategy_has_its_size),
        cmocka_unit_test(the_background_is_behind_what_is_padded_and_what_is_transparent),
        cmocka_unit_test(a_frame_is_of_the_first_second_or_tenth),
        cmocka_unit_test(a_cover_stands_before_a_gradient_if_it_has_colours),
        cmocka_unit_test(a_sound_without_a_cover_is_shown_by_its_waveform),
        cmocka_unit_test(a_clip_moves_in_every_format_as_long_and_as_often_as_it_shall),
        cmocka_unit_test(an_icon_shows_what_it_is_told),
        cmocka_unit_test(an_extension_can_be_no_markup),
        cmocka_unit_test(what_is_too_large_or_names_others_is_shown_as_an_icon),
        cmocka_unit_test(optimize_leaves_out_what_is_no_picture),
        cmocka_unit_test(what_is_wrong_or_not_built_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
