/* Pictures of media/still.h as libvips' images: the header now, the pixels when somebody wants the
 * first of them. */
#include "media/image.h"
#include "media/still.h"

#include <string.h>

struct lazy {
    GMutex lock;
    struct still still;
    uint8_t *pixels; /* NULL: nobody has asked yet */
    bool failed;
};

static void lazy_free(void *p)
{
    struct lazy *l = p;

    still_close(&l->still);
    free(l->pixels);
    g_mutex_clear(&l->lock);
    free(l);
}

static int develop(struct lazy *l)
{
    struct err why;

    g_mutex_lock(&l->lock);
    if (!l->pixels && !l->failed && still_pixels(&l->pixels, &l->still, &why) < 0) {
        vips_error(l->still.reader->format, "%s", why.msg);
        l->failed = true;
    }
    g_mutex_unlock(&l->lock);
    return l->pixels ? 0 : -1;
}

static int generate(VipsRegion *to, void *seq, void *a, void *b, gboolean *stop)
{
    const VipsRect *r = &to->valid;
    struct lazy *l = a;
    size_t px = (size_t)l->still.bands;

    if (develop(l) < 0)
        return -1;
    for (int y = r->top; y < VIPS_RECT_BOTTOM(r); y++)
        memcpy(VIPS_REGION_ADDR(to, r->left, y),
               l->pixels + px * ((size_t)y * (size_t)l->still.width + (size_t)r->left),
               px * (size_t)r->width);
    return 0;
}

static VipsInterpretation space_of(const struct still *s)
{
    return s->cmyk         ? VIPS_INTERPRETATION_CMYK
           : s->bands <= 2 ? VIPS_INTERPRETATION_B_W
                           : VIPS_INTERPRETATION_sRGB;
}

VipsImage *image_still(const char *path, const char *format, bool half)
{
    struct lazy *l = mem_zalloc(sizeof *l);
    VipsImage *v = vips_image_new();
    struct err why;
    int rc = still_open(&l->still, format, path, half, &why);

    g_mutex_init(&l->lock);
    g_object_set_data_full(G_OBJECT(v), "still", l, lazy_free);
    if (rc || l->still.width > VIPS_MAX_COORD || l->still.height > VIPS_MAX_COORD) {
        vips_error(format, "%s",
                   rc < 0 ? why.msg : "the picture is of a variant that is not read here");
        g_object_unref(v);
        return NULL;
    }
    vips_image_init_fields(v, (int)l->still.width, (int)l->still.height, l->still.bands,
                           VIPS_FORMAT_UCHAR, VIPS_CODING_NONE, space_of(&l->still), 1, 1);
    if (l->still.orientation)
        vips_image_set_int(v, VIPS_META_ORIENTATION, l->still.orientation);
    for (int i = 0; i < STILL_BLOBS && l->still.blobs[i].field; i++)
        vips_image_set_blob_copy(v, l->still.blobs[i].field, l->still.blobs[i].data,
                                 l->still.blobs[i].len);
    if (vips_image_pipelinev(v, VIPS_DEMAND_STYLE_ANY, NULL) ||
        vips_image_generate(v, NULL, generate, NULL, l, NULL)) {
        g_object_unref(v);
        return NULL;
    }
    return v;
}

bool image_is_foreign(const char *path, const char *format)
{
    struct still s;
    struct err none;
    int rc = format ? still_open(&s, format, path, false, &none) : 0;

    if (format && rc == 0)
        still_close(&s);
    return rc == 1;
}
