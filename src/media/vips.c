/* Images, over libvips: limits, open, frames, decode. */
#include "media/image.h"
#include "base/filetype.h"
#include "base/str.h"
#include "media/damage.h"
#include "media/mime.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

struct media_limits media_limits(const json_t *settings)
{
    return (struct media_limits){
        .max_pixels = jint(settings, "max_pixels", 100 * 1000 * 1000),
        .max_frames = jint(settings, "max_frames", 1000),
        .timeout_s = (int)jint(settings, "timeout_s", 60),
    };
}

/* A library may name a file by its whole path; where that lies on this machine is nobody's business. */
static void hide_directories(char *text)
{
    char *to = text, *last = NULL;

    for (const char *c = text; *c; c++) {
        bool begins = *c == '/' && (c == text || strchr(" \"'(:=", c[-1])) && c[1] != '/';

        if (begins)
            last = to;
        else if (last && *c == '/')
            to = last; /* only the part behind the last slash stays */
        else if (last && strchr(" \"'():;\n", *c))
            last = NULL;
        if (!(last && *c == '/'))
            *to++ = *c;
    }
    *to = 0;
}

int vips_fail(struct err *err, const char *what)
{
    AUTO(mem_free) char *text = mem_strdup(vips_error_buffer());

    vips_error_clear();
    hide_directories(text);
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
    vips_operation_block_set("VipsForeignLoadJxl", FALSE);
    vips_operation_block_set("VipsForeignSaveJxl", FALSE);
    vips_operation_block_set("VipsForeignLoadPdf", FALSE);
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    ready = true;
    return 0;
}

/* ---- formats ---- */

static const struct format {
    const char *name, *ext, *mime;
    const char *loader;    /* libvips' operation; with "_source" behind it for bytes in memory. "": see still */
    bool alpha, animated, write, deep;
    bool pages;            /* its loader takes page and n */
    const char *still;     /* which reader of media/still.h; NULL: libvips' own */
    bool source;           /* always by descriptor: the loader that takes a name walks to it by its whole path */
} formats[] = {
    {"jpg", "jpg", "image/jpeg", "jpegload", .write = true},
    {"jpeg", "jpg", "image/jpeg", "jpegload", .write = true},
    {"png", "png", "image/png", "pngload", .alpha = true, .write = true, .deep = true},
    {"webp", "webp", "image/webp", "webpload", .alpha = true, .animated = true, .write = true, .pages = true},
    {"gif", "gif", "image/gif", "gifload", .alpha = true, .animated = true, .write = true, .pages = true},
    {"tif", "tif", "image/tiff", "tiffload", .alpha = true, .write = true, .deep = true, .pages = true},
    {"tiff", "tif", "image/tiff", "tiffload", .alpha = true, .write = true, .deep = true, .pages = true},
    /* No pages: to name one, even the first, would switch off libvips' choice of the file's primary picture. */
    {"heic", "heic", "image/heic", "heifload", .alpha = true, .write = true},
    {"avif", "avif", "image/avif", "heifload", .alpha = true, .write = true},
    {"heif", "heic", "image/heic", "heifload", .alpha = true, .write = true},
    {"jp2", "jp2", "image/jp2", "jp2kload", .alpha = true, .write = true, .deep = true},
    {"svg", "svg", "image/svg+xml", "svgload", .alpha = true, .source = true},
    {"pdf", "pdf", "application/pdf", "pdfload", .alpha = true, .pages = true, .source = true},
    {"ppm", "ppm", "image/x-portable-pixmap", "ppmload"},
    {"pgm", "ppm", "image/x-portable-greymap", "ppmload"},
    {"pbm", "ppm", "image/x-portable-bitmap", "ppmload"},
    {"jxl", "jxl", "image/jxl", "jxlload", .alpha = true, .write = true, .deep = true},
    {"bmp", "bmp", "image/bmp", "", .alpha = true, .still = "bmp"},
    {"ico", "ico", "image/vnd.microsoft.icon", "", .alpha = true, .still = "ico"},
    {"psd", "psd", "image/vnd.adobe.photoshop", "", .alpha = true, .still = "psd"},
    {"tga", "tga", "image/x-tga", "", .alpha = true, .still = "tga"},
    {"dng", "dng", "image/x-adobe-dng", "", .still = "raw"},
    {"cr2", "cr2", "image/x-canon-cr2", "", .still = "raw"},
    {"cr3", "cr3", "image/x-canon-cr3", "", .still = "raw"},
    {"nef", "nef", "image/x-nikon-nef", "", .still = "raw"},
    {"arw", "arw", "image/x-sony-arw", "", .still = "raw"},
    {"pef", "pef", "image/x-pentax-pef", "", .still = "raw"},
    {"orf", "orf", "image/x-olympus-orf", "", .still = "raw"},
    {"raf", "raf", "image/x-fuji-raf", "", .still = "raw"},
    {"rw2", "rw2", "image/x-panasonic-rw2", "", .still = "raw"},
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
bool image_keeps_depth(const char *f) { return format_row(f) >= 0 && formats[format_row(f)].deep; }
const char *image_canonical(const char *f)
{
    return format_row(f) >= 0 ? formats[format_row(f)].ext : NULL;
}

/* ---- open ---- */

#define PAGE_DPI 150.0 /* of documents, unless asked otherwise */
#define SVG_MAX (64 * 1024 * 1024) /* bytes of a gzipped drawing, unpacked */

/* How to read the file at path: its type decides, told by its bytes, and never what libvips would make of them. */
static int find_format(struct image *img, const char *path, struct err *err)
{
    char mime[MIME_LEN];

    if (mime_detect(mime, path, NULL, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(formats) && !img->how; i++)
        if (!strcmp(formats[i].mime, mime))
            img->how = &formats[i];
    if (!img->how)
        return err_set(err, ERR_COMMAND, "not an image that can be read: its type is %s", mime);
    snprintf(img->format, sizeof img->format, "%s", img->how->ext);
    return 0;
}

/* What must be read otherwise than as it lies there. */
static int prepare(struct image *img, const char *path, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t head[4], *data = NULL;
    size_t len;

    if (fd < 0)
        return err_errno(err, "'%s'", path);
    if (!strcmp(img->format, "png"))
        data = damage_mend_png(&len, fd);
    else if (!strcmp(img->format, "svg") && pread(fd, head, sizeof head, 0) == sizeof head &&
             gzip_begins(head, sizeof head) && !(data = gzip_inflate(&len, fd, SVG_MAX, true)))
        return err_set(err, ERR_COMMAND, "a gzipped drawing that is broken or larger than %d bytes", SVG_MAX);
    if (data)
        img->bytes = vips_blob_new((VipsCallbackFn)vips_area_free_cb, data, len);
    return 0;
}

static int set_input(VipsObject *op, const struct image *img)
{
    VipsSource *source;
    int rc;

    if (!img->bytes && !img->how->source)
        return vips_object_set(op, "filename", img->path, NULL);
    source = img->bytes ? vips_source_new_from_blob(img->bytes) : vips_source_new_from_file(img->path);
    if (!source)
        return -1;
    rc = vips_object_set(op, "source", source, NULL);
    g_object_unref(source);
    return rc;
}

static void *own_blob(VipsImage *v, const char *field, GValue *value, void *into)
{
    const void *data;
    size_t len;

    if (G_VALUE_TYPE(value) == VIPS_TYPE_BLOB && !vips_image_get_blob(v, field, &data, &len))
        vips_image_set_blob_copy(into, field, data, len);
    return NULL;
}

/* libvips' HEIF loader lends EXIF, XMP and profile: they end with the image it made, while images made of that go on
 * naming them. */
static VipsImage *with_own_blobs(VipsImage *v)
{
    VipsImage *copy = NULL;

    if (v && !vips_copy(v, &copy, NULL))
        vips_image_map(v, own_blob, copy);
    if (v)
        g_object_unref(v);
    return copy;
}

/* Read a header, or (shrink > 1) begin a decode at a fraction of the size. */
VipsImage *image_decode(const struct image *img, int page, int n, int shrink, bool sequential)
{
    char options[200], loader[40];
    struct str o = {0};

    if (img->how->still)
        return image_still(img->path, img->how->still, shrink > 1);
    str_addf(&o, "access=%s,fail-on=%s", sequential ? "sequential" : "random",
             img->load.strict ? "truncated" : "none");
    if (img->how->pages)
        str_addf(&o, ",page=%d,n=%d", page, n);
    if (shrink > 1)
        str_addf(&o, ",shrink=%d", shrink);
    if (img->how->source && (img->load.density > 0 || image_has_pages(img)))
        str_addf(&o, ",dpi=%g%s", img->load.density > 0 ? img->load.density : PAGE_DPI,
                 img->load.bare && image_has_pages(img) ? ",background=0 0 0 0" : "");
    snprintf(options, sizeof options, "[%s]", o.s);
    str_done(o);
    snprintf(loader, sizeof loader, "%s%s", img->how->loader,
             img->bytes || img->how->source ? "_source" : "");

    /* vips_image_new_from_file() would split "[...]" off the name: run the loader itself. */
    VipsOperation *op = vips_operation_new(loader);
    VipsImage *result = NULL;
    if (!op)
        return NULL;
    if (set_input(VIPS_OBJECT(op), img) ||
        vips_object_set_from_string(VIPS_OBJECT(op), options) || vips_cache_operation_buildp(&op)) {
        vips_object_unref_outputs(VIPS_OBJECT(op));
        g_object_unref(op);
        return NULL;
    }
    g_object_get(op, "out", &result, NULL);
    vips_object_unref_outputs(VIPS_OBJECT(op));
    g_object_unref(op);
    return strcmp(img->how->loader, "heifload") ? image_quick_png(result, img) : with_own_blobs(result);
}

bool image_is_raw(const struct image *img) { return img->how && img->how->still && !strcmp(img->how->still, "raw"); }
bool image_decodes_small(const struct image *img) { return !strcmp(img->format, "jpg") || image_is_raw(img); }

static int check_limits(const VipsImage *v, int64_t frames, const struct media_limits *lim,
                        struct err *err)
{
    int64_t w = v->Xsize, h = vips_image_get_page_height((VipsImage *)v);

    if (frames > lim->max_frames)
        return err_set(err, ERR_COMMAND,
                       "the image has %" PRId64 " frames, the limit is %" PRId64
                       " (setting max_frames)", frames, lim->max_frames);
    if (vips_image_get_typeof(v, "pdf-n_pages") && (w <= 1 || h <= 1)) /* libvips' way to say: out of all bounds */
        return err_set(err, ERR_COMMAND, "a page is too large to be drawn, or too small");
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

/* Without its end marker a JPEG counts as cut off for libvips, though all of the picture may be there. If it is, it is read
 * again without that scruple. NULL: it ends as it should, or really is cut off. */
static VipsImage *unended_jpeg(struct image *img)
{
    AUTO(fd_close) int fd = open(img->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || !damage_jpeg_only_lacks_its_end(fd))
        return NULL;
    img->load.strict = false;
    return image_decode(img, 0, 1, 1, true);
}

/* What the header v tells of the file. */
static void note_header(struct image *img, VipsImage *v)
{
    const char *codec;

    img->frames_in_file = vips_image_get_n_pages(v);
    img->orientation = vips_image_get_orientation(v);
    if (!strcmp(img->format, "heic") && vips_image_get_typeof(v, "heif-compression") &&
        vips_image_get_string(v, "heif-compression", &codec) == 0 && !strcmp(codec, "av1"))
        strcpy(img->format, "avif");
    img->animated = image_can_animate(img->format);
    if (!img->animated && strcmp(img->format, "tif") != 0 && !image_has_pages(img))
        img->frames_in_file = 1;
}

static void replace_first(struct image *img, VipsImage *v)
{
    g_object_unref(img->frame[0]);
    img->frame[0] = v;
}

/* Other frames than the first, which is open. */
static int open_frames(struct image *img, const struct image_load *how, struct err *err)
{
    int n = how->frame ? 1 : (int)img->frames_in_file;

    if (how->frame > img->frames_in_file && how->frame > 1)
        return err_set(err, ERR_COMMAND,
                       "frame %" PRId64 " was asked for, but there are only %" PRId64, how->frame,
                       img->frames_in_file);
    if (how->frame <= 1 && !(how->all_frames && img->animated && img->frames_in_file > 1))
        return 0;
    VipsImage *v = image_decode(img, how->frame ? (int)how->frame - 1 : 0, n, 1, true);
    if (!v)
        return vips_fail(err, "cannot read the image");
    if (check_limits(v, n, &how->limits, err) < 0) {
        g_object_unref(v);
        return -1;
    }
    replace_first(img, v);
    return n > 1 ? split_frames(img, n, err) : 0;
}

bool image_is_known(const char *path)
{
    struct image img = {0};
    struct err none;

    return find_format(&img, path, &none) < 0 || !image_is_foreign(path, img.how->still);
}

int image_open(struct image **out, const char *path, const struct image_load *how, struct err *err)
{
    AUTO(image_free) struct image *img = NULL;
    struct stat st;
    VipsImage *v;

    if (media_init(err) < 0)
        return -1;
    if (stat(path, &st) < 0)
        return err_errno(err, "'%s'", path);
    if (st.st_size == 0)
        return err_set(err, ERR_INPUT, "the file is empty");
    img = mem_zalloc(sizeof *img);
    img->path = mem_strdup(path);
    img->load = *how;
    if (find_format(img, path, err) < 0 || prepare(img, path, err) < 0)
        return -1;
    if (!(v = image_decode(img, 0, 1, 1, true)))
        return vips_fail(err, "cannot read the image");
    set_frames(img, v);
    note_header(img, v);
    int frames = how->all_frames && img->animated ? (int)img->frames_in_file : 1;
    if (check_limits(v, frames, &how->limits, err) < 0)
        return -1;
    if (how->strict && !strcmp(img->format, "jpg") && (v = unended_jpeg(img)))
        replace_first(img, v);
    if (open_frames(img, how, err) < 0)
        return -1;
    img->deep = how->deep && image_samples_deep(img->frame[0]);
    *out = take(img);
    return 0;
}

int image_from_pixels(struct image **out, const uint8_t *pixels, int w, int h, int bands, int orientation, struct err *err)
{
    struct image *img;
    VipsImage *v, *own = NULL;

    if (media_init(err) < 0)
        return -1;
    if (!(v = vips_image_new_from_memory_copy(pixels, (size_t)w * (size_t)h * (size_t)bands, w, h, bands, VIPS_FORMAT_UCHAR)))
        return vips_fail(err, "cannot take the pixels");
    if (vips_copy(v, &own, "interpretation", VIPS_INTERPRETATION_sRGB, NULL)) {
        g_object_unref(v);
        return vips_fail(err, "cannot take the pixels");
    }
    g_object_unref(v);
    vips_image_set_int(own, VIPS_META_ORIENTATION, orientation);
    img = mem_zalloc(sizeof *img);
    set_frames(img, own);
    img->frames_in_file = 1;
    img->orientation = orientation;
    strcpy(img->format, "png");
    *out = img;
    return 0;
}

void image_free(struct image *img)
{
    if (!img)
        return;
    for (int i = 0; i < img->count; i++)
        if (img->frame[i])
            g_object_unref(img->frame[i]);
    if (img->bytes)
        vips_area_unref(VIPS_AREA(img->bytes));
    free(img->frame);
    free(img->path);
    free(img);
}

int64_t image_width(const struct image *img) { return img->frame[0]->Xsize; }
int64_t image_height(const struct image *img) { return img->frame[0]->Ysize; }
int image_frames(const struct image *img) { return img->count; }
int64_t image_frames_in_file(const struct image *img) { return img->frames_in_file; }
bool image_has_pages(const struct image *img) { return !strcmp(img->format, "pdf"); }
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
int image_put(struct image *img, int i, int failed, VipsImage *now, const char *what,
               struct err *err)
{
    if (failed)
        return vips_fail(err, what);
    g_object_unref(img->frame[i]);
    img->frame[i] = now;
    free(take(img->path));
    return 0;
}

/* ---- pixels ---- */

int image_shrink_on_load(struct image *img, int64_t w, int64_t h, struct err *err)
{
    int shrink = 8;

    if (!img->path || strcmp(img->format, "jpg") != 0)
        return 0;
    while (shrink > 1 && (image_width(img) / shrink < w || image_height(img) / shrink < h))
        shrink /= 2;
    if (shrink == 1)
        return 0;
    VipsImage *v = image_decode(img, 0, 1, shrink, true);
    if (!v)
        return vips_fail(err, "cannot read the image");
    replace_first(img, v);
    img->shrunk = shrink;
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
void image_watch_begin(VipsImage *v, struct watch *w)
{
    if (!w->fn)
        return;
    vips_image_set_progress(v, TRUE);
    g_signal_connect(v, "eval", G_CALLBACK(on_eval), w);
}

void image_watch_end(VipsImage *v, struct watch *w)
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
    image_watch_begin(in, &part);
    *out = vips_image_copy_memory(in);
    image_watch_end(in, &part);
    if (*out)
        vips_image_set_progress(*out, FALSE);
    return *out ? 0 : -1;
}

int image_render(struct image *img, struct err *err)
{
    IMAGE_EACH(img, "cannot decode the image", render_one(img, f_, in, &now));
    return 0;
}

static int own_one(VipsImage *in, VipsImage **out)
{
    *out = vips_image_new_memory();
    if (!vips_image_write(in, *out))
        return 0;
    g_object_unref(*out);
    return -1;
}

int image_own(struct image *img, struct err *err)
{
    if (image_render(img, err) < 0)
        return -1;
    for (int f = 0; f < img->count; f++) {
        VipsImage *now = NULL;

        if (G_OBJECT(img->frame[f])->ref_count == 1)
            continue;
        int failed = own_one(img->frame[f], &now);
        if (image_put(img, f, failed, now, "cannot copy the image", err) < 0)
            return -1;
    }
    return 0;
}

int image_copy(struct image **out, const struct image *img, struct err *err)
{
    struct image *c = mem_zalloc(sizeof *c);

    *c = *img;
    c->path = NULL;
    c->bytes = NULL;
    c->frame = mem_zalloc((size_t)img->count * sizeof *c->frame);
    for (int i = 0; i < img->count; i++) {
        c->frame[i] = img->frame[i];
        g_object_ref(c->frame[i]);
    }
    *out = c;
    return 0;
}
