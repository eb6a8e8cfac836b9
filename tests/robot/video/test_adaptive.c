/* /video/adaptive: what it makes is laid out as a store would, and read by ffmpeg's own readers of
 * HLS and DASH. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "clips.h"

#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define X264 "-c:v libx264 -preset ultrafast -pix_fmt yuv420p "
#define EVERY(s) "-force_key_frames 'expr:gte(t,n_forced*" s ")' -g 1000 "

static struct robot_job *films; /* what most tests need, made once */

/* A film of six seconds and so many pixels, a key frame every second. */
static const char *film(const char *size)
{
    AUTO(mem_free) char *name = mem_printf("%s.mp4", size);
    AUTO(mem_free)
    char *args = mem_printf("-f lavfi -i testsrc2=s=%s:r=25:d=6 -f lavfi -i sine=f=440:r=48000:d=6 "
                            "%s -bf 2 %s -c:a aac",
                            size, X264, EVERY("1"));
    const char *path = host_path(films, name);

    return access(path, F_OK) == 0 ? path : clip(films, name, args);
}

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

static void from_step(struct robot_job *job, const char *path, const char *step)
{
    host_add_input(job, path);
    host_input(job)->step = step;
}

static void adapt(struct robot_job *job, const char *step)
{
    struct err err;

    if (host_run(job, "/video/adaptive", step, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

static void refused(struct robot_job *job, const char *step, const char *code)
{
    struct err err;

    if (host_run(job, "/video/adaptive", step, &err) == 0)
        fail_msg("%s is taken", step);
    if (strcmp(err_name(&err), code) != 0)
        fail_msg("%s: %s: %s", step, err_name(&err), err.msg);
}

/* As a store with `${file.meta.relative_path}/${file.name}` lays it out; the directory. */
static const char *tree(struct robot_job *job, const char *name)
{
    const char *dir = host_path(job, name);

    mkdir(dir, 0700);
    for (int i = 0; i < host_output_count(job); i++) {
        const struct host_output *o = host_output(job, i);
        AUTO(mem_free) char *folder = mem_printf("%s/%s", dir, jstr(o->meta, "relative_path"));
        AUTO(mem_free) char *path = mem_printf("%s/%s", folder, o->name);

        mkdir(folder, 0700);
        if (access(path, F_OK) == 0)
            fail_msg("two files are %s", path);
        assert_int_equal(link(o->path, path), 0);
    }
    return dir;
}

static const struct host_output *output(struct robot_job *job, const char *folder, const char *name)
{
    for (int i = 0; i < host_output_count(job); i++)
        if (!strcmp(jstr(host_output(job, i)->meta, "relative_path"), folder) &&
            !strcmp(host_output(job, i)->name, name))
            return host_output(job, i);
    return NULL;
}

/* What a command prints; the caller's. */
static char *says(const char *fmt, ...) PRINTF_LIKE(1, 2);
static char *says(const char *fmt, ...)
{
    AUTO(str_done) struct str out = {0};
    char command[3000], buf[4096];
    va_list args;
    size_t n;

    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    FILE *p = popen(command, "r");
    while ((n = fread(buf, 1, sizeof buf, p)) > 0)
        str_add(&out, buf, n);
    if (pclose(p) != 0)
        fail_msg("%s: %s", command, out.s ? out.s : "");
    return str_take(&out);
}

static char *text_of(const char *dir, const char *name) { return says("cat '%s/%s'", dir, name); }

static int times_in(const char *text, const char *what)
{
    int n = 0;

    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

/* Times and digests of all packets of a stream, as ffmpeg reads them: "pts size", a line a packet.
 */
static char *packets(const char *path, const char *stream)
{
    return says("ffprobe -v error -allowed_extensions ALL -select_streams %s -show_entries "
                "packet=pts_time,size -of "
                "csv=p=0 '%s' | sort -g",
                stream, path);
}

/* How many packets, and where they begin and end. */
struct times {
    int n;
    double first, last, gap; /* the largest step between two */
};
static struct times times_of(const char *path, const char *stream)
{
    AUTO(mem_free) char *list = packets(path, stream);
    struct times t = {0};
    double before = 0;

    for (char *rest = list, *line; (line = strtok_r(rest, "\n", &rest));) {
        double at = strtod(line, NULL);

        if (!t.n++)
            t.first = at;
        else
            t.gap = fmax(t.gap, at - before);
        before = t.last = at;
    }
    return t;
}

/* Digest of all pictures. */
static char *pictures(const char *path, const char *stream)
{
    return says("ffmpeg -v error -allowed_extensions ALL -i '%s' -map %s -f md5 - 2>&1", path,
                stream);
}
static char *pictures_of_file(const char *path)
{
    return says("ffmpeg -v error -i '%s' -map 0:v -f md5 - 2>&1", path);
}

/* ---- */

static void hls_of_three_sizes_is_what_was_given_in_aligned_segments(void **state)
{
    (void)state;
    static const char *const sizes[] = {"128x72", "192x108", "256x144"}, *const steps[] = {"small",
                                                                                           "middle",
                                                                                           "large"};
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path[3];

    for (int i = 0; i < 3; i++)
        from_step(job, path[i] = film(sizes[i]), steps[i]);
    adapt(job, "{\"technique\": \"hls\", \"segment_duration\": 2}");
    const char *dir = tree(job, "tree");
    AUTO(mem_free) char *top = text_of(dir, "playlist.m3u8");
    AUTO(mem_free) char *top_path = mem_printf("%s/playlist.m3u8", dir);
    AUTO(mem_free)
    char *programs =
        says("ffprobe -v error -show_entries program=nb_streams -of csv=p=0 '%s'", top_path);

    assert_int_equal(times_in(top, "#EXT-X-STREAM-INF"), 3);
    assert_int_equal(times_in(programs, "2"), 3);
    for (int i = 0; i < 3; i++) {
        AUTO(mem_free) char *list = mem_printf("%s/%s/playlist.m3u8", dir, steps[i]);
        AUTO(mem_free) char *text = says("cat %s", list);
        AUTO(mem_free) char *size = mem_printf("RESOLUTION=%s,FRAME-RATE=25.000", sizes[i]);
        AUTO(mem_free) char *made = pictures(list, "0:v"), *given = pictures_of_file(path[i]);

        assert_non_null(strstr(top, size));
        assert_int_equal(times_in(text, "#EXTINF:2.000000,"), 3);
        assert_int_equal(times_in(text, "\nseg_000"), 3);
        assert_string_equal(made, given); /* every picture, and none twice */
        struct times v = times_of(list, "v"), a = times_of(list, "a");
        assert_int_equal(v.n, 150);
        assert_true(fabs(v.gap - 0.04) < 0.001);
        assert_true(a.gap < 0.0225);
        assert_true(fabs(v.first - a.first) < 0.0214);
    }
}

static void cmaf_is_read_as_dash_and_as_hls_from_the_same_files(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *small = film("128x72"), *large = film("256x144");

    from_step(job, small, "small");
    from_step(job, large, "large");
    adapt(job,
          "{\"technique\": \"cmaf\", \"segment_duration\": 2, \"playlist_name\": \"film.mpd\", "
          "\"hls_playlist_name\": \"film.m3u8\"}");
    const char *dir = tree(job, "tree");
    AUTO(mem_free) char *mpd = mem_printf("%s/film.mpd", dir), *text = text_of(dir, "film.mpd");
    AUTO(mem_free) char *top = text_of(dir, "film.m3u8");
    AUTO(mem_free) char *list = mem_printf("%s/large/playlist.m3u8", dir);
    AUTO(mem_free) char *sound = mem_printf("%s/small_audio/playlist.m3u8", dir);
    AUTO(mem_free)
    char *by_dash = pictures(mpd, "0:v:1"), *by_hls = pictures(list, "0:v"),
         *given = pictures_of_file(large);

    assert_int_equal(times_in(text, "<AdaptationSet"), 2);
    assert_int_equal(times_in(text, "<Representation"), 3); /* one sound is enough */
    assert_int_equal(times_in(text, "r=\"2\""), 2);
    assert_int_equal(times_in(top, "AUDIO=\"audio\""), 2);
    assert_string_equal(by_dash, given);
    assert_string_equal(by_hls, given);
    struct times v = times_of(mpd, "v:0"), a = times_of(mpd, "a:0"), h = times_of(list, "v"),
                 s = times_of(sound, "a");
    assert_int_equal(v.n, 150);
    assert_true(fabs(v.first) < 0.001 && fabs(v.last - 5.96) < 0.001 && fabs(v.gap - 0.04) < 0.001);
    assert_int_equal(h.n, 150);
    assert_true(fabs(h.first) < 0.001 && fabs(h.gap - 0.04) < 0.001);
    assert_true(fabs(a.first) < 0.0214 && fabs(a.last - 6) < 0.04 && a.gap < 0.0215);
    assert_true(fabs(s.first - a.first) < 0.001 && s.n == a.n);
}

static void what_players_cannot_read_is_encoded_and_the_rest_stays(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *good = film("128x72");
    const char *bad = clip(job, "bad.webm",
                           "-f lavfi -i testsrc2=s=256x144:r=25:d=6 -f lavfi -i sine=d=6 -c:v "
                           "libvpx -deadline realtime "
                           "-cpu-used 8 -b:v 500k -g 37 -c:a libvorbis");

    from_step(job, good, "good");
    from_step(job, bad, "bad");
    adapt(job, "{\"technique\": \"hls\", \"segment_duration\": 2}");
    const char *dir = tree(job, "tree");
    AUTO(mem_free)
    char *stays = mem_printf("%s/good/playlist.m3u8", dir),
         *turned = mem_printf("%s/bad/playlist.m3u8", dir);
    AUTO(mem_free) char *made = pictures(stays, "0:v"), *given = pictures_of_file(good);
    AUTO(mem_free)
    char *a = text_of(dir, "good/playlist.m3u8"), *b = text_of(dir, "bad/playlist.m3u8");
    AUTO(mem_free)
    char *codecs =
        says("ffprobe -v error -show_entries stream=codec_name,width -of csv=p=0 %s", turned);

    assert_string_equal(made, given);
    assert_string_equal(a, b);
    assert_non_null(strstr(codecs, "h264,256"));
    assert_non_null(strstr(codecs, "aac"));
    struct times v = times_of(turned, "v");
    assert_int_equal(v.n, 150);
    assert_true(fabs(v.gap - 0.04) < 0.001);
}

/* H.265 and AV1 stay as they are in what can hold them, whatever they came in, and are H.264 in HLS. */
static void newer_codecs_stay_in_dash_and_cmaf(void **state)
{
    (void)state;
    static const struct {
        const char *name, *codec, *args;
    } given[] = {
        {"a.mp4", "hvc1.", "-c:v libx265 -preset ultrafast -tag:v hev1 -x265-params log-level=none:keyint=25"},
        {"b.ts", "hvc1.", "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=25"},
        {"c.mkv", "av01.", "-c:v libsvtav1 -preset 12 -g 25"},
    };
    static const char *const techniques[] = {"cmaf", "hls"};

    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        AUTO(mem_free)
        char *args = mem_printf("-f lavfi -i testsrc2=s=128x72:r=25:d=2 %s", given[i].args);
        const char *path = clip(job, given[i].name, args);

        from_step(job, path, "a");
        for (int t = 0; t < (i ? 1 : 2); t++) {
            AUTO(mem_free)
            char *step = mem_printf("{\"technique\": \"%s\", \"segment_duration\": 1}", techniques[t]);
            adapt(job, step);
            const char *dir = tree(job, techniques[t]);
            AUTO(mem_free)
            char *top = text_of(dir, "playlist.m3u8"), *list = mem_printf("%s/a/playlist.m3u8", dir),
                 *codec = mem_printf("CODECS=\"%s", t ? "avc1." : given[i].codec);
            AUTO(mem_free) char *made = pictures(list, "0:v"), *is = pictures_of_file(path);

            if (!strstr(top, codec) || times_of(list, "v").n != 50)
                fail_msg("%s as %s: %s", given[i].name, techniques[t], top);
            assert_int_equal(!strcmp(made, is), !t);
        }
    }
}

static void key_frames_that_do_not_agree_are_made_anew_where_the_others_are(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *a = film("128x72");
    const char *b = clip(job, "b.mp4", "-f lavfi -i testsrc2=s=256x144:r=25:d=6 " X264 "-g 1000");

    from_step(job, a, "a");
    from_step(job, b, "b");
    adapt(job, "{\"segment_duration\": 2}");
    const char *dir = tree(job, "tree");
    AUTO(mem_free)
    char *mpd = text_of(dir, "playlist.mpd"), *path = mem_printf("%s/playlist.mpd", dir);
    int at =
        strstr(mpd, "id=\"a\"") < strstr(mpd, "id=\"b\"") ? 0 : 1; /* the cheapest comes first */
    AUTO(mem_free)
    char *made = pictures(path, at ? "0:v:1" : "0:v:0"), *given = pictures_of_file(a);

    assert_int_equal(times_in(mpd, "r=\"2\""), 2);
    assert_string_equal(made, given);
    assert_int_equal(times_of(path, "v:1").n, 150);
}

/* Key frames each 1.6 s: with 2 s asked for, segments are as long as they can be without encoding.
 */
static void key_frames_that_agree_are_where_segments_begin(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path =
        clip(job, "a.mkv", "-f lavfi -i testsrc2=s=128x72:r=25:d=6 " X264 "-g 40 -sc_threshold 0");

    from_step(job, path, "a");
    adapt(job, "{\"technique\": \"hls\", \"segment_duration\": 2}");
    const char *dir = tree(job, "tree");
    AUTO(mem_free)
    char *text = text_of(dir, "a/playlist.m3u8"), *list = mem_printf("%s/a/playlist.m3u8", dir);
    AUTO(mem_free) char *made = pictures(list, "0:v"), *given = pictures_of_file(path);

    assert_int_equal(times_in(text, "#EXTINF:1.600000,"), 3);
    assert_int_equal(times_in(text, "#EXTINF:1.200000,"), 1);
    assert_string_equal(made, given);
}

/* One of 12 s in pieces of 10 is one of 10 and one of 2. */
static void a_segment_is_as_long_as_is_asked_where_a_key_frame_is(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    from_step(job, film("128x72"), "a");
    adapt(job, "{\"technique\": \"hls\", \"segment_duration\": 5}");
    const char *dir = tree(job, "tree");
    AUTO(mem_free) char *text = text_of(dir, "a/playlist.m3u8");

    assert_non_null(
        strstr(text, "#EXTINF:5.000000,\nseg_0000.ts\n#EXTINF:1.000000,\nseg_0001.ts\n"));
}

static void sounds_by_themselves_are_variants_or_a_group(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *picture = film("128x72");
    const char *low =
        clip(job, "low.m4a",
             "-f lavfi -i sine=d=6:r=44100 -c:a aac -b:a 32k -metadata:s:a:0 language=deu");
    const char *high =
        clip(job, "high.mp3", "-f lavfi -i sine=d=6:r=44100 -c:a libmp3lame -b:a 128k");

    from_step(job, picture, "film");
    from_step(job, low, "low");
    from_step(job, high, "high \"x\"");
    adapt(job, "{\"technique\": \"hls\", \"segment_duration\": 2}");
    const char *dir = tree(job, "plain");
    AUTO(mem_free) char *plain = text_of(dir, "playlist.m3u8");
    assert_int_equal(times_in(plain, "#EXT-X-STREAM-INF"), 3);
    assert_int_equal(times_in(plain, "RESOLUTION"), 1);

    adapt(job, "{\"technique\": \"hls\", \"segment_duration\": 2, \"audio_group\": true, "
               "\"closed_captions\": false}");
    dir = tree(job, "group");
    AUTO(mem_free)
    char *group = text_of(dir, "playlist.m3u8"), *list = mem_printf("%s/film/playlist.m3u8", dir);
    AUTO(mem_free)
    char *streams = says("ffprobe -v error -show_entries stream=codec_type -of csv=p=0 %s", list);
    AUTO(mem_free) char *sound = mem_printf("%s/high__x_/playlist.m3u8", dir);

    assert_int_equal(times_in(group, "#EXT-X-STREAM-INF"), 1);
    assert_int_equal(times_in(group, "TYPE=AUDIO"), 2);
    assert_int_equal(times_in(group, "LANGUAGE=\"deu\""), 1);
    assert_int_equal(times_in(group, "CLOSED-CAPTIONS=NONE"), 1);
    assert_string_equal(streams, "video\n\nvideo\n"); /* of the program, and of the file */
    assert_true(fabs(times_of(sound, "a").n - 6 * 44100 / 1152.0) < 3);
}

static void playlists_say_what_a_player_must_know(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    from_step(job, film("128x72"), "a");
    adapt(job,
          "{\"technique\": \"hls\", \"segment_duration\": 2, \"playlist_name\": \"top.m3u8\"}");
    const struct host_output *top = output(job, ".", "top.m3u8"),
                             *list = output(job, "a", "playlist.m3u8");
    const struct host_output *piece = output(job, "a", "seg_0001.ts");
    AUTO(mem_free) char *text = says("cat %s", top->path);
    double peak = 0, size = 0;

    for (int i = 0; i < host_output_count(job); i++)
        if (strstr(host_output(job, i)->name, ".ts")) {
            size += (double)host_output(job, i)->size;
            peak = fmax(peak, (double)host_output(job, i)->size * 8 / 2);
        }
    AUTO(mem_free)
    char *rates =
        mem_printf("BANDWIDTH=%.0f,AVERAGE-BANDWIDTH=%.0f,CODECS=\"avc1.4d400a,mp4a.40.2\"", peak,
                   ceil(size * 8 / 6));
    assert_non_null(strstr(text, rates));
    assert_int_equal(jint(list->meta, "bandwidth", 0), (int64_t)peak);
    assert_string_equal(jstr(list->meta, "resolution"), "128x72");
    assert_string_equal(jstr(list->meta, "codecs"), "avc1.4d400a,mp4a.40.2");
    assert_string_equal(list->mime, "application/vnd.apple.mpegurl");
    assert_string_equal(top->mime, "application/vnd.apple.mpegurl");
    assert_string_equal(piece->mime, "video/mp2t");
    assert_true(host_progress_steps(job) > 1);
}

static void sizes_and_options_are_those_of_what_is_encoded(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    /* turned by its header, and of a width that is asked for otherwise */
    AUTO(mem_free)
    char *turned = mem_printf("-i %s -c copy -metadata:s:v:0 rotate=90", film("128x72"));
    const char *path = clip(job, "a.mp4", turned);

    from_step(job, path, "a");
    adapt(job, "{\"technique\": \"cmaf\", \"segment_duration\": 3, \"preset\": \"hls/270p\", "
               "\"height\": 64, "
               "\"ffmpeg\": {\"ac\": 1, \"b:a\": \"48k\"}}");
    const char *dir = tree(job, "tree");
    AUTO(mem_free)
    char *top = text_of(dir, "playlist.m3u8"), *mpd = mem_printf("%s/playlist.mpd", dir);

    assert_non_null(strstr(top, "CHANNELS=\"1\""));
    assert_non_null(strstr(top, "x64,"));
    assert_int_equal(times_of(mpd, "v:0").n, 150);
}

static void a_sound_that_ends_early_holds_nothing_up(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(
        job, "a.mp4",
        "-f lavfi -i testsrc2=s=64x64:r=25:d=30 -f lavfi -i sine=d=1 " X264 EVERY("2") "-c:a aac");

    from_step(job, path, "a");
    adapt(job, "{\"technique\": \"hls\", \"segment_duration\": 2}");
    const char *dir = tree(job, "tree");
    AUTO(mem_free) char *list = mem_printf("%s/a/playlist.m3u8", dir);

    assert_int_equal(times_of(list, "v").n, 750);
    assert_true(times_of(list, "a").last < 1.1 + 1.5);
}

/* Lists of other files are none of the containers that are read. */
static void a_playlist_is_no_film(void **state)
{
    (void)state;
    static const char list[] =
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n";
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = host_path(job, "list.ts");
    FILE *f = fopen(path, "w");

    fputs(list, f);
    fclose(f);
    from_step(job, path, "a");
    refused(job, "{}", "INTERNAL_COMMAND_ERROR");
}

static void what_is_left_of_a_broken_file_is_cut(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(mem_free) char *args = mem_printf("-i %s -c copy", film("128x72"));
    const char *path = clip(job, "a.ts", args);
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size * 2 / 3 + 77), 0);
    from_step(job, path, "a");
    adapt(job, "{\"technique\": \"hls\", \"segment_duration\": 2}");
    const char *dir = tree(job, "tree");
    AUTO(mem_free) char *text = text_of(dir, "a/playlist.m3u8");

    assert_true(times_in(text, "#EXTINF") >= 2);
}

/* A job may give ten thousand files, and no work is begun that would end there. */
static void more_files_than_a_job_may_give_are_refused_at_once(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path =
        clip(job, "a.m4a", "-f lavfi -i anullsrc=r=8000:cl=mono -t 950 -c:a aac -b:a 8k");

    for (int i = 0; i < 10; i++)
        from_step(job, path, "a");
    refused(job, "{\"segment_duration\": 1}", "INVALID_INPUT_ERROR");
    assert_int_equal(host_output_count(job), 0);
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();

    from_step(job, film("64x64"), "a");
    refused(job, "{\"playlist_name\": \"../a.mpd\"}", "VIDEO_ADAPTIVE_VALIDATION");
    refused(job, "{\"playlist_name\": \"..\"}", "VIDEO_ADAPTIVE_VALIDATION");
    refused(job, "{\"playlist_name\": \"a\\nb\"}", "VIDEO_ADAPTIVE_VALIDATION");
    refused(job, "{\"technique\": \"cmaf\", \"playlist_name\": \"playlist.m3u8\"}",
            "VIDEO_ADAPTIVE_VALIDATION");
    refused(job, "{\"segment_duration\": 0}", "VIDEO_ADAPTIVE_VALIDATION");
    refused(job, "{\"technique\": \"hls\", \"preset\": \"webm\"}", "VIDEO_ADAPTIVE_VALIDATION");
    refused(job, "{\"ffmpeg\": {\"c:v\": \"libtheora\"}}", "VIDEO_ADAPTIVE_VALIDATION");
    refused(job, "{\"ffmpeg\": {\"i\": \"/etc/passwd\"}}", "VIDEO_ADAPTIVE_VALIDATION");
    refused(job, "{\"ffmpeg\": {\"hls_segment_filename\": \"/tmp/x\"}}",
            "VIDEO_ADAPTIVE_VALIDATION");
    from_step(job, clip(job, "long.mp4", "-f lavfi -i testsrc2=s=64x64:r=25:d=12 " X264), "b");
    refused(job, "{}", "INVALID_INPUT_ERROR");
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hls_of_three_sizes_is_what_was_given_in_aligned_segments),
        cmocka_unit_test(cmaf_is_read_as_dash_and_as_hls_from_the_same_files),
        cmocka_unit_test(what_players_cannot_read_is_encoded_and_the_rest_stays),
        cmocka_unit_test(newer_codecs_stay_in_dash_and_cmaf),
        cmocka_unit_test(key_frames_that_do_not_agree_are_made_anew_where_the_others_are),
        cmocka_unit_test(key_frames_that_agree_are_where_segments_begin),
        cmocka_unit_test(a_segment_is_as_long_as_is_asked_where_a_key_frame_is),
        cmocka_unit_test(sounds_by_themselves_are_variants_or_a_group),
        cmocka_unit_test(playlists_say_what_a_player_must_know),
        cmocka_unit_test(sizes_and_options_are_those_of_what_is_encoded),
        cmocka_unit_test(a_sound_that_ends_early_holds_nothing_up),
        cmocka_unit_test(a_playlist_is_no_film),
        cmocka_unit_test(what_is_left_of_a_broken_file_is_cut),
        cmocka_unit_test(more_files_than_a_job_may_give_are_refused_at_once),
        cmocka_unit_test(what_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
