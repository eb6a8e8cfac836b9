/* ffmpeg as a child: what it makes, and that it opens nothing but what is named. */
#include "../unit/unit.h"
#include "clips.h"
#include "media/av/encode.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* Path of what preset makes of source; NULL: err. */
static const char *encode(struct robot_job *job, const char *source, const char *preset,
                          const char *graph, struct err *err)
{
    struct av_profile *p = arena_alloc(robot_arena(job), sizeof *p);
    const struct av_opts none = {0};
    const struct av_preset *row = NULL;

    for (const struct opt_choice *c = av_presets; c->name; c++)
        if (!strcmp(c->name, preset))
            row = av_preset(c->value);
    assert_non_null(row);
    assert_int_equal(av_profile(p, robot_arena(job), row, NULL, &none, AV_VIDEO | AV_AUDIO, err),
                     0);
    struct av_run r = {.job = job,
                       .profile = p,
                       .sources = {{.path = source}},
                       .source_count = 1,
                       .graph = graph,
                       .seconds = 2};
    if (graph)
        r.maps[0] = "[v]";
    r.output = robot_out_path(job, p->ext);
    return av_run(&r, err) < 0 ? NULL : r.output;
}

static void what_every_kind_of_preset_makes_can_be_read(void **state)
{
    (void)state;
    static const char *const presets[] = {"web/mp4/240p",
                                          "iphone",
                                          "hls/270p",
                                          "webm",
                                          "vp9-270p",
                                          "ogv",
                                          "flash",
                                          "wmv",
                                          "gif",
                                          "hevc",
                                          "web/webm-av1/240p",
                                          "dash/270p-video",
                                          "mp3",
                                          "aac",
                                          "alac",
                                          "flac",
                                          "ogg",
                                          "opus",
                                          "wav",
                                          "speech"};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = clip(job, "a.mp4",
                            "-f lavfi -i testsrc=s=320x180:r=25:d=1 -f lavfi -i sine=d=1 -c:v "
                            "libx264 -preset ultrafast "
                            "-pix_fmt yuv420p -c:a aac");

    for (size_t i = 0; i < ARRAY_LEN(presets); i++) {
        struct err err = {0};
        struct av_info info;
        const char *made = encode(job, film, presets[i], NULL, &err);

        if (!made)
            fail_msg("%s: %s (%s)", presets[i], err.msg, err.detail);
        assert_int_equal(av_look(&info, made,
                                 &(struct media_limits){.max_pixels = 100000000, .timeout_s = 60},
                                 &err),
                         0);
        if (fabs(info.duration_s - 1) > 0.2)
            fail_msg("%s lasts %g s", presets[i], info.duration_s);
    }
    assert_true(host_progress_steps(job) > 0);
}

static void lists_of_other_files_are_no_input(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = clip(
        job, "a.ts",
        "-f lavfi -i testsrc=s=64x64:r=25:d=1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p");
    static const char *const lists[] = {
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '%s'\n",
        ("<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" "
         "mediaPresentationDuration=\"PT1S\"><Period><AdaptationSet mimeType=\"video/mp2t\">"
         "<Representation id=\"1\" bandwidth=\"1\"><BaseURL>%s</BaseURL></Representation>"
         "</AdaptationSet></Period></MPD>"),
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP "
        "96\na=x:%s\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        static const char *const names[] = {"list.mp4", "list.m3u8", "list.mpd",
                                            "list.sdp", "list.ts",   "list.ffconcat"};

        for (size_t n = 0; n < ARRAY_LEN(names); n++) {
            const char *path = host_path(job, names[n]);
            struct err err = {0};
            FILE *f = fopen(path, "w");

            fprintf(f, lists[i], film);
            fclose(f);
            if (encode(job, path, "web/mp4/240p", NULL, &err))
                fail_msg("list %zu as %s was read", i, names[n]);
            assert_int_equal(err.code, ERR_COMMAND);
            unlink(path);
        }
    }
}

static void a_box_makes_even_sizes_and_square_pixels(void **state)
{
    (void)state;
    static const struct {
        struct av_box box;
        int64_t w, h, out_w, out_h;
    } rows[] = {
        {{.width = 200, .height = 200, .strategy = FIT_PAD, .zoom = true}, 320, 180, 200, 200},
        {{.width = 201, .height = 101, .strategy = FIT_PAD, .zoom = true}, 320, 180, 200, 100},
        {{.width = 201, .strategy = FIT_FIT, .zoom = true}, 320, 180, 200, 112},
        {{.width = 100, .height = 100, .strategy = FIT_FILLCROP, .zoom = true}, 320, 180, 100, 100},
        {{.width = 99, .height = 33, .strategy = FIT_STRETCH, .zoom = true}, 320, 180, 98, 32},
        {{.width = 640, .height = 640, .strategy = FIT_PAD, .zoom = false}, 320, 180, 640, 640},
        {{.width = 100, .height = 100, .strategy = FIT_MIN_FIT, .zoom = true}, 320, 180, 178, 100},
        {{.strategy = FIT_PAD, .zoom = true}, 319, 179, 318, 178},
    };
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        struct av_info info;
        struct arena *a = robot_arena(job);
        AUTO(mem_free)
        char *args = mem_printf("-y -f lavfi -i testsrc=s=%dx%d:r=25:d=0.2 -c:v libx264 -preset "
                                "ultrafast -pix_fmt yuv444p",
                                (int)rows[i].w, (int)rows[i].h);
        const char *graph =
                       arena_printf(a, "[0:v]%s[v]", av_box(a, &rows[i].box, rows[i].w, rows[i].h)),
                   *made = encode(job, clip(job, arena_printf(a, "%zu.mp4", i), args),
                                  "web/mp4/240p", graph, &err);

        if (!made)
            fail_msg("%zu (%s): %s (%s)", i, graph, err.msg, err.detail);
        assert_int_equal(av_look(&info, made,
                                 &(struct media_limits){.max_pixels = 100000000, .timeout_s = 60},
                                 &err),
                         0);
        if (info.width != rows[i].out_w || info.height != rows[i].out_h)
            fail_msg("%zu (%s): %dx%d", i, graph, (int)info.width, (int)info.height);
    }
}

/* What the client's options make of source; box NULL: none. */
static const char *encode_so(struct robot_job *job, const char *source, const char *preset,
                             const char *map, const struct av_box *box, struct err *err)
{
    AUTO(json_unref) json_t *v = json_loads(map, 0, NULL);
    struct arena *a = robot_arena(job);
    struct av_profile *p = arena_alloc(a, sizeof *p);
    const struct av_opts client = {.ffmpeg = v};
    const struct media_limits limits = {.max_pixels = 100000000, .timeout_s = 60};
    const struct av_preset *row = NULL;
    struct av_box shape = box ? *box : (struct av_box){0};
    struct av_info info;
    const char *more[] = {"-vf", NULL, "-af", NULL, NULL};

    for (const struct opt_choice *c = av_presets; c->name; c++)
        if (!strcmp(c->name, preset))
            row = av_preset(c->value);
    assert_int_equal(av_look(&info, source, &limits, err), 0);
    assert_int_equal(av_profile(p, a, row, NULL, &client, AV_VIDEO | AV_AUDIO, err), 0);
    av_suit(p, a, &info);
    shape.tone = av_tones(p, &info);
    more[1] = info.has_video ? av_box(a, &shape, info.width, info.height) : "null";
    more[3] = av_sound(a, p);
    if (!*more[3])
        more[2] = NULL;
    struct av_run r = {.job = job,
                       .profile = p,
                       .sources = {{.path = source}},
                       .source_count = 1,
                       .maps = {"0:V:0?", "0:a:0?"},
                       .more = info.has_video ? more : more + 2,
                       .output = robot_out_path(job, p->ext)};
    return av_run(&r, err) < 0 ? NULL : r.output;
}

/* The same, and it must work. */
static struct av_info made_so(struct robot_job *job, const char *source, const char *preset,
                              const char *map, const struct av_box *box)
{
    struct err err = {0};
    struct av_info info;
    const char *made = encode_so(job, source, preset, map, box, &err);

    if (!made)
        fail_msg("%s of %s: %s (%s)", preset, source, err.msg, err.detail);
    assert_int_equal(av_look(&info, made,
                             &(struct media_limits){.max_pixels = 100000000, .timeout_s = 60},
                             &err),
                     0);
    return info;
}

static int frames_of(const char *path)
{
    AUTO(mem_free)
    char *command = mem_printf("ffprobe -v error -select_streams v:0 -count_packets -show_entries "
                               "stream=nb_read_packets -of csv=p=0 %s",
                               path);
    FILE *f = popen(command, "r");
    int n = -1;

    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

#define FAST "{\"preset\": \"ultrafast\"}"

static void pixels_that_are_not_square_become_so(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film =
        clip(job, "wide.mp4",
             "-f lavfi -i testsrc=s=180x144:r=25:d=0.2 -c:v libx264 -preset ultrafast "
             "-pix_fmt yuv420p -aspect 16:9"); /* seen as 256x144 */
    struct av_info info = made_so(job, film, "dash/270p-video", FAST,
                                  &(struct av_box){.strategy = FIT_PAD, .zoom = true});

    assert_int_equal(info.stored_width, 256);
    assert_int_equal(info.stored_height, 144);
    assert_true(info.pixel_aspect == 1);
}

static void a_film_that_is_turned_comes_out_upright_and_says_nothing_of_it(void **state)
{
    (void)state;
    static const char *const turns[] = {"90", "180", "270"};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *plain =
        clip(job, "plain.mp4",
             "-f lavfi -i testsrc=s=160x90:r=25:d=0.2 -c:v libx264 -preset ultrafast "
             "-pix_fmt yuv420p");

    for (size_t i = 0; i < ARRAY_LEN(turns); i++) {
        AUTO(mem_free)
        char *args = mem_printf("-i %s -c copy -metadata:s:v:0 rotate=%s", plain, turns[i]);
        AUTO(mem_free) char *name = mem_printf("turned%zu.mp4", i);
        struct av_info info = made_so(job, clip(job, name, args), "dash/270p-video", FAST,
                                      &(struct av_box){.strategy = FIT_PAD, .zoom = true});

        assert_int_equal(info.orientation, 1);
        assert_int_equal(info.stored_width, i == 1 ? 160 : 90);
        assert_int_equal(info.stored_height, i == 1 ? 90 : 160);
    }
}

static void a_high_dynamic_range_is_bent_unless_the_result_can_hold_it(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film =
        clip(job, "hdr.mp4",
             "-f lavfi -i color=gray:s=160x90:r=25:d=0.2 -c:v libx265 -preset ultrafast -pix_fmt "
             "yuv420p10le -x265-params "
             "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc");
    const struct av_box box = {.width = 80, .height = 60, .strategy = FIT_PAD, .zoom = true};
    struct av_info info = made_so(job, film, "dash/270p-video", FAST, &box);
    assert_false(info.is_hdr);
    assert_int_equal(info.depth, 8);
    assert_string_equal(info.matrix, "bt709");
    info =
        made_so(job, film, "hevc", "{\"preset\": \"ultrafast\", \"profile:v\": \"main10\"}", &box);
    assert_true(info.is_hdr);
    assert_int_equal(info.depth, 10);
    info = made_so(job, film, "dash/270p-video",
                   "{\"preset\": \"ultrafast\", \"pix_fmt\": \"yuv420p10le\"}", &box);
    assert_true(info.is_hdr);
    assert_int_equal(info.depth, 10);
}

static void six_channels_reach_encoders_that_do_not_know_their_layout(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *sound = clip(
        job, "six.ac3", "-f lavfi -i sine=d=0.5 -af 'aformat=channel_layouts=5.1(side)' -c:a ac3");

    assert_int_equal(made_so(job, sound, "opus", "{}", NULL).channels, 6);
    assert_int_equal(made_so(job, sound, "wmv", "{}", NULL).channels, 2);
    assert_int_equal(made_so(job, sound, "aac", "{}", NULL).channels, 6);
    assert_int_equal(made_so(job, sound, "mp3", "{}", NULL).channels, 2);
}

static void frames_of_varying_length_are_neither_lost_nor_doubled(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film =
        clip(job, "vfr.webm",
             "-f lavfi -i testsrc=s=64x36:r=30:d=2 -vf \"select='not(mod(n,3))+not(mod(n,7))'\" "
             "-vsync vfr -c:v libvpx -deadline realtime -cpu-used 8");
    struct err err;
    const char *made = encode_so(job, film, "dash/270p-video", FAST, NULL, &err);

    assert_non_null(made);
    assert_int_equal(frames_of(film), 26);
    assert_int_equal(frames_of(made), 26);
}

static void what_can_be_read_of_a_damaged_film_is_encoded_and_nothing_is_a_failure(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *whole =
                   clip(job, "whole.mp4",
                        "-f lavfi -i testsrc2=s=160x90:r=25:d=4 -f lavfi -i sine=d=4 -c:v libx264 "
                        "-preset ultrafast -pix_fmt yuv420p -c:a aac -movflags +faststart"),
               *cut = host_path(job, "cut.mp4");
    AUTO(mem_free)
    char *command = mem_printf("head -c $(($(stat -c %%s %s) * 6 / 10)) %s >%s", whole, whole, cut);
    struct err err = {0};

    assert_int_equal(system(command), 0);
    struct av_info info = made_so(job, cut, "web/mp4/240p", FAST, NULL);
    assert_true(info.duration_s > 1.5 && info.duration_s < 3.5);
    assert_null(encode_so(job, whole, "web/mp4/240p",
                          "{\"preset\": \"ultrafast\", \"ss\": \"100\"}", NULL, &err));
    assert_int_equal(err.code, ERR_USER_COMMAND);
}

/* What x264 writes into the film of itself. */
static int threads_said(const char *path)
{
    AUTO(mem_free)
    char *command = mem_printf("grep -a -o ' threads=[0-9]*' %s | head -1 | cut -d= -f2", path);
    FILE *f = popen(command, "r");
    int n = -1;

    (void)!fscanf(f, "%d", &n);
    pclose(f);
    return n;
}

static void an_encoder_has_the_threads_that_the_job_is_told(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = clip(
        job, "a.mp4",
        "-f lavfi -i testsrc=s=320x180:r=25:d=0.4 -c:v libx264 -preset ultrafast -pix_fmt yuv420p");
    struct err err;

    assert_int_equal(threads_said(encode_so(job, film, "dash/270p-video", FAST, NULL, &err)), 1);
    json_object_set_new(host_settings(job), "threads", json_integer(2));
    assert_int_equal(threads_said(encode_so(job, film, "dash/270p-video", FAST, NULL, &err)), 2);
    assert_int_equal(
        threads_said(encode_so(
            job, film, "dash/270p-video",
            "{\"preset\": \"ultrafast\", \"threads\": 9, \"x264-params\": \"threads=7:bframes=0\"}",
            NULL, &err)),
        2);
    assert_non_null(encode_so(job, film, "hevc",
                              "{\"preset\": \"ultrafast\", \"x265-params\": {\"pools\": 9}}", NULL,
                              &err));
    assert_non_null(encode_so(job, film, "web/webm-av1/240p",
                              "{\"preset\": 12, \"svtav1-params\": {\"lp\": 9}}", NULL, &err));
}

static void a_box_beyond_the_limit_is_refused_by_name(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    struct err err = {0};

    json_object_set_new(host_settings(job), "max_pixels", json_integer(1000000));
    assert_int_equal(av_box_check(job,
                                  &(struct av_box){.width = 1000, .height = 1000, .zoom = true},
                                  320, 180, &err),
                     0);
    assert_int_equal(
        av_box_check(
            job, &(struct av_box){.width = 1002, .height = 1000, .strategy = FIT_PAD, .zoom = true},
            320, 180, &err),
        -1);
    assert_non_null(strstr(err.msg, "max_pixels"));
    /* what is cut off again would have to be made first */
    assert_int_equal(
        av_box_check(
            job,
            &(struct av_box){.width = 500, .height = 500, .strategy = FIT_FILLCROP, .zoom = true},
            1, 10000, &err),
        -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_every_kind_of_preset_makes_can_be_read),
        cmocka_unit_test(lists_of_other_files_are_no_input),
        cmocka_unit_test(a_box_makes_even_sizes_and_square_pixels),
        cmocka_unit_test(pixels_that_are_not_square_become_so),
        cmocka_unit_test(a_film_that_is_turned_comes_out_upright_and_says_nothing_of_it),
        cmocka_unit_test(a_high_dynamic_range_is_bent_unless_the_result_can_hold_it),
        cmocka_unit_test(six_channels_reach_encoders_that_do_not_know_their_layout),
        cmocka_unit_test(frames_of_varying_length_are_neither_lost_nor_doubled),
        cmocka_unit_test(what_can_be_read_of_a_damaged_film_is_encoded_and_nothing_is_a_failure),
        cmocka_unit_test(an_encoder_has_the_threads_that_the_job_is_told),
        cmocka_unit_test(a_box_beyond_the_limit_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
