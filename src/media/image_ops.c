/* What Robots do to images: turn, crop, scale, pad, blur, colours. */
#include "media/image.h"

#include <math.h>
#include <string.h>

/* ---- geometry ---- */

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
    IMAGE_EACH(img, "cannot turn the image", vips_autorot(in, &now, NULL));
    img->orientation = 1;
    return 0;
}

int image_crop(struct image *img, const struct rect *r, struct err *err)
{
    if (r->x == 0 && r->y == 0 && r->w == image_width(img) && r->h == image_height(img))
        return 0;
    IMAGE_EACH(img, "cannot crop",
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
    rc = image_to_format(v, out, format, space);
done:
    g_object_unref(ctx);
    return rc;
}

int image_scale(struct image *img, int64_t w, int64_t h, bool linear, struct err *err)
{
    if (w == image_width(img) && h == image_height(img))
        return 0;
    IMAGE_EACH(img, "cannot resize", scale_one(in, &now, (int)w, (int)h, linear));
    return 0;
}

/* ---- where a colour meets pixels ----
 *
 * A colour is given in 8 bit sRGB. Whatever draws one has the picture in sRGB first (image_to_srgb()), of whichever
 * depth, so that ink() is the only place where a colour becomes numbers of a pixel. A picture that was grey becomes so
 * again when it is written (image_to_space()). */

static VipsArrayDouble *ink(const VipsImage *v, struct color c, int bands)
{
    double step = v->BandFmt == VIPS_FORMAT_USHORT ? PX_STEP : 1;
    const double rgba[4] = {c.r * step, c.g * step, c.b * step, c.a * step};

    return vips_array_double_new(rgba, bands);
}

static int embed_one(VipsImage *in, VipsImage **out, int x, int y, int w, int h, struct color c)
{
    VipsArrayDouble *bg = ink(in, c, in->Bands);
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
    if (image_to_srgb(img, err) < 0 || (fill.a == 0 && image_add_alpha(img, err) < 0))
        return -1;
    IMAGE_EACH(img, "cannot pad", embed_one(in, &now, (int)x, (int)y, (int)w, (int)h, fill));
    return 0;
}

/* libvips weighs colours by alpha here, so what can't be seen does not show at the slanted edges. */
static int rotate_one(VipsImage *in, VipsImage **out, double degrees, struct color c)
{
    VipsArrayDouble *bg = ink(in, c, in->Bands);
    VipsImage *t = NULL;
    int rc = vips_similarity(in, &t, "angle", degrees, "background", bg, NULL);

    vips_area_unref(VIPS_AREA(bg));
    if (!rc)
        rc = image_to_format(t, out, in->BandFmt, in->Type);
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
        IMAGE_EACH(img, "cannot turn", vips_rot(in, &now, (VipsAngle)(turn / 90), NULL));
        return 0;
    }
    if (image_to_srgb(img, err) < 0 || (fill.a == 0 && image_add_alpha(img, err) < 0))
        return -1;
    IMAGE_EACH(img, "cannot turn", rotate_one(in, &now, turn, fill));
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

int image_find_interest(struct rect *cut, struct image *img, bool entropy, struct err *err)
{
    AUTO(image_free) struct image *look = NULL;
    VipsImage *v = NULL;

    /* it is looked at twice, so not while it is decoded */
    if (image_render(img, err) < 0 || image_copy(&look, img, err) < 0 || image_to_srgb8(look, err) < 0)
        return -1;
    if (vips_smartcrop(look->frame[0], &v, (int)cut->w, (int)cut->h, "interesting",
                       entropy ? VIPS_INTERESTING_ENTROPY : VIPS_INTERESTING_ATTENTION, NULL))
        return vips_fail(err, "cannot find what to keep");
    cut->x = MIN(MAX(-v->Xoffset, 0), look->frame[0]->Xsize - cut->w);
    cut->y = MIN(MAX(-v->Yoffset, 0), look->frame[0]->Ysize - cut->h);
    g_object_unref(v);
    return 0;
}

/* ---- alpha and colour ---- */

static int flatten_one(VipsImage *in, VipsImage **out, struct color c)
{
    VipsArrayDouble *bg = ink(in, c, 3);
    int rc = vips_flatten(in, out, "background", bg, NULL);

    vips_area_unref(VIPS_AREA(bg));
    return rc;
}

int image_flatten(struct image *img, struct color on, struct err *err)
{
    if (!image_has_alpha(img))
        return 0;
    if (image_to_srgb(img, err) < 0)
        return -1;
    IMAGE_EACH(img, "cannot flatten", flatten_one(in, &now, on));
    return 0;
}

int image_add_alpha(struct image *img, struct err *err)
{
    if (image_has_alpha(img))
        return 0;
    IMAGE_EACH(img, "cannot add alpha", vips_addalpha(in, &now, NULL));
    return 0;
}

int image_drop_alpha(struct image *img, struct err *err)
{
    if (!image_has_alpha(img))
        return 0;
    IMAGE_EACH(img, "cannot drop alpha", vips_extract_band(in, &now, 0, "n", in->Bands - 1, NULL));
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
             vips_unpremultiply(t[1], &t[2], NULL) || image_to_format(t[2], out, in->BandFmt, in->Type);
    g_object_unref(ctx);
    return rc ? -1 : 0;
}

int image_blur(struct image *img, double sigma, struct err *err)
{
    if (sigma < 0.2) /* libvips' own limit: less changes nothing */
        return 0;
    if (image_render(img, err) < 0)
        return -1;
    IMAGE_EACH(img, "cannot blur", blur_one(in, &now, sigma));
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

    if (image_own(img, err) < 0 || image_copy(&soft, img, err) < 0 ||
        image_blur(soft, sigma, err) < 0 || image_render(soft, err) < 0)
        return -1;
    for (int f = 0; f < img->count; f++)
        for (size_t i = 0; i < n; i++)
            paste_ellipse(img->frame[f], soft->frame[f], &boxes[i]);
    return 0;
}

/* A colour has the depth in which it was given: of 16 bits what comes nearest to it is it. */
static bool is_color(const VipsPel *p, struct color c, bool deep)
{
    const int rgb[3] = {c.r, c.g, c.b};
    bool same = true;

    for (int i = 0; i < 3; i++)
        same &= (deep ? (px_get(p, i, true) + PX_STEP / 2) / PX_STEP : p[i]) == rgb[i];
    return same;
}

int image_make_transparent(struct image *img, struct color c, struct err *err)
{
    if (image_to_srgb(img, err) < 0 || image_add_alpha(img, err) < 0 || image_own(img, err) < 0)
        return -1;
    for (int f = 0; f < img->count; f++) {
        VipsImage *v = img->frame[f];
        size_t px = VIPS_IMAGE_SIZEOF_PEL(v);

        for (int y = 0; y < v->Ysize; y++) {
            VipsPel *p = VIPS_IMAGE_ADDR(v, 0, y);

            for (int x = 0; x < v->Xsize; x++, p += px)
                if (is_color(p, c, img->deep))
                    px_set(p, 3, 0, img->deep);
        }
    }
    return 0;
}

int image_gray(uint8_t **out, const struct image *img, int64_t w, int64_t h, struct err *err)
{
    AUTO(image_free) struct image *g = NULL;
    size_t size;

    if (image_copy(&g, img, err) < 0 || image_to_srgb8(g, err) < 0 ||
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
