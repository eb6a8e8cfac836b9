#include "media/image_clip.h"
#include "base/str.h"
#include "media/image.h"

#include <inttypes.h>
#include <string.h>

/* ---- the resource ---- */

struct clip_bytes {
    const uint8_t *p;
    size_t len;
};

static uint32_t big_endian(const uint8_t *p, int n)
{
    uint32_t v = 0;

    for (int i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* The next resource: its id, name and contents, behind which `from` is then. False: no more, or
 * what follows is damaged. */
static bool next_resource(struct clip_bytes *from, int *id, struct clip_bytes *name,
                          struct clip_bytes *data)
{
    const uint8_t *p = from->p;
    size_t left = from->len;

    if (left < 12 || memcmp(p, "8BIM", 4) != 0)
        return false;
    *id = (int)big_endian(p + 4, 2);
    size_t named = (size_t)p[6] + 1, at = 6 + named + named % 2; /* what is odd is filled up */
    if (left < at + 4)
        return false;
    *name = (struct clip_bytes){p + 7, p[6]};
    size_t size = big_endian(p + at, 4);
    at += 4;
    if (size > left - at)
        return false;
    *data = (struct clip_bytes){p + at, size};
    at += MIN(size + size % 2, left - at);
    *from = (struct clip_bytes){p + at, left - at};
    return true;
}

static bool find_path(struct clip_bytes *out, const struct image *img, const char *wanted)
{
    struct clip_bytes rest = {0}, name;
    int id;

    rest.p = image_blob(img, "iptc-data", &rest.len); /* a JPEG's whole APP13 */
    if (!rest.p)
        rest.p = image_blob(img, "photoshop-data", &rest.len);
    if (rest.p && rest.len > 14 && !memcmp(rest.p, "Photoshop 3.0", 14))
        rest = (struct clip_bytes){rest.p + 14, rest.len - 14};
    while (rest.p && next_resource(&rest, &id, &name, out))
        if (id >= 2000 && id <= 2997 &&
            (!wanted || (strlen(wanted) == name.len && !memcmp(wanted, name.p, name.len))))
            return true;
    return false;
}

/* ---- the path ----
 *
 * Records of 26 bytes: what it is, and for a knot three points (the way in, the knot, the way out),
 * each as a share of height and of width, with 24 bits behind the point. */

#define RECORD 26
#define KNOTS_MAX 100000

struct knot {
    double x[3], y[3];
};

static struct knot knot_at(const uint8_t *record)
{
    struct knot k;

    for (int i = 0; i < 3; i++) {
        k.y[i] = (int32_t)big_endian(record + 2 + 8 * i, 4) / 16777216.0;
        k.x[i] = (int32_t)big_endian(record + 6 + 8 * i, 4) / 16777216.0;
    }
    return k;
}

static void curve(struct str *d, const struct knot *from, const struct knot *to)
{
    str_addf(d, "C%.7f %.7f %.7f %.7f %.7f %.7f", from->x[2], from->y[2], to->x[0], to->y[0],
             to->x[1], to->y[1]);
}

/* As SVG has it: each part a closed line. Returns how many knots; 0: there are none, or too many.
 */
static int path_text(struct str *d, const struct clip_bytes *data)
{
    struct knot first, last;
    uint32_t left = 0; /* knots of this part that are still to come */
    bool begun = false;
    int total = 0;

    for (size_t at = 0; at + RECORD <= data->len; at += RECORD) {
        const uint8_t *r = data->p + at;
        uint32_t kind = big_endian(r, 2);

        if (kind == 0 || kind == 3) {
            left = big_endian(r + 2, 2);
            begun = false;
        } else if (kind < 6 && left > 0) {
            struct knot k = knot_at(r);

            if (++total > KNOTS_MAX)
                return 0;
            if (begun)
                curve(d, &last, &k);
            else
                str_addf(d, "M%.7f %.7f", (first = k).x[1], k.y[1]);
            begun = true;
            last = k;
            if (--left == 0) {
                curve(d, &last, &first);
                str_putc(d, 'Z');
            }
        }
    }
    return total;
}

static VipsImage *draw_mask(const struct str *d, int64_t w, int64_t h)
{
    AUTO(str_done) struct str svg = {0};
    VipsImage *v = NULL, *mem = NULL;

    str_addf(&svg,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%" PRId64 "\" height=\"%" PRId64
             "\" viewBox=\"0 0 1 1\" preserveAspectRatio=\"none\"><rect width=\"1\" height=\"1\"/>"
             "<path fill=\"#fff\" fill-rule=\"evenodd\" d=\"",
             w, h);
    str_add(&svg, d->s, d->len);
    str_puts(&svg, "\"/></svg>");
    if (!vips_svgload_buffer(svg.s, svg.len, &v, "unlimited", TRUE, NULL)) {
        mem = vips_image_copy_memory(v);
        g_object_unref(v);
    }
    if (mem && (mem->Xsize != w || mem->Ysize != h || mem->Bands != 4)) {
        g_object_unref(mem);
        return NULL;
    }
    return mem;
}

int image_clip(struct image **mask, const struct image *img, const char *name, int64_t w, int64_t h,
               struct err *err)
{
    AUTO(str_done) struct str d = {0};
    struct clip_bytes data;

    *mask = NULL;
    if (!find_path(&data, img, name) || !path_text(&d, &data))
        return 0;
    VipsImage *v = draw_mask(&d, w, h);
    if (!v)
        return vips_fail(err, "cannot draw the clipping path");
    int rc = image_from_pixels(mask, VIPS_IMAGE_ADDR(v, 0, 0), (int)w, (int)h, 4,
                               image_orientation(img), err);
    g_object_unref(v);
    return rc;
}
