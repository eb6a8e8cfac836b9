/* Films whose clocks are none that one would make: edit lists that leave pictures out, pictures
 * that come late, times before zero, times that no edit puts right. Whatever a Robot makes of them
 * has each picture once, and each beep with its flash. */
#include "../unit/unit.h"
#include "film.h"
#include "media/av/av.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define X264 "-c:v libx264 -preset ultrafast -crf 10 -pix_fmt yuv420p -bf 3 -g 250 -c:a aac "
#define SECONDS 3.2

/* What is made of a film of 80 frames that flashes and beeps at 1, 2 and 3 s. */
static const struct odd {
    const char *what, *name, *args; /* %s: that film */
    int frames;
    double apart; /* s from a beep to its flash, as the file says it */
} odd[] = {
    {"an edit leaves out half a second that all else leans on", "edited.mp4",
     "-ss 0.5 -i %s -c copy", 67, 0},
    {"pictures come late, which an empty edit says", "late.mp4",
     "-i %s -vf trim=start=0.52 -vsync passthrough " X264, 67, 0},
    {"pictures are shown before they are to be decoded", "negative.mp4",
     "-i %s -c copy -movflags negative_cts_offsets", 80, 0},
    {"the reorder delay is not taken away", "delayed.mp4", "-i %s -c copy -use_editlist 0", 80,
     0.06},
    {"times of decoding before zero are not told", "negative.mkv",
     "-i %s -c copy -avoid_negative_ts disabled", 80, 0},
};

static struct robot_job *films;

static int begin(void **state)
{
    (void)state;
    films = host_new();
    clip(films, "film.mp4", film_flashing("64x48", "25", SECONDS, X264));
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        AUTO(mem_free) char *args = mem_printf(odd[i].args, host_path(films, "film.mp4"));

        clip(films, odd[i].name, args);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    host_free(films);
    return 0;
}

static void run(struct robot_job *job, const char *robot, const char *step, const struct odd *o)
{
    struct err err;

    if (host_run_on(job, robot, step, host_path(films, o->name), &err) < 0)
        fail_msg("%s: %s: %s: %s (%s)", o->what, step, err_name(&err), err.msg, err.detail);
}

static void is_in_step(const char *path, const struct odd *o, const char *robot)
{
    AUTO(film_free) struct film *f = film_see(path);

    if (f->frames != o->frames || f->flashes != 3 || f->beeps != 3)
        fail_msg("%s: %s: %d frames, %d flashes, %d beeps", o->what, robot, f->frames, f->flashes,
                 f->beeps);
    for (int i = 0; i < f->flashes; i++)
        if (fabs(f->flash[i] - f->beep[i] - o->apart) > 0.040)
            fail_msg("%s: %s: flash %d at %.4f, beep at %.4f", o->what, robot, i, f->flash[i],
                     f->beep[i]);
    for (int i = 1; i < f->frames; i++)
        if (fabs(f->at[i] - f->at[i - 1] - 0.04) > 0.001)
            fail_msg("%s: %s: frame %d at %.4f, the next at %.4f", o->what, robot, i - 1,
                     f->at[i - 1], f->at[i]);
}

#define QUICK "\"ffmpeg\": {\"preset\": \"ultrafast\", \"c:v\": \"libx264\", \"crf\": 20}"

static void a_film_that_is_encoded_is_in_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        run(job, "/video/encode", "{\"preset\": \"web/mp4/240p\", " QUICK "}", &odd[i]);
        is_in_step(host_output(job, 0)->path, &odd[i], "/video/encode");
    }
}

/* Segments of an HLS playlist behind each other are a film. */
static const char *joined(struct robot_job *job, const char *name)
{
    const char *path = host_path(job, name);
    FILE *out = fopen(path, "a");
    char buf[65536];
    size_t n;

    for (int i = 0; i < host_output_count(job); i++) {
        if (!strstr(host_output(job, i)->path, ".ts"))
            continue;
        FILE *in = fopen(host_output(job, i)->path, "r");
        while ((n = fread(buf, 1, sizeof buf, in)) > 0)
            fwrite(buf, 1, n, out);
        fclose(in);
    }
    fclose(out);
    return path;
}

static void a_stream_is_in_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        AUTO(host_free) struct robot_job *job = host_new();

        run(job, "/video/adaptive", "{\"technique\": \"hls\", \"segment_duration\": 10}", &odd[i]);
        is_in_step(joined(job, "whole.ts"), &odd[i], "/video/adaptive");
    }
}

static void a_stream_on_demand_is_in_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        const char *whole = NULL;

        for (int n = 0; n < 2; n++) {
            AUTO(mem_free)
            char *step = mem_printf("{\"variants\": {\"a\": {\"preset\": \"vod/270p\", \"width\": "
                                    "64, \"height\": 48}}, \"segment_duration\": 2, "
                                    "\"asset\": \"a/seg_%04d.ts\"}",
                                    n);
            run(job, "/video/ondemand", step, &odd[i]);
            whole = joined(job, "whole.ts");
        }
        is_in_step(whole, &odd[i], "/video/ondemand");
    }
}

/* The file that a Robot makes of a film; of a stream, its segments. */
static const char *made_by(struct robot_job *job, const char *robot, const char *step,
                           const char *film)
{
    struct err err;

    if (host_run_on(job, robot, step, film, &err) < 0)
        fail_msg("%s: %s: %s (%s)", robot, err_name(&err), err.msg, err.detail);
    return host_output_count(job) > 1 || strstr(host_output(job, 0)->path, ".ts")
               ? joined(job, "whole.ts")
               : host_output(job, 0)->path;
}

static const struct maker {
    const char *robot, *step;
} makers[] = {
    {"/video/encode", "{\"preset\": \"web/mp4/240p\", " QUICK "}"},
    {"/video/adaptive", "{\"technique\": \"hls\"}"},
    {"/video/ondemand", "{\"variants\": {\"a\": {\"preset\": \"vod/270p\"}}, \"asset\": "
                        "\"a/seg_0000.ts\"}"},
    {"/video/concat", "{" QUICK "}"},
    {"/video/split", "{\"segments\": [{\"from\": 0, \"to\": 10}], \"preset\": \"hls/270p\"}"},
};

static void what_is_joined_or_cut_is_in_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(odd); i += 2) /* not those whose streams begin apart */
        for (size_t m = 3; m < ARRAY_LEN(makers); m++) {
            AUTO(host_free) struct robot_job *job = host_new();

            is_in_step(made_by(job, makers[m].robot, makers[m].step, host_path(films, odd[i].name)),
                       &odd[i], makers[m].robot);
        }
}

static void pictures_of_any_length_are_neither_lost_nor_doubled(void **state)
{
    (void)state;
    const char *film =
        clip(films, "varying.webm",
             "-f lavfi -i testsrc=s=64x36:r=30:d=2 -vf \"select='not(mod(n,3))+not(mod(n,7))'\" "
             "-vsync vfr -c:v libvpx -deadline realtime -cpu-used 8");

    for (int i = 0; i < 3; i++) { /* what is joined or cut comes evenly */
        AUTO(host_free) struct robot_job *job = host_new();
        AUTO(film_free)
        struct film *f = film_see(made_by(job, makers[i].robot, makers[i].step, film));

        if (f->frames != 26)
            fail_msg("%s: %d of 26 frames", makers[i].robot, f->frames);
    }
}

/* MPEG-TS may change anything halfway. */
static void pixels_that_change_their_shape_halfway_lose_no_picture(void **state)
{
    (void)state;
    static const char *const shapes[] = {"1", "2"};
    const char *film = host_path(films, "wider.ts");
    AUTO(mem_free) char *command = mem_printf("cat %s/half*.ts >%s", host_dir(films), film);

    for (int i = 0; i < 2; i++) {
        AUTO(mem_free) char *name = mem_printf("half%d.ts", i);
        AUTO(mem_free)
        char *args = mem_printf("-f lavfi -i color=red:s=64x48:r=25:d=0.4,setsar=%s -c:v libx264 "
                                "-preset ultrafast -pix_fmt yuv420p -output_ts_offset %g",
                                shapes[i], 0.4 * i);
        clip(films, name, args);
    }
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        AUTO(film_free)
        struct film *f = film_see(made_by(job, makers[i].robot, makers[i].step, film));

        if (f->frames != 20)
            fail_msg("%s: %d frames", makers[i].robot, f->frames);
    }
}

static void a_high_dynamic_range_is_bent_where_8_bits_are_made_and_kept_elsewhere(void **state)
{
    (void)state;
    const struct media_limits limits = media_limits(NULL);
    const char *film =
        clip(films, "bright.mp4",
             "-f lavfi -i color=gray:s=160x90:r=25:d=0.2 -c:v libx265 -preset ultrafast -pix_fmt "
             "yuv420p10le -tag:v hvc1 -x265-params "
             "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc");
    struct av_info info;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        const char *made = made_by(job, makers[i].robot, makers[i].step, film);

        assert_int_equal(av_look(&info, made, &limits, &err), 0);
        if (info.is_hdr || info.depth != 8)
            fail_msg("%s: %d bits, %s", makers[i].robot, info.depth, info.is_hdr ? "HDR" : "");
    }
    AUTO(host_free) struct robot_job *job = host_new();
    (void)made_by(job, "/video/adaptive", "{}", film); /* DASH: H.265 is packed as it is */
    for (int i = 0; i < host_output_count(job); i++)
        if (strstr(host_output(job, i)->name, "init")) {
            assert_int_equal(av_look(&info, host_output(job, i)->path, &limits, &err), 0);
            assert_true(info.is_hdr && info.depth == 10);
            return;
        }
    fail_msg("there is no head");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_film_that_is_encoded_is_in_step),
        cmocka_unit_test(a_stream_is_in_step),
        cmocka_unit_test(a_stream_on_demand_is_in_step),
        cmocka_unit_test(what_is_joined_or_cut_is_in_step),
        cmocka_unit_test(pictures_of_any_length_are_neither_lost_nor_doubled),
        cmocka_unit_test(pixels_that_change_their_shape_halfway_lose_no_picture),
        cmocka_unit_test(a_high_dynamic_range_is_bent_where_8_bits_are_made_and_kept_elsewhere),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
