/* What cameras store: the light of each point of the sensor, developed by libraw. */
#include "media/still.h"

#include <libraw/libraw.h>
#include <omp.h>
#include <string.h>

#define MEMORY_MB 1024

static int raw_failed(struct err *err, int rc)
{
    return err_set(err, ERR_COMMAND, "the photograph can't be read: %s", libraw_strerror(rc));
}

static int raw_open(struct still *s, struct err *err)
{
    libraw_data_t *r =
        libraw_init(LIBRAW_OPIONS_NO_DATAERR_CALLBACK | LIBRAW_OPIONS_NO_MEMERR_CALLBACK);
    int rc;

    if (!r)
        return still_broken(err, "out of memory");
    omp_set_num_threads(1);
    s->own = r;
    r->params.output_bps = 8;
    r->params.output_color = 1; /* sRGB */
    r->params.use_camera_wb = 1;
    r->params.no_auto_bright = 0;
    r->params.half_size = s->half;
    r->params.max_raw_memory_mb = MEMORY_MB;
    if ((rc = libraw_open_buffer(r, (void *)s->data, s->len)) != 0)
        return rc == LIBRAW_FILE_UNSUPPORTED ? 1 : raw_failed(err, rc);
    s->orientation = r->sizes.flip == 3 ? 3 : r->sizes.flip == 5 ? 8 : r->sizes.flip == 6 ? 6 : 1;
    r->params.user_flip = 0; /* as it is stored, like every picture's size is told */
    if ((rc = libraw_adjust_sizes_info_only(r)) != 0)
        return raw_failed(err, rc);
    s->width = r->sizes.iwidth;
    s->height = r->sizes.iheight;
    s->bands = r->idata.colors == 1 ? 1 : 3;
    libraw_recycle(r); /* what has been asked for its size can't be developed any more */
    return 0;
}

static void raw_close(struct still *s)
{
    if (s->own)
        libraw_close(s->own);
}

static int raw_pixels(uint8_t *to, struct still *s, struct err *err)
{
    libraw_data_t *r = s->own;
    libraw_processed_image_t *made;
    int rc;

    if ((rc = libraw_open_buffer(r, (void *)s->data, s->len)) != 0 ||
        (rc = libraw_unpack(r)) != 0 || (rc = libraw_dcraw_process(r)) != 0)
        return raw_failed(err, rc);
    if (!(made = libraw_dcraw_make_mem_image(r, &rc)))
        return raw_failed(err, rc);
    bool fits = made->type == LIBRAW_IMAGE_BITMAP && made->bits == 8 && made->width == s->width &&
                made->height == s->height && made->colors == s->bands &&
                made->data_size == (size_t)s->width * (size_t)s->height * (size_t)s->bands;
    if (fits)
        memcpy(to, made->data, made->data_size);
    rc = fits ? 0
              : err_set(err, ERR_COMMAND,
                        "the photograph has %dx%d pixels of %d colours, and not %lldx%lld of %d",
                        made->width, made->height, made->colors, (long long)s->width,
                        (long long)s->height, s->bands);
    libraw_dcraw_clear_mem(made);
    return rc;
}

const struct still_reader still_raw = {"raw", raw_open, raw_pixels, raw_close};
