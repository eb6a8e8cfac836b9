/* /video/subtitle: where, when and how texts stand in the pictures; streams as players see them. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "clips.h"
#include "media/av/av.h"

#include <stdio.h>
#include <unistd.h>

enum { W = 320, H = 180 };
#define FAST "\"ffmpeg\":{\"c:v\":\"libx264\",\"preset\":\"ultrafast\",\"crf\":5}"
#define X264 "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"
#define GREEN "-f lavfi -i color=0x208020:s=320x180:r=25:d=%s "

static const char *text_file(struct robot_job *job, const char *name, const char *text)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

/* A film of one colour. */
static const char *green(struct robot_job *job, const char *name, const char *seconds,
                         const char *more)
{
    AUTO(mem_free) char *args = mem_printf(GREEN "%s", seconds, more);

    return clip(job, name, args);
}

static void give(struct robot_job *job, const char *film, const char *subtitles)
{
    host_add_input(job, film);
    host_input_as(job, "video");
    host_add_input(job, text_file(job, "s.srt", subtitles));
    host_input_as(job, "subtitles");
}

static const struct host_output *subtitle(struct robot_job *job, const char *step)
{
    struct err err = {0};

    if (host_run(job, "/video/subtitle", step, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return host_output(job, 0);
}

static void refused(struct robot_job *job, const char *step, const char *code, const char *why)
{
    struct err err = {0};

    if (host_run(job, "/video/subtitle", step, &err) == 0)
        fail_msg("%s is taken", step);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, why))
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
    assert_int_equal(host_output_count(job), 0);
}

/* What a command says; the caller frees. */
static char *said(const char *command)
{
    FILE *f = popen(command, "r");
    struct str out = {0};
    char buf[4096];
    size_t n;

    assert_non_null(f);
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        str_add(&out, buf, n);
    pclose(f);
    return str_take(&out);
}

/* ---- pictures ---- */

struct frame {
    uint8_t rgb[H][W][3];
};

static void frame_at(struct frame *out, const char *film, double t)
{
    const struct av_open how = {.limits = media_limits(NULL)};
    AUTO(av_close) struct av *av = NULL;
    AUTO(image_free) struct image *img = NULL;
    AUTO(mem_free) char *pixels = NULL;
    struct err err;
    uint8_t *p;
    double at;
    int bands;

    assert_int_equal(av_open(&av, film, &how, &err), 0);
    assert_int_equal(av_picture(&img, &at, av, &(struct av_moment){t, t, t}, &err), 1);
    assert_int_equal(image_render(img, &err), 0);
    assert_int_equal(image_pixels(&p, &bands, img, &err), 0);
    pixels = (char *)p;
    assert_int_equal(image_width(img), W);
    assert_int_equal(image_height(img), H);
    assert_int_equal(bands, 3);
    memcpy(out, p, sizeof *out);
}

static bool near_to(const uint8_t *p, int r, int g, int b)
{
    return abs(p[0] - r) < 40 && abs(p[1] - g) < 40 && abs(p[2] - b) < 40;
}

/* The box around all pixels that are not the film's. False: there are none. */
struct around {
    int x1, y1, x2, y2;
};
static bool around(struct around *out, const struct frame *f)
{
    *out = (struct around){W, H, -1, -1};
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            if (!near_to(f->rgb[y][x], 0x20, 0x80, 0x20)) {
                out->x1 = x < out->x1 ? x : out->x1;
                out->y1 = y < out->y1 ? y : out->y1;
                out->x2 = x > out->x2 ? x : out->x2;
                out->y2 = y > out->y2 ? y : out->y2;
            }
    return out->x2 >= 0;
}

static int count_of(const struct frame *f, int r, int g, int b)
{
    int n = 0;

    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            n += near_to(f->rgb[y][x], r, g, b);
    return n;
}

static void stands_at(const struct frame *f, int column, int row, const char *what)
{
    struct around a;

    if (!around(&a, f))
        fail_msg("%s: nothing is drawn", what);
    int x = (a.x1 + a.x2) / 2, y = (a.y1 + a.y2) / 2;
    int is_column = a.x1 < W / 8 ? 0 : a.x2 > W * 7 / 8 ? 2 : abs(x - W / 2) < 6 ? 1 : -1;
    int is_row = a.y1 < H / 8 ? 0 : a.y2 > H * 7 / 8 ? 2 : abs(y - H / 2) < 6 ? 1 : -1;
    if (is_column != column || is_row != row)
        fail_msg("%s: %d,%d to %d,%d", what, a.x1, a.y1, a.x2, a.y2);
}

static void a_text_stands_where_position_or_the_subtitle_says(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int column, row;
    } rows[] = {{"bottom-left", 0, 2}, {"top", 1, 0}, {"right", 2, 1}, {"center", 1, 1}};
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(str_done) struct str all = {0};
    struct frame f;

    give(job, green(job, "g.mp4", "0.2", X264), "0:00 --> 0:09\nHello\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free)
        char *step = mem_printf("{\"subtitles_type\":\"burned\",\"position\":\"%s\"," FAST "}",
                                rows[i].name);

        frame_at(&f, subtitle(job, step)->path, 0);
        stands_at(&f, rows[i].column, rows[i].row, rows[i].name);
    }
    AUTO(host_free) struct robot_job *nine = host_new();
    for (int n = 1; n <= 9; n++)
        str_addf(&all, "0:00.%03d --> 0:00.%03d\n{\\an%d}Hello\n\n", n * 80, n * 80 + 80, n);
    give(nine, green(nine, "g.mp4", "1", X264), all.s);
    const struct host_output *o = subtitle(nine, "{\"subtitles_type\":\"burn\"," FAST "}");
    for (int n = 1; n <= 9; n++) {
        char name[8];

        snprintf(name, sizeof name, "an%d", n);
        frame_at(&f, o->path, n * 0.08 + 0.04);
        stands_at(&f, (n - 1) % 3, 2 - (n - 1) / 3, name);
    }
}

static void a_text_is_there_from_its_first_frame_to_its_last(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    struct around a;
    struct frame f;
    static const struct {
        double t;
        bool there;
    } rows[] = {{0.92, false}, {0.96, false}, {1.0, true},
                {1.48, true},  {1.52, false}, {2.5, true}};

    /* a film whose own clock does not begin at nought */
    give(job, green(job, "g.mkv", "3", "-output_ts_offset 5 " X264),
         "0:01.000 --> 0:01.500\nHello\n\n0:02.2 --> 0:02.8\nyou\n");
    const struct host_output *o = subtitle(job, "{\"subtitles_type\":\"burned\"," FAST "}");
    assert_string_equal(o->mime, "video/x-matroska");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        frame_at(&f, o->path, rows[i].t);
        if (around(&a, &f) != rows[i].there)
            fail_msg("at %g", rows[i].t);
    }
}

static void colours_borders_and_sizes_are_those_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *step;
        int letters[3], border[3]; /* -1: is not there */
    } rows[] = {
        {"\"font_color\":\"FF0000\",\"border_color\":\"000000FF\",\"outline_width\":8",
         {255, 0, 0},
         {0, 0, 255}},
        {"\"font_color\":\"f00\",\"border_style\":\"box\",\"border_color\":\"0000FF\"",
         {255, 0, 0},
         {0, 0, 255}},
        {"\"font_color\":\"#00FF00FF\",\"border_style\":\"shadow\",\"border_color\":\"00FFFFFF\","
         "\"outline_width\":4",
         {255, 0, 255},
         {255, 255, 255}},
        {"\"font_color\":\"FFFF00\",\"outline_width\":0", {255, 255, 0}, {-1}},
        {"\"font_color\":\"FFFF00\",\"border_color\":\"FF0000FF\"", {255, 255, 0}, {-1}},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    struct around small, large;
    struct frame f;

    give(job, green(job, "g.mp4", "0.2", X264), "0:00 --> 0:09\nIIIII\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free)
        char *step = mem_printf("{\"subtitles_type\":\"burned\",\"font_size\":80,%s," FAST "}",
                                rows[i].step);

        frame_at(&f, subtitle(job, step)->path, 0);
        if (count_of(&f, rows[i].letters[0], rows[i].letters[1], rows[i].letters[2]) < 200)
            fail_msg("%s: no letters of that colour", rows[i].step);
        int n = count_of(&f, rows[i].border[0] < 0 ? 0 : rows[i].border[0], rows[i].border[1],
                         rows[i].border[0] < 0 ? 255 : rows[i].border[2]);
        if (rows[i].border[0] < 0 ? n > 20 : n < 20)
            fail_msg("%s: %d pixels of the border's colour", rows[i].step, n);
    }
    frame_at(&f, subtitle(job, "{\"subtitles_type\":\"burned\",\"font_size\":20," FAST "}")->path,
             0);
    assert_true(around(&small, &f));
    frame_at(
        &f,
        subtitle(job, "{\"subtitles_type\":\"burned\",\"font_size\":60,\"bold\":true," FAST "}")
            ->path,
        0);
    assert_true(around(&large, &f));
    assert_true(large.y2 - large.y1 > 2.4 * (small.y2 - small.y1));
}

static void a_box_is_one_box_whatever_is_in_it(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    struct frame f;

    give(job, green(job, "g.mp4", "0.1", X264),
         "0:00 --> 0:09\n<i>one</i> <b>two</b>\n<font color=white>and</font> three\n");
    frame_at(
        &f,
        subtitle(
            job,
            "{\"subtitles_type\":\"burned\",\"border_style\":\"box\",\"border_color\":\"80000000\","
            "\"outline_width\":6," FAST "}")
            ->path,
        0);
    assert_true(count_of(&f, 0x10, 0x40, 0x10) > 1000);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            if (f.rgb[y][x][1] < 0x30)
                fail_msg("%d,%d is covered twice: %02x", x, y, f.rgb[y][x][1]);
}

static bool same_picture(const char *a, const char *b)
{
    static struct frame x, y;

    frame_at(&x, a, 0);
    frame_at(&y, b, 0);
    return !memcmp(&x, &y, sizeof x);
}

static void a_font_that_is_not_there_is_a_sans_and_none_other(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    give(job, green(job, "g.mp4", "0.1", X264), "0:00 --> 0:09\nHamburg\n");
#define FONT(name)                                                                                 \
    arena_strdup(                                                                                  \
        robot_arena(job),                                                                          \
        subtitle(job, "{\"subtitles_type\":\"burned\",\"font\":\"" name "\"," FAST "}")->path)
    const char *sans = FONT("Sans");
    assert_true(same_picture(sans, FONT("Impact")));
    assert_true(same_picture(sans, FONT("No Such Font, &H00,9")));
    assert_false(same_picture(sans, FONT("Arial")));
    assert_false(same_picture(FONT("Liberation Serif"), FONT("Liberation Serif Bold Italic")));
}

static void drawings_and_fonts_of_a_file_change_nothing(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(host_free) struct robot_job *hostile = host_new();
    static const char step[] = "{\"subtitles_type\":\"burned\",\"position\":\"top-left\"," FAST "}";

    give(job, green(job, "g.mp4", "0.1", X264), "0:00 --> 0:09\nm 0 0 l 90 0 90 90\n");
    give(hostile, green(hostile, "g.mp4", "0.1", X264),
         "0:00 --> 0:09\n{\\p1\\fs900\\fnDejaVu Serif\\pos(0,0)\\1c&H0000FF&\\t(\\fscx900)}m 0 0 l "
         "90 0 90 90{\\p0}\n");
    assert_false(same_picture(subtitle(job, step)->path,
                              subtitle(hostile, step)->path)); /* its colour is kept */
    AUTO(host_free) struct robot_job *again = host_new();
    give(again, host_path(hostile, "g.mp4"),
         "0:00 --> 0:09\n{\\p1\\fs900\\fnDejaVu Serif\\pos(0,0)\\t(\\fscx900)}m 0 0 l 90 0 90 "
         "90{\\p0}\n");
    assert_true(same_picture(host_output(job, 0)->path, subtitle(again, step)->path));
}

/* ---- streams ---- */

/* "h264 320x180, aac, mov_text deu 'English'"; the caller frees. */
static char *streams(const char *path)
{
    const struct media_limits limits = media_limits(NULL);
    struct err err = {0};
    AUTO(json_unref) json_t *all = av_describe(path, &limits, &err);
    struct str out = {0};
    json_t *s;
    size_t i;

    assert_non_null(all);
    json_array_foreach (json_object_get(all, "streams"), i, s) {
        const json_t *tags = json_object_get(s, "tags");
        const char *title = jstr(tags, "title") ? jstr(tags, "title") : jstr(tags, "handler_name");

        str_addf(&out, "%s%s", i ? ", " : "",
                 jstr_or(s, "codec_name", jstr_or(s, "codec_type", "?")));
        if (jint(s, "width", 0) && !strcmp(jstr_or(s, "codec_type", ""), "video"))
            str_addf(&out, " %dx%d", (int)jint(s, "width", 0), (int)jint(s, "height", 0));
        if (!strcmp(jstr_or(s, "codec_type", ""), "subtitle") &&
            strcmp(jstr_or(tags, "language", "und"), "und"))
            str_addf(&out, " %s '%s'", jstr(tags, "language"), title ? title : "");
    }
    return str_take(&out);
}

static void has_streams(const char *path, const char *expected)
{
    AUTO(mem_free) char *got = streams(path);

    assert_string_equal(got, expected);
}

static char *packets(const char *path)
{
    AUTO(mem_free)
    char *command = mem_printf("ffmpeg -v error -i %s -map 0:v -c copy -f md5 -", path);

    return said(command);
}

static void a_stream_is_added_and_the_film_stays_as_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *name, *how, *film, *codec, *language;
    } rows[] = {
        {"g.mp4", X264 " -c:a aac", "h264 320x180, aac", "mov_text", "deu"},
        {"g.mov", X264 " -c:a aac", "h264 320x180, aac", "mov_text",
         "ger"}, /* the older of two codes */
        {"g.mkv", X264 " -c:a flac", "h264 320x180, flac", "subrip", "deu"},
        {"g.webm", "-c:v libvpx -deadline realtime -c:a libvorbis", "vp8 320x180, vorbis", "webvtt",
         "deu"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        AUTO(mem_free) char *more = mem_printf("-f lavfi -i sine=d=1 %s", rows[i].how);
        const char *film = green(job, rows[i].name, "1", more);

        give(job, film, "1\n0:00.5 --> 0:00.75\n<i>Hello</i> & {\\p1}you\n");
        const struct host_output *o =
            subtitle(job, "{\"language\":\"DEU\",\"name\":\"Deutsch, mit \\\"Punkt\\\"\"}");
        AUTO(mem_free)
        char *expected = mem_printf("%s, %s %s 'Deutsch, mit \"Punkt\"'", rows[i].film,
                                    rows[i].codec, rows[i].language);
        AUTO(mem_free) char *before = packets(film), *after = packets(o->path);
        AUTO(mem_free)
        char *command = mem_printf("ffmpeg -v error -i %s -map 0:s:0 -f srt -", o->path);
        AUTO(mem_free) char *srt = said(command);

        assert_string_equal(o->name, rows[i].name);
        has_streams(o->path, expected);
        assert_string_equal(before, after);
        if (!strstr(srt, "00:00:00,500 --> 00:00:00,750\n<i>Hello</i> & you"))
            fail_msg("%s: %s", rows[i].name, srt);
    }
}

static void older_streams_go_unless_they_are_to_be_kept(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = green(job, "g.mkv", "1", "-c:v libx264 -preset ultrafast"),
               *old = text_file(job, "old.srt", "1\n00:00:00,000 --> 00:00:01,000\nold\n");
    AUTO(mem_free)
    char *args = mem_printf("-i %s -i %s -attach %s -metadata:s:2 mimetype=font/ttf -c copy", film,
                            old, old);

    give(job, clip(job, "both.mkv", args), "0:00 --> 0:01\nnew\n");
    has_streams(host_path(job, "both.mkv"), "h264 320x180, subrip, attachment");
    has_streams(subtitle(job, "{}")->path, "h264 320x180, subrip");
    has_streams(subtitle(job, "{\"keep_subtitles\":true}")->path, "h264 320x180, subrip, subrip");
    has_streams(subtitle(job, "{\"keep_subtitles\":true,\"preset\":\"iphone-low\"}")->path,
                "h264 480x320, mov_text, mov_text");
    has_streams(
        subtitle(job, "{\"keep_subtitles\":true,\"subtitles_type\":\"burned\"," FAST "}")->path,
        "h264 320x180, subrip");
}

static void width_height_preset_and_sound(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    give(job, green(job, "g.mp4", "0.5", "-f lavfi -i sine=d=0.5 -c:a libmp3lame " X264),
         "0:00 --> 0:01\nnew\n");
    has_streams(subtitle(job, "{\"subtitles_type\":\"burned\"}")->path, "h264 320x180, mp3");
    has_streams(subtitle(job, "{\"width\":101,\"height\":101}")->path,
                "h264 100x100, mp3, mov_text");
    has_streams(subtitle(job, "{\"preset\":\"webm_270p\",\"width\":160,\"height\":90}")->path,
                "vp8 160x90, vorbis, webvtt");
    has_streams(subtitle(job, "{\"ffmpeg\":{\"vf\":\"scale=64:64\",\"an\":true}}")->path,
                "h264 64x64, mov_text");
    assert_true(host_progress_steps(job) > 0);
    AUTO(host_free) struct robot_job *six = host_new();
    give(six,
         green(six, "g.mkv", "0.2",
               "-f lavfi -i \"aevalsrc=0|0|0|0|0|0:c=5.1(side):d=0.2\" -c:a ac3 " X264),
         "0:00 --> 0:01\nnew\n");
    has_streams(subtitle(six, "{\"preset\":\"vp9-270p\",\"width\":64,\"height\":36}")->path,
                "vp9 64x36, opus, webvtt");
}

static void what_does_not_go_together_is_refused_by_name(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(host_free) struct robot_job *two = host_new();
    AUTO(host_free) struct robot_job *avi = host_new();
    AUTO(host_free) struct robot_job *sound = host_new();
    AUTO(host_free) struct robot_job *list = host_new();
    AUTO(host_free) struct robot_job *bad = host_new();

    give(job, green(job, "g.mp4", "0.1", X264), "0:00 --> 0:01\nnew\n");
#define VALIDATION "VIDEO_SUBTITLE_VALIDATION"
    refused(job, "{\"ffmpeg\":{\"map\":\"0:a\"}}", VALIDATION, "'map'");
    refused(job, "{\"ffmpeg\":{\"filter_complex\":\"null\"}}", VALIDATION, "'filter_complex'");
    refused(job, "{\"ffmpeg\":{\"vf\":\"ass=/etc/passwd\"}}", VALIDATION, "'ass'");
    refused(job, "{\"ffmpeg\":{\"vn\":true}}", VALIDATION, "no pictures");
    refused(job, "{\"preset\":\"mp3\"}", VALIDATION, "no pictures");
    refused(job, "{\"ffmpeg\":{\"c:v\":\"copy\"},\"subtitles_type\":\"burned\"}", VALIDATION,
            "copied");
    refused(job, "{\"language\":\"english\"}", VALIDATION, "language");
    refused(job, "{\"name\":\"a\\nb\"}", VALIDATION, "name");
    refused(job, "{\"font_color\":\"red\"}", VALIDATION, "font_color");
    refused(job, "{\"outline_width\":11}", VALIDATION, "outline_width");
    host_add_input(two, text_file(two, "a.srt", "0:00 --> 0:01\nnew\n"));
    refused(two, "{}", VALIDATION, "there are 0 and 1");
    give(avi, green(avi, "g.avi", "0.1", X264), "0:00 --> 0:01\nnew\n");
    refused(avi, "{}", VALIDATION, "burned");
    give(sound, clip(sound, "s.mp4", "-f lavfi -i sine=d=1 -c:a aac"), "0:00 --> 0:01\nnew\n");
    refused(sound, "{}", "INVALID_INPUT_ERROR", "no pictures");
    give(list,
         text_file(list, "l.mp4", "#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
         "0:00 --> 0:01\nx\n");
    refused(list, "{}", "INTERNAL_COMMAND_ERROR", "");
    give(bad, host_path(job, "g.mp4"), "[Script Info]\nScriptType: v4.00+\n");
    refused(bad, "{}", "INVALID_INPUT_ERROR", "line 1");
}

static void inputs_without_labels_are_told_by_what_they_are(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    host_add_input(job, text_file(job, "a.vtt", "WEBVTT\n\n00:00.100 --> 00:00.500\nHello\n"));
    host_add_input(job, green(job, "g.mp4", "1", X264));
    const struct host_output *o = subtitle(job, "{}");
    has_streams(o->path, "h264 320x180, mov_text");
    assert_string_equal(o->name, "g.mp4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_stands_where_position_or_the_subtitle_says),
        cmocka_unit_test(a_text_is_there_from_its_first_frame_to_its_last),
        cmocka_unit_test(colours_borders_and_sizes_are_those_asked_for),
        cmocka_unit_test(a_box_is_one_box_whatever_is_in_it),
        cmocka_unit_test(a_font_that_is_not_there_is_a_sans_and_none_other),
        cmocka_unit_test(drawings_and_fonts_of_a_file_change_nothing),
        cmocka_unit_test(a_stream_is_added_and_the_film_stays_as_it_is),
        cmocka_unit_test(older_streams_go_unless_they_are_to_be_kept),
        cmocka_unit_test(width_height_preset_and_sound),
        cmocka_unit_test(what_does_not_go_together_is_refused_by_name),
        cmocka_unit_test(inputs_without_labels_are_told_by_what_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
