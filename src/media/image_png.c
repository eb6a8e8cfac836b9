/* PNG past libpng, where png_quick.h can do it. */
#include "media/image.h"
#include "media/png_quick.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- read ---- */

/* Its pixels when somebody wants the first of them: ours, or those of libvips' own reader. */
struct quick {
    GMutex lock;
    struct png_shape shape;
    int64_t stride;
    char *path;
    VipsBlob *bytes; /* what to read instead of the file; NULL: the file */
    uint8_t *rows;
    bool tried;
};

static void quick_free(void *p)
{
    struct quick *q = p;

    if (q->bytes)
        vips_area_unref(VIPS_AREA(q->bytes));
    free(q->path);
    free(q->rows);
    g_mutex_clear(&q->lock);
    free(q);
}

static void quick_file(struct quick *q)
{
    AUTO(fd_close) int fd = open(q->path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < 1)
        return;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return;
    (void)!png_quick_rows(&q->rows, &q->shape, p, (size_t)st.st_size);
    munmap(p, (size_t)st.st_size);
}

/* Are there rows of ours? */
static bool unpacked(struct quick *q)
{
    size_t len;

    g_mutex_lock(&q->lock);
    if (!q->tried && q->bytes) {
        const void *p = vips_blob_get(q->bytes, &len);

        (void)!png_quick_rows(&q->rows, &q->shape, p, len);
    } else if (!q->tried) {
        quick_file(q);
    }
    q->tried = true;
    g_mutex_unlock(&q->lock);
    return q->rows;
}

/* 16 bits lie with the high byte first in the file. */
static void copy_samples(uint8_t *to, const uint8_t *from, size_t n, bool deep)
{
    if (!deep)
        memcpy(to, from, n);
    for (size_t i = 0; deep && i < n; i += 2) {
        uint16_t v = (uint16_t)(from[i] << 8 | from[i + 1]);

        memcpy(to + i, &v, sizeof v);
    }
}

static int quick_generate(VipsRegion *to, void *seq, void *a, void *b, gboolean *stop)
{
    const VipsRect *r = &to->valid;
    VipsRegion *slow = seq;
    struct quick *q = b;
    size_t px = VIPS_IMAGE_SIZEOF_PEL(to->im);

    if (!unpacked(q))
        return vips_region_prepare(slow, r) || vips_region_region(to, slow, r, r->left, r->top) ? -1 : 0;
    for (int y = r->top; y < VIPS_RECT_BOTTOM(r); y++)
        copy_samples(VIPS_REGION_ADDR(to, r->left, y), q->rows + y * q->stride + 1 + px * (size_t)r->left,
                     px * (size_t)r->width, q->shape.depth == 16);
    return 0;
}

/* False: libvips gives its samples otherwise than the file has them, or in another size than is for us. */
static bool png_shape_of(struct png_shape *s, const VipsImage *v)
{
    bool deep = v->BandFmt == VIPS_FORMAT_USHORT;

    if ((!deep && v->BandFmt != VIPS_FORMAT_UCHAR) || v->Coding != VIPS_CODING_NONE)
        return false;
    *s = (struct png_shape){v->Xsize, v->Ysize, v->Bands, deep ? 16 : 8};
    return png_quick_stride(s) > 0;
}

VipsImage *image_quick_png(VipsImage *slow, const struct image *img)
{
    struct png_shape shape;

    if (!slow || strcmp(img->format, "png") != 0 || !png_shape_of(&shape, slow))
        return slow;
    VipsImage *v = vips_image_new();
    struct quick *q = mem_zalloc(sizeof *q);

    q->shape = shape;
    q->stride = png_quick_stride(&shape);
    q->path = mem_strdup(img->path);
    q->bytes = img->bytes;
    if (q->bytes)
        vips_area_copy(VIPS_AREA(q->bytes));
    g_mutex_init(&q->lock);
    g_object_set_data_full(G_OBJECT(v), "quick", q, quick_free);
    /* its own reader goes down the file and never back */
    if (vips_image_pipelinev(v, VIPS_DEMAND_STYLE_THINSTRIP, slow, NULL) ||
        vips_image_generate(v, vips_start_one, quick_generate, vips_stop_one, slow, q)) {
        g_object_unref(v);
        return slow;
    }
    vips_object_local(VIPS_OBJECT(v), slow);
    return v;
}

/* ---- write ---- */

bool image_saves_quick_png(VipsImage *v, const struct image_save *o)
{
    VipsInterpretation deep = v->Bands >= 3 ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_GREY16,
                       plain = v->Bands >= 3 ? VIPS_INTERPRETATION_sRGB : VIPS_INTERPRETATION_B_W;
    struct png_shape s;

    return png_shape_of(&s, v) && v->Type == (s.depth == 16 ? deep : plain) && !o->progressive && !o->all_filters &&
           !o->palette && !o->bilevel;
}

struct rows {
    uint8_t *to;
    int64_t stride;
};

static int take_rows(VipsRegion *from, VipsRect *area, void *a)
{
    const struct rows *r = a;

    for (int y = area->top; y < VIPS_RECT_BOTTOM(area); y++) {
        uint8_t *row = r->to + y * r->stride;

        *row = 0; /* no filter: for photographs it gains little and takes time */
        copy_samples(row + 1, VIPS_REGION_ADDR(from, 0, y), (size_t)r->stride - 1,
                     from->im->BandFmt == VIPS_FORMAT_USHORT);
    }
    return 0;
}

static int blank(VipsRegion *to, void *seq, void *a, void *b, gboolean *stop)
{
    vips_region_black(to);
    return 0;
}

/* What libvips writes beside the pixels of v is taken from its file of a picture without any: it has nearly the size of
 * v's header, unless EXIF is to say how large v is. */
static int save_blank(void **out, size_t *len, VipsImage *v, const struct image_save *o)
{
    bool sized = !o->strip && vips_image_get_typeof(v, VIPS_META_EXIF_NAME);
    VipsImage *none = vips_image_new();
    int failed = vips_image_pipelinev(none, VIPS_DEMAND_STYLE_ANY, v, NULL);

    if (!sized)
        none->Xsize = none->Ysize = 1;
    failed = failed || vips_image_generate(none, NULL, blank, NULL, NULL, NULL) ||
             vips_pngsave_buffer(none, out, len, "strip", o->strip, "compression", 1, "filter",
                                 VIPS_FOREIGN_PNG_FILTER_NONE, "bitdepth", v->BandFmt == VIPS_FORMAT_USHORT ? 16 : 8,
                                 NULL);
    g_object_unref(none);
    return failed;
}

int image_save_quick_png(VipsImage *v, const char *path, const struct image_save *o, struct err *err)
{
    struct png_shape s;
    void *like;
    size_t like_len;

    if (!png_shape_of(&s, v) || save_blank(&like, &like_len, v, o))
        return 1;
    struct rows rows = {.stride = png_quick_stride(&s)};
    AUTO(mem_free) char *all = mem_alloc((size_t)(rows.stride * s.height));
    rows.to = (uint8_t *)all;
    int rc = vips_sink_disc(v, take_rows, &rows)
                 ? 1
                 : png_quick_write(path, &s, rows.to, o->deflate ? o->deflate - 1 : 6, like, like_len, err);
    g_free(like);
    return rc;
}
