#include "media/vips.h"
#include "base/clock.h"
#include "base/str.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <vips/vips.h>

struct watch {
    void (*fn)(void *ctx, double done);
    void *ctx;
    double from, to;
};

struct image {
    struct watch watch;
    VipsImage **frame;
    int count;
    int64_t frames_in_file;
    char *path; /* NULL once the pixels are not simply the file's */
    char format[8];
    struct image_load load;
    int orientation;
    bool animated; /* as a file format; not TIFF or PDF pages */
};

struct media_limits media_limits(const json_t *settings)
{
    return (struct media_limits){
        .max_pixels = jint(settings, "max_pixels", 100 * 1000 * 1000),
        .max_frames = jint(settings, "max_frames", 1000),
        .timeout_s = (int)jint(settings, "timeout_s", 60),
    };
}

static int vips_fail(struct err *err, const char *what)
{
    AUTO(mem_free) char *text = mem_strdup(vips_error_buffer());

    vips_error_clear();
    for (char *c = text; *c; c++)
        if (*c == '\n')
            *c = c[1] ? ';' : 0;
    return err_set(err, ERR_COMMAND, "%s: %.400s", what, *text ? text : "no details");
}

static void ignore_log(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer arg)
{
}

int media_init(struct err *err)
{
    static bool ready;

    if (ready)
        return 0;
    if (vips_init("workcell"))
        return vips_fail(err, "libvips");
    /* Oddities of users' files are no news for the operator. */
    g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_INFO, ignore_log, NULL);
    vips_block_untrusted_set(TRUE);
    /* Small parsers that the contract needs. librsvg gets no base address from libvips, so nothing
     * an SVG refers to is ever opened. */
    vips_operation_block_set("VipsForeignLoadSvg", FALSE);
    vips_operation_block_set("VipsForeignLoadJp2k", FALSE);
    vips_operation_block_set("VipsForeignLoadPpm", FALSE);
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    ready = true;
    return 0;
}

/* ---- formats ---- */

static const struct {
    const char *name, *ext, *loader; /* loader: prefix of vips-loader */
    bool alpha, animated, write;
} formats[] = {
    {"jpg", "jpg", "jpegload", false, false, true},
    {"jpeg", "jpg", "jpegload", false, false, true},
    {"png", "png", "pngload", true, false, true},
    {"webp", "webp", "webpload", true, true, true},
    {"gif", "gif", "gifload", true, true, true},
    {"tif", "tif", "tiffload", true, false, true},
    {"tiff", "tif", "tiffload", true, false, true},
    {"heic", "heic", "heifload", true, false, true},
    {"avif", "avif", "heifload", true, false, true},
    {"heif", "heic", "heifload", true, false, true},
    {"jp2", "jp2", "jp2kload", true, false, true},
    {"svg", "svg", "svgload", true, false, false},
    {"ppm", "ppm", "ppmload", false, false, false},
};

static int format_row(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(formats); i++)
        if (!strcasecmp(formats[i].name, name))
            return (int)i;
    return -1;
}

bool image_can_write(const char *f) { return format_row(f) >= 0 && formats[format_row(f)].write; }
bool image_can_animate(const char *f)
{
    return format_row(f) >= 0 && formats[format_row(f)].animated;
}
bool image_keeps_alpha(const char *f) { return format_row(f) >= 0 && formats[format_row(f)].alpha; }
const char *image_canonical(const char *f)
{
    return format_row(f) >= 0 ? formats[format_row(f)].ext : NULL;
}

/* ---- open ---- */

/* The loader for path's bytes, as a class name ("VipsForeignLoadJpegFile"). */
static int find_loader(const char **out, const char *path, struct err *err)
{
    *out = vips_foreign_find_load(path);
    return *out ? 0 : vips_fail(err, "not an image that can be read");
}

/* Read a header, or (shrink > 1) begin a decode at a fraction of the size. */
static VipsImage *load(const struct image *img, const char *loader, int page, int n, int shrink,
                       bool sequential)
{
    char options[200];
    struct str o = {0};

    str_addf(&o, "access=%s,fail-on=%s", sequential ? "sequential" : "random",
             img->load.strict ? "truncated" : "none");
    if (strcasestr(loader, "gif") || strstr(loader, "Webp") || strstr(loader, "Tiff") ||
        strstr(loader, "Heif"))
        str_addf(&o, ",page=%d,n=%d", page, n);
    if (shrink > 1)
        str_addf(&o, ",shrink=%d", shrink);
    if (strstr(loader, "Svg") && img->load.density > 0)
        str_addf(&o, ",dpi=%g", img->load.density);
    snprintf(options, sizeof options, "[%s]", o.s);
    str_done(o);

    /* vips_image_new_from_file() would split "[...]" off the name: run the loader itself. */
    VipsOperation *op = vips_operation_new(loader);
    VipsImage *result = NULL;
    if (!op)
        return NULL;
    if (vips_object_set(VIPS_OBJECT(op), "filename", img->path, NULL) ||
        vips_object_set_from_string(VIPS_OBJECT(op), options) || vips_cache_operation_buildp(&op)) {
        vips_object_unref_outputs(VIPS_OBJECT(op));
        g_object_unref(op);
        return NULL;
    }
    g_object_get(op, "out", &result, NULL);
    vips_object_unref_outputs(VIPS_OBJECT(op));
    g_object_unref(op);
    return result;
}

static int check_limits(const VipsImage *v, int64_t frames, const struct media_limits *lim,
                        struct err *err)
{
    int64_t w = v->Xsize, h = vips_image_get_page_height((VipsImage *)v);

    if (frames > lim->max_frames)
        return err_set(err, ERR_COMMAND,
                       "the image has %" PRId64 " frames, the limit is %" PRId64
                       " (setting max_frames)",
                       frames, lim->max_frames);
    if (w * h > lim->max_pixels / frames)
        return err_set(err, ERR_COMMAND,
                       "the image has %" PRId64 "x%" PRId64 " pixels in %" PRId64
                       " frame(s), that is %" PRId64 ", the limit is %" PRId64
                       " (setting max_pixels)",
                       w, h, frames, w * h * frames, lim->max_pixels);
    return 0;
}

static void set_frames(struct image *img, VipsImage *v)
{
    img->frame = mem_zalloc(sizeof *img->frame);
    img->frame[0] = v;
    img->count = 1;
}

/* A strip of n frames below each other becomes n images over one buffer. */
static int split_frames(struct image *img, int n, struct err *err)
{
    VipsImage *strip = img->frame[0], *mem = vips_image_copy_memory(strip);
    int h = vips_image_get_page_height(strip), w = strip->Xsize;

    if (!mem)
        return vips_fail(err, "cannot decode the frames");
    g_object_unref(strip);
    free(img->frame);
    img->frame = mem_zalloc((size_t)n * sizeof *img->frame);
    img->count = 0;
    for (int i = 0; i < n; i++) {
        if (vips_extract_area(mem, &img->frame[i], 0, i * h, w, h, NULL)) {
            g_object_unref(mem);
            return vips_fail(err, "cannot split the frames");
        }
        img->count++;
    }
    g_object_unref(mem);
    return 0;
}

int image_open(struct image **out, const char *path, const struct image_load *how, struct err *err)
{
    AUTO(image_free) struct image *img = NULL;
    const char *loader, *name;
    struct stat st;
    VipsImage *v;

    if (media_init(err) < 0)
        return -1;
    if (stat(path, &st) < 0)
        return err_errno(err, "'%s'", path);
    if (st.st_size == 0)
        return err_set(err, ERR_INPUT, "the file is empty");
    if (find_loader(&loader, path, err) < 0)
        return -1;
    img = mem_zalloc(sizeof *img);
    img->path = mem_strdup(path);
    img->load = *how;
    if (!(v = load(img, loader, 0, 1, 1, true)))
        return vips_fail(err, "cannot read the image");
    set_frames(img, v);

    img->frames_in_file = vips_image_get_n_pages(v);
    img->orientation = vips_image_get_orientation(v);
    if (vips_image_get_string(v, "vips-loader", &name) == 0)
        for (size_t i = 0; i < ARRAY_LEN(formats) && !img->format[0]; i++)
            if (str_starts(name, formats[i].loader))
                snprintf(img->format, sizeof img->format, "%s", formats[i].ext);
    if (!strcmp(img->format, "heic")) {
        const char *codec;

        if (vips_image_get_typeof(v, "heif-compression") &&
            vips_image_get_string(v, "heif-compression", &codec) == 0 && !strcmp(codec, "av1"))
            strcpy(img->format, "avif");
    }
    img->animated = image_can_animate(img->format);
    if (!img->animated && strcmp(img->format, "tif") != 0)
        img->frames_in_file = 1;
    if (check_limits(v, how->all_frames && img->animated ? img->frames_in_file : 1, &how->limits,
                     err) < 0)
        return -1;

    if (how->frame > img->frames_in_file && how->frame > 1)
        return err_set(err, ERR_COMMAND,
                       "frame %" PRId64 " was asked for, but there are only %" PRId64, how->frame,
                       img->frames_in_file);
    if (how->frame > 1 || (how->all_frames && img->animated && img->frames_in_file > 1)) {
        int n = how->frame ? 1 : (int)img->frames_in_file;

        v = load(img, loader, how->frame ? (int)how->frame - 1 : 0, n, 1, true);
        if (!v)
            return vips_fail(err, "cannot read the image");
        if (check_limits(v, n, &how->limits, err) < 0) {
            g_object_unref(v);
            return -1;
        }
        g_object_unref(img->frame[0]);
        img->frame[0] = v;
        if (n > 1 && split_frames(img, n, err) < 0)
            return -1;
    }
    *out = take(img);
    return 0;
}

void image_free(struct image *img)
{
    if (!img)
        return;
    for (int i = 0; i < img->count; i++)
        if (img->frame[i])
            g_object_unref(img->frame[i]);
    free(img->frame);
    free(img->path);
    free(img);
}

int64_t image_width(const struct image *img) { return img->frame[0]->Xsize; }
int64_t image_height(const struct image *img) { return img->frame[0]->Ysize; }
int image_frames(const struct image *img) { return img->count; }
int64_t image_frames_in_file(const struct image *img) { return img->frames_in_file; }
int image_orientation(const struct image *img) { return img->orientation; }
bool image_has_alpha(const struct image *img) { return vips_image_hasalpha(img->frame[0]); }
bool image_is_gray(const struct image *img)
{
    VipsInterpretation t = img->frame[0]->Type;

    return img->frame[0]->Bands <= 2 &&
           (t == VIPS_INTERPRETATION_B_W || t == VIPS_INTERPRETATION_GREY16);
}
const char *image_format(const struct image *img) { return img->format; }

const void *image_blob(const struct image *img, const char *field, size_t *len)
{
    const void *data;

    if (!vips_image_get_typeof(img->frame[0], field) ||
        vips_image_get_blob(img->frame[0], field, &data, len)) {
        vips_error_clear();
        return NULL;
    }
    return data;
}

/* The new image replaces the frame; NULL: the operation failed. */
static int put(struct image *img, int i, int failed, VipsImage *now, const char *what,
               struct err *err)
{
    if (failed)
        return vips_fail(err, what);
    g_object_unref(img->frame[i]);
    img->frame[i] = now;
    free(take(img->path));
    return 0;
}

/* Run a libvips call on every frame: `in` is the frame, `&now` takes the result. */
#define EACH(img, what, call)                                                                      \
    for (int f_ = 0; f_ < (img)->count; f_++) {                                                    \
        VipsImage *in = (img)->frame[f_], *now = NULL;                                             \
        int failed_ = (call);                                                                      \
        if (put((img), f_, failed_, now, (what), err) < 0)                                         \
            return -1;                                                                             \
    }

/* ---- geometry ---- */

int image_shrink_on_load(struct image *img, int64_t w, int64_t h, struct err *err)
{
    int shrink = 8;

    if (!img->path || strcmp(img->format, "jpg") != 0)
        return 0;
    while (shrink > 1 && (image_width(img) / shrink < w || image_height(img) / shrink < h))
        shrink /= 2;
    if (shrink == 1)
        return 0;
    VipsImage *v = load(img, "VipsForeignLoadJpegFile", 0, 1, shrink, true);
    if (!v)
        return vips_fail(err, "cannot read the image");
    g_object_unref(img->frame[0]);
    img->frame[0] = v;
    free(take(img->path));
    return 0;
}

void image_watch(struct image *img, void (*fn)(void *ctx, double done), void *ctx, double from, double to)
{
    img->watch = (struct watch){fn, ctx, from, to};
}

static void on_eval(VipsImage *v, VipsProgress *p, struct watch *w)
{
    (void)v;
    w->fn(w->ctx, w->from + (w->to - w->from) * p->percent / 100.0);
}

/* libvips tells of v's evaluation, and of nothing made from it later. */
static void watch_begin(VipsImage *v, struct watch *w)
{
    if (!w->fn)
        return;
    vips_image_set_progress(v, TRUE);
    g_signal_connect(v, "eval", G_CALLBACK(on_eval), w);
}

static void watch_end(VipsImage *v, struct watch *w)
{
    if (!w->fn)
        return;
    g_signal_handlers_disconnect_by_data(v, w);
    vips_image_set_progress(v, FALSE);
}

static int render_one(struct image *img, int i, VipsImage *in, VipsImage **out)
{
    struct watch part = img->watch;
    double step = (part.to - part.from) / img->count;

    part.from += step * i;
    part.to = part.from + step;
    watch_begin(in, &part);
    *out = vips_image_copy_memory(in);
    watch_end(in, &part);
    if (*out)
        vips_image_set_progress(*out, FALSE);
    return *out ? 0 : -1;
}

int image_render(struct image *img, struct err *err)
{
    EACH(img, "cannot decode the image", render_one(img, f_, in, &now));
    return 0;
}

void image_forget_orientation(struct image *img)
{
    VipsImage *now;

    if (vips_copy(img->frame[0], &now, NULL))
        return;
    vips_autorot_remove_angle(now);
    g_object_unref(img->frame[0]);
    img->frame[0] = now;
    img->orientation = 1;
}

int image_autorotate(struct image *img, struct err *err)
{
    if (img->orientation <= 1)
        return 0;
    if (image_render(img, err) < 0)
        return -1;
    EACH(img, "cannot turn the image", vips_autorot(in, &now, NULL));
    img->orientation = 1;
    return 0;
}

/* Unsigned 8 bit sRGB. */
static int to_srgb(VipsImage *in, VipsImage **out)
{
    VipsImage *a = NULL, *b = NULL;
    int rc;

    if (vips_image_get_typeof(in, VIPS_META_ICC_NAME) &&
        !vips_icc_transform(in, &a, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_PERCEPTUAL,
                            NULL)) {
        /* done: vips keeps alpha beside it */
    } else {
        vips_error_clear(); /* a broken profile: go by the numbers */
        if (vips_colourspace(in, &a, VIPS_INTERPRETATION_sRGB, NULL))
            return -1;
    }
    if (a->BandFmt != VIPS_FORMAT_UCHAR) {
        rc = vips_cast(a, &b, VIPS_FORMAT_UCHAR, NULL);
        g_object_unref(a);
        if (rc)
            return -1;
        a = b;
    }
    if (a->Bands > 4) { /* extra channels of TIFF and PSD */
        rc = vips_extract_band(a, &b, 0, "n", 4, NULL);
        g_object_unref(a);
        if (rc)
            return -1;
        a = b;
    }
    rc = vips_copy(a, out, NULL);
    g_object_unref(a);
    if (!rc)
        vips_image_remove(*out, VIPS_META_ICC_NAME);
    return rc;
}

static bool is_srgb(const VipsImage *v)
{
    return v->Type == VIPS_INTERPRETATION_sRGB && v->BandFmt == VIPS_FORMAT_UCHAR &&
           (v->Bands == 3 || v->Bands == 4) && !vips_image_get_typeof(v, VIPS_META_ICC_NAME);
}

int image_to_srgb(struct image *img, struct err *err)
{
    if (is_srgb(img->frame[0]))
        return 0;
    EACH(img, "cannot convert to sRGB", to_srgb(in, &now));
    return 0;
}

int image_crop(struct image *img, const struct rect *r, struct err *err)
{
    if (r->x == 0 && r->y == 0 && r->w == image_width(img) && r->h == image_height(img))
        return 0;
    EACH(img, "cannot crop",
         vips_extract_area(in, &now, (int)r->x, (int)r->y, (int)r->w, (int)r->h, NULL));
    return 0;
}

static int scale_one(VipsImage *in, VipsImage **out, int w, int h, bool linear)
{
    VipsObject *ctx = VIPS_OBJECT(vips_image_new());
    VipsImage **t = (VipsImage **)vips_object_local_array(ctx, 8), *v = in;
    bool alpha = vips_image_hasalpha(in);
    VipsBandFormat format = in->BandFmt;
    VipsInterpretation space = in->Type;
    int rc = -1;

    if (linear) {
        if (vips_colourspace(v, &t[0], VIPS_INTERPRETATION_scRGB, NULL))
            goto done;
        v = t[0];
    }
    if (alpha) {
        if (vips_premultiply(v, &t[1], NULL))
            goto done;
        v = t[1];
    }
    if (vips_resize(v, &t[2], (double)w / v->Xsize, "vscale", (double)h / v->Ysize, NULL))
        goto done;
    v = t[2];
    if (v->Xsize != w || v->Ysize != h) { /* a rounding off by one inside libvips */
        if (vips_embed(v, &t[3], 0, 0, w, h, "extend", VIPS_EXTEND_COPY, NULL))
            goto done;
        v = t[3];
    }
    if (alpha) {
        if (vips_unpremultiply(v, &t[4], NULL))
            goto done;
        v = t[4];
    }
    if (linear) {
        if (vips_colourspace(v, &t[5], space, NULL))
            goto done;
        v = t[5];
    }
    if (v->BandFmt != format) {
        if (vips_cast(v, &t[6], format, NULL))
            goto done;
        v = t[6];
    }
    rc = vips_copy(v, out, "interpretation", space, NULL);
done:
    g_object_unref(ctx);
    return rc;
}

int image_scale(struct image *img, int64_t w, int64_t h, bool linear, struct err *err)
{
    if (w == image_width(img) && h == image_height(img))
        return 0;
    EACH(img, "cannot resize", scale_one(in, &now, (int)w, (int)h, linear));
    return 0;
}

/* fill as libvips wants it for this image: as many numbers as bands. */
static VipsArrayDouble *ink(const VipsImage *v, struct color c)
{
    double rgba[4] = {c.r, c.g, c.b, c.a};

    if (v->Bands <= 2) {
        rgba[0] = 0.2126 * c.r + 0.7152 * c.g + 0.0722 * c.b;
        rgba[1] = c.a;
    }
    return vips_array_double_new(rgba, v->Bands);
}

static int embed_one(VipsImage *in, VipsImage **out, int x, int y, int w, int h, struct color c)
{
    VipsArrayDouble *bg = ink(in, c);
    int rc =
        vips_embed(in, out, x, y, w, h, "extend", VIPS_EXTEND_BACKGROUND, "background", bg, NULL);

    vips_area_unref(VIPS_AREA(bg));
    return rc;
}

int image_pad(struct image *img, int64_t x, int64_t y, int64_t w, int64_t h, struct color fill,
              struct err *err)
{
    if (w == image_width(img) && h == image_height(img))
        return 0;
    if (fill.a == 0 && image_add_alpha(img, err) < 0)
        return -1;
    EACH(img, "cannot pad", embed_one(in, &now, (int)x, (int)y, (int)w, (int)h, fill));
    return 0;
}

static int rotate_one(VipsImage *in, VipsImage **out, double degrees, struct color c)
{
    VipsArrayDouble *bg = ink(in, c);
    VipsImage *t = NULL;
    int rc = vips_similarity(in, &t, "angle", degrees, "background", bg, NULL);

    vips_area_unref(VIPS_AREA(bg));
    if (!rc)
        rc = vips_cast(t, out, in->BandFmt, NULL);
    if (t)
        g_object_unref(t);
    return rc;
}

int image_rotate(struct image *img, double degrees, struct color fill, struct err *err)
{
    double turn = fmod(fmod(degrees, 360) + 360, 360);

    if (turn == 0)
        return 0;
    if (image_render(img, err) < 0)
        return -1;
    if (turn == 90 || turn == 180 || turn == 270) {
        EACH(img, "cannot turn", vips_rot(in, &now, (VipsAngle)(turn / 90), NULL));
        return 0;
    }
    if (fill.a == 0 && image_add_alpha(img, err) < 0)
        return -1;
    EACH(img, "cannot turn", rotate_one(in, &now, turn, fill));
    return 0;
}

int image_find_trim(struct rect *out, struct image *img, struct err *err)
{
    if (image_render(img, err) < 0)
        return -1;
    const VipsImage *v = img->frame[0];
    const size_t px = VIPS_IMAGE_SIZEOF_PEL(v);
    const VipsPel *corner = VIPS_IMAGE_ADDR(v, 0, 0);
    int x1 = v->Xsize, y1 = v->Ysize, x2 = -1, y2 = -1;

    for (int y = 0; y < v->Ysize; y++) {
        const VipsPel *p = VIPS_IMAGE_ADDR(v, 0, y);

        for (int x = 0; x < v->Xsize; x++, p += px) {
            if (!memcmp(p, corner, px))
                continue;
            x1 = x < x1 ? x : x1;
            x2 = x > x2 ? x : x2;
            y1 = y < y1 ? y : y1;
            y2 = y;
        }
    }
    *out = x2 < 0 ? (struct rect){0, 0, v->Xsize, v->Ysize} /* one colour all over: leave it */
                  : (struct rect){x1, y1, x2 - x1 + 1, y2 - y1 + 1};
    return 0;
}

/* ---- alpha and colour ---- */

static int flatten_one(VipsImage *in, VipsImage **out, struct color c)
{
    double rgb[3] = {c.r, c.g, c.b};
    VipsArrayDouble *bg = vips_array_double_new(rgb, in->Bands > 2 ? 3 : 1);
    int rc = vips_flatten(in, out, "background", bg, NULL);

    vips_area_unref(VIPS_AREA(bg));
    return rc;
}

int image_flatten(struct image *img, struct color on, struct err *err)
{
    if (!image_has_alpha(img))
        return 0;
    EACH(img, "cannot flatten", flatten_one(in, &now, on));
    return 0;
}

int image_add_alpha(struct image *img, struct err *err)
{
    if (image_has_alpha(img))
        return 0;
    EACH(img, "cannot add alpha", vips_addalpha(in, &now, NULL));
    return 0;
}

int image_drop_alpha(struct image *img, struct err *err)
{
    if (!image_has_alpha(img))
        return 0;
    EACH(img, "cannot drop alpha", vips_extract_band(in, &now, 0, "n", in->Bands - 1, NULL));
    return 0;
}

static int blur_one(VipsImage *in, VipsImage **out, double sigma)
{
    VipsObject *ctx = VIPS_OBJECT(vips_image_new());
    VipsImage **t = (VipsImage **)vips_object_local_array(ctx, 4);
    int rc;

    if (!vips_image_hasalpha(in))
        rc = vips_gaussblur(in, out, sigma, NULL);
    else
        rc = vips_premultiply(in, &t[0], NULL) || vips_gaussblur(t[0], &t[1], sigma, NULL) ||
             vips_unpremultiply(t[1], &t[2], NULL) || vips_cast(t[2], &t[3], in->BandFmt, NULL) ||
             vips_copy(t[3], out, "interpretation", in->Type, NULL);
    g_object_unref(ctx);
    return rc ? -1 : 0;
}

int image_blur(struct image *img, double sigma, struct err *err)
{
    if (sigma < 0.2) /* libvips' own limit: less changes nothing */
        return 0;
    if (image_render(img, err) < 0)
        return -1;
    EACH(img, "cannot blur", blur_one(in, &now, sigma));
    return 0;
}

static void paste_ellipse(VipsImage *on, const VipsImage *from, const struct rect *b)
{
    const size_t px = VIPS_IMAGE_SIZEOF_PEL(on);
    double rx = (double)b->w / 2, ry = (double)b->h / 2;
    double cx = (double)b->x + rx, cy = (double)b->y + ry;

    for (int64_t y = b->y; y < b->y + b->h && y < on->Ysize; y++) {
        for (int64_t x = b->x; x < b->x + b->w && x < on->Xsize; x++) {
            double dx = ((double)x + 0.5 - cx) / rx, dy = ((double)y + 0.5 - cy) / ry;

            if (x >= 0 && y >= 0 && dx * dx + dy * dy <= 1)
                memcpy(VIPS_IMAGE_ADDR(on, (int)x, (int)y), VIPS_IMAGE_ADDR(from, (int)x, (int)y),
                       px);
        }
    }
}

int image_blur_ellipses(struct image *img, const struct rect *boxes, size_t n, double sigma,
                        struct err *err)
{
    AUTO(image_free) struct image *soft = NULL;

    if (image_render(img, err) < 0 || image_copy(&soft, img, err) < 0 ||
        image_blur(soft, sigma, err) < 0 || image_render(soft, err) < 0)
        return -1;
    for (int f = 0; f < img->count; f++)
        for (size_t i = 0; i < n; i++)
            paste_ellipse(img->frame[f], soft->frame[f], &boxes[i]);
    return 0;
}

int image_each_pixel(struct image *img, void (*fn)(uint8_t rgb[3], const void *arg),
                     const void *arg, struct err *err)
{
    if (image_to_srgb(img, err) < 0 || image_render(img, err) < 0)
        return -1;
    for (int f = 0; f < img->count; f++) {
        VipsImage *v = img->frame[f];

        for (int y = 0; y < v->Ysize; y++) {
            VipsPel *p = VIPS_IMAGE_ADDR(v, 0, y);

            for (int x = 0; x < v->Xsize; x++, p += v->Bands)
                fn(p, arg);
        }
    }
    return 0;
}

int image_make_transparent(struct image *img, struct color c, struct err *err)
{
    if (image_to_srgb(img, err) < 0 || image_add_alpha(img, err) < 0 || image_render(img, err) < 0)
        return -1;
    for (int f = 0; f < img->count; f++) {
        VipsImage *v = img->frame[f];

        for (int y = 0; y < v->Ysize; y++) {
            VipsPel *p = VIPS_IMAGE_ADDR(v, 0, y);

            for (int x = 0; x < v->Xsize; x++, p += 4)
                if (p[0] == c.r && p[1] == c.g && p[2] == c.b)
                    p[3] = 0;
        }
    }
    return 0;
}

int image_to_space(struct image *img, enum image_space space, struct err *err)
{
    static const VipsInterpretation to[] = {VIPS_INTERPRETATION_sRGB, VIPS_INTERPRETATION_B_W,
                                            VIPS_INTERPRETATION_CMYK, VIPS_INTERPRETATION_LABS};

    EACH(img, "cannot convert the colour space", vips_colourspace(in, &now, to[space], NULL));
    return 0;
}

int image_copy(struct image **out, const struct image *img, struct err *err)
{
    struct image *c = mem_zalloc(sizeof *c);

    *c = *img;
    c->path = NULL;
    c->frame = mem_zalloc((size_t)img->count * sizeof *c->frame);
    for (int i = 0; i < img->count; i++) {
        c->frame[i] = img->frame[i];
        g_object_ref(c->frame[i]);
    }
    *out = c;
    return 0;
}

int image_gray(uint8_t **out, const struct image *img, int64_t w, int64_t h, struct err *err)
{
    AUTO(image_free) struct image *g = NULL;
    size_t size;

    if (image_copy(&g, img, err) < 0 || image_to_srgb(g, err) < 0 ||
        image_flatten(g, (struct color){255, 255, 255, 255}, err) < 0 ||
        image_to_space(g, SPACE_GRAY, err) < 0 || image_scale(g, w, h, false, err) < 0)
        return -1;
    uint8_t *p = vips_image_write_to_memory(g->frame[0], &size);
    if (!p)
        return vips_fail(err, "cannot decode the image");
    if (size != (size_t)w * (size_t)h) {
        g_free(p);
        return err_set(err, ERR_COMMAND, "unexpected size of the grey image");
    }
    *out = p; /* GLib's allocator is malloc */
    return 0;
}

bool color_parse(struct color *out, const char *text)
{
    static const struct {
        const char *name;
        struct color c;
    } names[] = {
        {"transparent", {255, 255, 255, 0}}, {"none", {255, 255, 255, 0}},
        {"black", {0, 0, 0, 255}},           {"white", {255, 255, 255, 255}},
        {"red", {255, 0, 0, 255}},           {"green", {0, 128, 0, 255}},
        {"blue", {0, 0, 255, 255}},          {"yellow", {255, 255, 0, 255}},
        {"cyan", {0, 255, 255, 255}},        {"magenta", {255, 0, 255, 255}},
        {"gray", {128, 128, 128, 255}},      {"grey", {128, 128, 128, 255}},
        {"opaque", {0, 0, 0, 255}},
    };
    unsigned r, g, b;
    int end = -1;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcasecmp(names[i].name, text)) {
            *out = names[i].c;
            return true;
        }
    if (sscanf(text, "%3u,%3u,%3u%n", &r, &g, &b, &end) == 3 && end == (int)strlen(text)) {
        *out =
            (struct color){(uint8_t)MIN(r, 255), (uint8_t)MIN(g, 255), (uint8_t)MIN(b, 255), 255};
        return true;
    }
    text += *text == '#';
    size_t n = strlen(text);
    if ((n != 3 && n != 6) || strspn(text, "0123456789abcdefABCDEF") != n)
        return false;
    sscanf(text, n == 3 ? "%1x%1x%1x" : "%2x%2x%2x", &r, &g, &b);
    unsigned k = n == 3 ? 17 : 1;
    *out = (struct color){(uint8_t)(r * k), (uint8_t)(g * k), (uint8_t)(b * k), 255};
    return true;
}

/* ---- save ---- */

/* All frames as one image, with the fields a writer looks at. */
static VipsImage *joined(struct image *img, const struct image_save *how)
{
    VipsImage *all = NULL, *copy = NULL;

    if (img->count == 1) {
        if (vips_copy(img->frame[0], &all, NULL))
            return NULL;
    } else if (vips_arrayjoin(img->frame, &all, img->count, "across", 1, NULL)) {
        return NULL;
    }
    double ppmm = how->density / 25.4;
    int rc = how->density > 0 ? vips_copy(all, &copy, "xres", ppmm, "yres", ppmm, NULL)
                              : vips_copy(all, &copy, NULL);
    g_object_unref(all);
    if (rc)
        return NULL;
    vips_image_remove(copy, "jpeg-thumbnail-data"); /* shows the old picture */
    vips_image_remove(copy, VIPS_META_PAGE_HEIGHT);
    vips_image_remove(copy, VIPS_META_N_PAGES);
    if (img->count > 1)
        vips_image_set_int(copy, VIPS_META_PAGE_HEIGHT, img->frame[0]->Ysize);
    else
        vips_image_remove(copy, "delay");
    return copy;
}

static int tiff_compression(VipsForeignTiffCompression *out, const char *name, struct err *err)
{
    static const struct {
        const char *name;
        VipsForeignTiffCompression value;
    } rows[] = {
        {"None", VIPS_FOREIGN_TIFF_COMPRESSION_NONE},
        {"LZW", VIPS_FOREIGN_TIFF_COMPRESSION_LZW},
        {"Zip", VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE},
        {"JPEG", VIPS_FOREIGN_TIFF_COMPRESSION_JPEG},
        {"RLE", VIPS_FOREIGN_TIFF_COMPRESSION_PACKBITS},
        {"Group4", VIPS_FOREIGN_TIFF_COMPRESSION_CCITTFAX4},
        {"JPEG2000", VIPS_FOREIGN_TIFF_COMPRESSION_JP2K},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!strcasecmp(rows[i].name, name)) {
            *out = rows[i].value;
            return 0;
        }
    return err_set(err, ERR_COMMAND, "TIFF cannot be written with compression '%s'", name);
}

static int save_joined(VipsImage *v, const char *path, const struct image_save *o, struct err *err)
{
    const char *f = image_canonical(o->format);
    int rc;

    if (!strcmp(f, "jpg")) {
        rc = vips_jpegsave(v, path, "Q", o->quality, "strip", o->strip, "interlace", o->progressive,
                           NULL);
    } else if (!strcmp(f, "png")) {
        rc = vips_pngsave(
            v, path, "strip", o->strip, "interlace", o->progressive, "filter",
            o->all_filters ? VIPS_FOREIGN_PNG_FILTER_ALL : VIPS_FOREIGN_PNG_FILTER_NONE, "palette",
            o->palette, "bitdepth",
            o->bilevel ? 1 : (o->palette || v->BandFmt == VIPS_FORMAT_UCHAR ? 8 : 16), NULL);
    } else if (!strcmp(f, "webp")) {
        rc = vips_webpsave(v, path, "Q", o->quality, "strip", o->strip, NULL);
    } else if (!strcmp(f, "gif")) {
        rc = vips_gifsave(v, path, "strip", o->strip, "interlace", o->progressive, NULL);
    } else if (!strcmp(f, "tif")) {
        VipsForeignTiffCompression c = VIPS_FOREIGN_TIFF_COMPRESSION_LZW;

        if (tiff_compression(&c, o->compress ? o->compress : "LZW", err) < 0)
            return -1;
        rc =
            vips_tiffsave(v, path, "compression", c, "Q", o->quality, "strip", o->strip, "bitdepth",
                          o->bilevel || c == VIPS_FOREIGN_TIFF_COMPRESSION_CCITTFAX4 ? 1 : 0, NULL);
    } else if (!strcmp(f, "avif") || !strcmp(f, "heic")) {
        rc = vips_heifsave(
            v, path, "Q", o->quality, "strip", o->strip, "effort", *f == 'a' ? 3 : 4, "compression",
            *f == 'a' ? VIPS_FOREIGN_HEIF_COMPRESSION_AV1 : VIPS_FOREIGN_HEIF_COMPRESSION_HEVC,
            NULL);
    } else if (!strcmp(f, "jp2")) {
        rc = vips_jp2ksave(v, path, "Q", o->quality, NULL);
    } else {
        return err_set(err, ERR_COMMAND, "cannot write format '%s'", o->format);
    }
    return rc ? vips_fail(err, "cannot write the image") : 0;
}

int image_save(struct image *img, const char *path, const struct image_save *how, struct err *err)
{
    if (!image_can_write(how->format))
        return err_set(err, ERR_COMMAND, "cannot write format '%s'", how->format);
    if (image_render(img, err) < 0)
        return -1;
    VipsImage *v = joined(img, how);
    if (!v)
        return vips_fail(err, "cannot write the image");
    watch_begin(v, &img->watch);
    int rc = save_joined(v, path, how, err);
    watch_end(v, &img->watch);
    g_object_unref(v);
    return rc;
}

/* ---- meta ---- */

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

/* Mean colour and least alpha of an 8 bit sRGB image in memory. */
static void measure(VipsImage *v, uint8_t mean[3], bool *transparent)
{
    uint64_t sum[3] = {0}, n = (uint64_t)v->Xsize * (uint64_t)v->Ysize;
    bool alpha = v->Bands == 4;
    unsigned least = 255;

    for (int y = 0; y < v->Ysize; y++) {
        const VipsPel *p = VIPS_IMAGE_ADDR(v, 0, y);
        uint32_t row[3] = {0};

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
    if (img->path && !strcmp(img->format, "jpg") && image_width(img) >= 64 &&
        image_height(img) >= 64 && (v = load(img, "VipsForeignLoadJpegFile", 0, 1, 8, true))) {
        g_object_unref(s->frame[0]);
        s->frame[0] = v;
    }
    vips_error_clear();
    while (s->count > 1) /* one frame is what people see */
        g_object_unref(s->frame[--s->count]);
    if (image_to_srgb(s, err) < 0 || image_render(s, err) < 0)
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

int image_meta(json_t *meta, struct image *img, const json_t *output_meta, struct err *err)
{
    AUTO(image_free) struct image *s = NULL;
    uint8_t mean[3];
    bool transparent;

    if (sample(&s, img, err) < 0)
        return -1;
    measure(s->frame[0], mean, &transparent);
    image_meta_header(meta, img);
    set_hex(meta, "average_color", mean);
    json_object_set_new(meta, "has_transparency", json_boolean(transparent));
    return add_extras(meta, s, output_meta, err);
}
