#include "media/picture_pdf.h"
#include "media/surface.h"
#include "media/text_file.h"

#include <cairo-pdf.h>
#include <string.h>

#define DOTS 96.0 /* per inch */
#define JPEG_MAX ((size_t)256 << 20)

/* Of pixels of 3 or 4 bytes, as cairo wants them: alpha multiplied in. */
static void pdf_pixels(cairo_surface_t *to, const uint8_t *from, int64_t w, int64_t h, int bands)
{
    uint8_t *data = cairo_image_surface_get_data(to);
    int stride = cairo_image_surface_get_stride(to);

    cairo_surface_flush(to);
    for (int64_t y = 0; y < h; y++) {
        uint32_t *row = (uint32_t *)(void *)(data + y * stride);

        for (int64_t x = 0; x < w; x++, from += bands) {
            uint32_t a = bands == 4 ? from[3] : 255;

            row[x] = a << 24 | (from[0] * a + 127) / 255 << 16 | (from[1] * a + 127) / 255 << 8 |
                     (from[2] * a + 127) / 255;
        }
    }
    cairo_surface_mark_dirty(to);
}

static int pdf_attach(cairo_surface_t *to, const char *jpeg, struct err *err)
{
    char *data;
    size_t len;

    if (text_file_bytes(&data, &len, jpeg, JPEG_MAX, err) < 0)
        return -1;
    if (cairo_surface_set_mime_data(to, CAIRO_MIME_TYPE_JPEG, (unsigned char *)data, len, free,
                                    data) != CAIRO_STATUS_SUCCESS) {
        free(data);
        return err_set(err, ERR_COMMAND, "the picture can't be put into a PDF");
    }
    return 0;
}

int picture_pdf(const char *path, struct image *img, const char *jpeg, struct err *err)
{
    int64_t w = image_width(img), h = image_height(img);
    double scale = 72.0 / DOTS;
    AUTO(mem_free) char *pixels = NULL;
    int bands;

    if (w > SURFACE_SIDE_MAX || h > SURFACE_SIDE_MAX)
        return err_set(err, ERR_COMMAND, "a page is at most %d px wide and high", SURFACE_SIDE_MAX);
    if (image_pixels((uint8_t **)&pixels, &bands, img, err) < 0)
        return -1;
    AUTO(surface_free)
    cairo_surface_t *picture = cairo_image_surface_create(
        bands == 4 ? CAIRO_FORMAT_ARGB32 : CAIRO_FORMAT_RGB24, (int)w, (int)h);
    if (cairo_surface_status(picture) != CAIRO_STATUS_SUCCESS)
        return err_set(err, ERR_COMMAND, "the picture: %s",
                       cairo_status_to_string(cairo_surface_status(picture)));
    pdf_pixels(picture, (const uint8_t *)pixels, w, h, bands);
    if (jpeg && pdf_attach(picture, jpeg, err) < 0)
        return -1;
    AUTO(surface_free)
    cairo_surface_t *page = cairo_pdf_surface_create(path, (double)w * scale, (double)h * scale);
    AUTO(surface_pen_free) cairo_t *cr = cairo_create(page);
    cairo_scale(cr, scale, scale);
    cairo_set_source_surface(cr, picture, 0, 0);
    cairo_paint(cr);
    cairo_show_page(cr);
    cairo_surface_finish(page);
    return cairo_surface_status(page) == CAIRO_STATUS_SUCCESS
               ? 0
               : err_set(err, ERR_COMMAND, "the PDF: %s",
                         cairo_status_to_string(cairo_surface_status(page)));
}
