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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_every_kind_of_preset_makes_can_be_read),
        cmocka_unit_test(lists_of_other_files_are_no_input),
        cmocka_unit_test(a_box_makes_even_sizes_and_square_pixels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
