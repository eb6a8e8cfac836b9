/* /video/split: films whose frames show their numbers, and whose flashes come with beeps, in; what
 * came out is decoded. */
#include "../../unit/unit.h"
#include "base/str.h"
#include "film.h"
#include "media/av/av.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define X264 "-c:v libx264 -preset ultrafast -crf 10 -pix_fmt yuv420p -c:a aac "
#define QUICK "\"ffmpeg\": {\"preset\": \"ultrafast\", \"crf\": 16, \"c:v\": \"libx264\"}"

static void split(struct robot_job *job, const char *path, const char *step, int pieces)
{
    struct err err = {0};

    if (host_run_on(job, "/video/split", step, path, &err) < 0)
        fail_msg("%s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
    assert_int_equal(host_output_count(job), pieces);
}

static void refused(struct robot_job *job, const char *path, const char *step, const char *code)
{
    struct err err = {0};

    if (host_run_on(job, "/video/split", step, path, &err) == 0)
        fail_msg("%.200s is taken", step);
    if (strcmp(err_name(&err), code) != 0)
        fail_msg("%.200s: %s: %s (%s)", step, err_name(&err), err.msg, err.detail);
}

/* Every number of 0 to frames - 1, once and in order, over all pieces. */
static void holds_all(struct robot_job *job, const char *what, int frames, double rate)
{
    int next = 0;

    for (int i = 0; i < host_output_count(job); i++) {
        AUTO(film_free) struct film *f = film_see(host_output(job, i)->path);

        for (int n = 0; n < f->frames; n++, next++)
            if (f->number[n] != next % 256 || fabs(f->at[n] - f->at[0] - n / rate) > 0.0015)
                fail_msg("%s: frame %d of piece %d shows %d at %.4f, not %d", what, n, i,
                         f->number[n], f->at[n], next % 256);
        if (fabs(f->sound_s - f->frames / rate) > 0.07)
            fail_msg("%s: piece %d has %d frames and %g s of sound", what, i, f->frames,
                     f->sound_s);
    }
    if (next != frames)
        fail_msg("%s: %d frames, not %d", what, next, frames);
}

/* Pieces that meet have every frame between them once: key frames far apart, frames that lean on
 * later ones, open groups. */
static void pieces_that_meet_have_each_frame_once(void **state)
{
    (void)state;
    static const struct {
        const char *name, *rate, *more;
        int frames;
        double fps;
    } rows[] = {
        {"a.mp4", "25", X264 "-g 250 -bf 3", 230, 25},
        {"b.mkv", "30000/1001", X264 "-g 40 -bf 3 -x264-params open-gop=1:b-pyramid=normal", 200,
         30000 / 1001.0},
        {"c.ts", "25", X264 "-g 50 -bf 2", 180, 25},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        const char *film =
            clip(job, rows[i].name,
                 film_numbered("64x48", rows[i].rate, 0, rows[i].frames, rows[i].more));

        split(job, film,
              "{\"segments\": [{\"from\": 0, \"to\": 1.013}, {\"from\": 1.013, \"to\": \"5.5\"}, "
              "{\"from\": \"00:05.5\", \"to\": \"01:00:00\"}], " QUICK "}",
              3);
        holds_all(job, rows[i].name, rows[i].frames, rows[i].fps);
    }
}

static void a_split_film_joined_again_is_as_before(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new(), *back = host_new();
    const char *film =
        clip(job, "film.mp4", film_numbered("64x48", "25", 0, 110, X264 "-g 60 -bf 2"));
    struct err err = {0};

    split(job, film,
          "{\"segments\": [{\"from\": 0, \"to\": 1.3}, {\"from\": 1.3, \"to\": 1.34}, {\"from\": "
          "1.34, \"to\": 99}], " QUICK "}",
          3);
    for (int i = 0; i < 3; i++)
        host_add_input(back, host_output(job, i)->path);
    if (host_run(back, "/video/concat",
                 "{\"video_fade_seconds\": 0, \"audio_fade_seconds\": 0, " QUICK "}", &err) < 0)
        fail_msg("%s (%s)", err.msg, err.detail);
    holds_all(back, "joined", 110, 25);
}

static void sound_stays_with_its_picture(void **state)
{
    (void)state;
    static const char *const films[][2] = {
        {"a.mp4", X264 "-g 100 -bf 3"},
        {"b.ts", X264 "-ac 6"},
        {"c.webm", "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus"}};

    for (size_t k = 0; k < ARRAY_LEN(films); k++) {
        AUTO(host_free) struct robot_job *job = host_new();
        const char *film = clip(job, films[k][0], film_flashing("64x48", "25", 7.2, films[k][1]));

        split(job, film,
              "{\"segments\": [{\"from\": 0.5, \"to\": 2.5}, {\"from\": 4.71, \"to\": 6.6}], " QUICK
              "}",
              2);
        for (int i = 0; i < 2; i++) {
            AUTO(film_free) struct film *f = film_see(host_output(job, i)->path);

            assert_int_equal(f->flashes, 2);
            assert_int_equal(f->beeps, 2);
            for (int n = 0; n < 2; n++) {
                double at = i ? 5 + n - 4.71 : n + 0.5;

                if (fabs(f->flash[n] - f->at[0] - at) > 0.041 ||
                    fabs(f->flash[n] - f->beep[n]) > 0.040)
                    fail_msg("%s, piece %d: flash at %.4f, beep at %.4f, not %.4f", films[k][0], i,
                             f->flash[n], f->beep[n], at);
            }
            if (fabs(f->frames / 25.0 - (i ? 1.89 : 2)) > 0.041)
                fail_msg("piece %d has %d frames", i, f->frames);
        }
    }
}

static void pieces_keep_codecs_and_container_and_know_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *name, *args, *video, *audio, *out;
    } rows[] = {
        {"a.mp4", X264, "h264", "aac", "a.mp4"},
        {"b.mkv",
         "-c:v libx265 -preset ultrafast -x265-params log-level=error -pix_fmt yuv420p10le -c:a "
         "flac",
         "hevc", "flac", "b.mkv"},
        {"c.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p -c:a libopus",
         "vp9", "opus", "c.webm"},
        {"d.avi", "-c:v mpeg4 -c:a libmp3lame", "mpeg4", "mp3", "d.avi"},
        {"e.mov", "-c:v prores_ks -c:a pcm_s16le", "prores", "pcm_s16le", "e.mov"},
        {"f.ogv", "-c:v libtheora -c:a libvorbis", "theora", "vorbis", "f.ogv"},
        {"g.mts", X264 "-c:a ac3 -f mpegts", "h264", "ac3", "g.mts"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(host_free) struct robot_job *job = host_new();
        struct media_limits limits = media_limits(NULL);
        struct av_info info;
        struct err err = {0};

        split(
            job, clip(job, rows[i].name, film_numbered("64x48", "25", 0, 30, rows[i].args)),
            "{\"segments\": [{\"from\": 9, \"to\": 10}, {\"from\": 0.2, \"to\": \"00:00:00.6\"}]}",
            1);
        const struct host_output *o = host_output(job, 0);

        assert_string_equal(o->name, rows[i].out);
        assert_int_equal(jint(o->meta, "segment_index", -1), 1);
        assert_string_equal(jstr(o->meta, "starts_at"), "00:00:00.200");
        assert_string_equal(jstr(o->meta, "ends_at"), "00:00:00.600");
        if (av_look(&info, o->path, &limits, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.msg);
        if (strcmp(info.video_codec, rows[i].video) != 0 ||
            strcmp(info.audio_codec, rows[i].audio) != 0)
            fail_msg("%s: %s and %s", rows[i].name, info.video_codec, info.audio_codec);
        if (fabs(info.duration_s - 0.4) > 0.08)
            fail_msg("%s: %g s", rows[i].name, info.duration_s);
        if (i == 1)
            assert_int_equal(info.depth, 10);
    }
}

static void presets_and_sizes_are_those_that_were_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *step, *name;
        int w, h;
    } rows[] = {
        {"{\"segments\": [{\"from\": 0, \"to\": 0.2}], " QUICK "}", "odd.mp4", 62, 46},
        {"{\"segments\": [{\"from\": 0, \"to\": 0.2}], \"width\": 101, \"height\": 51, " QUICK "}",
         "odd.mp4", 100, 50},
        {"{\"segments\": [{\"from\": 0, \"to\": 0.2}], \"preset\": \"webm_270p\"}", "odd.webm", 480,
         270},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = clip(job, "odd.mkv",
                            "-f lavfi -i color=white:s=63x47:r=25:d=0.4 -c:v libx264 -preset "
                            "ultrafast -pix_fmt yuv444p");

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        split(job, film, rows[i].step, 1);
        AUTO(film_free) struct film *f = film_see(host_output(job, 0)->path);

        assert_string_equal(host_output(job, 0)->name, rows[i].name);
        if (f->w != rows[i].w || f->h != rows[i].h || f->frames != 5)
            fail_msg("%s: %dx%d, %d frames", rows[i].step, f->w, f->h, f->frames);
    }
}

/* A recorded screen: nothing for seconds, then much. What was on it at a piece's begin is its first
 * picture. */
static void a_film_that_stands_still_shows_what_was_seen_there(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film =
        clip(job, "screen.mp4",
             "-f lavfi -i \"color=white:s=64x48:r=25:d=8,select='not(between(n,1,170))'\" -vsync "
             "passthrough " X264);

    split(job, film, "{\"segments\": [{\"from\": 5, \"to\": 6}], " QUICK "}", 1);
    AUTO(film_free) struct film *f = film_see(host_output(job, 0)->path);

    assert_true(f->frames > 0 && f->light[0] > 200);
    assert_true(fabs(jnum(host_output(job, 0)->meta, "duration", 0) - 1) < 0.05);
}

static void wrong_segments_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *step, *code;
    } rows[] = {
        {"{}", "VIDEO_SPLIT_VALIDATION"},
        {"{\"segments\": []}", "VIDEO_SPLIT_VALIDATION"},
        {"{\"segments\": [{\"from\": 2, \"to\": 1}]}", "VIDEO_SPLIT_VALIDATION"},
        {"{\"segments\": [{\"from\": 1, \"to\": 1}]}", "VIDEO_SPLIT_VALIDATION"},
        {"{\"segments\": [{\"from\": -1, \"to\": 1}]}", "VIDEO_SPLIT_VALIDATION"},
        {"{\"segments\": [{\"from\": 0}]}", "VIDEO_SPLIT_VALIDATION"},
        {"{\"segments\": [{\"from\": 0, \"to\": \"1; rm\"}]}", "VIDEO_SPLIT_VALIDATION"},
        {"{\"segments\": [{\"from\": 0, \"to\": 1}], \"ffmpeg\": {\"ss\": 1}}",
         "VIDEO_SPLIT_VALIDATION"},
        {"{\"segments\": [{\"from\": 0, \"to\": 1}], \"ffmpeg\": {\"filter_complex\": "
         "\"[0:v]null\"}}",
         "VIDEO_SPLIT_VALIDATION"},
        {"{\"segments\": [{\"from\": 0.5, \"to\": 1}]}", "VIDEO_SPLIT_NO_OUTPUT"},
        {"{\"segments\": [{\"from\": 1e300, \"to\": 2e300}]}", "VIDEO_SPLIT_VALIDATION"},
        {"{\"segments\": [{\"from\": 0, \"to\": 1}], \"preset\": \"mp3\"}",
         "VIDEO_SPLIT_NO_OUTPUT"},
    };
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(str_done) struct str many = {0};
    const char *film = clip(job, "a.mp4", "-f lavfi -i color=white:s=64x48:r=25:d=0.4 " X264);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        refused(job, film, rows[i].step, rows[i].code);
    str_puts(&many, "{\"segments\": [");
    for (int i = 0; i < 1000000; i++)
        str_puts(&many, i ? ",{\"from\":0,\"to\":1}" : "{\"from\":0,\"to\":1}");
    str_puts(&many, "]}");
    refused(job, film, many.s, "VIDEO_SPLIT_VALIDATION");
    refused(job, clip(job, "sound.mp4", "-f lavfi -i sine=d=0.5 -c:a aac"),
            "{\"segments\": [{\"from\": 0, \"to\": 1}]}", "INTERNAL_COMMAND_ERROR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_that_meet_have_each_frame_once),
        cmocka_unit_test(a_split_film_joined_again_is_as_before),
        cmocka_unit_test(sound_stays_with_its_picture),
        cmocka_unit_test(pieces_keep_codecs_and_container_and_know_their_place),
        cmocka_unit_test(presets_and_sizes_are_those_that_were_asked_for),
        cmocka_unit_test(a_film_that_stands_still_shows_what_was_seen_there),
        cmocka_unit_test(wrong_segments_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
