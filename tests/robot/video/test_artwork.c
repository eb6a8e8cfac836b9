/* /video/artwork: covers of films; what they are put into stays as it was. */
#include "../../unit/unit.h"
#include "clips.h"
#include "media/av/av.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROBOT "/video/artwork"
#define FILM                                                                                       \
    "-f lavfi -i testsrc=s=160x90:r=25:d=1.4 -f lavfi -i sine=d=1.4 -c:v libx264 -preset "         \
    "ultrafast -pix_fmt yuv420p -c:a aac "

static const struct media_limits limits = {
    .max_pixels = 100000000, .max_frames = 1000, .timeout_s = 60};

static const char *picture(struct robot_job *job, const char *name)
{
    return clip(job, name, "-f lavfi -i testsrc=s=70x60 -frames:v 1");
}

static int try_insert(struct robot_job *job, const char *path, const char *cover, const char *more,
                      struct err *err)
{
    AUTO(mem_free) char *step = mem_printf("{\"method\": \"insert\"%s}", more);

    *err = (struct err){0};
    host_add_input(job, path);
    host_add_input(job, cover);
    return host_run(job, ROBOT, step, err);
}

static const char *inserted(struct robot_job *job, const char *path, const char *cover,
                            const char *more)
{
    struct err err;

    if (try_insert(job, path, cover, more, &err) < 0)
        fail_msg("%s: %s: %s (%s)", path, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return host_output(job, 0)->path;
}

static struct av_info look(const char *path)
{
    struct av_info info;
    struct err err;

    if (av_look(&info, path, &limits, &err) < 0)
        fail_msg("%s: %s", path, err.msg);
    return info;
}

/* The MD5 of streams as they are encoded. */
static void stream_hash(char out[64], struct robot_job *job, const char *path, const char *map)
{
    const char *to = host_path(job, "hash.txt");
    AUTO(mem_free)
    char *command =
        mem_printf("ffmpeg -v error -nostdin -y -i %s %s -c copy -f md5 %s", path, map, to);
    FILE *f;

    assert_int_equal(system(command), 0);
    f = fopen(to, "r");
    assert_non_null(fgets(out, 64, f));
    fclose(f);
}

static void a_film_gets_a_cover_and_nothing_else_of_it_changes(void **state)
{
    (void)state;
    static const char *const names[] = {"a.mp4", "b.mov", "c.m4v"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        AUTO(host_free) struct robot_job *back = host_new();
        struct err err;
        char before[64], after[64];
        const char *film = clip(job, "plain.mp4", FILM),
                   *cover = picture(job, i % 2 ? "x.png" : "x.jpg");
        AUTO(mem_free)
        char *turn = mem_printf("-i %s -c copy -metadata:s:v rotate=90 -metadata title=Film", film);
        const char *path = clip(job, names[i], turn), *made = inserted(job, path, cover, "");
        struct av_info was = look(path), is = look(made);

        assert_string_equal(host_output(job, 0)->name, names[i]);
        assert_true(is.has_artwork && is.videos == 1 && is.audios == 1);
        assert_int_equal(is.orientation, was.orientation);
        assert_true(was.orientation > 4 && is.width == 90 && is.height == 160);
        assert_true(fabs(is.duration_s - was.duration_s) < 0.03);
        stream_hash(before, job, path, "-map 0:V -map 0:a");
        stream_hash(after, job, made, "-map 0:V -map 0:a");
        assert_string_equal(before, after);
        assert_int_equal(host_run_on(back, ROBOT, "{}", made, &err), 0);
        assert_int_equal(host_output_count(back), 1);
        AUTO(mem_free) char *same = mem_printf("cmp -s %s %s", host_output(back, 0)->path, cover);
        assert_int_equal(system(same), 0);
        assert_string_equal(host_output(back, 0)->mime, i % 2 ? "image/png" : "image/jpeg");
    }
}

static void subtitles_stay_and_the_sound_is_encoded_where_a_preset_asks(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *text = host_path(job, "a.srt");
    FILE *f = fopen(text, "w");
    char before[64], after[64];

    fputs("1\n00:00:00,100 --> 00:00:01,000\nHello\n", f);
    fclose(f);
    AUTO(mem_free)
    char *args = mem_printf(
        "-f lavfi -i testsrc=s=160x90:r=25:d=1.4 -f lavfi -i sine=d=1.4 -i %s -c:v libx264 -preset "
        "ultrafast -pix_fmt yuv420p -c:a aac -c:s mov_text -map 0 -map 1 -map 2",
        text);
    const char *path = clip(job, "a.mp4", args),
               *made = inserted(job, path, picture(job, "x.jpg"), ", \"preset\": \"alac\"");
    struct av_info is = look(made);
    assert_true(is.has_artwork && is.subtitles == 1 && is.videos == 1);
    assert_string_equal(is.audio_codec, "alac");
    stream_hash(before, job, path, "-map 0:V -map 0:s");
    stream_hash(after, job, made, "-map 0:V -map 0:s");
    assert_string_equal(before, after);
    assert_string_equal(host_output(job, 0)->name, "a.mp4");
}

static void options_of_ffmpeg_encode_what_they_are_about(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.mp4", FILM),
               *made = inserted(job, path, picture(job, "x.jpg"),
                                ", \"ffmpeg\": {\"vf\": \"scale=64:36\", \"c:v\": \"libx264\"}");
    struct av_info is = look(made);
    char before[64], after[64];

    assert_true(is.width == 64 && is.height == 36 && is.has_artwork);
    stream_hash(before, job, path, "-map 0:a");
    stream_hash(after, job, made, "-map 0:a");
    assert_string_equal(before, after);
}

static void films_that_carry_no_cover_are_refused_and_those_without_give_none(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(host_free) struct robot_job *alone = host_new();
    const char *path = clip(job, "a.webm",
                            "-f lavfi -i testsrc=s=64x64:r=5:d=1 -c:v libvpx -deadline realtime"),
               *cover = picture(job, "x.jpg");
    struct err err;

    assert_int_equal(host_run_on(alone, ROBOT, "{}", path, &err), 0);
    assert_int_equal(host_output_count(alone), 0);
    assert_int_equal(try_insert(job, path, cover, "", &err), -1);
    assert_string_equal(err_name(&err), "INTERNAL_COMMAND_ERROR");
    assert_non_null(strstr(err.msg, "carry no cover"));
    assert_int_equal(host_output_count(job), 0);
    assert_int_equal(host_run_on(alone, ROBOT, "{}", cover, &err), 0); /* a picture is no film */
    assert_int_equal(host_output_count(alone), 0);
}

static void a_cover_attached_to_matroska_is_found(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *cover = picture(job, "cover.jpg");
    AUTO(mem_free)
    char *args = mem_printf("-f lavfi -i testsrc=s=64x64:r=5:d=1 -c:v libx264 -attach %s "
                            "-metadata:s:t mimetype=image/jpeg",
                            cover);
    struct err err;

    assert_int_equal(host_run_on(job, ROBOT, "{}", clip(job, "a.mkv", args), &err), 0);
    assert_int_equal(host_output_count(job), 1);
    assert_string_equal(host_output(job, 0)->name, "a.jpg");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_film_gets_a_cover_and_nothing_else_of_it_changes),
        cmocka_unit_test(subtitles_stay_and_the_sound_is_encoded_where_a_preset_asks),
        cmocka_unit_test(options_of_ffmpeg_encode_what_they_are_about),
        cmocka_unit_test(films_that_carry_no_cover_are_refused_and_those_without_give_none),
        cmocka_unit_test(a_cover_attached_to_matroska_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
