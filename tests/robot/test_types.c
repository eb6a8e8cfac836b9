/* What a file is, by its bytes, and that it is read as that. */
#include "../unit/unit.h"
#include "base/filetype.h"
#include "media/tool.h"
#include "media/mime.h"
#include "media/probe.h"
#include "pictures.h"

#include <libheif/heif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vips/vips.h>
#include <zlib.h>

#define SVG "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"64\" height=\"48\"><rect width=\"64\" height=\"48\" fill=\"#f00\"/></svg>"

static void is(const char *path, const char *name, const char *want)
{
    char mime[MIME_LEN];
    struct err err;

    if (mime_detect(mime, path, name, &err) < 0)
        fail_msg("%s: %s", path, err.msg);
    if (strcmp(mime, want) != 0)
        fail_msg("%s as '%s' is %s, not %s", path, name ? name : "", mime, want);
}

static void add(struct str *s, const char *text) { str_add(s, text, strlen(text)); }

/* ASCII as UTF-16. */
static struct str wide(const char *text, bool big, bool mark)
{
    struct str s = {0};

    if (mark)
        str_add(&s, big ? "\xFE\xFF" : "\xFF\xFE", 2);
    for (; *text; text++) {
        const char pair[2] = {big ? 0 : *text, big ? *text : 0};
        str_add(&s, pair, 2);
    }
    return s;
}

static struct str packed(const void *data, size_t len)
{
    struct str s = {0};
    z_stream z = {0};
    unsigned char buf[65536];

    if (deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = (Bytef *)data;
    z.avail_in = (unsigned)len;
    do {
        z.next_out = buf;
        z.avail_out = sizeof buf;
        deflate(&z, Z_FINISH);
        str_add(&s, buf, sizeof buf - z.avail_out);
    } while (!z.avail_out);
    deflateEnd(&z);
    return s;
}

/* It is a drawing for the detector, for the probe, and for the loader. */
static void is_red_svg(struct robot_job *j, const char *what, const char *name, struct str s)
{
    const struct probe_want want = {.limits = media_limits(NULL)};
    const char *path = picture_write(j, name, s.s, s.len);
    json_t *meta = NULL;
    char mime[MIME_LEN], ext[16];
    struct err err;
    double px[4];

    is(path, name, "image/svg+xml");
    is(path, NULL, "image/svg+xml");
    if (probe_file(&meta, mime, ext, path, name, &want, &err) < 0)
        fail_msg("%s: %s", what, err.msg);
    assert_string_equal(jstr(meta, "average_color"), "#ff0000");
    assert_int_equal(jint(meta, "width", 0), 64);
    json_decref(meta);
    if (host_run_on(j, "/image/resize", "{\"format\":\"png\",\"width\":32}", path, &err) < 0)
        fail_msg("%s: %s", what, err.msg);
    picture_pixel(px, host_output(j, 0)->path, 5, 5);
    assert_true(px[0] == 255 && px[1] == 0 && px[2] == 0);
    str_done(s);
}

static struct str with_comment(size_t n)
{
    struct str s = {0};

    add(&s, "<?xml version=\"1.0\"?>\n<!-- ");
    for (size_t i = 0; i < n; i++)
        str_putc(&s, 'x');
    add(&s, " -->\n" SVG);
    return s;
}

static void svg_may_begin_as_any_xml_does(void **state)
{
    static const size_t lengths[] = {0, 900, 980, 1100, 3000, 4080, 5000, 70000, 700000};
    AUTO(host_free) struct robot_job *j = host_new();
    struct str s = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
        is_red_svg(j, "comment", "a.svg", with_comment(lengths[i]));

    add(&s, "<?xml version=\"1.0\"?>\n<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://127.0.0.1:9/svg11.dtd\" [\n");
    for (int i = 0; i < 80; i++)
        str_addf(&s, "<!ENTITY ns_%d \"http://ns.example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/%d/\">\n", i, i);
    add(&s, "<!ENTITY svg \"http://www.w3.org/2000/svg\">\n]>\n<?x-info is=\"here\"?>\n<svg xmlns=\"&svg;\" width=\"64\" height=\"48\">"
            "<rect width=\"64\" height=\"48\" fill=\"#f00\"/></svg>");
    is_red_svg(j, "entities", "a.svg", s);

    s = (struct str){0};
    add(&s, "\xEF\xBB\xBF" SVG);
    is_red_svg(j, "UTF-8 with a mark", "a.svg", s);
    is_red_svg(j, "UTF-16, little", "a.svg", wide("<?xml version=\"1.0\" encoding=\"UTF-16\"?>" SVG, false, true));
    is_red_svg(j, "UTF-16, big", "a.svg", wide("<?xml version=\"1.0\" encoding=\"UTF-16\"?>" SVG, true, true));
    s = (struct str){0};
    add(&s, "<s:svg xmlns:s=\"http://www.w3.org/2000/svg\" width=\"64\" height=\"48\"><s:rect width=\"64\" height=\"48\" fill=\"#f00\"/></s:svg>");
    is_red_svg(j, "prefixed", "a.svg", s);
    s = (struct str){0};
    add(&s, "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><!-- M\xfcller -->" SVG);
    is_red_svg(j, "Latin-1", "a.svg", s);
    is_red_svg(j, "gzipped", "a.svgz", packed(SVG, sizeof SVG - 1));
    s = with_comment(100000);
    struct str z = packed(s.s, s.len);
    str_done(s);
    is_red_svg(j, "gzipped, long comment", "a.svgz", z);
    z = packed(SVG, 20);
    s = packed(&(SVG)[20], sizeof SVG - 1 - 20);
    str_add(&z, s.s, s.len);
    str_done(s);
    is_red_svg(j, "gzipped in two members", "a.svgz", z);
}

static void what_only_mentions_svg_is_none(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    static const char html[] = "<!DOCTYPE html>\n<html><head><title>x</title></head><body>" SVG "</body></html>\n";
    static const char feed[] = "<?xml version=\"1.0\"?>\n<rss><item>" SVG "</item></rss>\n";
    static const char list[] = "P2 10 20 30\nP3 10 20 31 is a line of this table\n";
    static const char text[] = "To draw, write <svg> and </svg>. A PDF begins with %PDF-1.4 and has 1 0 obj in it.\n";
    struct str z = packed(SVG, sizeof SVG - 1);
    (void)state;

    is(picture_write(j, "a.html", html, sizeof html - 1), "a.html", "text/html");
    is(picture_write(j, "a.xml", feed, sizeof feed - 1), "a.xml", "text/xml");
    is(picture_write(j, "a.txt", text, sizeof text - 1), "a.txt", "text/plain");
    is(picture_write(j, "b.txt", list, sizeof list - 1), "b.txt", "text/plain");
    is(picture_write(j, "a.svg.gz", z.s, z.len), "a.svg.gz", "application/gzip");
    str_done(z);
}

/* 200 MB of one letter in 200 KB: told to be a drawing, and refused before it is unpacked. */
static void a_gzipped_bomb_is_refused(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct str s = {0};
    struct err err;
    (void)state;

    add(&s, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><!--");
    char *big = mem_alloc(200 << 20);
    memset(big, 'x', 200 << 20);
    memcpy(big, s.s, s.len);
    str_done(s);
    struct str z = packed(big, 200 << 20);
    free(big);
    assert_int_equal(host_run_on(j, "/image/resize", "{\"width\":5}", picture_write(j, "a.svgz", z.s, z.len), &err), -1);
    assert_non_null(strstr(err.msg, "larger than"));
    str_done(z);
}

/* As in the jail: the worker's user may read its directory, but not walk to it from the root. */
static void svg_is_read_where_nobody_may_walk_to(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const struct image_load how = {.limits = media_limits(NULL), .strict = true};
    AUTO(image_free) struct image *img = NULL;
    char here[4096];
    struct err err;
    (void)state;

    if (geteuid() != 0)
        skip(); /* cannot become somebody else */
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(mkdir(host_path(j, "in"), 0755), 0);
    picture_write(j, "in/a.svg", SVG, sizeof SVG - 1);
    assert_int_equal(chmod(host_path(j, "in/a.svg"), 0644), 0);
    assert_int_equal(chdir(host_path(j, "in")), 0);
    assert_int_equal(chmod(host_dir(j), 0700), 0);
    assert_int_equal(seteuid(65534), 0);
    int rc = image_open(&img, "a.svg", &how, &err), decoded = rc < 0 ? -1 : image_render(img, &err);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(chdir(here), 0);
    if (rc < 0 || decoded < 0)
        fail_msg("%s", err.msg);
}

static void no_error_names_a_directory(void **state)
{
    static const char *const names[] = {"a.svg", "a.png", "a.jpg", "a.gif", "a.webp", "a.tif", "a.avif", "a.jp2"};
    static const struct {
        const char *bytes;
        size_t n;
    } starts[] = {{"<svg xmlns='http://www.w3.org/2000/svg'><rect", 45}, {"\x89PNG\r\n\x1a\nrest of it", 18},
                  {"\xff\xd8\xff\xe0 rest of it", 15}, {"GIF89a rest of it", 17}, {"RIFF\0\0\0\0WEBPrest of it", 22},
                  {"II*\0\x08\0\0\0\1\0rest", 14}, {"\0\0\0\x18" "ftypavif\0\0\0\0avifmif1rest", 28},
                  {"\0\0\0\x0CjP  \r\n\x87\nrest of it", 22}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        const char *path = picture_write(j, names[i], starts[i].bytes, starts[i].n);
        struct err err = {0};

        assert_int_equal(host_run_on(j, "/image/resize", "{\"width\":5}", path, &err), -1);
        if (strstr(err.msg, host_dir(j)) || strstr(err.msg, "/tmp"))
            fail_msg("%s: %s", names[i], err.msg);
        assert_true(strlen(err.msg) > 10);
    }
}

/* ---- sound and film ---- */

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

static struct str slurp(const char *path)
{
    struct str s = {0};
    char buf[65536];
    FILE *f = fopen(path, "rb");
    size_t n;

    assert_non_null(f);
    while ((n = fread(buf, 1, sizeof buf, f)))
        str_add(&s, buf, n);
    fclose(f);
    return s;
}

/* It is that for the detector, whatever it is called, and the probe finds out how long it is. */
static void is_media(struct robot_job *j, const char *name, const void *data, size_t n, const char *want)
{
    const struct probe_want how = {.limits = media_limits(NULL)};
    const char *path = picture_write(j, name, data, n);
    char mime[MIME_LEN], ext[16];
    json_t *meta = NULL;
    struct err err;

    is(path, NULL, want);
    if (probe_file(&meta, mime, ext, path, name, &how, &err) < 0)
        fail_msg("%s: %s %s", name, err.msg, err.detail);
    assert_string_equal(mime, want);
    assert_true(jnum(meta, "duration", 0) > 0.5);
    json_decref(meta);
}

static void transport_streams_are_films(void **state)
{
    static const char *const film[] = {"-f", "lavfi", "-i", "testsrc=s=64x48:d=1", "-c:v", "mpeg2video", "-f", "mpegts", NULL};
    static const char *const disc[] = {"-f", "lavfi", "-i", "testsrc=s=64x48:d=1", "-c:v", "mpeg2video", "-f", "mpegts",
                                       "-mpegts_m2ts_mode", "1", NULL};
    static const char *const radio[] = {"-f", "lavfi", "-i", "sine=d=2", "-c:a", "mp2", "-f", "mpegts", NULL};
    AUTO(host_free) struct robot_job *j = host_new();
    struct str s = slurp(make_av(j, "made.ts", film)), longer = {0};
    (void)state;

    is_media(j, "a.ts", s.s, s.len, "video/mp2t");
    for (size_t packet = 1; packet < 4; packet++) /* whatever the first packet is */
        is(picture_write(j, "b.ts", s.s + 188 * packet, s.len - 188 * packet), NULL, "video/mp2t");
    is(picture_write(j, "c.ts", s.s + 100, s.len - 100), NULL, "video/mp2t"); /* or a part of one */
    for (size_t at = 0; at + 188 <= s.len; at += 188) {
        str_add(&longer, s.s + at, 188);
        str_add(&longer, "0123456789abcdef", 16);
    }
    is_media(j, "d.ts", longer.s, longer.len, "video/mp2t");
    str_done(longer);
    str_done(s);
    s = slurp(make_av(j, "made.m2ts", disc));
    is_media(j, "a.m2ts", s.s, s.len, "video/mp2t");
    str_done(s);

    /* what is in it decides about the kind */
    const struct probe_want want = {.limits = media_limits(NULL)};
    char mime[MIME_LEN], ext[16];
    json_t *meta = NULL;
    struct err err;
    assert_int_equal(probe_file(&meta, mime, ext, make_av(j, "radio.ts", radio), "radio.ts", &want, &err), 0);
    assert_string_equal(filetype_kind(mime), "audio");
    json_decref(meta);
}

static void a_text_full_of_sync_bytes_is_a_text(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    char text[4096];
    (void)state;

    memset(text, 'G', sizeof text);
    text[100] = '\n';
    is(picture_write(j, "a.txt", text, 300), "a.txt", "text/plain");
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof text; i += 189)
        text[i] = 'G';
    is(picture_write(j, "b.txt", text, sizeof text), "b.txt", "text/plain");
}

static void sound_is_known_behind_tags_and_zeros(void **state)
{
    static const char *const caf[] = {"-f", "lavfi", "-i", "sine=d=1", NULL};
    static const char *const aac[] = {"-f", "lavfi", "-i", "sine=d=1", "-f", "adts", NULL};
    static const char *const flac[] = {"-f", "lavfi", "-i", "sine=d=1", NULL};
    static const char *const mp3[] = {"-f", "lavfi", "-i", "sine=d=1", "-id3v2_version", "0", "-write_xing", "0", NULL};
    static const char id3[] = "ID3\4\0\0\0\0\1\0"; /* 128 bytes follow */
    static const struct {
        const char *name, *const *args, *mime;
    } rows[] = {{"made.aac", aac, "audio/aac"}, {"made.flac", flac, "audio/flac"}, {"made.mp3", mp3, "audio/mpeg"}};
    AUTO(host_free) struct robot_job *j = host_new();
    struct str s = slurp(make_av(j, "made.caf", caf));
    (void)state;

    is_media(j, "a.caf", s.s, s.len, "audio/x-caf");
    str_done(s);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str tagged = {0}, twice = {0};
        char zeros[128] = {0};

        s = slurp(make_av(j, rows[i].name, rows[i].args));
        is_media(j, rows[i].name, s.s, s.len, rows[i].mime);
        str_add(&tagged, id3, 10);
        str_add(&tagged, zeros, sizeof zeros);
        str_add(&twice, tagged.s, tagged.len);
        str_add(&tagged, s.s, s.len);
        str_add(&twice, tagged.s, tagged.len);
        is(picture_write(j, "tagged.mp3", tagged.s, tagged.len), "tagged.mp3", rows[i].mime);
        is(picture_write(j, "twice.mp3", twice.s, twice.len), NULL, rows[i].mime);
        if (i == 2)
            for (size_t n = 1; n <= 100000; n = n * 7 + 13) {
                struct str silent = {0};

                for (size_t k = 0; k < n; k++)
                    str_putc(&silent, 0);
                str_add(&silent, s.s, s.len);
                is(picture_write(j, "silent.mp3", silent.s, silent.len), NULL, "audio/mpeg");
                str_done(silent);
            }
        str_done(tagged);
        str_done(twice);
        str_done(s);
    }
    char zeros[5000] = {0};
    is(picture_write(j, "zeros.mp3", zeros, sizeof zeros), "zeros.mp3", "application/octet-stream");
}

/* What libmagic takes for a sound by its first bytes: an encrypted file begins so now and then. */
static void noise_is_no_sound(void **state)
{
    static const struct {
        const char *name, *begin, *mime; /* NULL: whatever libmagic says */
    } rows[] = {
        {"mpeg.bin", "\xFF\xFB\x91\x64", "application/octet-stream"},
        {"mpeg2", "\xFF\xF3\x84\xC4", "application/octet-stream"},
        {"layer2.dat", "\xFF\xFD\xA4\x04", "application/octet-stream"},
        {"adts.bin", "\xFF\xF1\x50\x80\x02\x1F\xFC", "application/octet-stream"},
        {"latm.bin", "\x56\xE0\x55\x20", NULL},
        {"dolby.bin", "\x0B\x77\x43\x21", NULL},
        {"sysex.syx", "\xF0\x41\x10\x42", NULL},
        {"named.mp3", "\xFF\xFB\x91\x64", "audio/mpeg"},
    };
    const struct probe_want want = {.limits = media_limits(NULL)};
    AUTO(host_free) struct robot_job *j = host_new();
    unsigned seed = 11;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char bytes[20000], mime[MIME_LEN], ext[16];
        json_t *meta = NULL;
        struct err err;

        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (char)((seed = seed * 1103515245 + 12345) >> 16);
        memcpy(bytes, rows[i].begin, strlen(rows[i].begin));
        const char *path = picture_write(j, rows[i].name, bytes, sizeof bytes);
        if (rows[i].mime)
            is(path, rows[i].name, rows[i].mime);
        int rc = probe_file(&meta, mime, ext, path, rows[i].name, &want, &err);
        if (rows[i].mime && !strcmp(rows[i].mime, "audio/mpeg")) { /* who says so is told that it is none */
            assert_int_equal(rc, -1);
            assert_int_equal(err.code, ERR_META);
            continue;
        }
        if (rc < 0)
            fail_msg("%s, %s: %s", rows[i].name, mime, err.msg);
        if (json_object_size(meta))
            fail_msg("%s, %s: it has metadata", rows[i].name, mime);
        json_decref(meta);
    }
}

static void a_pdf_may_begin_late(void **state)
{
    static const char pdf[] = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
                              "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>endobj\ntrailer<</Root 1 0 R/Size 4>>\n%%EOF\n";
    static const size_t rubbish[] = {0, 1, 20, 900, 1019, 1300};
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rubbish); i++) {
        struct str s = {0};

        for (size_t k = 0; k < rubbish[i]; k++)
            str_putc(&s, (char)(k * 37 | 0x80));
        str_add(&s, pdf, sizeof pdf - 1);
        is(picture_write(j, "a.pdf", s.s, s.len), NULL, rubbish[i] > 1024 ? "text/plain" : "application/pdf");
        str_done(s);
    }
}

/* ---- one list for detector, loaders and Robots ---- */

static void what_a_robot_accepts_is_what_its_loaders_read(void **state)
{
    static const struct {
        const char *name, *mime;
    } made[] = {{"a.jpg", "image/jpeg"}, {"a.png", "image/png"},  {"a.gif", "image/gif"},  {"a.webp", "image/webp"},
                {"a.tif", "image/tiff"}, {"a.avif", "image/avif"}, {"a.heic", "image/heic"}, {"a.jp2", "image/jp2"},
                {"a.ppm", "image/x-portable-pixmap"}, {"a.jxl", "image/jxl"}};
    static const char *const texts[][3] = {{"a.svg", SVG, "image/svg+xml"},
                                           {"a.pgm", "P2\n2 1\n255\n9 200\n", "image/x-portable-greymap"},
                                           {"a.pbm", "P1\n2 1\n1 0\n", "image/x-portable-bitmap"}};
    static const char *const unread[] = {"image/x-xcf", "image/x-hasselblad-3fr", "application/zip",
                                         "text/plain", "video/mp4", ""};
    enum { ELSEWHERE = 13 }; /* those of test_still.c: BMP, icons, PSD, Targa and what cameras store */
    static const char *const robots[] = {"/image/resize", "/image/facedetect"};
    AUTO(host_free) struct robot_job *j = host_new();
    size_t listed = 0;
    (void)state;

    for (const char *p = filetype_pictures; *p; p++)
        listed += *p == '|';
    assert_int_equal(listed, ARRAY_LEN(made) + ARRAY_LEN(texts) + ELSEWHERE);
    for (size_t r = 0; r < ARRAY_LEN(robots); r++) {
        const struct robot *robot = robot_find(robots[r]);

        for (size_t i = 0; i < ARRAY_LEN(made) + ARRAY_LEN(texts); i++) {
            const char *const *t = i < ARRAY_LEN(made) ? NULL : texts[i - ARRAY_LEN(made)];
            const char *path = t ? picture_write(j, t[0], t[1], strlen(t[1])) : picture_make(j, made[i].name, 64, 48, false);
            const char *mime = t ? t[2] : made[i].mime;
            struct err err;

            is(path, NULL, mime);
            assert_true(robot_accepts(robot, "", mime));
            if (host_run_on(j, robots[r], "{}", path, &err) < 0)
                fail_msg("%s %s: %s", robots[r], mime, err.msg);
        }
        for (size_t i = 0; i < ARRAY_LEN(unread); i++)
            assert_false(robot_accepts(robot, "", unread[i]));
    }
}

/* With force_accept a Robot gets what it can't read: the error says what it is. */
static void what_is_forced_on_a_robot_is_named(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    (void)state;

    const char *xcf = picture_write(j, "a.png", "gimp xcf file\0\0\0\0\5\0\0\0\5\0\0\0\0", 27);
    assert_int_equal(host_run_on(j, "/image/resize", "{}", xcf, &err), -1);
    assert_non_null(strstr(err.msg, "image/x-xcf"));
    assert_int_equal(host_run_on(j, "/image/resize", "{}", picture_write(j, "a.jpg", "no picture", 10), &err), -1);
    assert_non_null(strstr(err.msg, "text/plain"));
}

static void the_first_witness_is_the_bytes(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    static const unsigned char tga[21] = {0, 0, 2, [12] = 1, [14] = 1, [16] = 24},
                                dng[] = "II*\0\x08\0\0\0\1\0\x12\xC6\1\0\4\0\0\0\1\4\0\0\0\0\0\0";
    (void)state;

    is(picture_make(j, "a.png", 20, 20, false), "a.jpg", "image/png");
    is(picture_make(j, "a.jpg", 20, 20, false), "a.svg", "image/jpeg");
    is(picture_write(j, "a.tga", tga, sizeof tga), NULL, "image/x-tga");
    is(picture_write(j, "b.tga", tga, sizeof tga - 1), "b.tga", "application/octet-stream");
    is(picture_write(j, "a.dng", dng, sizeof dng - 1), NULL, "image/x-adobe-dng");
    is(picture_make(j, "b.tif", 20, 20, false), "b.nef", "image/x-nikon-nef");
    is(picture_make(j, "b.tif", 20, 20, false), NULL, "image/tiff");
    is(picture_write(j, "cut.svg", "<?xml version='1.0'?><!-- never closed <svg", 43), "cut.svg", "image/svg+xml");
}

static struct heif_image *plain(int width, int height, const uint8_t rgb[3])
{
    struct heif_image *img;
    int stride;

    if (heif_image_create(width, height, heif_colorspace_RGB, heif_chroma_interleaved_RGB, &img).code ||
        heif_image_add_plane(img, heif_channel_interleaved, width, height, 8).code)
        abort();
    uint8_t *p = heif_image_get_plane(img, heif_channel_interleaved, &stride);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            memcpy(p + y * stride + 3 * x, rgb, 3);
    return img;
}

/* A file with two pictures, red and green, of which the second is the one to show. */
static const char *second_is_primary(struct robot_job *j, const char *name, enum heif_compression_format format)
{
    static const uint8_t colours[2][3] = {{255, 0, 0}, {0, 255, 0}};
    const char *path = picture_write(j, name, "", 0);
    struct heif_context *ctx = heif_context_alloc();
    struct heif_encoder *enc;

    if (heif_context_get_encoder_for_format(ctx, format, &enc).code)
        fail_msg("%s: no encoder", name);
    for (int i = 0; i < 2; i++) {
        struct heif_image *img = plain(64, 64, colours[i]);
        struct heif_image_handle *handle;

        if (heif_context_encode_image(ctx, img, enc, NULL, &handle).code ||
            (i == 1 && heif_context_set_primary_image(ctx, handle).code))
            fail_msg("%s: cannot be made", name);
        heif_image_handle_release(handle);
        heif_image_release(img);
    }
    if (heif_context_write_to_file(ctx, path).code)
        fail_msg("%s: cannot be written", name);
    heif_encoder_release(enc);
    heif_context_free(ctx);
    return path;
}

static void the_primary_picture_is_shown(void **state)
{
    static const char *const names[] = {"two.avif", "two.heic"};
    static const enum heif_compression_format formats[] = {heif_compression_AV1, heif_compression_HEVC};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        const struct probe_want want = {.limits = media_limits(NULL)};
        const char *path = second_is_primary(j, names[i], formats[i]);
        static const char *const steps[] = {"{\"format\":\"png\"}", "{\"format\":\"png\",\"width\":20}", "{\"format\":\"png\",\"frame\":1}"};
        char mime[MIME_LEN], ext[16];
        json_t *meta = NULL;
        struct err err;
        double px[4];

        for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
            if (host_run_on(j, "/image/resize", steps[k], path, &err) < 0)
                fail_msg("%s: %s", names[i], err.msg);
            picture_pixel(px, host_output(j, 0)->path, 5, 5);
            if (px[0] > 20 || px[1] < 235)
                fail_msg("%s %s: %g %g %g", names[i], steps[k], px[0], px[1], px[2]);
        }
        if (probe_file(&meta, mime, ext, path, names[i], &want, &err) < 0)
            fail_msg("%s: %s", names[i], err.msg);
        assert_memory_equal(jstr(meta, "average_color"), "#0", 2); /* hardly any red */
        json_decref(meta);
    }
}

/* libvips lends it for the life of the picture that was loaded; what is made of that is written later. */
static void what_a_heif_file_carries_is_carried_on(void **state)
{
    static const char *const names[] = {"a.heic", "a.avif"};
    static const char *const formats[] = {"jpg", "heic", "avif", "png"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names) * ARRAY_LEN(formats); i++) {
        AUTO(host_free) struct robot_job *j = host_new();
        const char *path = picture_make_turned(j, names[i % 2], 200, 120, 1);
        AUTO(mem_free) char *step = mem_printf("{\"format\":\"%s\",\"width\":100,\"rotation\":90}", formats[i / 2]);
        const struct probe_want want = {.limits = media_limits(NULL)};
        char mime[MIME_LEN], ext[16];
        json_t *meta = NULL;
        struct err err;

        if (host_run_on(j, "/image/resize", step, path, &err) < 0)
            fail_msg("%s %s: %s", names[i % 2], step, err.msg);
        if (probe_file(&meta, mime, ext, host_output(j, 0)->path, NULL, &want, &err) < 0)
            fail_msg("%s %s: %s", names[i % 2], step, err.msg);
        assert_string_equal(jstr_or(meta, "device_vendor", "(lost)"), "Acme");
        json_decref(meta);
    }
}

/* A film of pictures: the still that stands for it. */
static void an_animated_avif_is_read_as_its_still(void **state)
{
    static const char *const args[] = {"-f", "lavfi", "-i", "testsrc=s=64x48:r=5:d=1", "-c:v", "libaom-av1", "-cpu-used", "8", "-f", "avif", NULL};
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    (void)state;

    const char *argv[] = {"ffmpeg", "-v", "error", "-h", "muxer=avif", NULL};
    AUTO(str_done) struct str out = {0};
    if (tool_text(&out, argv, 60000, 100000, &err) < 0 || (out.s && strstr(out.s, "Unknown format")))
        skip(); /* ffmpeg before 6 has no AVIF writer */
    const char *path = make_av(j, "moving.avif", args);
    is(path, NULL, "image/avif");
    if (host_run_on(j, "/image/resize", "{\"format\":\"png\"}", path, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(picture_facts(host_output(j, 0)->path).width, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(svg_may_begin_as_any_xml_does),
        cmocka_unit_test(what_only_mentions_svg_is_none),
        cmocka_unit_test(a_gzipped_bomb_is_refused),
        cmocka_unit_test(svg_is_read_where_nobody_may_walk_to),
        cmocka_unit_test(no_error_names_a_directory),
        cmocka_unit_test(transport_streams_are_films),
        cmocka_unit_test(a_text_full_of_sync_bytes_is_a_text),
        cmocka_unit_test(sound_is_known_behind_tags_and_zeros),
        cmocka_unit_test(noise_is_no_sound),
        cmocka_unit_test(a_pdf_may_begin_late),
        cmocka_unit_test(what_a_robot_accepts_is_what_its_loaders_read),
        cmocka_unit_test(what_is_forced_on_a_robot_is_named),
        cmocka_unit_test(the_first_witness_is_the_bytes),
        cmocka_unit_test(the_primary_picture_is_shown),
        cmocka_unit_test(what_a_heif_file_carries_is_carried_on),
        cmocka_unit_test(an_animated_avif_is_read_as_its_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
