/* Films over libav: which picture is that of a moment, how it is turned, what hostile files can't do. */
#include "clips.h"
#include "media/av/av.h"
#include "media/tool.h"
#include "../unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct av_open plain = {.limits = {.max_pixels = 100000000, .max_frames = 1000, .timeout_s = 60}};

static struct av *opened(const char *path)
{
    struct av *av;
    struct err err;

    if (av_open(&av, path, &plain, &err) < 0)
        fail_msg("%s: %s (%s)", path, err.msg, err.detail);
    return av;
}

/* The picture of a moment as a file, or false where the film has none. */
static bool picture(struct seen *seen, double *t, struct robot_job *job, struct av *av, const struct av_moment *m)
{
    AUTO(image_free) struct image *img = NULL;
    const char *path = host_path(job, "picture.png");
    struct err err;
    int rc = av_picture(&img, t, av, m, &err);

    if (rc < 0)
        fail_msg("at %g: %s (%s)", m->at, err.msg, err.detail);
    if (rc == 0)
        return false;
    assert_int_equal(image_save(img, path, &(struct image_save){.format = "png", .quality = 90}, &err), 0);
    clip_see(seen, path);
    return true;
}

static int second_at(struct robot_job *job, struct av *av, double at)
{
    struct seen seen;
    double t;

    return picture(&seen, &t, job, av, &(struct av_moment){at, at, at}) ? clip_second(seen.at[4]) : -1;
}

/* ---- which picture ---- */

static void the_picture_is_that_of_the_moment_whatever_the_container(void **state)
{
    (void)state;
    static const struct {
        const char *name, *encoder;
    } rows[] = {
        {"a.mp4", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 250"},
        {"b.mp4", "-c:v libx264 -preset fast -bf 3 -pix_fmt yuv420p -g 40"},
        {"c.mkv", "-c:v libx264 -preset fast -bf 3 -pix_fmt yuv420p -g 250"},
        {"d.webm", "-c:v libvpx -b:v 300k -g 100"},
        {"e.ts", "-c:v libx264 -preset fast -bf 3 -pix_fmt yuv420p -g 75"},
        {"f.avi", "-c:v mpeg4 -q:v 3 -g 50"},
        {"g.mpg", "-c:v mpeg2video -bf 2 -q:v 3 -g 50"},
        {"h.ogv", "-c:v libtheora -q:v 7 -g 64"},
        {"i.flv", "-c:v flv1 -q:v 3 -g 50"},
        {"j.mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le -g 60"},
        {"k.ts", "-c:v libx264 -preset fast -bf 3 -pix_fmt yuv420p -g 50 -output_ts_offset 100"},
        {"l.wmv", "-c:v wmv2 -q:v 3 -g 50"},
        {"m.mp4", "-c:v libx264 -preset fast -bf 3 -pix_fmt yuv420p -movflags frag_keyframe+empty_moov -g 50"},
    };
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *args = mem_printf("-f lavfi -i %s %s", clip_colours("160x96", 25, 12), rows[i].encoder);
        AUTO(av_close) struct av *av = opened(clip(job, rows[i].name, args));
        static const double moments[] = {0, 0.5, 3.02, 3.5, 6.98, 2.5, 11.5, 9.02, 9.06, 11.96, 0.02};

        if (fabs(av_info(av)->duration_s - 12) > 1.1)
            fail_msg("%s lasts %g s", rows[i].name, av_info(av)->duration_s);
        for (size_t k = 0; k < ARRAY_LEN(moments); k++)
            if (second_at(job, av, moments[k]) != (int)moments[k])
                fail_msg("%s at %g: the picture is of second %d", rows[i].name, moments[k], second_at(job, av, moments[k]));
    }
}

static void behind_the_end_there_is_no_picture(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free) char *args = mem_printf("-f lavfi -i %s -f lavfi -i sine=d=12 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac",
                                           clip_colours("160x96", 25, 5));
    AUTO(av_close) struct av *av = opened(clip(job, "short.mkv", args));

    assert_int_equal(second_at(job, av, 4.99), 4);
    assert_int_equal(second_at(job, av, 5.5), 4); /* the last frame stays for a second */
    assert_int_equal(second_at(job, av, 7), -1);
    assert_int_equal(second_at(job, av, 1.1), 1);
}

/* ---- shape ---- */

/* A field in the corner that is the frame's top left is red, the rest is blue. */
#define CORNER "-f lavfi -i \"color=blue:s=160x96:d=1:r=5,drawbox=w=54:h=33:c=red:t=fill\" -c:v libx264 -pix_fmt yuv420p "

static bool is_red(const uint8_t p[4]) { return p[0] > 180 && p[2] < 90; }

/* Writes the matrix of the one video track of an MP4: 16.16 numbers. */
static void set_matrix(const char *path, int a, int b, int c, int d)
{
    static const int32_t one = 0x10000;
    const int32_t m[9] = {a * one, b * one, 0, c * one, d * one, 0, 0, 0, 0x40000000};
    static uint8_t file[100000];
    FILE *f = fopen(path, "r+b");
    size_t n = fread(file, 1, sizeof file, f), at = 0;

    while (at + 4 < n && memcmp(file + at, "tkhd", 4) != 0)
        at++;
    assert_true(at + 4 < n);
    for (int i = 0; i < 9; i++) {
        uint8_t big[4] = {(uint8_t)((uint32_t)m[i] >> 24), (uint8_t)((uint32_t)m[i] >> 16), (uint8_t)((uint32_t)m[i] >> 8), (uint8_t)m[i]};

        fseek(f, (long)at + 4 + 40 + 4 * i, SEEK_SET);
        fwrite(big, 1, 4, f);
    }
    fclose(f);
}

static void a_film_is_turned_and_mirrored_as_its_header_says(void **state)
{
    (void)state;
    static const struct {
        int a, b, c, d, field; /* where the corner is seen then, of 3 x 3 */
    } rows[] = {{1, 0, 0, 1, 0},  {-1, 0, 0, 1, 2}, {-1, 0, 0, -1, 8}, {1, 0, 0, -1, 6},
                {0, 1, 1, 0, 0},  {0, 1, -1, 0, 2}, {0, -1, -1, 0, 8}, {0, -1, 1, 0, 6}};
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *path = clip(job, "turned.mp4", CORNER);
        struct seen seen;
        double t;

        set_matrix(path, rows[i].a, rows[i].b, rows[i].c, rows[i].d);
        AUTO(av_close) struct av *av = opened(path);
        assert_true(picture(&seen, &t, job, av, &(struct av_moment){0, 0, 0}));
        assert_int_equal(seen.w, rows[i].a ? 160 : 96);
        assert_int_equal(seen.h, rows[i].a ? 96 : 160);
        assert_int_equal(av_info(av)->width, seen.w);
        for (int k = 0; k < 9; k++)
            if (is_red(seen.at[k]) != (k == rows[i].field))
                fail_msg("matrix %d %d %d %d: field %d", rows[i].a, rows[i].b, rows[i].c, rows[i].d, k);
    }
}

static void pixels_that_are_not_square_become_so(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    struct seen seen;
    double t;
    AUTO(av_close) struct av *wide = opened(clip(job, "wide.mp4", CORNER "-vf setsar=4/3"));
    AUTO(av_close) struct av *narrow = opened(clip(job, "narrow.mkv", CORNER "-vf setsar=8/9"));

    assert_true(picture(&seen, &t, job, wide, &(struct av_moment){0, 0, 0}));
    assert_int_equal(seen.w, 213);
    assert_int_equal(seen.h, 96);
    assert_int_equal(av_info(wide)->stored_width, 160);
    assert_true(picture(&seen, &t, job, narrow, &(struct av_moment){0, 0, 0}));
    assert_int_equal(seen.w, 142);
    assert_int_equal(av_info(narrow)->width, 142);
}

static void colours_are_those_that_were_filmed(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "-pix_fmt yuv420p -c:v libx264",
        "-pix_fmt yuv420p10le -c:v libx264",
        "-pix_fmt yuvj420p -c:v mjpeg -q:v 2",
        "-vf scale=out_color_matrix=bt709,format=yuv420p -colorspace bt709 -c:v libx264",
        "-vf scale=out_color_matrix=bt2020,format=yuv444p10le -colorspace bt2020nc -c:v libx264",
        "-pix_fmt rgb24 -c:v qtrle",
        "-pix_fmt gbrp -c:v ffv1",
    };
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *args = mem_printf("-f lavfi -i color=0xE0A030:s=64x48:d=1:r=5,format=gbrp %s", rows[i]);
        AUTO(av_close) struct av *av = opened(clip(job, "colour.mov", args));
        struct seen seen;
        double t;

        assert_true(picture(&seen, &t, job, av, &(struct av_moment){0.5, 0.5, 0.5}));
        if (fabs(seen.mean[0] - 0xE0) > 4 || fabs(seen.mean[1] - 0xA0) > 4 || fabs(seen.mean[2] - 0x30) > 4)
            fail_msg("%s: %g %g %g", rows[i], seen.mean[0], seen.mean[1], seen.mean[2]);
    }
}

/* Grey of 203 cd/m2, the white of a page, is 0.58 in PQ. Shown by its number it would be 148. */
static void high_dynamic_range_is_brought_to_what_a_screen_shows(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    struct seen seen;
    double t;
    AUTO(av_close) struct av *av = opened(clip(job, "hdr.mp4",
        "-f lavfi -i color=0x949494:s=64x48:d=1:r=5,format=yuv420p10le -color_trc smpte2084 -color_primaries bt2020 "
        "-colorspace bt2020nc -c:v libx265 -x265-params log-level=none"));

    assert_true(av_info(av)->is_hdr);
    assert_int_equal(av_info(av)->depth, 10);
    assert_true(picture(&seen, &t, job, av, &(struct av_moment){0, 0, 0}));
    if (seen.mean[0] < 190 || fabs(seen.mean[0] - seen.mean[2]) > 6)
        fail_msg("it is %g %g %g", seen.mean[0], seen.mean[1], seen.mean[2]);
}

static void what_can_be_seen_through_stays_so(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a.webm", "-pix_fmt yuva420p -c:v libvpx -auto-alt-ref 0 -b:v 1M"}, {"b.webm", "-pix_fmt yuva420p -c:v libvpx-vp9 -b:v 1M"},
        {"c.mov", "-pix_fmt argb -c:v qtrle"}, {"d.mov", "-pix_fmt yuva444p10le -c:v prores_ks"}};
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *args = mem_printf("-f lavfi -i \"color=red@0.5:s=96x96:d=1:r=5,format=rgba\" %s", rows[i][1]);
        AUTO(av_close) struct av *av = opened(clip(job, rows[i][0], args));
        struct seen seen;
        double t;

        assert_true(av_info(av)->has_alpha);
        assert_true(picture(&seen, &t, job, av, &(struct av_moment){0, 0, 0}));
        if (!seen.alpha || abs(seen.at[4][3] - 128) > 12 || seen.at[4][0] < 200)
            fail_msg("%s: alpha %d, red %d", rows[i][0], seen.at[4][3], seen.at[4][0]);
    }
}

/* ---- what is in a file ---- */

static double cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of what the program says, all that is told here is the same. */
static void compare(const char *path, const char *where, const json_t *ours, const json_t *theirs)
{
    const char *key;
    json_t *v;

    json_object_foreach ((json_t *)ours, key, v) {
        const json_t *other = json_object_get(theirs, key);

        if (json_is_object(v) && strcmp(key, "tags") != 0) {
            compare(path, key, v, other);
        } else if (!strcmp(key, "side_data_list")) {
            assert_int_equal(jint(json_array_get(v, 0), "rotation", -1), jint(json_array_get(other, 0), "rotation", -2));
        } else if (!json_equal(v, other) && (json_object_size(v) || other)) {
            AUTO(mem_free) char *one = json_text(v);
            AUTO(mem_free) char *two = json_text(other);
            fail_msg("%s: %s %s is %s, but %s says the program", path, where, key, one, two);
        }
    }
}

static void what_is_in_a_file_is_told_as_the_ffprobe_program_does(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a.mp4", "-c:v libx264 -pix_fmt yuv420p -c:a aac -metadata title=Zo\xc3\xab -metadata comment='two\nlines'"},
        {"b.mkv", "-c:v libx264 -vf setsar=4/3 -colorspace bt709 -color_trc bt709 -color_primaries bt709 -c:a ac3"},
        {"c.webm", "-c:v libvpx-vp9 -c:a libopus"}, {"d.avi", "-c:v mpeg4 -c:a libmp3lame"}, {"e.mpg", "-c:v mpeg2video -c:a mp2"},
        {"f.ts", "-c:v libx264 -c:a aac"}, {"g.ogv", "-c:v libtheora -c:a libvorbis"}, {"h.mp3", "-vn -c:a libmp3lame -metadata title=x"},
        {"i.wav", "-vn -c:a pcm_s24le"}, {"j.mov", "-c:v prores_ks -c:a pcm_s16le"}, {"k.wmv", "-c:v wmv2 -c:a wmav2"},
        {"l.mp4", "-c:v libx265 -pix_fmt yuv420p10le -x265-params log-level=none -an"}, {"m.h264", "-an -c:v libx264"}, {"n.aac", "-vn -c:a aac"},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    double before, own = 0, childs = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free) char *args = mem_printf("-f lavfi -i testsrc2=s=160x96:r=25:d=1 -f lavfi -i sine=d=1 %s", rows[i][1]);
        const char *path = clip(job, rows[i][0], args), *argv[] = {"ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", path, NULL};
        AUTO(str_done) struct str out = {0};
        struct err err;

        before = cpu_now();
        AUTO(json_unref) json_t *ours = av_describe(path, &plain.limits, &err);
        own += cpu_now() - before;
        childs -= clip_children();
        assert_int_equal(tool_text(&out, argv, 60000, 1 << 20, &err), 0);
        childs += clip_children();
        AUTO(json_unref) json_t *theirs = json_loads(out.s, 0, NULL);
        assert_non_null(ours);
        assert_int_equal(json_array_size(json_object_get(ours, "streams")), json_array_size(json_object_get(theirs, "streams")));
        compare(path, "format", json_object_get(ours, "format"), json_object_get(theirs, "format"));
        for (size_t k = 0; k < json_array_size(json_object_get(ours, "streams")); k++)
            compare(path, "stream", json_array_get(json_object_get(ours, "streams"), k), json_array_get(json_object_get(theirs, "streams"), k));
    }
    print_message("%zu files: %.0f ms here, %.0f ms by the program\n", ARRAY_LEN(rows), own * 1000, childs * 1000);
    assert_true(own < childs);
}

/* ---- cost ---- */

static double eight(struct robot_job *job, const char *path, double slack)
{
    double before = cpu_now(), t;
    AUTO(av_close) struct av *av = opened(path);
    struct err err;

    for (int i = 1; i <= 8; i++) {
        AUTO(image_free) struct image *img = NULL;
        double at = 20.0 * i / 9;

        assert_int_equal(av_picture(&img, &t, av, &(struct av_moment){at, at - slack, at + slack}, &err), 1);
    }
    return cpu_now() - before;
}

/* Against eight runs of ffmpeg that seek, as a shell script would do it. Ratios, so that a busy machine does not matter. */
static void eight_pictures_cost_less_than_by_the_program(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "long.mp4", "-f lavfi -i testsrc2=s=1920x1080:r=25:d=20 -c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -g 50");
    double near, exact, child = 0;

    for (int i = 1; i <= 8; i++) {
        AUTO(mem_free) char *args = mem_printf("-threads 1 -ss %g -i %s -frames:v 1 -threads 1 %s/out.png", 20.0 * i / 9, path, host_dir(job));
        child += clip_cpu(args);
    }
    eight(job, path, 0); /* the first time loads and warms */
    exact = eight(job, path, 0);
    near = eight(job, path, 1.1);
    print_message("eight of a 20 s film of 1080p: child %.0f ms, exact %.0f ms (%.2f of it), key frames %.0f ms (%.2f)\n", child * 1000,
                  exact * 1000, exact / child, near * 1000, near / child);
    assert_true(exact < child);
    assert_true(near < exact * 0.7);
}

static void a_key_frame_is_taken_only_where_it_will_do(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free) char *args = mem_printf("-f lavfi -i %s -c:v libx264 -preset fast -bf 3 -sc_threshold 0 -g 50 -pix_fmt yuv420p", clip_colours("160x96", 25, 12));
    static const char *const names[] = {"keys.mp4", "keys.mkv"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(av_close) struct av *av = opened(clip(job, names[i], args));
        struct seen seen;
        double t;

        /* there are some each second second */
        assert_true(picture(&seen, &t, job, av, &(struct av_moment){4.7, 4, 5}));
        assert_float_equal(t, 4, 0.03);
        assert_int_equal(clip_second(seen.at[4]), 4);
        assert_true(picture(&seen, &t, job, av, &(struct av_moment){5.7, 5, 6}));
        assert_float_equal(t, 5.68, 0.03);
        assert_int_equal(clip_second(seen.at[4]), 5);
        assert_true(picture(&seen, &t, job, av, &(struct av_moment){9.3, 8, 11}));
        assert_float_equal(t, 10, 0.03);
        assert_true(picture(&seen, &t, job, av, &(struct av_moment){6.5, 6.5, 6.5}));
        assert_float_equal(t, 6.48, 0.03);
    }
}

/* ---- hostile files ---- */

static const char *file_of(struct robot_job *job, const char *name, const char *text)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "wb");

    fputs(text, f);
    fclose(f);
    return path;
}

static void lists_of_other_files_are_no_films(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *other = clip(job, "other.ts", CORNER);
    const char *const rows[][2] = {
        {"a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:%s\n#EXT-X-ENDLIST\n"},
        {"a.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n%s\n#EXT-X-ENDLIST\n"},
        {"b.ffconcat", "ffconcat version 1.0\nfile '%s'\n"},
        {"c.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9000 RTP/AVP 96\na=rtpmap:96 H264/90000\na=x:%s\n"},
        {"d.mpd", "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" mediaPresentationDuration=\"PT9S\"><Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"0\" bandwidth=\"9\"><BaseURL>%s</BaseURL></Representation></AdaptationSet></Period></MPD>"},
        {"e.smil", "RTSPtext\n%s"},
        {"f.txt", "[playlist]\nFile1=%s\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int k = 0; k < 2; k++) {
            AUTO(mem_free) char *text = mem_printf(rows[i][1], k ? other : "/etc/passwd"); /* NOLINT: our own formats */
            struct av *av = NULL;
            struct err err = {0};

            if (av_open(&av, file_of(job, rows[i][0], text), &plain, &err) == 0)
                fail_msg("%s is taken for a film", rows[i][0]);
            assert_int_equal(err.code, ERR_COMMAND);
            if (strstr(err.msg, "passwd") || strstr(err.detail, "passwd") || strstr(err.detail, host_dir(job)))
                fail_msg("%s: %s %s", rows[i][0], err.msg, err.detail);
        }
}

static void pictures_larger_than_the_limit_are_refused(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "big.mp4", "-f lavfi -i color=s=2000x1000:d=0.2:r=5 -c:v libx264 -preset ultrafast -pix_fmt yuv420p");
    struct av_open small = plain;
    struct av *av = NULL;
    struct err err;

    small.limits.max_pixels = 1999999;
    assert_int_equal(av_open(&av, path, &small, &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);
    assert_non_null(strstr(err.msg, "max_pixels"));
    small.limits.max_pixels = 2000000;
    assert_int_equal(av_open(&av, path, &small, &err), 0);
    av_close(av);
}

/* Cut off, one byte in a hundred changed, or nothing but noise: an answer, and soon. */
static void damaged_files_get_an_answer(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free) char *args = mem_printf("-f lavfi -i %s -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25 -movflags +faststart", clip_colours("160x96", 25, 8));
    static const char *const names[] = {"x.mp4", "x.ts", "x.mkv", "x.avi", "x.flv"};
    int pictures = 0;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *path = clip(job, names[i], args);
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        for (unsigned seed = 0; seed < 12; seed++) {
            AUTO(mem_free) char *bytes = mem_alloc((size_t)st.st_size);
            const char *bad = host_path(job, "bad");
            FILE *f = fopen(path, "rb");
            size_t n = fread(bytes, 1, (size_t)st.st_size, f);
            struct av *av = NULL;
            struct err err;
            double t;

            fclose(f);
            srandom(seed);
            for (size_t b = 0; b < n; b += 1 + (size_t)random() % 2000)
                bytes[b + (seed < 6 ? 0 : n / 3) < n ? b + (seed < 6 ? 0 : n / 3) : b] ^= (char)random();
            f = fopen(bad, "wb");
            fwrite(bytes, 1, seed % 3 ? n : n / 2, f);
            fclose(f);
            if (av_open(&av, bad, &plain, &err) < 0) {
                assert_true(err.code == ERR_COMMAND);
                continue;
            }
            for (int k = 0; k < 5; k++) {
                struct image *img = NULL;
                int rc = av_picture(&img, &t, av, &(struct av_moment){k * 2 % 7 + 0.5, 0, k == 4 ? 9 : 0}, &err);

                assert_true(rc >= 0 || err.code == ERR_COMMAND);
                pictures += rc == 1;
                image_free(img);
            }
            av_close(av);
        }
    }
    assert_true(pictures > 50);
}

static void a_film_without_end_stops_at_the_time_limit(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "slow.mkv", "-f lavfi -i testsrc2=s=1920x1080:r=25:d=24 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 1000 -keyint_min 1000");
    struct av_open hurried = plain;
    struct image *img = NULL;
    struct av *av = NULL;
    struct err err;
    double t;

    hurried.limits.timeout_s = 0;
    assert_int_equal(av_open(&av, path, &plain, &err), 0);
    av_close(av);
    assert_int_equal(av_open(&av, path, &hurried, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    hurried.limits.timeout_s = 1;
    assert_int_equal(av_open(&av, path, &hurried, &err), 0);
    double before = cpu_now();
    int rc = av_picture(&img, &t, av, &(struct av_moment){23, 23, 23}, &err);
    assert_true(cpu_now() - before < 2.5);
    if (rc < 0)
        assert_int_equal(err.code, ERR_TIMEOUT);
    image_free(img);
    av_close(av);
}

static void a_decoder_is_one_of_pictures(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "d.mp4", CORNER);
    static const char *const bad[] = {"aac", "no-such", "", "h264_v4l2m2m", "libx264"};
    struct image *img = NULL;
    struct err err;
    double t;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct av_open how = plain;
        struct av *av;

        how.decoder = bad[i];
        assert_int_equal(av_open(&av, path, &how, &err), 0);
        assert_int_equal(av_picture(&img, &t, av, &(struct av_moment){0, 0, 0}, &err), -1);
        assert_int_equal(err.code, ERR_INPUT);
        av_close(av);
    }
    struct av_open how = plain;
    struct av *av;
    how.decoder = "h264";
    assert_int_equal(av_open(&av, path, &how, &err), 0);
    assert_int_equal(av_picture(&img, &t, av, &(struct av_moment){0, 0, 0}, &err), 1);
    image_free(img);
    av_close(av);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_is_that_of_the_moment_whatever_the_container),
        cmocka_unit_test(behind_the_end_there_is_no_picture),
        cmocka_unit_test(a_film_is_turned_and_mirrored_as_its_header_says),
        cmocka_unit_test(pixels_that_are_not_square_become_so),
        cmocka_unit_test(colours_are_those_that_were_filmed),
        cmocka_unit_test(high_dynamic_range_is_brought_to_what_a_screen_shows),
        cmocka_unit_test(what_can_be_seen_through_stays_so),
        cmocka_unit_test(a_key_frame_is_taken_only_where_it_will_do),
        cmocka_unit_test(what_is_in_a_file_is_told_as_the_ffprobe_program_does),
        cmocka_unit_test(eight_pictures_cost_less_than_by_the_program),
        cmocka_unit_test(lists_of_other_files_are_no_films),
        cmocka_unit_test(pictures_larger_than_the_limit_are_refused),
        cmocka_unit_test(damaged_files_get_an_answer),
        cmocka_unit_test(a_film_without_end_stops_at_the_time_limit),
        cmocka_unit_test(a_decoder_is_one_of_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
