#include "pictures.h"
#include "media/vips.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <vips/vips.h>

static VipsImage *draw(int w, int h, bool alpha, int shift)
{
    int bands = alpha ? 4 : 3;
    unsigned char *px = mem_alloc((size_t)w * (size_t)h * (size_t)bands), *p = px;

    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, p += bands) {
            p[0] = x < w / 2 ? 200 : 20;
            p[1] = (unsigned char)(40 * y / h + shift);
            p[2] = x < w / 2 ? 20 : 200;
            if (alpha)
                p[3] = y < h / 2 ? 0 : 255;
        }
    VipsImage *v = vips_image_new_from_memory_copy(px, (size_t)w * (size_t)h * (size_t)bands, w, h,
                                                   bands, VIPS_FORMAT_UCHAR),
              *out;
    free(px);
    vips_copy(v, &out, "interpretation", VIPS_INTERPRETATION_sRGB, NULL);
    g_object_unref(v);
    return out;
}

static void save(VipsImage *v, const char *path)
{
    if (vips_image_write_to_file(v, path, NULL)) {
        fprintf(stderr, "%s: %s\n", path, vips_error_buffer());
        abort();
    }
    g_object_unref(v);
}

static void start(void)
{
    if (media_init(NULL) < 0)
        abort();
}

const char *picture_make(struct robot_job *job, const char *name, int w, int h, bool alpha)
{
    const char *path = host_path(job, name);

    start();
    save(draw(w, h, alpha, 0), path);
    return path;
}

const char *picture_make_turned(struct robot_job *job, const char *name, int w, int h,
                                int orientation)
{
    const char *path = host_path(job, name);

    start();
    VipsImage *v = draw(w, h, false, 0);
    vips_image_set_int(v, VIPS_META_ORIENTATION, orientation);
    vips_image_set_string(v, "exif-ifd0-Make", "Acme (Acme, ASCII, 5 components, 5 bytes)");
    vips_image_set_string(v, "exif-ifd2-FNumber", "28/10 (f/2.8, Rational, 1 components, 8 bytes)");
    vips_image_set_string(v, "exif-ifd2-ExposureTime",
                          "1/125 (1/125 sec., Rational, 1 components, 8 bytes)");
    vips_image_set_string(v, "exif-ifd3-GPSLatitudeRef", "S (S, ASCII, 2 components, 2 bytes)");
    vips_image_set_string(v, "exif-ifd3-GPSLatitude",
                          "33/1 30/1 0/1 (33, 30, 0, Rational, 3 components, 24 bytes)");
    vips_image_set_string(v, "exif-ifd3-GPSLongitudeRef", "E (E, ASCII, 2 components, 2 bytes)");
    vips_image_set_string(v, "exif-ifd3-GPSLongitude",
                          "18/1 15/1 0/1 (18, 15, 0, Rational, 3 components, 24 bytes)");
    save(v, path);
    return path;
}

const char *picture_make_animated(struct robot_job *job, const char *name, int w, int h, int n)
{
    const char *path = host_path(job, name);
    VipsImage *frames[16], *strip, *copy;
    int delay[16];

    start();
    for (int i = 0; i < n; i++) {
        frames[i] = draw(w, h, false, 60 * i);
        delay[i] = 100;
    }
    vips_arrayjoin(frames, &strip, n, "across", 1, NULL);
    vips_copy(strip, &copy, NULL);
    vips_image_set_int(copy, VIPS_META_PAGE_HEIGHT, h);
    vips_image_set_array_int(copy, "delay", delay, n);
    save(copy, path);
    g_object_unref(strip);
    for (int i = 0; i < n; i++)
        g_object_unref(frames[i]);
    return path;
}

const char *picture_photograph(struct robot_job *job, const char *name)
{
    const char *dir = getenv("WORKCELL_PICTURES");
    const char *path = arena_printf(robot_arena(job), "%s/%s", dir ? dir : "build/pictures", name);

    if (access(path, R_OK) < 0) {
        fprintf(stderr, "%s is missing: dev/get-pictures.sh build/pictures\n", path);
        abort();
    }
    return path;
}

/* v becomes what an operation over it gave in out. */
static void step(VipsImage **v, VipsImage **out, int failed)
{
    if (failed) {
        fprintf(stderr, "%s\n", vips_error_buffer());
        abort();
    }
    g_object_unref(*v);
    *v = *out;
}

#define HEAD ((struct box){140, 10, 170, 190})     /* in astronaut.png: hair, face, collar */
#define HEAD_FACE ((struct box){180, 82, 90, 92})  /* marked by hand: brows to chin, temple to temple */

static VipsImage *head_of(struct box *face, struct robot_job *job, const struct head *h)
{
    VipsImage *v = vips_image_new_from_file(picture_photograph(job, "astronaut.png"), NULL), *out = NULL;

    if (!v)
        abort();
    step(&v, &out, vips_extract_area(v, &out, HEAD.x, HEAD.y, HEAD.width, HEAD.height, NULL));
    if (h->mirrored)
        step(&v, &out, vips_flip(v, &out, VIPS_DIRECTION_HORIZONTAL, NULL));
    if (h->gray) {
        step(&v, &out, vips_colourspace(v, &out, VIPS_INTERPRETATION_B_W, NULL));
        step(&v, &out, vips_colourspace(v, &out, VIPS_INTERPRETATION_sRGB, NULL));
    }
    if (h->darker) {
        step(&v, &out, vips_linear1(v, &out, 1 - h->darker / 100.0, 0, NULL));
        step(&v, &out, vips_cast(v, &out, VIPS_FORMAT_UCHAR, NULL));
    }
    if (h->scale != 1)
        step(&v, &out, vips_resize(v, &out, h->scale, NULL));
    int left = HEAD_FACE.x - HEAD.x;
    if (h->mirrored)
        left = HEAD.width - left - HEAD_FACE.width;
    *face = (struct box){h->x + (int)(left * h->scale), h->y + (int)((HEAD_FACE.y - HEAD.y) * h->scale),
                         (int)(HEAD_FACE.width * h->scale), (int)(HEAD_FACE.height * h->scale)};
    return v;
}

const char *picture_group(struct box *boxes, struct robot_job *job, const char *name, int w, int h, const struct head *heads, int count)
{
    const char *path = host_path(job, name);
    VipsImage *wall, *out = NULL;
    double tone[] = {172, 166, 158};

    start();
    if (vips_black(&wall, w, h, "bands", 3, NULL))
        abort();
    double one[] = {1, 1, 1};
    step(&wall, &out, vips_linear(wall, &out, one, tone, 3, NULL));
    step(&wall, &out, vips_cast(wall, &out, VIPS_FORMAT_UCHAR, NULL));
    step(&wall, &out, vips_copy(wall, &out, "interpretation", VIPS_INTERPRETATION_sRGB, NULL));
    for (int i = 0; i < count; i++) {
        VipsImage *head = head_of(&boxes[i], job, &heads[i]);

        step(&wall, &out, vips_insert(wall, head, &out, heads[i].x, heads[i].y, NULL));
        g_object_unref(head);
    }
    save(wall, path);
    return path;
}

const char *picture_write(struct robot_job *job, const char *name, const void *data, size_t len)
{
    const char *path = host_path(job, name);
    FILE *f = fopen(path, "wb");

    if (!f || fwrite(data, 1, len, f) != len || fclose(f))
        abort();
    return path;
}

struct picture_facts picture_facts(const char *path)
{
    struct picture_facts f = {0};
    const char *loader = "";

    start();
    VipsImage *v = vips_image_new_from_file(path, NULL);
    if (!v)
        return f;
    vips_image_get_string(v, "vips-loader", &loader);
    f = (struct picture_facts){
        v->Xsize, v->Ysize, v->Bands, vips_image_get_n_pages(v), vips_image_get_orientation(v), ""};
    snprintf(f.loader, sizeof f.loader, "%s", loader);
    g_object_unref(v);
    return f;
}

int picture_pixel(double out[4], const char *path, int x, int y)
{
    double *px;
    int n;

    start();
    VipsImage *v = vips_image_new_from_file(path, NULL);
    if (!v || vips_getpoint(v, &px, &n, x, y, NULL))
        abort();
    memcpy(out, px, (size_t)(n < 4 ? n : 4) * sizeof *px);
    g_free(px);
    g_object_unref(v);
    return n;
}

double picture_psnr(const char *a, const char *b)
{
    VipsImage *x = vips_image_new_from_file(a, NULL), *y = vips_image_new_from_file(b, NULL);
    VipsImage *diff, *square;
    double mean = -1;

    if (x && y && x->Xsize == y->Xsize && x->Ysize == y->Ysize) {
        vips_subtract(x, y, &diff, NULL);
        vips_multiply(diff, diff, &square, NULL);
        vips_avg(square, &mean, NULL);
        g_object_unref(diff);
        g_object_unref(square);
    }
    g_object_unref(x);
    g_object_unref(y);
    return mean < 0 ? -1 : mean == 0 ? 99 : 10 * log10(255 * 255 / mean);
}

const char *picture_reference(struct robot_job *job, const char *name, const char *path, int w,
                              int h)
{
    const char *to = host_path(job, name);
    VipsImage *v, *small;

    start();
    if (!(v = vips_image_new_from_file(path, NULL)) ||
        vips_resize(v, &small, (double)w / v->Xsize, "vscale", (double)h / v->Ysize, NULL))
        abort();
    save(small, to);
    g_object_unref(v);
    return to;
}
