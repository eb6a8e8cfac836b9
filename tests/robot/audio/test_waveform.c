/* /audio/waveform: sounds whose peaks and frequencies are known in, pictures and numbers out. */
#include "../../unit/unit.h"
#include "clips.h"
#include "media/vips.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void waveform(struct robot_job *job, const char *path, const char *step)
{
    struct err err;

    if (host_run_on(job, "/audio/waveform", step, path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

static void refused(struct robot_job *job, const char *path, const char *step, const char *code)
{
    struct err err;

    if (host_run_on(job, "/audio/waveform", step, path, &err) == 0)
        fail_msg("%s is taken", step);
    if (strcmp(err_name(&err), code) != 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
}

static json_t *numbers(struct robot_job *job, int i)
{
    json_t *v = json_load_file(host_output(job, i)->path, 0, NULL);

    assert_non_null(v);
    assert_string_equal(host_output(job, i)->mime, "application/json");
    return v;
}

struct picture {
    int w, h, bands;
    uint8_t *p;
};

static void picture_free(struct picture *p) { free(p->p); }

static struct picture picture(struct robot_job *job, int i)
{
    const struct image_load how = {.limits = media_limits(NULL)};
    AUTO(image_free) struct image *img = NULL;
    struct picture out = {0};
    struct err err;

    if (image_open(&img, host_output(job, i)->path, &how, &err) < 0 ||
        image_render(img, &err) < 0 || image_pixels(&out.p, &out.bands, img, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(image_format(img), "png");
    out.w = (int)image_width(img);
    out.h = (int)image_height(img);
    return out;
}

static const uint8_t *at(const struct picture *p, int x, int y)
{
    return p->p + (size_t)(y * p->w + x) * (size_t)p->bands;
}

/* Pixels of a column that are not clear, and the first and the last of them. */
static int column(const struct picture *p, int x, int *top, int *bottom)
{
    int n = 0;

    assert_int_equal(p->bands, 4);
    *top = *bottom = -1;
    for (int y = 0; y < p->h; y++)
        if (at(p, x, y)[3]) {
            if (!n++)
                *top = y;
            *bottom = y;
        }
    return n;
}

/* Two channels of numbers that look like chance, 16 bits each, as a WAV of that rate. */
static const char *noise(struct robot_job *job, int16_t (*out)[2], int n, int rate)
{
    const char *raw = host_path(job, "noise.raw");
    AUTO(mem_free) char *args = mem_printf("-f s16le -ar %d -ac 2 -i %s", rate, raw);
    FILE *f = fopen(raw, "w");
    uint32_t dice = 1;

    for (int i = 0; i < n; i++)
        for (int c = 0; c < 2; c++) {
            dice = dice * 1664525 + 1013904223;
            out[i][c] = (int16_t)((int16_t)(dice >> 16) / (1 + i % 7));
        }
    fwrite(out, sizeof *out, (size_t)n, f);
    fclose(f);
    return clip(job, "noise.wav", args);
}

/* A tone that grows from nothing to full scale. */
static const char *growing(struct robot_job *job, const char *name, const char *more)
{
    AUTO(mem_free)
    char *args = mem_printf("-f lavfi -i \"aevalsrc=t/4*sin(2*PI*1000*t):s=44100:d=4\" %s", more);

    return clip(job, name, args);
}

/* ---- numbers ---- */

static void v0_tells_the_peak_of_each_stretch(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = growing(job, "grow.wav", "");

    waveform(job, path, "{\"format\": \"json\", \"width\": 40}");
    assert_int_equal(host_output_count(job), 1);
    assert_string_equal(host_output(job, 0)->name, "grow.json");
    AUTO(json_unref) json_t *v = numbers(job, 0);
    assert_int_equal(json_array_size(v), 40);
    for (size_t i = 0; i < 40; i++)
        assert_true(fabs(json_number_value(json_array_get(v, i)) - (double)(i + 1) / 40) < 0.003);
    waveform(job, growing(job, "grow.mp3", ""), "{\"format\": \"json\", \"width\": 40}");
    AUTO(json_unref) json_t *mp3 = numbers(job, 0);
    for (size_t i = 0; i < 40; i++)
        assert_true(fabs(json_number_value(json_array_get(mp3, i)) - 0.95 * (double)(i + 1) / 40) <
                    0.04);
}

static void v1_tells_the_lowest_and_highest_sample_of_each_point(void **state)
{
    (void)state;
    enum { N = 10000, ZOOM = 300 };
    static int16_t x[N][2];
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = noise(job, x, N, 8000);
    static const char *const steps[] = {
        "{\"format\": \"json\", \"style\": \"v1\", \"zoom\": 300, \"split_channels\": true}",
        "{\"format\": \"json\", \"style\": 1, \"zoom\": 300}",
        ("{\"format\": \"json\", \"style\": \"1\", \"zoom\": 300, \"split_channels\": true, "
         "\"bits\": 8}")};

    for (int s = 0; s < 3; s++) {
        waveform(job, path, steps[s]);
        assert_int_equal(host_output_count(job), s == 1 ? 1 : 2);
        for (int c = 0; c < host_output_count(job); c++) {
            AUTO(json_unref) json_t *v = numbers(job, c);
            json_t *data = json_object_get(v, "data");

            assert_int_equal(jint(v, "version", 0), 2);
            assert_int_equal(jint(v, "channels", 0), 1);
            assert_int_equal(jint(v, "sample_rate", 0), 8000);
            assert_int_equal(jint(v, "samples_per_pixel", 0), ZOOM);
            assert_int_equal(jint(v, "bits", 0), s == 2 ? 8 : 16);
            assert_int_equal(jint(v, "length", 0), (N + ZOOM - 1) / ZOOM);
            assert_int_equal(json_array_size(data), 2 * ((N + ZOOM - 1) / ZOOM));
            for (int i = 0; i < (N + ZOOM - 1) / ZOOM; i++) {
                double low = 1e9, high = -1e9;

                for (int k = i * ZOOM; k < (i + 1) * ZOOM && k < N; k++) {
                    double now = s == 1 ? (x[k][0] + x[k][1]) / 2.0 : x[k][c];
                    low = fmin(low, now);
                    high = fmax(high, now);
                }
                if (s == 2) {
                    low = trunc(low / 256);
                    high = trunc(high / 256);
                }
                if (fabs((double)json_integer_value(json_array_get(data, (size_t)(2 * i))) - low) >
                        (s == 1) ||
                    fabs((double)json_integer_value(json_array_get(data, (size_t)(2 * i + 1))) -
                         high) > (s == 1))
                    fail_msg("%s, point %d: not %g and %g", steps[s], i, low, high);
            }
        }
    }
}

static void points_may_be_asked_for_by_the_second_and_of_a_section(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = growing(job, "grow.wav", "");

    waveform(job, path,
             "{\"format\": \"json\", \"style\": \"v1\", \"pixels_per_second\": 10, \"start\": 1, "
             "\"end\": 3.05}");
    AUTO(json_unref) json_t *v = numbers(job, 0);
    json_t *data = json_object_get(v, "data");
    assert_int_equal(jint(v, "samples_per_pixel", 0), 4410);
    assert_int_equal(jint(v, "length", 0), 21);
    for (int i = 0; i < 20; i++) /* a tenth of a second each */
        assert_true(
            fabs((double)json_integer_value(json_array_get(data, (size_t)(2 * i + 1))) / 32768 -
                 (1.1 + 0.1 * i) / 4) < 0.003);
    waveform(job, path, "{\"format\": \"json\", \"style\": \"v1\"}");
    AUTO(json_unref) json_t *usual = numbers(job, 0);
    assert_int_equal(jint(usual, "samples_per_pixel", 0), 256);
    assert_int_equal(jint(usual, "length", 0), (4 * 44100 + 255) / 256);
}

/* ---- pictures ---- */

static void a_tone_that_grows_looks_like_one(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = growing(job, "grow.wav", "");

    waveform(job, path,
             "{\"width\": 200, \"height\": 100, \"center_color\": \"ff0000\", \"outer_color\": "
             "\"0000ff80\"}");
    assert_string_equal(host_output(job, 0)->name, "grow.png");
    assert_string_equal(host_output(job, 0)->mime, "image/png");
    assert_int_equal(jint(host_output(job, 0)->meta, "width", 0), 200);
    struct picture p = picture(job, 0);
    assert_true(p.w == 200 && p.h == 100);
    for (int x = 0; x < 200; x++) {
        int top, bottom, n = column(&p, x, &top, &bottom);

        if (abs(n - (x + 1) / 2) > 2 || abs(top + bottom - 99) > 1 || n != bottom - top + 1)
            fail_msg("column %d: %d pixels, %d to %d", x, n, top, bottom);
    }
    assert_true(at(&p, 199, 50)[0] > 250 && at(&p, 199, 50)[2] < 10 && at(&p, 199, 50)[3] > 250);
    assert_true(at(&p, 199, 1)[2] > 240 && abs(at(&p, 199, 1)[3] - 130) < 8);
    assert_int_equal(at(&p, 10, 5)[3], 0); /* nothing behind it */
    picture_free(&p);
}

static void silence_is_a_line_and_a_moment_is_a_picture(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    static const char *const lengths[] = {"3", "0.0005"};

    for (size_t i = 0; i < 2; i++) {
        AUTO(mem_free)
        char *args = mem_printf("-f lavfi -i anullsrc=r=8000:cl=mono -t %s", lengths[i]);
        const char *path = clip(job, "silence.wav", args);
        struct picture p;

        for (int v = 0; v < 2; v++) {
            waveform(job, path, v ? "{\"style\": \"v1\", \"no_axis_labels\": true}" : "{}");
            p = picture(job, 0);
            assert_true(p.w == 256 && p.h == 64);
            for (int x = 0; x < 256; x++) {
                int top, bottom;

                assert_int_equal(column(&p, x, &top, &bottom), 1);
                assert_true(top == 31 || top == 32);
            }
            picture_free(&p);
        }
    }
}

static void v1_draws_what_is_above_and_below_as_it_is(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    /* never below zero */
    const char *path =
        clip(job, "up.wav", "-f lavfi -i \"aevalsrc=0.5+0.25*sin(2*PI*1000*t):s=44100:d=2\"");
    int top, bottom;

    waveform(job, path,
             "{\"style\": \"v1\", \"width\": 100, \"height\": 80, \"no_axis_labels\": true}");
    struct picture p = picture(job, 0);
    column(&p, 50, &top, &bottom);
    assert_true(abs(top - 10) <= 1 && abs(bottom - 29) <= 1);
    picture_free(&p);
    waveform(job, path,
             "{\"style\": \"v1\", \"width\": 100, \"height\": 80, \"no_axis_labels\": true, "
             "\"amplitude_scale\": 0.5}");
    p = picture(job, 0);
    column(&p, 50, &top, &bottom);
    assert_true(abs(top - 25) <= 1 && abs(bottom - 34) <= 1);
    picture_free(&p);
    waveform(job, path, "{\"width\": 100, \"height\": 80}"); /* v0 mirrors */
    p = picture(job, 0);
    column(&p, 50, &top, &bottom);
    assert_true(abs(top - 10) <= 1 && abs(bottom - 69) <= 1);
    picture_free(&p);
}

static void zoom_says_how_much_is_shown(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = growing(job, "grow.wav", "");
    int top, bottom;

    /* 100 columns of 882 samples: two seconds of four */
    waveform(job, path,
             "{\"style\": \"v1\", \"zoom\": 882, \"width\": 100, \"height\": 100, "
             "\"no_axis_labels\": true}");
    struct picture p = picture(job, 0);
    assert_true(abs(column(&p, 99, &top, &bottom) - 50) <= 2);
    picture_free(&p);
    /* the sound ends in the middle */
    waveform(job, path,
             "{\"style\": \"v1\", \"pixels_per_second\": 12.5, \"width\": 100, \"height\": 100, "
             "\"no_axis_labels\": true}");
    p = picture(job, 0);
    assert_true(abs(column(&p, 49, &top, &bottom) - 99) <= 2);
    assert_int_equal(column(&p, 52, &top, &bottom), 0);
    picture_free(&p);
    waveform(job, path,
             "{\"style\": \"v1\", \"start\": 2, \"end\": 3, \"width\": 100, \"height\": 100, "
             "\"no_axis_labels\": true}");
    p = picture(job, 0);
    assert_true(abs(column(&p, 1, &top, &bottom) - 50) <= 2);
    assert_true(abs(column(&p, 98, &top, &bottom) - 75) <= 2);
    picture_free(&p);
}

static void bars_have_gaps_and_round_ends(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path =
        clip(job, "loud.wav", "-f lavfi -i \"aevalsrc=0.8*sin(2*PI*1000*t):s=44100:d=2\"");
    int top, bottom;

    waveform(
        job, path,
        "{\"style\": \"v1\", \"waveform_style\": \"bars\", \"bar_width\": 20, \"bar_gap\": 10, "
        "\"no_axis_labels\": true, \"width\": 90, \"height\": 100}");
    struct picture p = picture(job, 0);
    for (int x = 0; x < 90; x++)
        assert_int_equal(column(&p, x, &top, &bottom) > 0, x % 30 < 20);
    int square = column(&p, 30, &top, &bottom);
    assert_true(abs(square - 80) <= 2);
    picture_free(&p);
    waveform(
        job, path,
        "{\"style\": \"v1\", \"waveform_style\": \"bars\", \"bar_width\": 20, \"bar_gap\": 10, "
        "\"bar_style\": \"rounded\", \"antialiasing\": 1, "
        "\"no_axis_labels\": true, \"width\": 90, \"height\": 100}");
    p = picture(job, 0);
    assert_true(column(&p, 30, &top, &bottom) < square - 2);
    assert_true(abs(column(&p, 40, &top, &bottom) - square) <= 2);
    picture_free(&p);
}

static void smooth_edges_have_shades(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = growing(job, "grow.wav", "");

    for (int smooth = 0; smooth < 2; smooth++) {
        int shades = 0;

        waveform(job, path, smooth ? "{\"antialiasing\": true}" : "{\"antialiasing\": 0}");
        struct picture p = picture(job, 0);
        for (int i = 0; i < p.w * p.h; i++)
            shades += p.p[4 * i + 3] > 0 && p.p[4 * i + 3] < 255;
        assert_int_equal(shades > 100, smooth);
        assert_int_equal(shades == 0, !smooth);
        picture_free(&p);
    }
}

static void labels_frame_and_schemes_have_their_colours(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = growing(job, "grow.wav", "");
    struct picture p;

    waveform(job, path,
             "{\"style\": \"v1\", \"border_color\": \"ff0000\", \"axis_label_color\": \"00ff00\", "
             "\"width\": 300, \"height\": 80}");
    p = picture(job, 0);
    int green = 0;
    for (int y = 66; y < 79; y++)
        for (int x = 1; x < 299; x++)
            green += at(&p, x, y)[3] && at(&p, x, y)[1] > at(&p, x, y)[0] + 100;
    assert_true(green > 20); /* numbers */
    assert_true(at(&p, 150, 0)[0] == 255 && at(&p, 0, 40)[0] == 255 && at(&p, 299, 79)[0] == 255);
    picture_free(&p);
    waveform(job, path,
             "{\"style\": \"v1\", \"colors\": \"audition\", \"with_axis_labels\": false, "
             "\"width\": 300, \"height\": 80}");
    p = picture(job, 0);
    assert_true(at(&p, 5, 5)[0] == 0 && at(&p, 5, 5)[1] == 63 && at(&p, 5, 5)[2] == 34);
    assert_true(at(&p, 290, 40)[0] == 134 && at(&p, 290, 40)[1] == 252);
    picture_free(&p);
    waveform(job, path,
             "{\"style\": \"v1\", \"colors\": \"audacity\", \"background_color\": \"ffffffff\", "
             "\"no_axis_labels\": true}");
    p = picture(job, 0);
    assert_true(at(&p, 5, 5)[0] == 255 && at(&p, 250, 32)[2] == 155); /* what is given stays */
    picture_free(&p);
    waveform(job, path, "{\"style\": \"v1\", \"compression\": 0}");
    int64_t plain = host_output(job, 0)->size;
    waveform(job, path, "{\"style\": \"v1\", \"compression\": 9}");
    assert_true(host_output(job, 0)->size * 4 < plain);
}

static void each_channel_has_its_picture(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(
        job, "two.wav",
        "-f lavfi -i \"aevalsrc=0.9*sin(2*PI*1000*t)|0.3*sin(2*PI*1000*t)|0:s=44100:d=1\" -ac 3");
    static const int want[] = {90, 30, 1};
    int top, bottom;

    waveform(
        job, path,
        "{\"style\": \"v1\", \"split_channels\": true, \"height\": 100, \"no_axis_labels\": true}");
    assert_int_equal(host_output_count(job), 3);
    for (int c = 0; c < 3; c++) {
        struct picture p = picture(job, c);

        if (abs(column(&p, 100, &top, &bottom) - want[c]) > 2)
            fail_msg("channel %d: %d", c, column(&p, 100, &top, &bottom));
        picture_free(&p);
    }
    /* channels that cancel each other out are silent in their mean, and are not in v0 */
    path = clip(job, "anti.wav",
                "-f lavfi -i \"aevalsrc=0.5*sin(2*PI*1000*t)|-0.5*sin(2*PI*1000*t):s=44100:d=1\"");
    waveform(job, path, "{\"style\": \"v1\", \"height\": 100, \"no_axis_labels\": true}");
    struct picture p = picture(job, 0);
    assert_int_equal(column(&p, 100, &top, &bottom), 1);
    picture_free(&p);
    waveform(job, path, "{\"height\": 100}");
    p = picture(job, 0);
    assert_true(abs(column(&p, 100, &top, &bottom) - 50) <= 2);
    picture_free(&p);
}

/* ---- spectrogram ---- */

static double light(const uint8_t *p) { return 0.3 * p[0] + 0.6 * p[1] + 0.1 * p[2]; }

/* The brightest row (or column) of a line through the middle of the picture. */
static int brightest(const struct picture *p, bool vertical, int where)
{
    int best = 0, n = vertical ? p->h : p->w;

    for (int i = 1; i < n; i++)
        if (light(vertical ? at(p, where, i) : at(p, i, where)) >
            light(vertical ? at(p, where, best) : at(p, best, where)))
            best = i;
    return best;
}

static void a_note_is_a_line_at_its_frequency(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    /* 1000 Hz, and after a second 4000 Hz */
    const char *path =
        clip(job, "notes.wav",
             "-f lavfi -i \"aevalsrc=0.5*sin(2*PI*(1000+3000*gte(t\\,1))*t):s=44100:d=2\"");
    struct picture p;

    waveform(job, path,
             "{\"style\": \"spectrogram\", \"frequency_scale\": \"linear\", \"width\": 200, "
             "\"height\": 220}");
    p = picture(job, 0);
    assert_true(p.w == 200 && p.h == 220);
    assert_true(abs(brightest(&p, true, 50) - (219 - 10)) <= 1); /* 100.2 Hz a row */
    assert_true(abs(brightest(&p, true, 150) - (219 - 39)) <= 1);
    picture_free(&p);
    waveform(job, path,
             "{\"style\": \"spectrogram\", \"width\": 200, \"height\": 200, \"frequency_min\": "
             "100, \"frequency_max\": 10000}");
    p = picture(job, 0); /* 100 rows a decade */
    assert_true(abs(brightest(&p, true, 50) - 99) <= 1);
    assert_true(abs(brightest(&p, true, 150) - (199 - 160)) <= 1);
    picture_free(&p);
    waveform(job, path,
             "{\"style\": \"spectrogram\", \"orientation\": \"vertical\", \"width\": 200, "
             "\"height\": 100, \"frequency_min\": 100, \"frequency_max\": 10000}");
    p = picture(job, 0); /* time goes down, low notes are at the left */
    assert_true(abs(brightest(&p, false, 25) - 100) <= 1);
    assert_true(abs(brightest(&p, false, 75) - 160) <= 1);
    picture_free(&p);
}

static void maps_gain_and_legend_change_the_picture(void **state)
{
    (void)state;
    static const char *const maps[] = {"viridis", "plasma",   "magma",   "cividis", "cool",
                                       "rainbow", "moreland", "nebulae", "fire",    "fiery",
                                       "fruit",   "green",    "terrain", "gray"};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path =
        clip(job, "note.wav", "-f lavfi -i \"aevalsrc=0.9*sin(2*PI*5000*t):s=44100:d=1\"");
    double mean[ARRAY_LEN(maps)], quiet, loud;
    struct seen s;

    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        AUTO(mem_free)
        char *step = mem_printf("{\"style\": \"spectrogram\", \"color_map\": \"%s\"}", maps[i]);

        waveform(job, path, step);
        clip_see(&s, host_output(job, 0)->path);
        mean[i] = s.mean[0] + 3 * s.mean[1] + 7 * s.mean[2];
        for (size_t k = 0; k < i; k++)
            if (fabs(mean[i] - mean[k]) < 0.01)
                fail_msg("%s is as %s", maps[i], maps[k]);
    }
    waveform(job, path, "{\"style\": \"spectrogram\", \"color_map\": \"gray\", \"gain\": 0}");
    clip_see(&s, host_output(job, 0)->path);
    assert_true(s.mean[0] == 0);
    waveform(job, path, "{\"style\": \"spectrogram\", \"color_map\": \"gray\", \"gain\": 0.01}");
    clip_see(&s, host_output(job, 0)->path);
    quiet = s.mean[0];
    waveform(job, path, "{\"style\": \"spectrogram\", \"color_map\": \"gray\", \"gain\": 100}");
    clip_see(&s, host_output(job, 0)->path);
    loud = s.mean[0];
    assert_true(loud > quiet + 10);
    waveform(job, path,
             "{\"style\": \"spectrogram\", \"legend\": true, \"width\": 300, \"height\": 200, "
             "\"background_color\": \"ffffff\"}");
    struct picture p = picture(job, 0);
    assert_true(p.w == 300 && p.h == 200);
    assert_int_equal(at(&p, 2, 2)[0], 255);
    picture_free(&p);
}

/* A file whose header says one second and that has twenty, and the other way round. */
static void a_wrong_length_in_the_header_does_no_harm(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path =
        clip(job, "long.mp3",
             "-f lavfi -i \"aevalsrc=t/20*sin(2*PI*1000*t):s=44100:d=20\" -b:a 32k -write_xing 0");
    const char *head = clip(job, "head.mp3",
                            "-f lavfi -i \"aevalsrc=0:s=44100:d=1\" -b:a 320k -write_xing 0"),
               *both = host_path(job, "both.mp3");
    AUTO(mem_free) char *join = mem_printf("cat %s %s >%s", head, path, both);
    struct picture p;

    assert_int_equal(system(join), 0); /* its length is reckoned by the bit rate of its begin */
    waveform(job, both, "{\"format\": \"json\", \"width\": 21}");
    AUTO(json_unref) json_t *v = numbers(job, 0);
    assert_true(json_number_value(json_array_get(v, 0)) < 0.02);
    for (size_t i = 2; i < 21; i++)
        assert_true(fabs(json_number_value(json_array_get(v, i)) - 0.95 * (double)i / 20) < 0.06);
    waveform(job, both,
             "{\"style\": \"spectrogram\", \"width\": 210, \"height\": 100, \"frequency_min\": "
             "100, \"frequency_max\": 10000}");
    p = picture(job, 0);
    assert_true(light(at(&p, 4, 49)) < light(at(&p, 200, 49)) - 30);
    for (int x = 30; x < 200; x += 10)
        assert_true(abs(brightest(&p, true, x) - 49) <= 1);
    picture_free(&p);
}

/* ---- options of ffmpeg ---- */

static void options_of_ffmpeg_change_the_sound_before_it_is_looked_at(void **state)
{
    (void)state;
    static const struct {
        const char *ffmpeg;
        double first, last;
    } rows[] = {
        {"{\"af\": \"volume=0.5\"}", 0.0125, 0.5},
        {"{\"filter\": {\"a\": \"volume=0.5\"}}", 0.0125, 0.5},
        {"{\"ss\": 1, \"t\": 2}", 0.2625, 0.75},
        {"{\"ss\": \"00:00:02\", \"to\": \"3.0\"}", 0.5063, 0.75},
        {"{\"ac\": 1, \"ar\": 8000, \"b:a\": \"64k\"}", 0.025, 1},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = growing(job, "grow.wav", "");

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free)
        char *step =
            mem_printf("{\"format\": \"json\", \"width\": 40, \"ffmpeg\": %s}", rows[i].ffmpeg);

        waveform(job, path, step);
        AUTO(json_unref) json_t *v = numbers(job, 0);
        if (fabs(json_number_value(json_array_get(v, 0)) - rows[i].first) > 0.02 ||
            fabs(json_number_value(json_array_get(v, 39)) - rows[i].last) > 0.02)
            fail_msg("%s: %g to %g", rows[i].ffmpeg, json_number_value(json_array_get(v, 0)),
                     json_number_value(json_array_get(v, 39)));
    }
}

/* ---- refusals ---- */

static void what_can_not_be_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const steps[] = {
        "{\"style\": \"v1\", \"zoom\": 10, \"pixels_per_second\": 3}",
        "{\"style\": \"v1\", \"start\": 5, \"end\": 2}",
        "{\"no_axis_labels\": true, \"with_axis_labels\": true}",
        "{\"style\": \"spectrogram\", \"format\": \"json\"}",
        "{\"style\": \"spectrogram\", \"frequency_min\": 5000, \"frequency_max\": 500}",
        "{\"style\": \"spectrogram\", \"legend\": true, \"width\": 30}",
        "{\"antialiasing\": 2}",
        "{\"antialiasing\": {}}",
        "{\"with_axis_labels\": [true]}",
        "{\"background_color\": \"red\"}",
        "{\"width\": 0}",
        "{\"width\": 30000}",
        "{\"pixels_per_second\": 0}",
        "{\"amplitude_scale\": 0}",
        "{\"gain\": 129}",
        "{\"bits\": 24}",
        "{\"ffmpeg\": {\"map\": \"0:1\"}}",
        "{\"ffmpeg\": {\"f\": \"wav\"}}",
        "{\"ffmpeg\": {\"ac\": 99}}",
        "{\"ffmpeg\": {\"af\": \"amovie=/etc/passwd\"}}",
        "{\"ffmpeg\": {\"ss\": \"0:a=b\"}}",
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.wav", "-f lavfi -i sine=d=1");

    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        refused(job, path, steps[i], "AUDIO_WAVEFORM_VALIDATION");
}

static void a_file_can_not_ask_for_more_than_there_is(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.wav", "-f lavfi -i sine=r=48000:d=1"),
               *mute = clip(job, "mute.mp4", "-f lavfi -i testsrc=s=64x64:d=1 -pix_fmt yuv420p"),
               *film =
                   clip(job, "film.mp4",
                        "-f lavfi -i testsrc=s=64x64:d=1 -f lavfi -i sine=d=1 -pix_fmt yuv420p");
    const char *wild = clip(
        job, "wild.wav",
        "-f lavfi -i \"aevalsrc=if(gt(mod(n\\,3)\\,1)\\,0/0\\,1e30):s=8000:d=1\" -c:a pcm_f32le");
    int top, bottom;

    refused(job, mute, "{}", "INTERNAL_COMMAND_ERROR");
    waveform(job, film, "{}");
    assert_int_equal(host_output_count(job), 1);
    refused(job, path, "{\"style\": \"spectrogram\", \"frequency_min\": 100000}",
            "INTERNAL_COMMAND_ERROR");
    refused(job, path, "{\"ffmpeg\": {\"af\": \"volume=nonsense\"}}", "USER_COMMAND_ERROR");
    /* what is no number, and what is beyond all measure */
    waveform(job, wild, "{\"height\": 100}");
    struct picture p = picture(job, 0);
    assert_true(column(&p, 100, &top, &bottom) >= 99);
    picture_free(&p);
    waveform(job, wild, "{\"format\": \"json\", \"style\": \"v1\", \"zoom\": 100}");
    AUTO(json_unref) json_t *v = numbers(job, 0);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(v, "data"), 1)), 32767);
    waveform(job, wild, "{\"style\": \"spectrogram\"}");
    json_object_set_new(host_settings(job), "max_pixels", json_integer(10000));
    refused(job, path, "{\"width\": 200, \"height\": 100}", "INTERNAL_COMMAND_ERROR");
    waveform(job, path, "{\"width\": 200, \"height\": 50}");
}

/* ---- speed ---- */

static double own_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void it_costs_little_more_than_the_decoding(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *piece =
        clip(job, "piece.mp3",
             "-f lavfi -i \"aevalsrc=0.3*random(0)|0.5*sin(2*PI*440*t):s=44100:d=20\" -b:a 128k");
    AUTO(mem_free) char *more = mem_printf("-stream_loop 14 -i %s -c copy", piece);
    const char *path = clip(job, "five.mp3", more);
    AUTO(mem_free) char *decode = mem_printf("-threads 1 -i %s -f null -", path);
    double ours = 1e9, theirs = 1e9;

    for (int i = 0; i < 3; i++) {
        double begin = own_cpu();

        waveform(job, path, "{}");
        ours = fmin(ours, own_cpu() - begin);
        theirs = fmin(theirs, clip_cpu(decode));
    }
    printf("five minutes of MP3: %.0f ms of processor time, ffmpeg's decoding %.0f ms\n",
           ours * 1000, theirs * 1000);
#ifndef __SANITIZE_ADDRESS__
    if (ours > 1.2 * theirs)
        fail_msg("%.0f ms, decoding alone takes ffmpeg %.0f ms", ours * 1000, theirs * 1000);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(v0_tells_the_peak_of_each_stretch),
        cmocka_unit_test(v1_tells_the_lowest_and_highest_sample_of_each_point),
        cmocka_unit_test(points_may_be_asked_for_by_the_second_and_of_a_section),
        cmocka_unit_test(a_tone_that_grows_looks_like_one),
        cmocka_unit_test(silence_is_a_line_and_a_moment_is_a_picture),
        cmocka_unit_test(v1_draws_what_is_above_and_below_as_it_is),
        cmocka_unit_test(zoom_says_how_much_is_shown),
        cmocka_unit_test(bars_have_gaps_and_round_ends),
        cmocka_unit_test(smooth_edges_have_shades),
        cmocka_unit_test(labels_frame_and_schemes_have_their_colours),
        cmocka_unit_test(each_channel_has_its_picture),
        cmocka_unit_test(a_note_is_a_line_at_its_frequency),
        cmocka_unit_test(maps_gain_and_legend_change_the_picture),
        cmocka_unit_test(a_wrong_length_in_the_header_does_no_harm),
        cmocka_unit_test(options_of_ffmpeg_change_the_sound_before_it_is_looked_at),
        cmocka_unit_test(what_can_not_be_is_refused_by_name),
        cmocka_unit_test(a_file_can_not_ask_for_more_than_there_is),
        cmocka_unit_test(it_costs_little_more_than_the_decoding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
