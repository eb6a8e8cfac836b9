/* /video/merge: still pictures, sounds, and films whose flashes come with beeps, in; what came out
 * is decoded. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "film.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define X264 "-c:v libx264 -preset ultrafast -crf 10 -pix_fmt yuv420p -c:a aac "
#define QUICK "\"ffmpeg\": {\"preset\": \"ultrafast\", \"crf\": 16, \"c:v\": \"libx264\"}"

static void add(struct robot_job *job, const char *path, const char *as)
{
    host_add_input(job, path);
    host_input_as(job, as);
}

/* A picture of one grey, which tells the films' luminance. */
static void still(struct robot_job *job, const char *name, const char *size, int gray,
                  const char *as)
{
    AUTO(mem_free)
    char *args =
        mem_printf("-f lavfi -i color=0x%02x%02x%02x:s=%s -frames:v 1", gray, gray, gray, size);

    add(job, clip(job, name, args), as);
}

static void tone(struct robot_job *job, const char *name, double seconds, const char *as)
{
    AUTO(mem_free) char *args = mem_printf("-f lavfi -i sine=440:r=48000:d=%g", seconds);

    add(job, clip(job, name, args), as);
}

/* A film of one grey; sound: "" or "-an". */
static void grey(struct robot_job *job, const char *name, const char *size, int gray,
                 double seconds, const char *sound, const char *as)
{
    AUTO(mem_free)
    char *args = mem_printf(
        "-f lavfi -i color=0x%02x%02x%02x:s=%s:r=25:d=%g -f lavfi -i sine=1000:r=48000:d=%g " X264
        "%s",
        gray, gray, gray, size, seconds, seconds, sound);

    add(job, clip(job, name, args), as);
}

static struct film *merged(struct robot_job *job, const char *step)
{
    struct err err = {0};

    if (host_run(job, "/video/merge", step, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return film_see(host_output(job, 0)->path);
}

static void refused(struct robot_job *job, const char *step, const char *code)
{
    struct err err = {0};

    if (host_run(job, "/video/merge", step, &err) == 0)
        fail_msg("%.200s is taken", step);
    if (strcmp(err_name(&err), code) != 0)
        fail_msg("%.200s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

static int light_at(const struct film *f, double t)
{
    for (int i = f->frames - 1; i >= 0; i--)
        if (f->at[i] <= t + 0.001)
            return f->light[i];
    return -1;
}

static void is_near(int is, int want, const char *what)
{
    if (abs(is - want) > 12)
        fail_msg("%s: %d, not %d", what, is, want);
}

/* ---- still pictures ---- */

static void pictures_are_shown_one_after_the_other(void **state)
{
    (void)state;
    static const struct {
        const char *step;
        double lasts;
        double at[4]; /* where each of the three is seen, and the last one again */
    } rows[] = {
        {"{\"framerate\": \"1/2\", " QUICK "}", 6, {1.9, 2.1, 4.1, 5.9}},
        {"{\"framerate\": 5, " QUICK "}", 0.6, {0.15, 0.25, 0.45, 0.55}},
        {"{\"framerate\": \"1/2\", \"duration\": 4.4, \"turbo\": true, " QUICK "}",
         4.4,
         {0.5, 3.9, 4.05, 4.3}},
        {"{\"image_durations\": [0.4, 1.2, \"0.6\"], " QUICK "}", 2.2, {0.35, 0.45, 1.65, 2.1}},
        {"{\"image_durations\": [0.4, 1.2, 0.6], \"duration\": 4, " QUICK "}",
         4,
         {0.35, 0.45, 1.65, 3.9}},
        {"{\"image_durations\": [0.4], \"framerate\": \"1/1\", " QUICK "}",
         2.4,
         {0.35, 0.45, 1.45, 2.3}},
    };
    AUTO(host_free) struct robot_job *job = host_new();

    still(job, "c.png", "64x48", 220, "image_30");
    still(job, "a.png", "64x48", 40, "image_4");
    still(job, "b.jpg", "32x48", 120, "image_5");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(film_free) struct film *f = merged(job, rows[i].step);

        if (fabs(f->frames * (f->at[1] - f->at[0]) - rows[i].lasts) > 0.045)
            fail_msg("%s: %d frames", rows[i].step, f->frames);
        assert_int_equal(f->w, 64);
        is_near(light_at(f, rows[i].at[0]), 40, rows[i].step);
        is_near(light_at(f, rows[i].at[1]), 60,
                rows[i].step); /* half of it is the black beside it */
        is_near(light_at(f, rows[i].at[2]), 220, rows[i].step);
        is_near(light_at(f, rows[i].at[3]), 220, rows[i].step);
        assert_true(f->sound_s == 0);
        assert_string_equal(host_output(job, 0)->name, "a.mp4");
    }
}

static void with_a_sound_it_is_as_long_as_that(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *one = host_new(), *two = host_new();

    still(one, "cover.png", "63x47", 200, "image");
    tone(one, "song.mp3", 3.3, "audio");
    AUTO(film_free) struct film *f = merged(one, "{" QUICK "}");

    assert_true(fabs(f->frames / 25.0 - 3.3) < 0.06 && fabs(f->sound_s - 3.3) < 0.06);
    assert_int_equal(f->w, 62);
    assert_int_equal(f->h, 46);
    is_near(light_at(f, 3.2), 200, "held");
    assert_string_equal(host_output(one, 0)->name, "cover.mp4");
    assert_true(film_loudness(f, 0.1, 3) > 0.05);
    AUTO(film_free) struct film *later = merged(one, "{\"audio_delay\": 0.7, " QUICK "}");

    assert_true(fabs(later->frames / 25.0 - 4.0) < 0.06);
    assert_true(film_loudness(later, 0, 0.65) < 0.001 && film_loudness(later, 0.75, 3.9) > 0.05);

    still(two, "a.png", "64x48", 60, "");
    still(two, "b.png", "64x48", 200, "");
    tone(two, "song.m4a", 2.4, "");
    AUTO(film_free) struct film *held = merged(two, "{\"framerate\": \"2/1\", " QUICK "}");
    AUTO(film_free)
    struct film *again = merged(two, "{\"framerate\": \"2/1\", \"loop\": true, " QUICK "}");

    assert_true(fabs(held->at[held->frames - 1] - 2.4) < 0.06);
    is_near(light_at(held, 0.45), 60, "first");
    is_near(light_at(held, 2.3), 200, "last is held");
    for (int i = 0; i < 4; i++)
        is_near(light_at(again, 0.25 + 0.5 * i), i % 2 ? 200 : 60, "repeated");
    AUTO(film_free)
    struct film *asked =
        merged(two, "{\"framerate\": \"1/2\", \"duration\": 3.2, \"loop\": true, " QUICK "}");

    assert_true(fabs(asked->frames / 25.0 - 3.2) < 0.045 && fabs(asked->sound_s - 3.2) < 0.06);
    assert_true(film_loudness(asked, 2.6, 3.1) > 0.05); /* the sound begins again */
}

static void pictures_have_transitions_too(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    still(job, "a.png", "64x48", 40, "");
    still(job, "b.png", "64x48", 220, "");
    AUTO(film_free)
    struct film *f =
        merged(job, "{\"framerate\": \"1/2\", \"transition\": \"crossfade\", " QUICK "}");

    assert_true(fabs(f->frames / 25.0 - 3) < 0.041);
    is_near(light_at(f, 0.9), 40, "first");
    is_near(light_at(f, 1.5), 130, "between");
    is_near(light_at(f, 2.1), 220, "second");
    AUTO(film_free)
    struct film *black =
        merged(job, "{\"framerate\": \"1/2\", \"transition\": \"fade_to_black\", " QUICK "}");

    assert_true(fabs(black->frames / 25.0 - 4) < 0.041);
    is_near(light_at(black, 2), 8, "black");
    is_near(light_at(black, 2.6), 220, "second");
}

static void transparent_pictures_lie_on_the_background(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    add(job, clip(job, "clear.png", "-f lavfi -i color=white@0.0:s=60x40,format=rgba -frames:v 1"),
        "");
    AUTO(film_free)
    struct film *f = merged(
        job,
        "{\"background\": \"#0000ffff\", \"width\": 81, \"height\": 80, \"duration\": 0.4, " QUICK
        "}");
    AUTO(mem_free) char *args = mem_printf("-i %s -frames:v 1", host_output(job, 0)->path);
    struct seen s;

    clip_see(&s, clip(job, "seen.png", args));
    assert_int_equal(s.w, 80);
    assert_int_equal(s.h, 80);
    assert_true(s.mean[2] > 230 && s.mean[0] < 30);
    assert_int_equal(f->frames, 10);
}

/* ---- a film and a sound ---- */

static void a_sound_is_mixed_with_the_films_or_replaces_it(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free) char *beeps = mem_printf("%s", film_flashing("64x48", "25", 3.2, X264 "-bf 2"));

    add(job, clip(job, "film.mp4", beeps), "video");
    tone(job, "music.wav", 2, "audio");
    AUTO(film_free) struct film *mixed = merged(job, "{" QUICK "}");
    AUTO(film_free) struct film *instead = merged(job, "{\"replace_audio\": true, " QUICK "}");
    AUTO(film_free)
    struct film *around =
        merged(job, "{\"replace_audio\": true, \"loop\": true, \"audio_delay\": 0.5, " QUICK "}");

    assert_int_equal(mixed->frames, 80);
    assert_true(film_loudness(mixed, 1.3, 1.9) > 0.02); /* the music between beeps */
    assert_true(film_loudness(mixed, 3.01, 3.09) >
                2 * film_loudness(mixed, 2.3, 2.9)); /* a beep when it is over */
    assert_true(film_loudness(mixed, 2.3, 2.9) < 0.001);
    assert_true(fabs(film_loudness(instead, 1.01, 1.09) - film_loudness(instead, 1.3, 1.9)) < 0.01);
    assert_true(film_loudness(instead, 3.01, 3.09) < 0.001);
    assert_true(film_loudness(around, 0, 0.45) < 0.001 && film_loudness(around, 2.7, 3.1) > 0.05);
    assert_int_equal(around->frames, 80);
}

static void the_longest_wins_and_what_is_shorter_is_held_or_repeated(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free) char *beeps = mem_printf("%s", film_flashing("64x48", "25", 1.4, X264));

    add(job, clip(job, "film.mp4", beeps), "video");
    add(job, clip(job, "quiet.wav", "-f lavfi -i anullsrc=r=48000:d=4"), "audio");
    AUTO(film_free) struct film *held = merged(job, "{" QUICK "}");

    assert_true(held->frames == 100 && fabs(held->sound_s - 4) < 0.05 && held->flashes == 1 &&
                held->beeps == 1);
    assert_true(fabs(held->flash[0] - held->beep[0]) <= 0.040);
    AUTO(film_free) struct film *again = merged(job, "{\"loop\": true, " QUICK "}");

    assert_int_equal(again->frames, 100);
    assert_int_equal(again->flashes, 3);
    assert_int_equal(again->beeps, 3);
    for (int i = 0; i < 3; i++)
        if (fabs(again->flash[i] - again->beep[i]) > 0.040 ||
            fabs(again->flash[i] - 1 - 1.4 * i) > 0.041 * (i + 1))
            fail_msg("%d: flash at %.4f, beep at %.4f", i, again->flash[i], again->beep[i]);
    AUTO(film_free) struct film *cut = merged(job, "{\"duration\": 1.2, " QUICK "}");

    assert_true(cut->frames == 30 && fabs(cut->sound_s - 1.2) < 0.05);
}

/* ---- several films ---- */

static void films_come_between_pre_roll_and_post_roll(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    grey(job, "d.mp4", "64x48", 220, 0.8, "-an", "post_roll");
    grey(job, "c.mp4", "64x48", 160, 0.8, "", "video_11");
    grey(job, "b.mp4", "64x48", 100, 0.8, "", "video_2");
    still(job, "a.png", "64x48", 40, "pre_roll");
    AUTO(film_free) struct film *f = merged(job, "{\"image_durations\": [0.8], " QUICK "}");

    assert_int_equal(f->frames, 80);
    for (int i = 0; i < 4; i++)
        is_near(light_at(f, 0.4 + 0.8 * i), 40 + 60 * i, "order");
    assert_true(film_loudness(f, 0, 0.75) < 0.001 && film_loudness(f, 0.9, 2.3) > 0.03 &&
                film_loudness(f, 2.5, 3.2) < 0.001);
    AUTO(film_free)
    struct film *x = merged(job, "{\"image_durations\": [0.8], \"transition\": \"crossfade\", "
                                 "\"transition_duration\": 0.2, " QUICK "}");

    assert_int_equal(x->frames, 65);
    AUTO(film_free)
    struct film *again =
        merged(job, "{\"image_durations\": [0.8], \"duration\": 4.8, \"loop\": true, " QUICK "}");

    assert_int_equal(again->frames, 120);
    is_near(light_at(again, 3.6), 40, "again the first");
    is_near(light_at(again, 4.4), 100, "and the second");
}

static void films_are_stacked_as_wide_as_the_first(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    struct seen s;

    grey(job, "a.mp4", "80x40", 60, 0.8, "-an", "");
    grey(job, "b.mp4", "160x160", 220, 1.6, "", "");
    AUTO(film_free) struct film *f = merged(job, "{\"vstack\": true, " QUICK "}");
    AUTO(mem_free) char *args = mem_printf("-ss 1.2 -i %s -frames:v 1", host_output(job, 0)->path);

    clip_see(&s, clip(job, "seen.png", args));
    assert_true(f->w == 80 && f->h == 120 && f->frames == 40);
    is_near(s.at[1][0], 60, "above");
    is_near(s.at[4][0], 220, "below");
    assert_true(film_loudness(f, 0.1, 1.5) > 0.05);
    AUTO(film_free)
    struct film *small =
        merged(job, "{\"vstack\": true, \"width\": 60, \"height\": 61, " QUICK "}");

    assert_true(small->w == 60 && small->h == 60);
}

static void sound_stays_with_its_picture_when_films_are_joined(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    static const char *const rates[] = {"25", "30", "24000/1001"};

    for (int i = 0; i < 3; i++) {
        char name[20];
        AUTO(mem_free) char *args = mem_printf("%s", film_flashing("64x48", rates[i], 1.6, X264));

        snprintf(name, sizeof name, "%d.mp4", i);
        add(job, clip(job, name, args), "");
    }
    AUTO(film_free)
    struct film *f =
        merged(job, "{\"transition\": \"crossfade\", \"transition_duration\": 0.2, " QUICK "}");

    assert_true(f->flashes == 3 && f->beeps == 3);
    for (int i = 0; i < 3; i++)
        if (fabs(f->flash[i] - f->beep[i]) > 0.040 || fabs(f->flash[i] - 1 - 1.4 * i) > 0.061)
            fail_msg("%d: flash at %.4f, beep at %.4f", i, f->flash[i], f->beep[i]);
}

/* ---- what is wrong ---- */

static void what_can_not_be_merged_is_said(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *sound = host_new(), *bad = host_new(), *many = host_new();

    tone(sound, "a.mp3", 0.4, "audio");
    refused(sound, "{}", "VIDEO_MERGE_NO_IMAGE_FOUND");
    add(bad, clip(bad, "noise.png", "-f lavfi -i anoisesrc=d=0.1 -f s16le"), "image");
    host_input(bad)->mime = "image/png";
    refused(bad, "{}", "INTERNAL_COMMAND_ERROR");
    still(many, "a.png", "8x8", 99, "");
    for (int i = 1; i < 500; i++)
        host_add_input(many, host_path(many, "a.png"));
    refused(many, "{\"transition\": \"crossfade\"}", "INTERNAL_COMMAND_ERROR");
    AUTO(film_free)
    struct film *f =
        merged(many, "{\"framerate\": 25, " QUICK "}"); /* a camera that takes one a minute */

    assert_int_equal(f->frames, 500);
}

static void wrong_values_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const steps[] = {
        "{\"framerate\": \"0\"}",
        "{\"framerate\": \"1/0\"}",
        "{\"framerate\": \"1/999999999\"}",
        "{\"framerate\": \"9000\"}",
        "{\"framerate\": \"1/5;\"}",
        "{\"image_durations\": [0]}",
        "{\"image_durations\": [\"1x\"]}",
        "{\"image_durations\": [1e12]}",
        "{\"image_durations\": {\"a\": 1}}",
        "{\"duration\": 0}",
        "{\"duration\": 1e9}",
        "{\"audio_delay\": -1}",
        "{\"background\": \"red\"}",
        "{\"ffmpeg\": {\"map\": \"0:v\"}}",
        "{\"ffmpeg\": {\"filter_complex\": \"[0:v]null\"}}",
    };
    AUTO(host_free) struct robot_job *job = host_new();

    still(job, "a.png", "64x48", 99, "");
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        refused(job, steps[i], "VIDEO_MERGE_VALIDATION");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_shown_one_after_the_other),
        cmocka_unit_test(with_a_sound_it_is_as_long_as_that),
        cmocka_unit_test(pictures_have_transitions_too),
        cmocka_unit_test(transparent_pictures_lie_on_the_background),
        cmocka_unit_test(a_sound_is_mixed_with_the_films_or_replaces_it),
        cmocka_unit_test(the_longest_wins_and_what_is_shorter_is_held_or_repeated),
        cmocka_unit_test(films_come_between_pre_roll_and_post_roll),
        cmocka_unit_test(films_are_stacked_as_wide_as_the_first),
        cmocka_unit_test(sound_stays_with_its_picture_when_films_are_joined),
        cmocka_unit_test(what_can_not_be_merged_is_said),
        cmocka_unit_test(wrong_values_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
