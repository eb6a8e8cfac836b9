/* Colour spaces and depths of images. All work on colours is done in sRGB: of 8 bits, or of 16 where
 * the image is deep (image_load.deep). */
#include "media/image.h"

#include <string.h>

/* ---- depth ---- */

bool image_is_deep(const struct image *img) { return img->deep; }
void image_set_deep(struct image *img, bool deep) { img->deep = deep; }

static bool is_plain_16(const VipsImage *v)
{
    return v->BandFmt == VIPS_FORMAT_USHORT &&
           (v->Type == VIPS_INTERPRETATION_RGB16 || v->Type == VIPS_INTERPRETATION_GREY16);
}

/* libvips' own road between sRGB of 8 and of 16 bits is a shift, which makes white less than white:
 * here a step of 8 bits is PX_STEP steps of 16, and back it goes to the nearest. */
static int space_widen(VipsImage *in, VipsImage **out)
{
    VipsObject *ctx = VIPS_OBJECT(vips_image_new());
    VipsImage **t = (VipsImage **)vips_object_local_array(ctx, 2);
    int rc = vips_linear1(in, &t[0], PX_STEP, 0, NULL) || vips_cast(t[0], &t[1], VIPS_FORMAT_USHORT, NULL) ||
             vips_copy(t[1], out, "interpretation", VIPS_INTERPRETATION_RGB16, NULL);

    g_object_unref(ctx);
    return rc ? -1 : 0;
}

int image_narrow(VipsImage *in, VipsImage **out)
{
    VipsObject *ctx = VIPS_OBJECT(vips_image_new());
    VipsImage **t = (VipsImage **)vips_object_local_array(ctx, 2);
    uint8_t nearest[65536];
    int rc = -1;

    if (!is_plain_16(in)) {
        rc = vips_copy(in, out, NULL);
    } else {
        for (int i = 0; i < 65536; i++)
            nearest[i] = (uint8_t)((i + PX_STEP / 2) / PX_STEP);
        t[0] = vips_image_new_from_memory_copy(nearest, sizeof nearest, 65536, 1, 1, VIPS_FORMAT_UCHAR);
        rc = !t[0] || vips_maplut(in, &t[1], t[0], NULL) ||
             vips_copy(t[1], out, "interpretation",
                       in->Bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB, NULL);
    }
    g_object_unref(ctx);
    return rc ? -1 : 0;
}

int image_to_format(VipsImage *in, VipsImage **out, VipsBandFormat format, VipsInterpretation space)
{
    VipsObject *ctx = VIPS_OBJECT(vips_image_new());
    VipsImage **t = (VipsImage **)vips_object_local_array(ctx, 2), *v = in;
    int rc = 0;

    if (v->BandFmt != format && vips_band_format_isint(format)) {
        rc = vips_round(v, &t[0], VIPS_OPERATION_ROUND_RINT, NULL);
        v = t[0];
    }
    if (!rc && v->BandFmt != format) {
        rc = vips_cast(v, &t[1], format, NULL);
        v = t[1];
    }
    rc = rc || vips_copy(v, out, "interpretation", space, NULL);
    g_object_unref(ctx);
    return rc ? -1 : 0;
}

/* ---- to sRGB ---- */

/* By the numbers, to 8 bits. */
static int plain_srgb(VipsImage *in, VipsImage **out)
{
    VipsImage *wide = NULL;
    int rc;

    if (!is_plain_16(in))
        return vips_colourspace(in, out, VIPS_INTERPRETATION_sRGB, NULL);
    if (vips_colourspace(in, &wide, VIPS_INTERPRETATION_RGB16, NULL))
        return -1;
    rc = image_narrow(wide, out);
    g_object_unref(wide);
    return rc;
}

/* Does it embed the well-known profile "sRGB IEC61966-2.1" (HP's, of 1998), or that of libvips? Then all that a
 * transform could do is to move one sample of 270 by one step, by their roundings. */
static bool embeds_srgb(const VipsImage *v)
{
    static const struct {
        size_t len;
        const char *sha256;
    } known[] = {{3144, "2b3aa1645779a9e634744faf9b01e9102b0c9b88fd6deced7934df86b949af7e"},
                 {6922, "2a92d4bae450b76d8b0aa42193df974d75f62738ecebf74f01c5e75b12a95796"}};
    const void *data;
    size_t len;
    bool same = false;

    if (v->Type != VIPS_INTERPRETATION_sRGB || v->BandFmt != VIPS_FORMAT_UCHAR || v->Bands < 3 ||
        vips_image_get_blob(v, VIPS_META_ICC_NAME, &data, &len))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(known) && !same; i++)
        if (len == known[i].len) {
            char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, len);

            same = !strcmp(sum, known[i].sha256);
            g_free(sum);
        }
    return same;
}

bool image_is_srgb8(const VipsImage *v)
{
    return v->Type == VIPS_INTERPRETATION_sRGB && v->BandFmt == VIPS_FORMAT_UCHAR && v->Coding == VIPS_CODING_NONE &&
           (v->Bands == 3 || v->Bands == 4) && (!vips_image_get_typeof(v, VIPS_META_ICC_NAME) || embeds_srgb(v));
}

/* Unsigned 8 bit sRGB. */
static int to_srgb(VipsImage *in, VipsImage **out)
{
    VipsImage *a = NULL, *b = NULL;
    int rc;

    if (vips_image_get_typeof(in, VIPS_META_ICC_NAME) && !embeds_srgb(in) &&
        !vips_icc_transform(in, &a, "srgb", "embedded", TRUE, "intent", VIPS_INTENT_PERCEPTUAL,
                            NULL)) {
        /* done: vips keeps alpha beside it */
    } else {
        vips_error_clear(); /* a broken profile: go by the numbers */
        if (plain_srgb(in, &a))
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

static int widened_srgb(VipsImage *in, VipsImage **out)
{
    VipsImage *shallow = NULL;
    int rc = to_srgb(in, &shallow) || space_widen(shallow, out);

    if (shallow)
        g_object_unref(shallow);
    return rc ? -1 : 0;
}

/* The colours of `in`, which has no alpha, in 16 bit sRGB. */
static int deep_colors(VipsImage *in, VipsImage **out)
{
    VipsObject *ctx = VIPS_OBJECT(vips_image_new());
    VipsImage **t = (VipsImage **)vips_object_local_array(ctx, 3);
    int rc = 0;

    if (!vips_image_get_typeof(in, VIPS_META_ICC_NAME) ||
        vips_icc_transform(in, &t[0], "srgb", "embedded", TRUE, "intent", VIPS_INTENT_PERCEPTUAL,
                           "depth", 16, NULL)) {
        vips_error_clear(); /* a broken profile: go by the numbers */
        rc = vips_colourspace(in, &t[0], VIPS_INTERPRETATION_RGB16, NULL);
    }
    rc = rc || vips_cast(t[0], &t[1], VIPS_FORMAT_USHORT, NULL) ||
         vips_extract_band(t[1], &t[2], 0, "n", 3, NULL) ||
         vips_copy(t[2], out, "interpretation", VIPS_INTERPRETATION_RGB16, NULL);
    g_object_unref(ctx);
    return rc ? -1 : 0;
}

/* Alpha, of band number `band`, in 16 bit. Of what is no 16 bit integer it has 255 steps, as libvips
 * sees it. */
static int deep_alpha(VipsImage *in, VipsImage **out, int band)
{
    VipsObject *ctx = VIPS_OBJECT(vips_image_new());
    VipsImage **t = (VipsImage **)vips_object_local_array(ctx, 3);
    double step = in->BandFmt == VIPS_FORMAT_USHORT ? 1 : PX_STEP;
    int rc = vips_extract_band(in, &t[0], band, NULL) || vips_linear1(t[0], &t[1], step, 0, NULL) ||
             vips_round(t[1], &t[2], VIPS_OPERATION_ROUND_RINT, NULL) ||
             vips_cast(t[2], out, VIPS_FORMAT_USHORT, NULL);

    g_object_unref(ctx);
    return rc ? -1 : 0;
}

/* Unsigned 16 bit sRGB. Alpha goes beside the colours: on libvips' road it would lose a step. */
static int to_srgb_deep(VipsImage *in, VipsImage **out)
{
    VipsObject *ctx = VIPS_OBJECT(vips_image_new());
    VipsImage **t = (VipsImage **)vips_object_local_array(ctx, 4), *joined = NULL;
    int colors = in->Bands < 3 ? 1 : in->Type == VIPS_INTERPRETATION_CMYK ? 4 : 3, rc;

    if (!image_samples_deep(in)) {
        rc = widened_srgb(in, &joined);
    } else {
        rc = vips_extract_band(in, &t[0], 0, "n", MIN(colors, in->Bands), NULL) || deep_colors(t[0], &t[1]);
        if (!rc && in->Bands > colors)
            rc = deep_alpha(in, &t[2], colors) || vips_bandjoin2(t[1], t[2], &joined, NULL);
        else if (!rc)
            rc = vips_copy(t[1], &joined, NULL);
    }
    rc = rc || vips_copy(joined, out, "interpretation", VIPS_INTERPRETATION_RGB16, NULL);
    if (!rc)
        vips_image_remove(*out, VIPS_META_ICC_NAME);
    if (joined)
        g_object_unref(joined);
    g_object_unref(ctx);
    return rc ? -1 : 0;
}

static bool is_srgb(const VipsImage *v, bool deep)
{
    return v->Type == (deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB) &&
           v->BandFmt == (deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR) && (v->Bands == 3 || v->Bands == 4) &&
           !vips_image_get_typeof(v, VIPS_META_ICC_NAME);
}

int image_to_srgb(struct image *img, struct err *err)
{
    if (is_srgb(img->frame[0], img->deep))
        return 0;
    IMAGE_EACH(img, "cannot convert to sRGB", img->deep ? to_srgb_deep(in, &now) : to_srgb(in, &now));
    return 0;
}

int image_to_srgb8(struct image *img, struct err *err)
{
    img->deep = false;
    return image_to_srgb(img, err);
}

int image_pixels(uint8_t **out, int *bands, struct image *img, struct err *err)
{
    size_t len;
    void *data;

    if (image_to_srgb8(img, err) < 0)
        return -1;
    if (!(data = vips_image_write_to_memory(img->frame[0], &len)))
        return vips_fail(err, "cannot decode the image");
    *bands = img->frame[0]->Bands;
    *out = mem_alloc(len);
    memcpy(*out, data, len);
    g_free(data);
    return 0;
}

int image_each_pixel(struct image *img, void (*fn)(double rgb[3], const void *arg), const void *arg,
                     struct err *err)
{
    if (image_to_srgb(img, err) < 0 || image_own(img, err) < 0)
        return -1;
    bool deep = img->deep;
    double step = deep ? PX_STEP : 1;
    for (int f = 0; f < img->count; f++) {
        VipsImage *v = img->frame[f];
        size_t px = VIPS_IMAGE_SIZEOF_PEL(v);

        for (int y = 0; y < v->Ysize; y++) {
            VipsPel *p = VIPS_IMAGE_ADDR(v, 0, y);

            for (int x = 0; x < v->Xsize; x++, p += px) {
                double rgb[3];

                for (int i = 0; i < 3; i++)
                    rgb[i] = px_get(p, i, deep) / step;
                fn(rgb, arg);
                for (int i = 0; i < 3; i++) /* what is no number is black */
                    px_set(p, i, !(rgb[i] > 0) ? 0 : rgb[i] >= 255 ? (int)(255 * step) : (int)(rgb[i] * step + 0.5),
                           deep);
            }
        }
    }
    return 0;
}

/* ---- to other spaces ---- */

static int to_luma(VipsImage *in, VipsImage **out, bool deep)
{
    VipsObject *ctx = VIPS_OBJECT(vips_image_new());
    VipsImage **t = (VipsImage **)vips_object_local_array(ctx, 6);
    int colors = vips_image_hasalpha(in) ? in->Bands - 1 : in->Bands;
    int rc = -1;

    t[0] = vips_image_new_matrixv(3, 1, 0.212656, 0.715158, 0.072186);
    if (vips_extract_band(in, &t[1], 0, "n", colors, NULL) || vips_recomb(t[1], &t[2], t[0], NULL) ||
        image_to_format(t[2], &t[3], deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR,
                        deep ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W))
        goto done;
    if (colors == in->Bands)
        rc = vips_copy(t[3], out, NULL);
    else if (!vips_extract_band(in, &t[4], colors, NULL))
        rc = vips_bandjoin2(t[3], t[4], out, NULL);
done:
    g_object_unref(ctx);
    return rc;
}

/* The road of vips_colourspace(), which makes 8 bits of it. */
static int to_cmyk_deep(VipsImage *in, VipsImage **out)
{
    VipsObject *ctx = VIPS_OBJECT(vips_image_new());
    VipsImage **t = (VipsImage **)vips_object_local_array(ctx, 1);
    int rc = vips_colourspace(in, &t[0], VIPS_INTERPRETATION_XYZ, NULL) ||
             vips_icc_export(t[0], out, "output_profile", "cmyk", "pcs", VIPS_PCS_XYZ, "depth", 16, NULL);

    g_object_unref(ctx);
    return rc ? -1 : 0;
}

int image_to_space(struct image *img, enum image_space space, struct err *err)
{
    static const VipsInterpretation to[] = {VIPS_INTERPRETATION_sRGB, VIPS_INTERPRETATION_B_W,
                                            VIPS_INTERPRETATION_CMYK, VIPS_INTERPRETATION_LABS,
                                            VIPS_INTERPRETATION_B_W},
                                to_deep[] = {VIPS_INTERPRETATION_RGB16, VIPS_INTERPRETATION_GREY16,
                                             VIPS_INTERPRETATION_CMYK, VIPS_INTERPRETATION_LABS,
                                             VIPS_INTERPRETATION_GREY16};

    if (space == SPACE_LUMA && is_srgb(img->frame[0], img->deep)) {
        IMAGE_EACH(img, "cannot make the image grey", to_luma(in, &now, img->deep));
        return 0;
    }
    if (space == SPACE_CMYK && img->deep) {
        IMAGE_EACH(img, "cannot convert the colour space", to_cmyk_deep(in, &now));
        return 0;
    }
    IMAGE_EACH(img, "cannot convert the colour space",
               vips_colourspace(in, &now, (img->deep ? to_deep : to)[space], NULL));
    return 0;
}
