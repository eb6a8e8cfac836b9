#include "../unit/unit.h"
#include "base/clock.h"
#include "base/filetype.h"
#include "media/tool.h"
#include "media/embedded.h"
#include "media/probe.h"
#include "pictures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static char mime[MIME_LEN], ext[16];

static json_t *probe_ok(const char *path, const char *output_meta)
{
    AUTO(json_unref)
    json_t *om = output_meta ? json_loads(output_meta, JSON_DECODE_ANY, NULL) : NULL;
    const struct probe_want want = {.limits = media_limits(NULL), .output_meta = om};
    struct err err;
    json_t *meta = NULL;

    if (probe_file(&meta, mime, ext, path, path, &want, &err) < 0)
        fail_msg("%s: %s: %s %s", path, err_name(&err), err.msg, err.detail);
    return meta;
}

static struct err probe_bad(const char *path)
{
    const struct probe_want want = {.limits = media_limits(NULL)};
    struct err err = {0};
    json_t *meta = NULL;
    int64_t t = clock_mono_us();

    assert_int_equal(probe_file(&meta, mime, ext, path, path, &want, &err), -1);
    assert_null(meta);
    assert_true(clock_mono_us() - t < 5 * SECOND_US);
    return err;
}

static void image_meta_has_the_keys_of_the_status(void **state)
{
    static const char *const keys[] = {"aspect_ratio",       "average_color", "colorspace",
                                       "date_file_modified", "frame_count",   "has_clipping_path",
                                       "has_transparency",   "height",        "width"};
    AUTO(host_free) struct robot_job *j = host_new();
    AUTO(json_unref) json_t *m = probe_ok(picture_make(j, "a.png", 300, 200, false), NULL);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_non_null(json_object_get(m, keys[i]));
    assert_int_equal(json_object_size(m), ARRAY_LEN(keys));
    assert_string_equal(jstr(m, "aspect_ratio"), "1.500");
    assert_string_equal(jstr(m, "colorspace"), "RGB");
    assert_string_equal(jstr(m, "average_color"), "#6e146e");
    assert_string_equal(mime, "image/png");
    assert_string_equal(ext, "png");
}

static void extras_come_on_request(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *png = picture_make(j, "a.png", 300, 200, false);
    (void)state;

    AUTO(json_unref) json_t *m = probe_ok(png, "{\"dominant_colors\":true,\"blurhash\":true}");
    assert_int_equal(json_array_size(json_object_get(m, "dominant_colors")), 6);
    assert_int_equal(strlen(jstr(m, "blurhash")), 28);
    AUTO(json_unref) json_t *list = probe_ok(png, "[\"blurhash\"]");
    assert_non_null(jstr(list, "blurhash"));
    assert_null(json_object_get(list, "dominant_colors"));
    AUTO(json_unref) json_t *none = probe_ok(png, "false");
    assert_int_equal(json_object_size(none), 0);
}

static void exif_is_read(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    AUTO(json_unref) json_t *m = probe_ok(picture_make_turned(j, "a.jpg", 300, 200, 6), NULL);
    (void)state;

    assert_string_equal(jstr(m, "orientation"), "Rotate 90 CW");
    assert_int_equal(jint(m, "width", 0), 300); /* as stored */
    assert_string_equal(jstr(m, "device_vendor"), "Acme");
    assert_true(jnum(m, "f_number", 0) == 2.8);
    assert_string_equal(jstr(m, "exposure_time"), "1/125");
    assert_true(jnum(m, "latitude", 0) == -33.5);
    assert_true(jnum(m, "longitude", 0) == 18.25);
}

static void iptc_and_xmp_are_read(void **state)
{
    static const unsigned char app13[] =
        "Photoshop 3.0\0"
        "8BIM\x04\x04\0\0\0\0\0\x1A"
        "\x1C\x02\x05\0\x05Title\x1C\x02\x19\0\x02k1\x1C\x02\x5A\0\x04"
        "Bonn"
        "8BIM\x0B\xB7\0\0\0\0\0\x02p\0";
    static const char xmp[] =
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF "
        "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        "<rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:photoshop='http://p/' "
        "photoshop:Country='Germany'><dc:rights><rdf:Alt><rdf:li>Mine</rdf:li></rdf:Alt></"
        "dc:rights>"
        "<dc:subject><rdf:Bag><rdf:li>a</rdf:li><rdf:li>b</rdf:li></rdf:Bag></dc:subject>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>";
    AUTO(json_unref) json_t *m = json_object();
    AUTO(json_unref) json_t *x = json_object();
    (void)state;

    meta_add_iptc(m, app13, sizeof app13 - 1);
    assert_string_equal(jstr(m, "title"), "Title");
    assert_string_equal(jstr(m, "city"), "Bonn");
    assert_int_equal(json_array_size(json_object_get(m, "keywords")), 1);
    assert_true(jbool(m, "has_clipping_path", false));
    meta_add_xmp(x, xmp, sizeof xmp - 1);
    assert_string_equal(jstr(x, "country"), "Germany");
    assert_string_equal(jstr(x, "rights"), "Mine");
    assert_int_equal(json_array_size(json_object_get(x, "keywords")), 2);
    /* every prefix of a block, and noise in it, is survived */
    for (size_t n = 0; n < sizeof app13; n++) {
        AUTO(json_unref) json_t *junk = json_object();
        AUTO(mem_free) char *copy = mem_alloc(n + 1);
        memcpy(copy, app13, n);
        meta_add_iptc(junk, copy, n);
        meta_add_exif(junk, copy, n);
        meta_add_xmp(junk, copy, n);
    }
}

/* A little endian EXIF block with texts in its main and photo directories. */
struct tag {
    unsigned id;
    const char *text;
};

static void put(struct str *s, uint32_t v, int n)
{
    for (; n--; v >>= 8)
        str_putc(s, (char)v);
}

static void put_dir(struct str *s, struct str *texts, const struct tag *tags, uint32_t texts_at, uint32_t photo_at)
{
    unsigned n = 0;

    while (tags[n].id)
        n++;
    put(s, n + (photo_at > 0), 2);
    for (unsigned i = 0; i < n; i++) {
        size_t len = strlen(tags[i].text) + 1;

        put(s, tags[i].id, 2);
        put(s, 2, 2);
        put(s, (uint32_t)len, 4);
        put(s, texts_at + (uint32_t)texts->len, 4);
        str_add(texts, tags[i].text, len);
        while (len++ < 6 || texts->len % 2)
            str_putc(texts, 0);
    }
    if (photo_at) {
        put(s, 0x8769, 2);
        put(s, 4, 2);
        put(s, 1, 4);
        put(s, photo_at, 4);
    }
    put(s, 0, 4);
}

static json_t *exif_of(const struct tag *main, const struct tag *photo)
{
    struct str s = {0}, texts = {0};
    json_t *meta = json_object();
    unsigned n = 0, k = 0;

    while (main[n].id)
        n++;
    while (photo[k].id)
        k++;
    uint32_t photo_at = 8 + 2 + 12 * (n + 1) + 4, texts_at = photo_at + 2 + 12 * k + 4;
    str_add(&s, "II*\0\x08\0\0\0", 8);
    put_dir(&s, &texts, main, texts_at, photo_at);
    put_dir(&s, &texts, photo, texts_at, 0);
    str_add(&s, texts.s ? texts.s : "", texts.len);
    meta_add_exif(meta, s.s, s.len);
    str_done(s);
    str_done(texts);
    return meta;
}

static void exif_dates_are_dates_and_know_their_zone(void **state)
{
    static const struct {
        struct tag photo[5];
        const char *want;
    } rows[] = {
        {{{0x9003, "2021:05:06 07:08:09"}}, "2021/05/06 07:08:09 GMT"},
        {{{0x9003, "2021:05:06 07:08:09"}, {0x9011, "+02:00"}}, "2021/05/06 05:08:09 GMT"},
        {{{0x9011, "-07:00"}, {0x9003, "2021:05:06 07:08:09"}}, "2021/05/06 14:08:09 GMT"},
        {{{0x9003, "2021:05:06 07:08:09"}, {0x9012, "+02:00"}}, "2021/05/06 07:08:09 GMT"},
        {{{0x9003, "2021:05:06 07:08:09"}, {0x9011, "   :  "}}, "2021/05/06 07:08:09 GMT"},
        {{{0x9004, "2020:01:01 00:00:00"}, {0x9003, "2021:05:06 07:08:09"}}, "2021/05/06 07:08:09 GMT"},
        {{{0x9003, "2016:02:02 24:28:33"}, {0x9004, "2016:02:03 00:28:33"}, {0x9012, "+01:00"}}, "2016/02/02 23:28:33 GMT"},
        {{{0x9003, "2016:02:02 24:28:33"}}, NULL},
        {{{0x9003, "0000:00:00 00:00:00"}}, NULL},
    };
    static const struct tag none[] = {{0}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json_unref) json_t *m = exif_of(none, rows[i].photo);
        const char *got = jstr(m, "date_recorded");

        if ((got == NULL) != (rows[i].want == NULL) || (got && strcmp(got, rows[i].want) != 0))
            fail_msg("%s: %s", rows[i].photo[0].text, got ? got : "(none)");
    }
}

static void xmp_dates_keep_their_zone(void **state)
{
    static const char *const rows[][2] = {{"2021-05-06T07:08:09+02:00", "2021/05/06 05:08:09 GMT"},
                                          {"2021-05-06T07:08+02:00", "2021/05/06 05:08:00 GMT"},
                                          {"2021-05-06T07:08", "2021/05/06 07:08:00 GMT"},
                                          {"2021-13-45T99:99:99Z", NULL},
                                          {"2021-05-06", NULL}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json_unref) json_t *m = json_object();
        AUTO(mem_free) char *xmp = mem_printf("<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
                                              "<rdf:Description xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:CreateDate='%s'/></rdf:RDF></x:xmpmeta>",
                                              rows[i][0]);
        meta_add_xmp(m, xmp, strlen(xmp));
        const char *got = jstr(m, "date_recorded");
        if ((got == NULL) != (rows[i][1] == NULL) || (got && strcmp(got, rows[i][1]) != 0))
            fail_msg("%s: %s", rows[i][0], got ? got : "(none)");
    }
}

static void text_that_names_no_character_set_is_converted(void **state)
{
    static const struct tag main[] = {{0x010E, "M\xfcnchen"}, {0x010F, "Caf\xc3\xa9"}, {0x8298, "\xa9 M\xfcller"}, {0}}, none[] = {{0}};
    static const unsigned char latin[] = "\x1C\x02\x78\0\x07M\xfcnchen\x1C\x02\x05\0\x05H\xfctte\x1C\x02\x19\0\x04gr\xfcn\x1C\x02\x19\0\x04"
                                         "blau";
    static const unsigned char utf8[] = "\x1C\x01\x5A\0\x03\x1B%G\x1C\x02\x78\0\x08M\xc3\xbcnchen\x1C\x02\x05\0\x05Gr\xc3\xbc\xc3";
    AUTO(json_unref) json_t *m = exif_of(main, none);
    AUTO(json_unref) json_t *l = json_object();
    AUTO(json_unref) json_t *u = json_object();
    (void)state;

    assert_string_equal(jstr(m, "description"), "M\xc3\xbcnchen");
    assert_string_equal(jstr(m, "device_vendor"), "Caf\xc3\xa9");
    assert_string_equal(jstr(m, "copyright"), "\xc2\xa9 M\xc3\xbcller");
    meta_add_iptc(l, latin, sizeof latin - 1);
    assert_string_equal(jstr(l, "description"), "M\xc3\xbcnchen");
    assert_string_equal(jstr(l, "title"), "H\xc3\xbctte");
    assert_string_equal(json_string_value(json_array_get(json_object_get(l, "keywords"), 0)), "gr\xc3\xbcn");
    meta_add_iptc(u, utf8, sizeof utf8 - 1);
    assert_string_equal(jstr(u, "description"), "M\xc3\xbcnchen");
    assert_string_equal(jstr(u, "title"), "Gr\xc3\xbc"); /* a field of fixed length cut its last character */
}

static void bombs_are_stopped_by_the_header(void **state)
{
    static const unsigned char jpeg[] = {
        0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8, 0xFA, 0xFA, 0xFA, 0xFA, 3, 1, 0x11, 0,  2, 0x11, 0, 3,
        0x11, 0,    0xFF, 0xDA, 0, 12, 3, 1,    0,    2,    0,    3, 0, 0,    63, 0, 0,    0, 0};
    /* IHDR of 100000 x 100000 with its right CRC, then an IDAT that never comes */
    unsigned char png[] =
        "\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\x01\x86\xA0\0\x01\x86\xA0\x08\x02\0\0\0\0\0\0\0"
        "\0\0\0\0IDAT\x35\xAF\x06\x1E\0\0\0\0IEND\xAE\x42\x60\x82";
    AUTO(host_free) struct robot_job *j = host_new();
    uint32_t crc = 0xFFFFFFFF;
    (void)state;

    for (int i = 12; i < 29; i++) {
        crc ^= png[i];
        for (int b = 0; b < 8; b++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    crc = ~crc;
    for (int i = 0; i < 4; i++)
        png[29 + i] = (unsigned char)(crc >> (24 - 8 * i));
    struct err e = probe_bad(picture_write(j, "bomb.jpg", jpeg, sizeof jpeg));
    assert_int_equal(e.code, ERR_META);
    assert_non_null(strstr(e.msg, "max_pixels"));
    assert_non_null(strstr(e.msg, "100000000"));
    e = probe_bad(picture_write(j, "bomb.png", png, sizeof png - 1));
    assert_int_equal(e.code, ERR_META);
    assert_string_equal(mime, "image/png");
    printf("%s\n", e.msg);
    e = probe_bad(picture_write(j, "broken.gif", "GIF89a", 6));
    assert_int_equal(e.code, ERR_META);
    e = probe_bad(picture_write(j, "broken.pdf", "%PDF-1.4 nothing", 16));
    assert_int_equal(e.code, ERR_META);
    e = probe_bad(picture_write(j, "broken.mp4",
                                "\0\0\0\x14"
                                "ftypisom\0\0\0\0isom....",
                                24));
    assert_int_equal(e.code, ERR_META);
    assert_string_equal(mime, "video/mp4");
}

static void svg_names_its_view_box(void **state)
{
    static const char svg[] =
        "<!DOCTYPE svg [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">"
        "<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" "
        "width=\"100\" height=\"50\" viewBox=\"0 0 200 100.5\"><text>&b;</text>"
        "<image xlink:href=\"http://127.0.0.1:9/x\" width=\"5\" height=\"5\"/></svg>";
    AUTO(host_free) struct robot_job *j = host_new();
    AUTO(json_unref) json_t *m = probe_ok(picture_write(j, "a.svg", svg, sizeof svg - 1), NULL);
    (void)state;

    assert_string_equal(mime, "image/svg+xml");
    assert_int_equal(jint(m, "width", 0), 100);
    assert_true(jnum(m, "svgViewBoxWidth", 0) == 200);
    assert_true(jnum(m, "svgViewBoxHeight", 0) == 100.5);
}

static void types_are_told_by_the_bytes(void **state)
{
    static const struct {
        const char *name, *data;
        size_t len;
        const char *mime;
    } rows[] = {
        {"a.bin", "", 0, "inode/x-empty"},
        {"a.jpg", "hello\n", 6, "text/plain"},
        {"a.docx", "PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22,
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
        {"a.zip", "PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22, "application/zip"},
        {"a.srt", "1\n00:00:01,000 --> 00:00:02,000\nHi\n", 35, "application/x-subrip"},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json_unref)
        json_t *m = probe_ok(picture_write(j, rows[i].name, rows[i].data, rows[i].len), NULL);
        if (strcmp(mime, rows[i].mime) != 0)
            fail_msg("%s: %s", rows[i].name, mime);
        assert_int_equal(json_object_size(m), 0);
    }
    assert_string_equal(filetype_by_ext("JPEG"), "image/jpeg");
    assert_string_equal(filetype_ext("image/tiff"), "tif");
    assert_string_equal(filetype_kind("application/pdf"), "pdf");
}

static const char *make_av(struct robot_job *j, const char *name, const char *const *args)
{
    const char *path = host_path(j, name), *argv[40] = {"ffmpeg", "-v", "error", "-nostdin", "-y"};
    AUTO(str_done) struct str out = {0};
    struct err err;
    int n = 5;

    while (*args)
        argv[n++] = *args++;
    argv[n++] = path;
    argv[n] = NULL;
    if (tool_text(&out, argv, 60000, 100000, &err) < 0)
        fail_msg("%s %s", err.msg, err.detail);
    return path;
}

static void video_and_audio_are_probed(void **state)
{
    static const char *const video[] = {
        "-f",        "lavfi",   "-i",        "testsrc=s=320x240:r=25:d=2",
        "-f",        "lavfi",   "-i",        "sine=d=2",
        "-c:v",      "libx264", "-pix_fmt",  "yuv420p",
        "-c:a",      "aac",     "-metadata", "title=Two",
        "-shortest", NULL};
    static const char *const fast[] = {
        "-f",        "lavfi",      "-i",       "testsrc=s=320x240:r=25:d=1",
        "-c:v",      "libx264",    "-pix_fmt", "yuv420p",
        "-movflags", "+faststart", NULL};
    static const char *const audio[] = {"-f",        "lavfi",    "-i", "sine=d=2:r=44100",
                                        "-metadata", "artist=A", NULL};
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    const char *mp4 = make_av(j, "a.mp4", video);
    AUTO(json_unref) json_t *m = probe_ok(mp4, NULL);
    assert_string_equal(mime, "video/mp4");
    assert_int_equal(jint(m, "width", 0), 320);
    assert_true(jnum(m, "aspect_ratio", 0) == 1.333);
    assert_true(jnum(m, "duration", 0) > 1.9 && jnum(m, "duration", 0) < 2.2);
    assert_int_equal(jint(m, "framerate", 0), 25);
    assert_string_equal(jstr(m, "video_codec"), "h264");
    assert_string_equal(jstr(m, "audio_codec"), "aac");
    assert_string_equal(jstr(m, "title"), "Two");
    assert_true(jint(m, "video_bitrate", 0) > 0);
    assert_false(jbool(m, "seekable", true));
    AUTO(json_unref) json_t *f = probe_ok(make_av(j, "f.mp4", fast), NULL);
    assert_true(jbool(f, "seekable", false));

    AUTO(json_unref) json_t *a = probe_ok(make_av(j, "a.mp3", audio), "{\"mean_volume\":true}");
    assert_string_equal(mime, "audio/mpeg");
    assert_int_equal(jint(a, "audio_samplerate", 0), 44100);
    assert_null(json_object_get(a, "width"));
    assert_string_equal(jstr(a, "artist"), "A");
    assert_true(fabs(jnum(a, "mean_volume", 0) + 21.5) < 0.3); /* what volumedetect says */
    static const char *const types[] = {"a.flac", "a.wav", "a.ogg", "a.m4a", "a.opus"};
    static const char *const plain[] = {"-f",      "lavfi", "-i", "sine=d=1:r=48000",
                                        "-strict", "-2",    NULL};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        AUTO(json_unref) json_t *x = probe_ok(make_av(j, types[i], plain), NULL);
        assert_string_equal(filetype_kind(mime), "audio");
        assert_int_equal(jint(x, "audio_channels", 0), 1);
    }
    static const char *const webm[] = {"-f", "lavfi", "-i", "testsrc=s=160x120:d=1", NULL};
    static const char *const vids[] = {"a.webm", "a.mkv", "a.avi", "a.mov"};
    for (size_t i = 0; i < ARRAY_LEN(vids); i++) {
        AUTO(json_unref) json_t *x = probe_ok(make_av(j, vids[i], webm), NULL);
        assert_string_equal(filetype_kind(mime), "video");
        assert_int_equal(jint(x, "height", 0), 120);
    }
}

static void a_film_knows_where_and_when_it_was_made(void **state)
{
#define FILM "-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=1", "-c:v", "mpeg4"
    static const struct {
        const char *args[20];
        const char *name, *date;
        double lat, lon;
    } rows[] = {
        {{FILM, "-metadata", "location=+37.3318-122.0312/", "-metadata", "creation_time=2021-05-06T07:08:09Z", NULL},
         "android.mp4", "2021/05/06 07:08:09 GMT", 37.3318, -122.0312},
        {{FILM, "-movflags", "use_metadata_tags", "-metadata", "com.apple.quicktime.location.ISO6709=+37.3318-122.0312+010.000/",
          "-metadata", "com.apple.quicktime.creationdate=2021-05-06T07:08:09-0700", "-metadata", "creation_time=2022-01-01T00:00:00Z",
          "-metadata", "com.apple.quicktime.author=Me", NULL},
         "iphone.mov", "2021/05/06 14:08:09 GMT", 37.3318, -122.0312},
        {{FILM, "-movflags", "use_metadata_tags", "-metadata", "com.apple.quicktime.location.ISO6709=-3330.60+01815.00/",
          "-metadata", "com.apple.quicktime.creationdate=2021-02-30T07:08:09-0700", "-metadata", "creation_time=2022-01-01T00:00:00Z", NULL},
         "minutes.mov", "2022/01/01 00:00:00 GMT", -33.51, 18.25},
        {{FILM, "-movflags", "use_metadata_tags", "-metadata", "com.apple.quicktime.location.ISO6709=+99.0+200.0/", NULL},
         "nowhere.mov", NULL, 0, 0},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json_unref) json_t *m = probe_ok(make_av(j, rows[i].name, rows[i].args), NULL);
        const char *date = jstr(m, "date_recorded");

        if ((date == NULL) != (rows[i].date == NULL) || (date && strcmp(date, rows[i].date) != 0))
            fail_msg("%s: %s", rows[i].name, date ? date : "(none)");
        if (rows[i].lat == 0) {
            assert_null(json_object_get(m, "latitude"));
            continue;
        }
        if (!(jnum(m, "latitude", 0) == rows[i].lat && jnum(m, "longitude", 0) == rows[i].lon))
            fail_msg("%s: %g, %g", rows[i].name, jnum(m, "latitude", 0), jnum(m, "longitude", 0));
        if (!strcmp(rows[i].name, "iphone.mov"))
            assert_string_equal(jstr(m, "creator"), "Me");
    }
}

/* In the contract's schema it is a text. */
static void the_level_of_an_encoding_is_a_text(void **state)
{
    static const char *const args[] = {"-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=1", "-c:v", "libx264", "-level", "1.3", "-pix_fmt", "yuv420p", NULL};
    AUTO(host_free) struct robot_job *j = host_new();
    AUTO(json_unref) json_t *m = probe_ok(make_av(j, "a.mp4", args), NULL);
    (void)state;

    assert_string_equal(jstr_or(m, "encoding_level", "(no text)"), "13");
}

static void tags_of_sound_in_latin_1_are_converted(void **state)
{
    static const unsigned char wav[] = "RIFF\x42\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x08\0"
                                       "LIST\x12\0\0\0INFOINAM\x06\0\0\0H\xfctte\0"
                                       "data\x04\0\0\0\x80\x80\x80\x80";
    AUTO(host_free) struct robot_job *j = host_new();
    AUTO(json_unref) json_t *m = probe_ok(picture_write(j, "a.wav", wav, sizeof wav - 1), NULL);
    (void)state;

    assert_string_equal(mime, "audio/x-wav");
    assert_string_equal(jstr(m, "title"), "H\xc3\xbctte");
}

static void a_pdf_is_probed(void **state)
{
    static const char pdf[] = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
                              "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
                              "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>endobj\n"
                              "4 0 obj<</Title(Hello)/CreationDate(D:20200109120208Z)>>endobj\n"
                              "trailer<</Root 1 0 R/Info 4 0 R/Size 5>>\n%%EOF\n";
    AUTO(host_free) struct robot_job *j = host_new();
    AUTO(json_unref) json_t *m = probe_ok(picture_write(j, "a.pdf", pdf, sizeof pdf - 1), NULL);
    (void)state;

    assert_int_equal(jint(m, "page_count", 0), 1);
    assert_string_equal(jstr(m, "page_size"), "612 x 792 pts (letter)");
    assert_int_equal(jint(m, "height", 0), 792);
    assert_string_equal(jstr(m, "title"), "Hello");
    assert_string_equal(jstr(m, "create_date"), "2020/01/09 12:02:08 GMT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_meta_has_the_keys_of_the_status),
        cmocka_unit_test(extras_come_on_request),
        cmocka_unit_test(exif_is_read),
        cmocka_unit_test(iptc_and_xmp_are_read),
        cmocka_unit_test(bombs_are_stopped_by_the_header),
        cmocka_unit_test(svg_names_its_view_box),
        cmocka_unit_test(types_are_told_by_the_bytes),
        cmocka_unit_test(video_and_audio_are_probed),
        cmocka_unit_test(exif_dates_are_dates_and_know_their_zone),
        cmocka_unit_test(xmp_dates_keep_their_zone),
        cmocka_unit_test(text_that_names_no_character_set_is_converted),
        cmocka_unit_test(a_film_knows_where_and_when_it_was_made),
        cmocka_unit_test(the_level_of_an_encoding_is_a_text),
        cmocka_unit_test(tags_of_sound_in_latin_1_are_converted),
        cmocka_unit_test(a_pdf_is_probed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
