/* /video/concat: films whose frames show their numbers, and whose flashes come with beeps, in; what
 * came out is decoded. */
#include "../../unit/unit.h"
#include "film.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define X264 "-c:v libx264 -preset ultrafast -crf 10 -pix_fmt yuv420p -c:a aac "
#define QUICK "\"ffmpeg\": {\"preset\": \"ultrafast\", \"crf\": 16, \"c:v\": \"libx264\"}"
#define CUT "\"video_fade_seconds\": 0, \"audio_fade_seconds\": 0, "

static const char *numbered(struct robot_job *job, const char *name, const char *rate, int first,
                            int frames)
{
    return clip(job, name, film_numbered("64x48", rate, first, frames, X264));
}

static const char *flashing(struct robot_job *job, const char *name, const char *size,
                            const char *rate, double s, const char *more)
{
    return clip(job, name, film_flashing(size, rate, s, more));
}

static struct film *joined(struct robot_job *job, const char *step)
{
    struct err err = {0};

    if (host_run(job, "/video/concat", step, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return film_see(host_output(job, 0)->path);
}

static void refused(struct robot_job *job, const char *step, const char *code, const char *words)
{
    struct err err = {0};

    if (host_run(job, "/video/concat", step, &err) == 0)
        fail_msg("%s is taken", step);
    if (strcmp(err_name(&err), code) != 0 || !strstr(err.msg, words))
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

/* Each beep with its flash, which comes first in the picture that is shown then. */
static void in_step(const struct film *f, int events)
{
    if (f->flashes != events || f->beeps != events)
        fail_msg("%d flashes and %d beeps, not %d", f->flashes, f->beeps, events);
    for (int i = 0; i < events; i++)
        if (fabs(f->flash[i] - f->beep[i]) > 0.040)
            fail_msg("event %d: flash at %.4f, beep at %.4f", i, f->flash[i], f->beep[i]);
}

static void every_frame_is_there_once_and_in_its_order(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    int lengths[] = {40, 1, 33, 60}, sum = 0;
    double rate = 30000 / 1001.0;

    for (size_t i = 0; i < ARRAY_LEN(lengths); sum += lengths[i++]) {
        char name[20];

        snprintf(name, sizeof name, "%zu.%s", i, i == 2 ? "mkv" : "mp4");
        host_add_input(job, numbered(job, name, "30000/1001", sum, lengths[i]));
    }
    AUTO(film_free) struct film *f = joined(job, "{" CUT QUICK "}");

    assert_int_equal(f->frames, sum);
    for (int i = 0; i < sum; i++)
        if (f->number[i] != i || fabs(f->at[i] - i / rate) > 0.001)
            fail_msg("frame %d shows %d at %.4f", i, f->number[i], f->at[i]);
    assert_true(fabs(f->sound_s - sum / rate) < 0.04);
}

static void sound_stays_with_its_picture_whatever_the_films_are_like(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    host_add_input(job, flashing(job, "a.mp4", "160x90", "25", 2.4, X264));
    host_add_input(job, flashing(job, "b.mkv", "90x160", "30000/1001", 2.4,
                                 "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a libopus"));
    host_add_input(job, flashing(job, "c.avi", "320x240", "10", 1.6,
                                 "-c:v mjpeg -c:a pcm_s16le -ar 22050 -ac 1"));
    host_add_input(job, flashing(job, "d.ts", "160x120", "50", 2.4, X264 "-bf 3 -ac 6"));
    host_add_input(job, flashing(job, "e.webm", "64x64", "60", 1.6,
                                 "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libvorbis"));
    AUTO(film_free) struct film *f = joined(job, "{" CUT QUICK "}");
    static const double at[] = {1, 2, 3.4, 4.4, 5.8, 7.4, 8.4, 9.8};

    in_step(f, 8);
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        if (fabs(f->flash[i] - at[i]) > 0.041)
            fail_msg("flash %zu at %.4f, not at %.4f", i, f->flash[i], at[i]);
    assert_int_equal(f->w, 160);
    assert_int_equal(f->h, 90);
    assert_true(fabs(f->frames / 25.0 - 10.4) < 0.041);
    assert_string_equal(host_output(job, 0)->name, "a.mp4");
}

static void films_without_sound_are_silent_and_none_has_a_silent_track(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new(), *mute = host_new();

    host_add_input(job, flashing(job, "mute.mp4", "64x48", "25", 1.2, X264 "-an"));
    host_add_input(job, flashing(job, "surround.mp4", "64x48", "25", 1.2, X264 "-ac 6"));
    host_add_input(job, flashing(job, "silent.mp4", "64x48", "25", 0.4, X264 "-an"));
    AUTO(film_free) struct film *f = joined(job, "{" CUT QUICK "}");

    assert_int_equal(f->flashes, 2);
    assert_int_equal(f->beeps, 1);
    assert_true(fabs(f->beep[0] - f->flash[1]) <= 0.040);
    assert_true(film_loudness(f, 0, 2.1) < 0.001);
    assert_true(fabs(f->sound_s - 2.8) < 0.04);
    assert_int_equal(jint(host_output(job, 0)->meta, "audio_channels", 0), 6);

    host_add_input(mute, flashing(mute, "mute.mp4", "64x48", "25", 0.4, X264 "-an"));
    host_add_input(mute, host_path(mute, "mute.mp4"));
    AUTO(film_free) struct film *g = joined(mute, "{" CUT QUICK "}");

    assert_int_equal(g->frames, 20);
    assert_true(g->sound_s == 0);
}

/* A film that says "turn me" comes upright, once; pixels that are no squares become squares. */
static void turned_films_and_wide_pixels_are_put_right_once(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *flat =
        clip(job, "flat.mp4",
             "-f lavfi -i color=red:s=80x40:r=25:d=0.4 -f lavfi -i color=blue:s=80x40:r=25:d=0.4 "
             "-filter_complex hstack " X264);
    AUTO(mem_free) char *tag = mem_printf("-i %s -c copy -metadata:s:v rotate=90", flat);
    host_add_input(job, clip(job, "turned.mp4", tag)); /* 40 x 160 as it is seen */
    host_add_input(
        job, clip(job, "wide.mp4",
                  "-f lavfi -i color=white:s=45x36:r=25:d=0.4,setsar=2/1 " X264)); /* 90 x 36 */
    AUTO(film_free) struct film *f = joined(job, "{" CUT QUICK "}");
    struct seen first, last;

    assert_int_equal(f->w, 40);
    assert_int_equal(f->h, 160);
    assert_int_equal(jint(host_output(job, 0)->meta, "rotation", 0), 0);
    AUTO(mem_free)
    char *a = mem_printf("-i %s -frames:v 1", host_output(job, 0)->path),
         *b = mem_printf("-ss 0.6 -i %s -frames:v 1", host_output(job, 0)->path);
    clip_see(&first, clip(job, "first.png", a));
    clip_see(&last, clip(job, "last.png", b));
    assert_true(first.at[1][2] > 200 && first.at[1][0] < 60 &&
                first.at[7][0] > 200); /* blue above red */
    /* 40 wide, so 16 high, with black above and below it. */
    assert_true(last.at[4][0] > 200 && last.at[1][0] < 40 && fabs(last.mean[0] - 255 * 0.1) < 8);
}

/* A box's whole picture in the colours that somebody sees. */
static void seen_at(struct seen *out, struct robot_job *job, const char *second)
{
    AUTO(mem_free) char *name = mem_printf("at%s.png", second);
    AUTO(mem_free)
    char *args = mem_printf("-ss %s -i %s -frames:v 1", second, host_output(job, 0)->path);

    clip_see(out, clip(job, name, args));
}

/* A film says by which matrix its numbers are colours, once for all of its frames. */
static void colours_stay_whatever_matrix_each_film_has(void **state)
{
    (void)state;
    static const char *const said[] = {"bt709", "smpte170m", "bt2020nc", NULL};
    static const double green[] = {40, 200, 60};

    for (int first = 0; first < 4; first += 3) {
        AUTO(host_free) struct robot_job *job = host_new();

        for (int i = 0; i < 4; i++) {
            const char *m = said[(first + i) % 4], *scale = !m                       ? "bt601"
                                                            : strstr(m, "bt2020") ? "bt2020"
                                                                                  : m;
            AUTO(mem_free) char *name = mem_printf("%d.mp4", i);
            AUTO(mem_free) char *tag = m ? mem_printf("-colorspace %s", m) : mem_printf("-an");
            AUTO(mem_free)
            char *args = mem_printf("-f lavfi -i color=0x28c83c:s=64x48:r=25:d=0.2 -vf "
                                    "scale=out_color_matrix=%s,format=yuv420p %s %s",
                                    scale, X264, tag);
            host_add_input(job, clip(job, name, args));
        }
        AUTO(film_free) struct film *f = joined(job, "{" CUT QUICK "}");
        assert_int_equal(f->frames, 20);
        for (int i = 0; i < 4; i++) {
            AUTO(mem_free) char *at = mem_printf("%g", 0.2 * i + 0.08);
            struct seen is;

            seen_at(&is, job, at);
            for (int c = 0; c < 3; c++)
                if (fabs(is.mean[c] - green[c]) > 10)
                    fail_msg("%s after %s: %.0f %.0f %.0f", said[(first + i) % 4], said[first],
                             is.mean[0], is.mean[1], is.mean[2]);
        }
    }
}

/* ---- joints ---- */

static void white(struct robot_job *job, const char *name, double seconds)
{
    AUTO(mem_free)
    char *args =
        mem_printf("-f lavfi -i color=white:s=64x48:r=25:d=%g -f lavfi -i sine=440:d=%g:r=48000 %s",
                   seconds, seconds, X264);

    host_add_input(job, clip(job, name, args));
}

static int darkest(const struct film *f, double from, double to)
{
    int least = 255;

    for (int i = 0; i < f->frames; i++)
        if (f->at[i] >= from - 0.001 && f->at[i] < to - 0.001 && f->light[i] < least)
            least = f->light[i];
    return least;
}

static void pictures_and_sound_fade_at_joints_and_nowhere_else(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    white(job, "a.mp4", 2);
    white(job, "b.mp4", 2);
    AUTO(film_free) struct film *f = joined(job, "{\"video_fade_seconds\": 0.4, " QUICK "}");

    assert_int_equal(f->frames, 100);
    assert_true(darkest(f, 0, 1.6) > 220 && darkest(f, 1.6, 2.4) < 20 && darkest(f, 2.4, 4) > 220);
    double full = film_loudness(f, 0.2, 0.8); /* the sound fades for a whole second */
    assert_true(fabs(film_loudness(f, 3.3, 3.8) - full) < full * 0.05);
    assert_true(film_loudness(f, 1.45, 1.55) < full * 0.6 &&
                film_loudness(f, 1.45, 1.55) > full * 0.3);
    assert_true(film_loudness(f, 1.97, 2.03) < full * 0.1);
}

static void a_crossfade_makes_it_shorter_and_a_fade_to_black_does_not(void **state)
{
    (void)state;
    static const struct {
        const char *step;
        int frames, dark; /* luminance at the joint at most; 255: nowhere is it dark */
    } rows[] = {
        {"{\"transition\": \"crossfade\", \"transition_duration\": 0.4, " QUICK "}",
         50 + 50 + 20 - 10 - 10, 255},
        /* at most half of the shorter one: 10 frames of 20, 25 of 50 */
        {"{\"transition\": \"crossfade\", \"transition_duration\": 9, " QUICK "}",
         50 + 50 + 20 - 25 - 10, 255},
        {"{\"transition\": \"fade_to_black\", \"transition_duration\": 0.4, " QUICK "}", 120, 60},
        {"{\"transition\": \"fade_to_black\", \"transition_duration\": 9, " QUICK "}", 120, 60},
    };
    AUTO(host_free) struct robot_job *job = host_new();

    white(job, "a.mp4", 2);
    white(job, "b.mp4", 2);
    white(job, "c.mp4", 0.8);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(film_free) struct film *f = joined(job, rows[i].step);

        if (f->frames != rows[i].frames || fabs(f->sound_s - f->frames / 25.0) > 0.04)
            fail_msg("%s: %d frames, %g s of sound", rows[i].step, f->frames, f->sound_s);
        if (rows[i].dark < 255 ? darkest(f, 1.9, 2.1) > rows[i].dark : darkest(f, 0, 9) < 220)
            fail_msg("%s: %d at the joint", rows[i].step, darkest(f, 0, 9));
    }
}

/* A flash in each film, and the transitions between them: what is seen and heard has moved
 * together. */
static void sound_stays_with_its_picture_through_transitions(void **state)
{
    (void)state;
    static const char *const steps[] = {
        "{\"transition\": \"crossfade\", \"transition_duration\": 0.5, " QUICK "}",
        "{\"transition\": \"fade_to_black\", \"transition_duration\": 0.5, " QUICK "}"};

    AUTO(host_free) struct robot_job *job = host_new();

    for (int n = 0; n < 3; n++) {
        char name[20];

        snprintf(name, sizeof name, "%d.mp4", n);
        host_add_input(job, flashing(job, name, "64x48", n % 2 ? "30" : "25", 1.7, X264));
    }
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        AUTO(film_free) struct film *f = joined(job, steps[i]);

        in_step(f, 3);
        for (int n = 0; n < 3; n++) /* 1.7 s are 42.5 frames, counted as 43 or 42; 0.5 s are 12.5 */
            if (fabs(f->flash[n] - (1 + n * (i ? 1.7 : 1.2))) > 0.041 + n * 0.041)
                fail_msg("flash %d at %.4f", n, f->flash[n]);
    }
}

/* ---- chapters and names ---- */

static json_t *chapters(const char *path)
{
    AUTO(mem_free)
    char *command = mem_printf("ffprobe -v error -show_chapters -of json '%s'", path);
    FILE *p = popen(command, "r");
    json_t *all = json_loadf(p, 0, NULL), *list = json_incref(json_object_get(all, "chapters"));

    json_decref(all);
    pclose(p);
    return list;
}

static void chapters_are_called_by_the_films_names_whatever_is_in_them(void **state)
{
    (void)state;
    static const char *const names[] = {"it's \"one\"", "a=b;c#d\\e",
                                        "[CHAPTER]\ntitle=no\nSTART=0"};
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char file[20];

        snprintf(file, sizeof file, "%zu.mp4", i);
        white(job, file, 0.8);
        host_input(job)->basename = names[i];
    }
    AUTO(film_free)
    struct film *f = joined(job, "{\"chapter_markers\": true, \"transition\": \"crossfade\", "
                                 "\"transition_duration\": 0.2, " QUICK "}");
    AUTO(json_unref) json_t *list = chapters(host_output(job, 0)->path);

    assert_int_equal(json_array_size(list), 3);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const json_t *c = json_array_get(list, i);

        assert_string_equal(jstr(json_object_get(c, "tags"), "title"), names[i]);
        assert_true(fabs(atof(jstr(c, "start_time")) - (double)i * 0.6) < 0.001);
    }
    assert_int_equal(f->frames, 50);
    AUTO(film_free) struct film *g = joined(job, "{" QUICK "}");
    AUTO(json_unref) json_t *none = chapters(host_output(job, 0)->path);

    assert_int_equal(json_array_size(none), 0);
    assert_int_equal(g->frames, 60);
}

static void numbers_go_before_names_and_names_before_arrival(void **state)
{
    (void)state;
    static const struct {
        const char *step;
        int order[4];
    } rows[] = {{"{" CUT QUICK "}", {3, 1, 0, 2}},
                {"{\"sort_by\": \"basename\", " CUT QUICK "}", {3, 1, 2, 0}}};
    static const char *const names[] = {"10.mp4", "b.mp4", "9.mp4", "a.mp4"}, *const as[] = {
                                                                                  "", "video_10",
                                                                                  "video",
                                                                                  "video_2"};
    AUTO(host_free) struct robot_job *job = host_new();

    for (int i = 0; i < 4; i++) {
        host_add_input(job, numbered(job, names[i], "25", i + 1, 1));
        host_input_as(job, as[i]);
    }
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        AUTO(film_free) struct film *f = joined(job, rows[r].step);

        for (int i = 0; i < 4; i++)
            if (f->number[i] != rows[r].order[i] + 1)
                fail_msg("row %zu: %d. is %d", r, i, f->number[i] - 1);
    }
}

/* ---- sizes and presets ---- */

static void sizes_are_even_and_those_that_were_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *step;
        int w, h;
    } rows[] = {
        {"{" CUT QUICK "}", 62, 46},
        {"{\"width\": 101, \"height\": 51, " CUT QUICK "}", 100, 50},
        {"{\"preset\": \"iphone_low\", " CUT "\"ffmpeg\": {\"preset\": \"ultrafast\"}}", 480, 320},
        {"{\"preset\": \"iphone-low\", \"height\": 200, " CUT
         "\"ffmpeg\": {\"preset\": \"ultrafast\"}}",
         480, 200}};
    AUTO(host_free) struct robot_job *job = host_new();

    host_add_input(job, clip(job, "odd.mp4",
                             "-f lavfi -i color=white:s=63x47:r=25:d=0.2 -c:v libx264 -preset "
                             "ultrafast -pix_fmt yuv444p"));
    white(job, "b.mp4", 0.2);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(film_free) struct film *f = joined(job, rows[i].step);

        if (f->w != rows[i].w || f->h != rows[i].h || f->frames != 10)
            fail_msg("%s: %dx%d, %d frames", rows[i].step, f->w, f->h, f->frames);
    }
}

static void a_preset_of_sounds_joins_the_sounds(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};

    white(job, "a.mp4", 0.6);
    white(job, "b.mp4", 0.6);
    if (host_run(job, "/video/concat", "{\"preset\": \"mp3\"}", &err) < 0)
        fail_msg("%s (%s)", err.msg, err.detail);
    assert_string_equal(host_output(job, 0)->name, "a.mp3");
    assert_true(fabs(jnum(host_output(job, 0)->meta, "duration", 0) - 1.2) < 0.06);
}

/* ---- what is no film ---- */

static void what_can_not_be_joined_is_said_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *name, *args, *words;
    } rows[] = {
        {"sound.mp4", "-f lavfi -i sine=d=0.5 -c:a aac", "no pictures"},
        {"none.mkv", "-f lavfi -i color=red:s=64x48:r=25:d=1 -c:v libx264 -t 0", ""},
        {"text.mp4", "-f lavfi -i anullsrc=d=0.1 -f s16le", "no film"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        white(job, "a.mp4", 0.2);
        host_add_input(job, clip(job, rows[i].name, rows[i].args));
        refused(job, "{" QUICK "}", "VIDEO_CONCAT_INVALID_INPUT", rows[i].name);
    }
    AUTO(host_free) struct robot_job *many = host_new();

    white(many, "a.mp4", 0.2);
    for (int i = 1; i < 500; i++)
        host_add_input(many, host_path(many, "a.mp4"));
    refused(many, "{}", "VIDEO_CONCAT_INVALID_INPUT", "500 films are too many");
}

/* Enough is said before anything is decoded: with the memory that a job has. */
static void more_films_than_the_memory_holds_are_refused(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    struct rlimit was, small;

    white(job, "a.mp4", 0.2);
    for (int i = 1; i < 190; i++)
        host_add_input(job, host_path(job, "a.mp4"));
    getrlimit(RLIMIT_DATA, &was);
    small = (struct rlimit){10 << 20, was.rlim_max}; /* 190 * 64 * 48 * 16 * 1.5 are 14 MB */
    setrlimit(RLIMIT_DATA, &small);
    struct err err = {0};
    int rc = host_run(job, "/video/concat", "{" QUICK "}", &err);
    setrlimit(RLIMIT_DATA, &was);
    assert_int_equal(rc, -1);
    assert_string_equal(err_name(&err), "VIDEO_CONCAT_INVALID_INPUT");
    assert_non_null(strstr(err.msg, "job_memory_mb"));
}

/* The end of one is missing, the pictures of the other become larger in its middle. */
static void damaged_films_are_joined_as_far_as_they_go(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *whole = flashing(job, "whole.mkv", "64x48", "25", 3.6, X264 "-g 25"),
               *small = flashing(job, "small.ts", "64x48", "25", 1.2, X264),
               *large =
                   flashing(job, "large.ts", "128x96", "25", 1.2, X264 "-output_ts_offset 1.2"),
               *half = host_path(job, "half.mkv"), *both = host_path(job, "both.ts");
    AUTO(mem_free)
    char *cut = mem_printf("head -c $(( $(stat -c %%s %s) * 3 / 4 )) %s > %s; cat %s %s > %s",
                           whole, whole, half, small, large, both);

    assert_int_equal(system(cut), 0);
    host_add_input(job, half);
    host_add_input(job, both);
    AUTO(film_free) struct film *f = joined(job, "{" CUT QUICK "}");

    assert_int_equal(f->w, 64);
    assert_true(f->frames > 60 + 50 && f->frames < 90 + 62);
    assert_true(f->flashes >= 4 && f->flashes == f->beeps);
    in_step(f, f->flashes);
}

static void options_that_are_the_robots_own_are_refused(void **state)
{
    (void)state;
    static const char *const steps[] = {
        "{\"ffmpeg\": {\"map\": \"0:v\"}}",
        "{\"ffmpeg\": {\"filter_complex\": \"[0:v]null\"}}",
        "{\"ffmpeg\": {\"c\": \"copy\"}}",
        "{\"ffmpeg\": {\"r\": 100000}}",
        "{\"ffmpeg\": {\"r\": \"0/0\"}}",
        "{\"transition_duration\": 0}",
        "{\"transition\": \"explode\"}",
        "{\"video_fade_seconds\": -1}",
        "{\"ffmpeg\": {\"vf\": \"movie=/etc/passwd\"}}",
    };
    AUTO(host_free) struct robot_job *job = host_new();

    white(job, "a.mp4", 0.2);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        refused(job, steps[i], "VIDEO_CONCAT_VALIDATION", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_frame_is_there_once_and_in_its_order),
        cmocka_unit_test(sound_stays_with_its_picture_whatever_the_films_are_like),
        cmocka_unit_test(films_without_sound_are_silent_and_none_has_a_silent_track),
        cmocka_unit_test(turned_films_and_wide_pixels_are_put_right_once),
        cmocka_unit_test(colours_stay_whatever_matrix_each_film_has),
        cmocka_unit_test(pictures_and_sound_fade_at_joints_and_nowhere_else),
        cmocka_unit_test(a_crossfade_makes_it_shorter_and_a_fade_to_black_does_not),
        cmocka_unit_test(sound_stays_with_its_picture_through_transitions),
        cmocka_unit_test(chapters_are_called_by_the_films_names_whatever_is_in_them),
        cmocka_unit_test(numbers_go_before_names_and_names_before_arrival),
        cmocka_unit_test(sizes_are_even_and_those_that_were_asked_for),
        cmocka_unit_test(a_preset_of_sounds_joins_the_sounds),
        cmocka_unit_test(what_can_not_be_joined_is_said_by_name),
#ifndef __SANITIZE_ADDRESS__ /* which needs more memory than the limit that is set there */
        cmocka_unit_test(more_films_than_the_memory_holds_are_refused),
#endif
        cmocka_unit_test(damaged_films_are_joined_as_far_as_they_go),
        cmocka_unit_test(options_that_are_the_robots_own_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
