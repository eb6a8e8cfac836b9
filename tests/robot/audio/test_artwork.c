/* /audio/artwork: covers in, covers out, byte for byte; and what is sent as a cover that is none.
 */
#include "../../unit/unit.h"
#include "clips.h"
#include "media/av/av.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROBOT "/audio/artwork"

static const struct media_limits limits = {
    .max_pixels = 100000000, .max_frames = 1000, .timeout_s = 60};

static bool same_bytes(const char *a, const char *b)
{
    AUTO(mem_free) char *command = mem_printf("cmp -s %s %s", a, b);

    return system(command) == 0;
}

static const char *sound(struct robot_job *job, const char *name, const char *encoder)
{
    AUTO(mem_free)
    char *args = mem_printf("-f lavfi -i sine=d=1.3 -metadata title=Song %s", encoder);

    return clip(job, name, args);
}

static const char *picture(struct robot_job *job, const char *name, int w)
{
    AUTO(mem_free) char *args = mem_printf("-f lavfi -i testsrc=s=%dx60 -frames:v 1", w);

    return clip(job, name, args);
}

static void give(struct robot_job *job, const char *path, const char *as, const char *mime)
{
    host_add_input(job, path);
    if (as)
        host_input_as(job, as);
    host_input(job)->mime = mime;
}

static int run(struct robot_job *job, const char *step, struct err *err)
{
    *err = (struct err){0};
    return host_run(job, ROBOT, step, err);
}

/* The sound with the picture as its cover; lent. */
static const char *inserted(struct robot_job *job, const char *path, const char *cover,
                            const char *more)
{
    AUTO(mem_free) char *step = mem_printf("{\"method\": \"insert\"%s}", more);
    struct err err;

    give(job, path, "audio", "audio/mpeg");
    give(job, cover, "image", "image/jpeg");
    if (run(job, step, &err) < 0)
        fail_msg("%s: %s: %s (%s)", path, err_name(&err), err.msg, err.detail);
    return host_output(job, host_output_count(job) - 1)->path;
}

static void extract(struct robot_job *job, const char *path)
{
    struct err err;

    if (host_run_on(job, ROBOT, "{}", path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", path, err_name(&err), err.msg, err.detail);
}

static double length(const char *path)
{
    struct av_info info;
    struct err err;

    if (av_look(&info, path, &limits, &err) < 0)
        fail_msg("%s: %s", path, err.msg);
    return info.duration_s;
}

/* The MD5 of the sound as it is encoded. */
static void stream_hash(char out[64], struct robot_job *job, const char *path)
{
    const char *to = host_path(job, "hash.txt");
    AUTO(mem_free)
    char *command =
        mem_printf("ffmpeg -v error -nostdin -y -i %s -map 0:a -c copy -f md5 %s", path, to);
    FILE *f;

    assert_int_equal(system(command), 0);
    f = fopen(to, "r");
    assert_non_null(fgets(out, 64, f));
    fclose(f);
}

static void what_is_put_in_comes_out_as_it_was_and_the_sound_is_untouched(void **state)
{
    (void)state;
    static const struct {
        const char *name, *encoder;
    } rows[] = {
        {"a.mp3", "-c:a libmp3lame"}, {"b.flac", "-c:a flac"},      {"c.m4a", "-c:a aac"},
        {"d.m4a", "-c:a alac"},       {"e.aiff", "-c:a pcm_s16be"},
    };
    static const char *const covers[] = {"x.jpg", "y.png"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        AUTO(host_free) struct robot_job *back = host_new();
        const char *path = sound(job, rows[i].name, rows[i].encoder),
                   *cover = picture(job, covers[i % 2], 80), *made;
        char before[64], after[64];

        made = inserted(job, path, cover, "");
        assert_string_equal(host_output(job, 0)->name, rows[i].name);
        stream_hash(before, job, path);
        stream_hash(after, job, made);
        assert_string_equal(before, after);
        if (fabs(length(path) - length(made)) > 0.03)
            fail_msg("%s: %g s became %g", rows[i].name, length(path), length(made));
        assert_true(jbool(host_output(job, 0)->meta, "has_artwork", false));
        assert_string_equal(jstr_or(host_output(job, 0)->meta, "title", ""), "Song");
        extract(back, made);
        if (host_output_count(back) != 1 || !same_bytes(host_output(back, 0)->path, cover))
            fail_msg("%s: the cover is another one", rows[i].name);
        assert_string_equal(host_output(back, 0)->mime, i % 2 ? "image/png" : "image/jpeg");
        AUTO(mem_free) char *want = mem_printf("%c.%s", rows[i].name[0], i % 2 ? "png" : "jpg");
        assert_string_equal(strrchr(host_output(back, 0)->name, '.') + 1, strrchr(want, '.') + 1);
    }
}

static void a_new_cover_takes_the_place_of_the_old_one(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *first = host_new();
    AUTO(host_free) struct robot_job *second = host_new();
    AUTO(host_free) struct robot_job *back = host_new();
    const char *old = picture(first, "old.jpg", 40), *new = picture(first, "new.jpg", 90);
    const char *path = inserted(first, sound(first, "a.mp3", ""), old, "");

    path = inserted(second, path, new, "");
    extract(back, path);
    assert_int_equal(host_output_count(back), 1);
    assert_true(same_bytes(host_output(back, 0)->path, new));
}

static void a_bundle_without_names_is_told_apart_by_what_it_is(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err;

    give(job, picture(job, "x.png", 50), NULL, "image/png");
    give(job, sound(job, "a.mp3", ""), NULL, "audio/mpeg");
    give(job, sound(job, "b.flac", ""), NULL, "audio/flac");
    assert_int_equal(run(job, "{\"method\": \"insert\"}", &err), 0);
    assert_int_equal(host_output_count(job), 2); /* each sound gets it */
    assert_string_equal(host_output(job, 0)->name, "a.mp3");
    assert_string_equal(host_output(job, 1)->name, "b.flac");
    assert_true(jbool(host_output(job, 1)->meta, "has_artwork", false));
}

static void a_file_without_a_cover_gives_none(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    extract(job, sound(job, "a.mp3", ""));
    assert_int_equal(host_output_count(job), 0);
}

static void formats_without_covers_become_others_only_when_they_may(void **state)
{
    (void)state;
    static const struct {
        const char *more, *name, *codec;
    } rows[] = {
        {", \"change_format_if_necessary\": true", "a.mp3", "mp3"},
        {", \"change_format_if_necessary\": true, \"preset\": \"flac\"", "a.flac", "flac"},
        {", \"preset\": \"audio/aac\"", "a.m4a", "aac"},
        {", \"ffmpeg\": {\"f\": \"mp3\", \"c:a\": \"libmp3lame\", \"b:a\": \"64k\"}", "a.mp3",
         "mp3"},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = sound(job, "a.wav", ""), *cover = picture(job, "x.jpg", 70);
    struct err err;

    give(job, path, "audio", "audio/x-wav");
    give(job, cover, "image", "image/jpeg");
    assert_int_equal(run(job, "{\"method\": \"insert\"}", &err), -1);
    assert_string_equal(err_name(&err), "INTERNAL_COMMAND_ERROR");
    assert_non_null(strstr(err.msg, "change_format_if_necessary"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *once = host_new();
        struct av_info info;
        const char *made = inserted(once, path, cover, rows[i].more);

        assert_string_equal(host_output(once, 0)->name, rows[i].name);
        assert_int_equal(av_look(&info, made, &limits, &err), 0);
        assert_string_equal(info.audio_codec, rows[i].codec);
        assert_true(info.has_artwork && fabs(info.duration_s - 1.3) < 0.06);
    }
}

static void pictures_that_no_cover_can_be_are_drawn_anew(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(host_free) struct robot_job *back = host_new();
    const char *made = inserted(job, sound(job, "a.mp3", ""), picture(job, "x.webp", 80), "");

    extract(back, made);
    assert_int_equal(host_output_count(back), 1);
    assert_string_equal(host_output(back, 0)->mime, "image/jpeg");
    assert_int_equal(jint(host_output(back, 0)->meta, "width", 0), 80);
}

/* ---- hostile ---- */

static void id3(FILE *f, const char *mime, int type, const void *bytes, size_t n)
{
    size_t frame = 1 + strlen(mime) + 1 + 1 + 1 + n;
    unsigned char head[10] = {'A', 'P', 'I', 'C'};

    for (int i = 0; i < 4; i++)
        head[4 + i] = (unsigned char)(frame >> (24 - 8 * i));
    fwrite(head, 10, 1, f);
    fputc(0, f);
    fwrite(mime, strlen(mime) + 1, 1, f);
    fputc(type, f);
    fputc(0, f);
    fwrite(bytes, n, 1, f);
}

/* An MP3 whose tag says `size` bytes of frames, which fill writes. */
static FILE *tagged(const char *path, size_t size)
{
    FILE *f = fopen(path, "w");
    unsigned char head[10] = {'I', 'D', '3', 3, 0, 0};

    for (int i = 0; i < 4; i++)
        head[6 + i] = (unsigned char)(size >> (21 - 7 * i) & 127);
    fwrite(head, 10, 1, f);
    return f;
}

/* The rest of the tag is padding; behind it is the sound. */
static void append(FILE *f, size_t size, const char *path)
{
    FILE *in = fopen(path, "r");
    int c;

    while (ftell(f) < (long)size + 10)
        fputc(0, f);
    while ((c = fgetc(in)) != EOF)
        fputc(c, f);
    fclose(in);
    fclose(f);
}

static size_t read_all(char *out, size_t most, const char *path)
{
    FILE *f = fopen(path, "r");
    size_t n = fread(out, 1, most, f);

    fclose(f);
    return n;
}

static void a_cover_that_is_no_picture_is_never_handed_over_as_one(void **state)
{
    (void)state;
    static const char text[] = "This is no picture. <script>alert(1)</script>",
                      svg[] = "<svg xmlns='http://www.w3.org/2000/svg'/>";
    static char jpeg[100000];
    AUTO(host_free) struct robot_job *job = host_new();
    const char *plain = sound(job, "plain.mp3", "-id3v2_version 0"),
               *path = host_path(job, "text.mp3"), *front = picture(job, "front.jpg", 64),
               *other = picture(job, "other.jpg", 32);
    struct err err;
    FILE *f = tagged(path, 4000);

    id3(f, "image/jpeg", 3, text, sizeof text);
    id3(f, "image/png", 0, svg, sizeof svg);
    append(f, 4000, plain);
    assert_int_equal(host_run_on(job, ROBOT, "{}", path, &err), -1);
    assert_string_equal(err_name(&err), "INTERNAL_COMMAND_ERROR");
    assert_non_null(strstr(err.msg, "can't be shown"));
    assert_int_equal(host_output_count(job), 0);

    /* several: the front counts, unless it is no picture */
    for (int broken = 0; broken < 2; broken++) {
        size_t n;

        f = tagged(path, 150000);
        n = read_all(jpeg, sizeof jpeg, other);
        id3(f, "image/jpeg", 4, jpeg, n);
        n = read_all(jpeg, sizeof jpeg, front);
        id3(f, "image/jpeg", 3, broken ? text : jpeg, broken ? sizeof text : n);
        append(f, 150000, plain);
        extract(job, path);
        assert_int_equal(host_output_count(job), 1);
        assert_true(same_bytes(host_output(job, 0)->path, broken ? other : front));
    }
}

static void sizes_that_lie_and_pictures_beyond_all_measure_are_bounded(void **state)
{
    (void)state;
    static char zeros[1 << 20];
    AUTO(host_free) struct robot_job *job = host_new();
    const char *plain = sound(job, "plain.mp3", "-id3v2_version 0"),
               *path = host_path(job, "lie.mp3"), *cover = picture(job, "x.jpg", 64);
    struct err err;
    FILE *f = tagged(path, 250 << 20); /* of a file of some KB */

    id3(f, "image/jpeg", 3, zeros, 1000);
    append(f, 0, plain);
    if (host_run_on(job, ROBOT, "{}", path, &err) < 0)
        assert_true(err.code == ERR_COMMAND);
    assert_int_equal(host_output_count(job), 0);
    /* a cover of 70 MB */
    f = tagged(path, 80 << 20);
    unsigned char head[10] = {'A', 'P', 'I', 'C', 4, 96, 0, 0};
    fwrite(head, 10, 1, f);
    fwrite("\0image/jpeg\0\3\0", 14, 1, f);
    for (int i = 0; i < 80; i++)
        fwrite(zeros, sizeof zeros, 1, f);
    append(f, 80 << 20, plain);
    assert_int_equal(host_run_on(job, ROBOT, "{}", path, &err), -1);
    assert_non_null(strstr(err.msg, "the most is"));
    /* a picture of 1 GB to put in */
    path = host_path(job, "huge.jpg");
    assert_int_equal(truncate(cover, 1 << 30), 0);
    assert_int_equal(rename(cover, path), 0);
    give(job, plain, "audio", "audio/mpeg");
    give(job, path, "image", "image/jpeg");
    assert_int_equal(run(job, "{\"method\": \"insert\"}", &err), -1);
    assert_non_null(strstr(err.msg, "a cover has at most"));
}

static void what_can_not_be_put_in_is_refused(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = sound(job, "a.mp3", ""), *text = host_path(job, "text.jpg");
    static const char *const steps[] = {
        "{\"method\": \"insert\", \"preset\": \"ogg\"}",
        "{\"method\": \"insert\", \"preset\": \"wav\"}",
        "{\"method\": \"insert\", \"ffmpeg\": {\"f\": \"ogg\"}}",
        "{\"method\": \"insert\", \"ffmpeg\": {\"map\": \"0:1\"}}",
        "{\"method\": \"insert\", \"ffmpeg\": {\"filter_complex\": \"[0:a]anull[x]\"}}",
        "{\"method\": \"take\"}",
        "{\"ffmpeg\": {\"passlogfile\": \"/tmp/x\"}}",
    };
    struct err err;
    FILE *f = fopen(text, "w");

    fputs("no picture at all, but a name that says so", f);
    fclose(f);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        assert_int_equal(host_run_on(job, ROBOT, steps[i], path, &err), -1);
        if (strcmp(err_name(&err), "AUDIO_ARTWORK_VALIDATION") != 0)
            fail_msg("%s: %s: %s", steps[i], err_name(&err), err.msg);
    }
    assert_int_equal(host_run_on(job, ROBOT, "{\"method\": \"insert\"}", path, &err),
                     -1); /* nothing to put in */
    assert_non_null(strstr(err.msg, "there is no picture"));
    AUTO(host_free) struct robot_job *both = host_new();
    give(both, path, "audio", "audio/mpeg");
    give(both, text, "image", "image/jpeg");
    assert_int_equal(run(both, "{\"method\": \"insert\"}", &err), -1);
    assert_string_equal(err_name(&err), "INTERNAL_COMMAND_ERROR");
    assert_int_equal(host_output_count(both), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_in_comes_out_as_it_was_and_the_sound_is_untouched),
        cmocka_unit_test(a_new_cover_takes_the_place_of_the_old_one),
        cmocka_unit_test(a_bundle_without_names_is_told_apart_by_what_it_is),
        cmocka_unit_test(a_file_without_a_cover_gives_none),
        cmocka_unit_test(formats_without_covers_become_others_only_when_they_may),
        cmocka_unit_test(pictures_that_no_cover_can_be_are_drawn_anew),
        cmocka_unit_test(a_cover_that_is_no_picture_is_never_handed_over_as_one),
        cmocka_unit_test(sizes_that_lie_and_pictures_beyond_all_measure_are_bounded),
        cmocka_unit_test(what_can_not_be_put_in_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
