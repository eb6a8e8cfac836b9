/* What /upload/handle says of films and sounds, against what the ffprobe program says of the same
 * files. */
#include "../unit/unit.h"
#include "clips.h"
#include "media/probe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define X264 "-c:v libx264 -preset ultrafast "
#define SINE "-f lavfi -i sine=d=0.8 "
#define TEST(size) "-f lavfi -i testsrc=s=" size ":r=25:d=0.8 "

static json_t *said_by_ffprobe(struct robot_job *job, const char *path)
{
    const char *to = host_path(job, "ffprobe.json");
    AUTO(mem_free)
    char *command =
        mem_printf("ffprobe -v error -of json -show_format -show_streams %s >%s", path, to);
    json_t *v;

    assert_int_equal(system(command), 0);
    assert_non_null(v = json_load_file(to, 0, NULL));
    return v;
}

static json_t *said_by_us(const char *path)
{
    const struct probe_want want = {.limits = media_limits(NULL)};
    char mime[MIME_LEN], ext[16];
    struct err err;
    json_t *meta = NULL;

    if (probe_file(&meta, mime, ext, path, path, &want, &err) < 0)
        fail_msg("%s: %s: %s %s", path, err_name(&err), err.msg, err.detail);
    return meta;
}

/* ---- what ffprobe's words mean ---- */

static double number(const json_t *o, const char *key)
{
    const char *s = jstr(o, key);

    return s ? strtod(s, NULL) : json_number_value(json_object_get(o, key));
}

static double ratio(const json_t *o, const char *key)
{
    const char *s = jstr_or(o, key, "0/0"), *by = s + strcspn(s, "/:");
    double under = *by ? strtod(by + 1, NULL) : 0;

    return under > 0 ? strtod(s, NULL) / under : 0;
}

static int turned(const json_t *stream)
{
    json_t *side;
    size_t i;
    int r = 0;

    json_array_foreach (json_object_get(stream, "side_data_list"), i, side)
        if (json_object_get(side, "rotation"))
            r = (int)number(side, "rotation");
    return ((-r % 360) + 360) % 360;
}

static const json_t *stream_of(const json_t *all, const char *kind, int *count)
{
    const json_t *first = NULL;
    json_t *s;
    size_t i;

    *count = 0;
    json_array_foreach (json_object_get(all, "streams"), i, s)
        if (!strcmp(jstr_or(s, "codec_type", ""), kind) &&
            !number(json_object_get(s, "disposition"), "attached_pic"))
            first = (*count)++ ? first : s;
    return first;
}

static bool has_cover(const json_t *all)
{
    json_t *s;
    size_t i;

    json_array_foreach (json_object_get(all, "streams"), i, s)
        if (number(json_object_get(s, "disposition"), "attached_pic"))
            return true;
    return false;
}

/* ---- comparing ---- */

static const char *file; /* whose turn it is */

static void near(const json_t *meta, const char *key, double want, double off)
{
    double is = jnum(meta, key, -1e9);

    if (!(fabs(is - want) <= off))
        fail_msg("%s: %s is %g, ffprobe says %g", file, key, is, want);
}

static void same(const json_t *meta, const char *key, const json_t *stream, const char *as)
{
    const char *is = jstr_or(meta, key, ""), *want = jstr_or(stream, as, "");

    if (!strcmp(want, "unknown"))
        want = "";
    if (strcmp(is, want) != 0)
        fail_msg("%s: %s is '%s', ffprobe says '%s'", file, key, is, want);
}

static void compare_video(const json_t *meta, const json_t *v)
{
    bool over = turned(v) % 180 == 90;
    double w = number(v, "width"), h = number(v, "height"), sar = ratio(v, "sample_aspect_ratio");

    sar = sar > 0 ? sar : 1;
    near(meta, "width", over ? h : w, 0);
    near(meta, "height", over ? w : h, 0);
    near(meta, "aspect_ratio", over ? h / (w * sar) : w * sar / h, 0.0011);
    near(meta, "rotation", turned(v), 0);
    near(meta, "framerate",
         ratio(v, ratio(v, "avg_frame_rate") > 0 ? "avg_frame_rate" : "r_frame_rate"), 0.0011);
    same(meta, "video_codec", v, "codec_name");
    same(meta, "pixel_format", v, "pix_fmt");
    same(meta, "time_base", v, "time_base");
    same(meta, "encoding_profile", v, "profile");
    same(meta, "colortransfer", v, "color_transfer");
    same(meta, "colorprimaries", v, "color_primaries");
    same(meta, "field_order", v, "field_order");
    near(meta, "reference_count", number(v, "refs"), 0);
    if (number(v, "bit_rate") > 0)
        near(meta, "video_bitrate", number(v, "bit_rate"), 1);
    if (number(v, "bits_per_raw_sample") > 0)
        near(meta, "bit_depth", number(v, "bits_per_raw_sample"), 0);
}

static void compare_audio(const json_t *meta, const json_t *a)
{
    near(meta, "audio_samplerate", number(a, "sample_rate"), 0);
    near(meta, "audio_channels", number(a, "channels"), 0);
    same(meta, "audio_channel_layout", a, "channel_layout");
    same(meta, "audio_sample_format", a, "sample_fmt");
    same(meta, "audio_codec", a, "codec_name");
    same(meta, "audio_profile", a, "profile");
    if (number(a, "bit_rate") > 0)
        near(meta, "audio_bitrate", number(a, "bit_rate"), 1);
}

static json_t *compare(struct robot_job *job, const char *name, const char *args)
{
    const char *path = clip(job, name, args);
    json_t *meta = said_by_us(path);
    AUTO(json_unref) json_t *all = said_by_ffprobe(job, path);
    int videos, audios, subtitles;
    const json_t *v = stream_of(all, "video", &videos), *a = stream_of(all, "audio", &audios),
                 *format = json_object_get(all, "format");

    file = name;
    (void)stream_of(all, "subtitle", &subtitles);
    near(meta, "duration", number(format, "duration"), 0.0051);
    near(meta, "overall_bitrate", number(format, "bit_rate"), 1);
    near(meta, "num_audio_streams", audios, 0);
    assert_int_equal(jbool(meta, "has_artwork", !has_cover(all)), has_cover(all));
    if (v) {
        near(meta, "num_video_streams", videos, 0);
        near(meta, "num_subtitles", subtitles, 0);
        compare_video(meta, v);
    } else {
        assert_null(json_object_get(meta, "width"));
        assert_null(json_object_get(meta, "video_codec"));
    }
    if (a)
        compare_audio(meta, a);
    else
        assert_null(json_object_get(meta, "audio_codec"));
    return meta;
}

/* ---- the corpus ---- */

static void films_of_every_shape_are_told_as_ffprobe_does(void **state)
{
    (void)state;
    static const struct {
        const char *name, *args;
    } rows[] = {
        {"plain.mp4", TEST("320x180") SINE X264 "-pix_fmt yuv420p -c:a aac"},
        {"vfr.mp4", "-f lavfi -i testsrc=s=160x90:r=30:d=2 -vf \"select='lt(n,20)+not(mod(n,7))'\" "
                    "-fps_mode vfr " X264 "-pix_fmt yuv420p"},
        {"ntsc.mov", "-f lavfi -i testsrc=s=160x90:r=30000/1001:d=1 " X264 "-pix_fmt yuv420p"},
        {"surround.mp4",
         TEST("160x90") "-f lavfi -i \"aevalsrc=0.1*sin(t)|0|0|0|0|0:c=5.1:s=48000:d=0.8\" " X264
                        "-pix_fmt yuv420p -c:a aac"},
        {"odd.mkv", TEST("321x181") X264 "-pix_fmt yuv444p"},
        {"small.mkv", TEST("17x3") "-c:v ffv1"},
        {"deep.mp4", TEST("160x90") X264 "-pix_fmt yuv420p10le"},
        {"hdr.mp4", TEST("160x90") "-c:v libx265 -x265-params log-level=none:pools=1 -preset "
                                   "ultrafast -pix_fmt yuv420p10le -color_trc smpte2084 "
                                   "-color_primaries bt2020 -colorspace bt2020nc -tag:v hvc1"},
        {"mute.mp4", TEST("160x90") X264 "-pix_fmt yuv420p -an"},
        {"wide.mp4", TEST("160x90") "-vf setsar=16/11 " X264 "-pix_fmt yuv420p"},
        {"dv.avi", TEST("160x90") SINE "-c:v mpeg4 -c:a mp2"},
        {"field.ts",
         "-f lavfi -i testsrc=s=320x240:r=25:d=0.8 -c:v mpeg2video -flags +ildct+ilme -top 1"},
        {"clear.webm", "-f lavfi -i color=red@0.5:s=64x64:r=10:d=1,format=yuva420p -c:v libvpx "
                       "-deadline realtime -auto-alt-ref 0"},
        {"nine.webm",
         TEST("160x90") SINE "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"},
        {"two.mkv", TEST("160x90") SINE "-f lavfi -i sine=d=0.8:r=22050 -map 0 -map 1 -map 2 " X264
                                        "-pix_fmt yuv420p -c:a:0 flac -c:a:1 libvorbis"},
        {"late.mp4", TEST("160x90") "-itsoffset 0.5 " SINE X264 "-pix_fmt yuv420p -c:a aac"},
        {"raw.ivf", TEST("160x90") "-c:v libvpx -deadline realtime"},
        {"flash.f4v", TEST("160x90") SINE X264 "-pix_fmt yuv420p -c:a aac"},
    };
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        json_decref(compare(job, rows[i].name, rows[i].args));
}

static void films_that_are_turned_or_cut_by_their_header_are_told_as_they_are_shown(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *film = clip(job, "film.mp4",
                            "-f lavfi -i testsrc=s=160x90:r=25:d=4 -f lavfi -i sine=d=4 " X264
                            "-g 100 -bf 2 -pix_fmt yuv420p -c:a aac");

    for (int turn = 90; turn < 360; turn += 90) {
        AUTO(mem_free) char *args = mem_printf("-i %s -c copy -metadata:s:v rotate=%d", film, turn);
        AUTO(json_unref) json_t *meta = compare(job, "turned.mp4", args);

        assert_int_equal(jint(meta, "width", 0), turn == 180 ? 160 : 90);
        assert_true(jint(meta, "rotation", -1) % 180 == turn % 180 &&
                    jint(meta, "rotation", 0) > 0);
    }
    /* an edit list: it begins in the middle of a group of pictures */
    AUTO(mem_free) char *cut = mem_printf("-ss 1.3 -i %s -t 2 -c copy", film);
    json_decref(compare(job, "cut.mp4", cut));
    AUTO(mem_free) char *cut_mov = mem_printf("-ss 1.3 -i %s -t 2 -c copy", film);
    json_decref(compare(job, "cut.mov", cut_mov));
}

static void sounds_are_told_as_ffprobe_does(void **state)
{
    (void)state;
    static const struct {
        const char *name, *args;
        int depth; /* 0: none is told */
    } rows[] = {
        {"vbr.mp3", SINE "-c:a libmp3lame -q:a 4", 0},
        {"cbr.mp3", SINE "-c:a libmp3lame -b:a 96k -write_xing 0", 0},
        {"deep.flac", SINE "-c:a flac -sample_fmt s32 -bits_per_raw_sample 24", 24},
        {"deep.wav", SINE "-c:a pcm_s24le", 24},
        {"float.wav", SINE "-c:a pcm_f32le", 32},
        {"a.m4a", SINE "-c:a alac", 16},
        {"b.m4a", SINE "-c:a aac -ac 2", 0},
        {"c.opus", SINE "-c:a libopus", 0},
        {"d.ogg", SINE "-c:a libvorbis -ac 2", 0},
        {"f.wv", SINE "-c:a wavpack", 16},
        {"i.tta", SINE "-c:a tta", 16},
        {"j.dts", SINE "-c:a dca -strict -2 -ar 48000 -ac 2", 0},
        {"g.ac3", "-f lavfi -i \"aevalsrc=0.1*sin(t)|0|0|0|0|0:c=5.1:s=48000:d=0.8\" -c:a ac3", 0},
        {"h.aac", SINE "-c:a aac", 0},
        {"cover.mp3",
         SINE TEST("64x64") "-map 0 -map 1 -frames:v 1 -c:v png -disposition:v attached_pic", 0},
        {"cover.m4a",
         SINE TEST(
             "64x64") "-map 0 -map 1 -frames:v 1 -c:v mjpeg -disposition:v attached_pic -c:a aac",
         0},
    };
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json_unref) json_t *meta = compare(job, rows[i].name, rows[i].args);

        if (jint(meta, "bit_depth", 0) != rows[i].depth)
            fail_msg("%s: bit_depth is %d", rows[i].name, (int)jint(meta, "bit_depth", 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(films_of_every_shape_are_told_as_ffprobe_does),
        cmocka_unit_test(films_that_are_turned_or_cut_by_their_header_are_told_as_they_are_shown),
        cmocka_unit_test(sounds_are_told_as_ffprobe_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
