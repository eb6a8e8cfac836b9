/* Sounds over libav, sample by sample; and the peaks that are kept of them. */
#include "../unit/unit.h"
#include "clips.h"
#include "media/av/sound.h"
#include "media/peaks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct sound_open plain = {
    .limits = {.max_pixels = 100000000, .max_frames = 1000, .timeout_s = 60}};

struct heard {
    int64_t samples;
    int channels, pieces, stop_after;
    double square[SOUND_CHANNELS_MAX];
    float first, last; /* of the first channel */
};

static int hear(void *ctx, const float *const *channels, int n, struct err *err)
{
    struct heard *h = ctx;

    (void)err;
    if (!h->samples)
        h->first = channels[0][0];
    h->last = channels[0][n - 1];
    for (int c = 0; c < h->channels; c++)
        for (int i = 0; i < n; i++)
            h->square[c] += channels[c][i] * channels[c][i];
    h->samples += n;
    return h->stop_after && ++h->pieces >= h->stop_after;
}

static struct heard heard(const char *path, const struct sound_open *how)
{
    AUTO(sound_close) struct sound *s = NULL;
    struct heard h = {0};
    struct err err;

    if (sound_open(&s, path, how, &err) < 0)
        fail_msg("%s: %s (%s)", path, err.msg, err.detail);
    h.channels = sound_info(s)->channels;
    if (sound_hear(s, hear, &h, &err) < 0)
        fail_msg("%s: %s (%s)", path, err.msg, err.detail);
    return h;
}

static enum err_code refused(const char *path, const struct sound_open *how, struct err *err)
{
    AUTO(sound_close) struct sound *s = NULL;
    struct heard h = {.channels = 1};

    if (sound_open(&s, path, how, err) < 0)
        return err->code;
    return sound_hear(s, hear, &h, err) < 0 ? err->code : 0;
}

static void put32(FILE *f, uint32_t v) { fwrite(&v, 4, 1, f); }
static void put16(FILE *f, uint16_t v) { fwrite(&v, 2, 1, f); }

/* The header of a WAV; data follows. */
static FILE *wav(const char *path, int format, unsigned channels, unsigned rate, unsigned bits,
                 uint32_t bytes)
{
    FILE *f = fopen(path, "w");

    fwrite("RIFF", 4, 1, f);
    put32(f, bytes + 36);
    fwrite("WAVEfmt ", 8, 1, f);
    put32(f, 16);
    put16(f, (uint16_t)format);
    put16(f, (uint16_t)channels);
    put32(f, rate);
    put32(f, rate * channels * bits / 8);
    put16(f, (uint16_t)(channels * bits / 8));
    put16(f, (uint16_t)bits);
    fwrite("data", 4, 1, f);
    put32(f, bytes);
    return f;
}

/* ---- what is heard ---- */

static void every_format_gives_each_sample_once(void **state)
{
    (void)state;
    static const struct {
        const char *name, *encoder;
        int channels;
        double off; /* how many samples may be more or fewer */
    } rows[] = {
        {"a.wav", "-c:a pcm_s16le", 2, 0},
        {"b.flac", "-c:a flac", 2, 0},
        {"c.wav", "-c:a pcm_u8 -ac 1", 1, 0},
        {"d.aiff", "-c:a pcm_s24be", 2, 0},
        {"e.mp3", "-c:a libmp3lame", 2, 2},
        {"f.m4a", "-c:a aac", 2, 1200},
        {"g.opus", "-c:a libopus -ar 48000", 2, 2},
        {"h.ogg", "-c:a libvorbis", 2, 2},
        {"i.m4a", "-c:a alac", 2, 0},
        {"j.wav", "-c:a pcm_f64le", 2, 0},
        {"k.wv", "-c:a wavpack", 2, 0},
        {"l.mkv", "-c:a ac3 -ac 6", 6, 1600},
    };
    AUTO(host_free) struct robot_job *job = host_new();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(mem_free)
        char *args = mem_printf(
            "-f lavfi -i \"aevalsrc=0.5*sin(880*PI*t)|0.25*sin(880*PI*t):s=48000:d=1.7\" %s",
            rows[i].encoder);
        struct heard h = heard(clip(job, rows[i].name, args), &plain);

        if (h.channels != rows[i].channels || fabs((double)h.samples - 1.7 * 48000) > rows[i].off)
            fail_msg("%s: %d channels, %lld samples", rows[i].name, h.channels,
                     (long long)h.samples);
        if (rows[i].channels == 2 &&
            (fabs(sqrt(h.square[0] / (double)h.samples) - 0.5 * M_SQRT1_2) > 0.02 ||
             fabs(sqrt(h.square[1] / (double)h.samples) - 0.25 * M_SQRT1_2) > 0.01))
            fail_msg("%s: %g %g", rows[i].name, h.square[0], h.square[1]);
    }
}

static void a_section_is_cut_to_the_sample_and_what_is_before_it_is_not_decoded(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "ramp.wav", "-f lavfi -i \"aevalsrc=t/100:s=8000:d=60\"");
    struct sound_open how = plain;

    how.start = 12.5;
    how.end = 20;
    struct heard h = heard(path, &how);
    assert_int_equal(h.samples, 7.5 * 8000);
    assert_true(fabs(h.first - 0.125) < 0.0002 && fabs(h.last - 0.2) < 0.0002);
    how.end = 0;
    how.start = 59;
    h = heard(path, &how);
    assert_int_equal(h.samples, 8000);
    assert_true(fabs(h.first - 0.59) < 0.0002);
    how.start = 61; /* it ends before */
    assert_int_equal(heard(path, &how).samples, 0);
    path = clip(job, "ramp.mp3", "-f lavfi -i \"aevalsrc=t/100*sin(2000*t):s=44100:d=60\"");
    how.start = 50;
    h = heard(path, &how);
    assert_true(llabs(h.samples - 441000) <= 2);
}

static void who_has_heard_enough_is_told_no_more(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    AUTO(sound_close) struct sound *s = NULL;
    struct heard h = {.channels = 1, .stop_after = 3};
    struct err err;
    const char *path = clip(job, "a.wav", "-f lavfi -i sine=d=5");

    assert_int_equal(sound_open(&s, path, &plain, &err), 0);
    assert_int_equal(sound_hear(s, hear, &h, &err), 0);
    assert_int_equal(h.pieces, 3);
    assert_true(sound_done(s) > 0 && sound_done(s) < 0.2);
}

static void filters_change_what_is_heard(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path =
        clip(job, "a.wav", "-f lavfi -i \"aevalsrc=0.5*sin(880*PI*t)|0:s=48000:d=2\"");
    struct sound_open how = plain;
    struct err err;

    how.filters = "volume=0.5,atempo=2";
    struct heard h = heard(path, &how);
    assert_true(llabs(h.samples - 48000) < 1500);
    assert_true(fabs(sqrt(h.square[0] / (double)h.samples) - 0.25 * M_SQRT1_2) < 0.02);
    how.filters = "atrim=start=0.5:end=0.75,aresample=8000,aformat=channel_layouts=mono";
    h = heard(path, &how);
    assert_int_equal(h.channels, 1);
    assert_true(llabs(h.samples - 2000) < 20);
    how.filters = "volume=nonsense";
    assert_int_equal(refused(path, &how, &err), ERR_USER_COMMAND);
}

static void a_sound_that_changes_its_form_keeps_the_one_it_began_with(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *one = clip(job, "one.aac", "-f lavfi -i sine=r=44100:d=1 -ac 2 -c:a aac"),
               *two = clip(job, "two.aac", "-f lavfi -i sine=r=22050:d=1 -ac 1 -c:a aac"),
               *both = host_path(job, "both.aac");
    AUTO(mem_free) char *join = mem_printf("cat %s %s %s >%s", one, two, one, both);

    assert_int_equal(system(join), 0);
    struct heard h = heard(both, &plain);
    assert_int_equal(h.channels, 2);
    if (llabs(h.samples - 3 * 44100) > 8000)
        fail_msg("%lld samples", (long long)h.samples);
}

/* ---- hostile ---- */

static long memory_kb(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

static int keep(void *ctx, const float *const *channels, int n, struct err *err)
{
    return peaks_add(ctx, channels, 1, n, err);
}

static void ten_hours_need_no_more_memory_than_ten_seconds(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = host_path(job, "long.wav");
    uint32_t bytes = 36000u * 8000u;
    AUTO(sound_close) struct sound *s = NULL;
    struct peaks p;
    struct err err;
    FILE *f = wav(path, 1, 1, 8000, 8, bytes);

    fclose(f);
    assert_int_equal(truncate(path, 44 + (off_t)bytes), 0);
    (void)heard(clip(job, "short.wav", "-f lavfi -i sine=r=8000:d=10"), &plain);
    peaks_init(&p, 0, 8192);
#ifdef __SANITIZE_ADDRESS__
    const long most = 512 << 10; /* with what it keeps of pieces that were freed */
#else
    const long most = 8 << 10;
#endif
    long before = memory_kb();
    assert_int_equal(sound_open(&s, path, &plain, &err), 0);
    assert_int_equal(sound_hear(s, keep, &p, &err), 0);
    assert_int_equal(p.samples, bytes);
    assert_true(p.count <= 8192 && p.count > 4096);
    if (memory_kb() - before > most)
        fail_msg("%ld KB more", memory_kb() - before);
    peaks_done(&p);
}

static void what_is_no_sound_is_refused_in_words(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *mute = clip(job, "mute.mp4", "-f lavfi -i testsrc=s=64x64:d=1 -pix_fmt yuv420p"),
               *text = host_path(job, "text.mp3"), *list = host_path(job, "list.m3u8"),
               *crowd = host_path(job, "crowd.wav"), *fast = host_path(job, "fast.wav"),
               *empty = host_path(job, "empty.wav");
    struct err err;
    FILE *f;

    assert_int_equal(refused(mute, &plain, &err), ERR_COMMAND);
    assert_string_equal(err.msg, "there is no sound in the file");
    f = fopen(text, "w");
    for (int i = 0; i < 1000; i++)
        fputs("This is a text, and no sound at all. ", f);
    fclose(f);
    assert_int_equal(refused(text, &plain, &err), ERR_COMMAND);
    f = fopen(list, "w");
    fprintf(f, "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n#EXT-X-ENDLIST\n", mute);
    fclose(f);
    assert_int_equal(refused(list, &plain, &err), ERR_COMMAND);
    f = wav(crowd, 1, 300, 8000, 8, 30000);
    for (int i = 0; i < 30000; i++)
        fputc(i, f);
    fclose(f);
    assert_int_equal(refused(crowd, &plain, &err), ERR_COMMAND);
    f = wav(fast, 1, 1, 2000000000u, 8, 30000);
    for (int i = 0; i < 30000; i++)
        fputc(i, f);
    fclose(f);
    assert_int_equal(refused(fast, &plain, &err), ERR_COMMAND);
    fclose(wav(empty, 1, 1, 8000, 8, 0));
    assert_int_equal(refused(empty, &plain, &err), ERR_COMMAND);
}

static void a_sound_without_end_is_ended_by_the_clock(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.wav", "-f lavfi -i sine=d=1");
    struct sound_open how = plain;
    struct err err;

    how.filters = "apad";
    how.limits.timeout_s = 1;
    assert_int_equal(refused(path, &how, &err), ERR_TIMEOUT);
}

static void a_file_that_is_cut_off_or_damaged_is_heard_as_far_as_it_goes(void **state)
{
    (void)state;
    AUTO(host_free) struct robot_job *job = host_new();
    const char *path = clip(job, "a.mp3", "-f lavfi -i sine=d=20 -b:a 64k");
    FILE *f = fopen(path, "r+");

    fseek(f, 60000, SEEK_SET);
    for (int i = 0; i < 20000; i++)
        fputc(i * 7919 >> 3, f);
    fclose(f);
    struct heard h = heard(path, &plain);
    assert_true(h.samples > 15 * 44100);
    assert_int_equal(truncate(path, 80000), 0);
    h = heard(path, &plain);
    assert_true(h.samples > 6 * 44100 && h.samples < 12 * 44100);
}

/* ---- peaks ---- */

static void points_are_joined_without_losing_a_peak(void **state)
{
    (void)state;
    struct peaks p;
    struct peak out[10];
    struct err err;
    float x[1000];

    peaks_init(&p, 0, 64);
    for (int i = 0; i < 1000; i++)
        x[i] = (i % 97 == 0) ? -0.5f : (i % 89 == 0) ? 0.75f : 0;
    for (int i = 0; i < 1000; i += 50) {
        const float *at = x + i;
        assert_int_equal(peaks_add(&p, &at, 1, 50, &err), 0);
    }
    assert_int_equal(p.per, 16);
    assert_int_equal(p.count, 63);
    assert_int_equal(p.samples, 1000);
    for (int64_t i = 0; i < p.count; i++) {
        float low = 1, high = -1;

        for (int64_t k = i * 16; k < (i + 1) * 16 && k < 1000; k++) {
            low = fminf(low, x[k]);
            high = fmaxf(high, x[k]);
        }
        assert_true(p.points[i].low == low && p.points[i].high == high);
    }
    peaks_spread(out, 10, &p);
    for (int i = 0; i < 10; i++)
        assert_true(out[i].low == -0.5f && out[i].high == 0.75f);
    peaks_done(&p);
}

static void what_is_no_number_is_passed_over(void **state)
{
    (void)state;
    struct peaks p;
    struct err err;
    float x[32];
    const float *one = x;

    for (int i = 0; i < 32; i++)
        x[i] = NAN;
    peaks_init(&p, 16, 2);
    x[20] = 0.5f;
    assert_int_equal(peaks_add(&p, &one, 1, 32, &err), 0);
    assert_true(peaks_at(&p, 0).low == 0 && peaks_at(&p, 0).high == 0);
    assert_true(peaks_at(&p, 1).low == 0.5f && peaks_at(&p, 1).high == 0.5f);
    assert_int_equal(peaks_add(&p, &one, 1, 1, &err), -1);
    assert_int_equal(err.code, ERR_COMMAND);
    peaks_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_gives_each_sample_once),
        cmocka_unit_test(a_section_is_cut_to_the_sample_and_what_is_before_it_is_not_decoded),
        cmocka_unit_test(who_has_heard_enough_is_told_no_more),
        cmocka_unit_test(filters_change_what_is_heard),
        cmocka_unit_test(a_sound_that_changes_its_form_keeps_the_one_it_began_with),
        cmocka_unit_test(ten_hours_need_no_more_memory_than_ten_seconds),
        cmocka_unit_test(what_is_no_sound_is_refused_in_words),
        cmocka_unit_test(a_sound_without_end_is_ended_by_the_clock),
        cmocka_unit_test(a_file_that_is_cut_off_or_damaged_is_heard_as_far_as_it_goes),
        cmocka_unit_test(points_are_joined_without_losing_a_peak),
        cmocka_unit_test(what_is_no_number_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
