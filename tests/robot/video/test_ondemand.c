/* /video/ondemand: each segment is made by itself; all of them behind each other are the film. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "clips.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define FORMS                                                                                      \
    "\"variants\": {\"low\": {\"preset\": \"vod/270p\", \"width\": 96, \"height\": 54}, "          \
    "\"high\": {\"preset\": \"hls-360p\", \"width\": 160, \"height\": 90}}"

static struct robot_job *films;

/* Fourteen seconds, in which every picture is another. */
static const char *film(const char *name, const char *codecs)
{
    AUTO(mem_free)
    char *args = mem_printf(
        "-f lavfi -i testsrc2=s=160x90:r=25:d=14 -f lavfi -i sine=f=440:r=48000:d=14 %s", codecs);
    const char *path = host_path(films, name);

    return access(path, F_OK) == 0 ? path : clip(films, name, args);
}
#define MP4 film("film.mp4", "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -g 90 -c:a aac")

static int begin(void **state)
{
    (void)state;
    films = host_new();
    return 0;
}

static int end(void **state)
{
    (void)state;
    host_free(films);
    return 0;
}

static const struct host_output *ask(struct robot_job *job, const char *path, const char *asset,
                                     const char *more)
{
    AUTO(mem_free) char *step = mem_printf("{%s, \"asset\": \"%s\"%s}", FORMS, asset, more);
    struct err err;

    if (host_run_on(job, "/video/ondemand", step, path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), 1);
    return host_output(job, 0);
}

static void refused(struct robot_job *job, const char *step, const char *code)
{
    struct err err;

    if (host_run_on(job, "/video/ondemand", step, MP4, &err) == 0)
        fail_msg("%s is taken", step);
    if (strcmp(err_name(&err), code) != 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
}

static char *says(const char *command)
{
    AUTO(str_done) struct str out = {0};
    char buf[4096];
    size_t n;
    FILE *p = popen(command, "r");

    while ((n = fread(buf, 1, sizeof buf, p)) > 0)
        str_add(&out, buf, n);
    if (pclose(p) != 0)
        fail_msg("%s: %s", command, out.s ? out.s : "");
    return str_take(&out);
}

static char *contents(const struct host_output *o)
{
    AUTO(mem_free) char *command = mem_printf("cat %s", o->path);

    return says(command);
}

/* All segments behind each other, in one file; how many there are. */
static int all(struct robot_job *job, const char *path, const char *variant, const char *joined)
{
    AUTO(mem_free) char *list = mem_printf("%s/playlist.m3u8", variant);
    AUTO(mem_free) char *text = contents(ask(job, path, list, ""));
    int n = 0;

    for (const char *p = text; (p = strstr(p, "seg_")); p++, n++) {
        AUTO(mem_free) char *asset = mem_printf("%s/%.11s", variant, p);
        AUTO(mem_free)
        char *command = mem_printf("cat %s >>%s", ask(job, path, asset, "")->path, joined);
        free(says(command));
    }
    return n;
}

/* Steps between the times of a stream's packets, from the smallest to the largest. */
static int steps_of(double *least, double *most, double *first, const char *path,
                    const char *stream)
{
    AUTO(mem_free)
    char *command = mem_printf("ffprobe -v error -select_streams %s -show_entries packet=pts_time "
                               "-of csv=p=0 %s | sort -g",
                               stream, path);
    AUTO(mem_free) char *list = says(command);
    double before = 0;
    int n = 0;

    *least = INFINITY, *most = 0;
    for (char *rest = list, *line; (line = strtok_r(rest, "\n", &rest)); n++) {
        double at = strtod(line, NULL);

        if (n) {
            *least = fmin(*least, at - before);
            *most = fmax(*most, at - before);
        } else {
            *first = at;
        }
        before = at;
    }
    return n;
}

static void segments_that_know_of_no_other_join_without_a_gap(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *joined = host_path(job, "joined.ts"), *path = MP4;
    double least, most, first, sound;

    assert_int_equal(all(job, path, "high", joined), 3);
    assert_int_equal(steps_of(&least, &most, &first, joined, "v"), 350);
    assert_true(fabs(least - 0.04) < 0.0001 && fabs(most - 0.04) < 0.0001);
    int n = steps_of(&least, &most, &sound, joined, "a");
    assert_true(fabs(n - 14 * 48000 / 1024.0) <= 2);
    /* as near as the reader says it, which counts on from the first frame of several */
    assert_true(fabs(least - 1024 / 48000.0) < 0.0005 && fabs(most - 1024 / 48000.0) < 0.0005);
    assert_true(fabs(sound - first) < 0.0214);
}

/* What is left of a pure tone when it is taken away: x[n] = 2 cos(w) x[n-1] - x[n-2]. */
static void joints_are_not_heard(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *joined = host_path(job, "joined.ts");
    static int16_t x[48000 * 15];
    double joint = 0, other = 0, turn = 2 * cos(2 * M_PI * 440 / 48000);

    assert_int_equal(all(job, MP4, "low", joined), 3);
    AUTO(mem_free)
    char *command = mem_printf("ffmpeg -v error -i %s -map 0:a -ac 1 -ar 48000 -f s16le -", joined);
    FILE *p = popen(command, "r");
    size_t n = fread(x, sizeof *x, ARRAY_LEN(x), p);
    assert_int_equal(pclose(p), 0);
    assert_true(fabs((double)n / 48000 - 14) < 0.05);
    for (size_t i = 24000; i + 24000 < n; i++) {
        double rest = fabs(x[i] - turn * x[i - 1] + x[i - 2]), at = (double)i / 48000;

        if (fabs(at - 6) < 0.1 || fabs(at - 12) < 0.1)
            joint = fmax(joint, rest);
        else
            other = fmax(other, rest);
    }
    assert_true(joint < 2 * other + 8);
}

static void the_top_playlist_says_what_a_segment_will_be(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    host_variables(job, json_pack("{s:{s:s,s:[s,s],s:s,s:s}}", "fields", "w", "a b", "z", "1", "2",
                                  "input", "x.mp4", "part", "low/playlist.m3u8"));
    AUTO(mem_free) char *top = contents(ask(job, MP4, "", ", \"asset_param_name\": \"part\""));
    assert_non_null(strstr(top, "\n?w=a%20b&z=1&z=2&part=low%2Fplaylist.m3u8\n"));
    assert_non_null(strstr(top, "RESOLUTION=160x90,FRAME-RATE=25.000"));
    AUTO(mem_free)
    char *list = contents(ask(job, MP4, "low/playlist.m3u8", ", \"asset_param_name\": \"part\""));
    assert_non_null(
        strstr(list, "#EXTINF:2.000000,\n?w=a%20b&z=1&z=2&part=low%2Fseg_0002.ts\n#EXT-X-ENDLIST"));
    for (int i = 0; i < 2; i++) {
        const char *form = i ? "high" : "low";
        AUTO(mem_free) char *asset = mem_printf("%s/seg_0001.ts", form);
        const struct host_output *o = ask(job, MP4, asset, "");
        AUTO(mem_free)
        char *command = mem_printf("ffprobe -v error -select_streams v -show_entries "
                                   "stream=profile,width,height,level -of csv=p=0 %s | head -1",
                                   o->path);
        AUTO(mem_free) char *stream = says(command);
        AUTO(mem_free)
        char *codecs = mem_printf("avc1.6400%02x,mp4a.40.2\",RESOLUTION=%s",
                                  atoi(strrchr(stream, ',') + 1), i ? "160x90" : "96x54");

        assert_non_null(strstr(stream, i ? "High,160,90" : "High,96,54"));
        if (!strstr(top, codecs))
            fail_msg("%s is not in %s", codecs, top);
        assert_string_equal(o->mime, "video/mp2t");
    }
}

/* Caches compare by address alone. */
static void a_segment_is_the_same_each_time(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free)
    char *first = mem_printf("md5sum <%s", ask(job, MP4, "low/seg_0001.ts", "")->path);
    AUTO(mem_free) char *once = says(first);
    AUTO(mem_free)
    char *second = mem_printf("md5sum <%s", ask(job, MP4, "low/seg_0001.ts", "")->path);
    AUTO(mem_free) char *again = says(second);

    assert_string_equal(once, again);
}

static void films_whose_clock_begins_anywhere_and_silent_ones_are_shown(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *ts =
        film("film.ts", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 90 -c:a aac");
    const char *silent =
        film("silent.mkv", "-map 0:v -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 90");
    const char *joined = host_path(job, "a.ts"), *other = host_path(job, "b.ts");
    double least, most, first;

    assert_int_equal(all(job, ts, "low", joined), 3);
    assert_int_equal(steps_of(&least, &most, &first, joined, "v"), 350);
    assert_true(fabs(least - 0.04) < 0.0001 && fabs(most - 0.04) < 0.0001);
    assert_int_equal(all(job, silent, "low", other), 3);
    assert_int_equal(steps_of(&least, &most, &first, other, "v"), 350);
}

static void what_is_not_there_is_not_found(void **state)
{
    (void)state;
    static const char *const assets[] = {"low",
                                         "low/",
                                         "low/seg_0003.ts",
                                         "low/seg_1.ts",
                                         "low/seg_00001.ts",
                                         "low/seg_-001.ts",
                                         "other/playlist.m3u8",
                                         "low/../high/playlist.m3u8",
                                         "/etc/passwd",
                                         "low/seg_99999999999999999999.ts",
                                         "low/playlist.m3u8?",
                                         "/"};
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(assets); i++) {
        AUTO(mem_free) char *step = mem_printf("{%s, \"asset\": \"%s\"}", FORMS, assets[i]);

        refused(job, step, "VIDEO_ONDEMAND_NOT_FOUND");
    }
    refused(job, "{" FORMS ", \"enabled_variants\": \"high\", \"asset\": \"low/playlist.m3u8\"}",
            "VIDEO_ONDEMAND_NOT_FOUND");
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    static const char *const steps[] = {
        "{\"variants\": {}}",
        "{\"variants\": {\"a/b\": {}}}",
        "{\"variants\": {\"a\\nb\": {}}}",
        "{\"variants\": {\"a\": {\"preset\": \"webm\"}}}",
        "{\"variants\": {\"a\": {\"preset\": \"mp3\"}}}",
        "{\"variants\": {\"a\": {\"watermark_url\": \"http://x/\"}}}",
        "{\"variants\": {\"a\": {\"ffmpeg\": {\"i\": \"/etc/passwd\"}}}}",
        "{\"variants\": {\"a\": {\"ffmpeg\": {\"vf\": \"movie=/etc/passwd\"}}}}",
        "{\"variants\": {\"a\": {\"ffmpeg\": {\"ss\": 3}}}}",
        "{\"variants\": {\"a\": {}}, \"enabled_variants\": [\"b\"]}",
        "{\"variants\": {\"a\": {}}, \"enabled_variants\": []}",
        "{\"variants\": {\"a\": {}}, \"asset_param_name\": \"sig\"}",
        "{\"variants\": {\"a\": {}}, \"asset_param_name\": \"a&b\"}",
        "{\"variants\": {\"a\": {}}, \"segment_duration\": 0}",
    };
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        refused(job, steps[i], "VIDEO_ONDEMAND_VALIDATION");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_that_know_of_no_other_join_without_a_gap),
        cmocka_unit_test(joints_are_not_heard),
        cmocka_unit_test(the_top_playlist_says_what_a_segment_will_be),
        cmocka_unit_test(a_segment_is_the_same_each_time),
        cmocka_unit_test(films_whose_clock_begins_anywhere_and_silent_ones_are_shown),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(what_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
