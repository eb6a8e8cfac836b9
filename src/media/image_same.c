/* Are two pictures the same? */
#include "media/image.h"

#include <string.h>

#define ALL_DIFFERENT 65536

static bool same_blob(const VipsImage *a, const VipsImage *b, const char *field)
{
    const void *p, *q;
    size_t n, m;
    bool one = vips_image_get_typeof(a, field) && !vips_image_get_blob(a, field, &p, &n);
    bool other = vips_image_get_typeof(b, field) && !vips_image_get_blob(b, field, &q, &m);

    vips_error_clear();
    return one == other && (!one || (n == m && !memcmp(p, q, n)));
}

static bool same_delays(const VipsImage *a, const VipsImage *b)
{
    int *p = NULL, *q = NULL, n = 0, m = 0;

    if (vips_image_get_typeof(a, "delay") &&
        vips_image_get_array_int((VipsImage *)a, "delay", &p, &n))
        n = 0;
    if (vips_image_get_typeof(b, "delay") &&
        vips_image_get_array_int((VipsImage *)b, "delay", &q, &m))
        m = 0;
    vips_error_clear();
    return n == m && (!n || !memcmp(p, q, (size_t)n * sizeof *p));
}

static int loops(const VipsImage *v)
{
    int n = 1;

    if (!vips_image_get_typeof(v, "loop") || vips_image_get_int(v, "loop", &n))
        vips_error_clear();
    return n;
}

/* A pixel's samples in 16 bit: colours that grey stands for, and an alpha. What has a space of its
 * own (CMYK) is taken as it is. */
static void spread(int out[5], const VipsImage *v, const VipsPel *p)
{
    bool wide = v->BandFmt == VIPS_FORMAT_USHORT, alpha = vips_image_hasalpha((VipsImage *)v);
    int n = v->Bands < 5 ? v->Bands : 5, s[5] = {0};

    for (int i = 0; i < n; i++)
        s[i] = wide ? ((const uint16_t *)p)[i] : p[i] * 257;
    if (v->Bands <= 2) {
        out[0] = out[1] = out[2] = s[0];
        out[3] = alpha ? s[1] : 65535;
        out[4] = 0;
        return;
    }
    memcpy(out, s, sizeof s);
    if (v->Bands == 3)
        out[3] = 65535;
}

static int row_difference(const VipsImage *a, const VipsImage *b, int y, bool hidden)
{
    const VipsPel *p = VIPS_IMAGE_ADDR(a, 0, y), *q = VIPS_IMAGE_ADDR(b, 0, y);
    size_t pa = VIPS_IMAGE_SIZEOF_PEL(a), pb = VIPS_IMAGE_SIZEOF_PEL(b);
    int most = 0;

    if (a->Bands == b->Bands && a->BandFmt == b->BandFmt && !memcmp(p, q, pa * (size_t)a->Xsize))
        return 0;
    for (int x = 0; x < a->Xsize; x++, p += pa, q += pb) {
        int s[5], t[5];

        spread(s, a, p);
        spread(t, b, q);
        if (!hidden && s[3] == 0 && t[3] == 0)
            continue;
        for (int i = 0; i < 5; i++)
            most = MAX(most, abs(s[i] - t[i]));
    }
    return most;
}

static bool comparable(const VipsImage *v)
{
    return v->BandFmt == VIPS_FORMAT_UCHAR || v->BandFmt == VIPS_FORMAT_USHORT;
}

static int frame_difference(const VipsImage *a, const VipsImage *b, bool hidden)
{
    bool space = a->Type == VIPS_INTERPRETATION_CMYK, other = b->Type == VIPS_INTERPRETATION_CMYK;
    int most = 0;

    if (a->Xsize != b->Xsize || a->Ysize != b->Ysize || !comparable(a) || !comparable(b) ||
        space != other)
        return ALL_DIFFERENT;
    for (int y = 0; y < a->Ysize; y++)
        most = MAX(most, row_difference(a, b, y, hidden));
    return most;
}

int image_difference(struct image *a, struct image *b, bool hidden, struct err *err)
{
    int most = 0;

    if (a->count != b->count || a->orientation != b->orientation ||
        !same_blob(a->frame[0], b->frame[0], VIPS_META_ICC_NAME) ||
        (a->count > 1 &&
         (!same_delays(a->frame[0], b->frame[0]) || loops(a->frame[0]) != loops(b->frame[0]))))
        return ALL_DIFFERENT;
    if (image_render(a, err) < 0 || image_render(b, err) < 0)
        return -1;
    for (int i = 0; i < a->count; i++)
        most = MAX(most, frame_difference(a->frame[i], b->frame[i], hidden));
    return most;
}
