/* What the metadata of an image says, that its header does not: colours, blurhash. */
#include "base/clock.h"
#include "media/image.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

bool meta_wants(const json_t *output_meta, const char *key)
{
    size_t i;
    json_t *v;

    json_array_foreach (output_meta, i, v)
        if (json_is_string(v) && !strcmp(json_string_value(v), key))
            return true;
    return jbool(output_meta, key, false);
}

int meta_add_dates(json_t *meta, const char *path, bool derived, struct err *err)
{
    char text[DATE_LEN + 1];
    struct statx st;

    if (statx(AT_FDCWD, path, 0, STATX_MTIME | STATX_BTIME, &st) < 0)
        return err_errno(err, "'%s'", path);
    date_format(text, st.stx_mtime.tv_sec * SECOND_US);
    jset(meta, "date_file_modified", text);
    if (!derived)
        return 0;
    if ((st.stx_mask & STATX_BTIME) && st.stx_btime.tv_sec <= st.stx_mtime.tv_sec)
        date_format(text, st.stx_btime.tv_sec * SECOND_US);
    jset(meta, "date_file_created", text);
    return 0;
}

static const char *space_name(const VipsImage *v)
{
    switch (v->Type) {
    case VIPS_INTERPRETATION_B_W:
    case VIPS_INTERPRETATION_GREY16:
        return "Gray";
    case VIPS_INTERPRETATION_CMYK:
        return "CMYK";
    case VIPS_INTERPRETATION_LAB:
    case VIPS_INTERPRETATION_LABS:
    case VIPS_INTERPRETATION_LABQ:
        return "Lab";
    default:
        return "RGB";
    }
}

/* The sums of each band of a row of three. Blocks of sixteen pixels are added up side by side, which the compiler does
 * with vectors; 257 of them fit into 16 bits. */
static void sum_row(uint64_t sum[3], const VipsPel *p, size_t pixels)
{
    enum { BLOCK = 48, MOST = 257 };
    size_t blocks = pixels * 3 / BLOCK;

    for (size_t rest = pixels * 3 - blocks * BLOCK, i = 0; i < rest; i++)
        sum[i % 3] += p[blocks * BLOCK + i];
    while (blocks) {
        uint16_t lanes[BLOCK] = {0};
        size_t now = blocks < MOST ? blocks : MOST;

        for (size_t k = 0; k < now; k++, p += BLOCK)
            for (int i = 0; i < BLOCK; i++)
                lanes[i] = (uint16_t)(lanes[i] + p[i]);
        for (int i = 0; i < BLOCK; i++)
            sum[i % 3] += lanes[i];
        blocks -= now;
    }
}

/* Mean colour and least alpha of an 8 bit sRGB image in memory. */
static void measure_colours(VipsImage *v, uint8_t mean[3], bool *transparent)
{
    uint64_t sum[3] = {0}, n = (uint64_t)v->Xsize * (uint64_t)v->Ysize;
    bool alpha = v->Bands == 4;
    unsigned least = 255;

    for (int y = 0; y < v->Ysize; y++) {
        const VipsPel *p = VIPS_IMAGE_ADDR(v, 0, y);
        uint32_t row[3] = {0};

        if (v->Bands == 3) {
            sum_row(sum, p, (size_t)v->Xsize);
            continue;
        }
        for (int x = 0; x < v->Xsize; x++, p += v->Bands) {
            unsigned a = alpha ? p[3] : 255;

            least = a < least ? a : least;
            for (int i = 0; i < 3; i++)
                row[i] += a == 255 ? p[i] : (p[i] * a + 255u * (255 - a) + 127) / 255;
        }
        for (int i = 0; i < 3; i++)
            sum[i] += row[i];
    }
    for (int i = 0; i < 3; i++)
        mean[i] = (uint8_t)((sum[i] + n / 2) / n);
    *transparent = least < 255;
}

static void set_hex(json_t *meta, const char *key, const uint8_t c[3])
{
    char hex[8];

    snprintf(hex, sizeof hex, "#%02x%02x%02x", c[0], c[1], c[2]);
    jset(meta, key, hex);
}

/* ---- dominant colours: median cut ---- */

struct box {
    size_t from, to; /* pixels [from, to) */
};

static int sort_channel;
static int by_channel(const void *a, const void *b)
{
    return ((const uint8_t *)a)[sort_channel] - ((const uint8_t *)b)[sort_channel];
}

static int widest(const uint8_t *px, const struct box *b, int *channel)
{
    int best = -1;

    for (int c = 0; c < 3; c++) {
        int lo = 255, hi = 0;

        for (size_t i = b->from; i < b->to; i++) {
            lo = px[3 * i + (size_t)c] < lo ? px[3 * i + (size_t)c] : lo;
            hi = px[3 * i + (size_t)c] > hi ? px[3 * i + (size_t)c] : hi;
        }
        if (hi - lo > best) {
            best = hi - lo;
            *channel = c;
        }
    }
    return best;
}

static json_t *dominant_colors(uint8_t *px, size_t n)
{
    enum { WANTED = 6 };
    struct box box[WANTED] = {{0, n}};
    json_t *list = json_array();
    int count = 1;

    while (count < WANTED) {
        int pick = -1, channel = 0;
        double best = 0;

        for (int i = 0; i < count; i++) {
            int c = 0, range = widest(px, &box[i], &c);
            double weight = (double)range * sqrt((double)(box[i].to - box[i].from));

            if (box[i].to - box[i].from > 1 && weight > best) {
                best = weight;
                pick = i;
                channel = c;
            }
        }
        if (pick < 0)
            break;
        sort_channel = channel;
        qsort(px + 3 * box[pick].from, box[pick].to - box[pick].from, 3, by_channel);
        size_t mid = (box[pick].from + box[pick].to) / 2;
        box[count++] = (struct box){mid, box[pick].to};
        box[pick].to = mid;
    }
    for (int i = 0; i < count; i++) {
        uint64_t sum[3] = {0}, k = box[i].to - box[i].from;
        char hex[8];

        for (size_t p = box[i].from; p < box[i].to; p++)
            for (int c = 0; c < 3; c++)
                sum[c] += px[3 * p + (size_t)c];
        snprintf(hex, sizeof hex, "#%02x%02x%02x", (unsigned)(sum[0] / k), (unsigned)(sum[1] / k),
                 (unsigned)(sum[2] / k));
        json_array_append_new(list, json_string(hex));
    }
    return list;
}

/* ---- blurhash (https://blurha.sh): 4 x 3 cosine components ---- */

static double srgb_to_linear(double v)
{
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}
static int linear_to_srgb(double v)
{
    v = v < 0 ? 0 : v > 1 ? 1 : v;
    return (int)((v <= 0.0031308 ? v * 12.92 : 1.055 * pow(v, 1 / 2.4) - 0.055) * 255 + 0.5);
}

static void add_base83(struct str *b, int value, int digits)
{
    static const char set[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

    for (int d = digits - 1; d >= 0; d--) {
        int v = value;

        for (int i = 0; i < d; i++)
            v /= 83;
        str_putc(b, set[v % 83]);
    }
}

static int quantised(double v)
{
    double q = floor(copysign(sqrt(fabs(v)), v) * 9 + 9.5);

    return (int)(q < 0 ? 0 : q > 18 ? 18 : q);
}

static void blurhash(struct str *out, const uint8_t *px, int w, int h)
{
    enum { NX = 4, NY = 3 };
    double f[NX * NY][3] = {{0}}, most = 0;

    for (int k = 0; k < NX * NY; k++) {
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                double basis =
                    cos(M_PI * (k % NX) * (x + 0.0) / w) * cos(M_PI * (k / NX) * (y + 0.0) / h);

                for (int c = 0; c < 3; c++)
                    f[k][c] += basis * srgb_to_linear(px[3 * (y * w + x) + c] / 255.0);
            }
        for (int c = 0; c < 3; c++) {
            f[k][c] *= (k ? 2.0 : 1.0) / (w * h);
            if (k)
                most = fmax(most, fabs(f[k][c]));
        }
    }
    int q = (int)fmax(0, fmin(82, floor(most * 166 - 0.5)));
    double max = (q + 1) / 166.0;

    add_base83(out, NX - 1 + (NY - 1) * 9, 1);
    add_base83(out, q, 1);
    add_base83(
        out, linear_to_srgb(f[0][0]) << 16 | linear_to_srgb(f[0][1]) << 8 | linear_to_srgb(f[0][2]),
        4);
    for (int k = 1; k < NX * NY; k++)
        add_base83(out,
                   (quantised(f[k][0] / max) * 19 + quantised(f[k][1] / max)) * 19 +
                       quantised(f[k][2] / max),
                   2);
}

/* The first frame's pixels, small where that is cheap, as 8 bit sRGB in memory. */
static int sample(struct image **out, const struct image *img, struct err *err)
{
    AUTO(image_free) struct image *s = NULL;
    VipsImage *v;

    if (image_copy(&s, img, err) < 0)
        return -1;
    if (img->path && image_decodes_small(img) && image_width(img) >= 64 && image_height(img) >= 64 &&
        (v = image_decode(img, 0, 1, 8, true))) {
        g_object_unref(s->frame[0]);
        s->frame[0] = v;
    }
    vips_error_clear();
    while (s->count > 1) /* one frame is what people see */
        g_object_unref(s->frame[--s->count]);
    if (image_to_srgb8(s, err) < 0 || image_render(s, err) < 0)
        return -1;
    *out = take(s);
    return 0;
}

static int add_extras(json_t *meta, struct image *s, const json_t *output_meta, struct err *err)
{
    bool colors = meta_wants(output_meta, "dominant_colors"),
         hash = meta_wants(output_meta, "blurhash");

    if (!colors && !hash)
        return 0;
    double scale = fmin(1, 64.0 / (double)MAX(image_width(s), image_height(s)));
    int64_t w = fit_round((double)image_width(s) * scale),
            h = fit_round((double)image_height(s) * scale);
    if (image_scale(s, w, h, false, err) < 0 ||
        image_flatten(s, (struct color){255, 255, 255, 255}, err) < 0 || image_render(s, err) < 0)
        return -1;
    uint8_t *px = VIPS_IMAGE_ADDR(s->frame[0], 0, 0);
    if (hash) {
        AUTO(str_done) struct str text = {0};

        blurhash(&text, px, (int)w, (int)h);
        jset(meta, "blurhash", text.s);
    }
    if (colors) /* sorts the pixels: last */
        json_object_set_new(meta, "dominant_colors", dominant_colors(px, (size_t)(w * h)));
    return 0;
}

void image_meta_header(json_t *meta, const struct image *img)
{
    char text[32];

    snprintf(text, sizeof text, "%.3f", (double)image_width(img) / (double)image_height(img));
    jset(meta, "aspect_ratio", text);
    jset(meta, "colorspace", space_name(img->frame[0]));
    json_object_set_new(meta, "frame_count",
                        json_integer(img->path ? img->frames_in_file : img->count));
    if (!json_object_get(meta, "has_clipping_path"))
        json_object_set_new(meta, "has_clipping_path", json_false());
    json_object_set_new(meta, "height", json_integer(image_height(img)));
    json_object_set_new(meta, "width", json_integer(image_width(img)));
}

static void add_measured(json_t *meta, struct image *s)
{
    uint8_t mean[3];
    bool transparent;

    measure_colours(s->frame[0], mean, &transparent);
    set_hex(meta, "average_color", mean);
    json_object_set_new(meta, "has_transparency", json_boolean(transparent));
}

int image_meta(json_t *meta, struct image *img, const json_t *output_meta, struct err *err)
{
    AUTO(image_free) struct image *s = NULL;

    if (sample(&s, img, err) < 0)
        return -1;
    image_meta_header(meta, img);
    add_measured(meta, s);
    return add_extras(meta, s, output_meta, err);
}

/* ---- on the way ---- */

#define ON_THE_WAY_MOST (INT64_C(96) << 20) /* bytes of pixels; more is not kept in memory for this */

static int64_t bytes_of(const VipsImage *v)
{
    return (int64_t)VIPS_IMAGE_SIZEOF_PEL(v) * v->Xsize * v->Ysize;
}

bool image_measures(const struct image *img)
{
    const VipsImage *v = img->frame[0];

    if (img->count != 1 || img->frames_in_file != 1 || v->BandFmt != VIPS_FORMAT_UCHAR)
        return false;
    /* of a JPEG that has to be converted an eighth is enough; a PNG is there as a whole or not at all */
    return (!strcmp(img->format, "jpg") && v->Bands <= 3) ||
           (!strcmp(img->format, "png") && image_is_srgb8(v) && bytes_of(v) <= ON_THE_WAY_MOST);
}

/* As small as the probe's own decode makes it, where each pixel costs a transform. */
static int shrink_to_eighth(struct image *s, int shrunk, struct err *err)
{
    int by = 8 / (shrunk ? shrunk : 1);

    if (by < 2 || image_width(s) < 64 || image_height(s) < 64)
        return 0;
    IMAGE_EACH(s, "cannot scale the image", vips_shrink(in, &now, by, by, NULL));
    return 0;
}

int image_measure(json_t *meta, struct image *img, struct err *err)
{
    AUTO(image_free) struct image *s = NULL;
    bool kept = bytes_of(img->frame[0]) <= ON_THE_WAY_MOST;

    if (!kept) { /* a JPEG as a whole: it has a way of its own to an eighth */
        if (sample(&s, img, err) < 0)
            return -1;
        add_measured(meta, s);
        return 0;
    }
    if (image_render(img, err) < 0 || image_copy(&s, img, err) < 0)
        return -1;
    if (!image_is_srgb8(s->frame[0]) && (shrink_to_eighth(s, img->shrunk, err) < 0 || image_to_srgb8(s, err) < 0 ||
                                         image_render(s, err) < 0))
        return -1;
    add_measured(meta, s);
    return 0;
}
