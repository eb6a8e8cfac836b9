#include "media/compose.h"
#include "media/image.h"

#include <inttypes.h>

int compose_canvas(struct image **out, int64_t w, int64_t h, struct color fill,
                   const struct media_limits *limits, struct err *err)
{
    const uint8_t rgba[4] = {fill.r, fill.g, fill.b, fill.a};
    AUTO(image_free) struct image *img = NULL;

    if (w < 1 || h < 1 || h > limits->max_pixels || w > limits->max_pixels / h ||
        w > VIPS_MAX_COORD || h > VIPS_MAX_COORD)
        return err_set(err, ERR_COMMAND,
                       "the result would have %" PRId64 "x%" PRId64 " pixels, the limit is %" PRId64
                       " (setting max_pixels)",
                       w, h, limits->max_pixels);
    if (image_from_pixels(&img, rgba, 1, 1, 4, 1, err) < 0)
        return -1;
    IMAGE_EACH(img, "cannot make a canvas", vips_replicate(in, &now, (int)w, (int)h, NULL));
    if (image_render(img, err) < 0)
        return -1;
    *out = take(img);
    return 0;
}

int compose_ready(struct image *img, struct err *err)
{
    return image_to_srgb(img, err) < 0 || image_add_alpha(img, err) < 0 ? -1 : image_own(img, err);
}
