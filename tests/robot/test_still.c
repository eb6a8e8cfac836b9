/* Pictures that libvips has no reader of its own for, made here byte by byte: what comes out, and
 * what comes of broken ones. */
#include "../unit/unit.h"
#include "base/str.h"
#include "media/mime.h"
#include "media/probe.h"
#include "media/vips.h"
#include "pictures.h"

#include <stdio.h>
#include <string.h>
#include <vips/vips.h>
#include <zlib.h>

#define W 5
#define H 3
#define LIMITS ((struct media_limits){.max_pixels = 100000000, .max_frames = 1000, .timeout_s = 60})

/* Of the picture that all these files hold. */
static uint8_t want(int x, int y, int channel)
{
    return (uint8_t)(channel == 0   ? 40 * x + 10
                     : channel == 1 ? 60 * y + 20
                     : channel == 2 ? 200 - 30 * x
                                    : 255);
}

/* ---- bytes ---- */

static void le(struct str *s, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        str_putc(s, (char)(v >> 8 * i));
}

static void be(struct str *s, uint64_t v, int bytes)
{
    while (bytes--)
        str_putc(s, (char)(v >> 8 * bytes));
}

static const char *keep(struct robot_job *j, const char *name, struct str *s)
{
    const char *path = picture_write(j, name, s->s, s->len);

    str_done(*s);
    *s = (struct str){0};
    return path;
}

enum bmp_kind { BMP24, BMP24_DOWN, BMP32, BMP8, BMP_OLD };

static void add_dib(struct str *s, enum bmp_kind kind, int height)
{
    int bits = kind == BMP32 ? 32 : kind == BMP8 ? 8 : 24;

    if (kind == BMP_OLD) {
        le(s, 12, 4);
        le(s, W, 2);
        le(s, (uint64_t)height, 2);
        le(s, 1, 2);
        le(s, 24, 2);
    } else {
        le(s, 40, 4);
        le(s, W, 4);
        le(s, (uint64_t)(uint32_t)(kind == BMP24_DOWN ? -height : height), 4);
        le(s, 1, 2);
        le(s, (uint64_t)bits, 2);
        le(s, 0, 4);
        for (int i = 0; i < 3; i++)
            le(s, 0, 4);
        le(s, kind == BMP8 ? W * H : 0, 4);
        le(s, 0, 4);
    }
    for (int i = 0; kind == BMP8 && i < W * H; i++)
        for (int c = 2; c >= -1; c--)
            str_putc(s, c < 0 ? 0 : (char)want(i % W, i / W, c));
    for (int row = 0; row < H; row++) {
        int y = kind == BMP24_DOWN ? row : H - 1 - row;
        size_t from = s->len;

        for (int x = 0; x < W; x++)
            if (kind == BMP8)
                str_putc(s, (char)(y * W + x));
            else
                for (int c = 2; c >= (bits == 32 ? -1 : 0); c--)
                    str_putc(s, (char)(c < 0 ? 255 : want(x, y, c)));
        while ((s->len - from) % 4)
            str_putc(s, 0);
    }
}

static const char *bmp(struct robot_job *j, const char *name, enum bmp_kind kind)
{
    struct str s = {0};

    str_add(&s, "BM", 2);
    le(&s, kind == BMP_OLD ? 74 : kind == BMP8 ? 138 : kind == BMP32 ? 114 : 102, 4);
    le(&s, 0, 4);
    le(&s, kind == BMP_OLD ? 26 : kind == BMP8 ? 54 + 4 * W * H : 54, 4);
    add_dib(&s, kind, H);
    return keep(j, name, &s);
}

/* A small icon and the picture as one; its mask hides the top left pixel. png: the picture is one
 * instead. */
static const char *ico(struct robot_job *j, const char *name, const char *png)
{
    struct str s = {0}, dot = {0}, dib = {0};

    if (png) {
        char data[4000];
        FILE *f = fopen(png, "r");
        size_t n = fread(data, 1, sizeof data, f);

        fclose(f);
        str_add(&dib, data, n);
    } else {
        add_dib(&dib, BMP24, 2 * H);
        for (int row = 0; row < H; row++)
            be(&dib, row == H - 1 ? 0x80000000 : 0, 4);
    }
    le(&dot, 40, 4);
    le(&dot, 1, 4);
    le(&dot, 2, 4);
    le(&dot, 1, 2);
    le(&dot, 24, 2);
    for (int i = 0; i < 32; i++)
        str_putc(&dot, 0);
    le(&s, 0, 2);
    le(&s, 1, 2);
    le(&s, 2, 2);
    for (int i = 0; i < 2; i++) {
        str_add(&s, i ? "\5\3" : "\1\1", 2);
        le(&s, 0, 2);
        le(&s, 1, 2);
        le(&s, 24, 2);
        le(&s, i ? dib.len : dot.len, 4);
        le(&s, 38 + (i ? dot.len : 0), 4);
    }
    str_add(&s, dot.s, dot.len);
    str_add(&s, dib.s, dib.len);
    str_done(dot);
    str_done(dib);
    return keep(j, name, &s);
}

struct psd_how {
    int mode, depth, channels;
    bool packed, clear;
};

static uint8_t psd_sample(const struct psd_how *h, int x, int y, int c)
{
    if (h->mode == 2)
        return (uint8_t)(y * W + x);
    if (h->mode == 4) /* no ink is 255 */
        return c == 3 ? 255 : want(x, y, c);
    if (h->clear) /* half clear, as it looks on white */
        return c == 3 ? 128 : (uint8_t)((want(x, y, c) * 128 + 255 * 127 + 127) / 255);
    return want(x, y, c);
}

static void add_psd_row(struct str *s, const struct psd_how *h, int y, int c)
{
    if (h->packed) /* a byte that means nothing, the row as it is */
        str_add(s, "\x80\4", 2);
    if (h->depth == 1)
        str_putc(s, (char)(y == 1 ? 0xFF : 0)); /* one black row */
    else
        for (int x = 0; x < W; x++)
            be(s, h->depth == 16 ? psd_sample(h, x, y, c) * 257u : psd_sample(h, x, y, c),
               h->depth / 8);
}

static const char *psd(struct robot_job *j, const char *name, const struct psd_how *h)
{
    static const char xmp[] = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF "
                              "xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
                              "<rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/' "
                              "dc:title='A painting'/></rdf:RDF></x:xmpmeta>";
    static const char exif[] = "MM\0*\0\0\0\x08\0\1\1\x0f\0\2\0\0\0\5\0\0\0\x1a\0\0\0\0Acme\0\0";
    struct str s = {0};

    str_add(&s, "8BPS\0\1\0\0\0\0\0\0", 12);
    be(&s, (uint64_t)h->channels, 2);
    be(&s, H, 4);
    be(&s, W, 4);
    be(&s, (uint64_t)h->depth, 2);
    be(&s, (uint64_t)h->mode, 2);
    be(&s, h->mode == 2 ? 768 : 0, 4);
    for (int i = 0; h->mode == 2 && i < 768; i++)
        str_putc(&s, i % 256 < W * H ? (char)want(i % 256 % W, i % 256 / W, i / 256) : 0);
    be(&s, 12 + sizeof exif - 1 + 12 + sizeof xmp - 1 + (sizeof xmp - 1) % 2, 4);
    str_add(&s, "8BIM\x04\x22\0\0", 8);
    be(&s, sizeof exif - 1, 4);
    str_add(&s, exif, sizeof exif - 1);
    str_add(&s, "8BIM\x04\x24\0\0", 8);
    be(&s, sizeof xmp - 1, 4);
    str_add(&s, xmp, sizeof xmp - 1 + (sizeof xmp - 1) % 2);
    be(&s, h->clear ? 6 : 0, 4);
    if (h->clear) {
        be(&s, 2, 4);
        be(&s, 0xFFFF, 2); /* -1 layer */
    }
    be(&s, h->packed, 2);
    for (int i = 0; h->packed && i < h->channels * H; i++)
        be(&s, 2 + W * (unsigned)h->depth / 8, 2);
    for (int c = 0; c < h->channels; c++)
        for (int y = 0; y < H; y++)
            add_psd_row(&s, h, y, c);
    return keep(j, name, &s);
}

enum tga_kind { TGA24, TGA24_DOWN, TGA32, TGA32_NO_ALPHA, TGA16, TGA8, TGA24_RUNS, TGA8_RUNS, TGA24_FOOT };
#define TGA_LAST TGA24_FOOT

static void add_tga_pixel(struct str *s, enum tga_kind kind, int x, int y)
{
    if (kind == TGA8 || kind == TGA8_RUNS)
        str_putc(s, (char)(y * W + x));
    else if (kind == TGA16)
        le(s, (uint64_t)(want(x, y, 0) >> 3 << 10 | want(x, y, 1) >> 3 << 5 | want(x, y, 2) >> 3), 2);
    else
        for (int c = 2; c >= (kind == TGA32 || kind == TGA32_NO_ALPHA ? -1 : 0); c--)
            str_putc(s, (char)(c >= 0 ? want(x, y, c) : kind == TGA32_NO_ALPHA ? 0 : x == 0 && y == 0 ? 100 : 255));
}

static const char *tga(struct robot_job *j, const char *name, enum tga_kind kind)
{
    bool palette = kind == TGA8 || kind == TGA8_RUNS, runs = kind == TGA24_RUNS || kind == TGA8_RUNS,
         down = kind == TGA24_DOWN, deep = kind == TGA32 || kind == TGA32_NO_ALPHA;
    struct str s = {0};

    le(&s, 4, 1); /* of a text before the pixels */
    le(&s, palette, 1);
    le(&s, (palette ? 1u : 2u) + (runs ? 8u : 0), 1);
    le(&s, 0, 2);
    le(&s, palette ? W * H : 0, 2);
    le(&s, palette ? 24 : 0, 1);
    le(&s, 0, 4);
    le(&s, W, 2);
    le(&s, H, 2);
    le(&s, palette ? 8 : deep ? 32 : kind == TGA16 ? 16 : 24, 1);
    le(&s, (down ? 0x20u : 0) | (deep ? 8u : 0), 1);
    str_add(&s, "text", 4);
    for (int i = 0; palette && i < W * H; i++)
        for (int c = 2; c >= 0; c--)
            str_putc(&s, (char)want(i % W, i / W, c));
    for (int row = 0; row < H; row++) {
        int y = down ? row : H - 1 - row;

        if (runs) /* the first pixel is a run of one, then four as they are */
            le(&s, 0x80, 1);
        for (int x = 0; x < W; x++) {
            if (runs && x == 1)
                le(&s, W - 2, 1);
            add_tga_pixel(&s, kind, x, y);
        }
    }
    if (kind == TGA24_FOOT) {
        str_add(&s, "what its writer has to say of it", 32);
        le(&s, 0, 8);
        str_add(&s, "TRUEVISION-XFILE.", 18);
    }
    return keep(j, name, &s);
}

struct tag {
    int id, type;
    uint32_t count, value; /* value: or where it lies behind the directory */
    bool far;
};

/* A photograph of a red wall by a camera with filters red, green, green, blue. */
static const char *dng(struct robot_job *j, const char *name, int w, int h)
{
    enum { N = 22, EXTRA = 8 + 2 + N * 12 + 4 };
    struct str s = {0};
    const struct tag tags[N] = {{254, 4, 1, 0},
                                {256, 4, 1, (uint32_t)w},
                                {257, 4, 1, (uint32_t)h},
                                {258, 3, 1, 16},
                                {259, 3, 1, 1},
                                {262, 3, 1, 32803},
                                {271, 2, 5, 0, true},
                                {272, 2, 8, 8, true},
                                {273, 4, 1, EXTRA + 256},
                                {274, 3, 1, 6},
                                {277, 3, 1, 1},
                                {278, 4, 1, (uint32_t)h},
                                {279, 4, 1, (uint32_t)(w * h * 2)},
                                {284, 3, 1, 1},
                                {33421, 3, 2, 0x00020002},
                                {33422, 1, 4, 0x02010100},
                                {50706, 1, 4, 0x00000401},
                                {50708, 2, 8, 8, true},
                                {50717, 4, 1, 65535},
                                {50721, 10, 9, 16, true},
                                {50728, 5, 3, 88, true},
                                {50778, 3, 1, 21}};

    str_add(&s, "II*\0\x08\0\0\0", 8);
    le(&s, N, 2);
    for (int i = 0; i < N; i++) {
        le(&s, (uint64_t)tags[i].id, 2);
        le(&s, (uint64_t)tags[i].type, 2);
        le(&s, tags[i].count, 4);
        le(&s, tags[i].value + (tags[i].far ? EXTRA : 0), 4);
    }
    le(&s, 0, 4);
    str_add(&s, "Acme\0\0\0\0Model 1", 16);
    for (int i = 0; i < 9; i++) { /* from XYZ to the camera: nearly sRGB */
        static const int m[] = {32404, -15371, -4985, -9692, 18760, 415, 556, -2040, 10572};

        le(&s, (uint64_t)(uint32_t)m[i], 4);
        le(&s, 10000, 4);
    }
    for (int i = 0; i < 6; i++)
        le(&s, 1, 4);
    while (s.len < EXTRA + 256)
        str_putc(&s, 0);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            le(&s, y % 2 == 0 && x % 2 == 0 ? 50000 : 6000, 2);
    return keep(j, name, &s);
}

static const char *jxl(struct robot_job *j, const char *name)
{
    uint8_t px[W * H * 3];
    const char *path = host_path(j, name);
    VipsImage *v, *t;

    for (int i = 0; i < W * H * 3; i++)
        px[i] = want(i / 3 % W, i / 3 / W, i % 3);
    assert_int_equal(media_init(NULL), 0);
    v = vips_image_new_from_memory_copy(px, sizeof px, W, H, 3, VIPS_FORMAT_UCHAR);
    assert_int_equal(vips_copy(v, &t, "interpretation", VIPS_INTERPRETATION_sRGB, NULL), 0);
    if (strstr(name, ".png") ? vips_pngsave(t, path, NULL)
                             : vips_jxlsave(t, path, "lossless", TRUE, NULL))
        fail_msg("%s", vips_error_buffer());
    g_object_unref(v);
    g_object_unref(t);
    return path;
}

/* ---- what comes out ---- */

static uint8_t *open_pixels(int *w, int *h, int *bands, const char *path, struct err *err)
{
    const struct image_load how = {.limits = LIMITS, .strict = true};
    AUTO(image_free) struct image *img = NULL;
    uint8_t *px = NULL;

    if (image_open(&img, path, &how, err) < 0)
        return NULL;
    *w = (int)image_width(img);
    *h = (int)image_height(img);
    return image_pixels(&px, bands, img, err) < 0 ? NULL : px;
}

static void assert_is_the_picture(const char *path, int tolerance)
{
    struct err err;
    int w = 0, h = 0, bands = 0;
    AUTO(mem_free) char *px = (char *)open_pixels(&w, &h, &bands, path, &err);

    if (!px)
        fail_msg("%s: %s", path, err.msg);
    assert_int_equal(w, W);
    assert_int_equal(h, H);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < 3; c++)
                if (abs((uint8_t)px[(y * W + x) * bands + c] - want(x, y, c)) > tolerance)
                    fail_msg("%s: %d,%d channel %d is %d instead of %d", path, x, y, c,
                             (uint8_t)px[(y * W + x) * bands + c], want(x, y, c));
}

static void assert_mime(const char *path, const char *expected)
{
    char mime[MIME_LEN];

    assert_int_equal(mime_detect(mime, path, NULL, NULL), 0);
    assert_string_equal(mime, expected);
}

static void bmp_files_of_every_kind_are_read(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (enum bmp_kind k = BMP24; k <= BMP_OLD; k++) {
        const char *path = bmp(j, "a.bmp", k);

        assert_mime(path, "image/bmp");
        assert_is_the_picture(path, 0);
    }
}

static void targa_files_of_every_kind_are_read_and_told_by_their_bytes(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    int w, h, bands;
    (void)state;

    for (enum tga_kind k = TGA24; k <= TGA_LAST; k++) {
        const char *path = tga(j, "a", k);

        assert_mime(path, "image/x-tga");
        assert_is_the_picture(path, k == TGA16 ? 8 : 0);
    }
    AUTO(mem_free) char *clear = (char *)open_pixels(&w, &h, &bands, tga(j, "b", TGA32), &err);
    assert_int_equal(bands, 4);
    assert_int_equal((uint8_t)clear[3], 100);
    AUTO(mem_free) char *full = (char *)open_pixels(&w, &h, &bands, tga(j, "c", TGA32_NO_ALPHA), &err);
    assert_int_equal((uint8_t)full[4 * W * H - 1], 255); /* an alpha that hides everything is none */
    if (host_run_on(j, "/image/resize", "{\"width\":10}", tga(j, "d.tga", TGA24_RUNS), &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(picture_facts(host_output(j, 0)->path).width, 10);
}

/* Any bytes have two small numbers somewhere: a file is no Targa unless all of it fits. */
static void what_only_begins_like_a_targa_is_none(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    for (enum tga_kind k = TGA24; k <= TGA_LAST; k++) {
        const char *path = tga(j, "whole", k);
        AUTO(mem_free) char *data = mem_alloc(1 << 12);
        FILE *f = fopen(path, "r");
        size_t n = fread(data, 1, (1 << 12) - 1, f);

        fclose(f);
        for (size_t cut = 1; cut < n; cut++) {
            char mime[MIME_LEN];

            if (k == TGA24_FOOT && cut == n - 58)
                continue; /* all but what the newer ones have at their end */
            assert_int_equal(mime_detect(mime, picture_write(j, "cut.tga", data, cut), "cut.tga", NULL), 0);
            if (!strcmp(mime, "image/x-tga"))
                fail_msg("kind %d is a picture at %zu of %zu bytes", k, cut, n);
        }
        char mime[MIME_LEN];

        data[n] = 0;
        assert_int_equal(mime_detect(mime, picture_write(j, "more.tga", data, n + 1), "more.tga", NULL), 0);
        assert_string_not_equal(mime, "image/x-tga");
    }
}

static void of_an_icon_file_the_largest_is_taken_with_its_mask(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    int w, h, bands;
    (void)state;

    const char *path = ico(j, "a.ico", NULL);
    assert_mime(path, "image/vnd.microsoft.icon");
    assert_is_the_picture(path, 0);
    AUTO(mem_free) char *px = (char *)open_pixels(&w, &h, &bands, path, &err);
    assert_int_equal(bands, 4);
    assert_int_equal(px[3], 0);
    assert_int_equal((uint8_t)px[7], 255);
    path = ico(j, "b.ico", jxl(j, "a.png"));
    assert_mime(path, "image/vnd.microsoft.icon");
    assert_is_the_picture(path, 0);
}

static void psd_files_show_what_they_look_like(void **state)
{
    static const struct psd_how rows[] = {
        {3, 8, 3},
        {3, 8, 3, .packed = true},
        {3, 16, 3},
        {2, 8, 1, .packed = true},
        {3, 8, 4}, /* a saved selection */
        {3, 8, 4, .clear = true},
    };
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    int w, h, bands;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *path = psd(j, "a.psd", &rows[i]);

        assert_mime(path, "image/vnd.adobe.photoshop");
        assert_is_the_picture(path, rows[i].clear ? 2 : 0);
    }
    AUTO(mem_free)
    char *clear = (char *)open_pixels(&w, &h, &bands, psd(j, "b.psd", &rows[5]), &err);
    assert_int_equal(bands, 4);
    assert_int_equal((uint8_t)clear[3], 128);
    AUTO(mem_free)
    char *flat = (char *)open_pixels(&w, &h, &bands, psd(j, "c.psd", &rows[4]), &err);
    assert_non_null(flat);
    assert_int_equal(bands, 3);
    AUTO(mem_free)
    char *gray = (char *)open_pixels(
        &w, &h, &bands, psd(j, "d.psd", &(struct psd_how){1, 16, 1, .packed = false}), &err);
    assert_int_equal((uint8_t)gray[bands * 2], want(2, 0, 0));
    AUTO(mem_free)
    char *bits =
        (char *)open_pixels(&w, &h, &bands, psd(j, "e.psd", &(struct psd_how){0, 1, 1}), &err);
    assert_true((uint8_t)bits[0] == 255 && (uint8_t)bits[bands * W] == 0);
    AUTO(mem_free)
    char *cmyk =
        (char *)open_pixels(&w, &h, &bands, psd(j, "f.psd", &(struct psd_how){4, 8, 4}), &err);
    assert_true((uint8_t)cmyk[0] < (uint8_t)cmyk[3 * 4] &&
                (uint8_t)cmyk[2] > (uint8_t)cmyk[3 * 4 + 2]); /* cyan to the left */
}

static void jpeg_xl_is_read_and_written(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    struct err err;
    (void)state;

    const char *path = jxl(j, "a.jxl");
    assert_mime(path, "image/jxl");
    assert_is_the_picture(path, 0);
    assert_int_equal(host_run_on(j, "/image/resize", "{\"width\":10}", path, &err), 0);
    assert_string_equal(host_output(j, 0)->mime, "image/jxl");
    assert_mime(host_output(j, 0)->path, "image/jxl");
    assert_mime(picture_write(j, "two.bytes", "\xFF\x0A", 2), "application/octet-stream");
    assert_mime(
        picture_write(j, "more.bytes", "\xFF\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF no picture", 21),
        "application/octet-stream");
}

static void a_cameras_own_file_is_developed(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const struct probe_want all = {.limits = LIMITS};
    AUTO(json_unref) json_t *meta = NULL;
    char mime[MIME_LEN], ext[16];
    struct err err;
    int w, h, bands;
    (void)state;

    const char *path = dng(j, "a.dng", 200, 120);
    assert_mime(path, "image/x-adobe-dng");
    AUTO(mem_free) char *px = (char *)open_pixels(&w, &h, &bands, path, &err);
    if (!px)
        fail_msg("%s", err.msg);
    assert_int_equal(w, 200);
    assert_int_equal(h, 120);
    const uint8_t *mid = (uint8_t *)px + bands * (60 * w + 100);
    if (mid[0] < 150 || mid[1] > 120 || mid[2] > 120)
        fail_msg("%d %d %d is not red", mid[0], mid[1], mid[2]);
    if (probe_file(&meta, mime, ext, path, "a.dng", &all, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(jint(meta, "width", 0), 200);
    assert_int_equal(jint(meta, "height", 0), 120);
    assert_string_equal(jstr_or(meta, "device_vendor", ""), "Acme");
    assert_string_equal(ext, "dng");
    if (host_run_on(j, "/image/resize", "{\"width\":50}", path, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(host_output(j, 0)->name, "a.jpg"); /* nobody writes such a file */
    assert_int_equal(picture_facts(host_output(j, 0)->path).height,
                     83); /* upright: it says that it is to be turned */
}

/* ---- the look into them ---- */

static void their_metadata_are_told(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const struct probe_want all = {.limits = LIMITS};
    AUTO(json_unref) json_t *meta = NULL, *none = NULL;
    char mime[MIME_LEN], ext[16];
    struct err err;
    (void)state;

    assert_int_equal(probe_file(&meta, mime, ext, psd(j, "a.psd", &(struct psd_how){3, 8, 3}),
                                "a.psd", &all, &err),
                     0);
    assert_string_equal(jstr_or(meta, "title", ""), "A painting");
    assert_int_equal(jint(meta, "width", 0), W);
    assert_string_equal(jstr_or(meta, "colorspace", ""), "RGB");
    assert_string_equal(jstr_or(meta, "device_vendor", ""), "Acme");
    assert_int_equal(
        host_run_on(j, "/image/resize", "{\"format\":\"jpg\"}", host_path(j, "a.psd"), &err), 0);
    AUTO(mem_free) char *jpeg = mem_alloc(1 << 16); /* under the name that readers of JPEG look for */
    FILE *f = fopen(host_output(j, 0)->path, "r");
    size_t n = fread(jpeg, 1, 1 << 16, f);
    fclose(f);
    assert_non_null(memmem(jpeg, n, "Exif\0\0MM", 8));
    assert_non_null(memmem(jpeg, n, "Acme", 4));
    /* a variant that is not read is what it is, and no error */
    assert_int_equal(probe_file(&none, mime, ext, psd(j, "lab.psd", &(struct psd_how){9, 8, 3}),
                                "lab.psd", &all, &err),
                     0);
    assert_string_equal(mime, "image/vnd.adobe.photoshop");
    assert_null(json_object_get(none, "width"));
    assert_int_equal(host_run_on(j, "/image/resize", "{}", host_path(j, "lab.psd"), &err), -1);
    assert_non_null(strstr(err.msg, "variant"));
}

/* ---- hostile files ---- */

static void what_is_cut_off_is_an_error_wherever(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const char *const whole[] = {bmp(j, "a.bmp", BMP24),
                                 bmp(j, "b.bmp", BMP8),
                                 ico(j, "a.ico", NULL),
                                 psd(j, "a.psd", &(struct psd_how){3, 8, 3}),
                                 psd(j, "b.psd", &(struct psd_how){3, 8, 3, .packed = true}),
                                 dng(j, "a.dng", 60, 40),
                                 tga(j, "a.tga", TGA24),
                                 tga(j, "b.tga", TGA8_RUNS),
                                 jxl(j, "a.jxl")};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        AUTO(mem_free) char *data = mem_alloc(1 << 16);
        FILE *f = fopen(whole[i], "r");
        size_t n = fread(data, 1, 1 << 16, f), step = n > 1000 ? 97 : 1;

        fclose(f);
        for (size_t cut = 0; cut < n; cut += step) {
            int w, h, bands;
            struct err err;
            AUTO(mem_free)
            char *px =
                (char *)open_pixels(&w, &h, &bands, picture_write(j, "cut", data, cut), &err);

            if (px && cut + 8 < n && i != 1 &&
                i != 5) /* a shorter palette or a padded end may do */
                fail_msg("%s was read from %zu of %zu bytes", whole[i], cut, n);
        }
    }
}

static void sizes_are_compared_before_there_is_room_for_them(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    const struct image_load how = {.limits = LIMITS};
    struct str s = {0};
    struct err err;
    (void)state;

    for (int i = 0; i < 4; i++) {
        AUTO(image_free) struct image *img = NULL;

        if (i == 3) { /* 65,535 by 2,000 in runs of 128, of which there are enough */
            static const char head[18] = {[2] = 11, [12] = -1, -1, (char)0xD0, 7, 8};

            str_add(&s, head, sizeof head);
            for (int k = 0; k < 1023985; k++)
                str_add(&s, "\xff\x07", 2);
        } else if (i == 0) {
            str_add(&s, "BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", 18);
            le(&s, 2000000, 4);
            le(&s, 2000000, 4);
            le(&s, 1, 2);
            le(&s, 24, 2);
            while (s.len < 60)
                str_putc(&s, 0);
        } else if (i == 1) {
            str_add(&s, "8BPS\0\1\0\0\0\0\0\0\0\3", 14);
            be(&s, 200000, 4);
            be(&s, 200000, 4);
            be(&s, 8, 2);
            be(&s, 3, 2);
            be(&s, 0, 4);
            be(&s, 0, 4);
            be(&s, 0, 4);
            be(&s, 0, 2);
        } else {
            str_add(&s, "8BPS\0\1\0\0\0\0\0\0\0\3", 14);
            be(&s, 0, 4);
            be(&s, 7, 4);
            be(&s, 8, 2);
            be(&s, 3, 2);
            be(&s, 0, 4);
            be(&s, 0, 4);
            be(&s, 0, 4);
        }
        assert_int_equal(image_open(&img, keep(j, "large", &s), &how, &err), -1);
        assert_int_equal(err.code, ERR_COMMAND);
        if (i != 2 && !strstr(err.msg, "max_pixels"))
            fail_msg("%s", err.msg);
    }
}

/* Programs for drawing tools, whatever they are called: none of them is a picture here, and nothing
 * runs them. */
static void no_name_makes_a_picture_of_a_program(void **state)
{
    static const char *const texts[] = {
        "push graphic-context\nviewbox 0 0 640 480\nimage over 0,0 0,0 'label:@/etc/passwd'\npop "
        "graphic-context\n",
        "<?xml version=\"1.0\"?><image><read filename=\"/etc/passwd\"/><write "
        "filename=\"/tmp/x.png\"/></image>",
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\nshowpage\n",
        "label:@/etc/passwd",
        "id=ImageMagick version=1.0\nclass=DirectClass columns=1 rows=1\n\f\n:\x1a\1\2\3",
        "# ImageMagick pixel enumeration: 1,1,255,srgb\n0,0: (0,0,0)  #000000  black\n",
        "\x89HDF rubbish",
        "BM and then a text that only begins like one",
        "8BPS, they say",
    };
    static const char *const names[] = {"a.bmp", "a.psd", "a.ico",   "a.jxl",
                                        "a.dng", "msl:a", "label:@a"};
    AUTO(host_free) struct robot_job *j = host_new();
    const struct image_load how = {.limits = LIMITS};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (size_t n = 0; n < ARRAY_LEN(names); n++) {
            AUTO(image_free) struct image *img = NULL;
            const char *path = picture_write(j, names[n], texts[i], strlen(texts[i]));
            char mime[MIME_LEN];
            struct err err;

            assert_int_equal(image_open(&img, path, &how, &err), -1);
            assert_int_equal(mime_detect(mime, path, names[n], &err), 0);
            if (robot_accepts(robot_find("/image/resize"), "", mime))
                fail_msg("%s as %s is taken as %s", texts[i], names[n], mime);
        }
}

static void what_a_file_is_called_does_not_matter(void **state)
{
    AUTO(host_free) struct robot_job *j = host_new();
    (void)state;

    assert_is_the_picture(psd(j, "a.bmp", &(struct psd_how){3, 8, 3}), 0);
    assert_is_the_picture(bmp(j, "a.ico", BMP24), 0);
    assert_is_the_picture(ico(j, "a.png", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bmp_files_of_every_kind_are_read),
        cmocka_unit_test(targa_files_of_every_kind_are_read_and_told_by_their_bytes),
        cmocka_unit_test(what_only_begins_like_a_targa_is_none),
        cmocka_unit_test(of_an_icon_file_the_largest_is_taken_with_its_mask),
        cmocka_unit_test(psd_files_show_what_they_look_like),
        cmocka_unit_test(jpeg_xl_is_read_and_written),
        cmocka_unit_test(a_cameras_own_file_is_developed),
        cmocka_unit_test(their_metadata_are_told),
        cmocka_unit_test(what_is_cut_off_is_an_error_wherever),
        cmocka_unit_test(sizes_are_compared_before_there_is_room_for_them),
        cmocka_unit_test(no_name_makes_a_picture_of_a_program),
        cmocka_unit_test(what_a_file_is_called_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
